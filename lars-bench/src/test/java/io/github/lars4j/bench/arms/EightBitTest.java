package io.github.lars4j.bench.arms;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The momentum in 8 bits, and the loops over it. */
class EightBitTest {

    @AfterEach
    void clear() {
        System.clearProperty("lars4j.kernels");
    }

    @Test
    void codesAreThoseOfTheirValues() {
        for (EightBit code : EightBit.values()) {
            float before = Float.NEGATIVE_INFINITY;
            for (int c = code == EightBit.LINEAR ? -127 : 0; c <= 127; c++) {
                float value = code.value((byte) c);
                assertTrue(value > before, code + " " + c);
                assertEquals(c, code.nearest(value), code + " " + c);
                assertEquals((byte) (code == EightBit.LINEAR ? -c : c | 0x80), code.nearest(-value), code + " -" + c);
                if (before > 0) {
                    float middle = (before + value) / 2;
                    assertEquals(c, code.nearest(Math.nextUp(middle)));
                    assertEquals(c - 1, code.nearest(Math.nextDown(middle)));
                    assertEquals((c - 1) % 2 == 0 ? c - 1 : c, code.nearest(middle), "even");
                }
                before = value;
            }
            assertEquals(code.most, before);
            assertEquals(0, code.value((byte) 0));
        }
    }

    @Test
    void roundingKeepsTheLargestOfEachBlockAndIsOffByHalfAStep() {
        float[] exact = random(EightBit.BLOCK * 3 + 17, 1);
        for (EightBit code : EightBit.values()) {
            float[] rounded = exact.clone();
            code.round(rounded, 0, rounded.length, null);
            for (int from = 0; from < exact.length; from += EightBit.BLOCK) {
                float largest = 0;
                int end = Math.min(exact.length, from + EightBit.BLOCK);
                for (int i = from; i < end; i++) {
                    largest = Math.max(largest, Math.abs(exact[i]));
                }
                for (int i = from; i < end; i++) {
                    float size = Math.abs(exact[i]);
                    float step = code == EightBit.LINEAR ? largest / 127 : Math.max(size / 8, largest * 0x1p-15f);
                    assertEquals(exact[i], rounded[i], size == largest ? 1e-6 * size : 0.5001 * step, code + " " + i);
                }
            }
            float[] tiny = {1e-31f, -1e-31f};
            code.round(tiny, 0, 2, null);
            assertArrayEquals(new float[2], tiny, code.toString());
        }
    }

    @Test
    void stochasticRoundingIsRightOnAverage() {
        for (EightBit code : EightBit.values()) {
            int blocks = 2000;
            float[] values = new float[blocks * EightBit.BLOCK];
            for (int i = 0; i < values.length; i++) {
                values[i] = i % EightBit.BLOCK == 0 ? 1 : 0.0101f;
            }
            code.round(values, 0, values.length, new SplittableRandom(1));
            double sum = 0;
            for (int i = 0; i < values.length; i++) {
                sum += i % EightBit.BLOCK == 0 ? 0 : values[i];
            }
            // A step of a linear code is 1 / 127, that of a dynamic one less.
            double standardError = 0.5 / 127 / Math.sqrt(values.length);
            assertEquals(0.0101, sum / blocks / (EightBit.BLOCK - 1), 4 * standardError, code.toString());
        }
    }

    @Test
    void loopsTakeTheStepOfSgdOnRoundedMomentum() {
        int length = 5 * EightBit.BLOCK + 100;
        for (EightBit code : EightBit.values()) {
            for (boolean vector : new boolean[] {false, true}) {
                float[] w = random(length, 2);
                float[] g = random(length, 3);
                byte[] codes = new byte[length];
                float[] scales = new float[length / EightBit.BLOCK + 1];
                EightBitLoops loops = new EightBitLoops(code, vector, w, g, codes, scales);
                float[] expectedW = scaled(w);
                float[] expectedV = new float[length];
                System.arraycopy(expectedW, 0, w, 0, length);
                for (int step = 0; step < 3; step++) {
                    VectorArms.sgd(expectedW, g, expectedV, 0, length, Loops.RATE, Loops.MOMENTUM, Loops.DECAY);
                    code.round(expectedV, 0, length, null);
                    double squares = loops.sgdAndSquare(0, length);
                    assertEquals(VectorArms.squares(expectedW, 0, length), squares);
                    for (int i = 0; i < length; i++) {
                        assertEquals(expectedV[i], code.value(codes[i]) * scales[i / EightBit.BLOCK], code + " " + i);
                    }
                }
                assertArrayEquals(expectedW, w, 0, code + " " + vector);
            }
        }
    }

    /** Makes weights so small that the benchmarks' learning rate moves them. */
    private static float[] scaled(float[] weights) {
        float[] scaled = new float[weights.length];
        for (int i = 0; i < scaled.length; i++) {
            scaled[i] = weights[i] * 1e-6f;
        }
        return scaled;
    }

    @Test
    void armsHaveTheMomentumIn8BitsOrRefuseIt() {
        StepBenchmark benchmark = new StepBenchmark();
        for (EightBit code : EightBit.values()) {
            StepBenchmark.WithSgd sgd = new StepBenchmark.WithSgd();
            StepBenchmark.WithPasses passes = new StepBenchmark.WithPasses();
            passes.sums = "fresh";
            passes.onBadGradient = "refuse";
            prepare(sgd, "float32", code.format());
            prepare(passes, "float32", code.format());
            benchmark.sgd(sgd);
            benchmark.passes(passes);
            assertArrayEquals(sgd.codes, passes.codes);
            assertArrayEquals(sgd.scales, passes.scales, 0);
            assertEquals(sgd.gradients[77], code.value(sgd.codes[77]) * sgd.scales[0], 0.0011);
            int last = sgd.weights.length - 1;
            assertTrue(code.value(sgd.codes[last]) * sgd.scales[last / EightBit.BLOCK] != 0);
            sgd.close();
            passes.close();

            passes.onBadGradient = "skipLayer";
            assertRefused(
                    "onBadGradient is \"skipLayer\"; with a momentum in 8 bits it must be refuse", passes, "float32");
            assertRefused(
                    "gradientFormat is \"bfloat16\"; with a momentum in 8 bits it must be float32", sgd, "bfloat16");
            assertRefused("momentumFormat is \"linear8\"; it must be", new StepBenchmark.WithLars(), "float32");
            assertRefused("momentumFormat is \"linear8\"; it must be", new StepBenchmark.WithCopies(), "float32");
        }
    }

    private static void assertRefused(String start, StepBenchmark.WithFormats state, String gradients) {
        String message = assertThrows(IllegalArgumentException.class, () -> prepare(state, gradients, "linear8"))
                .getMessage();
        assertTrue(message.startsWith(start), message);
    }

    private static void prepare(StepBenchmark.WithFormats state, String gradients, String momentum) {
        state.layout = "5001x2";
        state.kernels = "vector";
        state.gradientFormat = gradients;
        state.momentumFormat = momentum;
        state.threads = 2;
        state.prepare();
    }

    private static float[] random(int length, long seed) {
        Random random = new Random(seed);
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
