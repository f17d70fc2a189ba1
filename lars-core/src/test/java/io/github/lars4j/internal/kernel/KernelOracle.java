package io.github.lars4j.internal.kernel;

/**
 * The oracle of the kernels, which calls none of their code: the sums in the order of the contract, and the update one
 * rounding at a time.
 */
public final class KernelOracle {

    private static final int STRIPES = 16;

    private KernelOracle() {}

    /** Returns the sum of {@code x·y} over one block: element i is added to stripe i mod 16. */
    public static double products(float[] x, float[] y, int from, int length) {
        double[] stripes = new double[STRIPES];
        for (int i = 0; i < length; i++) {
            double product = (double) x[from + i] * (double) y[from + i];
            stripes[i % STRIPES] = stripes[i % STRIPES] + product;
        }
        return tree(stripes, 0, 1);
    }

    /**
     * Returns the sum of every {@code step}-th stripe from {@code first} on: each stripe is added to the one that is
     * half of all stripes away.
     */
    private static double tree(double[] stripes, int first, int step) {
        return step == STRIPES
                ? stripes[first]
                : tree(stripes, first, 2 * step) + tree(stripes, first + step, 2 * step);
    }

    /**
     * Returns the sum of a layer's blocks: a full binary tree over the largest power of two, plus the tree over the
     * rest.
     */
    public static double pairwise(double[] blocks, int from, int count) {
        if (count <= 1) {
            return count == 0 ? 0 : blocks[from];
        }
        int left = Integer.highestOneBit(count - 1);
        return pairwise(blocks, from, left) + pairwise(blocks, from + left, count - left);
    }

    /** The update with momentum. */
    public static void update(
            float[] w, float[] g, float[] v, int from, int length, float a, float b, float m, float p, float out) {
        for (int i = from; i < from + length; i++) {
            float in = plus(times(a, g[i]), times(b, w[i]));
            v[i] = plus(times(m, v[i]), in);
            w[i] = plus(w[i], -plus(times(p, in), times(out, v[i])));
        }
    }

    /** The update without momentum. */
    public static void update(float[] w, float[] g, int from, int length, float a, float b, float p) {
        for (int i = from; i < from + length; i++) {
            float in = plus(times(a, g[i]), times(b, w[i]));
            w[i] = plus(w[i], -times(p, in));
        }
    }

    /** Returns the value of a bfloat16: a sign, 8 bits of exponent and 7 bits of fraction. */
    public static float bfloat16(short bits) {
        return value(bits, 7, 127);
    }

    /** Returns the value of a float16: a sign, 5 bits of exponent and 10 bits of fraction. */
    public static float float16(short bits) {
        return value(bits, 10, 15);
    }

    /** Returns the value of the fields of 16 bits. */
    private static float value(int bits, int digits, int bias) {
        int fraction = bits & ((1 << digits) - 1);
        int exponent = (bits & 0x7fff) >> digits;
        float magnitude;
        if (exponent == 2 * bias + 1) {
            magnitude = fraction == 0 ? Float.POSITIVE_INFINITY : Float.NaN;
        } else if (exponent == 0) {
            magnitude = Math.scalb((float) fraction, 1 - bias - digits);
        } else {
            magnitude = Math.scalb((float) ((1 << digits) + fraction), exponent - bias - digits);
        }
        return (bits & 0x8000) == 0 ? magnitude : -magnitude;
    }

    /** Returns the nearer one of the two bfloat16 next to a value, the even one if both are equally near. */
    public static short nearest(float value) {
        double units = units(value);
        double below = Math.floor(units);
        double above = units - below;
        boolean up = above > 0.5 || (above == 0.5 && below % 2 == 1);
        return bfloat16(value, below + (up ? 1 : 0));
    }

    /**
     * Returns the one of the two bfloat16 next to a value that is larger in magnitude if the distance from the other
     * one and a random fraction of the distance of both, {@code random} / 65536, are together at least that distance.
     */
    public static short stochastic(float value, int random) {
        double units = units(value);
        double below = Math.floor(units);
        return bfloat16(value, below + (units - below + random / 65536.0 >= 1 ? 1 : 0));
    }

    /** Returns a magnitude in units of the distance of the bfloat16 next to it; NaN and infinity remain. */
    private static double units(float value) {
        return Math.abs((double) value) / unit(value);
    }

    private static double unit(float value) {
        return Math.scalb(1.0, Math.clamp(Math.getExponent(value), -126, 127) - 7);
    }

    /** Returns the bits of the bfloat16 with the sign of a value and a magnitude in its units. */
    private static short bfloat16(float value, double units) {
        if (Double.isNaN(units)) {
            return 0x7fc0;
        }
        // From 2^128 on this is infinite.
        float magnitude = (float) (units * unit(value));
        int bits = Float.floatToIntBits(Math.copySign(magnitude, value));
        if ((bits & 0xffff) != 0) {
            throw new AssertionError(value + " became " + magnitude + ", which is no bfloat16");
        }
        return (short) (bits >> 16);
    }

    /** Returns the 16 random bits of an element of a block, in arithmetic modulo 2^32. */
    public static int random(long key, int index) {
        long modulus = 1L << 32;
        long low = Long.remainderUnsigned(key, modulus);
        long high = Long.divideUnsigned(key, modulus);
        long weyl = (low + index * 0x1b56c4e9L) % modulus;
        long mixed = weyl ^ (weyl / (1 << 13)) ^ high;
        return (int) (Long.remainderUnsigned(mixed * 0x846ca68bL, modulus) / 65536);
    }

    /** Returns the rounded product. A double holds the exact product, so that nothing is fused or rounded twice. */
    private static float times(float x, float y) {
        return (float) ((double) x * (double) y);
    }

    /**
     * Returns the rounded sum. A double has more than twice the digits of a float, so that rounding twice is harmless.
     */
    private static float plus(float x, float y) {
        return (float) ((double) x + (double) y);
    }
}
