package io.github.lars4j;

import static io.github.lars4j.Bits.assertSame;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A value that is not finite is never written, under any policy. */
class BadGradientTest {

    private static final float[] BAD = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY};

    private static Lars.Builder builder(Layers layers) {
        return Lars.builder(layers).learningRate(0.5).weightDecay(0.01).momentum(0.9);
    }

    /** Layers with gaps, one of which has {@code length} elements. */
    private static Layers layers(int length, int count) {
        Layers.Builder builder = Layers.builder();
        for (int i = 0; i < count; i++) {
            builder.at(i * 310L).add("layer " + i, i == length % count ? length : 3 + i);
        }
        return builder.build();
    }

    /** Tries three values at every position of every layer, in both arrays; returns the number of tries. */
    private static int everyPositionThrows(int length, int count) {
        Layers layers = layers(length, count);
        int n = (int) layers.end();
        float[] params = Random32.normal(1, n, 1);
        float[] gradients = Random32.normal(2, n, 1);
        Lars lars = builder(layers).build();
        lars.step(params, gradients);
        String before = Bits.of(lars, params, gradients);
        int tried = 0;
        for (Layer layer : layers) {
            for (Outcome outcome : new Outcome[] {Outcome.BAD_GRADIENT, Outcome.BAD_WEIGHTS}) {
                float[] array = outcome == Outcome.BAD_GRADIENT ? gradients : params;
                for (int e = (int) layer.offset(); e < layer.end(); e++) {
                    for (float bad : BAD) {
                        float kept = array[e];
                        array[e] = bad;
                        NonFiniteException thrown =
                                assertThrows(NonFiniteException.class, () -> lars.step(params, gradients));
                        assertEquals(bad, array[e], "the bad value itself stays");
                        array[e] = kept;
                        assertEquals(before, Bits.of(lars, params, gradients));
                        assertEquals(layer.name(), thrown.layer());
                        assertEquals(outcome, thrown.outcome());
                        assertEquals(
                                "layer \"" + layer.name() + "\" has "
                                        + (outcome == Outcome.BAD_WEIGHTS ? "weights that are" : "a gradient that is")
                                        + " not finite; nothing was changed",
                                thrown.getMessage());
                        tried++;
                    }
                }
            }
        }
        return tried;
    }

    @Test
    @Tag("bits")
    void thrownPositionsOfSomeLengths() {
        int tried = 0;
        for (int length = 0; length <= 300; length = length < 20 ? length + 1 : length + 31) {
            tried += everyPositionThrows(length, 1 + length % 5);
        }
        System.out.println(tried + " values that are not finite, each refused with nothing changed");
        assertTrue(tried > 10_000);
    }

    @Test
    @Tag("slow")
    void thrownAtEveryPositionOfEveryLength() {
        int tried = 0;
        for (int length = 0; length <= 300; length++) {
            for (int count = 1; count <= 5; count++) {
                tried += everyPositionThrows(length, count);
            }
        }
        System.out.println(tried + " values that are not finite, each refused with nothing changed");
        assertTrue(tried > 5 * 2 * 3 * 300 * 301 / 2);
    }

    @Test
    @Tag("bits")
    void thrownAtRandomPositionsOfLargeLayersAndThreads() {
        Layers layers =
                Layers.builder().add("a", 70_000).add("b", 5).add("c", 40_000).build();
        int n = (int) layers.end();
        Random random = new Random(7);
        int tried = 0;
        for (Rule rule : LarsTest.DIALECTS) {
            try (Lars lars =
                    builder(layers).rule(rule).parallelism(3).carrySums(true).build()) {
                float[] params = Random32.normal(1, n, 1);
                float[] gradients = Random32.normal(2, n, 1);
                lars.step(params, gradients);
                String before = Bits.of(lars, params, gradients);
                for (int k = 0; k < 60; k++) {
                    boolean inWeights = k % 2 == 1;
                    float[] array = inWeights ? params : gradients;
                    int e = random.nextInt(n);
                    float kept = array[e];
                    array[e] = BAD[k % 3];
                    if (inWeights) {
                        lars.weightsChanged();
                    }
                    NonFiniteException thrown =
                            assertThrows(NonFiniteException.class, () -> lars.step(params, gradients));
                    assertEquals(BAD[k % 3], array[e], "the bad value itself stays");
                    array[e] = kept;
                    assertEquals(e < 70_000 ? "a" : e < 70_005 ? "b" : "c", thrown.layer());
                    assertEquals(inWeights ? Outcome.BAD_WEIGHTS : Outcome.BAD_GRADIENT, thrown.outcome());
                    assertEquals(before, Bits.of(lars, params, gradients));
                    tried++;
                }
            }
        }
        System.out.println(tried + " values that are not finite in large layers, each refused with nothing changed");
    }

    @Test
    void aGradientThatIsMissingMayHoldAnything() {
        Layers layers = layers(4, 5);
        float[] gradients = Random32.normal(2, (int) layers.end(), 1);
        gradients[0] = Float.NaN;
        float[] params = Random32.normal(1, (int) layers.end(), 1);
        StepReport report =
                builder(layers).build().step(params, Gradients.of(gradients).missing(0, true));
        assertFalse(report.anyBad());
    }

    @Test
    void coefficientsThatAreNotFiniteAreRefused() {
        Layers layers = Layers.builder().add("fine", 2).add("still", 2).build();
        Lars lars = Lars.builder(layers)
                .rule(Dialects.SNIPPET.withEpsilon(0))
                .learningRate(1)
                .build();
        float[] params = {1, 2, 3, 4};
        NonFiniteException thrown =
                assertThrows(NonFiniteException.class, () -> lars.step(params, new float[] {1, 1, 0, 0}));
        assertEquals("still", thrown.layer());
        assertEquals(Outcome.BAD_COEFFICIENT, thrown.outcome());
        assertSame(new float[] {1, 2, 3, 4}, params, "weights");
        assertEquals(0, lars.steps());
    }

    @Test
    void refusedStepsAreCountedAndChangeNothingElseHoweverMany() {
        Layers layers = layers(18, 4);
        int n = (int) layers.end();
        Lars lars = builder(layers)
                .onBadGradient(OnBadGradient.REFUSE)
                .carrySums(true)
                .build();
        Lars undisturbed = builder(layers).build();
        float[] params = Random32.normal(1, n, 1);
        float[] expected = params.clone();
        float[] good = Random32.normal(2, n, 1);
        lars.step(params, good);
        undisturbed.step(expected, good);
        float[] bad = good.clone();
        bad[313] = Float.POSITIVE_INFINITY;
        for (int k = 1; k <= 100; k++) {
            StepReport report = lars.step(params, bad);
            assertTrue(report.refused() && report.anyBad());
            assertEquals(k, report.refusals());
            assertEquals(Outcome.BAD_GRADIENT, report.outcome(1));
            assertEquals(Outcome.HELD_BACK, report.outcome(0));
            assertTrue(report.toString().contains("REFUSED (" + k + " so far)"), report::toString);
            assertEquals(1, lars.steps());
            assertSame(expected, params, "weights");
        }
        StepReport report = lars.step(params, good);
        undisturbed.step(expected, good);
        assertFalse(report.refused() || report.anyBad());
        assertEquals(100, report.refusals());
        assertEquals(100, lars.refusals());
        assertSame(expected, params, "the next step is as if there had been no refusal");
        assertSame(Inside.momentum(undisturbed.snapshot()), Inside.momentum(lars.snapshot()), "momentum");
        assertEquals(2, lars.steps());
    }

    @Test
    @Tag("bits")
    void skippingSkipsThatLayerAlone() {
        Layers layers = layers(18, 4);
        int n = (int) layers.end();
        for (double maxNorm : new double[] {Double.POSITIVE_INFINITY, 1e9}) {
            for (float value : BAD) {
                for (boolean inWeights : new boolean[] {false, true}) {
                    Lars lars = builder(layers)
                            .onBadGradient(OnBadGradient.SKIP_LAYER)
                            .maxGradientNorm(maxNorm)
                            .build();
                    Lars without = builder(layers).build();
                    float[] params = Random32.normal(1, n, 1);
                    float[] gradients = Random32.normal(2, n, 1);
                    (inWeights ? params : gradients)[312] = value;
                    float[] expected = params.clone();
                    StepReport report = lars.step(params, gradients);
                    without.step(expected, Gradients.of(gradients).missing(1, true));
                    assertSame(expected, params, "weights");
                    assertEquals(Bits.of(without, expected), Bits.of(lars, params));
                    assertEquals(inWeights ? Outcome.BAD_WEIGHTS : Outcome.BAD_GRADIENT, report.outcome(1));
                    assertEquals(Outcome.UPDATED, report.outcome(0));
                    assertFalse(report.refused());
                    assertTrue(report.anyBad());
                    assertTrue(Double.isFinite(report.gradientNorm()));
                    assertEquals(1, lars.steps());
                }
            }
        }
    }

    @Test
    void aLayerThatOverflowsIsReportedAtOnceWhereCarriedElseAtTheNextMeasure() {
        Layers layers = Layers.builder().add("w", 2).add("other", 2).build();
        for (boolean carry : new boolean[] {false, true}) {
            Lars lars = Lars.builder(layers)
                    .learningRate(0.9)
                    .trustCoefficient(1)
                    .carrySums(carry)
                    .build();
            float[] params = {3e38f, 1, 0, 0};
            StepReport report = lars.step(params, new float[] {-1, 0, 0, 0});
            assertTrue(Float.isInfinite(params[0]), "the input was finite");
            assertEquals(carry ? Outcome.OVERFLOWED : Outcome.UPDATED, report.outcome(0));
            assertEquals(Outcome.UPDATED, report.outcome(1));
            assertEquals(carry, report.anyBad());
            NonFiniteException thrown = assertThrows(NonFiniteException.class, () -> lars.step(params, new float[4]));
            assertEquals(Outcome.BAD_WEIGHTS, thrown.outcome());
            assertNotEquals(0, params[0]);
        }
    }

    @Test
    void squaresAreTakenAtTheirWord() {
        Layers layers = Layers.builder().add("w", 2).build();
        Lars lars = builder(layers).build();
        assertThrows(
                NonFiniteException.class,
                () -> lars.step(
                        new float[] {1, 2}, Gradients.of(new float[] {1, 2}).squares(new double[] {Double.NaN})));
        assertEquals(0, lars.steps());
    }
}
