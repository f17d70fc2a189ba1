package io.github.lars4j.bench.arms;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Layer;
import io.github.lars4j.LayerSums;
import io.github.lars4j.Layers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every arm computes what it claims, so that a fast wrong one cannot win: the benchmark methods themselves, on the
 * states that JMH gives them, against a step in double written here. At the benchmarks' own learning rate no usual
 * weight moves; so the library's is raised, and the other arms get weights so small that theirs moves them.
 */
class BenchmarkTest {

    private static final double RATE = 1e-10;
    private static final double MOMENTUM = 0.9;
    private static final double DECAY = 1e-4;
    private static final double TRUST = 1e-3;

    private static final String[] SUMS = {"fresh", "carried", "given"};
    private static final String[] POLICIES = {"refuse", "skipLayer"};

    private final StepBenchmark benchmark = new StepBenchmark();

    @TempDir
    Path folder;

    private String layout;

    /** Lengths that are no multiple of anything, a chunk of the ceilings and more, and plain layers. */
    @BeforeEach
    void list() throws IOException {
        layout = "@"
                + Files.writeString(
                        folder.resolve("net.txt"), "conv 71x70\nbias 16\nfc 191x107\nscale 1\nodd 3x11\nend 1x1\n");
    }

    @AfterEach
    void clear() {
        System.clearProperty("lars4j.kernels");
    }

    @Test
    void larsTakesTheStepOfThePaperInEveryMode() {
        float[][] first = null;
        for (String kernels : new String[] {"scalar", "vector"}) {
            for (String sums : SUMS) {
                for (String policy : POLICIES) {
                    for (int threads = 1; threads <= 2; threads++) {
                        String what = kernels + " " + sums + " " + policy + " " + threads;
                        StepBenchmark.WithHalves state = withLars(kernels, sums, policy, threads);
                        assertTrue(state.lars.kernels().startsWith(kernels + " kernels"), what);
                        state.lars.learningRate(0.5);
                        float[] w = state.weights.clone();
                        float[] g = state.gradients.clone();
                        float[] v = state.momentum.clone();
                        for (int step = 0; step < 3; step++) {
                            benchmark.lars(state);
                            step(state.layers, false, 0.5, false, w, g, v);
                        }
                        assertClose(w, state.weights, 1e-6, what + " weights");
                        assertClose(v, state.momentum, 1e-5, what + " momentum");
                        assertArrayEquals(g, state.gradients, 0, what);
                        if (first == null) {
                            first = new float[][] {state.weights, state.momentum};
                        }
                        assertArrayEquals(first[0], state.weights, 0, what);
                        assertArrayEquals(first[1], state.momentum, 0, what);
                        state.close();
                    }
                }
            }
        }
    }

    @Test
    void everyMemoryGivesTheSameSums() {
        for (int threads = 1; threads <= 2; threads++) {
            LayerSums expected = null;
            for (String memory : new String[] {"array", "arrays", "native", "mapped"}) {
                StepBenchmark.WithHalves state = new StepBenchmark.WithHalves();
                state.memory = memory;
                state.halfWeights = "off";
                ordered(state, "vector", "fresh", "refuse", threads);
                state.lars.learningRate(0.5);
                for (int step = 0; step < 3; step++) {
                    benchmark.lars(state);
                }
                LayerSums sums = benchmark.measure(state);
                for (int i = 0; i < state.layers.size(); i++) {
                    if (expected != null) {
                        assertEquals(expected.weights(i), sums.weights(i), memory + " layer " + i);
                    }
                    assertNotEquals(state.measured.weights(i), sums.weights(i), "moved");
                }
                expected = sums;
                state.lars.discard();
                state.close();
            }
        }
    }

    @Test
    void anUnknownMemoryIsRefused() {
        StepBenchmark.WithLars state = new StepBenchmark.WithLars();
        state.memory = "heap";
        assertEquals(
                "memory is \"heap\"; it must be one of array, arrays, native, mapped",
                assertThrows(IllegalArgumentException.class, () -> ordered(state, "scalar", "fresh", "refuse", 1))
                        .getMessage());
    }

