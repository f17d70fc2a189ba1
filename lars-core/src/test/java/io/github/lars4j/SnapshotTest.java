package io.github.lars4j;

import static io.github.lars4j.Bits.assertSame;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Rule.Entry;
import io.github.lars4j.rule.Treatment;
import org.junit.jupiter.api.Test;

class SnapshotTest {

    @Test
    void reportAndSumsHaveTheLayersAsTheyAreTreatedAfterARestore() {
        Layers plain = Layers.builder().add("w", 4, Treatment.PLAIN).build();
        Layers full = Layers.builder().add("w", 4, Treatment.FULL).build();
        float[] params = {1, 2, 3, 4};
        float[] gradient = {1, 1, 1, 1};
        try (Lars lars = Lars.builder(full).learningRate(1).build();
                Lars other = Lars.builder(plain).learningRate(1).build()) {
            StepReport before = lars.step(params, gradient).copy();
            lars.restore(other.snapshot());
            LayerSums sums = lars.measure(params, gradient);
            assertEquals(plain, sums.layers());
            StepReport report = lars.update(params, gradient, sums);
            assertEquals(1, report.trustRatio(0), "treated as restored");
            assertEquals(plain, report.layers());
            assertEquals(plain, report.copy().layers());
            assertEquals(full, before.layers(), "a copy does not change");
        }
    }

    private static final Layers LAYERS = Layers.builder()
            .add("w", 50)
            .at(60)
            .add("bias", 7, Treatment.PLAIN.withRateFactor(0.1))
            .add("late", 20)
            .build();

    private static final int N = (int) LAYERS.end();

    private static Lars.Builder builder(Rule rule) {
        return Lars.builder(LAYERS)
                .rule(rule)
                .learningRate(Schedule.polynomial(1, 2, 50))
                .trustCoefficient(0.02)
                .weightDecay(0.01)
                .momentum(0.9)
                .dampening(0.25);
    }

    private static void step(Lars lars, float[] params, int step) {
        lars.step(params, Gradients.of(Random32.normal(10 + step, N, 1)).missing(2, step < 3));
    }

    @Test
    void trainingGoesOnAsIfNothingHadBeen() {
        for (Rule rule : LarsTest.DIALECTS) {
            Lars lars = builder(rule).build();
            float[] params = Random32.normal(1, N, 1);
            step(lars, params, 0);
            step(lars, params, 1);
            Snapshot snapshot = lars.snapshot();
            assertEquals(2, snapshot.step());
            assertEquals(LAYERS, snapshot.layers());
            assertEquals(lars.hyperparameters(), snapshot.hyperparameters());
            String taken = Bits.of(snapshot);
            float[] kept = params.clone();
            for (int step = 2; step < 6; step++) {
                step(lars, params, step);
            }
            assertEquals(taken, Bits.of(snapshot), "a snapshot is a copy");
            String end = Bits.of(lars, params);
            // Restore it in an optimizer with other settings, and in the same optimizer.
            Lars other = Lars.builder(LAYERS)
                    .learningRate(Schedule.polynomial(1, 2, 50))
                    .momentum(0.1)
                    .build();
            for (Lars restored : new Lars[] {other, lars}) {
                restored.restore(snapshot);
                assertEquals(2, restored.steps());
                assertEquals(taken, Bits.of(restored.snapshot()));
                float[] again = kept.clone();
                for (int step = 2; step < 6; step++) {
                    step(restored, again, step);
                }
                assertEquals(
                        end, Bits.of(restored, again), "first-step flags too: layer late begins after the snapshot");
            }
        }
    }

    @Test
    void layersMayLieElsewhere() {
        Lars lars = builder(Dialects.PAPER).build();
        float[] params = Random32.normal(1, N, 1);
        step(lars, params, 0);
        Layers moved = Layers.builder()
                .at(100)
                .add("w", 50)
                .at(10)
                .add("bias", 7)
                .at(30)
                .add("late", 20)
                .build();
        Lars other = Lars.builder(moved).learningRate(1).build();
        other.restore(lars.snapshot());
        for (int e = 0; e < 50; e++) {
            assertEquals(Inside.momentum(lars)[e], Inside.momentum(other)[100 + e]);
        }
        assertEquals(Inside.momentum(lars)[61], Inside.momentum(other)[11]);
        assertEquals(100, other.layers().get(0).offset());
        assertEquals(LAYERS.get(1).treatment(), other.layers().get(1).treatment());
    }

