package io.github.lars4j;

import static io.github.lars4j.Bits.assertSame;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import java.util.Arrays;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** One test for each bug that users of other LARS implementations reported. */
class KnownFaultsTest {

    private static final Layers ONE = Layers.builder().add("w", 4).build();

    private static float[] step(Lars lars, float[] params, float... gradients) {
        lars.step(params, gradients);
        return params;
    }

    /** SimCLR#27. */
    @Test
    void zeroInitialisedBiasesMove() {
        for (Rule rule : LarsTest.DIALECTS) {
            Lars lars = Lars.builder(ONE)
                    .rule(rule)
                    .learningRate(0.5)
                    .weightDecay(0.1)
                    .build();
            float[] bias = step(lars, new float[4], 1, 2, 3, 4);
            if (rule.equals(Dialects.SNIPPET)) {
                assertEquals(0, bias[3], "the snippet's value, exactly");
            } else {
                assertTrue(bias[3] < 0, rule::toString);
            }
        }
    }

    /** AiDotNet.Tensors#955. */
    @Test
    void theRatioIsInItsPlace() {
        // One weight of 2; gradients 1, then 4; rates 0.25, then 0.5; η = 1, so r = 2/1, then 1.5/4; μ = 0.5.
        for (Rule rule : new Rule[] {Dialects.PAPER, Dialects.BARLOW_TWINS, Dialects.SNIPPET.withEpsilon(0)}) {
            Lars lars = Lars.builder(Layers.builder().add("w", 1).build())
                    .rule(rule)
                    .learningRate(step -> step == 0 ? 0.25 : 0.5)
                    .trustCoefficient(1)
                    .momentum(0.5)
                    .build();
            float[] w = step(lars, new float[] {2}, 1);
            assertEquals(1.5f, w[0], "all three agree on the first step: 2 - 0.25 * 2 * 1");
            step(lars, w, 4);
            double r = 1.5 / 4;
            double expected = switch (rule.entry()) {
                case VELOCITY -> 1.5 - (0.5 * (0.25 * 2 * 1) + 0.5 * r * 4);
                case GRADIENT -> 1.5 - 0.5 * (0.5 * (2 * 1) + r * 4);
                case UPDATE -> 1.5 - 0.5 * r * (0.5 * 1 + 4);
            };
            assertEquals(expected, w[0], 1e-6, rule.toString());
        }
    }

    /** Paddle#26733, #36351, #40892. */
    @Test
    void noDecayTurnsAdaptationOffWhereTheDialectSaysSoAndNowhereElse() {
        Layers layers = Layers.builder()
                .add("w", 4)
                .add("undecayed", 4, new Treatment(false, true, 1))
                .build();
        float[] w = {1, 2, 3, 4, 1, 2, 3, 4};
        for (Rule rule : LarsTest.DIALECTS) {
            for (double decay : new double[] {0, 1e-30, 0.1}) {
                StepReport report = Lars.builder(layers)
                        .rule(rule)
                        .learningRate(1)
                        .weightDecay(decay)
                        .build()
                        .step(w.clone(), new float[] {4, 3, 2, 1, 4, 3, 2, 1});
                assertEquals(!rule.adaptWithoutDecay() && decay == 0, report.trustRatio(0) == 1, rule + " " + decay);
                assertEquals(!rule.adaptWithoutDecay(), report.trustRatio(1) == 1, rule + " " + decay);
            }
        }
    }

    /** objax#136, and tinygrad's fused mode. */
    @Test
    void everyLayerHasItsOwnNorm() {
        Layers both = Layers.builder().add("large", 4).add("small", 4).build();
        float[] w = {100, 200, 300, 400, 1, 2, 3, 4};
        float[] g = {1, 1, 1, 1, 50, 50, 50, 50};
        for (Rule rule : LarsTest.DIALECTS) {
            float[] together = w.clone();
            Lars.builder(both)
                    .rule(rule)
                    .learningRate(1)
                    .weightDecay(0.1)
                    .build()
                    .step(together, g);
            for (int i = 0; i < 2; i++) {
                float[] alone = Arrays.copyOfRange(w, 4 * i, 4 * i + 4);
                Lars.builder(ONE)
                        .rule(rule)
                        .learningRate(1)
                        .weightDecay(0.1)
                        .build()
                        .step(alone, Arrays.copyOfRange(g, 4 * i, 4 * i + 4));
                assertSame(alone, Arrays.copyOfRange(together, 4 * i, 4 * i + 4), rule.toString());
            }
        }
    }

