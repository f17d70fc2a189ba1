package io.github.lars4j.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.github.lars4j.Kernel;
import io.github.lars4j.internal.memory.ElementType;
import io.github.lars4j.internal.memory.NativeMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * All generated kernels, of every place and format, and the kernels that copy give the bits of {@link KernelOracle},
 * touch only the elements of their block, and tell exactly if an element of the momentum is not finite after rounding.
 * {@link KernelBitsTest} has more lengths and offsets for float32.
 */
@Tag("bits")
class NarrowKernelBitsTest {

    private static final int BLOCK = 4096;
    /** The number of offsets from an aligned address at which a block may begin; the elements before it are canaries. */
    private static final int OFFSETS = 18;
    /** The number of elements after the block, which no kernel may read or write. */
    private static final int GUARD = 40;

    /** The bits around a block that is only read: NaN in every format, which changes any sum that includes it. */
    private static final int READ_CANARY = 0x7fc17fc1;

    /** The bits around a block that is written: a number, because arithmetic may leave NaN unchanged. */
    private static final int WRITE_CANARY = 0x41234123;

    /** A, B, M, P, V. */
    private static final float[][] COEFFICIENTS = {
        {0.01f, 1e-4f, 0.9f, 0, 1},
        {0.01f, 1e-4f, 0.9f, 1, 0.9f},
        {-0.7f, -3, -0.9f, -1.1f, -0.3f},
        {Float.MIN_VALUE, -1e-40f, 1e-39f, Float.MIN_VALUE, 3e-42f},
        {3e38f, -3e38f, Float.MAX_VALUE, 1e30f, -1e30f},
        {1 / 3f, 1 / 7f, 1 / 11f, 1 / 13f, 1 / 17f},
    };

    /** Weights and momentum become the gradient, less the weight. */
    private static final float[] GRADIENT_SHOWS = {1, 0, 0, 0, 1};

    /** The momentum stays, and the weights lose it. */
    private static final float[] MOMENTUM_SHOWS = {0, 0, 1, 0, 1};

    private static final int WEIGHTS = 0;
    private static final int GRADIENTS = 1;
    private static final int MOMENTUM = 2;
    private static final int HALVES = 3;

    /** Memory outside the heap for each tensor. */
    private static final MemorySegment[] OUTSIDE = new MemorySegment[4];

    static {
        for (int i = 0; i < OUTSIDE.length; i++) {
            OUTSIDE[i] = Arena.ofAuto().allocate((OFFSETS + BLOCK + GUARD) * 4L, 64);
        }
    }

    private static final List<KernelKind> KINDS = new ArrayList<>();

    static {
        for (ElementType gradients : ElementType.values()) {
            KINDS.add(kind(gradients, ElementType.FLOAT32, false));
            KINDS.add(kind(gradients, ElementType.BFLOAT16, false));
            KINDS.add(kind(gradients, ElementType.BFLOAT16, true));
        }
    }

    /** Returns a kind; the place does not matter to the kernels that copy. */
    private static KernelKind kind(ElementType gradients, ElementType momentum, boolean stochastic) {
        return new KernelKind(KernelKind.Place.OFFSETS, gradients, momentum, stochastic, true);
    }

    private static int blocks;

    @AfterAll
    static void count() {
        System.out.printf(
                "%d blocks of %d formats, scalar and with %d bits, in arrays and outside the heap, each with the bits of"
                        + " the oracle%n",
                blocks, KINDS.size(), VectorKernels.bits());
    }

    /** Where a tensor lies. */
    private enum Where {
        /** In an array. */
        ARRAY,
        /** Outside the heap, reached by its address. */
        ADDRESS,
        /** Outside the heap, reached through its own segment, as when native access is denied. */
        SEGMENT;

        /** Returns where a tensor lies whose kernels copy; in turn, each of all mixtures. */
        static Where inTurn(int turn, int tensor) {
            return values()[turn / new int[] {1, 3, 9, 4}[tensor] % 3];
        }
    }

    /** Kernels, and the place of each tensor on which they are tried. */
    @SuppressWarnings("ArrayRecordComponent")
    private record Tried(PlacedKernels kernels, Where... where) {

        @Override
        public String toString() {
            return kernels.getClass().getSimpleName() + " over " + Arrays.toString(where);
        }
    }