    @Test
    void restoringGoesIntoTheCallersMomentum() {
        Lars lars = builder(Dialects.PAPER).build();
        float[] params = Random32.normal(1, N, 1);
        step(lars, params, 0);
        float[] buffer = new float[N];
        Lars other = builder(Dialects.PAPER).momentumBuffer(buffer).build();
        other.restore(lars.snapshot());
        assertSame(Inside.momentum(lars.snapshot()), buffer, "the caller's array");
    }

    @Test
    void carriedSumsAreForgotten() {
        Lars carried = builder(Dialects.PAPER).carrySums(true).build();
        Lars fresh = builder(Dialects.PAPER).build();
        float[] params = Random32.normal(1, N, 1);
        float[] expected = params.clone();
        Snapshot start = carried.snapshot();
        step(carried, params, 0);
        System.arraycopy(expected, 0, params, 0, N);
        carried.restore(start);
        step(carried, params, 0);
        step(fresh, expected, 0);
        assertSame(expected, params, "the weights are restored in place");
    }

    @Test
    void otherLayersAreRefusedAndNothingChanges() {
        Lars lars = builder(Dialects.PAPER).build();
        float[] params = Random32.normal(1, N, 1);
        step(lars, params, 0);
        String before = Bits.of(lars, params);
        for (Layers other : new Layers[] {
            Layers.builder().add("w", 50).add("bias", 7).build(),
            Layers.builder().add("w", 50).add("bias", 7).add("later", 20).build(),
            Layers.builder().add("w", 50).add("bias", 8).add("late", 20).build()
        }) {
            Snapshot snapshot = Lars.builder(other).learningRate(1).build().snapshot();
            IllegalArgumentException thrown =
                    assertThrows(IllegalArgumentException.class, () -> lars.restore(snapshot));
            assertTrue(thrown.getMessage().startsWith("snapshot has "), thrown::getMessage);
            assertEquals(before, Bits.of(lars, params));
        }
    }

    private static Rule entering(Entry entry) {
        return new Rule(Rule.Ratio.SUM, entry, Rule.ZeroNorm.ONE, false, true, 0);
    }

    /**
     * The norms of gradient and weights do not change, because the weights are reset, so that the ratio is constant.
     */
    @Test
    void convertedMomentumIsExactWhereRateAndRatioStandStill() {
        for (Entry from : Entry.values()) {
            for (Entry to : Entry.values()) {
                Lars before = Lars.builder(LAYERS)
                        .rule(entering(from))
                        .learningRate(0.5)
                        .trustCoefficient(0.02)
                        .weightDecay(0.01)
                        .momentum(0.9)
                        .build();
                Lars after = Lars.builder(LAYERS)
                        .rule(entering(to))
                        .learningRate(0.5)
                        .trustCoefficient(0.02)
                        .weightDecay(0.01)
                        .momentum(0.9)
                        .build();
                Lars converted = Lars.builder(LAYERS).learningRate(0.5).build();
                float[] start = Random32.normal(1, N, 1);
                float[] gradients = Random32.normal(2, N, 1);
                for (int step = 0; step < 3; step++) {
                    before.step(start.clone(), gradients);
                    after.step(start.clone(), gradients);
                }
                converted.restore(before.snapshot().convertedTo(entering(to)));
                assertEquals(after.hyperparameters(), converted.hyperparameters());
                float[] expected = start.clone();
                float[] params = start.clone();
                for (int step = 0; step < 3; step++) {
                    after.step(expected, gradients);
                    converted.step(params, gradients);
                    for (int e = 0; e < N; e++) {
                        assertEquals(expected[e], params[e], 1e-6f * (1 + Math.abs(expected[e])), from + " to " + to);
                    }
                }
                assertEquals(
                        from == to,
                        Bits.of(before.snapshot().convertedTo(entering(to))).equals(Bits.of(before.snapshot())));
            }
        }
    }

