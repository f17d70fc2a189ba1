package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import io.github.lars4j.internal.kernel.Stripes;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * The sums Σw², Σg² and Σw·g of every block of a {@link Shard}, from {@link Lars#measureBlocks}. {@link #fold} adds those
 * of all shards in the order in which one machine adds them, so that the sums of the layers have its bits. {@link
 * LayerSums#add} of sums over parts adds in another order, and can differ in the last bit.
 *
 * <p>Immutable and safe for use by several threads.
 */
public final class ShardSums {

    /** The number of elements of a block; only the last block of a layer may have fewer. */
    public static final int BLOCK = Stripes.BLOCK;

    private static final int SUMS = 3;

    /** Σw² of all blocks, then Σg² of all, then Σw·g of all. */
    private final double[] sums;

    private ShardSums(double[] sums) {
        this.sums = sums;
    }

    /**
     * Makes sums of what {@link #toArray} has returned, possibly on another machine.
     *
     * @param sums copied
     * @throws NullPointerException if {@code sums} is {@code null}
     * @throws IllegalArgumentException if its length is not a multiple of 3, or a sum of squares is negative
     */
    public static ShardSums of(double[] sums) {
        double[] copy = Objects.requireNonNull(sums, "sums").clone();
        if (copy.length % SUMS != 0) {
            throw new IllegalArgumentException("sums has length " + copy.length + "; it must be a multiple of " + SUMS);
        }
        for (int i = 0; i < copy.length / SUMS * 2; i++) {
            if (copy[i] < 0) {
                throw new IllegalArgumentException(
                        "sums[" + i + "] is " + copy[i] + "; a sum of squares must be 0 or more");
            }
        }
        return new ShardSums(copy);
    }

    /** Makes sums for a number of blocks, whose values the caller will set. */
    static ShardSums forBlocks(int blocks) {
        return new ShardSums(new double[SUMS * blocks]);
    }

    /** Returns the sums as an array to be sent elsewhere: Σw² of all blocks, then Σg² of all, then Σw·g of all. */
    public double[] toArray() {
        return sums.clone();
    }

    /** Returns the number of blocks. */
    public int blocks() {
        return sums.length / SUMS;
    }

    /** Sets the sums of a block, before anybody else has this object. */
    void set(int block, double weights, double gradients, double products) {
        sums[block] = weights;
        sums[blocks() + block] = gradients;
        sums[2 * blocks() + block] = products;
    }

    /**
     * Adds the sums of the blocks of all shards to the sums of layers.
     *
     * @param layers the layers of the whole network, or of all shards alike: names, lengths and order
     * @param shards the sums of all shards, in the order of {@link Shard#cut}
     * @return the sums that {@link Lars#measure} would return for the whole network, with Σw·g of every layer, whether or
     *     not its rule needs it; NaN for a layer whose gradient was missing
     * @throws NullPointerException if an argument or an element is {@code null}
     * @throws IllegalArgumentException if the shards together do not have as many blocks as the layers
     */
    public static LayerSums fold(Layers layers, List<ShardSums> shards) {
        Objects.requireNonNull(layers, "layers");
        List<ShardSums> all = Checks.copyOf("shards", shards);
        long blocks = all.stream().mapToLong(ShardSums::blocks).sum();
        long needed = 0;
        for (Layer layer : layers) {
            needed += Shard.blocks(layer);
        }
        if (blocks != needed) {
            throw new IllegalArgumentException("shards have " + blocks + " blocks; they must have " + needed
                    + ", the number of blocks of the layers");
        }
        LayerSums folded = new LayerSums(layers);
        double[] weights = together(all, 0, (int) blocks);
        double[] gradients = together(all, 1, (int) blocks);
        double[] products = together(all, 2, (int) blocks);
        int first = 0;
        for (int i = 0; i < layers.size(); i++) {
            int count = (int) Shard.blocks(layers.get(i));
            folded.setWeights(i, Stripes.foldBlocks(weights, first, count));
            folded.setGradients(i, Stripes.foldBlocks(gradients, first, count));
            folded.setProducts(i, Stripes.foldBlocks(products, first, count));
            first += count;
        }
        return folded;
    }

    /** Returns one kind of sums of all shards, one after the other. */
    private static double[] together(List<ShardSums> shards, int kind, int blocks) {
        double[] together = new double[blocks];
        int at = 0;
        for (ShardSums shard : shards) {
            System.arraycopy(shard.sums, kind * shard.blocks(), together, at, shard.blocks());
            at += shard.blocks();
        }
        return together;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ShardSums that && Arrays.equals(sums, that.sums);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(sums);
    }

    @Override
    public String toString() {
        return "sums of " + blocks() + " blocks";
    }
}
