package io.github.lars4j.internal.passes;

import java.math.BigInteger;
import java.util.Arrays;

/**
 * Exact sums of products of floats. A product of two floats is an integer of at most 48 bits times 2^e with e at least
 * -298. The sum is therefore an integer in units of 2^-298, held in pieces of 32 bits. Carries are propagated only when
 * the sum is read.
 */
final class ExactSum {

    private static final int DIGITS = 298;
    /** Room for 298 bits after the binary point, 256 bits before it, and the carries. */
    private static final int PIECES = 20;

    /** The number of bits of a square root below the last bit of the smallest float. */
    private static final int ROOT_DIGITS = 64;

    /** The maximum number of terms: each adds less than 2^32 to a piece. */
    private static final int MOST_TERMS = 1 << 30;

    private final long[] positive = new long[PIECES];
    private final long[] negative = new long[PIECES];
    private int terms;

    void clear() {
        Arrays.fill(positive, 0);
        Arrays.fill(negative, 0);
        terms = 0;
    }

    /** Adds the product of two finite floats. */
    void add(float x, float y) {
        if (++terms > MOST_TERMS) {
            throw new AssertionError("too many terms");
        }
        int xBits = Float.floatToRawIntBits(x);
        int yBits = Float.floatToRawIntBits(y);
        long product = (long) mantissa(xBits) * mantissa(yBits);
        int shift = exponent(xBits) + exponent(yBits);
        long[] pieces = (xBits ^ yBits) < 0 ? negative : positive;
        int piece = shift / 32;
        int within = shift % 32;
        // 48 bits shifted by up to 31 span three pieces.
        long low = (product & 0xffff_ffffL) << within;
        long high = (product >>> 32) << within;
        pieces[piece] += low & 0xffff_ffffL;
        pieces[piece + 1] += (low >>> 32) + (high & 0xffff_ffffL);
        pieces[piece + 2] += high >>> 32;
    }

    private static int mantissa(int bits) {
        return (bits & 0x7f80_0000) == 0 ? bits & 0x7f_ffff : bits & 0x7f_ffff | 0x80_0000;
    }

    /** Returns the exponent of the last bit, relative to the smallest float. */
    private static int exponent(int bits) {
        return Math.max((bits >>> 23 & 0xff) - 1, 0);
    }

    /** Returns the error of a sum, relative to the sum of the magnitudes of the products; 0 if both are 0. */
    double relativeError(double sum) {
        BigInteger plus = total(positive);
        BigInteger minus = total(negative);
        BigInteger error = units(sum).subtract(plus.subtract(minus)).abs();
        return error.signum() == 0 ? 0 : error.doubleValue() / plus.add(minus).doubleValue();
    }

    /**
     * Returns the distance of a float from the square root of the sum, in units in the last place of the floats near
     * it.
     *
     * @param norm finite, 0 or more
     */
    double ulpsFromRoot(float norm) {
        BigInteger sum = total(positive).subtract(total(negative));
        // Both are in units of 2^(-149-64): the root is truncated far below the last place of a float.
        BigInteger root = sum.shiftLeft(2 * ROOT_DIGITS).sqrt();
        BigInteger given = BigInteger.valueOf(mantissa(Float.floatToRawIntBits(norm)))
                .shiftLeft(exponent(Float.floatToRawIntBits(norm)) + ROOT_DIGITS);
        float below = given.compareTo(root) > 0 ? Math.nextDown(norm) : norm;
        BigInteger ulp = BigInteger.ONE.shiftLeft(exponent(Float.floatToRawIntBits(below)) + ROOT_DIGITS);
        return given.subtract(root).abs().doubleValue() / ulp.doubleValue();
    }

    private static BigInteger total(long[] pieces) {
        byte[] bytes = new byte[1 + 4 * PIECES];
        long carry = 0;
        for (int i = 0; i < PIECES; i++) {
            carry += pieces[i];
            int digit = (int) carry;
            carry >>>= 32;
            int at = bytes.length - 4 * (i + 1);
            bytes[at] = (byte) (digit >> 24);
            bytes[at + 1] = (byte) (digit >> 16);
            bytes[at + 2] = (byte) (digit >> 8);
            bytes[at + 3] = (byte) digit;
        }
        return new BigInteger(bytes);
    }

    /** Returns a double in units of 2^-298. It must be a multiple of the unit, as every rounded sum of products is. */
    private static BigInteger units(double value) {
        if (!Double.isFinite(value)) {
            throw new AssertionError("the sum is " + value);
        }
        long bits = Double.doubleToRawLongBits(value);
        int biased = (int) (bits >>> 52 & 0x7ff);
        long mantissa = bits & 0xf_ffff_ffff_ffffL | (biased == 0 ? 0 : 1L << 52);
        int shift = Math.max(biased, 1) - 1075 + DIGITS;
        BigInteger magnitude = BigInteger.valueOf(mantissa);
        if (shift < 0 && mantissa != 0) {
            if (Long.numberOfTrailingZeros(mantissa) < -shift) {
                throw new AssertionError("not a sum of products of floats: " + value);
            }
            magnitude = magnitude.shiftRight(-shift);
        } else if (mantissa != 0) {
            magnitude = magnitude.shiftLeft(shift);
        }
        return bits < 0 ? magnitude.negate() : magnitude;
    }
}
