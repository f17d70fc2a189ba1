package io.github.lars4j.bench.accuracy;

import java.math.BigInteger;

/**
 * The exact Euclidean norm of floats. The square of a float is an integer of at most 48 bits times a power of two, so
 * the sum of squares is an integer times 2^-298; its root is truncated far below the last place of any float.
 * Immutable.
 */
final class ExactNorm {

    /** The smallest float is 2 to the power of minus this. */
    private static final int DIGITS = 149;

    private static final int MANTISSA_BITS = 24;

    /** Bits of the root below the smallest float. */
    private static final int MORE = 64;

    /** In units of 2^-(DIGITS + MORE). */
    private final BigInteger root;

    private ExactNorm(BigInteger root) {
        this.root = root;
    }

    /**
     * The norm of an array.
     *
     * @throws IllegalArgumentException if a value is infinite or NaN
     */
    static ExactNorm of(float[] values) {
        // The sums of the upper and lower halves of the squares, by exponent; an array is too short for one to
        // overflow.
        long[] upper = new long[256];
        long[] lower = new long[256];
        for (float value : values) {
            if (!Float.isFinite(value)) {
                throw new IllegalArgumentException("a value is " + value + "; it must be finite");
            }
            int shift = shift(value);
            long square = (long) mantissa(value) * mantissa(value);
            upper[shift] += square >>> MANTISSA_BITS;
            lower[shift] += square & (1 << MANTISSA_BITS) - 1;
        }
        BigInteger sum = BigInteger.ZERO;
        for (int shift = 0; shift < upper.length; shift++) {
            BigInteger squares =
                    BigInteger.valueOf(upper[shift]).shiftLeft(MANTISSA_BITS).add(BigInteger.valueOf(lower[shift]));
            sum = sum.add(squares.shiftLeft(2 * shift));
        }
        return new ExactNorm(sum.shiftLeft(2 * MORE).sqrt());
    }

    /** The norm as a double, within one ulp. */
    double value() {
        return Math.scalb(root.doubleValue(), -DIGITS - MORE);
    }

    /**
     * How far a float is from the norm, in units of the last place of floats as large as the norm.
     *
     * @param norm 0 or more; infinity and NaN are infinitely far
     */
    double ulps(float norm) {
        if (!Float.isFinite(norm)) {
            return Double.POSITIVE_INFINITY;
        }
        BigInteger given = BigInteger.valueOf(mantissa(norm)).shiftLeft(shift(norm) + MORE);
        int place = Math.max(root.bitLength() - MANTISSA_BITS, MORE);
        return Math.scalb(given.subtract(root).abs().doubleValue(), -place);
    }

    private static int mantissa(float value) {
        int bits = Float.floatToRawIntBits(value);
        return (bits & 0x7f80_0000) == 0 ? bits & 0x7f_ffff : bits & 0x7f_ffff | 0x80_0000;
    }

    /** The number of bits by which the mantissa is shifted, in units of the smallest float. */
    private static int shift(float value) {
        return Math.max((Float.floatToRawIntBits(value) >>> 23 & 0xff) - 1, 0);
    }
}
