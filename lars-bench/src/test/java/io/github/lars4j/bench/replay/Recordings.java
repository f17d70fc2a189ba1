package io.github.lars4j.bench.replay;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The recordings among the tests of lars-core, whose folder is beside this module's. */
final class Recordings {

    static final Path FOLDER = Path.of("..", "lars-core", "src", "test", "resources", "recordings");

    private static final String ENDING = ".safetensors";

    private Recordings() {}

    /** The names of all, in order. */
    static List<String> names() {
        try (Stream<Path> files = Files.list(FOLDER)) {
            return files.map(file -> file.getFileName().toString().replace(ENDING, ""))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Path file(String name) {
        return FOLDER.resolve(name + ENDING);
    }
}
