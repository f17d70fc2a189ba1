package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

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

    private static void assertAbsent(LayerSums sums) {
        for (int i = 0; i < LAYERS.size(); i++) {
            assertFalse(sums.hasWeights(i) || sums.hasGradients(i) || sums.hasProducts(i));
            assertTrue(Double.isNaN(sums.ww[i]) && Double.isNaN(sums.gg[i]) && Double.isNaN(sums.wg[i]));
        }
    }
}
