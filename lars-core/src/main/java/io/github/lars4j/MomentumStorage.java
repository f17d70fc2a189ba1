package io.github.lars4j;

import java.util.Locale;

/**
 * How an optimizer stores its momentum.
 *
 * @param format {@link Format#FLOAT32} or {@link Format#BFLOAT16}
 * @param outsideHeap whether a buffer of the optimizer's own lies outside the heap
 * @param seed the seed of stochastic rounding; {@code null} for rounding to nearest even, and for float32
 */
record MomentumStorage(Format format, boolean outsideHeap, Long seed) {

    static final MomentumStorage FLOAT32 = new MomentumStorage(Format.FLOAT32, false, null);

    /** Returns this with the seed of a saved state, if both round stochastically. */
    MomentumStorage withSeedOf(MomentumStorage saved) {
        return seed == null || saved.seed == null ? this : new MomentumStorage(format, outsideHeap, saved.seed);
    }

    /** Describes format and rounding in words. */
    String inWords() {
        return format.name().toLowerCase(Locale.ROOT)
                + (seed == null ? "" : ", rounded stochastically with seed " + seed);
    }
}
