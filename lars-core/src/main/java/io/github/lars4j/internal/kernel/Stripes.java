package io.github.lars4j.internal.kernel;

/** The fixed order of summation; see {@link Kernels}. */
public final class Stripes {

    /** The number of stripes of a block: two accumulators of the widest vector, which has eight doubles. */
    static final int STRIPES = 16;

    /** The length of the working space of {@link Kernels#measure}: the stripes of three sums. */
    public static final int SCRATCH = 3 * STRIPES;

    /**
     * The number of elements of a block, which is the unit of summation and of work; a multiple of {@link #STRIPES}.
     * Only the last block of a layer is shorter. A block is large enough to hide the cost of folding, and small enough
     * for its weights, gradient and momentum to stay in the L1 or L2 cache of every current core.
     */
    public static final int BLOCK = 4096;

    private Stripes() {}

    /** Adds the 16 stripes at {@code stripes[at…]} in a fixed tree, one half to the other, and overwrites them. */
    static double fold(double[] stripes, int at) {
        for (int i = at; i < at + STRIPES / 2; i++) {
            stripes[i] += stripes[i + STRIPES / 2];
        }
        return foldHalf(stripes, at);
    }

    /** Completes {@link #fold} after its first level, whose 8 sums are at {@code half[at…]}. */
    static double foldHalf(double[] half, int at) {
        return ((half[at] + half[at + 4]) + (half[at + 2] + half[at + 6]))
                + ((half[at + 1] + half[at + 5]) + (half[at + 3] + half[at + 7]));
    }

    /**
     * Puts stripes in order of which the even ones come first and then the odd ones. Overwrites the last {@link #STRIPES}
     * elements of the working space.
     *
     * @param stripes the working space, with the stripes at {@code [at, at + 2 * half)}
     * @param half the number of even stripes
     */
    static void interleave(double[] stripes, int at, int half) {
        int copy = SCRATCH - STRIPES;
        System.arraycopy(stripes, at, stripes, copy, 2 * half);
        for (int i = 0; i < half; i++) {
            stripes[at + 2 * i] = stripes[copy + i];
            stripes[at + 2 * i + 1] = stripes[copy + half + i];
        }
    }

    /**
     * Adds {@code blocks[from, from + count)} pairwise by index and overwrites them.
     *
     * @return the sum, or 0 if {@code count} is 0
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

    /** Returns the number of blocks of a layer with {@code length} elements. */
    public static long blocks(long length) {
        return Math.ceilDiv(length, (long) BLOCK);
    }
}
