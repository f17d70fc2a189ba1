package io.github.lars4j.internal.kernel;

import java.util.Random;

/** Seeded floats of the kinds that arithmetic code stumbles over. */
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

    /** Any finite float, every exponent as likely as another. */
    public static float anyFinite(Random random) {
        while (true) {
            float value = Float.intBitsToFloat(random.nextInt());
            if (Float.isFinite(value)) {
                return value;
            }
        }
    }

    /** A float of magnitude about 2^exponent, subnormal where that is so small. */
    public static float near(Random random, int exponent) {
        float value = Math.scalb(1 + random.nextFloat(), exponent);
        return random.nextBoolean() ? value : -value;
    }

    /** A special value. */
    public static float special(Random random) {
        return SPECIALS[random.nextInt(SPECIALS.length)];
    }
}
