package io.github.lars4j.bench.arms;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Lars;
import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.StepReport;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Treatment;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What the arms of the benchmark are made of; {@link BenchmarkTest} has the benchmark methods themselves. */
class ArmsTest {

    private static final String KERNELS = "lars4j.kernels";

    /** Around vector lengths, their unrolled multiples, and the lanes of the scalar sums. */
    private static final int[] LENGTHS = {0, 1, 3, 15, 16, 17, 31, 33, 63, 64, 65, 127, 130, 1023, 1024, 1030, 5000};

    private static final Layers LAYERS = Layers.builder()
            .add("conv", 5000)
            .add("bias", 16, Treatment.PLAIN)
            .add("odd", 1337)
            .add("one", 1)
            .build();

    @AfterEach
    void clear() {
        System.clearProperty(KERNELS);
    }

    @Test
    void scansAddUpEveryElementOfBothArrays() {
        for (int length : LENGTHS) {
            // Eighths below 8: exact in float as long as the sum stays below 2^21, and in whole units of 1/1024.
            float[] w = eighths(length + 6, 1);
            float[] g = eighths(length + 6, 2);
            double expected = 0;
            for (int i = 3; i < 3 + length; i++) {
                expected += (double) w[i] + g[i];
            }
            assertEquals(expected, VectorArms.scan(w, g, 3, 3 + length), "vector, length " + length);
            assertEquals(expected, ScalarArms.scan(w, g, 3, 3 + length), "scalar, length " + length);
        }
    }

    @Test
    void sumsTakeEveryElementOnce() {
        for (int length : LENGTHS) {
            float[] w = eighths(length + 5, 1);
            float[] g = eighths(length + 5, 2);
            double[] expected = {7, 8};
            for (int i = 2; i < 2 + length; i++) {
                expected[0] += (double) w[i] * w[i];
                expected[1] += (double) g[i] * g[i];
            }
            double[] sums = {7, 8};
            VectorArms.sums(w, g, 2, 2 + length, sums);
            assertArrayEquals(expected, sums, 0, "length " + length);
            assertEquals(expected[0] - 7, VectorArms.squares(w, 2, 2 + length), "length " + length);
        }
    }

    @Test
    void sgdThatSquaresIsSgdAndTheSquares() {
        for (int length : LENGTHS) {
            float[] g = random(length + 5, 1);
            float[][] plain = {random(length + 5, 2), random(length + 5, 3)};
            float[][] squaring = {plain[0].clone(), plain[1].clone()};
            VectorArms.sgd(plain[0], g, plain[1], 2, 2 + length, 0.1f, 0.9f, 0.01f);
            double squares = VectorArms.sgdAndSquare(squaring[0], g, squaring[1], 2, 2 + length, 0.1f, 0.9f, 0.01f);
            assertArrayEquals(plain[0], squaring[0], 0, "length " + length);
            assertArrayEquals(plain[1], squaring[1], 0, "length " + length);
            double expected = VectorArms.squares(plain[0], 2, 2 + length);
            assertEquals(expected, squares, 1e-12 * expected, "length " + length);
        }
    }

    @Test
    void passesReadWhatIsNotKnownAndTakeAStepOfSgd() {
        for (String sums : new String[] {"fresh", "carried", "given"}) {
            for (String policy : new String[] {"refuse", "skipLayer"}) {
                for (int threads = 1; threads <= 3; threads++) {
                    String what = sums + " " + policy + " " + threads;
                    StepBenchmark.WithPasses state = new StepBenchmark.WithPasses();
                    prepare(state, "vector", sums, policy, threads);
                    // So small that the benchmarks' learning rate moves them.
                    for (int i = 0; i < state.weights.length; i++) {
                        state.weights[i] *= 1e-6f;
                    }
                    System.arraycopy(random(state.weights.length, 5), 0, state.momentum, 0, state.weights.length);
                    float[] w = state.weights.clone();
                    float[] v = state.momentum.clone();
                    double before = squares(w);
                    ScalarArms.sgd(
                            w,
                            state.gradients,
                            v,
                            0,
                            w.length,
                            (float) StepBenchmark.RATE,
                            (float) StepBenchmark.MOMENTUM,
                            (float) StepBenchmark.DECAY);
                    double expected = switch (sums) {
                        case "fresh" -> before + squares(state.gradients);
                        case "carried" -> squares(state.gradients) + squares(w);
                        default -> squares(w);
                    };
                    assertEquals(expected, new StepBenchmark().passes(state), 1e-12 * expected, what);
                    assertArrayEquals(w, state.weights, 0, what);
                    assertArrayEquals(v, state.momentum, 0, what);
                    assertNotEquals(before, squares(w), "the weights have moved");
                    state.close();
                }
            }
        }
    }

