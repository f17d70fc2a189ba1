package io.github.lars4j.bench.arms;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Format;
import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Tensors;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The arms in narrow formats, against the library's step on the same elements and against a step written here. */
class FormatsTest {

    private static final String[] GRADIENTS = {"float32", "bfloat16", "float16"};
    private static final String[] MOMENTA = {"float32", "bfloat16", "bfloat16-stochastic"};

    private final StepBenchmark benchmark = new StepBenchmark();

    @AfterEach
    void clear() {
        System.clearProperty("lars4j.kernels");
    }

    @Test
    void larsTakesTheLibrarysStepOnTheSameElements() {
        for (String gradients : GRADIENTS) {
            for (String momentum : MOMENTA) {
                for (String memory : momentum.equals("bfloat16") ? List.of("array", "native") : List.of("array")) {
                    String what = gradients + " " + momentum + " " + memory;
                    StepBenchmark.WithHalves state = withLars(gradients, momentum, memory, "off");
                    Formats formats = state.formats;
                    float[] w = state.weights.clone();
                    Lars.Builder builder = state.builder()
                            .momentumBuffer(empty(formats.momentum(), w.length))
                            .learningRate(0.5);
                    try (Lars lars = builder.build()) {
                        Tensors weights = Tensors.flat(w);
                        Gradients handed = Gradients.of(
                                tensors(formats.gradients(), Formats.in(formats.gradients(), state.gradients.clone())));
                        lars.learningRate(StepBenchmark.RATE);
                        lars.step(weights, handed);
                        lars.learningRate(0.5);
                        for (int step = 0; step < 3; step++) {
                            benchmark.lars(state);
                            lars.step(weights, handed);
                        }
                        for (int i = 0; i < state.layers.size(); i++) {
                            assertEquals(
                                    lars.measure(weights, handed).weights(i),
                                    benchmark.measure(state).weights(i),
                                    what);
                        }
                        lars.discard();
                        state.lars.discard();
                        if (memory.equals("array")) {
                            assertArrayEquals(w, state.weights, 0, what);
                        }
                    }
                    state.requireNormal();
                    state.close();
                }
            }
        }
    }

    private static Tensors empty(Format format, int length) {
        return tensors(format, Formats.in(format, new float[length]));
    }

    private static Tensors tensors(Format format, Object array) {
        return array instanceof short[] narrow ? Tensors.flat(format, narrow) : Tensors.flat((float[]) array);
    }

    @Test
    void copiesOfTheWeightsAreTheWeightsRounded() {
        float[] weights = null;
        for (String halves : new String[] {"on", "after"}) {
            for (String memory : halves.equals("on") ? new String[] {"array", "arrays"} : new String[] {"array"}) {
                StepBenchmark.WithHalves state = withLars("bfloat16", "bfloat16", memory, halves);
                benchmark.lars(state);
                if (memory.equals("array")) {
                    assertArrayEquals((short[]) Formats.in(Format.BFLOAT16, state.weights), state.copies, halves);
                    weights = weights == null ? state.weights : weights;
                    assertArrayEquals(weights, state.weights, 0);
                }
                state.close();
            }
        }
    }

    @Test
    void sgdTakesItsStepInEveryFormat() {
        for (String kernels : new String[] {"scalar", "vector"}) {
            for (String gradients : GRADIENTS) {
                for (String momentum : MOMENTA) {
                    String what = kernels + " " + gradients + " " + momentum;
                    StepBenchmark.WithSgd state = new StepBenchmark.WithSgd();
                    prepare(state, kernels, gradients, momentum, 1);
                    makeMovable(state.weights);
                    Formats formats = state.formats;
                    float[] w = state.weights.clone();
                    float[] g = widened(formats.gradients(), state.storedGradients);
                    for (int step = 0; step < 3; step++) {
                        float[] v = widened(formats.momentum(), state.storedMomentum);
                        benchmark.sgd(state);
                        float[] stored = widened(formats.momentum(), state.storedMomentum);
                        for (int i = 0; i < w.length; i++) {
                            float d = g[i] + Loops.DECAY * w[i];
                            float moved = Loops.MOMENTUM * v[i] + d;
                            // The library has one factor where the other loops have two.
                            w[i] -= formats.areFloat32()
                                    ? Loops.RATE * (Loops.MOMENTUM * moved + d)
                                    : Loops.RATE * d + Loops.RATE * Loops.MOMENTUM * moved;
                            if (formats.stochastic()) {
                                assertEquals(moved, stored[i], Math.abs(moved) / 128, what);
                            } else if (formats.momentum() == Format.BFLOAT16) {
                                assertEquals(Format.BFLOAT16.toFloat(Format.BFLOAT16.toShort(moved)), stored[i], what);
                            } else {
                                assertEquals(moved, stored[i], what);
                            }
                        }
                    }
                    assertArrayEquals(w, state.weights, 0, what);
                    state.close();
                }
            }
        }
    }

