package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Treatment;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * A bfloat16 momentum under a constant gradient that is small beside it: rounded to nearest it stalls, rounded
 * stochastically its mean follows the exact momentum.
 */
class TinyGradientTest {

    private static final Layers LAYERS = Layers.builder()
            .add("a", 5 * 4096 + 7, Treatment.PLAIN)
            .add("b", 17, Treatment.PLAIN)
            .at(30_000)
            .add("c", 2 * 4096, Treatment.PLAIN)
            .build();

    private static final double MOMENTUM = (float) 0.99;
    private static final double RATE = 0.25;
    private static final float GRADIENT = 0.004f;
    private static final int STEPS = 1000;

    /** Every how many steps the momentum is looked at. */
    private static final int WINDOW = 50;

    /** Returns the momentum after every window. Half of the elements have the negative gradient. */
    private static float[][] run(Long seed) {
        int end = (int) LAYERS.end();
        float[] weights = new float[end];
        float[] gradients = new float[end];
        short[] momentum = new short[end];
        for (int i = 0; i < end; i++) {
            gradients[i] = i % 2 == 0 ? GRADIENT : -GRADIENT;
        }
        Arrays.fill(weights, 1);
        float[][] after = new float[STEPS / WINDOW][];
        try (Lars lars = Kernel.with("scalar", () -> {
            Lars.Builder builder = Lars.builder(LAYERS)
                    .learningRate(RATE)
                    .momentum(MOMENTUM)
                    .momentumBuffer(Tensors.flat(Format.BFLOAT16, momentum));
            return (seed == null ? builder : builder.stochasticRounding(seed)).build();
        })) {
            for (int step = 1; step <= STEPS; step++) {
                lars.step(weights, gradients);
                if (step % WINDOW == 0) {
                    after[step / WINDOW - 1] = magnitudes(momentum);
                }
            }
        }
        return after;
    }

    private static int elements() {
        int sum = 0;
        for (Layer layer : LAYERS) {
            sum += (int) layer.length();
        }
        return sum;
    }

    /** Returns the momentum of all layers, positive where the gradient is. */
    private static float[] magnitudes(short[] momentum) {
        float[] all = new float[elements()];
        int k = 0;
        for (Layer layer : LAYERS) {
            for (int i = 0; i < layer.length(); i++) {
                int at = (int) layer.offset() + i;
                float value = Float.intBitsToFloat(momentum[at] << 16);
                all[k++] = at % 2 == 0 ? value : -value;
            }
        }
        return all;
    }

    @Test
    void roundedToNearestItStalls() {
        float[][] after = run(null);
        double limit = RATE * GRADIENT / (1 - MOMENTUM);
        for (float value : after[after.length - 1]) {
            assertEquals(after[STEPS / WINDOW / 2][0], value, "it does not move in the second half");
            assertTrue(value < 0.9 * limit, () -> value + ", where " + limit + " is the limit");
        }
    }

    /**
     * The elements of a momentum are independent of each other, so that the standard error of the mean of n elements is the
     * root of an nth of their variance. The variance is that of a Markov chain whose states are the bfloat16: the float
     * x = m v + a g that follows v is rounded up with a probability of its distance from the one below.
     *
     * <p>The three roundings to float of a step change an element by at most 3u of its magnitude, and those of all steps
     * change the mean by at most 3u / (1 - m) of the largest magnitude.
     */
    @Test
    void roundedStochasticallyItsMeanIsExact() {
        float[][] after = run(12L);
        int n = elements();
        double exact = 0;
        Map<Float, Double> chain = Map.of(0f, 1.0);
        for (int step = 1; step <= STEPS; step++) {
            exact = MOMENTUM * exact + RATE * GRADIENT;
            chain = next(chain);
            if (step % WINDOW == 0) {
                double variance = 0;
                for (Map.Entry<Float, Double> state : chain.entrySet()) {
                    double error = state.getKey() - exact;
                    variance += state.getValue() * error * error;
                }
                double sum = 0;
                double squares = 0;
                for (float value : after[step / WINDOW - 1]) {
                    sum += value - exact;
                    squares += (value - exact) * (value - exact);
                }
                double bound = 4 * Math.sqrt(variance / n) + 3 * 0x1p-24 / (1 - MOMENTUM) * exact;
                String what = " after " + step + " steps: mean error " + sum / n + ", bound " + bound + "; variance "
                        + squares / n + ", of the chain " + variance;
                assertTrue(Math.abs(sum / n) <= bound, what);
                // The variance of n elements, about normal, has a relative error of √(2/n).
                assertEquals(1, squares / n / variance, 4 * Math.sqrt(2.0 / n), what);
            }
        }
    }

    /** Returns the probabilities of the values after a step. */
    private static Map<Float, Double> next(Map<Float, Double> before) {
        Map<Float, Double> after = new HashMap<>();
        before.forEach((value, probability) -> {
            float moved = (float) MOMENTUM * value + (float) RATE * GRADIENT;
            double unit = Math.scalb(1.0, Math.getExponent(moved) - 7);
            double below = Math.floor(moved / unit);
            double up = moved / unit - below;
            after.merge((float) (below * unit), probability * (1 - up), Double::sum);
            after.merge((float) ((below + 1) * unit), probability * up, Double::sum);
        });
        return after;
    }
}