    @Test
    void layerByLayerTakesTheStepOfGradientsFirst() {
        LayerByLayerBenchmark producers = new LayerByLayerBenchmark();
        LayerByLayerBenchmark.WithProducer first = withProducer();
        LayerByLayerBenchmark.WithProducer single = withProducer();
        LayerByLayerBenchmark.WithProducer sgd = withProducer();
        float[] before = first.weights.clone();
        assertEquals(191 * 107, ((float[]) single.buffer).length);
        for (int step = 0; step < 3; step++) {
            producers.gradientsFirst(first);
            producers.layerByLayer(single);
            producers.gradientsFirstSgd(sgd);
            producers.producer(sgd);
        }
        assertArrayEquals(first.weights, single.weights, 0);
        assertArrayEquals(first.momentum, single.momentum, 0);
        assertArrayEquals(first.gradients, sgd.gradients, 0);
        assertNotEquals(before[0], first.weights[0]);
        assertNotEquals(0, sgd.momentum[0]);
        first.close();
        single.close();
        sgd.close();
    }

    private LayerByLayerBenchmark.WithProducer withProducer() {
        LayerByLayerBenchmark.WithProducer state = new LayerByLayerBenchmark.WithProducer();
        state.sums = "fresh";
        formatted(state, "vector", 1);
        state.lars.learningRate(0.5);
        return state;
    }

    @Test
    void anOwnRatioGivesTheBitsOfTheBuiltInOne() {
        for (String sums : SUMS) {
            for (String policy : POLICIES) {
                StepBenchmark.WithHalves usual = withLars("vector", sums, policy, 1);
                StepBenchmark.WithOwnRule own = prepared(new StepBenchmark.WithOwnRule(), "vector", sums, policy, 1);
                usual.lars.learningRate(0.5);
                own.lars.learningRate(0.5);
                assertEquals(
                        "paper", own.lars.hyperparameters().rule().ownName().orElseThrow());
                for (int step = 0; step < 3; step++) {
                    benchmark.lars(usual);
                    benchmark.larsOwnRule(own);
                }
                assertArrayEquals(usual.weights, own.weights, 0, sums + " " + policy);
                assertArrayEquals(usual.momentum, own.momentum, 0, sums + " " + policy);
                usual.close();
                own.close();
            }
        }
    }

    @Test
    void measureTakesTheSumsAndUpdateTheRestOfTheStep() {
        for (String kernels : new String[] {"scalar", "vector"}) {
            for (String sums : SUMS) {
                for (int threads = 1; threads <= 2; threads++) {
                    String what = kernels + " " + sums + " " + threads;
                    StepBenchmark.WithHalves state = withLars(kernels, sums, "refuse", threads);
                    float[] w = state.weights.clone();
                    float[] v = state.momentum.clone();
                    LayerSums measured = benchmark.measure(state);
                    for (int i = 0; i < state.layers.size(); i++) {
                        double ww = squares(state.weights, state.layers.get(i));
                        double gg = squares(state.gradients, state.layers.get(i));
                        assertEquals(ww, measured.weights(i), 1e-13 * ww, what);
                        assertEquals(gg, measured.gradients(i), 1e-13 * gg, what);
                    }
                    assertArrayEquals(w, state.weights, 0, what);
                    assertArrayEquals(v, state.momentum, 0, what);
                    state.lars.discard();
                    state.lars.learningRate(0.5);
                    benchmark.update(state);
                    step(state.layers, false, 0.5, false, w, state.gradients, v);
                    assertClose(w, state.weights, 1e-6, what + " weights");
                    assertClose(v, state.momentum, 1e-5, what + " momentum");
                    state.close();
                }
            }
        }
    }

    @Test
    void updateGoesByTheSumsThatItIsHandedAndTakesNone() {
        StepBenchmark.WithHalves usual = withLars("vector", "fresh", "refuse", 1);
        StepBenchmark.WithHalves other = withLars("vector", "fresh", "refuse", 1);
        other.measured.setWeights(2, 4 * other.measured.weights(2));
        benchmark.update(usual);
        benchmark.update(other);
        Layer layer = usual.layers.get(2);
        int from = (int) layer.offset();
        int to = (int) layer.end();
        assertArrayEquals(part(usual.momentum, 0, from), part(other.momentum, 0, from), 0);
        for (int i = from; i < to; i++) {
            // Of two equal steps, 0.9 in + in; with twice the norm at the second, 0.9 in + 2 in.
            assertEquals(2.9 / 1.9, other.momentum[i] / usual.momentum[i], 0.01, "momentum at " + i);
        }
        usual.close();
        other.close();
    }

