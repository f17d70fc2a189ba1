package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A build that runs out of memory at any point leaves no thread behind. */
@Tag("no-mutants")
class FailedBuildTest {

    /** Builds with less and less free memory; after each build no thread of an optimizer is alive. */
    static final class Building {

        private static final int MEBIBYTE = 1 << 20;

        private Building() {}

        public static void main(String[] args) {
            // The sums of the blocks of this layer take 16 MiB.
            Layers layers = Layers.builder().add("a", Integer.MAX_VALUE - 4096).build();
            int built = 0;
            int failed = 0;
            for (int used = 0; hold(used, () -> {}); used++) {
                if (hold(used, () -> build(layers))) {
                    built++;
                } else {
                    failed++;
                }
                long left = Thread.getAllStackTraces().keySet().stream()
                        .filter(thread -> thread.getName().matches("lars4j-\\d+"))
                        .count();
                if (left > 0) {
                    throw new AssertionError(left + " threads are left with " + used + " MiB in use");
                }
            }
            System.out.println(built + " built, " + failed + " failed");
        }

        private static void build(Layers layers) {
            Lars.builder(layers).learningRate(1).parallelism(4).build().close();
        }

        /** Runs {@code work} while {@code used} MiB are in use; returns whether there was enough memory. */
        private static boolean hold(int used, Runnable work) {
            byte[][] held = new byte[used][];
            try {
                for (int i = 0; i < used; i++) {
                    held[i] = new byte[MEBIBYTE];
                }
                work.run();
                return held.length == used;
            } catch (OutOfMemoryError e) {
                return false;
            }
        }
    }

    @Test
    void leavesNoThread() throws Exception {
        Process process = new ProcessBuilder(ChildJvm.command(
                        List.of("-Xms48m", "-Xmx48m", "-Xmn8m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                        Building.class))
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), output);
        Matcher counts = Pattern.compile("(\\d+) built, (\\d+) failed").matcher(output);
        assertTrue(counts.find(), output);
        assertTrue(Integer.parseInt(counts.group(1)) >= 3 && Integer.parseInt(counts.group(2)) >= 3, output);
        System.out.println("With ever less memory: " + counts.group());
    }
}