    /** tensorflow-addons#2619. */
    @Test
    void exclusionsAreNotLostOnSave() {
        Layers excluded = Layers.builder()
                .add("w", 3)
                .add("bias", 1)
                .treat(Pattern.compile("bias"), Treatment.PLAIN)
                .build();
        Layers included = Layers.builder().add("w", 3).add("bias", 1).build();
        Lars saved = Lars.builder(excluded).learningRate(1).weightDecay(0.5).build();
        Lars loaded = Lars.builder(included).learningRate(1).build();
        loaded.restore(saved.snapshot());
        assertEquals(excluded, loaded.layers());
        assertEquals(0.5, loaded.hyperparameters().weightDecay());
        float[] expected = step(saved, new float[] {1, 2, 3, 4}, 1, 1, 1, 1);
        assertSame(expected, step(loaded, new float[] {1, 2, 3, 4}, 1, 1, 1, 1), "after the load");
        assertEquals(3, expected[3], "no decay and no adaptation of the bias");
        // Without exclusions, none are restored.
        Lars none = Lars.builder(excluded).learningRate(1).build();
        none.restore(Lars.builder(included).learningRate(1).build().snapshot());
        assertEquals(included, none.layers());
    }

    /** apex#766. */
    @Test
    void theScheduleStaysAttachedAfterALoad() {
        Schedule schedule = step -> 1.0 / (1 + step);
        Lars lars = Lars.builder(ONE).learningRate(schedule).momentum(0.9).build();
        float[] params = {1, 2, 3, 4};
        for (int i = 0; i < 5; i++) {
            step(lars, params, 1, 1, 1, 1);
        }
        Lars loaded = Lars.builder(ONE).learningRate(schedule).momentum(0.9).build();
        loaded.restore(lars.snapshot());
        assertEquals(
                1 / 6.0, loaded.step(params.clone(), new float[] {1, 1, 1, 1}).learningRate());
        assertEquals(
                1 / 7.0, loaded.step(params.clone(), new float[] {1, 1, 1, 1}).learningRate());
        loaded.learningRate(step -> 10 + step);
        assertEquals(17, loaded.step(params.clone(), new float[] {1, 1, 1, 1}).learningRate());
    }

    /** MLPerf's {@code epsilon or default}. */
    @Test
    void anEpsilonOfZeroIsZero() {
        for (Rule rule : LarsTest.DIALECTS) {
            Rule exact = rule.withEpsilon(0);
            assertEquals(0, exact.epsilon());
            // With norms this small, any ε would dominate them: r = η‖w‖/‖g‖ = 0.001 * 2.
            double ratio = exact.trustRatio(true, 0.001, exact.adaptWithoutDecay() ? 0 : 1e-300, 1e-9, 4e-60, 1e-60, 0);
            assertEquals(exact.clip() ? 1 : 0.002, ratio, 1e-12, rule.toString());
        }
    }

    /** barlowtwins#23. */
    @Test
    void theLossScaleDoesNotLeakThroughExcludedLayers() {
        Layers layers = Layers.builder()
                .add("w", 4)
                .add("plain", 4, Treatment.PLAIN)
                .add("decayed", 4, new Treatment(true, false, 1))
                .build();
        for (Rule rule : LarsTest.DIALECTS) {
            Lars scaled = Lars.builder(layers)
                    .rule(rule)
                    .learningRate(0.5)
                    .weightDecay(0.1)
                    .momentum(0.9)
                    .build();
            Lars plain = Lars.builder(layers)
                    .rule(rule)
                    .learningRate(0.5)
                    .weightDecay(0.1)
                    .momentum(0.9)
                    .build();
            float[] expected = Random32.normal(1, 12, 1);
            float[] params = expected.clone();
            for (int i = 0; i < 3; i++) {
                float[] g = Random32.normal(2 + i, 12, 1);
                float[] large = g.clone();
                for (int e = 0; e < 12; e++) {
                    large[e] *= 65536;
                }
                plain.step(expected, g);
                scaled.step(params, Gradients.of(large).scale(1 / 65536.0));
            }
            assertSame(expected, params, rule.toString());
        }
    }