    @Test
    void aFactorOfZeroIsRefusedAndNamed() {
        Lars lars = builder(Dialects.PAPER).learningRate(0).build();
        step(lars, Random32.normal(1, N, 1), 0);
        IllegalArgumentException thrown = assertThrows(
                IllegalArgumentException.class, () -> lars.snapshot().convertedTo(Dialects.SNIPPET));
        assertTrue(thrown.getMessage().startsWith("rule.entry is UPDATE"), thrown::getMessage);
        assertTrue(thrown.getMessage().contains("\"w\""), thrown::getMessage);
        assertThrows(IllegalArgumentException.class, () -> lars.snapshot().convertedTo(Dialects.BOLTS));
        lars.snapshot().convertedTo(Dialects.OPTAX); // The rate enters at the same place, so that there is no factor.
        // The conversion from update to velocity would multiply the momentum by 0 and lose it.
        Lars snippet = builder(Dialects.SNIPPET).learningRate(0).build();
        step(snippet, Random32.normal(1, N, 1), 0);
        assertThrows(IllegalArgumentException.class, () -> snippet.snapshot().convertedTo(Dialects.PAPER));
    }

    @Test
    void momentumThatWouldOverflowIsRefused() {
        // The momentum was accumulated at a rate of 1e15 and is divided by a rate of 1e-30.
        Lars lars = builder(Dialects.PAPER)
                .learningRate(step -> step == 0 ? 1e15 : 1e-30)
                .build();
        float[] params = Random32.normal(1, N, 1);
        lars.step(params.clone(), Random32.normal(3, N, 1));
        lars.step(params.clone(), Random32.normal(3, N, 1));
        IllegalArgumentException thrown = assertThrows(
                IllegalArgumentException.class, () -> lars.snapshot().convertedTo(Dialects.SNIPPET));
        assertTrue(thrown.getMessage().contains("overflows"), thrown::getMessage);
    }

    @Test
    void layersThatHaveNotBegunHaveNothingToConvert() {
        Snapshot fresh = builder(Dialects.PAPER).build().snapshot();
        Snapshot converted = fresh.convertedTo(Dialects.SNIPPET);
        assertFalse(Inside.begun(converted)[0]);
        assertEquals(Dialects.SNIPPET, converted.hyperparameters().rule());
        Snapshot none = builder(Dialects.PAPER).momentum(0).build().snapshot().convertedTo(Dialects.SNIPPET);
        assertEquals(null, Inside.momentum(none));
    }

    @Test
    void momentumCorrectionIsTakenAlong() {
        Lars corrected = builder(Dialects.PAPER).momentumCorrection(true).build();
        Lars plain = builder(Dialects.PAPER).build();
        float[] a = Random32.normal(1, N, 1);
        float[] b = a.clone();
        for (int step = 0; step < 2; step++) {
            step(corrected, a, step);
            step(plain, b, step);
        }
        assertNotEquals(a[0], b[0]);
        plain.restore(corrected.snapshot());
        assertTrue(plain.hyperparameters().momentumCorrection());
        Hyperparameters converted =
                corrected.snapshot().convertedTo(Dialects.BOLTS).hyperparameters();
        assertFalse(converted.momentumCorrection());
    }

    /** The conversion needs the rate and ratio of each layer's last step, of whatever layers there are since. */
    @Test
    void momentumIsConvertedAlsoAfterLayersWereAdded() {
        Layers more = Layers.builder()
                .add("w", 50)
                .at(60)
                .add("bias", 7, Treatment.PLAIN.withRateFactor(0.1))
                .add("late", 20)
                .add("new", 5)
                .build();
        try (Lars lars = builder(Dialects.PAPER).build()) {
            step(lars, Random32.normal(1, N, 1), 0);
            float[] expected = Inside.momentum(lars.snapshot().convertedTo(Dialects.SNIPPET));
            assertNotEquals(Inside.momentum(lars)[0], expected[0]);
            lars.addLayers(more);
            float[] converted = Inside.momentum(lars.snapshot().convertedTo(Dialects.SNIPPET));
            for (int i = 0; i < N; i++) {
                assertEquals(expected[i], converted[i]);
            }
        }
    }
}
