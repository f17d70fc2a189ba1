package io.github.lars4j.bench.arms;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The ceilings by SIMD: the fastest code found for a read of two arrays, for sums of squares in double, and for a step
 * of SGD. They follow no fixed order of summation.
 */
final class VectorArms {

    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;

    private static final VectorSpecies<Short> SHORTS = ShortVector.SPECIES_PREFERRED;

    private static final VectorSpecies<Double> DOUBLES = DoubleVector.SPECIES_PREFERRED;
    /** The species with as many floats as {@link #DOUBLES} has doubles. */
    private static final VectorSpecies<Float> HALF =
            VectorSpecies.of(float.class, VectorShape.forBitSize(DOUBLES.vectorBitSize() / 2));

    private VectorArms() {}

    /**
     * Reads {@code [from, to)} of both arrays once, and adds the elements so that the JIT cannot remove the reads.
     *
     * @return the sum of those elements of both, in float
     */
    static double scan(float[] weights, float[] gradients, int from, int to) {
        int lanes = FLOATS.length();
        FloatVector w0 = FloatVector.zero(FLOATS);
        FloatVector w1 = FloatVector.zero(FLOATS);
        FloatVector g0 = FloatVector.zero(FLOATS);
        FloatVector g1 = FloatVector.zero(FLOATS);
        int i = from;
        for (; i <= to - 2 * lanes; i += 2 * lanes) {
            w0 = w0.add(FloatVector.fromArray(FLOATS, weights, i));
            w1 = w1.add(FloatVector.fromArray(FLOATS, weights, i + lanes));
            g0 = g0.add(FloatVector.fromArray(FLOATS, gradients, i));
            g1 = g1.add(FloatVector.fromArray(FLOATS, gradients, i + lanes));
        }
        double sum = w0.add(w1).add(g0.add(g1)).reduceLanes(VectorOperators.ADD);
        for (; i < to; i++) {
            sum += weights[i] + gradients[i];
        }
        return sum;
    }

    /**
     * Reads {@code [from, to)} of an array, and returns the largest element. With two vectors a turn, C2 unrolls the loop
     * until the loads run out of order, which takes up to twice as long from memory.
     */
    static short largest(short[] values, int from, int to) {
        int lanes = SHORTS.length();
        ShortVector a = ShortVector.broadcast(SHORTS, Short.MIN_VALUE);
        ShortVector b = a;
        int i = from;
        for (; i <= to - 8 * lanes; i += 8 * lanes) {
            ShortVector x0 = ShortVector.fromArray(SHORTS, values, i);
            ShortVector x1 = ShortVector.fromArray(SHORTS, values, i + lanes);
            ShortVector x2 = ShortVector.fromArray(SHORTS, values, i + 2 * lanes);
            ShortVector x3 = ShortVector.fromArray(SHORTS, values, i + 3 * lanes);
            ShortVector x4 = ShortVector.fromArray(SHORTS, values, i + 4 * lanes);
            ShortVector x5 = ShortVector.fromArray(SHORTS, values, i + 5 * lanes);
            ShortVector x6 = ShortVector.fromArray(SHORTS, values, i + 6 * lanes);
            ShortVector x7 = ShortVector.fromArray(SHORTS, values, i + 7 * lanes);
            a = x0.max(x1).max(x2.max(x3)).max(a);
            b = x4.max(x5).max(x6.max(x7)).max(b);
        }
        short largest = a.max(b).reduceLanes(VectorOperators.MAX);
        for (; i < to; i++) {
            largest = (short) Math.max(largest, values[i]);
        }
        return largest;
    }

    /** Changes the signs of {@code [from, to)}. */
    static void negate(float[] values, int from, int to) {
        for (int i = from; i < to; i++) {
            values[i] = -values[i];
        }
    }

    /** Changes the signs of {@code [from, to)} of an array of narrow floating-point numbers. */
    static void negate(short[] values, int from, int to) {
        for (int i = from; i < to; i++) {
            values[i] ^= Short.MIN_VALUE;
        }
    }

