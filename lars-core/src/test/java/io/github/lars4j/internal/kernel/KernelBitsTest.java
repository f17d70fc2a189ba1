package io.github.lars4j.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Scalar and vector kernels give the bits of {@link KernelOracle}, and touch only the elements of their block. */
@Tag("bits")
class KernelBitsTest {

    private static final int BLOCK = 4096;
    private static final int OFFSETS = 18;
    /** The number of elements after the block, which no kernel may read or write. */
    private static final int GUARD = 40;

    /** The value around a block that is only read: it changes any sum that includes it. */
    private static final float READ_CANARY = Float.NaN;

    /** The value around a block that is written: not NaN, which arithmetic may leave unchanged. */
    private static final float WRITE_CANARY = 1234.5f;

    private static final float[][] COEFFICIENTS = {
        // A, B, M, P, V
        {0.01f, 1e-4f, 0.9f, 0, 1},
        {0.01f, 1e-4f, 0.9f, 1, 0.9f},
        {1, 0, 0.9f, 0.1f, 0.09f},
        {0, 0, 0, 0, 0},
        {-0.7f, -3, -0.9f, -1.1f, -0.3f},
        {Float.MIN_VALUE, -1e-40f, 1e-39f, Float.MIN_VALUE, 3e-42f},
        {3e38f, -3e38f, Float.MAX_VALUE, 1e30f, -1e30f},
        {1 / 3f, 1 / 7f, 1 / 11f, 1 / 13f, 1 / 17f},
    };

    /** The number of blocks tried. */
    private static int tried;

    @AfterAll
    static void count() {
        System.out.printf(
                "%d blocks, scalar and with %d bits, each with the bits of the oracle%n", tried, VectorKernels.bits());
    }

    private enum Kind {
        /** Values of similar magnitude, so that another order of summation changes the sum. */
        MODERATE,
        ANY_FINITE,
        ONE_SPECIAL,
        SPECIALS
    }

    @Test
    void lengthsFromZero() {
        for (int length = 0; length <= 130; length++) {
            for (int from = 0; from < OFFSETS; from++) {
                for (Kind kind : Kind.values()) {
                    check(kind, from, length, COEFFICIENTS[(length + from) % COEFFICIENTS.length]);
                }
            }
        }
    }

    @Test
    void lengthsUpToTheBlock() {
        for (int length = BLOCK - 17; length <= BLOCK; length++) {
            for (int from = 0; from < OFFSETS; from++) {
                Kind kind = Kind.values()[(length + from) % 4];
                check(kind, from, length, COEFFICIENTS[(length / 4 + from) % COEFFICIENTS.length]);
            }
        }
    }

    @Test
    void allCoefficients() {
        for (float[] coefficients : COEFFICIENTS) {
            for (Kind kind : Kind.values()) {
                check(kind, 3, 1000, coefficients);
            }
        }
    }

    @Test
    void theWidthIsTheOneAskedFor() {
        String asked = System.getProperty("lars4j.vectorBits");
        if (asked != null) {
            assertEquals(Integer.parseInt(asked), VectorKernels.bits());
        }
    }

    @Test
    void blocksFoldPairwise() {
        Random random = new Random(4);
        for (int count = 0; count <= 300; count++) {
            int from = count % 5;
            double[] blocks = random.doubles(from + count + 3, -1, 1).toArray();
            double[] folded = blocks.clone();
            double expected = KernelOracle.pairwise(blocks, from, count);
            assertEquals(bits(expected), bits(Stripes.foldBlocks(folded, from, count)), "of " + count + " blocks");
            for (int i = 0; i < folded.length; i++) {
                if (i < from || i >= from + count) {
                    assertEquals(blocks[i], folded[i], "block " + i + ", which belongs to another layer");
                }
            }
        }
    }

    @Test
    void nothingIsReadBehindTheEndOfAnArray() {
        double[] scratch = new double[Stripes.SCRATCH];
        BlockSums sums = new BlockSums(1);
        for (Kernels kernels : new Kernels[] {ScalarKernels.INSTANCE, VectorKernels.INSTANCE}) {
            for (int length = 0; length <= 200; length++) {
                int from = length % 3;
                float[] w = new float[from + length];
                float[] g = new float[from + length];
                float[] v = new float[from + length];
                kernels.measure(w, g, from, length, scratch, sums, 0);
                kernels.squares(w, from, length, scratch);
                kernels.update(w, g, v, from, length, 1, 1, 1, 1, 1);
                kernels.updateAndSquare(w, g, v, from, length, 1, 1, 1, 1, 1, scratch);
                kernels.update(w, g, from, length, 1, 1, 1);
                tried++;
            }
        }
    }

    private static void check(Kind kind, int from, int length, float[] coefficients) {
        for (Kernels kernels : new Kernels[] {ScalarKernels.INSTANCE, VectorKernels.INSTANCE}) {
            long seed = ((long) kind.ordinal() << 32) + from * 100_000L + length;
            Case c = new Case(kernels, kind, from, length, coefficients, seed);
            c.measure();
            c.squares();
            c.updateWithMomentum();
            c.updateAndSquare();
            c.updateWithout();
            tried++;
        }
    }

    private interface Update {
        void run(float[] weights, float[] gradients, float[] momentum);
    }

    /** One block, its surroundings, and the kernels to try on it. */
    private static final class Case {

        private final Kernels kernels;
        private final Kind kind;
        private final int from;
        private final int length;
        private final float[] c;
        private final long seed;
        private final float[] weights;
        private final float[] gradients;
        private final float[] momentum;

