package io.github.lars4j.internal.kernel;

/**
 * The sums of every block of a layout, before they are folded into those of its layers. Where those of a block are is
 * for the caller to say. Different threads may write different blocks at once.
 */
public final class BlockSums {
    /** Sums of w². */
    public final double[] weights;
    /** Sums of g². */
    public final double[] gradients;
    /** Sums of w·g. */
    public final double[] products;

    /**
     * Sums that are all 0.
     *
     * @param places length of the arrays: at least the number of blocks
     */
    public BlockSums(int places) {
        weights = new double[places];
        gradients = new double[places];
        products = new double[places];
    }
}
