package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** What calls with tensors return, and what they do to the trainer's own momentum. */
class TensorCallsTest {

    private static final Layers LAYERS = Layers.builder()
            .add("a", 9000)
            .add("none", 0)
            .add("b", 5)
            .add("c", 4096)
            .build();
    private static final int END = (int) LAYERS.end();

    private static Lars.Builder builder() {
        return Lars.builder(LAYERS).learningRate(0.5).momentum(0.9).trustCoefficient(0.1);
    }

    @Test
    void everyCallReturnsWhatItFound() {
        Tensors weights = Tensors.flat(Random32.normal(1, END, 1));
        Tensors gradients = Tensors.flat(Random32.normal(2, END, 1));
        Gradients known = Gradients.of(gradients).missing(3, true);
        try (Lars lars = builder().build()) {
            assertEquals(Outcome.UPDATED, lars.step(weights, gradients).outcome(3));
            assertEquals(Outcome.NO_GRADIENT, lars.step(weights, known).outcome(3));
            assertEquals(2, lars.step(weights, gradients, () -> 2).loss());
            assertEquals(3, lars.step(weights, known, () -> 3).loss());
            LayerSums sums = lars.measure(weights, known);
            assertEquals(Outcome.NO_GRADIENT, lars.update(weights, known, sums).outcome(3));
            sums = lars.measure(weights, gradients);
            assertEquals(Outcome.UPDATED, lars.update(weights, gradients, sums).outcome(3));
            assertEquals(6, lars.steps());
        }
    }

    /** Momentum that is turned off is 0 when it is turned on again, wherever the trainer has put it. */
    @Test
    void momentumThatWasLostIsZeroInEveryArray() {
        float[] one = Random32.normal(1, END, 1);
        float[] other = one.clone();
        float[] gradients = Random32.normal(2, END, 1);
        float[] flat = new float[END];
        float[][] byLayer = {new float[9000], {}, new float[5], new float[4096]};
        try (Lars first = losing(Tensors.flat(flat));
                Lars second = losing(Tensors.byLayer(byLayer))) {
            for (int step = 0; step < 4; step++) {
                first.step(one, gradients);
                second.step(other, gradients);
                assertArrayEquals(one, other, 0, "weights of step " + step);
                for (int i = 0, at = 0; i < byLayer.length; at += byLayer[i++].length) {
                    for (int e = 0; e < byLayer[i].length; e++) {
                        assertEquals(flat[at + e], byLayer[i][e], "momentum of step " + step);
                    }
                }
                assertEquals(step == 1, flat[0] == 0, "step " + step);
            }
        }
    }

    private static Lars losing(Tensors momentum) {
        return builder()
                .momentum(step -> step == 1 ? 0 : 0.9)
                .momentumBuffer(momentum)
                .build();
    }
}