    @Test
    void passesTakeTheSumsAndTheStepOfSgdInEveryFormat() {
        for (String gradients : GRADIENTS) {
            for (String momentum : MOMENTA) {
                for (String sums : new String[] {"fresh", "carried", "given"}) {
                    String what = gradients + " " + momentum + " " + sums;
                    StepBenchmark.WithPasses state = new StepBenchmark.WithPasses();
                    inOrder(state, gradients, momentum, sums, 2);
                    StepBenchmark.WithSgd sgd = new StepBenchmark.WithSgd();
                    prepare(sgd, "vector", gradients, momentum, 2);
                    makeMovable(state.weights);
                    makeMovable(sgd.weights);
                    double ww = dot(state.weights, state.weights);
                    float[] g = widened(state.formats.gradients(), state.storedGradients);
                    double gg = dot(g, g);
                    double taken = benchmark.passes(state);
                    benchmark.sgd(sgd);
                    assertArrayEquals(sgd.weights, state.weights, 0, what);
                    assertArrayEquals(
                            widened(sgd.formats.momentum(), sgd.storedMomentum),
                            widened(state.formats.momentum(), state.storedMomentum),
                            0,
                            what);
                    double after = dot(state.weights, state.weights);
                    double expected = switch (sums) {
                        case "fresh" -> ww + gg;
                        case "carried" -> gg + after;
                        default -> after;
                    };
                    assertEquals(expected, taken, 1e-12 * expected, what);
                    state.close();
                    sgd.close();
                }
            }
        }
    }

    /** A copy changes the signs of what a step writes, and reads the largest of what it reads. */
    @Test
    void copyMovesWhatAStepMoves() {
        for (String gradients : GRADIENTS) {
            for (String momentum : MOMENTA) {
                for (int threads = 1; threads <= 2; threads++) {
                    StepBenchmark.WithCopies state = new StepBenchmark.WithCopies();
                    inOrder(state, gradients, momentum, "fresh", threads);
                    float[] w = state.weights.clone();
                    float[] v = widened(state.formats.momentum(), state.storedMomentum);
                    int last = w.length - 1;
                    assertNotEquals(0, w[last]);
                    benchmark.copy(state);
                    float[] moved = widened(state.formats.momentum(), state.storedMomentum);
                    for (int i = 0; i < w.length; i++) {
                        assertEquals(-w[i], state.weights[i]);
                        assertEquals(-v[i], moved[i]);
                    }
                    double before = benchmark.copy(state);
                    state.weights[last] = 1e6f;
                    assertTrue(benchmark.copy(state) > before + 1e5, "weights are read");
                    if (state.storedGradients instanceof short[] narrow) {
                        narrow[last] = Short.MAX_VALUE;
                    } else {
                        state.gradients[last] = 1e7f;
                    }
                    state.weights[last] = 0;
                    assertTrue(benchmark.copy(state) > before, "gradients are read");
                    state.close();
                }
            }
        }
    }

