package io.github.lars4j;

import io.github.lars4j.internal.kernel.Stripes;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;

/**
 * The part of a network that one of several machines holds: consecutive blocks of {@link ShardSums#BLOCK} elements, of one
 * layer or of several. Each machine has an optimizer for its shard, with the same settings. Together they give the bits
 * of one optimizer for the whole network:
 *
 * <pre>{@code
 * Shard shard = Shard.cut(layers, machines).get(me);
 * Lars lars = Lars.builder(shard.layers()).learningRate(schedule).momentum(0.9).build();
 *
 * ShardSums mine = lars.measureBlocks(params, gradients);       // reads the shard
 * List<ShardSums> all = exchange(mine);                         // 24 bytes a block, in the order of the shards
 * lars.update(params, gradients, ShardSums.fold(layers, all));  // writes the shard
 * }</pre>
 *
 * <p>As every machine has the sums of all layers, all of them clip, and refuse a step, for the same reasons. Machines
 * must agree on {@link Gradients#missing} and {@link Gradients#scale}. A {@linkplain Lars.Builder#group group} may choose
 * its layers by name, treatment and number of dimensions, which are those of the whole (a scalar counts as one dimension),
 * but not by length or offset.
 * Stochastic rounding is not possible, because its random bits depend on the index in the layer.
 *
 * <p>Immutable and safe for use by several threads.
 */
public final class Shard {

    private final Layers layers;
    private final long[] from;

    private Shard(Layers layers, long[] from) {
        this.layers = layers;
        this.from = from;
    }

    /**
     * Cuts layers into shards of nearly the same number of blocks.
     *
     * @param layers the layers of the whole network
     * @param count the number of shards, at least 1 and at most the number of blocks
     * @return the shards, in the order of their blocks
     * @throws NullPointerException if {@code layers} is {@code null}
     * @throws IllegalArgumentException if {@code count} is out of its range
     */
    public static List<Shard> cut(Layers layers, int count) {
        long blocks = checked(layers, count);
        List<Shard> shards = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            shards.add(ofBlocks(layers, share(blocks, i, count), share(blocks, i + 1, count)));
        }
        return List.copyOf(shards);
    }

    /**
     * Returns one of the shards that {@link #cut} returns, without making the others.
     *
     * @param layers the layers of the whole network
     * @param index the index of the shard
     * @param count the number of shards, at least 1 and at most the number of blocks
     * @throws NullPointerException if {@code layers} is {@code null}
     * @throws IllegalArgumentException if {@code count} is out of its range
     * @throws IndexOutOfBoundsException if there is no such shard
     */
    public static Shard of(Layers layers, int index, int count) {
        long blocks = checked(layers, count);
        Objects.checkIndex(index, count);
        return ofBlocks(layers, share(blocks, index, count), share(blocks, index + 1, count));
    }

    /** Returns the number of blocks of layers that are to be cut. */
    private static long checked(Layers layers, int count) {
        long blocks = 0;
        for (Layer layer : Objects.requireNonNull(layers, "layers")) {
            blocks += blocks(layer);
        }
        if (count < 1 || count > blocks) {
            throw new IllegalArgumentException("count is " + count + "; it must be in [1, " + blocks + "], where "
                    + blocks + " is the number of blocks");
        }
        return blocks;
    }

    /** Returns {@code blocks * i / count} without overflow. */
    private static long share(long blocks, int i, int count) {
        return blocks / count * i + blocks % count * i / count;
    }

    /** Returns the shard of blocks {@code [first, last)}, counted over all layers. */
    private static Shard ofBlocks(Layers layers, long first, long last) {
        List<Layer> pieces = new ArrayList<>();
        long[] from = new long[layers.size()];
        long offset = 0;
        long before = 0;
        for (int i = 0; i < from.length; i++) {
            Layer layer = layers.get(i);
            from[i] = element(layer, first - before);
            long length = element(layer, last - before) - from[i];
            pieces.add(new Layer(layer.name(), offset, shape(layer, length), length, layer.treatment()));
            offset += length;
            before += blocks(layer);
        }
        return new Shard(new Layers(pieces, true), from);
    }

    /** Returns a shape of as many dimensions as the layer has, by which a group may choose its layers. */
    private static List<Long> shape(Layer layer, long length) {
        List<Long> shape =
                new ArrayList<>(Collections.nCopies(Math.max(1, layer.shape().size()), 1L));
        shape.set(shape.size() - 1, length);
        return shape;
    }

    /**
     * Returns a shard without elements: all layers with their names and treatments and with length 0. An optimizer for it
     * needs no arrays, and decides about every layer as those of the other shards do.
     *
     * @throws NullPointerException if {@code layers} is {@code null}
     */
    public static Shard empty(Layers layers) {
        return ofBlocks(Objects.requireNonNull(layers, "layers"), 0, 0);
    }

    /** Returns the number of blocks of a layer. */
    static long blocks(Layer layer) {
        return Stripes.blocks(layer.length());
    }

    /** Returns the first element of a block of a layer, or one of its ends if the layer has no such block. */
    private static long element(Layer layer, long block) {
        return Math.min(layer.length(), Math.max(0, block) * Stripes.BLOCK);
    }

    /**
     * Returns the layers of the shard: all layers of the network in their order, with their names and treatments and the
     * lengths of their pieces, one after the other from offset 0. A piece has as many dimensions as its layer, but at least
     * one; all but the last are 1. A layer of which the shard has no block has length 0.
     */
    public Layers layers() {
        return layers;
    }

    /**
     * Returns the index in the whole layer of the first element of its piece; where the piece is empty, one of the
     * layer's ends.
     *
     * @param layer the index of the layer
     * @throws IndexOutOfBoundsException if there is no such layer
     */
    public long from(int layer) {
        return from[layers.checked("layer", layer)];
    }

    /** Returns a line for each layer of which the shard has elements. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < from.length; i++) {
            Layer piece = layers.get(i);
            if (piece.length() > 0) {
                text.append(piece.name())
                        .append(" [")
                        .append(from[i])
                        .append(", ")
                        .append(from[i] + piece.length())
                        .append(")")
                        .append(System.lineSeparator());
            }
        }
        return text.toString();
    }
}