    /** kozistr/pytorch_optimizer. */
    @Test
    void theBufferStartsWithTheScaledGradient() {
        for (Rule rule : LarsTest.DIALECTS) {
            Lars lars = Lars.builder(ONE)
                    .rule(rule)
                    .learningRate(0.5)
                    .weightDecay(0.25)
                    .momentum(0.9)
                    .dampening(0.75)
                    .trustCoefficient(0.125)
                    .build();
            StepReport report = lars.step(
                    new float[] {1, 1, 1, 1},
                    Gradients.of(new float[] {64, 64, 64, 64}).scale(1 / 32.0));
            double d = 2 + 0.25 * 1;
            double in = switch (rule.entry()) {
                case VELOCITY -> 0.5 * report.trustRatio(0);
                case GRADIENT -> report.trustRatio(0);
                case UPDATE -> 1;
            };
            assertEquals(in * d, Inside.momentum(lars.snapshot())[0], 1e-6, rule.toString());
            assertNotEquals(1, report.trustRatio(0));
        }
    }

    /** apex, torchlars: {@code if norm > 0} is false for NaN, which then counts as a zero norm. */
    @Test
    void aNaNNormIsNotAZeroNorm() {
        for (Rule rule : LarsTest.DIALECTS) {
            for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
                Lars lars = Lars.builder(ONE)
                        .rule(rule)
                        .learningRate(1)
                        .weightDecay(0.1)
                        .build();
                float[] params = {1, 2, 3, 4};
                NonFiniteException thrown =
                        assertThrows(NonFiniteException.class, () -> lars.step(params, new float[] {1, bad, 1, 1}));
                assertEquals("w", thrown.layer());
                assertEquals(Outcome.BAD_GRADIENT, thrown.outcome());
                assertSame(new float[] {1, 2, 3, 4}, params, rule.toString());
            }
        }
    }

    /** pytorch#169237. */
    @Test
    void normsOfLongLayersDoNotGetStuck() {
        for (int length : new int[] {(1 << 24) - 1, (1 << 24) + 1}) {
            float[] ones = new float[length];
            Arrays.fill(ones, 1);
            float[] halves = new float[length];
            Arrays.fill(halves, 0.5f);
            LayerSums sums = Lars.builder(Layers.builder().add("long", length).build())
                    .learningRate(1)
                    .build()
                    .measure(ones, halves);
            assertEquals(length, sums.weights(0));
            assertEquals(length / 4.0, sums.gradients(0));
        }
    }

    /** pytorch#193006. */
    @Test
    void normsDoNotOverflowOrVanish() {
        for (float size : new float[] {1e-38f, 1e-30f, 1e-20f, 1e20f, 1e30f, 3e38f}) {
            float[] w = {size, -size, size, -size};
            float[] g = {size, size, size, size};
            StepReport report = Lars.builder(ONE)
                    .learningRate(1)
                    .trustCoefficient(0.125)
                    .build()
                    .step(w, g);
            assertEquals(2.0 * size, report.weightNorm(0), 1e-12 * size);
            assertEquals(2.0 * size, report.gradientNorm(0), 1e-12 * size);
            assertEquals(0.125, report.trustRatio(0), 1e-12);
            assertEquals(0.875f * size, w[0], 1e-6f * size);
        }
    }

    /** Paddle's 32-bit element counts. */
    @Test
    void elementCountsHave64BitsAndWhatNoArrayHoldsIsRefused() {
        for (long length : new long[] {Integer.MAX_VALUE - 6L, Integer.MAX_VALUE + 1L, (1L << 32) + 5}) {
            Layers layers = Layers.builder().add("a", 5).add("huge", length - 5).build();
            assertEquals(length, layers.end());
            try (Lars lars = Lars.builder(layers).learningRate(1).build()) {
                refused(
                        "params has length 5; it must be at least " + length,
                        () -> lars.step(new float[5], new float[5]));
            }
            if (length > Integer.MAX_VALUE) {
                Lars.Builder builder = Lars.builder(layers).learningRate(1).momentum(0.9);
                refused("length of layer \"huge\" is " + (length - 5), builder::build);
            }
        }
    }

    private static void refused(String message, Executable call) {
        IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class, call);
        assertTrue(thrown.getMessage().contains(message), thrown::getMessage);
    }
}
