package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Kills a process twenty times while it saves: the file is complete, and at least as new as the last completed save.
 */
@Tag("no-mutants")
class KillTest {

    private static final int LENGTH = 300_000;

    /** Saves one state after another and prints a line before and after each save. */
    static final class Saving {

        private Saving() {}

        public static void main(String[] args) throws IOException {
            Path file = Path.of(args[0]);
            float[] params = new float[LENGTH];
            try (Lars lars = optimizer()) {
                while (true) {
                    fill(params, lars.steps());
                    System.out.println("saving " + lars.steps());
                    Checkpoint.save(file, lars, params);
                    System.out.println("saved " + lars.steps());
                    lars.step(params, new float[LENGTH]);
                }
            }
        }
    }

    private static Lars optimizer() {
        return Lars.builder(Layers.builder().add("w", LENGTH).build())
                .learningRate(0.1)
                .momentum(0.9)
                .build();
    }

    private static void fill(float[] params, long step) {
        for (int i = 0; i < params.length; i++) {
            params[i] = 31 * step + i;
        }
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }

    @Test
    void theFileIsWhole(@TempDir Path folder) throws Exception {
        List<Callable<Integer>> kills = new ArrayList<>();
        for (int round = 0; round < 20; round++) {
            int seed = round;
            Path own = Files.createDirectory(folder.resolve("round " + round));
            kills.add(() -> kill(seed, own));
        }
        int inTheMiddle =
                ChildJvm.together(kills).stream().mapToInt(Integer::intValue).sum();
        System.out.println("20 kills, " + inTheMiddle + " in the middle of a save, and 20 whole files");
        assertTrue(inTheMiddle > 0, "no kill came in the middle of a save");
    }

    /** Kills a process that saves to a folder; returns the number of temporary files that it leaves there. */
    private static int kill(int seed, Path folder) throws Exception {
        Path file = folder.resolve("run.safetensors");
        float[] params = new float[LENGTH];
        float[] expected = new float[LENGTH];
        Random random = new Random(seed);
        Process process = new ProcessBuilder(ChildJvm.command(
                        List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"), Saving.class, file.toString()))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        long saved = -1;
        try (BufferedReader output = process.inputReader()) {
            int lines = 2 + 2 * random.nextInt(6);
            String last = "";
            for (int i = 0; i <= lines; i++) {
                last = output.readLine();
                saved = last.startsWith("saved ") ? Long.parseLong(last.substring(6)) : saved;
            }
            assertTrue(last.startsWith("saving "), last);
            // Wait for a random time within the save that has begun.
            for (int spins = random.nextInt(2_000_000); spins > 0; spins--) {
                Thread.onSpinWait();
            }
            // Destroying the handle, not the process, keeps the output readable.
            process.toHandle().destroyForcibly();
            for (last = output.readLine(); last != null; last = output.readLine()) {
                // The kill may have cut the last line short.
                saved = last.matches("saved \\d+") ? Math.max(saved, Long.parseLong(last.substring(6))) : saved;
            }
        }
        process.waitFor();
        try (Lars lars = optimizer()) {
            Checkpoint checkpoint = Checkpoint.load(file);
            checkpoint.restore(lars, params);
            assertTrue(lars.steps() >= saved, "step " + lars.steps() + " after " + saved + " was saved");
            fill(expected, lars.steps());
            assertEquals(-1, Arrays.mismatch(expected, params), "seed " + seed);
        }
        int left = files(folder).size() - 1;
        try (Lars lars = optimizer()) {
            Checkpoint.save(file, lars, params);
        }
        assertEquals(List.of(file), files(folder), "the save after the kill deletes the temporary file");
        return left;
    }
}
