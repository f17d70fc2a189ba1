package io.github.lars4j.bench.accuracy;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The sum of squares in float, as SIMD code usually computes it. Each iteration reads eight vectors: C2 unrolls a
 * smaller body by itself, and that is slower from memory.
 */
final class VectorSquares {

    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;

    private VectorSquares() {}

    static float sum(float[] values) {
        int lanes = FLOATS.length();
        FloatVector sum0 = FloatVector.zero(FLOATS);
        FloatVector sum1 = FloatVector.zero(FLOATS);
        FloatVector sum2 = FloatVector.zero(FLOATS);
        FloatVector sum3 = FloatVector.zero(FLOATS);
        FloatVector sum4 = FloatVector.zero(FLOATS);
        FloatVector sum5 = FloatVector.zero(FLOATS);
        FloatVector sum6 = FloatVector.zero(FLOATS);
        FloatVector sum7 = FloatVector.zero(FLOATS);
        int i = 0;
        for (; i <= values.length - 8 * lanes; i += 8 * lanes) {
            FloatVector x0 = FloatVector.fromArray(FLOATS, values, i);
            FloatVector x1 = FloatVector.fromArray(FLOATS, values, i + lanes);
            FloatVector x2 = FloatVector.fromArray(FLOATS, values, i + 2 * lanes);
            FloatVector x3 = FloatVector.fromArray(FLOATS, values, i + 3 * lanes);
            FloatVector x4 = FloatVector.fromArray(FLOATS, values, i + 4 * lanes);
            FloatVector x5 = FloatVector.fromArray(FLOATS, values, i + 5 * lanes);
            FloatVector x6 = FloatVector.fromArray(FLOATS, values, i + 6 * lanes);
            FloatVector x7 = FloatVector.fromArray(FLOATS, values, i + 7 * lanes);
            sum0 = x0.fma(x0, sum0);
            sum1 = x1.fma(x1, sum1);
            sum2 = x2.fma(x2, sum2);
            sum3 = x3.fma(x3, sum3);
            sum4 = x4.fma(x4, sum4);
            sum5 = x5.fma(x5, sum5);
            sum6 = x6.fma(x6, sum6);
            sum7 = x7.fma(x7, sum7);
        }
        sum0 = sum0.add(sum1).add(sum2.add(sum3));
        sum4 = sum4.add(sum5).add(sum6.add(sum7));
        float sum = sum0.add(sum4).reduceLanes(VectorOperators.ADD);
        for (; i < values.length; i++) {
            sum += values[i] * values[i];
        }
        return sum;
    }
}