    /** What is not to be read is not read: a change there does not show. */
    @Test
    void sumsComeFromWhereTheParameterSays() {
        for (String sums : SUMS) {
            StepBenchmark.WithHalves state = withLars("vector", sums, "refuse", 1);
            benchmark.lars(state);
            LayerSums measured = benchmark.measure(state);
            double ww = measured.weights(2);
            double gg = measured.gradients(2);
            int last = (int) state.layers.get(2).end() - 1;
            state.weights[last] = 1000;
            state.gradients[last] = 1000;
            measured = benchmark.measure(state);
            if (sums.equals("fresh")) {
                assertNotEquals(ww, measured.weights(2), sums);
            } else {
                assertEquals(ww, measured.weights(2), sums);
            }
            if (sums.equals("given")) {
                assertEquals(gg, measured.gradients(2), sums);
            } else {
                assertNotEquals(gg, measured.gradients(2), sums);
            }
            state.close();
        }
    }

    @Test
    void threadsAndGapsAreAsAskedFor() {
        for (int threads : new int[] {1, 2, 3}) {
            long before = workers();
            StepBenchmark.WithHalves state = withLars("scalar", "fresh", "refuse", threads);
            assertEquals(threads - 1, workers() - before, threads + " threads");
            assertEquals(64, state.gaps[0].length);
            assertEquals(64, state.gaps[1].length);
            state.close();
        }
        StepBenchmark.Flat flat = new StepBenchmark.Flat();
        flat.layout = layout;
        flat.prepare();
        assertNull(flat.gaps[0]);
        assertNull(flat.gaps[1]);
    }

