package io.github.lars4j;

import io.github.lars4j.rule.Checks;
import io.github.lars4j.rule.Coefficients;
import io.github.lars4j.safetensors.FileErrors;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.Modifier;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The parameters of the public API as the classes have them, each under a key such as {@code Layers.get(int)#0}. */
final class PublicParameters {

    /** Packages that say of themselves: Internal, may change at any time. Any other counts, new ones too. */
    private static final Set<String> INTERNAL_PACKAGES =
            Set.of("io.github.lars4j.kernel", "io.github.lars4j.passes", "io.github.lars4j.replay");

    /** Types that say the same, and are public only for the packages beside theirs. */
    private static final Set<Class<?>> INTERNAL_TYPES = Set.of(Checks.class, Coefficients.class, FileErrors.class);

    private PublicParameters() {}

    /** The type of every parameter of every public constructor and method of every public type, by its key. */
    static Map<String, Class<?>> all() {
        Map<String, Class<?>> parameters = new TreeMap<>();
        for (Class<?> type : types()) {
            for (Executable executable : List.<Executable>of(type.getDeclaredConstructors())) {
                add(parameters, executable);
            }
            for (Executable executable : List.<Executable>of(type.getDeclaredMethods())) {
                add(parameters, executable);
            }
        }
        return parameters;
    }

    /** The key of the parameter at an index. */
    static String key(String executable, int index) {
        return executable + "#" + index;
    }

    private static void add(Map<String, Class<?>> parameters, Executable executable) {
        if (!Modifier.isPublic(executable.getModifiers()) || executable.isSynthetic() || isJavas(executable)) {
            return;
        }
        for (int i = 0; i < executable.getParameterCount(); i++) {
            String key = key(name(executable), i);
            if (parameters.put(key, executable.getParameterTypes()[i]) != null) {
                throw new AssertionError(key + " is of two methods");
            }
        }
    }

    /** What every object has, and what the compiler gives every enum. */
    private static boolean isJavas(Executable executable) {
        return executable.getName().equals("equals")
                || (executable.getDeclaringClass().isEnum()
                        && executable.getName().equals("valueOf"));
    }

    /** {@code Lars.step(float[],Gradients)}, or {@code new Layers(List)}. */
    private static String name(Executable executable) {
        Class<?> type = executable.getDeclaringClass();
        String typeName =
                type.getCanonicalName().substring(type.getPackageName().length() + 1);
        return (executable instanceof Constructor ? "new " + typeName : typeName + "." + executable.getName())
                + Stream.of(executable.getParameterTypes())
                        .map(Class::getSimpleName)
                        .collect(Collectors.joining(",", "(", ")"));
    }

    private static List<Class<?>> types() {
        try {
            Path root = Path.of(Lars.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
            try (Stream<Path> files = Files.walk(root)) {
                return files.map(file -> root.relativize(file).toString())
                        .filter(file -> file.endsWith(".class") && !file.endsWith("-info.class"))
                        .map(file -> file.substring(0, file.length() - ".class".length())
                                .replaceAll("[/\\\\]", "."))
                        .filter(name -> !INTERNAL_PACKAGES.contains(name.substring(0, name.lastIndexOf('.'))))
                        .<Class<?>>map(PublicParameters::load)
                        .filter(PublicParameters::isPublic)
                        .filter(type -> !INTERNAL_TYPES.contains(type))
                        .toList();
            }
        } catch (IOException | URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    private static Class<?> load(String name) {
        try {
            return Class.forName(name, false, PublicParameters.class.getClassLoader());
        } catch (ClassNotFoundException e) {
            throw new AssertionError(e);
        }
    }

    private static boolean isPublic(Class<?> type) {
        return Modifier.isPublic(type.getModifiers())
                && (type.getDeclaringClass() == null || isPublic(type.getDeclaringClass()));
    }
}
