package io.github.lars4j.bench.arms;

/**
 * The ceilings in plain Java: loops that the JIT compiles best. Free of the library's order of summation, which the JIT
 * does not vectorise.
 */
final class ScalarArms {

    /** What {@link #scan} counts in. */
    static final float UNITS_PER_ONE = 1024;

    private ScalarArms() {}

    /**
     * Reads {@code [from, to)} of both arrays once, and adds up what it reads only so that it must be read. The JIT
     * keeps float sums in order, one addition after another, but vectorises sums of int; so it counts whole units of
     * 1/1024.
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
