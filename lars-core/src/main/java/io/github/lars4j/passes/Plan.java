package io.github.lars4j.passes;

import io.github.lars4j.kernel.Stripes;
import java.util.Arrays;

/**
 * The order of work of one step, computed once from the layout: which blocks there are, which layers finish both passes
 * before the next begin, and which thread does which block.
 *
 * <p>Layers are cut into blocks, numbered in layer order. Consecutive layers form a group: pass 1 goes over a whole group,
 * then the rule, then pass 2. A group's blocks are dealt out in one contiguous share to each thread, the same share in
 * both passes. The order changes time, never a bit of the result.
 */
public final class Plan {

    /**
     * Elements of a group for each thread, where a group need not hold everything: the weights and gradients of as many
     * (512 KiB) are still in a core's L2 cache when pass 2 comes to them.
     */
    static final int GROUP_ELEMENTS = 1 << 16;

    /** Elements for which a further thread is woken: a few microseconds of work, more than waking one costs. */
    static final int SHARE_ELEMENTS = 1 << 13;

    private final int threads;
    private final int[] firstBlock;
    private final int[] blockLayer;
    private final int[] blockFrom;
    private final int[] blockLength;
    private final int[] groupFirstLayer;
    private final int[] shares;

    private Plan(int threads, int[] firstBlock, int[] layer, int[] from, int[] length, int[] groups, int[] shares) {
        this.threads = threads;
        this.firstBlock = firstBlock;
        this.blockLayer = layer;
        this.blockFrom = from;
        this.blockLength = length;
        this.groupFirstLayer = groups;
        this.shares = shares;
    }

    /**
     * Plans the work on a layout.
     *
     * @param offsets index of each layer's first element
     * @param lengths elements of each layer
     * @param allSumsFirst whether all sums are needed before the first write: then everything is one group
     * @param threads threads that share the work, at least 1
     */
    public static Plan of(int[] offsets, int[] lengths, boolean allSumsFirst, int threads) {
        int layers = offsets.length;
        int[] firstBlock = new int[layers + 1];
        for (int i = 0; i < layers; i++) {
            firstBlock[i + 1] = firstBlock[i] + Math.ceilDiv(lengths[i], Stripes.BLOCK);
        }
        int blocks = firstBlock[layers];
        int[] blockLayer = new int[blocks];
        int[] blockFrom = new int[blocks];
        int[] blockLength = new int[blocks];
        for (int i = 0; i < layers; i++) {
            for (int b = firstBlock[i]; b < firstBlock[i + 1]; b++) {
                int done = (b - firstBlock[i]) * Stripes.BLOCK;
                blockLayer[b] = i;
                blockFrom[b] = offsets[i] + done;
                blockLength[b] = Math.min(Stripes.BLOCK, lengths[i] - done);
            }
        }
        int[] groups = groups(lengths, allSumsFirst ? Long.MAX_VALUE : (long) GROUP_ELEMENTS * threads);
        int[] shares = new int[(groups.length - 1) * threads + 1];
        for (int g = 0; g + 1 < groups.length; g++) {
            share(firstBlock[groups[g]], firstBlock[groups[g + 1]], blockLength, threads, shares, g * threads);
        }
        shares[shares.length - 1] = blocks;
        return new Plan(threads, firstBlock, blockLayer, blockFrom, blockLength, groups, shares);
    }

    /** Consecutive layers while they stay within {@code most} elements together; a larger one is a group by itself. */
    private static int[] groups(int[] lengths, long most) {
        int[] first = new int[lengths.length + 1];
        int groups = 0;
        long elements = 0;
        for (int i = 0; i < lengths.length; i++) {
            if (i > 0 && elements + lengths[i] > most) {
                first[++groups] = i;
                elements = 0;
            }
            elements += lengths[i];
        }
        first[++groups] = lengths.length;
        return Arrays.copyOf(first, groups + 1);
    }

    /** Cuts blocks {@code [from, to)} into contiguous shares of about equally many elements. */
    private static void share(int from, int to, int[] blockLength, int threads, int[] shares, int at) {
        long elements = 0;
        for (int b = from; b < to; b++) {
            elements += blockLength[b];
        }
        long used = Math.clamp(elements / SHARE_ELEMENTS, 1, threads);
        int block = from;
        long done = 0;
        for (int t = 0; t < threads; t++) {
            shares[at + t] = block;
            long until = t + 1 >= used ? Long.MAX_VALUE : elements * (t + 1) / used;
            while (block < to && done + blockLength[block] / 2 < until) {
                done += blockLength[block++];
            }
        }
    }

    public int threads() {
        return threads;
    }

    public int layers() {
        return firstBlock.length - 1;
    }

    public int blocks() {
        return blockLayer.length;
    }

    public int groups() {
        return groupFirstLayer.length - 1;
    }

    /** Index of a group's first layer; for {@code group == groups()} the number of layers. */
    public int groupFirstLayer(int group) {
        return groupFirstLayer[group];
    }

    /** Index of a layer's first block; for {@code layer == layers()} the number of blocks. */
    public int firstBlock(int layer) {
        return firstBlock[layer];
    }

    /** The layer that a block is part of. */
    int layer(int block) {
        return blockLayer[block];
    }

    /** Index of a block's first element. */
    int from(int block) {
        return blockFrom[block];
    }

    /** Elements of a block. */
    int length(int block) {
        return blockLength[block];
    }

    /** Index of the first block of a thread's share of a group. */
    int shareFrom(int group, int thread) {
        return shares[group * threads + thread];
    }

    /** Index behind the last block of a thread's share of a group. */
    int shareTo(int group, int thread) {
        return shares[group * threads + thread + 1];
    }

    /** One line a group: its layers, its blocks, and each thread's share of them. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        text.append("%d layers, %d blocks of up to %d elements, %d groups, %d threads%n"
                .formatted(layers(), blocks(), Stripes.BLOCK, groups(), threads));
        for (int g = 0; g < groups(); g++) {
            text.append("group %d: layers %d to %d, blocks by thread"
                    .formatted(g, groupFirstLayer[g], groupFirstLayer[g + 1] - 1));
            for (int t = 0; t < threads; t++) {
                text.append(" [%d, %d)".formatted(shareFrom(g, t), shareTo(g, t)));
            }
            text.append(System.lineSeparator());
        }
        return text.toString();
    }
}
