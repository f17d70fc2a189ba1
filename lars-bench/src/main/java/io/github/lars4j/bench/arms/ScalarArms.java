package io.github.lars4j.bench.arms;

/**
 * The ceilings in plain Java: the loops that the JIT compiles best. They do not follow the library's order of summation,
 * which the JIT does not vectorise.
 */
final class ScalarArms {

    /** Units per 1 in the sums of {@link #scan}. */
    static final float UNITS_PER_ONE = 1024;

    private ScalarArms() {}

    /**
     * Reads {@code [from, to)} of both arrays once, and adds the elements so that the JIT cannot remove the reads. The
     * JIT vectorises sums of int but not sums of float; so each element is cut to whole units of 1/1024.
     *
     * @return the sum of those elements of both, each cut to whole units, modulo 2^32 of them
     */
    static double scan(float[] weights, float[] gradients, int from, int to) {
        int units = 0;
        for (int i = from; i < to; i++) {
            units += (int) (weights[i] * UNITS_PER_ONE) + (int) (gradients[i] * UNITS_PER_ONE);
        }
        return units / (double) UNITS_PER_ONE;
    }

    /** As {@link VectorArms#sgd}, with the same bits. The JIT vectorises it. */
    static void sgd(
            float[] weights,
            float[] gradients,
            float[] velocity,
            int from,
            int to,
            float rate,
            float momentum,
            float decay) {
        for (int i = from; i < to; i++) {
            float w = weights[i];
            float d = gradients[i] + w * decay;
            float v = velocity[i] * momentum + d;
            velocity[i] = v;
            weights[i] = w - (v * momentum + d) * rate;
        }
    }
}
