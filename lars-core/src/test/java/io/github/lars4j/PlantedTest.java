package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A third of the planted bugs, which {@code src/test/planted/run} chooses by the commit: the tests kill every one. */
@Tag("slow")
class PlantedTest {

    private static void assumeFound(String program) {
        boolean found = Stream.of(System.getenv().getOrDefault("PATH", "").split(Pattern.quote(File.pathSeparator)))
                .anyMatch(folder -> new File(folder, program).canExecute());
        assumeTrue(found, "planting bugs needs the program " + program);
    }

    @Test
    void aSampleIsKilled() throws Exception {
        assumeFound("bash");
        assumeFound("patch");
        assumeFound("git");
        Path script = Path.of("src", "test", "planted", "run");
        assumeTrue(Files.exists(Path.of("..", ".git")), "the commit chooses the sample, and this is no git repository");
        Process process = new ProcessBuilder("bash", script.toString(), "--sample")
                .redirectErrorStream(true)
                .start();
        StringBuilder output = new StringBuilder();
        try (BufferedReader lines = process.inputReader()) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                System.out.println(line);
                output.append(line).append(System.lineSeparator());
            }
        }
        assertEquals(0, process.waitFor(), output::toString);
    }
}