        Case(Kernels kernels, Kind kind, int from, int length, float[] coefficients, long seed) {
            Random random = new Random(seed);
            this.kernels = kernels;
            this.kind = kind;
            this.from = from;
            this.length = length;
            this.c = coefficients;
            this.seed = seed;
            this.weights = array(kind, from, length, random);
            this.gradients = array(kind, from, length, random);
            this.momentum = array(kind, from, length, random);
        }

        void measure() {
            float[] w = weights.clone();
            float[] g = gradients.clone();
            // The sums have other blocks, and the scratch has the values of an earlier block.
            BlockSums sums = new BlockSums(3);
            kernels.measure(w, g, from, length, dirtyScratch(), sums, 1);
            same("Σw²", KernelOracle.products(weights, weights, from, length), sums.weights);
            same("Σg²", KernelOracle.products(gradients, gradients, from, length), sums.gradients);
            same("Σwg", KernelOracle.products(weights, gradients, from, length), sums.products);
            untouched("weights", weights, w);
            untouched("gradients", gradients, g);
        }

        void squares() {
            float[] w = weights.clone();
            double sum = kernels.squares(w, from, length, dirtyScratch());
            double expected = KernelOracle.products(weights, weights, from, length);
            if (bits(expected) != bits(sum)) {
                fail("squares is " + sum + ", expected " + expected + "; " + this);
            }
            untouched("weights", weights, w);
        }

        void updateWithMomentum() {
            updateWithMomentum((w, g, v) -> kernels.update(w, g, v, from, length, c[0], c[1], c[2], c[3], c[4]));
        }

        void updateAndSquare() {
            double[] sum = new double[1];
            float[] written = updateWithMomentum((w, g, v) -> sum[0] =
                    kernels.updateAndSquare(w, g, v, from, length, c[0], c[1], c[2], c[3], c[4], dirtyScratch()));
            double expected = KernelOracle.products(written, written, from, length);
            if (bits(expected) != bits(sum[0])) {
                fail("updateAndSquare is " + sum[0] + ", expected " + expected + "; " + this);
            }
        }

        private float[] updateWithMomentum(Update update) {
            float[] w = forWriting(weights);
            float[] g = forWriting(gradients);
            float[] v = forWriting(momentum);
            update.run(w, g, v);
            float[] expectedW = forWriting(weights);
            float[] expectedV = forWriting(momentum);
            KernelOracle.update(expectedW, gradients, expectedV, from, length, c[0], c[1], c[2], c[3], c[4]);
            same("weights", expectedW, w);
            same("momentum", expectedV, v);
            untouched("gradients", forWriting(gradients), g);
            return w;
        }

        void updateWithout() {
            float[] w = forWriting(weights);
            float[] g = forWriting(gradients);
            kernels.update(w, g, from, length, c[0], c[1], c[3]);
            float[] expected = forWriting(weights);
            KernelOracle.update(expected, gradients, from, length, c[0], c[1], c[3]);
            same("weights without momentum", expected, w);
            untouched("gradients", forWriting(gradients), g);
        }

        private float[] forWriting(float[] array) {
            float[] copy = array.clone();
            Arrays.fill(copy, 0, from, WRITE_CANARY);
            Arrays.fill(copy, from + length, copy.length, WRITE_CANARY);
            return copy;
        }

        private void same(String what, double expected, double[] sums) {
            if (bits(expected) != bits(sums[1])) {
                fail(what + " is " + sums[1] + ", expected " + expected + "; " + this);
            }
            if (sums[0] != 0 || sums[2] != 0) {
                fail(what + " of another block was written; " + this);
            }
        }

        /** Asserts that the bits are equal; all NaNs count as equal. */
        private void same(String what, float[] expected, float[] actual) {
            for (int i = 0; i < actual.length; i++) {
                if (Float.floatToIntBits(actual[i]) != Float.floatToIntBits(expected[i])) {
                    fail(what + "[" + i + "] is " + actual[i] + ", expected " + expected[i] + "; " + this);
                }
            }
        }

        private void untouched(String what, float[] before, float[] after) {
            for (int i = 0; i < after.length; i++) {
                if (Float.floatToRawIntBits(before[i]) != Float.floatToRawIntBits(after[i])) {
                    fail(what + "[" + i + "] was " + before[i] + " and is " + after[i] + "; " + this);
                }
            }
        }

        private static double[] dirtyScratch() {
            double[] scratch = new double[Stripes.SCRATCH];
            Arrays.fill(scratch, 1e9);
            return scratch;
        }

        private static float[] array(Kind kind, int from, int length, Random random) {
            float[] array = new float[from + length + GUARD];
            Arrays.fill(array, READ_CANARY);
            for (int i = from; i < from + length; i++) {
                array[i] = switch (kind) {
                    case MODERATE -> RandomFloats.near(random, random.nextInt(8));
                    case ANY_FINITE, ONE_SPECIAL -> RandomFloats.anyFinite(random);
                    case SPECIALS -> RandomFloats.special(random);
                };
            }
            if (kind == Kind.ONE_SPECIAL && length > 0) {
                array[from + random.nextInt(length)] = RandomFloats.special(random);
            }
            return array;
        }

        @Override
        public String toString() {
            return kernels.getClass().getSimpleName() + ", " + kind + ", from " + from + ", length " + length
                    + ", coefficients " + Arrays.toString(c) + ", seed " + seed;
        }
    }

    private static long bits(double value) {
        return Double.doubleToLongBits(value);
    }
}
