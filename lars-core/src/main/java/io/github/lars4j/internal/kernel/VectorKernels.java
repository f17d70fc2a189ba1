package io.github.lars4j.internal.kernel;

import static io.github.lars4j.internal.kernel.Stripes.STRIPES;
import static jdk.incubator.vector.VectorOperators.F2D;
import static jdk.incubator.vector.VectorOperators.I2S;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.NE;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link Kernels} with SIMD. This is the only source file that uses {@code jdk.incubator.vector}; the class is loaded only
 * if that module is present.
 *
 * <p>Only the sums use fused multiply-add. It changes no bit there, because the product of two floats is exact in
 * double and needs no rounding before the addition. From cache it is a quarter faster.
 *
 * <p>No method of this class takes or returns a vector, not even a private one. C2 does not inline a call that it
 * considers rare, and then every vector that is passed becomes an object (measured: 15 times slower). C2 always inlines
 * the methods of the vector API.
 */
public final class VectorKernels implements Kernels {

    public static final VectorKernels INSTANCE = new VectorKernels();

    /** The species of the sums. The updates use floats of the same width. */
    private static final VectorSpecies<Double> DOUBLES =
            VectorSpecies.of(double.class, VectorShape.forBitSize(chosenBits()));

    private static final VectorSpecies<Float> FLOATS = VectorSpecies.of(float.class, DOUBLES.vectorShape());
    /**
     * As many floats as {@link #DOUBLES} has lanes. Loading half a vector and widening it is faster than loading a
     * whole vector and widening its halves.
     */
    private static final VectorSpecies<Float> HALF =
            VectorSpecies.of(float.class, VectorShape.forBitSize(DOUBLES.vectorBitSize() / 2));

