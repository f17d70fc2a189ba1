package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("locale")
class LargeBatchCommandTest {

    @TempDir
    Path folder;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    private int run(String... args) {
        err.reset();
        return LargeBatchCommand.run(
                args,
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8));
    }

    private String errors() {
        return err.toString(StandardCharsets.UTF_8);
    }

    @Test
    void refusesWhatItDoesNotKnow() {
        refuses("unknown argument \"--fast\"", "--fast");
        refuses("--data needs a value", "--quick", "--data");
        refuses("--jobs is 0; it must be in [1, 1024]", "--jobs", "0");
        refuses("--jobs is \"many\"", "--jobs", "many");
    }

    private void refuses(String reason, String... args) {
        assertEquals(2, run(args));
        assertTrue(errors().startsWith("large-batch: " + reason), errors());
        assertTrue(errors().contains("usage: large-batch [--quick]"), errors());
    }

    @Test
    void saysHowToGetTheDataAndWritesNothing() {
        Path results = folder.resolve("results");
        assertEquals(2, run("--quick", "--data", folder.toString(), "--out", results.toString()));
        assertTrue(errors().contains("train-images-idx3-ubyte is not there"), errors());
        assertTrue(errors().contains("dataset-fashion-mnist"), errors());
        assertEquals(0, out.size());
        assertTrue(!results.toFile().exists());
    }
}
