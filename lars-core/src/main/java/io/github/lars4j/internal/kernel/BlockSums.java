package io.github.lars4j.internal.kernel;

/**
 * The sums of every block of a layout, before they are folded into those of its layers. Different threads may write
 * different blocks at once.
 */
public final class BlockSums {
    /** Sums of w². */
    public final double[] weights;
    /** Sums of g². */
    public final double[] gradients;
    /** Sums of w·g. */
    public final double[] products;

    public BlockSums(int blocks) {
        weights = new double[blocks];
        gradients = new double[blocks];
        products = new double[blocks];
    }
}
