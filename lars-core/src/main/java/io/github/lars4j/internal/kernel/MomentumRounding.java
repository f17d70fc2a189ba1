package io.github.lars4j.internal.kernel;

import io.github.lars4j.internal.memory.Bfloat16;

/**
 * What rounds the momentum of a block to bfloat16, and whether an element became infinite by that. Each thread has its
 * own. Kernels of a float32 momentum do not use it.
 */
public final class MomentumRounding {

    private long key;
    private boolean overflowed;

    /** Sets the key of the random bits of the block that comes next; see {@link RandomBits#blockKey}. */
    public void setKey(long key) {
        this.key = key;
    }

    /** Moves on by some elements: what comes next begins after them in the block. */
    void skip(int elements) {
        key = RandomBits.skip(key, elements);
    }

    /** Returns whether an element was not finite after rounding since the last call of this. */
    public boolean takeOverflowed() {
        boolean taken = overflowed;
        overflowed = false;
        return taken;
    }

    long key() {
        return key;
    }

    short nearest(float value) {
        return noted(Bfloat16.nearest(value));
    }

    short stochastic(float value, int index) {
        return noted(Bfloat16.stochastic(value, RandomBits.of(key, index)));
    }

    private short noted(short rounded) {
        note(!Bfloat16.isFinite(rounded));
        return rounded;
    }

    /** Takes note of whether an element was stored that is not finite. */
    void note(boolean notFinite) {
        if (notFinite) {
            overflowed = true;
        }
    }
}
