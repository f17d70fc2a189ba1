package io.github.lars4j.internal.kernel;

/**
 * What the kernels must compute, stated in the plainest way and calling none of their code: the order of the sums as
 * the contract has it, and the update one rounding at a time.
 */
public final class KernelOracle {

    private static final int STRIPES = 16;

    private KernelOracle() {}

    /** Sum of {@code x·y} over one block: element i goes to stripe i mod 16. */
    public static double products(float[] x, float[] y, int from, int length) {
        double[] stripes = new double[STRIPES];
        for (int i = 0; i < length; i++) {
            double product = (double) x[from + i] * (double) y[from + i];
            stripes[i % STRIPES] = stripes[i % STRIPES] + product;
        }
        return tree(stripes, 0, 1);
    }

    /**
     * The stripes that lie {@code step} apart from {@code first} on: each is added to the one half of all stripes away.
     */
    private static double tree(double[] stripes, int first, int step) {
        return step == STRIPES
                ? stripes[first]
                : tree(stripes, first, 2 * step) + tree(stripes, first + step, 2 * step);
    }

    /** Sum of a layer's blocks: a whole binary tree over as many as a power of two holds, plus that over the rest. */
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

    /** The rounded product; a double holds the exact one, so nothing can be fused or rounded twice. */
    private static float times(float x, float y) {
        return (float) ((double) x * (double) y);
    }

    /** The rounded sum; a double has more than twice a float's digits, so its own rounding never shows. */
    private static float plus(float x, float y) {
        return (float) ((double) x + (double) y);
    }
}
