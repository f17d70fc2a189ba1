package io.github.lars4j.internal.kernel;

import static io.github.lars4j.internal.kernel.Stripes.STRIPES;

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
        Stripes.addTail(weights, gradients, whole, from + length, scratch);
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
        Stripes.addTail(values, whole, from + length, scratch);
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
        for (int i = from; i < from + length; i++) {
            float w = weights[i];
            float in = a * gradients[i] + b * w;
            float moved = m * momentum[i] + in;
            momentum[i] = moved;
            weights[i] = w - (p * in + v * moved);
        }
    }

    @Override
    public void update(float[] weights, float[] gradients, int from, int length, float a, float b, float p) {
        for (int i = from; i < from + length; i++) {
            float w = weights[i];
            weights[i] = w - p * (a * gradients[i] + b * w);
        }
    }
}