    /** Returns all kernels of a kind. */
    private static List<Tried> all(KernelKind kind, int turn) {
        KernelKind outside = new KernelKind(
                KernelKind.Place.OUTSIDE, kind.gradients(), kind.momentum(), kind.stochastic(), kind.halves());
        Where[] arrays = {Where.ARRAY, Where.ARRAY, Where.ARRAY, Where.ARRAY};
        Where[] addresses = {Where.ADDRESS, Where.ADDRESS, Where.ADDRESS, Where.ADDRESS};
        Where[] mixed = new Where[4];
        Arrays.setAll(mixed, tensor -> Where.inTurn(turn, tensor));
        return List.of(
                new Tried(placed(kind, false), arrays),
                new Tried(placed(kind, true), arrays),
                new Tried(placed(outside, false), addresses),
                new Tried(placed(outside, true), addresses),
                new Tried(
                        new CopyKernels().with(turn % 2 == 0 ? ScalarKernels.INSTANCE : VectorKernels.INSTANCE, kind),
                        mixed));
    }

    private static PlacedKernels placed(KernelKind kind, boolean vector) {
        PlacedKernels kernels = kind.placed(vector);
        return kind.gradients() == ElementType.FLOAT16 ? new WideningKernels().with(kernels, kind) : kernels;
    }

    @Test
    void theKindsHaveKernelsOfTheirOwn() {
        for (KernelKind kind : KINDS) {
            if (kind.gradients() == ElementType.FLOAT16) {
                assertEquals(WideningKernels.class, placed(kind, true).getClass());
                KernelKind wide = kind(ElementType.FLOAT32, kind.momentum(), kind.stochastic());
                assertSame(wide.placed(true), kind.placed(true));
                continue;
            }
            String formats = kind.isFloat32()
                    ? ""
                    : capitalized(kind.gradients().name())
                            + (kind.stochastic()
                                    ? "Stochastic"
                                    : capitalized(kind.momentum().name()));
            List<Tried> all = all(kind, 0);
            assertEquals(
                    List.of(
                            "OffsetScalarKernels" + formats,
                            "OffsetVectorKernels" + formats,
                            "NativeScalarKernels" + formats,
                            "NativeVectorKernels" + formats,
                            "CopyKernels"),
                    all.stream()
                            .map(tried -> tried.kernels.getClass().getSimpleName())
                            .toList());
        }
    }

    private static String capitalized(String name) {
        return name.charAt(0) + name.substring(1).toLowerCase(Locale.ROOT);
    }

    private enum Values {
        /** Values of similar magnitude, so that another order of summation changes the sum. */
        MODERATE,
        ANY_FINITE,
        SPECIALS
    }

    @Test
    void lengthsAroundStripesVectorsAndBlocks() {
        check(new int[] {0, 1, 7, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 79, 80, 95, 96, 129, 255, 1000}, 1);
    }

    @Test
    @Tag("slow")
    void allLengths() {
        int[] lengths = new int[330];
        Arrays.setAll(lengths, i -> i < 300 ? i : BLOCK - 329 + i);
        check(lengths, OFFSETS);
    }

    /** Checks blocks of all kinds, with so many offsets of each length. */
    private static void check(int[] lengths, int offsets) {
        for (KernelKind kind : KINDS) {
            int turn = KINDS.indexOf(kind);
            for (int length : lengths) {
                for (int k = 0; k < offsets; k++) {
                    Values values = Values.values()[turn % 3];
                    float[] coefficients = COEFFICIENTS[(turn / 3 + turn) % COEFFICIENTS.length];
                    Random random = new Random(1000L * length + k);
                    Block block =
                            new Block(kind, random(random, length, values), coefficients, turn, random.nextLong());
                    all(kind, turn++).forEach(block::check);
                    block.roundInArrays();
                }
            }
        }
    }

    /** Returns random bits of weights, gradient and momentum, by format. */
    private static Bits random(Random random, int length, Values values) {
        return (tensor, type) -> {
            int[] bits = new int[length];
            for (int i = 0; i < length; i++) {
                bits[i] = type == ElementType.FLOAT32
                        ? Float.floatToIntBits(
                                switch (values) {
                                    case MODERATE -> RandomFloats.near(random, random.nextInt(8));
                                    case ANY_FINITE -> RandomFloats.anyFinite(random);
                                    case SPECIALS -> RandomFloats.special(random);
                                })
                        : narrow(random, type, values);
            }
            return bits;
        };
    }

