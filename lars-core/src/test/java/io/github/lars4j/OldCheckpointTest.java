package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Checkpoints that earlier versions of the library have written. Each is read as what it was, to the bit, and so is the
 * step after it. A failure means that files of users would be read as something else: change the code, not the files.
 */
class OldCheckpointTest {

    /** Silenced, because every restore into an optimizer with other settings logs a line. */
    private static final Logger LOGGER = Logger.getLogger("io.github.lars4j");

    @TempDir
    Path folder;

    @BeforeAll
    static void logLess() {
        LOGGER.setLevel(Level.WARNING);
    }

    @AfterAll
    static void logAgain() {
        LOGGER.setLevel(null);
    }

    static List<String> names() {
        return KeptCheckpoints.NAMES;
    }

    @ParameterizedTest
    @MethodSource("names")
    void holdsTheStateThatItHeldWhenItWasWritten(String name) throws IOException {
        Path again = folder.resolve("again");
        assertEquals(Files.readString(KeptCheckpoints.text(name)), KeptCheckpoints.read(name, again));
        assertArrayEquals(
                Files.readAllBytes(KeptCheckpoints.file(name)), Files.readAllBytes(again), "saved again, same bytes");
    }

    @Test
    void noFileIsForgotten() throws IOException {
        Set<String> known = new TreeSet<>();
        for (String name : names()) {
            known.add(name + ".safetensors");
            known.add(name + ".txt");
        }
        Set<String> there = new TreeSet<>();
        try (Stream<Path> files = Files.list(KeptCheckpoints.FOLDER)) {
            files.forEach(file -> there.add(file.getFileName().toString()));
        }
        assertEquals(known, there);
    }
}
