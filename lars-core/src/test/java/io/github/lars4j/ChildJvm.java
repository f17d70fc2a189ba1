package io.github.lars4j;

import java.io.File;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Other JVMs like this one, with the library and its tests on the class path. */
public final class ChildJvm {

    private ChildJvm() {}

    /** Returns the command line that starts such a JVM. */
    public static List<String> command(List<String> flags, Class<?> main, String... arguments)
            throws URISyntaxException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(flags);
        command.add("-cp");
        command.add(place(Lars.class) + File.pathSeparator + place(main));
        command.add(main.getName());
        command.addAll(List.of(arguments));
        return command;
    }

    /** Does tasks that wait for JVMs, as many at a time as there are processors; returns the results in their order. */
    public static <T> List<T> together(List<Callable<T>> tasks) throws Exception {
        List<T> results = new ArrayList<>();
        try (ExecutorService processors =
                Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors())) {
            for (Future<T> result : processors.invokeAll(tasks)) {
                results.add(result.get());
            }
        }
        return results;
    }

    private static Path place(Class<?> type) throws URISyntaxException {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
    }
}