    private static int narrow(Random random, ElementType type, Values values) {
        int digits = type == ElementType.BFLOAT16 ? 7 : 10;
        int infinity = type == ElementType.BFLOAT16 ? 0x7f80 : 0x7c00;
        int one = type == ElementType.BFLOAT16 ? 0x3f80 : 0x3c00;
        int magnitude = switch (values) {
            case MODERATE -> one + random.nextInt(8 << digits);
            case ANY_FINITE -> random.nextInt(infinity);
            case SPECIALS ->
                new int[] {
                            0,
                            1,
                            (1 << digits) - 1,
                            1 << digits,
                            one,
                            infinity - 1,
                            infinity,
                            infinity + (1 << (digits - 1)) // NaN
                        }
                        [random.nextInt(8)];
        };
        return random.nextBoolean() ? magnitude | 0x8000 : magnitude;
    }

    /** The bits of weights, gradient and momentum in their formats. */
    private interface Bits {
        int[] of(int tensor, ElementType type);
    }

    /**
     * All 65,536 gradients of each narrow format, in blocks of similar magnitudes, so that an element with a wrong bit
     * changes the sums; with tails.
     */
    @Test
    void allGradientsAreMeasured() {
        int run = 128;
        for (ElementType type : new ElementType[] {ElementType.BFLOAT16, ElementType.FLOAT16}) {
            KernelKind kind = kind(type, ElementType.FLOAT32, false);
            List<Tried> all = all(kind, 0);
            for (int first = 0; first < 1 << 16; first += run) {
                int start = first;
                Block block = block(kind, run + 15, i -> (start + i) & 0xffff, i -> 0, GRADIENT_SHOWS);
                for (Tried tried : all) {
                    block.measure(tried);
                    block.squares(tried);
                }
            }
        }
    }

    @Test
    void allFiniteGradientsAreApplied() {
        for (ElementType type : new ElementType[] {ElementType.BFLOAT16, ElementType.FLOAT16}) {
            int largest = type == ElementType.BFLOAT16 ? 0x7f7f : 0x7bff;
            applied(kind(type, ElementType.FLOAT32, false), largest, true);
        }
    }

    @Test
    void allFiniteMomentumsAreMoved() {
        for (boolean stochastic : new boolean[] {false, true}) {
            applied(kind(ElementType.FLOAT32, ElementType.BFLOAT16, stochastic), 0x7f7f, false);
        }
    }

    /** Checks updates whose gradient or momentum are all patterns of 16 bits up to a magnitude. */
    private static void applied(KernelKind kind, int largest, boolean gradients) {
        int length = BLOCK - 1;
        int turn = 0;
        for (int first = 0; first <= largest; first += length / 2) {
            int start = first;
            IntUnaryOperator bits = i -> Math.min(start + i / 2, largest) | i % 2 << 15;
            Block block = gradients
                    ? block(kind, length, bits, i -> 0, GRADIENT_SHOWS)
                    : block(kind, length, i -> 0, bits, MOMENTUM_SHOWS);
            List<Tried> all = all(kind, turn);
            for (Tried tried : turn % 4 == 0 ? all : List.of(all.get(1), all.get(3))) {
                block.updates(tried);
            }
            turn++;
        }
    }

    /** Returns a block whose weights are 0. */
    private static Block block(
            KernelKind kind, int length, IntUnaryOperator gradients, IntUnaryOperator momentum, float[] coefficients) {
        return new Block(
                kind,
                (tensor, type) -> {
                    int[] bits = new int[length];
                    if (tensor != WEIGHTS) {
                        Arrays.setAll(bits, tensor == GRADIENTS ? gradients : momentum);
                    }
                    return bits;
                },
                coefficients,
                1,
                0x123456789abcdef0L);
    }

