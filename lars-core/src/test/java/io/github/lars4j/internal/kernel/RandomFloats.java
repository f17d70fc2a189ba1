package io.github.lars4j.internal.kernel;

import java.util.Random;

/** Random floats of the kinds that often break arithmetic code. */
public final class RandomFloats {

    private static final float[] SPECIALS = {
        Float.NaN,
        Float.POSITIVE_INFINITY,
        Float.NEGATIVE_INFINITY,
        0.0f,
        -0.0f,
        Float.MIN_VALUE,
        -Float.MIN_VALUE,
        Float.MIN_NORMAL,
        Math.nextDown(Float.MIN_NORMAL),
        Float.MAX_VALUE,
        -Float.MAX_VALUE,
        1.0f,
        -1.0f
    };

    private RandomFloats() {}

    /** Returns any finite float; all exponents are equally likely. */
    public static float anyFinite(Random random) {
        while (true) {
            float value = Float.intBitsToFloat(random.nextInt());
            if (Float.isFinite(value)) {
                return value;
            }
        }
    }

    /** Returns a float of magnitude about 2^exponent, which may be subnormal. */
    public static float near(Random random, int exponent) {
        float value = Math.scalb(1 + random.nextFloat(), exponent);
        return random.nextBoolean() ? value : -value;
    }

    /** Returns a special value. */
    public static float special(Random random) {
        return SPECIALS[random.nextInt(SPECIALS.length)];
    }
}
