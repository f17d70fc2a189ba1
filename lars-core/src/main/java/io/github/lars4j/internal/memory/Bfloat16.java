package io.github.lars4j.internal.memory;

/** The conversions between float32 and bfloat16, which is the upper half of a float32. */
public final class Bfloat16 {

    /** The magnitude of infinity; a larger one is NaN. */
    private static final int INFINITY = 0x7f80;

    private Bfloat16() {}

    /** Returns the value of a bfloat16. */
    public static float toFloat(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /**
     * Returns the nearest bfloat16, the even one of two that are equally near. NaN must be the one that arithmetic
     * results in; the payloads of others can carry into the sign.
     */
    public static short nearest(float value) {
        int bits = Float.floatToRawIntBits(value);
        return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
    }

    /** Returns the nearest bfloat16 as {@link #nearest} does, and NaN for any NaN. */
    public static short of(float value) {
        return Float.isNaN(value) ? 0x7fc0 : nearest(value);
    }

    /**
     * Returns one of the two bfloat16 next to a value: the one that is larger in magnitude with a probability of the
     * distance from the other one.
     *
     * @param random a uniformly distributed number from 0 to 65535
     */
    public static short stochastic(float value, int random) {
        return (short) ((Float.floatToRawIntBits(value) + random) >>> 16);
    }

    /** Returns whether a bfloat16 is finite. */
    public static boolean isFinite(int bits) {
        return (bits & 0x7fff) < INFINITY;
    }
}
