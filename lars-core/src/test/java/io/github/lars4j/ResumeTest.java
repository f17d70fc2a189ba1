package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.saving.UnforcedDisk;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** A run that is saved, loaded and continued after any step gives the same bits as an uninterrupted run. */
class ResumeTest {

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

    @TestFactory
    Stream<DynamicTest> resumesExactlyAfterEveryStep() {
        return Arrays.stream(SampleRun.Kind.values())
                .map(kind -> DynamicTest.dynamicTest(kind.name(), () -> resumesExactly(kind)));
    }

    private void resumesExactly(SampleRun.Kind kind) throws IOException {
        float[] params = SampleRun.params();
        String expected;
        try (Lars whole = SampleRun.builder(kind).build()) {
            String before = SampleRun.bits(whole, params);
            SampleRun.run(whole, params, SampleRun.LAST_STEP);
            expected = SampleRun.bits(whole, params);
            assertNotEquals(before, expected);
            assertTrue(Inside.refusals(whole) > 10);
        }
        float[] running = SampleRun.params();
        try (Lars first = SampleRun.builder(kind).build()) {
            for (int k = 1; k <= 200; k++) {
                SampleRun.step(first, running);
                assertEquals(k, first.steps());
                Path file = folder.resolve(kind + "-" + k + ".safetensors");
                if (kind == SampleRun.Kind.PAPER) {
                    Checkpoint.save(file, first, running);
                } else {
                    Inside.save(new UnforcedDisk(), file, first, running);
                }
                float[] resumed = new float[running.length];
                // Built with other settings, which the file replaces.
                try (Lars second = SampleRun.builder(
                                kind == SampleRun.Kind.CARRIED ? kind : SampleRun.Kind.PAPER,
                                k % 2 == 0
                                        ? SampleRun.LAYERS
                                        : Checkpoint.load(file).layers())
                        .build()) {
                    Checkpoint.load(file).restore(second, resumed);
                    assertEquals(SampleRun.bits(first, running), SampleRun.bits(second, resumed), "saved after " + k);
                    SampleRun.run(second, resumed, SampleRun.LAST_STEP);
                    assertEquals(expected, SampleRun.bits(second, resumed), "resumed after " + k);
                }
            }
        }
        System.out.println(kind + ": resumed after each of 200 steps with the same bits");
    }
}