    /**
     * Adds the sums of a trust ratio over {@code [from, to)}, in double, to {@code sums}: Σw² and Σg².
     */
    static void sums(float[] weights, float[] gradients, int from, int to, double[] sums) {
        int lanes = DOUBLES.length();
        DoubleVector ww0 = DoubleVector.zero(DOUBLES);
        DoubleVector ww1 = DoubleVector.zero(DOUBLES);
        DoubleVector gg0 = DoubleVector.zero(DOUBLES);
        DoubleVector gg1 = DoubleVector.zero(DOUBLES);
        int i = from;
        for (; i <= to - 4 * lanes; i += 4 * lanes) {
            DoubleVector w0 =
                    (DoubleVector) FloatVector.fromArray(HALF, weights, i).castShape(DOUBLES, 0);
            DoubleVector g0 =
                    (DoubleVector) FloatVector.fromArray(HALF, gradients, i).castShape(DOUBLES, 0);
            DoubleVector w1 = (DoubleVector)
                    FloatVector.fromArray(HALF, weights, i + lanes).castShape(DOUBLES, 0);
            DoubleVector g1 = (DoubleVector)
                    FloatVector.fromArray(HALF, gradients, i + lanes).castShape(DOUBLES, 0);
            DoubleVector w2 = (DoubleVector)
                    FloatVector.fromArray(HALF, weights, i + 2 * lanes).castShape(DOUBLES, 0);
            DoubleVector g2 = (DoubleVector)
                    FloatVector.fromArray(HALF, gradients, i + 2 * lanes).castShape(DOUBLES, 0);
            DoubleVector w3 = (DoubleVector)
                    FloatVector.fromArray(HALF, weights, i + 3 * lanes).castShape(DOUBLES, 0);
            DoubleVector g3 = (DoubleVector)
                    FloatVector.fromArray(HALF, gradients, i + 3 * lanes).castShape(DOUBLES, 0);
            ww0 = w2.fma(w2, w0.fma(w0, ww0));
            gg0 = g2.fma(g2, g0.fma(g0, gg0));
            ww1 = w3.fma(w3, w1.fma(w1, ww1));
            gg1 = g3.fma(g3, g1.fma(g1, gg1));
        }
        sums[0] += ww0.add(ww1).reduceLanes(VectorOperators.ADD);
        sums[1] += gg0.add(gg1).reduceLanes(VectorOperators.ADD);
        for (; i < to; i++) {
            double w = weights[i];
            double g = gradients[i];
            sums[0] += w * w;
            sums[1] += g * g;
        }
    }

    /**
     * The sum of squares of {@code [from, to)} of one array, in double. With four half vectors a turn, C2 unrolls the loop
     * after some hundreds of calls until the loads run out of order, which takes twice as long from memory.
     */
    static double squares(float[] values, int from, int to) {
        int lanes = DOUBLES.length();
        DoubleVector s0 = DoubleVector.zero(DOUBLES);
        DoubleVector s1 = DoubleVector.zero(DOUBLES);
        int i = from;
        for (; i <= to - 8 * lanes; i += 8 * lanes) {
            DoubleVector x0 =
                    (DoubleVector) FloatVector.fromArray(HALF, values, i).castShape(DOUBLES, 0);
            DoubleVector x1 = (DoubleVector)
                    FloatVector.fromArray(HALF, values, i + lanes).castShape(DOUBLES, 0);
            DoubleVector x2 = (DoubleVector)
                    FloatVector.fromArray(HALF, values, i + 2 * lanes).castShape(DOUBLES, 0);
            DoubleVector x3 = (DoubleVector)
                    FloatVector.fromArray(HALF, values, i + 3 * lanes).castShape(DOUBLES, 0);
            DoubleVector x4 = (DoubleVector)
                    FloatVector.fromArray(HALF, values, i + 4 * lanes).castShape(DOUBLES, 0);
            DoubleVector x5 = (DoubleVector)
                    FloatVector.fromArray(HALF, values, i + 5 * lanes).castShape(DOUBLES, 0);
            DoubleVector x6 = (DoubleVector)
                    FloatVector.fromArray(HALF, values, i + 6 * lanes).castShape(DOUBLES, 0);
            DoubleVector x7 = (DoubleVector)
                    FloatVector.fromArray(HALF, values, i + 7 * lanes).castShape(DOUBLES, 0);
            s0 = x0.fma(x0, s0);
            s1 = x1.fma(x1, s1);
            s0 = x2.fma(x2, s0);
            s1 = x3.fma(x3, s1);
            s0 = x4.fma(x4, s0);
            s1 = x5.fma(x5, s1);
            s0 = x6.fma(x6, s0);
            s1 = x7.fma(x7, s1);
        }
        double sum = s0.add(s1).reduceLanes(VectorOperators.ADD);
        for (; i < to; i++) {
            sum += (double) values[i] * values[i];
        }
        return sum;
    }

