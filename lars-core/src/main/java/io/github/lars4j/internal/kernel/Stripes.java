package io.github.lars4j.internal.kernel;

/** The fixed order in which sums are taken; see {@link Kernels}. */
public final class Stripes {

    /** Stripes of a block: two accumulators of the widest vector there is, eight doubles. */
    static final int STRIPES = 16;

    /** Working space of one {@link Kernels#measure}: the stripes of three sums. */
    public static final int SCRATCH = 3 * STRIPES;

    /**
     * Elements of a block, the unit of summation and of work; a multiple of {@link #STRIPES}. Only a layer's last block
     * is shorter. Large enough to hide the cost of folding, small enough that a block's weights, gradient and momentum
     * stay in the L1 or L2 cache of every current core.
     */
    public static final int BLOCK = 4096;

    private Stripes() {}

    /** Adds the last elements of a block to the stripes of its three sums; {@code from} belongs to the first stripe. */
    static void addTail(float[] weights, float[] gradients, int from, int to, double[] stripes) {
        for (int i = from; i < to; i++) {
            int s = (i - from) % STRIPES;
            double w = weights[i];
            double g = gradients[i];
            stripes[s] += w * w;
            stripes[STRIPES + s] += g * g;
            stripes[2 * STRIPES + s] += w * g;
        }
    }

    /** Adds the squares of the last elements of a block to its stripes. */
    static void addTail(float[] values, int from, int to, double[] stripes) {
        for (int i = from; i < to; i++) {
            double x = values[i];
            stripes[(i - from) % STRIPES] += x * x;
        }
    }

    /** Adds up the 16 stripes at {@code stripes[at…]} in a fixed tree, half upon half, overwriting them. */
    static double fold(double[] stripes, int at) {
        for (int i = at; i < at + STRIPES / 2; i++) {
            stripes[i] += stripes[i + STRIPES / 2];
        }
        return foldHalf(stripes, at);
    }

    /** The rest of {@link #fold}: the 8 sums of its first level are at {@code half[at…]}. */
    static double foldHalf(double[] half, int at) {
        return ((half[at] + half[at + 4]) + (half[at + 2] + half[at + 6]))
                + ((half[at + 1] + half[at + 5]) + (half[at + 3] + half[at + 7]));
    }

    /**
     * Adds up {@code blocks[from, from + count)} pairwise by index, overwriting them.
     *
     * @return the sum; 0 for no blocks
     */
    public static double foldBlocks(double[] blocks, int from, int count) {
        if (count == 0) {
            return 0;
        }
        for (int n = count; n > 1; n = (n + 1) / 2) {
            for (int i = 0; i < n / 2; i++) {
                blocks[from + i] = blocks[from + 2 * i] + blocks[from + 2 * i + 1];
            }
            if ((n & 1) == 1) {
                blocks[from + n / 2] = blocks[from + n - 1];
            }
        }
        return blocks[from];
    }
}
