package io.github.lars4j.bench.arms;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Loops over a momentum in 8 bits, rounded to nearest; weights and gradient are float32. Elements 0, 256, … begin a block. */
final class EightBitLoops implements Loops {

    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, FLOATS.vectorShape());
    private static final int LANES = FLOATS.length();
    /** As many bytes as there are floats; there are no vectors of less than 64 bits. */
    private static final VectorSpecies<Byte> BYTES =
            VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, LANES * Byte.SIZE)));

    private final EightBit code;
    private final boolean vector;
    private final float[] weights;
    private final float[] gradients;
    private final byte[] codes;
    private final float[] scales;
    private final float[] moved = new float[EightBit.BLOCK];

    /**
     * Makes the loops.
     *
     * @param vector whether to use SIMD, if vectors have 256 bits at least
     * @param codes of each element
     * @param scales of each block
     */
    EightBitLoops(EightBit code, boolean vector, float[] weights, float[] gradients, byte[] codes, float[] scales) {
        this.code = code;
        this.vector = vector && BYTES.length() == LANES;
        this.weights = weights;
        this.gradients = gradients;
        this.codes = codes;
        this.scales = scales;
    }

    @Override
    public void sums(int from, int to, double[] sums) {
        VectorArms.sums(weights, gradients, from, to, sums);
    }

    @Override
    public double squares(int from, int to) {
        return VectorArms.squares(gradients, from, to);
    }

    @Override
    public void sgd(int from, int to) {
        for (int i = from; i < to; i += EightBit.BLOCK) {
            if (vector && i + EightBit.BLOCK <= to) {
                wholeBlock(i);
            } else {
                block(i, Math.min(to, i + EightBit.BLOCK));
            }
        }
    }

    @Override
    public double sgdAndSquare(int from, int to) {
        sgd(from, to);
        return VectorArms.squares(weights, from, to);
    }

    private void block(int from, int to) {
        float scale = scales[from / EightBit.BLOCK];
        float largest = 0;
        for (int i = from; i < to; i++) {
            float w = weights[i];
            float d = gradients[i] + w * DECAY;
            float v = code.value(codes[i]) * scale * MOMENTUM + d;
            moved[i - from] = v;
            weights[i] = w - (v * MOMENTUM + d) * RATE;
            largest = Math.max(largest, Math.abs(v));
        }
        scales[from / EightBit.BLOCK] = code.scale(largest);
        float inverse = code.inverse(largest);
        for (int i = from; i < to; i++) {
            codes[i] = code.nearest(moved[i - from] * inverse);
        }
    }

    private void wholeBlock(int from) {
        boolean linear = code == EightBit.LINEAR;
        float scale = scales[from / EightBit.BLOCK];
        FloatVector most = FloatVector.zero(FLOATS);
        for (int k = 0; k < EightBit.BLOCK; k += LANES) {
            IntVector read =
                    (IntVector) ByteVector.fromArray(BYTES, codes, from + k).convertShape(VectorOperators.B2I, INTS, 0);
            FloatVector value;
            if (linear) {
                value = (FloatVector) read.convertShape(VectorOperators.I2F, FLOATS, 0);
            } else {
                IntVector magnitude = read.and(0x7f);
                value = magnitude
                        .add(EightBit.ZERO)
                        .lanewise(VectorOperators.LSHL, EightBit.CUT)
                        .or(read.and(0x80000000))
                        .blend(0, magnitude.eq(0))
                        .reinterpretAsFloats();
            }
            FloatVector w = FloatVector.fromArray(FLOATS, weights, from + k);
            FloatVector d = FloatVector.fromArray(FLOATS, gradients, from + k).add(w.mul(DECAY));
            FloatVector v = value.mul(scale).mul(MOMENTUM).add(d);
            v.intoArray(moved, k);
            w.sub(v.mul(MOMENTUM).add(d).mul(RATE)).intoArray(weights, from + k);
            most = most.max(v.abs());
        }
        float largest = most.reduceLanes(VectorOperators.MAX);
        scales[from / EightBit.BLOCK] = code.scale(largest);
        float inverse = code.inverse(largest);
        for (int k = 0; k < EightBit.BLOCK; k += LANES) {
            FloatVector value = FloatVector.fromArray(FLOATS, moved, k).mul(inverse);
            IntVector coded;
            if (linear) {
                coded = value.add(EightBit.MAGIC).reinterpretAsInts();
            } else {
                IntVector bits = value.reinterpretAsInts();
                IntVector magnitude = bits.and(Integer.MAX_VALUE);
                IntVector odd =
                        magnitude.lanewise(VectorOperators.LSHR, EightBit.CUT).and(1);
                coded = magnitude
                        .add((1 << (EightBit.CUT - 1)) - 1)
                        .add(odd)
                        .lanewise(VectorOperators.LSHR, EightBit.CUT)
                        .sub(EightBit.ZERO)
                        .max(0)
                        .or(bits.lanewise(VectorOperators.LSHR, 24).and(0x80));
            }
            ((ByteVector) coded.convertShape(VectorOperators.I2B, BYTES, 0)).intoArray(codes, from + k);
        }
    }
}