    private static double squares(float[] values) {
        return VectorArms.squares(values, 0, values.length);
    }

    @Test
    void sgdArmsAgreeWithTheFormulaInBits() {
        for (int length : LENGTHS) {
            float[] g = random(length + 5, 1);
            float[][] vector = {random(length + 5, 2), random(length + 5, 3)};
            float[][] scalar = {vector[0].clone(), vector[1].clone()};
            float[][] expected = {vector[0].clone(), vector[1].clone()};
            for (int step = 0; step < 3; step++) {
                VectorArms.sgd(vector[0], g, vector[1], 2, 2 + length, 0.1f, 0.9f, 0.01f);
                ScalarArms.sgd(scalar[0], g, scalar[1], 2, 2 + length, 0.1f, 0.9f, 0.01f);
                for (int i = 2; i < 2 + length; i++) {
                    float d = g[i] + 0.01f * expected[0][i];
                    expected[1][i] = 0.9f * expected[1][i] + d;
                    expected[0][i] -= 0.1f * (0.9f * expected[1][i] + d);
                }
            }
            for (int a = 0; a < 2; a++) {
                assertArrayEquals(expected[a], vector[a], 0, "vector, length " + length);
                assertArrayEquals(expected[a], scalar[a], 0, "scalar, length " + length);
            }
        }
    }

    @Test
    void scalarLarsTakesTheLibrarysStep() {
        Hyperparameters hyper = new Hyperparameters(Dialects.PAPER, 0.01, 0.001, 0.9, 0, true, false);
        for (boolean allSumsFirst : new boolean[] {true, false}) {
            float[] g = random((int) LAYERS.end(), 1);
            float[] w = random(g.length, 2);
            float[] v = new float[g.length];
            float[] expectedW = w.clone();
            float[] expectedV = new float[g.length];
            ScalarLars arm = new ScalarLars(LAYERS, hyper, 0.5, allSumsFirst);
            System.setProperty(KERNELS, "scalar");
            try (Lars lars = Lars.builder(LAYERS)
                    .learningRate(0.5)
                    .trustCoefficient(0.01)
                    .weightDecay(0.001)
                    .momentum(0.9)
                    .nesterov(true)
                    .momentumBuffer(expectedV)
                    .build()) {
                for (int step = 0; step < 5; step++) {
                    arm.step(w, g, v);
                    lars.step(expectedW, g);
                }
            }
            // The sums differ in their order alone, by some ulps of a double, a billionth of a float's.
            assertArrayEquals(expectedW, w, 1e-6f);
            assertArrayEquals(expectedV, v, 1e-6f);
            assertTrue(moved(random(g.length, 2), w) > 1e-3, "the weights have moved");
        }
    }

    @Test
    void scalarSumsOfSquaresTakeEveryElementOnce() {
        Hyperparameters hyper = new Hyperparameters(Dialects.PAPER, 0.01, 0.001, 0.9, 0, true, false);
        ScalarLars arm = new ScalarLars(LAYERS, hyper, 0.5, true);
        for (int length : LENGTHS) {
            float[] x = eighths(length + 5, 4);
            double expected = 0;
            for (int i = 2; i < 2 + length; i++) {
                expected += (double) x[i] * x[i];
            }
            assertEquals(expected, arm.squares(x, 2, 2 + length), "length " + length);
        }
    }