    @Test
    void layerByLayerTakesTheStepOfGradientsFirstInEveryFormat() {
        LayerByLayerBenchmark producers = new LayerByLayerBenchmark();
        for (String gradients : GRADIENTS) {
            for (String momentum : MOMENTA) {
                for (String sums : new String[] {"fresh", "carried"}) {
                    String what = gradients + " " + momentum + " " + sums;
                    LayerByLayerBenchmark.WithProducer first = withProducer(gradients, momentum, sums);
                    LayerByLayerBenchmark.WithProducer single = withProducer(gradients, momentum, sums);
                    assertNotSame(first.storedGradients, single.storedGradients);
                    assertSame(first.storedGradients.getClass(), single.buffer.getClass(), what);
                    float before = first.weights[0];
                    for (int step = 0; step < 3; step++) {
                        producers.gradientsFirst(first);
                        producers.layerByLayer(single);
                    }
                    assertArrayEquals(first.weights, single.weights, 0, what);
                    assertNotEquals(before, first.weights[0], what);
                    producers.gradientsFirstSgd(single);
                    assertArrayEquals(
                            widened(first.formats.gradients(), first.storedGradients),
                            widened(single.formats.gradients(), single.storedGradients),
                            0,
                            what);
                    first.close();
                    single.close();
                }
            }
        }
    }

    private static LayerByLayerBenchmark.WithProducer withProducer(String gradients, String momentum, String sums) {
        LayerByLayerBenchmark.WithProducer state = new LayerByLayerBenchmark.WithProducer();
        state.sums = sums;
        prepare(state, "vector", gradients, momentum, 1);
        state.lars.learningRate(0.5);
        return state;
    }

    @Test
    void whatAnArmDoesNotHaveIsRefused() {
        assertRefused(
                "gradientFormat is \"fp8\"; it must be one of float32, bfloat16, float16",
                () -> Formats.of("fp8", "float32"));
        assertRefused(
                "momentumFormat is \"float16\"; it must be one of float32, bfloat16, bfloat16-stochastic",
                () -> Formats.of("float32", "float16"));
        assertRefused(
                "halfWeights is \"yes\"; it must be one of off, on, after",
                () -> withLars("float32", "float32", "array", "yes"));
        assertRefused(
                "halfWeights is after, and memory is \"native\"; it must be array",
                () -> withLars("float32", "float32", "native", "after"));
        assertRefused(
                "sums is \"given\"; it must be one of fresh, carried",
                () -> withProducer("float32", "float32", "given"));
    }

    private static void assertRefused(String message, Runnable setUp) {
        assertEquals(
                message,
                assertThrows(IllegalArgumentException.class, setUp::run).getMessage());
    }

    private static StepBenchmark.WithHalves withLars(String gradients, String momentum, String memory, String halves) {
        StepBenchmark.WithHalves state = new StepBenchmark.WithHalves();
        state.memory = memory;
        state.halfWeights = halves;
        inOrder(state, gradients, momentum, "fresh", 1);
        state.lars.learningRate(0.5);
        return state;
    }

    private static void inOrder(
            StepBenchmark.InOrder state, String gradients, String momentum, String sums, int threads) {
        state.sums = sums;
        state.onBadGradient = "refuse";
        prepare(state, "vector", gradients, momentum, threads);
    }

    private static void prepare(
            StepBenchmark.WithFormats state, String kernels, String gradients, String momentum, int threads) {
        state.layout = "5001x2";
        state.kernels = kernels;
        state.gradientFormat = gradients;
        state.momentumFormat = momentum;
        state.threads = threads;
        state.prepare();
    }

    /** Makes weights so small that the benchmarks' learning rate moves them. */
    private static void makeMovable(float[] weights) {
        for (int i = 0; i < weights.length; i++) {
            weights[i] *= 1e-6f;
        }
    }

    private static float[] widened(Format format, Object array) {
        if (array instanceof float[] floats) {
            return floats.clone();
        }
        short[] narrow = (short[]) array;
        float[] wide = new float[narrow.length];
        for (int i = 0; i < wide.length; i++) {
            wide[i] = format.toFloat(narrow[i]);
        }
        return wide;
    }

    private static double dot(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (double) a[i] * b[i];
        }
        return sum;
    }
}
