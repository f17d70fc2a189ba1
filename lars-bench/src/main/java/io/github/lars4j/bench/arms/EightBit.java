package io.github.lars4j.bench.arms;

import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * An experiment: a momentum in 8 bits. Each block of 256 elements has a scale in float32, so that an element takes 1.016
 * bytes; an element is the value of its code times the scale. The code of the largest magnitude of a block is the
 * largest one.
 */
public enum EightBit {
    /** The values of codes are the integers from -127 to 127. */
    LINEAR(127),
    /**
     * Codes are floating-point numbers of a sign, 4 bits of exponent and 3 of fraction, the values ±2⁻¹⁵ · 1.125 to
     * ±1.875, and 0.
     */
    DYNAMIC(1.875f);

    /** The number of elements of a block. */
    public static final int BLOCK = 256;

    /** Added to a float, this rounds it to the nearest integer, in the lower bits of the sum. */
    static final float MAGIC = 0x1.8p23f;

    /** The lower bits of a float that a dynamic code lacks. */
    static final int CUT = 20;

    /** The exponent and fraction of 2⁻¹⁵, whose code is that of 0. */
    static final int ZERO = 112 << 3;

    /** The magnitude below which a block becomes 0, so that no factor is infinite. */
    static final float LEAST = 1e-30f;

    /** The largest value of a code. */
    final float most;

    EightBit(float most) {
        this.most = most;
    }

    /** Returns the code with the name that benchmarks have for it; {@code null} if there is none. */
    static EightBit named(String format) {
        return Arrays.stream(values())
                .filter(code -> code.format().equals(format))
                .findFirst()
                .orElse(null);
    }

    /** Returns the name that benchmarks have for this. */
    public String format() {
        return this == LINEAR ? "linear8" : "dynamic8";
    }

    /** Returns the factor from the elements of a block to the values of their codes. */
    float inverse(float largest) {
        return largest < LEAST ? 0 : most / largest;
    }

    /** Returns the scale of a block. */
    float scale(float largest) {
        return largest < LEAST ? 0 : largest / most;
    }

    /** Returns the code of the nearest value, the even one of two codes that are equally near. */
    byte nearest(float value) {
        if (this == LINEAR) {
            return (byte) Float.floatToRawIntBits(value + MAGIC);
        }
        int bits = Float.floatToRawIntBits(value);
        int magnitude = bits & Integer.MAX_VALUE;
        return dynamic(bits, magnitude + (1 << (CUT - 1)) - 1 + ((magnitude >>> CUT) & 1));
    }

    /**
     * Returns the code of one of the two values next to a value, with a probability such that the expected value is
     * this value, unless it is less than the least of a dynamic code.
     */
    private byte stochastic(float value, SplittableRandom random) {
        int drawn = random.nextInt(1 << CUT);
        if (this == LINEAR) {
            return (byte) Math.clamp((long) Math.floor(value + (double) drawn / (1 << CUT)), -127, 127);
        }
        int bits = Float.floatToRawIntBits(value);
        return dynamic(bits, (bits & Integer.MAX_VALUE) + drawn);
    }

    private static byte dynamic(int sign, int magnitude) {
        int code = Math.clamp((magnitude >>> CUT) - ZERO, 0, 127);
        return (byte) (code | (sign >>> 24 & 0x80));
    }

    /** Returns the value of a code. */
    float value(byte code) {
        if (this == LINEAR) {
            return code;
        }
        int magnitude = code & 0x7f;
        return magnitude == 0 ? 0 : Float.intBitsToFloat((code & 0x80000000) | (magnitude + ZERO) << CUT);
    }

    /**
     * Rounds elements {@code [from, to)}, the first of which begins a block, as if they were stored in 8 bits and read
     * again.
     *
     * @param random for stochastic rounding; {@code null} to round to nearest
     */
    public void round(float[] momentum, int from, int to, SplittableRandom random) {
        for (int i = from; i < to; i += BLOCK) {
            int end = Math.min(to, i + BLOCK);
            float largest = 0;
            for (int k = i; k < end; k++) {
                largest = Math.max(largest, Math.abs(momentum[k]));
            }
            float inverse = inverse(largest);
            float scale = scale(largest);
            for (int k = i; k < end; k++) {
                float value = momentum[k] * inverse;
                momentum[k] = value(random == null ? nearest(value) : stochastic(value, random)) * scale;
            }
        }
    }
}
