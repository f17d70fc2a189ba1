package io.github.lars4j;

import java.io.IOException;
import java.io.InputStream;
import java.lang.module.ModuleDescriptor;
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

/** Finds the parameters of the public API by reflection. Each has a key such as {@code Layers.get(int)#0}. */
final class PublicParameters {

    private PublicParameters() {}

    /** Returns the type of every parameter of every public constructor and method, by its key. */
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

    /** Returns the key of the parameter at an index. */
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
                throw new AssertionError("two methods have the key " + key);
            }
        }
    }

    /** Returns whether every object, or every enum, has this method. */
    private static boolean isJavas(Executable executable) {
        return executable.getName().equals("equals")
                || (executable.getDeclaringClass().isEnum()
                        && executable.getName().equals("valueOf"));
    }

    /** Returns the name, such as {@code Lars.step(float[],Gradients)} or {@code new Layers(List)}. */
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
            Set<String> exported;
            try (InputStream module = Files.newInputStream(root.resolve("module-info.class"))) {
                exported = ModuleDescriptor.read(module).exports().stream()
                        .map(ModuleDescriptor.Exports::source)
                        .collect(Collectors.toSet());
            }
            try (Stream<Path> files = Files.walk(root)) {
                return files.map(file -> root.relativize(file).toString())
                        .filter(file -> file.endsWith(".class") && !file.endsWith("-info.class"))
                        .map(file -> file.substring(0, file.length() - ".class".length())
                                .replaceAll("[/\\\\]", "."))
                        .filter(name -> exported.contains(name.substring(0, name.lastIndexOf('.'))))
                        .<Class<?>>map(PublicParameters::load)
                        .filter(PublicParameters::isPublic)
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
