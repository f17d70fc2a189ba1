package io.github.lars4j.bench.arms;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** What an iteration's tear-down refuses. */
class GuardTest {

    @Test
    void valuesWhoseArithmeticIsUnusuallySlowOrMeaninglessAreRefused() {
        float[] refused = {
            Float.MIN_VALUE,
            -Float.MIN_VALUE,
            Math.nextDown(Float.MIN_NORMAL),
            -Math.nextDown(Float.MIN_NORMAL),
            Float.NaN,
            Float.POSITIVE_INFINITY,
            Float.NEGATIVE_INFINITY
        };
        for (float value : refused) {
            IllegalStateException e = assertThrows(
                    IllegalStateException.class,
                    () -> StepBenchmark.requireNormal("momentum", new float[] {1, value}),
                    "" + value);
            assertTrue(e.getMessage().startsWith("momentum has " + value + " at 1"), e.getMessage());
        }
        assertDoesNotThrow(() -> StepBenchmark.requireNormal(
                "weights", new float[] {0, -0f, Float.MIN_NORMAL, -Float.MIN_NORMAL, Float.MAX_VALUE}));
    }

    @Test
    void everyArrayOfEveryStateIsLookedAt() {
        for (int array = 0; array < 3; array++) {
            StepBenchmark.Flat flat = new StepBenchmark.Flat();
            flat.layout = "10x2";
            flat.prepare();
            assertDoesNotThrow(flat::check);
            (array == 0 ? flat.weights : array == 1 ? flat.gradients : flat.momentum)[19] = Float.MIN_VALUE;
            assertThrows(IllegalStateException.class, flat::check, "array " + array);

            StepBenchmark.WithNaiveLars naive = new StepBenchmark.WithNaiveLars();
            naive.layout = "10x2";
            naive.prepare();
            new StepBenchmark().naive(naive);
            assertDoesNotThrow(naive::check);
            (array == 0 ? naive.weights[1] : array == 1 ? naive.gradients[1] : naive.lars.buffer(1))[9] = Float.NaN;
            assertThrows(IllegalStateException.class, naive::check, "naive, array " + array);
        }
    }
}
