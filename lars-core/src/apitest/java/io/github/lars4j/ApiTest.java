package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.InputStream;
import java.lang.module.ModuleDescriptor;
import java.lang.reflect.AnnotatedElement;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.Field;
import java.lang.reflect.GenericDeclaration;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The public signatures of this module are those of {@code src/test/resources/api.txt}, so that none is removed, added or
 * changed unnoticed. After a change that is meant, run this test once with {@code -Dapi.update}, which writes the list
 * anew, and commit it. Several modules run this same test.
 */
class ApiTest {

    private static final Path CLASSES = Path.of("target/classes");
    private static final Path LIST = Path.of("src/test/resources/api.txt");

    @Test
    void theListHasEverySignature() throws IOException {
        String actual = list();
        if (System.getProperty("api.update") != null) {
            Files.writeString(LIST, actual);
        }
        Set<String> missing = lines(Files.readString(LIST));
        Set<String> unlisted = lines(actual);
        Set<String> common = new LinkedHashSet<>(missing);
        common.retainAll(unlisted);
        missing.removeAll(common);
        unlisted.removeAll(common);
        List<String> differences = new ArrayList<>();
        missing.forEach(line -> differences.add("- " + line));
        unlisted.forEach(line -> differences.add("+ " + line));
        assertEquals(
                List.of(),
                differences,
                "the API is not that of " + LIST
                        + ". docs/compatibility.md says which changes are allowed; if these are"
                        + " meant, run this test once with -Dapi.update and commit the list:\n"
                        + String.join("\n", differences) + "\n");
    }

    /** Returns the lines of a list, those of members with the name of their type before them. */
    private static Set<String> lines(String list) {
        Set<String> lines = new LinkedHashSet<>();
        String type = "";
        for (String line : list.lines().toList()) {
            if (!line.startsWith(" ")) {
                type = line.replaceFirst(":.*", "");
            }
            lines.add(line.startsWith(" ") ? type + ":" + line : line);
        }
        return lines;
    }

    private static String list() throws IOException {
        StringBuilder list = new StringBuilder();
        Path descriptor = CLASSES.resolve("module-info.class");
        Set<String> exported = null;
        if (Files.exists(descriptor)) {
            try (InputStream in = Files.newInputStream(descriptor)) {
                ModuleDescriptor module = ModuleDescriptor.read(in);
                exported = new TreeSet<>();
                for (ModuleDescriptor.Exports exports : module.exports()) {
                    exported.add(exports.source());
                }
                Set<String> facts = new TreeSet<>();
                exported.forEach(name -> facts.add("exports " + name));
                module.requires().forEach(other -> facts.add("requires " + other.name()));
                append(list, "module " + module.name(), facts);
            }
        }
        Map<String, Class<?>> types = new TreeMap<>();
        for (Class<?> type : types()) {
            String name = type.getPackageName();
            if (isVisible(type) && (exported == null ? !name.endsWith(".example") : exported.contains(name))) {
                types.put(name(type), type);
            }
        }
        types.forEach((name, type) -> append(list, name + ": " + declaration(type), members(type)));
        return list.toString();
    }

    private static void append(StringBuilder list, String head, Set<String> lines) {
        list.append(list.isEmpty() ? "" : "\n").append(head).append('\n');
        lines.forEach(line -> list.append("  ").append(line).append('\n'));
    }

    private static List<Class<?>> types() throws IOException {
        try (Stream<Path> files = Files.walk(CLASSES)) {
            return files.map(file -> CLASSES.relativize(file).toString())
                    .filter(file -> file.endsWith(".class") && !file.endsWith("-info.class"))
                    .map(file -> file.replaceFirst("\\.class$", "").replaceAll("[/\\\\]", "."))
                    .<Class<?>>map(ApiTest::load)
                    .toList();
        }
    }

    private static Class<?> load(String name) {
        try {
            return Class.forName(name, false, ApiTest.class.getClassLoader());
        } catch (ClassNotFoundException e) {
            throw new AssertionError(e);
        }
    }

    private static boolean isVisible(Class<?> type) {
        return isVisible(type.getModifiers())
                && !type.isAnonymousClass()
                && (type.getDeclaringClass() == null || isVisible(type.getDeclaringClass()));
    }

    private static boolean isVisible(int modifiers) {
        return Modifier.isPublic(modifiers) || Modifier.isProtected(modifiers);
    }

