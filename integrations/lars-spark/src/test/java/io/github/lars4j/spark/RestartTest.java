package io.github.lars4j.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.spark.launcher.JavaModuleOptions;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The driver's process ends in the middle of a step, and another one goes on with another number of executors. */
class RestartTest {

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"driver", "sharded"})
    void anotherDriverGoesOn(String design) throws IOException, InterruptedException {
        Path result = folder.resolve(Training.RESULT);
        assertEquals(3, train(design, "1", "10"), () -> log(2));
        assertFalse(Files.exists(result), "it did not come to its end");
        assertEquals(0, train(design, "2"), () -> log(1));
        assertEquals(Problem.onOneJvm(Dialects.PAPER, Training.STEPS), Files.readString(result));
    }

    private String log(int number) {
        try {
            return Files.readString(folder.resolve("log-" + number));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private int train(String design, String... more) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        command.addAll(List.of(JavaModuleOptions.defaultModuleOptionArray()));
        command.addAll(List.of("--add-modules", "jdk.incubator.vector"));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Training.class.getName()));
        command.addAll(List.of(design, folder.toString()));
        command.addAll(List.of(more));
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("log-" + more.length).toFile())
                .start();
        try {
            assertTrue(process.waitFor(5, TimeUnit.MINUTES), () -> log(more.length));
            return process.exitValue();
        } finally {
            process.destroyForcibly();
        }
    }
}