    /** Weights at and beside ties, of all exponents, NaN with payloads, and what rounds to infinity. */
    @Test
    void specialWeightsAreRounded() {
        int[] low = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
        int[] high = {
            0, 1, 2, 0x7e, 0x7f, 0x80, 0x81, 0x3f7f, 0x3f80, 0x3f81, 0x7f7e, 0x7f7f, 0x7f80, 0x7f81, 0x7fc0, 0x7fff
        };
        int[] weights = new int[2 * low.length * high.length];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (i % 2 << 31) | high[i / 2 % high.length] << 16 | low[i / 2 / high.length];
        }
        for (KernelKind kind : KINDS) {
            for (int length : new int[] {weights.length, weights.length - 1, 1, 0}) {
                int from = weights.length - length;
                Block block = new Block(
                        kind,
                        (tensor, type) ->
                                tensor == WEIGHTS ? Arrays.copyOfRange(weights, from, from + length) : new int[length],
                        GRADIENT_SHOWS,
                        length,
                        0);
                all(kind, length).forEach(block::round);
            }
        }
    }

    /** An overflow in any lane of any of the loops, and none. */
    @Test
    void overflowIsNoted() {
        int length = 4 * 16 + 2 * 16 + 3; // with 512 bits, an iteration with 4 vectors, 2 vectors, and a tail
        for (KernelKind kind : KINDS) {
            if (kind.momentum() == ElementType.FLOAT32) {
                continue;
            }
            for (int at = -1; at < length; at++) {
                int sign = at % 2 << 15;
                int where = at;
                // Twice the largest momentum is infinite, and half of it is not.
                IntUnaryOperator momentum = i -> i == where ? 0x7f7f | sign : 0x3f80;
                Block block = block(kind, length, i -> 0, momentum, new float[] {0, 0, 2, 0, 0});
                assertEquals(at >= 0, block.overflows);
                List<Tried> all = all(kind, at + 1);
                block.updates(all.get(1 + 2 * (at & 1)));
                block.updates(all.get(at % 3 == 0 ? 4 : 2 * (at % 3 - 1) & 2));
            }
        }
    }

    /** NaN counts, too, and so does infinity that was there before. */
    @Test
    void whatIsNotFiniteIsNoted() {
        for (KernelKind kind : KINDS) {
            if (kind.momentum() == ElementType.FLOAT32) {
                continue;
            }
            for (int bad : new int[] {0x7f80, 0xff80, 0x7fc0}) {
                for (int at : new int[] {0, 20, 66}) {
                    Block block = block(kind, 67, i -> 0, i -> i == at ? bad : 0x3f80, MOMENTUM_SHOWS);
                    assertTrue(block.overflows);
                    all(kind, at).forEach(block::updates);
                }
            }
        }
    }

    /** The largest float below a tie with infinity is finite, and the tie is not. */
    @Test
    void theTieWithInfinityIsInfinite() {
        for (boolean tie : new boolean[] {false, true}) {
            int weight = tie ? 0x7f7f8000 : 0x7f7f7fff;
            KernelKind kind = kind(ElementType.FLOAT32, ElementType.BFLOAT16, false);
            for (int length : new int[] {1, 16, 67}) {
                // The gradient becomes the momentum.
                Block block = new Block(
                        kind,
                        (tensor, type) -> {
                            int[] bits = new int[length];
                            Arrays.fill(bits, tensor == GRADIENTS ? weight : 0);
                            return bits;
                        },
                        GRADIENT_SHOWS,
                        1,
                        0);
                assertEquals(tie, block.overflows);
                all(kind, length).forEach(block::updates);
            }
        }
    }

    /** Whole steps; {@link KernelJvmTest} runs them outside the heap, and {@link NoModuleTest} without vectors. */
    @Test
    void aRunGivesTheSameBits() {
        assertEquals(NarrowRun.EXPECTED, Kernel.with("vector", () -> NarrowRun.hash(false)));
    }

    /** The oracle itself: the two roundings of a number between two bfloat16. */
    @Test
    void theOracleRounds() {
        float between = Float.intBitsToFloat(0x3f808000); // half way from 0x3f80 to 0x3f81
        assertEquals(0x3f80, KernelOracle.nearest(between));
        assertEquals(0x3f82, KernelOracle.nearest(Float.intBitsToFloat(0x3f818000)));
        assertEquals(0x3f81, KernelOracle.nearest(Math.nextUp(between)));
        assertEquals(0x3f80, KernelOracle.stochastic(between, 0x7fff));
        assertEquals(0x3f81, KernelOracle.stochastic(between, 0x8000));
        assertEquals((short) 0xbf81, KernelOracle.stochastic(-between, 0xffff));
        assertEquals(0x7f80, KernelOracle.stochastic(Float.MAX_VALUE, 1));
        assertEquals(0x7f7f, KernelOracle.stochastic(Float.MAX_VALUE, 0));
        assertEquals(1, KernelOracle.nearest(0x1p-133f));
        assertEquals(0, KernelOracle.nearest(0x1p-134f));
        assertEquals((short) 0x8000, KernelOracle.nearest(-0x1p-134f));
        assertEquals(0x1p-133f, KernelOracle.bfloat16((short) 1));
        assertEquals(-1.5f, KernelOracle.bfloat16((short) 0xbfc0));
        assertEquals(0x1p-24f, KernelOracle.float16((short) 1));
        assertEquals(-65504, KernelOracle.float16((short) 0xfbff));
        assertEquals(1.5f, KernelOracle.float16((short) 0x3e00));
    }

    /** The values of one block, and what the oracle makes of them. */
    private static final class Block {

        final KernelKind kind;
        /** Whether an element of the new momentum is not finite, and rounded. */
        final boolean overflows;

        private final int turn;
        private final int length;
        private final float[] c;
        private final long key;
        private final int[][] bits = new int[4][];
        private final float[] weights;
        private final float[] gradients;
        private final int[] newWeights;
        private final int[] newMomentum;
        private final int[] newWeightsWithout;
        private final int[] halves;
        private final double newSquares;
        private final double[] scratch = new double[Stripes.SCRATCH];

        Block(KernelKind kind, Bits values, float[] coefficients, int turn, long key) {
            this.kind = kind;
            this.turn = turn;
            this.c = coefficients;
            this.key = key;
            bits[WEIGHTS] = values.of(WEIGHTS, ElementType.FLOAT32);
            bits[GRADIENTS] = values.of(GRADIENTS, kind.gradients());
            bits[MOMENTUM] = values.of(MOMENTUM, kind.momentum());
            length = bits[WEIGHTS].length;
            bits[HALVES] = new int[length];
            weights = widened(ElementType.FLOAT32, bits[WEIGHTS]);
            gradients = widened(kind.gradients(), bits[GRADIENTS]);
            float[] momentum = widened(kind.momentum(), bits[MOMENTUM]);
            float[] moved = weights.clone();
            KernelOracle.update(moved, gradients, momentum, 0, length, c[0], c[1], c[2], c[3], c[4]);
            newWeights = bits(moved);
            newSquares = KernelOracle.products(moved, moved, 0, length);
            newMomentum = bits(momentum);
            boolean overflowed = false;
            for (int i = 0; kind.momentum() == ElementType.BFLOAT16 && i < length; i++) {
                short rounded = kind.stochastic()
                        ? KernelOracle.stochastic(momentum[i], KernelOracle.random(key, i))
                        : KernelOracle.nearest(momentum[i]);
                newMomentum[i] = rounded & 0xffff;
                overflowed |= !Float.isFinite(KernelOracle.bfloat16(rounded));
            }
            overflows = overflowed;
            float[] movedWithout = weights.clone();
            KernelOracle.update(movedWithout, gradients, 0, length, c[0], c[1], c[3]);
            newWeightsWithout = bits(movedWithout);
            halves = new int[length];
            Arrays.setAll(halves, i -> KernelOracle.nearest(weights[i]) & 0xffff);
        }

        private static float[] widened(ElementType type, int[] bits) {
            float[] values = new float[bits.length];
            for (int i = 0; i < values.length; i++) {
                values[i] = switch (type) {
                    case FLOAT32 -> Float.intBitsToFloat(bits[i]);
                    case BFLOAT16 -> KernelOracle.bfloat16((short) bits[i]);
                    case FLOAT16 -> KernelOracle.float16((short) bits[i]);
                };
            }
            return values;
        }

        private static int[] bits(float[] values) {
            int[] bits = new int[values.length];
            Arrays.setAll(bits, i -> Float.floatToIntBits(values[i]));
            return bits;
        }

        void check(Tried tried) {
            measure(tried);
            squares(tried);
            updates(tried);
            round(tried);
        }

        void measure(Tried tried) {
            Tensor w = tensor(tried, WEIGHTS, READ_CANARY);
            Tensor g = tensor(tried, GRADIENTS, READ_CANARY);
            BlockSums sums = new BlockSums(3); // of other blocks, too
            tried.kernels.measure(w.base, w.at, g.base, g.at, length, dirtyScratch(), sums, 1);
            same(tried, "Σw²", KernelOracle.products(weights, weights, 0, length), sums.weights);
            same(tried, "Σg²", KernelOracle.products(gradients, gradients, 0, length), sums.gradients);
            same(tried, "Σwg", KernelOracle.products(weights, gradients, 0, length), sums.products);
            w.has(bits[WEIGHTS], "weights", tried, this);
            g.has(bits[GRADIENTS], "gradients", tried, this);
            blocks++;
        }

        void squares(Tried tried) {
            Tensor w = tensor(tried, WEIGHTS, READ_CANARY);
            double ofWeights = tried.kernels.squares(w.base, w.at, length, dirtyScratch());
            same(tried, "Σw² alone", KernelOracle.products(weights, weights, 0, length), ofWeights);
            w.has(bits[WEIGHTS], "weights", tried, this);
            Tensor g = tensor(tried, GRADIENTS, READ_CANARY);
            double ofGradients = tried.kernels.gradientSquares(g.base, g.at, length, dirtyScratch());
            same(tried, "Σg² alone", KernelOracle.products(gradients, gradients, 0, length), ofGradients);
            g.has(bits[GRADIENTS], "gradients", tried, this);
            BlockSums sums = new BlockSums(3);
            tried.kernels.squares(w.base, w.at, g.base, g.at, length, dirtyScratch(), sums, 1);
            same(tried, "Σw² without Σwg", KernelOracle.products(weights, weights, 0, length), sums.weights);
            same(tried, "Σg² without Σwg", KernelOracle.products(gradients, gradients, 0, length), sums.gradients);
            w.has(bits[WEIGHTS], "weights", tried, this);
            g.has(bits[GRADIENTS], "gradients", tried, this);
        }

        /** Checks the update with and without momentum, and with the squares. */
        void updates(Tried tried) {
            for (boolean squared : new boolean[] {false, true}) {
                Tensor w = tensor(tried, WEIGHTS, WRITE_CANARY);
                Tensor g = tensor(tried, GRADIENTS, WRITE_CANARY);
                Tensor v = tensor(tried, MOMENTUM, WRITE_CANARY);
                MomentumRounding rounding = new MomentumRounding();
                rounding.setKey(key);
                if (squared) {
                    double squares = tried.kernels.updateAndSquare(
                            w.base,
                            w.at,
                            g.base,
                            g.at,
                            v.base,
                            v.at,
                            length,
                            c[0],
                            c[1],
                            c[2],
                            c[3],
                            c[4],
                            rounding,
                            dirtyScratch());
                    same(tried, "Σw² of the new weights", newSquares, squares);
                } else {
                    tried.kernels.update(
                            w.base, w.at, g.base, g.at, v.base, v.at, length, c[0], c[1], c[2], c[3], c[4], rounding);
                }
                w.has(newWeights, "new weights", tried, this);
                g.has(bits[GRADIENTS], "gradients", tried, this);
                v.has(newMomentum, "new momentum", tried, this);
                assertEquals(overflows, rounding.takeOverflowed(), () -> "overflow of " + tried + ", " + this);
                assertFalse(rounding.takeOverflowed(), "it was taken");
            }
            Tensor w = tensor(tried, WEIGHTS, WRITE_CANARY);
            Tensor g = tensor(tried, GRADIENTS, WRITE_CANARY);
            tried.kernels.update(w.base, w.at, g.base, g.at, length, c[0], c[1], c[3]);
            w.has(newWeightsWithout, "new weights without momentum", tried, this);
            g.has(bits[GRADIENTS], "gradients", tried, this);
            blocks++;
        }

        void round(Tried tried) {
            Tensor w = tensor(tried, WEIGHTS, WRITE_CANARY);
            Tensor h = tensor(tried, HALVES, WRITE_CANARY);
            tried.kernels.round(w.base, w.at, h.base, h.at, length);
            w.has(bits[WEIGHTS], "weights", tried, this);
            h.has(halves, "halves", tried, this);
        }

        /** As {@link #round}, of arrays with one index for both, by the kernels that all others are generated from. */
        void roundInArrays() {
            int from = turn % OFFSETS;
            for (Kernels kernels : List.of(ScalarKernels.INSTANCE, VectorKernels.INSTANCE)) {
                float[] w = new float[from + length + GUARD];
                System.arraycopy(weights, 0, w, from, length);
                short[] expected = new short[w.length];
                Arrays.fill(expected, (short) WRITE_CANARY);
                short[] actual = expected.clone();
                for (int i = 0; i < length; i++) {
                    expected[from + i] = (short) halves[i];
                }
                int[] before = bits(w);
                kernels.round(w, actual, from, length);
                assertArrayEquals(expected, actual, () -> kernels.getClass().getSimpleName() + ", " + this);
                assertArrayEquals(before, bits(w), "the weights are only read");
            }
        }

        /** Returns a tensor at a place, with an offset that differs from those of the others. */
        private Tensor tensor(Tried tried, int tensor, int canary) {
            ElementType type = switch (tensor) {
                case WEIGHTS -> ElementType.FLOAT32;
                case GRADIENTS -> kind.gradients();
                case MOMENTUM -> kind.momentum();
                default -> ElementType.BFLOAT16;
            };
            return new Tensor(type, tried.where[tensor], tensor, bits[tensor], (turn + 7 * tensor) % OFFSETS, canary);
        }

        private void same(Tried tried, String what, double expected, double[] sums) {
            same(tried, what, expected, sums[1]);
            if (sums[0] != 0 || sums[2] != 0) {
                fail(what + " of another block was written; " + tried);
            }
        }

        private void same(Tried tried, String what, double expected, double actual) {
            if (Double.doubleToLongBits(expected) != Double.doubleToLongBits(actual)) {
                fail(what + " is " + actual + ", expected " + expected + "; " + tried + ", " + this);
            }
        }

        private double[] dirtyScratch() {
            Arrays.fill(scratch, 1e9);
            return scratch;
        }

        @Override
        public String toString() {
            return kind + ", length " + length + ", coefficients " + Arrays.toString(c) + ", turn " + turn;
        }
    }

    /** The elements of a tensor at a place in memory, with canaries before and behind them. */
    private static final class Tensor {

        final Object base;
        final long at;

        private final ElementType type;
        private final int from;
        private final int length;
        private final int canary;
        /** The array of a tensor in one, else a copy of the memory. */
        private final MemorySegment array;

        private final float[] floats;
        private final short[] shorts;
        private final MemorySegment memory;

        Tensor(ElementType type, Where where, int tensor, int[] bits, int from, int canary) {
            this.type = type;
            this.from = from;
            this.length = bits.length;
            this.canary = canary;
            int whole = from + length + GUARD;
            if (type == ElementType.FLOAT32) {
                floats = new float[whole];
                shorts = null;
                Arrays.fill(floats, Float.intBitsToFloat(canary));
                for (int i = 0; i < length; i++) {
                    floats[from + i] = Float.intBitsToFloat(bits[i]);
                }
                array = MemorySegment.ofArray(floats);
            } else {
                floats = null;
                shorts = new short[whole];
                Arrays.fill(shorts, (short) canary);
                for (int i = 0; i < length; i++) {
                    shorts[from + i] = (short) bits[i];
                }
                array = MemorySegment.ofArray(shorts);
            }
            if (where == Where.ARRAY) {
                memory = null;
                base = floats != null ? floats : shorts;
                at = from;
            } else {
                memory = OUTSIDE[tensor].asSlice(0, array.byteSize()).copyFrom(array);
                base = where == Where.ADDRESS ? NativeMemory.Access.ALL : memory;
                at = (long) from * type.bytes() + (where == Where.ADDRESS ? memory.address() : 0);
            }
        }

        /** Asserts that the elements have these bits, where all NaNs count as equal, and that the canaries live. */
        void has(int[] expected, String what, Tried tried, Block block) {
            if (memory != null) {
                array.copyFrom(memory);
            }
            int around = floats != null ? canary : canary & 0xffff;
            for (int i = 0; i < from + length + GUARD; i++) {
                int is = floats != null ? Float.floatToRawIntBits(floats[i]) : shorts[i] & 0xffff;
                boolean inside = i >= from && i < from + length;
                int wanted = inside ? expected[i - from] : around;
                if (is != wanted && !(inside && isNaN(is) && isNaN(wanted))) {
                    fail(what + "[" + (i - from) + "] is " + Integer.toHexString(is) + ", expected "
                            + Integer.toHexString(wanted) + "; " + tried + ", " + block);
                }
            }
        }

        private boolean isNaN(int bits) {
            return switch (type) {
                case FLOAT32 -> (bits & 0x7fffffff) > 0x7f800000;
                case BFLOAT16 -> (bits & 0x7fff) > 0x7f80;
                case FLOAT16 -> (bits & 0x7fff) > 0x7c00;
            };
        }
    }
}
