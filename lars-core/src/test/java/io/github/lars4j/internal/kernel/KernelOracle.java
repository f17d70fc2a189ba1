package io.github.lars4j.internal.kernel;

/**
 * The oracle of the kernels, which calls none of their code: the sums in the order of the contract, and the update one
 * rounding at a time.
 */
public final class KernelOracle {

    private static final int STRIPES = 16;

    private KernelOracle() {}

    /** Returns the sum of {@code x·y} over one block: element i is added to stripe i mod 16. */
    public static double products(float[] x, float[] y, int from, int length) {
        double[] stripes = new double[STRIPES];
        for (int i = 0; i < length; i++) {
            double product = (double) x[from + i] * (double) y[from + i];
            stripes[i % STRIPES] = stripes[i % STRIPES] + product;
        }
        return tree(stripes, 0, 1);
    }

    /**
     * Returns the sum of every {@code step}-th stripe from {@code first} on: each stripe is added to the one that is
     * half of all stripes away.
     */
    private static double tree(double[] stripes, int first, int step) {
        return step == STRIPES
                ? stripes[first]
                : tree(stripes, first, 2 * step) + tree(stripes, first + step, 2 * step);
    }

    /**
     * Returns the sum of a layer's blocks: a full binary tree over the largest power of two, plus the tree over the
     * rest.
     */
    public static double pairwise(double[] blocks, int from, int count) {
        if (count <= 1) {
            return count == 0 ? 0 : blocks[from];
        }
        int left = Integer.highestOneBit(count - 1);
        return pairwise(blocks, from, left) + pairwise(blocks, from + left, count - left);
    }

    /** The update with momentum. */
    public static void update(
            float[] w, float[] g, float[] v, int from, int length, float a, float b, float m, float p, float out) {
        for (int i = from; i < from + length; i++) {
            float in = plus(times(a, g[i]), times(b, w[i]));
            v[i] = plus(times(m, v[i]), in);
            w[i] = plus(w[i], -plus(times(p, in), times(out, v[i])));
        }
    }

    /** The update without momentum. */
    public static void update(float[] w, float[] g, int from, int length, float a, float b, float p) {
        for (int i = from; i < from + length; i++) {
            float in = plus(times(a, g[i]), times(b, w[i]));
            w[i] = plus(w[i], -times(p, in));
        }
    }

    /** Returns the rounded product. A double holds the exact product, so that nothing is fused or rounded twice. */
    private static float times(float x, float y) {
        return (float) ((double) x * (double) y);
    }

    /**
     * Returns the rounded sum. A double has more than twice the digits of a float, so that rounding twice is harmless.
     */
    private static float plus(float x, float y) {
        return (float) ((double) x + (double) y);
    }
}
