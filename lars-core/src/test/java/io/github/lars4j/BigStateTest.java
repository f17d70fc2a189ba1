package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Saves and restores a state of 1 GiB, half momentum and half weights, in a JVM with a heap only 64 MiB larger. */
@Tag("slow")
class BigStateTest {

    private static final int LAYERS = 8;
    private static final int LENGTH = 1 << 27;

    /** Saves a state, clears it, restores it and compares. */
    static final class Saving {

        private Saving() {}

        public static void main(String[] args) throws IOException {
            Path file = Path.of(args[0]);
            Layers.Builder layers = Layers.builder();
            for (int i = 0; i < LAYERS; i++) {
                layers.add("layer" + i, LENGTH / LAYERS);
            }
            float[] params = new float[LENGTH];
            try (Lars lars =
                    Lars.builder(layers.build()).learningRate(0.1).momentum(0.9).build()) {
                float[] momentum = Inside.momentum(lars);
                for (int i = 0; i < LENGTH; i++) {
                    params[i] = pattern(i);
                    momentum[i] = pattern(~i);
                }
                Checkpoint.save(file, lars, params);
                Arrays.fill(params, 0);
                Arrays.fill(momentum, 0);
                Checkpoint.load(file).restore(lars, params);
                for (int i = 0; i < LENGTH; i++) {
                    if (params[i] != pattern(i) || momentum[i] != pattern(~i)) {
                        throw new AssertionError("element " + i);
                    }
                }
            }
            System.out.println("restored " + Files.size(file) / (1 << 20) + " MiB, heap "
                    + Runtime.getRuntime().maxMemory() / (1 << 20) + " MiB");
        }

        private static float pattern(int i) {
            return (i * 0x9e3779b9) >> 8;
        }
    }

    @Test
    void savesAndLoadsInSixtyFourMebibytesMore(@TempDir Path folder) throws Exception {
        Process process = new ProcessBuilder(ChildJvm.command(
                        List.of("-Xms1088m", "-Xmx1088m", "-Xmn24m", "-XX:+UseSerialGC"),
                        Saving.class,
                        folder.resolve("big.safetensors").toString()))
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), output);
        System.out.print(output);
    }
}
