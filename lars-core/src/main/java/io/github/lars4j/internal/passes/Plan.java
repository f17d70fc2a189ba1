package io.github.lars4j.internal.passes;

import io.github.lars4j.internal.kernel.Stripes;
import java.util.Arrays;
import java.util.Locale;

/**
 * The order of work of one step, computed once from the layout: which blocks there are, which layers finish both passes
 * before the next begin, and which thread does which block.
 *
 * <p>Layers are cut into blocks, numbered in layer order. Consecutive layers form a group: pass 1 goes over a whole
 * group, then the rule, then pass 2. A group's blocks are dealt out in one contiguous share to each thread, the same
 * share in both passes. The order changes time, never a bit of the result.
 */
public final class Plan {

    /**
     * How finely the work is divided.
     *
     * @param group elements of a group for each thread, where a group need not hold everything
     * @param share elements for which a further thread is woken
     */
    public record Grain(int group, int share) {

        /**
         * The weights and gradients of a group (1 MiB) are still in a core's L2 cache when pass 2 comes to them; a
         * share is a few microseconds of work, more than waking a thread costs.
         */
        public static final Grain USUAL = new Grain(1 << 17, 1 << 13);
    }

    private static final int APART = Crew.APART / Double.BYTES;

    private final int threads;
    private final int[] offsets;
    private final int[] lengths;
    private final int[] firstBlock;
    private final int[] groupFirstLayer;
    private final int[] shares;
    private final int[] places;

    private Plan(int threads, int[] offsets, int[] lengths, int[] firstBlock, int[] groups, int[] shares) {
        this.threads = threads;
        this.offsets = offsets;
        this.lengths = lengths;
        this.firstBlock = firstBlock;
        this.groupFirstLayer = groups;
        this.shares = shares;
        this.places = places(firstBlock[offsets.length], threads, shares);
    }

    /**
     * Plans the work on a layout.
     *
     * @param offsets index of each layer's first element
     * @param lengths elements of each layer
     * @param allSumsFirst whether all sums are needed before the first write: then everything is one group
     * @param threads threads that share the work, at least 1
     */
    public static Plan of(int[] offsets, int[] lengths, boolean allSumsFirst, int threads, Grain grain) {
        int layers = offsets.length;
        int[] firstBlock = new int[layers + 1];
        for (int i = 0; i < layers; i++) {
            firstBlock[i + 1] = firstBlock[i] + Math.ceilDiv(lengths[i], Stripes.BLOCK);
        }
        int[] groups = groups(lengths, allSumsFirst ? Long.MAX_VALUE : (long) grain.group * threads);
        int[] shares = new int[(groups.length - 1) * threads + 1];
        for (int g = 0; g + 1 < groups.length; g++) {
            share(lengths, firstBlock, groups[g], groups[g + 1], threads, grain.share, shares, g * threads);
        }
        shares[shares.length - 1] = firstBlock[layers];
        return new Plan(threads, offsets.clone(), lengths.clone(), firstBlock, groups, shares);
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

    /** Cuts the blocks of layers {@code [first, last)} into contiguous shares of about equally many elements. */
    private static void share(
            int[] lengths, int[] firstBlock, int first, int last, int threads, int grain, int[] shares, int at) {
        long elements = 0;
        for (int i = first; i < last; i++) {
            elements += lengths[i];
        }
        long used = Math.clamp(elements / grain, 1, threads);
        int thread = 0;
        shares[at] = firstBlock[first];
        long done = 0;
        for (int i = first; i < last; i++) {
            for (int b = firstBlock[i]; b < firstBlock[i + 1]; b++) {
                int length = Math.min(Stripes.BLOCK, lengths[i] - (b - firstBlock[i]) * Stripes.BLOCK);
                while (done + length / 2 >= elements * (thread + 1) / used) {
                    shares[at + ++thread] = b;
                }
                done += length;
            }
        }
        Arrays.fill(shares, at + thread + 1, at + threads, firstBlock[last]);
    }

    /** The place of every block, and behind them the number of places. Shares of one group are apart. */
    private static int[] places(int blocks, int threads, int[] shares) {
        int[] places = new int[blocks + 1];
        int gaps = 0;
        for (int share = 0; share + 1 < shares.length; share++) {
            int groupsFirst = shares[share - share % threads];
            if (shares[share] > groupsFirst && shares[share] < shares[share + 1]) {
                gaps += APART;
            }
            for (int b = shares[share]; b < shares[share + 1]; b++) {
                places[b] = b + gaps;
            }
        }
        places[blocks] = blocks + gaps;
        return places;
    }

    public int threads() {
        return threads;
    }

    public int layers() {
        return firstBlock.length - 1;
    }

    public int blocks() {
        return firstBlock[firstBlock.length - 1];
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
        int found = Arrays.binarySearch(firstBlock, block);
        int layer = found < 0 ? -found - 2 : found;
        while (firstBlock[layer + 1] == block) {
            layer++; // an empty layer has no block
        }
        return layer;
    }

    /** Index of the first element of a block of a layer. */
    int from(int layer, int block) {
        return offsets[layer] + (block - firstBlock[layer]) * Stripes.BLOCK;
    }

    /** Index behind the last element of a block of a layer. */
    int to(int layer, int block) {
        return Math.min(offsets[layer] + lengths[layer], from(layer, block) + Stripes.BLOCK);
    }

    /** Number of places: the length of an array of sums. */
    int places() {
        return places[blocks()];
    }

    /**
     * The place of a block in an array of sums. The blocks of a share have one place after the other; those that
     * different threads write at the same time are {@link Crew#APART}.
     */
    int place(int block) {
        return places[block];
    }

    /** Adds up the sums of a layer's blocks, at their places, in the order of the blocks, overwriting them. */
    double fold(double[] sums, int layer) {
        int first = firstBlock[layer];
        int blocks = firstBlock[layer + 1] - first;
        int at = places[first];
        for (int i = 1; i < blocks; i++) {
            sums[at + i] = sums[places[first + i]]; // closes the gaps between shares
        }
        return Stripes.foldBlocks(sums, at, blocks);
    }

    /** Working space of the kernels for each thread, {@link Crew#APART} from the next one's. */
    double[][] scratch() {
        return new double[threads][Stripes.SCRATCH + APART];
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
        text.append(String.format(
                Locale.ROOT,
                "%d layers, %d blocks of up to %d elements, %d groups, %d threads%n",
                layers(),
                blocks(),
                Stripes.BLOCK,
                groups(),
                threads));
        for (int g = 0; g < groups(); g++) {
            text.append(String.format(
                    Locale.ROOT,
                    "group %d: layers %d to %d, blocks by thread",
                    g,
                    groupFirstLayer[g],
                    groupFirstLayer[g + 1] - 1));
            for (int t = 0; t < threads; t++) {
                text.append(String.format(Locale.ROOT, " [%d, %d)", shareFrom(g, t), shareTo(g, t)));
            }
            text.append(System.lineSeparator());
        }
        return text.toString();
    }
}