    private static String declaration(Class<?> type) {
        int modifiers = type.getModifiers();
        StringBuilder text = new StringBuilder(deprecation(type.getAnnotation(Deprecated.class)));
        text.append(Modifier.isPublic(modifiers) ? "public " : "protected ");
        if (type.isRecord()) {
            text.append("record").append(parameters(type));
            text.append(Arrays.stream(type.getRecordComponents())
                    .map(component -> name(component.getGenericType()) + " " + component.getName())
                    .collect(Collectors.joining(", ", "(", ")")));
        } else if (type.isEnum()) {
            // In their order, by which they are compared.
            text.append("enum ");
            text.append(Arrays.stream(type.getEnumConstants())
                    .map(constant -> ((Enum<?>) constant).name())
                    .toList());
        } else {
            boolean isInterface = type.isInterface();
            text.append(Modifier.isAbstract(modifiers) && !isInterface ? "abstract " : "");
            text.append(Modifier.isFinal(modifiers) ? "final " : "");
            text.append(type.isSealed() ? "sealed " : "");
            text.append(type.isAnnotation() ? "@interface" : isInterface ? "interface" : "class");
            text.append(parameters(type));
            Type superclass = type.getGenericSuperclass();
            text.append(superclass == null || superclass == Object.class ? "" : " extends " + name(superclass));
        }
        text.append(names(type.isInterface() ? " extends " : " implements ", type.getGenericInterfaces()));
        // The subclasses that nobody else sees are no part of the API.
        return text.append(names(
                        " permits ",
                        type.isSealed() && !type.isEnum()
                                ? Arrays.stream(type.getPermittedSubclasses())
                                        .filter(ApiTest::isVisible)
                                        .toArray(Type[]::new)
                                : new Type[0]))
                .toString();
    }

    private static Set<String> members(Class<?> type) {
        Set<String> members = new TreeSet<>();
        for (Field field : type.getDeclaredFields()) {
            if (isListed(field) && !field.isEnumConstant()) {
                members.add(modifiers(field) + name(field.getGenericType()) + " " + field.getName() + value(field));
            }
        }
        for (Constructor<?> constructor : type.getDeclaredConstructors()) {
            if (isListed(constructor)) {
                members.add(modifiers(constructor) + before(constructor) + "new" + signature(constructor));
            }
        }
        for (Method method : type.getDeclaredMethods()) {
            if (isListed(method) && !isOfEveryType(method)) {
                members.add(modifiers(method) + (method.isDefault() ? "default " : "") + before(method)
                        + name(method.getGenericReturnType()) + " " + method.getName() + signature(method));
            }
        }
        return members;
    }

    /** Returns the value of a constant that javac may copy into the code that uses it. */
    private static String value(Field field) {
        Class<?> type = field.getType();
        int constant = Modifier.STATIC | Modifier.FINAL;
        if ((field.getModifiers() & constant) != constant || !(type.isPrimitive() || type == String.class)) {
            return "";
        }
        try {
            return " = " + field.get(null);
        } catch (IllegalAccessException e) {
            throw new AssertionError(e);
        }
    }

    private static boolean isListed(Member member) {
        return isVisible(member.getModifiers()) && !member.isSynthetic();
    }

    /** Returns whether every object or every enum has this method, declared or not. */
    private static boolean isOfEveryType(Method method) {
        String name = method.getName();
        if (method.getDeclaringClass().isEnum() && (name.equals("values") || name.equals("valueOf"))) {
            return true;
        }
        return Arrays.stream(Object.class.getMethods())
                .anyMatch(other -> other.getName().equals(name)
                        && Arrays.equals(other.getParameterTypes(), method.getParameterTypes()));
    }

    private static <M extends Member & AnnotatedElement> String modifiers(M member) {
        int listed = Modifier.PUBLIC | Modifier.PROTECTED | Modifier.STATIC | Modifier.FINAL;
        boolean ofInterface = member.getDeclaringClass().isInterface();
        int modifiers = member.getModifiers() & (ofInterface ? listed : listed | Modifier.ABSTRACT);
        return deprecation(member.getAnnotation(Deprecated.class)) + Modifier.toString(modifiers) + " ";
    }

    private static String deprecation(Deprecated annotation) {
        return annotation == null ? "" : annotation.forRemoval() ? "@Deprecated(forRemoval) " : "@Deprecated ";
    }

    private static String signature(Executable executable) {
        List<String> types = new ArrayList<>();
        for (Type type : executable.getGenericParameterTypes()) {
            types.add(name(type));
        }
        if (executable.isVarArgs()) {
            types.add(types.removeLast().replaceFirst("\\[]$", "..."));
        }
        return "(" + String.join(", ", types) + ")" + names(" throws ", executable.getGenericExceptionTypes());
    }

    private static String before(Executable executable) {
        String parameters = parameters(executable);
        return parameters.isEmpty() ? "" : parameters + " ";
    }

    /** Returns the type parameters with their bounds. */
    private static String parameters(GenericDeclaration declaration) {
        List<String> texts = new ArrayList<>();
        for (var parameter : declaration.getTypeParameters()) {
            texts.add(parameter.getName()
                    + Arrays.stream(parameter.getBounds())
                            .map(ApiTest::name)
                            .collect(Collectors.joining(" & ", " extends ", "")));
        }
        return texts.isEmpty() ? "" : "<" + String.join(", ", texts) + ">";
    }

    private static String names(String before, Type[] types) {
        return types.length == 0
                ? ""
                : Arrays.stream(types).map(ApiTest::name).sorted().collect(Collectors.joining(", ", before, ""));
    }

    /** Returns the name as in Java, without that of java.lang. */
    private static String name(Type type) {
        return type.getTypeName().replace('$', '.').replaceAll("\\bjava\\.lang\\.(?=[A-Z])", "");
    }
}
