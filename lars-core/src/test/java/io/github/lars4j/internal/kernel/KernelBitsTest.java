package io.github.lars4j.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import io.github.lars4j.internal.memory.NativeMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * All kernels, over memory of every kind, give the bits of {@link KernelOracle} and touch only the elements of their
 * block. Weights, gradient and momentum begin at different offsets.
 */
@Tag("bits")
class KernelBitsTest {

    private static final int BLOCK = 4096;
    /** The number of offsets from an aligned address at which a block may begin; the elements before it are canaries. */
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

    private static final double[] SCRATCH = new double[Stripes.SCRATCH];

    /** The tensors of a block. Each has an offset of its own. */
    private static final int WEIGHTS = 0;

    private static final int GRADIENTS = 1;
    private static final int MOMENTUM = 2;

    /** Memory outside the heap for each tensor. */
    private static final MemorySegment[] OUTSIDE = new MemorySegment[3];

    static {
        for (int i = 0; i < 3; i++) {
            OUTSIDE[i] = Arena.ofAuto().allocate((OFFSETS + BLOCK + GUARD) * 4L, 64);
        }
    }

    /** Where a tensor lies. */
    private enum Where {
        /** In an array. */
        ARRAY,
        /** Outside the heap, reached by its address. */
        ADDRESS,
        /** Outside the heap, reached through its own segment, as when native access is denied. */
        SEGMENT
    }

    /** Kernels, and where the weights, the gradient and the momentum lie on which they are tried. */
    private record Combination(AnyKernels kernels, Where weights, Where gradients, Where momentum) {

        Combination(AnyKernels kernels, Where all) {
            this(kernels, all, all, all);
        }

        @Override
        public String toString() {
            return kernels + " over " + weights + ", " + gradients + ", " + momentum;
        }
    }

    /** The combinations that are tried on every block. */
    private static final List<Combination> ALWAYS = List.of(
            new Combination(AnyKernels.of(ScalarKernels.INSTANCE), Where.ARRAY),
            new Combination(AnyKernels.of(VectorKernels.INSTANCE), Where.ARRAY),
            new Combination(AnyKernels.of(OffsetVectorKernels.INSTANCE), Where.ARRAY),
            new Combination(AnyKernels.of(NativeVectorKernels.INSTANCE), Where.ADDRESS));

    /** These take turns, so that each block is tried on one of them. */
    private static final List<Combination> SCALAR = List.of(
            new Combination(AnyKernels.of(NativeScalarKernels.INSTANCE), Where.ADDRESS),
            new Combination(AnyKernels.of(OffsetScalarKernels.INSTANCE), Where.ARRAY));

    /** The kernels that copy, over every mixture. One of these and of {@link #SCALAR} take turns. */
    private static final List<Combination> COPYING = new ArrayList<>();

    static {
        for (Where weights : Where.values()) {
            for (Where gradients : Where.values()) {
                for (Where momentum : Where.values()) {
                    for (Kernels arrays : new Kernels[] {ScalarKernels.INSTANCE, VectorKernels.INSTANCE}) {
                        AnyKernels copying = AnyKernels.of(
                                new CopyKernels().with(arrays, KernelKind.float32(KernelKind.Place.OFFSETS)));
                        COPYING.add(new Combination(copying, weights, gradients, momentum));
                    }
                }
            }
        }
    }

    /** The number of blocks, and how often one of them was tried on kernels. */
    private static int blocks;

    private static int tried;

