package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints written by earlier versions of the library: they load, and saving them again gives the same bytes. */
class OldCheckpointTest {

    @TempDir
    Path folder;

    @Test
    void formatOneWithWeights() throws IOException {
        Checkpoint checkpoint = old("format-1-with-weights");
        assertEquals(3, checkpoint.step());
        assertEquals(Dialects.OPTAX, checkpoint.hyperparameters().rule());
        assertTrue(checkpoint.hasWeights());
        float[] weights = new float[21];
        try (Lars lars = Lars.builder(checkpoint.layers()).learningRate(0.5).build()) {
            assertTrue(checkpoint.restore(lars, weights).complete());
            Path again = folder.resolve("again");
            Checkpoint.save(again, lars, weights);
            assertArrayEquals(bytes("format-1-with-weights"), Files.readAllBytes(again));
        }
    }

    @Test
    void formatOneWithoutMomentum() throws IOException {
        Checkpoint checkpoint = old("format-1-without-momentum");
        assertEquals(3, checkpoint.step());
        assertEquals(Dialects.timm(true, false), checkpoint.hyperparameters().rule());
        try (Lars lars = Lars.builder(checkpoint.layers()).learningRate(0.5).build()) {
            checkpoint.restore(lars);
            Path again = folder.resolve("again");
            Checkpoint.save(again, lars);
            assertArrayEquals(bytes("format-1-without-momentum"), Files.readAllBytes(again));
        }
    }

    private Checkpoint old(String name) throws IOException {
        return Checkpoint.load(Files.write(folder.resolve("old"), bytes(name)));
    }

    private static byte[] bytes(String name) throws IOException {
        try (InputStream in = OldCheckpointTest.class.getResourceAsStream("checkpoints/" + name + ".safetensors")) {
            return in.readAllBytes();
        }
    }
}
