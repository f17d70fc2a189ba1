package io.github.lars4j.internal.passes;

import io.github.lars4j.internal.kernel.Stripes;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * The order of the work of one step, computed once from the layout: how layers are divided into blocks, which layers
 * form a round, and which thread processes which block. Immutable.
 *
 * <p>Layers are divided into blocks, numbered in layer order. Consecutive layers form a round: pass 1 processes a whole
 * round, then the rule is applied, then pass 2 processes the round; then the next round begins. Each thread has one
 * contiguous share of the blocks of a round, the same share in both passes. The plan affects the time of a step, but
 * never a bit of its result.
 */
public final class Plan {

    /**
     * How finely the work is divided.
     *
     * @param round the maximum number of elements of a round per thread; a single layer may have more
     * @param share the minimum number of elements in a share for which another thread is woken
     */
    public record Grain(int round, int share) {

        /**
         * The default. The weights and gradients of a round take 1 MiB per thread, and are still in a core's L2 cache
         * when pass 2 reads them. A share takes a few microseconds, which is more than it takes to tell a thread that still spins; to wake one that
         * has parked takes longer.
         */
        public static final Grain USUAL = new Grain(1 << 17, 1 << 13);
    }

    /** Which layers form a round. */
    public enum Rounds {
        /** All layers form one round, because all sums are needed before the first write. */
        ONE,
        /** Consecutive layers form rounds that stay in cache from pass 1 to pass 2. */
        IN_CACHE,
        /** Each layer is a round. */
        EACH_LAYER
    }

    /** The greatest number of elements that can be planned: 2^30 blocks, whose numbers and places are ints. */
    public static final long MOST_ELEMENTS = (1L << 30) * Stripes.BLOCK;

    private static final int APART = Crew.APART / Double.BYTES;

    private final int threads;
    private final long[] lengths;
    private final int[] firstBlock;
    private final int[] firstLayerOfRound;
    private final int[] shares;
    private final int[] places;

    private Plan(int threads, long[] lengths, int[] firstBlock, int[] rounds, int[] shares) {
        this.threads = threads;
        this.lengths = lengths;
        this.firstBlock = firstBlock;
        this.firstLayerOfRound = rounds;
        this.shares = shares;
        this.places = places(firstBlock[lengths.length], threads, shares);
    }

    /**
     * Plans the work on a layout.
     *
     * @param lengths the number of elements of each layer, {@link #MOST_ELEMENTS} together at most
     * @param which which layers form a round
     * @param threads the number of threads that share the work, at least 1
     * @param grain how finely the work is divided
     * @return the plan
     */
    public static Plan of(long[] lengths, Rounds which, int threads, Grain grain) {
        int layers = lengths.length;
        int[] firstBlock = new int[layers + 1];
        for (int i = 0; i < layers; i++) {
            firstBlock[i + 1] = Math.toIntExact(firstBlock[i] + Stripes.blocks(lengths[i]));
        }
        int[] rounds = switch (which) {
            case ONE -> rounds(lengths, Long.MAX_VALUE);
            case IN_CACHE -> rounds(lengths, (long) grain.round * threads);
            case EACH_LAYER -> IntStream.rangeClosed(0, layers).toArray();
        };
        int[] shares = new int[(rounds.length - 1) * threads + 1];
        for (int g = 0; g + 1 < rounds.length; g++) {
            share(lengths, firstBlock, rounds[g], rounds[g + 1], threads, grain.share, shares, g * threads);
        }
        shares[shares.length - 1] = firstBlock[layers];
        return new Plan(threads, lengths.clone(), firstBlock, rounds, shares);
    }

    /** Forms rounds of consecutive layers of at most {@code most} elements; a larger layer is a round of its own. */
    private static int[] rounds(long[] lengths, long most) {
        int[] first = new int[lengths.length + 1];
        int rounds = 0;
        long elements = 0;
        for (int i = 0; i < lengths.length; i++) {
            if (i > 0 && elements + lengths[i] > most) {
                first[++rounds] = i;
                elements = 0;
            }
            elements += lengths[i];
        }
        first[++rounds] = lengths.length;
        return Arrays.copyOf(first, rounds + 1);
    }