    @AfterAll
    static void count() {
        System.out.printf(
                "%d blocks, scalar and with %d bits, over %d kinds of memory, each with the bits of the oracle%n",
                tried, VectorKernels.bits(), Where.values().length);
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
    void allMixturesOfAllLengths() {
        for (Combination combination : COPYING) {
            for (int length : new int[] {0, 1, 15, 16, 17, 31, 32, 33, 127, 1000, BLOCK}) {
                Case c = new Case(Kind.MODERATE, length % OFFSETS, length, COEFFICIENTS[1]);
                c.check(combination);
            }
        }
    }

    /** Arrays and segments end where the block ends, so that an access behind the end is out of bounds. */
    @Test
    void nothingIsReadBehindTheEnd() {
        List<Combination> bounded = new ArrayList<>(ALWAYS.subList(0, 3));
        for (Combination combination : COPYING) {
            if (combination.weights != Where.ADDRESS
                    && combination.gradients != Where.ADDRESS
                    && combination.momentum != Where.ADDRESS) {
                bounded.add(combination);
            }
        }
        double[] scratch = new double[Stripes.SCRATCH];
        BlockSums sums = new BlockSums(1);
        for (Combination combination : bounded) {
            AnyKernels kernels = combination.kernels;
            for (int length = 0; length <= 200; length++) {
                int from = length % 3;
                float[] values = new float[length];
                Place w = new Place(combination.weights, WEIGHTS, values, from, 0, 0);
                Place g = new Place(
                        combination.gradients, GRADIENTS, values, kernels.placed() ? (from + 1) % 3 : from, 0, 0);
                Place v = new Place(
                        combination.momentum, MOMENTUM, values, kernels.placed() ? (from + 2) % 3 : from, 0, 0);
                kernels.measure(w.base, w.at, g.base, g.at, length, scratch, sums, 0);
                kernels.squares(w.base, w.at, length, scratch);
                kernels.squares(w.base, w.at, g.base, g.at, length, scratch, sums, 0);
                kernels.update(w.base, w.at, g.base, g.at, v.base, v.at, length, 1, 1, 1, 1, 1);
                kernels.updateAndSquare(w.base, w.at, g.base, g.at, v.base, v.at, length, 1, 1, 1, 1, 1, scratch);
                kernels.update(w.base, w.at, g.base, g.at, length, 1, 1, 1);
                tried++;
            }
        }
    }

    private static void check(Kind kind, int from, int length, float[] coefficients) {
        Case c = new Case(kind, from, length, coefficients);
        for (Combination combination : ALWAYS) {
            c.check(combination);
        }
        // Four kinds of values follow one another, and each combination meets all of them.
        int turn = blocks / Kind.values().length;
        c.check(turn % 2 == 0 ? SCALAR.get(turn / 2 % 2) : COPYING.get(turn / 2 % COPYING.size()));
        blocks++;
    }

    /** The elements of a tensor at a place in memory, with canaries before and behind them. */
    private static final class Place {

        final Object base;
        final long at;

        private final float[] before;
        private final float[] array;
        private final MemorySegment segment;
        private final int from;
        private final int length;

        Place(Where where, int tensor, float[] values, int from, int guard, float canary) {
            this.from = from;
            this.length = values.length;
            before = new float[from + length + guard];
            Arrays.fill(before, 0, from, canary);
            System.arraycopy(values, 0, before, from, length);
            Arrays.fill(before, from + length, before.length, canary);
            if (where == Where.ARRAY) {
                array = before.clone();
                segment = null;
                base = array;
                at = from;
                return;
            }
            array = null;
            segment = OUTSIDE[tensor].asSlice(0, before.length * 4L);
            MemorySegment.copy(before, 0, segment, ValueLayout.JAVA_FLOAT, 0, before.length);
            base = where == Where.ADDRESS ? NativeMemory.Access.ALL : segment;
            at = from * 4L + (where == Where.ADDRESS ? segment.address() : 0);
        }

        /** Asserts that the elements have these bits, where all NaNs count as equal, and that the canaries live. */
        void has(String what, float[] expected, Object context) {
            float[] now = now();
            for (int i = 0; i < length; i++) {
                if (Float.floatToIntBits(now[from + i]) != Float.floatToIntBits(expected[i])) {
                    fail(what + "[" + i + "] is " + now[from + i] + ", expected " + expected[i] + "; " + context);
                }
            }
            System.arraycopy(before, from, now, from, length);
            same(what, now, context);
        }

        /** Asserts that nothing has been written. */
        void untouched(String what, Object context) {
            same(what, now(), context);
        }

        private float[] now() {
            return array != null ? array : segment.toArray(ValueLayout.JAVA_FLOAT);
        }

        private void same(String what, float[] now, Object context) {
            for (int i = 0; i < now.length; i++) {
                if (Float.floatToRawIntBits(before[i]) != Float.floatToRawIntBits(now[i])) {
                    fail(what + "[" + (i - from) + "] was " + before[i] + " and is " + now[i] + "; " + context);
                }
            }
        }
    }

    private interface Update {
        void run(Place weights, Place gradients, Place momentum);
    }

    /** The values of one block, what the oracle makes of them, and the kernels that are being tried on it. */
    private static final class Case {

        private final Kind kind;
        private final int from;
        private final int length;
        private final float[] c;
        private final long seed;
        private final float[] weights;
        private final float[] gradients;
        private final float[] momentum;
        private final double weightSquares;
        private final double gradientSquares;
        private final double products;
        private final float[] newWeights;
        private final float[] newMomentum;
        private final double newSquares;
        private final float[] newWeightsWithout;

        private Combination combination;
        private AnyKernels kernels;

        Case(Kind kind, int from, int length, float[] coefficients) {
            this.kind = kind;
            this.from = from;
            this.length = length;
            this.c = coefficients;
            this.seed = ((long) kind.ordinal() << 32) + from * 100_000L + length;
            Random random = new Random(seed);
            this.weights = values(random);
            this.gradients = values(random);
            this.momentum = values(random);
            this.weightSquares = KernelOracle.products(weights, weights, 0, length);
            this.gradientSquares = KernelOracle.products(gradients, gradients, 0, length);
            this.products = KernelOracle.products(weights, gradients, 0, length);
            this.newWeights = weights.clone();
            this.newMomentum = momentum.clone();
            KernelOracle.update(newWeights, gradients, newMomentum, 0, length, c[0], c[1], c[2], c[3], c[4]);
            this.newSquares = KernelOracle.products(newWeights, newWeights, 0, length);
            this.newWeightsWithout = weights.clone();
            KernelOracle.update(newWeightsWithout, gradients, 0, length, c[0], c[1], c[3]);
        }

        private float[] values(Random random) {
            float[] values = new float[length];
            for (int i = 0; i < length; i++) {
                values[i] = switch (kind) {
                    case MODERATE -> RandomFloats.near(random, random.nextInt(8));
                    case ANY_FINITE, ONE_SPECIAL -> RandomFloats.anyFinite(random);
                    case SPECIALS -> RandomFloats.special(random);
                };
            }
            if (kind == Kind.ONE_SPECIAL && length > 0) {
                values[random.nextInt(length)] = RandomFloats.special(random);
            }
            return values;
        }

        void check(Combination tried) {
            combination = tried;
            kernels = tried.kernels;
            measure();
            squares();
            updateWithMomentum((w, g, v) ->
                    kernels.update(w.base, w.at, g.base, g.at, v.base, v.at, length, c[0], c[1], c[2], c[3], c[4]));
            updateWithMomentum((w, g, v) -> {
                double sum = kernels.updateAndSquare(
                        w.base, w.at, g.base, g.at, v.base, v.at, length, c[0], c[1], c[2], c[3], c[4], dirtyScratch());
                same("Σw² of the new weights", newSquares, sum);
            });
            updateWithout();
            KernelBitsTest.tried++;
        }

        private Place weights(float canary) {
            return new Place(combination.weights, WEIGHTS, weights, from, GUARD, canary);
        }

        private Place gradients(float canary) {
            return new Place(
                    combination.gradients,
                    GRADIENTS,
                    gradients,
                    kernels.placed() ? (from + 7) % OFFSETS : from,
                    GUARD,
                    canary);
        }

        private Place momentum(float canary) {
            return new Place(
                    combination.momentum,
                    MOMENTUM,
                    momentum,
                    kernels.placed() ? (from + 12) % OFFSETS : from,
                    GUARD,
                    canary);
        }

        private void measure() {
            Place w = weights(READ_CANARY);
            Place g = gradients(READ_CANARY);
            // The sums have other blocks, and the scratch has the values of an earlier block.
            BlockSums sums = new BlockSums(3);
            kernels.measure(w.base, w.at, g.base, g.at, length, dirtyScratch(), sums, 1);
            same("Σw²", weightSquares, sums.weights);
            same("Σg²", gradientSquares, sums.gradients);
            same("Σwg", products, sums.products);
            w.untouched("weights", this);
            g.untouched("gradients", this);
        }

        private void squares() {
            Place w = weights(READ_CANARY);
            same("Σw² alone", weightSquares, kernels.squares(w.base, w.at, length, dirtyScratch()));
            w.untouched("weights", this);
            Place g = gradients(READ_CANARY);
            BlockSums sums = new BlockSums(3);
            kernels.squares(w.base, w.at, g.base, g.at, length, dirtyScratch(), sums, 1);
            same("Σw² without Σwg", weightSquares, sums.weights);
            same("Σg² without Σwg", gradientSquares, sums.gradients);
            w.untouched("weights", this);
            g.untouched("gradients", this);
        }

        private void updateWithMomentum(Update update) {
            Place w = weights(WRITE_CANARY);
            Place g = gradients(WRITE_CANARY);
            Place v = momentum(WRITE_CANARY);
            update.run(w, g, v);
            w.has("weights", newWeights, this);
            v.has("momentum", newMomentum, this);
            g.untouched("gradients", this);
        }

        private void updateWithout() {
            Place w = weights(WRITE_CANARY);
            Place g = gradients(WRITE_CANARY);
            kernels.update(w.base, w.at, g.base, g.at, length, c[0], c[1], c[3]);
            w.has("weights without momentum", newWeightsWithout, this);
            g.untouched("gradients", this);
        }

        private void same(String what, double expected, double[] sums) {
            same(what, expected, sums[1]);
            if (sums[0] != 0 || sums[2] != 0) {
                fail(what + " of another block was written; " + this);
            }
        }

        private void same(String what, double expected, double actual) {
            if (bits(expected) != bits(actual)) {
                fail(what + " is " + actual + ", expected " + expected + "; " + this);
            }
        }

        private static double[] dirtyScratch() {
            Arrays.fill(SCRATCH, 1e9);
            return SCRATCH;
        }

        @Override
        public String toString() {
            return combination + ", " + kind + ", from " + from + ", length " + length + ", coefficients "
                    + Arrays.toString(c) + ", seed " + seed;
        }
    }

    private static long bits(double value) {
        return Double.doubleToLongBits(value);
    }
}