    private static long workers() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().matches("lars4j-[0-9]+"))
                .count();
    }

    @Test
    void scalarLarsTakesTheStepOfThePaper() {
        for (String policy : POLICIES) {
            StepBenchmark.WithScalarLars state = new StepBenchmark.WithScalarLars();
            state.layout = layout;
            state.onBadGradient = policy;
            state.prepare();
            for (Layer layer : state.layers) {
                makeMovable(state.weights, (int) layer.offset(), (int) layer.end());
            }
            float[] w = state.weights.clone();
            float[] g = state.gradients.clone();
            float[] v = new float[w.length];
            for (int step = 0; step < 3; step++) {
                benchmark.scalarLars(state);
                step(state.layers, false, RATE, false, w, g, v);
            }
            for (Layer layer : state.layers) {
                int from = (int) layer.offset();
                int to = (int) layer.end();
                String what = policy + " " + layer.name();
                assertClose(part(w, from + 1, to), part(state.weights, from + 1, to), 1e-5, what + " weights");
                assertClose(part(v, from, to), part(state.momentum, from, to), 1e-5, what + " momentum");
            }
            assertArrayEquals(g, state.gradients, 0, policy);
        }
    }

    @Test
    void naiveTakesTheStepOfTheSnippet() {
        StepBenchmark.WithNaiveLars state = new StepBenchmark.WithNaiveLars();
        state.layout = layout;
        state.prepare();
        float[] w = new float[(int) state.layers.end()];
        float[] g = new float[w.length];
        float[] v = new float[w.length];
        for (int i = 0; i < state.layers.size(); i++) {
            makeMovable(state.weights[i], 0, state.weights[i].length);
            int offset = (int) state.layers.get(i).offset();
            System.arraycopy(state.weights[i], 0, w, offset, state.weights[i].length);
            System.arraycopy(state.gradients[i], 0, g, offset, state.weights[i].length);
        }
        for (int step = 0; step < 3; step++) {
            benchmark.naive(state);
            step(state.layers, true, RATE, true, w, g, v);
        }
        for (int i = 0; i < state.layers.size(); i++) {
            Layer layer = state.layers.get(i);
            int from = (int) layer.offset();
            int to = (int) layer.end();
            assertClose(
                    part(w, from + 1, to), part(state.weights[i], 1, to - from), 1e-5, "weights of " + layer.name());
            assertClose(part(v, from, to), state.lars.buffer(i), 1e-5, "momentum of " + layer.name());
            assertArrayEquals(part(g, from, to), state.gradients[i], 0, layer.name());
        }
    }

    @Test
    void sgdTakesItsStepOverEverything() {
        for (String kernels : new String[] {"scalar", "vector"}) {
            for (int threads = 1; threads <= 2; threads++) {
                StepBenchmark.WithSgd state = formatted(new StepBenchmark.WithSgd(), kernels, threads);
                makeMovable(state.weights, 0, state.weights.length);
                Arrays.fill(state.momentum, 0);
                float[] w = state.weights.clone();
                float[] g = state.gradients.clone();
                float[] v = new float[w.length];
                for (int step = 0; step < 3; step++) {
                    benchmark.sgd(state);
                    for (int i = 0; i < w.length; i++) {
                        float d = g[i] + (float) DECAY * w[i];
                        v[i] = (float) MOMENTUM * v[i] + d;
                        w[i] -= (float) RATE * ((float) MOMENTUM * v[i] + d);
                    }
                }
                assertArrayEquals(w, state.weights, 0, kernels);
                assertArrayEquals(v, state.momentum, 0, kernels);
                assertArrayEquals(g, state.gradients, 0, kernels);
                state.close();
            }
        }
    }

    @Test
    void scanReadsEveryElementOnce() {
        for (String kernels : new String[] {"scalar", "vector"}) {
            StepBenchmark.WithKernels state = withLars(kernels, "fresh", "refuse", 1);
            // Eighths: their sums are exact in float, and in whole units of 1/1024.
            Random random = new Random(1);
            double sum = 0;
            for (int i = 0; i < state.weights.length; i++) {
                state.weights[i] = random.nextInt(1, 64) / 8f;
                state.gradients[i] = random.nextInt(1, 64) / 8f;
                sum += (double) state.weights[i] + state.gradients[i];
            }
            assertEquals(sum, benchmark.scan(state), kernels);
            Arrays.fill(state.gradients, 0);
            // By what is lost one sees which it is: the scalar one counts whole units of 1/1024.
            Arrays.fill(state.weights, 1e-4f);
            assertEquals(kernels.equals("scalar"), benchmark.scan(state) == 0, kernels);
        }
    }

    private StepBenchmark.WithHalves withLars(String kernels, String sums, String policy, int threads) {
        StepBenchmark.WithHalves state = new StepBenchmark.WithHalves();
        state.halfWeights = "off";
        return prepared(state, kernels, sums, policy, threads);
    }

    private <T extends StepBenchmark.WithLars> T prepared(
            T state, String kernels, String sums, String policy, int threads) {
        state.memory = "array";
        return ordered(state, kernels, sums, policy, threads);
    }

    private <T extends StepBenchmark.InOrder> T ordered(
            T state, String kernels, String sums, String policy, int threads) {
        state.sums = sums;
        state.onBadGradient = policy;
        return formatted(state, kernels, threads);
    }

    /** Prepares a state in the formats that it has, float32 if it has none. */
    private <T extends StepBenchmark.WithFormats> T formatted(T state, String kernels, int threads) {
        state.layout = layout;
        state.gap = 64;
        state.kernels = kernels;
        state.gradientFormat = Objects.requireNonNullElse(state.gradientFormat, "float32");
        state.momentumFormat = Objects.requireNonNullElse(state.momentumFormat, "float32");
        state.threads = threads;
        state.prepare();
        return state;
    }

    /**
     * A step of LARS with Nesterov's momentum, in double, what it stores rounded to float.
     *
     * @param allAdapted whether tensors of one dimension are treated as all others
     * @param late whether rate and ratio multiply the momentum on its way out rather than the gradient on its way in
     */
    private static void step(
            Layers layers, boolean allAdapted, double rate, boolean late, float[] w, float[] g, float[] v) {
        for (Layer layer : layers) {
            boolean adapted = allAdapted || layer.shape().size() > 1;
            double decay = adapted ? DECAY : 0;
            double weightNorm = Math.sqrt(squares(w, layer));
            double ratio = adapted ? TRUST * weightNorm / (Math.sqrt(squares(g, layer)) + DECAY * weightNorm) : 1;
            double in = late ? 1 : rate * ratio;
            double out = late ? rate * ratio : 1;
            for (int i = (int) layer.offset(); i < layer.end(); i++) {
                double d = in * (g[i] + decay * w[i]);
                double moved = MOMENTUM * v[i] + d;
                v[i] = (float) moved;
                w[i] = (float) (w[i] - out * (d + MOMENTUM * moved));
            }
        }
    }

    private static double squares(float[] values, Layer layer) {
        double sum = 0;
        for (int i = (int) layer.offset(); i < layer.end(); i++) {
            sum += (double) values[i] * values[i];
        }
        return sum;
    }

    /** The first weight alone makes the norm; the others are of the size of the steps. */
    private static void makeMovable(float[] weights, int from, int to) {
        Random random = new Random(from);
        for (int i = from; i < to; i++) {
            weights[i] = i == from ? 1 : (float) (1e-15 * random.nextGaussian());
        }
    }

    private static float[] part(float[] values, int from, int to) {
        return Arrays.copyOfRange(values, from, to);
    }

    /** Asserts that no element is further off than a part of the largest. */
    private static void assertClose(float[] expected, float[] actual, double part, String what) {
        assertEquals(expected.length, actual.length, what);
        double most = 0;
        for (float value : expected) {
            most = Math.max(most, Math.abs(value));
        }
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], actual[i], part * most, what + " at " + i);
        }
    }
}