    /**
     * Divides the blocks of layers {@code [first, last)} into contiguous shares with about the same number of elements.
     */
    private static void share(
            long[] lengths, int[] firstBlock, int first, int last, int threads, int grain, int[] shares, int at) {
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
                long length = Math.min(Stripes.BLOCK, lengths[i] - (long) (b - firstBlock[i]) * Stripes.BLOCK);
                while (done + length / 2 >= elements * (thread + 1) / used) {
                    shares[at + ++thread] = b;
                }
                done += length;
            }
        }
        Arrays.fill(shares, at + thread + 1, at + threads, firstBlock[last]);
    }

    /** Computes the place of every block, followed by the number of places. The shares of a round are apart. */
    private static int[] places(int blocks, int threads, int[] shares) {
        int[] places = new int[blocks + 1];
        int gaps = 0;
        for (int share = 0; share + 1 < shares.length; share++) {
            int roundsFirst = shares[share - share % threads];
            if (shares[share] > roundsFirst && shares[share] < shares[share + 1]) {
                gaps += APART;
            }
            for (int b = shares[share]; b < shares[share + 1]; b++) {
                places[b] = b + gaps;
            }
        }
        places[blocks] = blocks + gaps;
        return places;
    }

    /** Returns the number of threads. */
    public int threads() {
        return threads;
    }

    /** Returns the number of layers. */
    public int layers() {
        return firstBlock.length - 1;
    }

    /** Returns the number of blocks. */
    public int blocks() {
        return firstBlock[firstBlock.length - 1];
    }

    /** Returns the number of rounds. */
    public int rounds() {
        return firstLayerOfRound.length - 1;
    }

    /** Returns the index of a round's first layer, or the number of layers if {@code round == rounds()}. */
    public int firstLayerOfRound(int round) {
        return firstLayerOfRound[round];
    }

    /** Returns the index of a layer's first block, or the number of blocks if {@code layer == layers()}. */
    public int firstBlock(int layer) {
        return firstBlock[layer];
    }

    /** Returns the layer of a block. */
    int layer(int block) {
        int found = Arrays.binarySearch(firstBlock, block);
        int layer = found < 0 ? -found - 2 : found;
        while (firstBlock[layer + 1] == block) {
            layer++; // an empty layer has no block
        }
        return layer;
    }

    /** Returns the index in its layer of the first element of a block. */
    long from(int layer, int block) {
        return (long) (block - firstBlock[layer]) * Stripes.BLOCK;
    }

    /** Returns the number of elements of consecutive blocks of a layer. */
    long elements(int layer, int block, int end) {
        return Math.min(lengths[layer], from(layer, end)) - from(layer, block);
    }

    /** Returns the number of places, which is the length of an array of block sums. */
    int places() {
        return places[blocks()];
    }

    /**
     * Returns the place of a block, which is the index of its sum in an array of block sums. The blocks of one share
     * have consecutive places; places that different threads write at the same time are {@link Crew#APART} bytes apart.
     */
    int place(int block) {
        return places[block];
    }

    /** Adds the sums of a layer's blocks in the order of the blocks, and overwrites them. */
    double fold(double[] sums, int layer) {
        int first = firstBlock[layer];
        int blocks = firstBlock[layer + 1] - first;
        int at = places[first];
        for (int i = 1; i < blocks; i++) {
            sums[at + i] = sums[places[first + i]]; // closes the gaps between shares
        }
        return Stripes.foldBlocks(sums, at, blocks);
    }

    /** Returns working space of the kernels for each thread, {@link Crew#APART} bytes apart. */
    double[][] scratch() {
        return new double[threads][Stripes.SCRATCH + APART];
    }

    /** Returns the index of the first block of a thread's share of a round. */
    int shareFrom(int round, int thread) {
        return shares[round * threads + thread];
    }

    /** Returns the index after the last block of a thread's share of a round. */
    int shareTo(int round, int thread) {
        return shares[round * threads + thread + 1];
    }

    /** Returns a line of totals, and one line for each round with its layers and the share of each thread. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        text.append(String.format(
                Locale.ROOT,
                "%d layers, %d blocks of up to %d elements, %d rounds, %d threads%n",
                layers(),
                blocks(),
                Stripes.BLOCK,
                rounds(),
                threads));
        for (int g = 0; g < rounds(); g++) {
            text.append(String.format(
                    Locale.ROOT,
                    "round %d: layers %d to %d, blocks by thread",
                    g,
                    firstLayerOfRound[g],
                    firstLayerOfRound[g + 1] - 1));
            for (int t = 0; t < threads; t++) {
                text.append(String.format(Locale.ROOT, " [%d, %d)", shareFrom(g, t), shareTo(g, t)));
            }
            text.append(System.lineSeparator());
        }
        return text.toString();
    }
}
