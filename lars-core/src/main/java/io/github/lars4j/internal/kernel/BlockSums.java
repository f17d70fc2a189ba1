package io.github.lars4j.internal.kernel;

/**
 * The sums of every block of a layout, before they are folded into the sums of its layers. The caller chooses the array
 * index of each block. Different threads may write the sums of different blocks at the same time.
 */
public final class BlockSums {
    /** Sums of w². */
    public final double[] weights;
    /** Sums of g². */
    public final double[] gradients;
    /** Sums of w·g. */
    public final double[] products;

    /**
     * Creates sums that are all 0.
     *
     * @param places the length of the arrays, at least the number of blocks
     */
    public BlockSums(int places) {
        weights = new double[places];
        gradients = new double[places];
        products = new double[places];
    }
}
