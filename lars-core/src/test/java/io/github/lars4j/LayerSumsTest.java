package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What sums hold where there are none. */
class LayerSumsTest {

    private static final Layers LAYERS =
            Layers.builder().add("a", 5).add("b", 3).build();

    @Test
    void anAbsentSumHoldsNoNumber() {
        LayerSums sums = new LayerSums(LAYERS);
        assertAbsent(sums);
        sums.add(new LayerSums(LAYERS));
        assertAbsent(sums);
        sums.setWeights(0, 1);
        sums.setGradients(0, 2);
        sums.setProducts(0, 3);
        assertThrows(IllegalArgumentException.class, () -> sums.add(new LayerSums(LAYERS)));
        assertThrows(IllegalArgumentException.class, () -> new LayerSums(LAYERS).add(sums));
        assertEquals(List.of(1.0, 2.0, 3.0), List.of(sums.weights(0), sums.gradients(0), sums.products(0)));
        sums.begin(LAYERS);
        assertAbsent(sums);
        try (Lars lars = Lars.builder(LAYERS).learningRate(1).build()) {
            float[] params = Random32.normal(1, 8, 1);
            LayerSums measured = lars.measure(params, new float[8]);
            assertTrue(measured.weights(0) > 0);
            measured = lars.measure(
                    params, Gradients.of(new float[8]).missing(0, true).missing(1, true));
            assertAbsent(measured);
        }
    }

    /**
     * The update may have another weight decay than the measure, so what may be needed is measured, whatever is
     * carried. The weights are those of whole steps with the decay of the update.
     */
    @Test
    void measureTakesTheProductsThatTheRuleMayNeed() {
        for (boolean carry : new boolean[] {false, true}) {
            for (Rule rule : new Rule[] {Dialects.PAPER, Dialects.OPTAX, Dialects.BARLOW_TWINS}) {
                double[] decay = {0};
                Lars.Builder builder = Lars.builder(LAYERS)
                        .rule(rule)
                        .learningRate(1)
                        .weightDecay(step -> decay[0])
                        .carrySums(carry);
                try (Lars lars = builder.build();
                        Lars whole = builder.build()) {
                    float[] params = Random32.normal(1, 8, 1);
                    float[] gradients = Random32.normal(2, 8, 1);
                    float[] expected = params.clone();
                    lars.step(params, gradients);
                    whole.step(expected, gradients);
                    LayerSums sums = lars.measure(params, gradients);
                    assertEquals(!rule.equals(Dialects.PAPER), sums.hasProducts(0));
                    double products = 0;
                    for (int i = 0; i < 5; i++) {
                        products += (double) params[i] * gradients[i];
                    }
                    if (sums.hasProducts(0)) {
                        assertEquals(products, sums.products(0), 1e-14);
                    }
                    decay[0] = 0.5;
                    whole.step(expected, gradients);
                    assertEquals(
                            Outcome.UPDATED,
                            lars.update(params, Gradients.of(gradients), sums).outcome(0));
                    Bits.assertSame(expected, params, rule + ", carry " + carry);
                }
            }
        }
        Layers plain = Layers.builder().add("a", 8, Treatment.PLAIN).build();
        try (Lars lars = Lars.builder(plain)
                .rule(Dialects.OPTAX)
                .learningRate(1)
                .weightDecay(0.5)
                .build()) {
            assertFalse(lars.measure(new float[8], new float[8]).hasProducts(0));
        }
    }

    @Test
    void measureChecksTheSchedulesOfTheStep() {
        try (Lars lars = Lars.builder(LAYERS)
                .learningRate(1)
                .weightDecay(step -> -1 - step)
                .build()) {
            IllegalArgumentException thrown =
                    assertThrows(IllegalArgumentException.class, () -> lars.measure(new float[8], new float[8]));
            assertTrue(thrown.getMessage().startsWith("weightDecay of step 0 is -1.0"), thrown.getMessage());
        }
    }

    private static void assertAbsent(LayerSums sums) {
        for (int i = 0; i < LAYERS.size(); i++) {
            assertFalse(sums.hasWeights(i) || sums.hasGradients(i) || sums.hasProducts(i));
            assertTrue(Double.isNaN(sums.ww[i]) && Double.isNaN(sums.gg[i]) && Double.isNaN(sums.wg[i]));
        }
    }
}