    /**
     * A step of SGD over {@code [from, to)}, with Nesterov's momentum and decay, in one pass: {@code d = g + βw;  v =
     * μv + d;  w = w - γ(d + μv)}. Multiplications and additions are not fused, as that is no faster. All
     * loads come before the stores, as in the kernels of the library.
     */
    static void sgd(
            float[] weights,
            float[] gradients,
            float[] velocity,
            int from,
            int to,
            float rate,
            float momentum,
            float decay) {
        int lanes = FLOATS.length();
        int i = from;
        for (; i <= to - 4 * lanes; i += 4 * lanes) {
            FloatVector w0 = FloatVector.fromArray(FLOATS, weights, i);
            FloatVector w1 = FloatVector.fromArray(FLOATS, weights, i + lanes);
            FloatVector w2 = FloatVector.fromArray(FLOATS, weights, i + 2 * lanes);
            FloatVector w3 = FloatVector.fromArray(FLOATS, weights, i + 3 * lanes);
            FloatVector d0 = FloatVector.fromArray(FLOATS, gradients, i).add(w0.mul(decay));
            FloatVector d1 = FloatVector.fromArray(FLOATS, gradients, i + lanes).add(w1.mul(decay));
            FloatVector d2 =
                    FloatVector.fromArray(FLOATS, gradients, i + 2 * lanes).add(w2.mul(decay));
            FloatVector d3 =
                    FloatVector.fromArray(FLOATS, gradients, i + 3 * lanes).add(w3.mul(decay));
            FloatVector v0 =
                    FloatVector.fromArray(FLOATS, velocity, i).mul(momentum).add(d0);
            FloatVector v1 = FloatVector.fromArray(FLOATS, velocity, i + lanes)
                    .mul(momentum)
                    .add(d1);
            FloatVector v2 = FloatVector.fromArray(FLOATS, velocity, i + 2 * lanes)
                    .mul(momentum)
                    .add(d2);
            FloatVector v3 = FloatVector.fromArray(FLOATS, velocity, i + 3 * lanes)
                    .mul(momentum)
                    .add(d3);
            v0.intoArray(velocity, i);
            v1.intoArray(velocity, i + lanes);
            v2.intoArray(velocity, i + 2 * lanes);
            v3.intoArray(velocity, i + 3 * lanes);
            w0.sub(v0.mul(momentum).add(d0).mul(rate)).intoArray(weights, i);
            w1.sub(v1.mul(momentum).add(d1).mul(rate)).intoArray(weights, i + lanes);
            w2.sub(v2.mul(momentum).add(d2).mul(rate)).intoArray(weights, i + 2 * lanes);
            w3.sub(v3.mul(momentum).add(d3).mul(rate)).intoArray(weights, i + 3 * lanes);
        }
        ScalarArms.sgd(weights, gradients, velocity, i, to, rate, momentum, decay);
    }

    /** As {@link #sgd}, and in the same loop the sum of squares of the new weights, in double. */
    static double sgdAndSquare(
            float[] weights,
            float[] gradients,
            float[] velocity,
            int from,
            int to,
            float rate,
            float momentum,
            float decay) {
        int lanes = DOUBLES.length();
        DoubleVector s0 = DoubleVector.zero(DOUBLES);
        DoubleVector s1 = DoubleVector.zero(DOUBLES);
        int i = from;
        for (; i <= to - 2 * lanes; i += 2 * lanes) {
            FloatVector w0 = FloatVector.fromArray(HALF, weights, i);
            FloatVector w1 = FloatVector.fromArray(HALF, weights, i + lanes);
            FloatVector d0 = FloatVector.fromArray(HALF, gradients, i).add(w0.mul(decay));
            FloatVector d1 = FloatVector.fromArray(HALF, gradients, i + lanes).add(w1.mul(decay));
            FloatVector v0 =
                    FloatVector.fromArray(HALF, velocity, i).mul(momentum).add(d0);
            FloatVector v1 = FloatVector.fromArray(HALF, velocity, i + lanes)
                    .mul(momentum)
                    .add(d1);
            v0.intoArray(velocity, i);
            v1.intoArray(velocity, i + lanes);
            FloatVector new0 = w0.sub(v0.mul(momentum).add(d0).mul(rate));
            FloatVector new1 = w1.sub(v1.mul(momentum).add(d1).mul(rate));
            new0.intoArray(weights, i);
            new1.intoArray(weights, i + lanes);
            DoubleVector x0 = (DoubleVector) new0.castShape(DOUBLES, 0);
            DoubleVector x1 = (DoubleVector) new1.castShape(DOUBLES, 0);
            s0 = x0.fma(x0, s0);
            s1 = x1.fma(x1, s1);
        }
        double sum = s0.add(s1).reduceLanes(VectorOperators.ADD);
        ScalarArms.sgd(weights, gradients, velocity, i, to, rate, momentum, decay);
        for (; i < to; i++) {
            sum += (double) weights[i] * weights[i];
        }
        return sum;
    }
}
