package io.github.lars4j;

import java.io.File;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The command line of a JVM like this one, with the library and its tests on the class path. */
public final class ChildJvm {

    private ChildJvm() {}

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

    private static Path place(Class<?> type) throws URISyntaxException {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
    }
}