    /** The bits of {@link #FLOATS}, and as many elements of half the size. */
    private static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, DOUBLES.vectorShape());

    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(DOUBLES.vectorBitSize() / 2));

    private static final int LANES = DOUBLES.length();
    /**
     * The number of stripes that one read of a block sums up: each sum has two accumulators. Narrow vectors read the
     * block several times, from the second time on from cache.
     */
    private static final int GROUP = 2 * LANES;

    /**
     * The number of elements that one iteration of a sum's loop adds. C2 unrolls a smaller body eight times and
     * reorders its loads, which the hardware's prefetcher does not follow (measured: twice as slow from memory).
     */
    private static final int STEP = 2 * STRIPES;

    /**
     * The number of stripes that one read of {@link #squares} sums up. It has four accumulators if two do not hold all
     * stripes; the twelve that {@link #measure} would have then are more than fit into 16 registers.
     */
    private static final int SQUARES_GROUP = Math.min(2 * GROUP, STRIPES);

    /**
     * The number of elements that one iteration of {@link #squares} passes: eight half vectors, and the stripes that it
     * leaves to a later read. With half of it, C2 unrolls the loop after some hundreds of calls (measured: 1.2 to 2.3
     * times as slow from memory).
     */
    private static final int SQUARES_STEP = 2 * Math.max(2 * GROUP, STRIPES);

    private VectorKernels() {}

    /**
     * Returns the width that the user asks for, else the preferred width of the hardware, limited to 128 to 512 bits,
     * which are the widths that the stripes support.
     */
    private static int chosenBits() {
        int asked = KernelChoice.vectorBits();
        return asked != 0 ? asked : Math.clamp(DoubleVector.SPECIES_PREFERRED.vectorBitSize(), 128, 512);
    }

    /** Returns the vector width, in bits. */
    public static int bits() {
        return DOUBLES.vectorBitSize();
    }

    @Override
    public void measure(
            float[] weights, float[] gradients, int from, int length, double[] scratch, BlockSums sums, int block) {
        int whole = from + (length & -STEP);
        int end = from + (length & -STRIPES);
        for (int stripe = 0; stripe < STRIPES; stripe += GROUP) {
            DoubleVector ww0 = DoubleVector.zero(DOUBLES);
            DoubleVector ww1 = DoubleVector.zero(DOUBLES);
            DoubleVector gg0 = DoubleVector.zero(DOUBLES);
            DoubleVector gg1 = DoubleVector.zero(DOUBLES);
            DoubleVector wg0 = DoubleVector.zero(DOUBLES);
            DoubleVector wg1 = DoubleVector.zero(DOUBLES);
            // If turn began at from + stripe, it would end behind the block and overflow at the end of the longest
            // arrays.
            for (int turn = from; turn < whole; turn += STEP) {
                int i = turn + stripe;
                DoubleVector w0 =
                        (DoubleVector) FloatVector.fromArray(HALF, weights, i).convertShape(F2D, DOUBLES, 0);
                DoubleVector g0 =
                        (DoubleVector) FloatVector.fromArray(HALF, gradients, i).convertShape(F2D, DOUBLES, 0);
                ww0 = w0.fma(w0, ww0);
                gg0 = g0.fma(g0, gg0);
                wg0 = w0.fma(g0, wg0);
                DoubleVector w1 = (DoubleVector)
                        FloatVector.fromArray(HALF, weights, i + LANES).convertShape(F2D, DOUBLES, 0);
                DoubleVector g1 = (DoubleVector)
                        FloatVector.fromArray(HALF, gradients, i + LANES).convertShape(F2D, DOUBLES, 0);
                ww1 = w1.fma(w1, ww1);
                gg1 = g1.fma(g1, gg1);
                wg1 = w1.fma(g1, wg1);
                DoubleVector w2 = (DoubleVector)
                        FloatVector.fromArray(HALF, weights, i + STRIPES).convertShape(F2D, DOUBLES, 0);
                DoubleVector g2 = (DoubleVector)
                        FloatVector.fromArray(HALF, gradients, i + STRIPES).convertShape(F2D, DOUBLES, 0);
                ww0 = w2.fma(w2, ww0);
                gg0 = g2.fma(g2, gg0);
                wg0 = w2.fma(g2, wg0);
                DoubleVector w3 = (DoubleVector) FloatVector.fromArray(HALF, weights, i + STRIPES + LANES)
                        .convertShape(F2D, DOUBLES, 0);
                DoubleVector g3 = (DoubleVector) FloatVector.fromArray(HALF, gradients, i + STRIPES + LANES)
                        .convertShape(F2D, DOUBLES, 0);
                ww1 = w3.fma(w3, ww1);
                gg1 = g3.fma(g3, gg1);
                wg1 = w3.fma(g3, wg1);
            }
            if (whole < end) {
                DoubleVector w0 = (DoubleVector)
                        FloatVector.fromArray(HALF, weights, whole + stripe).convertShape(F2D, DOUBLES, 0);
                DoubleVector g0 = (DoubleVector)
                        FloatVector.fromArray(HALF, gradients, whole + stripe).convertShape(F2D, DOUBLES, 0);
                ww0 = w0.fma(w0, ww0);
                gg0 = g0.fma(g0, gg0);
                wg0 = w0.fma(g0, wg0);
                DoubleVector w1 = (DoubleVector) FloatVector.fromArray(HALF, weights, whole + stripe + LANES)
                        .convertShape(F2D, DOUBLES, 0);
                DoubleVector g1 = (DoubleVector) FloatVector.fromArray(HALF, gradients, whole + stripe + LANES)
                        .convertShape(F2D, DOUBLES, 0);
                ww1 = w1.fma(w1, ww1);
                gg1 = g1.fma(g1, gg1);
                wg1 = w1.fma(g1, wg1);
            }
            if (GROUP == STRIPES && end == from + length) {
                // Folding takes most of the time of a small layer. Without a tail, the first level of the fold is an
                // addition of vectors.
                ww0.add(ww1).intoArray(scratch, 0);
                gg0.add(gg1).intoArray(scratch, STRIPES);
                wg0.add(wg1).intoArray(scratch, 2 * STRIPES);
                sums.weights[block] = Stripes.foldHalf(scratch, 0);
                sums.gradients[block] = Stripes.foldHalf(scratch, STRIPES);
                sums.products[block] = Stripes.foldHalf(scratch, 2 * STRIPES);
                return;
            }
            ww0.intoArray(scratch, stripe);
            ww1.intoArray(scratch, stripe + LANES);
            gg0.intoArray(scratch, STRIPES + stripe);
            gg1.intoArray(scratch, STRIPES + stripe + LANES);
            wg0.intoArray(scratch, 2 * STRIPES + stripe);
            wg1.intoArray(scratch, 2 * STRIPES + stripe + LANES);
        }
        ScalarKernels.addTail(weights, gradients, end, from + length, scratch);
        sums.weights[block] = Stripes.fold(scratch, 0);
        sums.gradients[block] = Stripes.fold(scratch, STRIPES);
        sums.products[block] = Stripes.fold(scratch, 2 * STRIPES);
    }

    @Override
    public void squares(
            float[] weights, float[] gradients, int from, int length, double[] scratch, BlockSums sums, int block) {
        int whole = from + (length & -STEP);
        int end = from + (length & -STRIPES);
        for (int stripe = 0; stripe < STRIPES; stripe += GROUP) {
            DoubleVector ww0 = DoubleVector.zero(DOUBLES);
            DoubleVector ww1 = DoubleVector.zero(DOUBLES);
            DoubleVector gg0 = DoubleVector.zero(DOUBLES);
            DoubleVector gg1 = DoubleVector.zero(DOUBLES);
            for (int turn = from; turn < whole; turn += STEP) {
                int i = turn + stripe;
                DoubleVector w0 =
                        (DoubleVector) FloatVector.fromArray(HALF, weights, i).convertShape(F2D, DOUBLES, 0);
                DoubleVector g0 =
                        (DoubleVector) FloatVector.fromArray(HALF, gradients, i).convertShape(F2D, DOUBLES, 0);
                ww0 = w0.fma(w0, ww0);
                gg0 = g0.fma(g0, gg0);
                DoubleVector w1 = (DoubleVector)
                        FloatVector.fromArray(HALF, weights, i + LANES).convertShape(F2D, DOUBLES, 0);
                DoubleVector g1 = (DoubleVector)
                        FloatVector.fromArray(HALF, gradients, i + LANES).convertShape(F2D, DOUBLES, 0);
                ww1 = w1.fma(w1, ww1);
                gg1 = g1.fma(g1, gg1);
                DoubleVector w2 = (DoubleVector)
                        FloatVector.fromArray(HALF, weights, i + STRIPES).convertShape(F2D, DOUBLES, 0);
                DoubleVector g2 = (DoubleVector)
                        FloatVector.fromArray(HALF, gradients, i + STRIPES).convertShape(F2D, DOUBLES, 0);
                ww0 = w2.fma(w2, ww0);
                gg0 = g2.fma(g2, gg0);
                DoubleVector w3 = (DoubleVector) FloatVector.fromArray(HALF, weights, i + STRIPES + LANES)
                        .convertShape(F2D, DOUBLES, 0);
                DoubleVector g3 = (DoubleVector) FloatVector.fromArray(HALF, gradients, i + STRIPES + LANES)
                        .convertShape(F2D, DOUBLES, 0);
                ww1 = w3.fma(w3, ww1);
                gg1 = g3.fma(g3, gg1);
            }
            if (whole < end) {
                DoubleVector w0 = (DoubleVector)
                        FloatVector.fromArray(HALF, weights, whole + stripe).convertShape(F2D, DOUBLES, 0);
                DoubleVector g0 = (DoubleVector)
                        FloatVector.fromArray(HALF, gradients, whole + stripe).convertShape(F2D, DOUBLES, 0);
                ww0 = w0.fma(w0, ww0);
                gg0 = g0.fma(g0, gg0);
                DoubleVector w1 = (DoubleVector) FloatVector.fromArray(HALF, weights, whole + stripe + LANES)
                        .convertShape(F2D, DOUBLES, 0);
                DoubleVector g1 = (DoubleVector) FloatVector.fromArray(HALF, gradients, whole + stripe + LANES)
                        .convertShape(F2D, DOUBLES, 0);
                ww1 = w1.fma(w1, ww1);
                gg1 = g1.fma(g1, gg1);
            }
            if (GROUP == STRIPES && end == from + length) {
                // As in measure: without a tail, the first level of the fold is an addition of vectors.
                ww0.add(ww1).intoArray(scratch, 0);
                gg0.add(gg1).intoArray(scratch, STRIPES);
                sums.weights[block] = Stripes.foldHalf(scratch, 0);
                sums.gradients[block] = Stripes.foldHalf(scratch, STRIPES);
                return;
            }
            ww0.intoArray(scratch, stripe);
            ww1.intoArray(scratch, stripe + LANES);
            gg0.intoArray(scratch, STRIPES + stripe);
            gg1.intoArray(scratch, STRIPES + stripe + LANES);
        }
        // This also adds to the third sum's stripes, which nobody reads.
        ScalarKernels.addTail(weights, gradients, end, from + length, scratch);
        sums.weights[block] = Stripes.fold(scratch, 0);
        sums.gradients[block] = Stripes.fold(scratch, STRIPES);
    }

    @Override
    public double squares(float[] values, int from, int length, double[] scratch) {
        int whole = from + (length & -SQUARES_STEP);
        int end = from + (length & -STRIPES);
        for (int stripe = 0; stripe < STRIPES; stripe += SQUARES_GROUP) {
            DoubleVector sum0 = DoubleVector.zero(DOUBLES);
            DoubleVector sum1 = DoubleVector.zero(DOUBLES);
            DoubleVector sum2 = DoubleVector.zero(DOUBLES);
            DoubleVector sum3 = DoubleVector.zero(DOUBLES);
            int turn = from;
            for (; turn < whole; turn += SQUARES_STEP) {
                int i = turn + stripe;
                DoubleVector x0 =
                        (DoubleVector) FloatVector.fromArray(HALF, values, i).convertShape(F2D, DOUBLES, 0);
                DoubleVector x1 = (DoubleVector)
                        FloatVector.fromArray(HALF, values, i + LANES).convertShape(F2D, DOUBLES, 0);
                DoubleVector x2 = (DoubleVector)
                        FloatVector.fromArray(HALF, values, i + 2 * LANES).convertShape(F2D, DOUBLES, 0);
                DoubleVector x3 = (DoubleVector)
                        FloatVector.fromArray(HALF, values, i + 3 * LANES).convertShape(F2D, DOUBLES, 0);
                DoubleVector x4 = (DoubleVector) FloatVector.fromArray(HALF, values, i + SQUARES_STEP / 2)
                        .convertShape(F2D, DOUBLES, 0);
                DoubleVector x5 = (DoubleVector) FloatVector.fromArray(HALF, values, i + SQUARES_STEP / 2 + LANES)
                        .convertShape(F2D, DOUBLES, 0);
                DoubleVector x6 = (DoubleVector) FloatVector.fromArray(HALF, values, i + SQUARES_STEP / 2 + 2 * LANES)
                        .convertShape(F2D, DOUBLES, 0);
                DoubleVector x7 = (DoubleVector) FloatVector.fromArray(HALF, values, i + SQUARES_STEP / 2 + 3 * LANES)
                        .convertShape(F2D, DOUBLES, 0);
                sum0 = x0.fma(x0, sum0);
                sum1 = x1.fma(x1, sum1);
                if (GROUP == STRIPES) {
                    sum0 = x2.fma(x2, sum0);
                    sum1 = x3.fma(x3, sum1);
                } else {
                    sum2 = x2.fma(x2, sum2);
                    sum3 = x3.fma(x3, sum3);
                }
                sum0 = x4.fma(x4, sum0);
                sum1 = x5.fma(x5, sum1);
                if (GROUP == STRIPES) {
                    sum0 = x6.fma(x6, sum0);
                    sum1 = x7.fma(x7, sum1);
                } else {
                    sum2 = x6.fma(x6, sum2);
                    sum3 = x7.fma(x7, sum3);
                }
            }
            for (; turn < end; turn += STRIPES) {
                int i = turn + stripe;
                DoubleVector x0 =
                        (DoubleVector) FloatVector.fromArray(HALF, values, i).convertShape(F2D, DOUBLES, 0);
                DoubleVector x1 = (DoubleVector)
                        FloatVector.fromArray(HALF, values, i + LANES).convertShape(F2D, DOUBLES, 0);
                sum0 = x0.fma(x0, sum0);
                sum1 = x1.fma(x1, sum1);
                if (GROUP < STRIPES) {
                    DoubleVector x2 = (DoubleVector)
                            FloatVector.fromArray(HALF, values, i + 2 * LANES).convertShape(F2D, DOUBLES, 0);
                    DoubleVector x3 = (DoubleVector)
                            FloatVector.fromArray(HALF, values, i + 3 * LANES).convertShape(F2D, DOUBLES, 0);
                    sum2 = x2.fma(x2, sum2);
                    sum3 = x3.fma(x3, sum3);
                }
            }
            sum0.intoArray(scratch, stripe);
            sum1.intoArray(scratch, stripe + LANES);
            if (GROUP < STRIPES) {
                sum2.intoArray(scratch, stripe + 2 * LANES);
                sum3.intoArray(scratch, stripe + 3 * LANES);
            }
        }
        ScalarKernels.addTail(values, end, from + length, scratch);
        return Stripes.fold(scratch, 0);
    }

    @Override
    public void update(
            float[] weights,
            float[] gradients,
            float[] momentum,
            int from,
            int length,
            float a,
            float b,
            float m,
            float p,
            float v) {
        int lanes = FLOATS.length();
        int whole = from + (length & -(4 * lanes));
        // All loads come before the first store: a load is delayed by an earlier store to an address just before its
        // own modulo 4 KiB, which is common in arrays that are allocated one after the other.
        for (int i = from; i < whole; i += 4 * lanes) {
            FloatVector w0 = FloatVector.fromArray(FLOATS, weights, i);
            FloatVector w1 = FloatVector.fromArray(FLOATS, weights, i + lanes);
            FloatVector w2 = FloatVector.fromArray(FLOATS, weights, i + 2 * lanes);
            FloatVector w3 = FloatVector.fromArray(FLOATS, weights, i + 3 * lanes);
            FloatVector in0 = FloatVector.fromArray(FLOATS, gradients, i).mul(a).add(w0.mul(b));
            FloatVector in1 =
                    FloatVector.fromArray(FLOATS, gradients, i + lanes).mul(a).add(w1.mul(b));
            FloatVector in2 = FloatVector.fromArray(FLOATS, gradients, i + 2 * lanes)
                    .mul(a)
                    .add(w2.mul(b));
            FloatVector in3 = FloatVector.fromArray(FLOATS, gradients, i + 3 * lanes)
                    .mul(a)
                    .add(w3.mul(b));
            FloatVector v0 = FloatVector.fromArray(FLOATS, momentum, i).mul(m).add(in0);
            FloatVector v1 =
                    FloatVector.fromArray(FLOATS, momentum, i + lanes).mul(m).add(in1);
            FloatVector v2 = FloatVector.fromArray(FLOATS, momentum, i + 2 * lanes)
                    .mul(m)
                    .add(in2);
            FloatVector v3 = FloatVector.fromArray(FLOATS, momentum, i + 3 * lanes)
                    .mul(m)
                    .add(in3);
            v0.intoArray(momentum, i);
            v1.intoArray(momentum, i + lanes);
            v2.intoArray(momentum, i + 2 * lanes);
            v3.intoArray(momentum, i + 3 * lanes);
            w0.sub(in0.mul(p).add(v0.mul(v))).intoArray(weights, i);
            w1.sub(in1.mul(p).add(v1.mul(v))).intoArray(weights, i + lanes);
            w2.sub(in2.mul(p).add(v2.mul(v))).intoArray(weights, i + 2 * lanes);
            w3.sub(in3.mul(p).add(v3.mul(v))).intoArray(weights, i + 3 * lanes);
        }
        int last = from + (length & -lanes);
        for (; whole < last; whole += lanes) {
            FloatVector w = FloatVector.fromArray(FLOATS, weights, whole);
            FloatVector in =
                    FloatVector.fromArray(FLOATS, gradients, whole).mul(a).add(w.mul(b));
            FloatVector moved =
                    FloatVector.fromArray(FLOATS, momentum, whole).mul(m).add(in);
            moved.intoArray(momentum, whole);
            w.sub(in.mul(p).add(moved.mul(v))).intoArray(weights, whole);
        }
        if (last < from + length) {
            ScalarKernels.updateTail(weights, gradients, momentum, last, from + length, a, b, m, p, v);
        }
    }

    @Override
    public double updateAndSquare(
            float[] weights,
            float[] gradients,
            float[] momentum,
            int from,
            int length,
            float a,
            float b,
            float m,
            float p,
            float v,
            double[] scratch) {
        if (2 * GROUP < STRIPES) {
            // Narrower vectors would need more than four accumulators, and an update must run only once.
            return Kernels.super.updateAndSquare(weights, gradients, momentum, from, length, a, b, m, p, v, scratch);
        }
        int lanes = FLOATS.length();
        int whole = from + (length & -(2 * lanes));
        DoubleVector sum0 = DoubleVector.zero(DOUBLES);
        DoubleVector sum1 = DoubleVector.zero(DOUBLES);
        // Unused if two accumulators are all stripes.
        DoubleVector sum2 = DoubleVector.zero(DOUBLES);
        DoubleVector sum3 = DoubleVector.zero(DOUBLES);
        for (int i = from; i < whole; i += 2 * lanes) {
            FloatVector w0 = FloatVector.fromArray(FLOATS, weights, i);
            FloatVector w1 = FloatVector.fromArray(FLOATS, weights, i + lanes);
            FloatVector in0 = FloatVector.fromArray(FLOATS, gradients, i).mul(a).add(w0.mul(b));
            FloatVector in1 =
                    FloatVector.fromArray(FLOATS, gradients, i + lanes).mul(a).add(w1.mul(b));
            FloatVector v0 = FloatVector.fromArray(FLOATS, momentum, i).mul(m).add(in0);
            FloatVector v1 =
                    FloatVector.fromArray(FLOATS, momentum, i + lanes).mul(m).add(in1);
            v0.intoArray(momentum, i);
            v1.intoArray(momentum, i + lanes);
            FloatVector new0 = w0.sub(in0.mul(p).add(v0.mul(v)));
            FloatVector new1 = w1.sub(in1.mul(p).add(v1.mul(v)));
            new0.intoArray(weights, i);
            new1.intoArray(weights, i + lanes);
            // Loading the new weights again as halves, instead of converting both parts, is 8 % slower from cache.
            DoubleVector x0 = (DoubleVector) new0.convertShape(F2D, DOUBLES, 0);
            DoubleVector x1 = (DoubleVector) new0.convertShape(F2D, DOUBLES, 1);
            DoubleVector x2 = (DoubleVector) new1.convertShape(F2D, DOUBLES, 0);
            DoubleVector x3 = (DoubleVector) new1.convertShape(F2D, DOUBLES, 1);
            sum0 = x0.fma(x0, sum0);
            sum1 = x1.fma(x1, sum1);
            if (GROUP == STRIPES) {
                sum0 = x2.fma(x2, sum0);
                sum1 = x3.fma(x3, sum1);
            } else {
                sum2 = x2.fma(x2, sum2);
                sum3 = x3.fma(x3, sum3);
            }
        }
        if (whole < from + (length & -STRIPES)) {
            // Only if one vector has as many elements as there are stripes.
            FloatVector w = FloatVector.fromArray(FLOATS, weights, whole);
            FloatVector in =
                    FloatVector.fromArray(FLOATS, gradients, whole).mul(a).add(w.mul(b));
            FloatVector moved =
                    FloatVector.fromArray(FLOATS, momentum, whole).mul(m).add(in);
            moved.intoArray(momentum, whole);
            FloatVector next = w.sub(in.mul(p).add(moved.mul(v)));
            next.intoArray(weights, whole);
            DoubleVector x0 = (DoubleVector) next.convertShape(F2D, DOUBLES, 0);
            DoubleVector x1 = (DoubleVector) next.convertShape(F2D, DOUBLES, 1);
            sum0 = x0.fma(x0, sum0);
            sum1 = x1.fma(x1, sum1);
            whole += lanes;
        }
        if (whole == from + length) {
            // As in the sums: without a tail, the first level of the fold is an addition of vectors.
            if (GROUP == STRIPES) {
                sum0.add(sum1).intoArray(scratch, 0);
            } else {
                sum0.add(sum2).intoArray(scratch, 0);
                sum1.add(sum3).intoArray(scratch, LANES);
            }
            return Stripes.foldHalf(scratch, 0);
        }
        sum0.intoArray(scratch, 0);
        sum1.intoArray(scratch, LANES);
        if (GROUP < STRIPES) {
            sum2.intoArray(scratch, 2 * LANES);
            sum3.intoArray(scratch, 3 * LANES);
        }
        ScalarKernels.updateTail(weights, gradients, momentum, whole, from + length, a, b, m, p, v);
        ScalarKernels.addTail(weights, whole, from + length, scratch);
        return Stripes.fold(scratch, 0);
    }

    @Override
    public void update(float[] weights, float[] gradients, int from, int length, float a, float b, float p) {
        int lanes = FLOATS.length();
        int whole = from + (length & -(2 * lanes));
        for (int i = from; i < whole; i += 2 * lanes) {
            FloatVector w0 = FloatVector.fromArray(FLOATS, weights, i);
            FloatVector w1 = FloatVector.fromArray(FLOATS, weights, i + lanes);
            FloatVector in0 = FloatVector.fromArray(FLOATS, gradients, i).mul(a).add(w0.mul(b));
            FloatVector in1 =
                    FloatVector.fromArray(FLOATS, gradients, i + lanes).mul(a).add(w1.mul(b));
            w0.sub(in0.mul(p)).intoArray(weights, i);
            w1.sub(in1.mul(p)).intoArray(weights, i + lanes);
        }
        // At fewer bits, a layer of 16 elements, which is common, fills a turn of the loop.
        if (GROUP == STRIPES && whole < from + (length & -lanes)) {
            FloatVector w = FloatVector.fromArray(FLOATS, weights, whole);
            FloatVector in =
                    FloatVector.fromArray(FLOATS, gradients, whole).mul(a).add(w.mul(b));
            w.sub(in.mul(p)).intoArray(weights, whole);
            whole += lanes;
        }
        if (whole < from + length) {
            ScalarKernels.updateTail(weights, gradients, whole, from + length, a, b, p);
        }
    }

    @Override
    public void round(float[] weights, short[] halves, int from, int length) {
        int lanes = FLOATS.length();
        int whole = from + (length & -(2 * lanes));
        // Vectors of constants: with ints, C2 makes objects of the shifted vectors in some JVMs.
        IntVector lowest = IntVector.broadcast(INTS, 1);
        IntVector belowHalf = IntVector.broadcast(INTS, 0x7fff);
        IntVector quietNaN = IntVector.broadcast(INTS, 0x7fc00000);
        for (int i = from; i < whole; i += 2 * lanes) {
            FloatVector w0 = FloatVector.fromArray(FLOATS, weights, i);
            FloatVector w1 = FloatVector.fromArray(FLOATS, weights, i + lanes);
            IntVector bits0 = w0.reinterpretAsInts();
            IntVector bits1 = w1.reinterpretAsInts();
            IntVector near0 = bits0.add(bits0.lanewise(LSHR, 16).and(lowest)).add(belowHalf);
            IntVector near1 = bits1.add(bits1.lanewise(LSHR, 16).and(lowest)).add(belowHalf);
            IntVector half0 =
                    near0.blend(quietNaN, w0.compare(NE, w0).cast(INTS)).lanewise(LSHR, 16);
            IntVector half1 =
                    near1.blend(quietNaN, w1.compare(NE, w1).cast(INTS)).lanewise(LSHR, 16);
            ((ShortVector) half0.convertShape(I2S, SHORTS, 0)).intoArray(halves, i);
            ((ShortVector) half1.convertShape(I2S, SHORTS, 0)).intoArray(halves, i + lanes);
        }
        if (whole < from + length) {
            ScalarKernels.roundTail(weights, halves, whole, from + length);
        }
    }
}
