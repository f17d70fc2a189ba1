package io.github.lars4j.internal.kernel;

import static io.github.lars4j.internal.kernel.Stripes.STRIPES;

import io.github.lars4j.internal.memory.Bfloat16;

/**
 * {@link Kernels} in plain Java: the reference for the sums and the updates. The JIT vectorises the updates, but never
 * the sums.
 */
public final class ScalarKernels implements Kernels {

    public static final ScalarKernels INSTANCE = new ScalarKernels();

    private ScalarKernels() {}

    @Override
    public void measure(
            float[] weights, float[] gradients, int from, int length, double[] scratch, BlockSums sums, int block) {
        for (int i = 0; i < 3 * STRIPES; i++) {
            scratch[i] = 0.0;
        }
        int whole = from + (length & -STRIPES);
        for (int i = from; i < whole; i += STRIPES) {
            for (int s = 0; s < STRIPES; s++) {
                double w = weights[i + s];
                double g = gradients[i + s];
                scratch[s] += w * w;
                scratch[STRIPES + s] += g * g;
                scratch[2 * STRIPES + s] += w * g;
            }
        }
        addTail(weights, gradients, whole, from + length, scratch);
        sums.weights[block] = Stripes.fold(scratch, 0);
        sums.gradients[block] = Stripes.fold(scratch, STRIPES);
        sums.products[block] = Stripes.fold(scratch, 2 * STRIPES);
    }

    @Override
    public double squares(float[] values, int from, int length, double[] scratch) {
        for (int i = 0; i < STRIPES; i++) {
            scratch[i] = 0.0;
        }
        int whole = from + (length & -STRIPES);
        for (int i = from; i < whole; i += STRIPES) {
            for (int s = 0; s < STRIPES; s++) {
                double x = values[i + s];
                scratch[s] += x * x;
            }
        }
        addTail(values, whole, from + length, scratch);
        return Stripes.fold(scratch, 0);
    }

    @Override
    public void update(
            float[] weights,
            float[] gradients,
            float[] momentum,
            int from,
            int length,
            float a,
            float b,
            float m,
            float p,
            float v) {
        int first = from;
        updateTail(weights, gradients, momentum, first, from + length, a, b, m, p, v);
    }

    @Override
    public void update(float[] weights, float[] gradients, int from, int length, float a, float b, float p) {
        int first = from;
        updateTail(weights, gradients, first, from + length, a, b, p);
    }

    @Override
    public void round(float[] weights, short[] halves, int from, int length) {
        int first = from;
        roundTail(weights, halves, first, from + length);
    }

    /** Adds the last elements of a block to the stripes of its three sums; element {@code first} goes to stripe 0. */
    static void addTail(float[] weights, float[] gradients, int first, int end, double[] stripes) {
        for (int i = first; i < end; i++) {
            int s = (i - first) % STRIPES;
            double w = weights[i];
            double g = gradients[i];
            stripes[s] += w * w;
            stripes[STRIPES + s] += g * g;
            stripes[2 * STRIPES + s] += w * g;
        }
    }

    /** Adds the squares of the last elements of a block to its stripes; element {@code first} goes to stripe 0. */
    static void addTail(float[] values, int first, int end, double[] stripes) {
        for (int i = first; i < end; i++) {
            double x = values[i];
            stripes[(i - first) % STRIPES] += x * x;
        }
    }

    /** Updates the elements from {@code first} to before {@code end} with momentum. */
    static void updateTail(
            float[] weights,
            float[] gradients,
            float[] momentum,
            int first,
            int end,
            float a,
            float b,
            float m,
            float p,
            float v) {
        for (int i = first; i < end; i++) {
            float w = weights[i];
            float in = a * gradients[i] + b * w;
            float moved = m * momentum[i] + in;
            momentum[i] = moved;
            weights[i] = w - (p * in + v * moved);
        }
    }

    /** Updates the elements from {@code first} to before {@code end} without momentum. */
    static void updateTail(float[] weights, float[] gradients, int first, int end, float a, float b, float p) {
        for (int i = first; i < end; i++) {
            float w = weights[i];
            weights[i] = w - p * (a * gradients[i] + b * w);
        }
    }

    /** Rounds the weights from {@code first} to before {@code end}. */
    static void roundTail(float[] weights, short[] halves, int first, int end) {
        for (int i = first; i < end; i++) {
            halves[i] = Bfloat16.of(weights[i]);
        }
    }
}
