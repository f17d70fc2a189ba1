package io.github.lars4j.internal.kernel;

/**
 * The random bits of stochastic rounding: a hash of seed, step, layer and index in the layer, which needs no state and
 * gives the same bits to every machine, vector width and number of threads.
 *
 * <p>A block has a key of 64 bits. The bits of an element in it come from 32-bit operations, of which vectors have as
 * many as of floats: a Weyl sequence that begins at one half of the key, mixed once with the other half.
 */
public final class RandomBits {

    /**
     * What successive indices differ by. This, {@link #SHIFT} and {@link #FACTOR} were chosen together: of 224 such
     * triples, this one showed the smallest correlations between any two elements of a block. With 2³² divided by the
     * golden ratio and the factors of MurmurHash3, elements at some distances correlate by 0.02.
     */
    static final int INCREMENT = 0x1b56c4e9;

    /** The distance over which the upper bits change the lower ones. */
    static final int SHIFT = 13;

    /** The factor that brings the lower bits to the top. */
    static final int FACTOR = 0x846ca68b;

    /** 2⁶⁴ divided by the golden ratio, as in {@link java.util.SplittableRandom}. */
    private static final long LONG_INCREMENT = 0x9e3779b97f4a7c15L;

    private RandomBits() {}

    /** Returns the key of a layer in a step. */
    public static long layerKey(long seed, long step, int layer) {
        return mix(mix(mix(seed + LONG_INCREMENT) + step) + layer);
    }

    /** Returns the key of a block of a layer. */
    public static long blockKey(long layerKey, long block) {
        return mix(layerKey + LONG_INCREMENT * (block + 1));
    }

    /** Returns the 16 random bits of an element of a block. */
    static int of(long blockKey, int index) {
        int x = (int) blockKey + index * INCREMENT;
        return ((x ^ (x >>> SHIFT) ^ (int) (blockKey >>> 32)) * FACTOR) >>> 16;
    }

    /** Returns the key of the rest of a block after some elements, in which indices begin at 0 again. */
    static long skip(long blockKey, int elements) {
        int lower = (int) blockKey + elements * INCREMENT;
        return (blockKey & ~0xffff_ffffL) | (lower & 0xffff_ffffL);
    }

    /** The finalizer of SplitMix64 (variant 13 of Stafford), a bijection whose every output bit depends on all bits. */
    private static long mix(long z) {
        long x = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        x = (x ^ (x >>> 27)) * 0x94d049bb133111ebL;
        return x ^ (x >>> 31);
    }
}