    @Test
    void naiveLarsIsTheSnippet() {
        Layers layers = Layers.builder().add("a", 300).add("b", 7).build();
        float[] g = random(307, 1);
        float[] w = random(307, 2);
        float[][] naiveW = split(layers, w);
        float[][] naiveG = split(layers, g);
        NaiveLars naive = new NaiveLars(2, 0.5f, 0.9f, 0.001f, true, 0.01f);
        try (Lars lars = Lars.builder(layers)
                .rule(Dialects.SNIPPET)
                .learningRate(0.5)
                .trustCoefficient(0.01)
                .weightDecay(0.001)
                .momentum(0.9)
                .nesterov(true)
                .build()) {
            for (int step = 0; step < 5; step++) {
                naive.step(naiveW, naiveG);
                lars.step(w, g);
            }
        }
        float[][] expected = split(layers, w);
        assertArrayEquals(expected[0], naiveW[0], 1e-6f);
        assertArrayEquals(expected[1], naiveW[1], 1e-6f);
        assertTrue(moved(random(307, 2), w) > 1e-3, "the weights have moved");
        assertArrayEquals(split(layers, random(307, 1))[0], naiveG[0], 0, "gradients are only read");
    }

    @Test
    void skipLayerOnlySkipsAndRefuseRefuses() {
        for (String policy : new String[] {"refuse", "skipLayer"}) {
            StepBenchmark.WithHalves state = withLars("vector", "fresh", policy, 1);
            state.gradients[0] = Float.NaN;
            StepReport report = new StepBenchmark().lars(state);
            assertEquals(policy.equals("refuse"), report.refused());
            state.close();
        }
    }

    /** The benchmark's own state: momentum at its fixed point, weights where they were. */
    @Test
    void stateIsStationaryAndNormal() {
        StepBenchmark benchmark = new StepBenchmark();
        StepBenchmark.WithHalves state = withLars("scalar", "fresh", "refuse", 1);
        float[] weights = state.weights.clone();
        for (int step = 0; step < 500; step++) {
            benchmark.lars(state);
        }
        float[] momentum = state.momentum.clone();
        for (int step = 0; step < 10; step++) {
            benchmark.lars(state);
        }
        state.check();
        assertArrayEquals(weights, state.weights, 0, "weights");
        assertArrayEquals(momentum, state.momentum, 0, "momentum");
        assertTrue(Math.abs(momentum[0]) > 1e-20f, "momentum is far from the subnormals: " + momentum[0]);
        state.close();

        StepBenchmark.WithSgd sgd = new StepBenchmark.WithSgd();
        prepare(sgd, "vector", 1);
        for (int step = 0; step < 500; step++) {
            benchmark.sgd(sgd);
        }
        sgd.check();
        assertArrayEquals(weights, sgd.weights, 0, "weights of sgd");
        sgd.close();

        StepBenchmark.WithNaiveLars naive = new StepBenchmark.WithNaiveLars();
        naive.layout = "100x3";
        naive.prepare();
        float[] before = naive.weights[2].clone();
        for (int step = 0; step < 500; step++) {
            benchmark.naive(naive);
        }
        naive.check();
        assertArrayEquals(before, naive.weights[2], 0, "weights of naive");
    }

    private static StepBenchmark.WithHalves withLars(String kernels, String sums, String policy, int threads) {
        StepBenchmark.WithHalves state = new StepBenchmark.WithHalves();
        state.halfWeights = "off";
        state.memory = "array";
        prepare(state, kernels, sums, policy, threads);
        return state;
    }

    private static void prepare(StepBenchmark.InOrder state, String kernels, String sums, String policy, int threads) {
        state.sums = sums;
        state.onBadGradient = policy;
        prepare(state, kernels, threads);
    }

    private static void prepare(StepBenchmark.WithFormats state, String kernels, int threads) {
        state.layout = "5001x7";
        state.gap = 64;
        state.kernels = kernels;
        state.gradientFormat = "float32";
        state.momentumFormat = "float32";
        state.threads = threads;
        state.prepare();
    }

    private static float[][] split(Layers layers, float[] flat) {
        float[][] parts = new float[layers.size()][];
        for (int i = 0; i < parts.length; i++) {
            Layer layer = layers.get(i);
            parts[i] = Arrays.copyOfRange(flat, (int) layer.offset(), (int) layer.end());
        }
        return parts;
    }

    private static double moved(float[] before, float[] after) {
        double most = 0;
        for (int i = 0; i < before.length; i++) {
            most = Math.max(most, Math.abs((double) before[i] - after[i]));
        }
        return most;
    }

    private static float[] random(int length, long seed) {
        Random random = new Random(seed);
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private static float[] eighths(int length, long seed) {
        Random random = new Random(seed);
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = (random.nextInt(127) - 63) / 8f;
        }
        return values;
    }
}
