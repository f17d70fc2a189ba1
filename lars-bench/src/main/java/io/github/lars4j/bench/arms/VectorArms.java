package io.github.lars4j.bench.arms;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The ceilings by SIMD: the fastest code that was found for a read of two arrays and for a step of SGD. They owe nothing
 * to any order of summation.
 */
final class VectorArms {

    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;

    private VectorArms() {}

    /**
     * Reads {@code [from, to)} of both arrays once, and adds up what it reads only so that it must be read.
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
     * A step of SGD over {@code [from, to)}, with Nesterov's momentum and decay, in one pass: {@code d = g + βw;  v = μv + d;  w = w - γ(d + μv)}.
     * Multiplications and additions are not fused: that was not seen to be faster. All loads come before the stores, as in
     * the kernels of the library.
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
}
