package io.github.lars4j.internal.passes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.kernel.CopyKernels;
import io.github.lars4j.internal.kernel.KernelKind;
import io.github.lars4j.internal.kernel.KernelOracle;
import io.github.lars4j.internal.kernel.KernelSource;
import io.github.lars4j.internal.kernel.KernelWish;
import io.github.lars4j.internal.kernel.PlacedKernels;
import io.github.lars4j.internal.kernel.RandomBits;
import io.github.lars4j.internal.kernel.RandomFloats;
import io.github.lars4j.internal.kernel.Stripes;
import io.github.lars4j.internal.kernel.WideningKernels;
import io.github.lars4j.internal.memory.ElementType;
import io.github.lars4j.internal.memory.Operand;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The passes over operands of all formats and places, against an oracle. */
class FormatsTest {

    private static final int BLOCK = Stripes.BLOCK;
    private static final long[] LENGTHS = {2 * BLOCK + 3, 0, 17, 5, BLOCK, 1};
    private static final boolean[] WITH_MOMENTUM = {true, true, false, true, true, true};
    private static final boolean[] UPDATES = {true, true, true, false, true, true};
    private static final byte[] READS = {
        MeasurePass.ALL,
        MeasurePass.BOTH,
        MeasurePass.WEIGHTS,
        MeasurePass.GRADIENTS,
        MeasurePass.NOTHING,
        MeasurePass.ALL
    };
    private static final int LAYERS = LENGTHS.length;
    private static final long[] OFFSETS = offsets(3);
    private static final long[] OTHER_OFFSETS = offsets(5);
    private static final int CANARY = 0x41234123;

    private static final KernelSource SCALAR = open(KernelWish.Wanted.SCALAR);
    private static final KernelSource VECTOR = open(KernelWish.Wanted.VECTOR);

    private static KernelSource open(KernelWish.Wanted wanted) {
        return KernelSource.open(new KernelWish(wanted, "a test"));
    }

    private static long[] offsets(int gap) {
        long[] offsets = new long[LAYERS];
        long next = 0;
        for (int i = 0; i < LAYERS; i++) {
            offsets[i] = next + gap;
            next = offsets[i] + LENGTHS[i];
        }
        return offsets;
    }

    private enum Where {
        FLAT,
        OTHER_LAYOUT,
        BY_LAYER,
        OUTSIDE
    }

    /** The formats of gradient and momentum, and whether the momentum is rounded stochastically. */
    private record Formats(ElementType gradients, ElementType momentum, boolean stochastic) {

        KernelKind kind(KernelKind.Place place, boolean halves) {
            return new KernelKind(place, gradients, momentum, stochastic, halves);
        }
    }

    private static final Formats[] ALL = new Formats[9];

    static {
        int k = 0;
        for (ElementType gradients : ElementType.values()) {
            ALL[k++] = new Formats(gradients, ElementType.FLOAT32, false);
            ALL[k++] = new Formats(gradients, ElementType.BFLOAT16, false);
            ALL[k++] = new Formats(gradients, ElementType.BFLOAT16, true);
        }
    }

    /** Layers whose elements have given bits, somewhere, with canaries between them. */
    private static final class Tensor {

        final Operand operand;
        private final Where where;
        private final ElementType type;
        /** The memory of all layers, or of each one. */
        private final MemorySegment[] memory;

        Tensor(Where where, ElementType type, int[][] bits) {
            this.where = where;
            this.type = type;
            if (where == Where.BY_LAYER) {
                Object[] arrays = type == ElementType.FLOAT32 ? new float[LAYERS][] : new short[LAYERS][];
                Arrays.setAll(arrays, i -> array(type, bits[i]));
                memory = Arrays.stream(arrays).map(Tensor::segment).toArray(MemorySegment[]::new);
                operand = Operand.byLayer(type, arrays);
                return;
            }
            long[] starts = where == Where.OTHER_LAYOUT ? OTHER_OFFSETS : OFFSETS;
            int[] flat = new int[(int) (starts[LAYERS - 1] + LENGTHS[LAYERS - 1] + 2)];
            Arrays.fill(flat, CANARY);
            for (int i = 0; i < LAYERS; i++) {
                System.arraycopy(bits[i], 0, flat, (int) starts[i], bits[i].length);
            }
            Object array = array(type, flat);
            if (where != Where.OUTSIDE) {
                memory = new MemorySegment[] {segment(array)};
                operand = Operand.flat(type, array, starts);
                return;
            }
            MemorySegment outside =
                    Arena.ofAuto().allocate(segment(array).byteSize(), 64).copyFrom(segment(array));
            memory = new MemorySegment[] {outside};
            MemorySegment[] segments = new MemorySegment[LAYERS];
            Arrays.setAll(segments, i -> outside.asSlice(starts[i] * type.bytes(), LENGTHS[i] * type.bytes()));
            operand = Operand.byLayer(type, segments);
        }

        private static Object array(ElementType type, int[] bits) {
            if (type == ElementType.FLOAT32) {
                float[] array = new float[bits.length];
                for (int i = 0; i < array.length; i++) {
                    array[i] = Float.intBitsToFloat(bits[i]);
                }
                return array;
            }
            short[] array = new short[bits.length];
            for (int i = 0; i < array.length; i++) {
                array[i] = (short) bits[i];
            }
            return array;
        }

        private static MemorySegment segment(Object array) {
            return array instanceof float[] floats
                    ? MemorySegment.ofArray(floats)
                    : MemorySegment.ofArray((short[]) array);
        }

        /** Asserts that the layers have these bits and that nothing between them was written. */
        void has(int[][] expected, String what) {
            Tensor other = new Tensor(where, type, expected);
            for (int i = 0; i < memory.length; i++) {
                assertEquals(-1, memory[i].mismatch(other.memory[i]), what);
            }
        }
    }

    /** Returns a tensor that is all 0. */
    private static Operand zeros(Where where, ElementType type) {
        int[][] bits = new int[LAYERS][];
        Arrays.setAll(bits, i -> new int[(int) LENGTHS[i]]);
        return new Tensor(where, type, bits).operand;
    }

    private static BlockKernels kernels(KernelSource source, int threads, Formats formats, boolean halves) {
        BlockKernels kernels = new BlockKernels(source, threads);
        kernels.formats(formats.gradients, formats.momentum, formats.stochastic, halves);
        return kernels;
    }

    /** Pass 1 does not read the momentum, pass 2 reads all, and both use kernels of the same kind. */
    @Test
    void formatsAndPlacesChooseTheKernels() {
        for (KernelSource source : new KernelSource[] {SCALAR, VECTOR}) {
            for (Formats formats : ALL) {
                for (boolean halves : new boolean[] {false, true}) {
                    BlockKernels kernels = kernels(source, 2, formats, halves);
                    boolean float32Gradients = formats.gradients == ElementType.FLOAT32;
                    boolean float32 = float32Gradients && formats.momentum == ElementType.FLOAT32;
                    Operand w = zeros(Where.FLAT, ElementType.FLOAT32);
                    Operand g = zeros(Where.FLAT, formats.gradients);
                    Operand m = zeros(Where.FLAT, formats.momentum);
                    Operand h = halves ? zeros(Where.FLAT, ElementType.BFLOAT16) : null;
                    PlacedKernels ofKind = source.placed(formats.kind(KernelKind.Place.OFFSETS, halves));
                    kernels.toMeasure(w, g);
                    expect(float32Gradients, ofKind, formats.gradients, kernels);
                    kernels.toUpdate(w, g, m, h);
                    expect(float32 && !halves, ofKind, formats.gradients, kernels);
                    kernels.toUpdate(w, g, zeros(Where.BY_LAYER, formats.momentum), h);
                    expect(false, ofKind, formats.gradients, kernels);
                    kernels.toUpdate(w, g, null, h);
                    expect(float32 && !halves, ofKind, formats.gradients, kernels);

                    Operand outsideWeights = zeros(Where.OUTSIDE, ElementType.FLOAT32);
                    Operand outsideGradients = zeros(Where.OUTSIDE, formats.gradients);
                    Operand outsideMomentum = zeros(Where.OUTSIDE, formats.momentum);
                    Operand outsideHalves = halves ? zeros(Where.OUTSIDE, ElementType.BFLOAT16) : null;
                    PlacedKernels outside = source.placed(formats.kind(KernelKind.Place.OUTSIDE, halves));
                    kernels.toMeasure(outsideWeights, outsideGradients);
                    expect(false, outside, formats.gradients, kernels);
                    kernels.toUpdate(outsideWeights, outsideGradients, outsideMomentum, outsideHalves);
                    expect(false, outside, formats.gradients, kernels);
                    kernels.toUpdate(outsideWeights, outsideGradients, null, outsideHalves);
                    expect(false, outside, formats.gradients, kernels);

                    kernels.toMeasure(w, outsideGradients);
                    expect(false, null, formats.gradients, kernels);
                    kernels.toUpdate(w, g, outsideMomentum, h);
                    expect(false, null, formats.gradients, kernels);
                    kernels.toUpdate(outsideWeights, outsideGradients, m, outsideHalves);
                    expect(false, null, formats.gradients, kernels);
                    if (halves) {
                        kernels.toUpdate(w, g, m, outsideHalves);
                        expect(false, null, formats.gradients, kernels);
                        kernels.toUpdate(outsideWeights, outsideGradients, outsideMomentum, h);
                        expect(false, null, formats.gradients, kernels);
                    }
                    // A step with other formats follows.
                    kernels.formats(ElementType.FLOAT32, ElementType.FLOAT32, false, false);
                    kernels.toUpdate(w, w, w, null);
                    expect(true, null, ElementType.FLOAT32, kernels);
                    kernels.toUpdate(w, zeros(Where.BY_LAYER, ElementType.FLOAT32), w, null);
                    expect(
                            false,
                            source.placed(KernelKind.float32(KernelKind.Place.OFFSETS)),
                            ElementType.FLOAT32,
                            kernels);
                }
            }
        }
    }

    /**
     * Asserts that a pass works in arrays, or with given kernels, or, if these are {@code null}, copies. With a float16
     * gradient, each thread widens it.
     */
    private static void expect(boolean arrays, PlacedKernels placed, ElementType gradients, BlockKernels kernels) {
        if (arrays) {
            assertNull(kernels.placed(0));
            assertNull(kernels.placed(1));
            assertNotNull(kernels.arrays());
        } else if (placed != null && gradients == ElementType.FLOAT16) {
            WideningKernels first = assertInstanceOf(WideningKernels.class, kernels.placed(0));
            assertNotSame(first, kernels.placed(1), "each thread has its own widened block");
            assertSame(first, kernels.placed(0));
        } else if (placed != null) {
            assertSame(placed, kernels.placed(0));
            assertSame(placed, kernels.placed(1));
        } else {
            CopyKernels first = assertInstanceOf(CopyKernels.class, kernels.placed(0));
            assertNotSame(first, kernels.placed(1), "each thread has its own copies");
            assertSame(first, kernels.placed(0));
        }
    }

    /** The values of a step with given formats, and what the oracle makes of them. */
    private static final class Step {

        final Formats formats;
        final Coefficients c = new Coefficients(LAYERS);
        final long[] keys = new long[LAYERS];
        final int[][] weights = new int[LAYERS][];
        final int[][] gradients = new int[LAYERS][];
        final int[][] momentum = new int[LAYERS][];
        final int[][] newWeights = new int[LAYERS][];
        final int[][] newMomentum = new int[LAYERS][];
        final int[][] halves = new int[LAYERS][];
        /** Σw², Σg² and Σwg of each layer, and Σw² of the new weights. */
        final double[][] sums = new double[4][LAYERS];

        Step(Formats formats) {
            this.formats = formats;
            Random random = new Random(31 * formats.gradients.ordinal() + 7);
            for (int i = 0; i < LAYERS; i++) {
                c.a[i] = random.nextFloat();
                c.b[i] = random.nextFloat();
                c.m[i] = WITH_MOMENTUM[i] ? random.nextFloat() : 0;
                c.p[i] = random.nextFloat();
                c.v[i] = random.nextFloat();
                keys[i] = RandomBits.layerKey(5, 6, i);
                int n = (int) LENGTHS[i];
                weights[i] = bits(random, ElementType.FLOAT32, n);
                gradients[i] = bits(random, formats.gradients, n);
                momentum[i] = bits(random, formats.momentum, n);
                expect(i, n);
            }
        }

        private static int[] bits(Random random, ElementType type, int length) {
            int[] bits = new int[length];
            for (int i = 0; i < length; i++) {
                float value = RandomFloats.near(random, random.nextInt(4));
                bits[i] = switch (type) {
                    case FLOAT32 -> Float.floatToIntBits(value);
                    case BFLOAT16 -> Float.floatToIntBits(value) >>> 16;
                    case FLOAT16 -> Float.floatToFloat16(value) & 0xffff;
                };
            }
            return bits;
        }

        private static float[] values(ElementType type, int[] bits) {
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

        private void expect(int i, int n) {
            float[] w = values(ElementType.FLOAT32, weights[i]);
            float[] g = values(formats.gradients, gradients[i]);
            float[] v = values(formats.momentum, momentum[i]);
            sums[0][i] = sum(w, w);
            sums[1][i] = sum(g, g);
            sums[2][i] = sum(w, g);
            newMomentum[i] = momentum[i].clone();
            if (UPDATES[i] && WITH_MOMENTUM[i]) {
                KernelOracle.update(w, g, v, 0, n, c.a[i], c.b[i], c.m[i], c.p[i], c.v[i]);
                for (int k = 0; k < n; k++) {
                    newMomentum[i][k] = rounded(i, k, v[k]);
                }
            } else if (UPDATES[i]) {
                KernelOracle.update(w, g, 0, n, c.a[i], c.b[i], c.p[i]);
            }
            sums[3][i] = sum(w, w);
            newWeights[i] = new int[n];
            halves[i] = new int[n];
            for (int k = 0; k < n; k++) {
                newWeights[i][k] = Float.floatToIntBits(w[k]);
                halves[i][k] = KernelOracle.nearest(w[k]);
            }
        }

        private int rounded(int layer, int k, float value) {
            if (formats.momentum == ElementType.FLOAT32) {
                return Float.floatToIntBits(value);
            }
            long key = RandomBits.blockKey(keys[layer], k / BLOCK);
            return formats.stochastic
                    ? KernelOracle.stochastic(value, KernelOracle.random(key, k % BLOCK))
                    : KernelOracle.nearest(value);
        }

        private static double sum(float[] x, float[] y) {
            int blocks = (x.length + BLOCK - 1) / BLOCK;
            double[] sums = new double[blocks];
            Arrays.setAll(sums, b -> KernelOracle.products(x, y, b * BLOCK, Math.min(BLOCK, x.length - b * BLOCK)));
            return KernelOracle.pairwise(sums, 0, blocks);
        }
    }

    /** The places of weights, gradient, momentum and copies of the weights. */
    private static final Where[][] PLACES = {
        {Where.FLAT, Where.FLAT, Where.FLAT, Where.FLAT},
        {Where.OUTSIDE, Where.OUTSIDE, Where.OUTSIDE, Where.OUTSIDE},
        {Where.BY_LAYER, Where.OTHER_LAYOUT, Where.FLAT, Where.BY_LAYER},
        {Where.FLAT, Where.OUTSIDE, Where.BY_LAYER, Where.OUTSIDE},
        {Where.OUTSIDE, Where.FLAT, Where.OUTSIDE, Where.FLAT},
        {Where.OUTSIDE, Where.OUTSIDE, Where.FLAT, Where.OUTSIDE},
    };

    /** All formats and places; the other variants take turns, and vectors, which are slow at first, are rarer. */
    @Test
    void thePassesGiveTheBitsOfTheOracle() {
        try (Crew one = new Crew(1);
                Crew three = new Crew(3)) {
            int turn = 0;
            for (Formats formats : ALL) {
                Step step = new Step(formats);
                for (int i = 0; i < PLACES.length; i++) {
                    boolean many = turn % 3 == 0;
                    KernelSource source = i == turn / PLACES.length % PLACES.length ? VECTOR : SCALAR;
                    boolean halves = turn % 2 == 0;
                    boolean carry = turn / 2 % 2 == 0;
                    check(step, PLACES[i], source, many ? three : one, many ? 3 : 1, halves, carry);
                    turn++;
                }
            }
        }
    }

    @Test
    @Tag("slow")
    void allVariantsGiveTheBitsOfTheOracle() {
        try (Crew one = new Crew(1);
                Crew three = new Crew(3)) {
            for (Formats formats : ALL) {
                Step step = new Step(formats);
                for (Where[] places : PLACES) {
                    for (int variant = 0; variant < 16; variant++) {
                        boolean many = (variant & 1) == 0;
                        check(
                                step,
                                places,
                                (variant & 2) == 0 ? VECTOR : SCALAR,
                                many ? three : one,
                                many ? 3 : 1,
                                (variant & 4) == 0,
                                (variant & 8) == 0);
                    }
                }
            }
        }
    }

    private static void check(
            Step step, Where[] places, KernelSource source, Crew crew, int threads, boolean halves, boolean carry) {
        Formats formats = step.formats;
        String what = " of " + formats + ", " + Arrays.toString(places) + ", " + threads + " threads, halves " + halves
                + ", carry " + carry + ", " + source.arrays().getClass().getSimpleName();
        Tensor w = new Tensor(places[0], ElementType.FLOAT32, step.weights);
        Tensor g = new Tensor(places[1], formats.gradients, step.gradients);
        Tensor m = new Tensor(places[2], formats.momentum, step.momentum);
        Tensor h = new Tensor(places[3], ElementType.BFLOAT16, step.momentum);
        Plan plan = Plan.of(LENGTHS, Plan.Rounds.ONE, threads, new Plan.Grain(1 << 20, 1));
        BlockKernels kernels = kernels(source, threads, formats, halves);
        MeasurePass measure = new MeasurePass(plan);
        measure.run(crew, kernels.toMeasure(w.operand, g.operand), w.operand, g.operand, READS, 0);
        UpdatePass update = new UpdatePass(plan, step.c);
        update.run(
                crew,
                kernels.toUpdate(w.operand, g.operand, m.operand, halves ? h.operand : null),
                w.operand,
                g.operand,
                m.operand,
                halves ? h.operand : null,
                formats.stochastic ? step.keys : null,
                UPDATES,
                WITH_MOMENTUM,
                carry,
                0);
        w.has(step.newWeights, "weights" + what);
        g.has(step.gradients, "gradients" + what);
        m.has(step.newMomentum, "momentum" + what);
        h.has(halves ? step.halves : step.momentum, "copies of the weights" + what);
        for (int i = 0; i < LAYERS; i++) {
            if ((READS[i] & MeasurePass.WEIGHTS) != 0) {
                assertEquals(step.sums[0][i], measure.weights(i), "Σw²" + what);
            }
            if ((READS[i] & MeasurePass.GRADIENTS) != 0) {
                assertEquals(step.sums[1][i], measure.gradients(i), "Σg²" + what);
            }
            if (READS[i] == MeasurePass.ALL) {
                assertEquals(step.sums[2][i], measure.products(i), "Σwg" + what);
            }
            if (carry && UPDATES[i]) {
                assertEquals(step.sums[3][i], update.squares(i), "Σw² of the new weights" + what);
            }
            assertFalse(update.overflowed(i));
        }
    }

    /** A run that fails after an overflow, in the same layer or in a later one, leaves no note of it to the next run. */
    @Test
    void aFailedRunLeavesNoNoteOfAnOverflow() {
        Coefficients c = new Coefficients(LAYERS);
        Arrays.fill(c.m, 2);
        Plan plan = Plan.of(LENGTHS, Plan.Rounds.ONE, 1, new Plan.Grain(1 << 20, 1));
        UpdatePass update = new UpdatePass(plan, c);
        BlockKernels kernels = kernels(SCALAR, 1, new Formats(ElementType.FLOAT32, ElementType.BFLOAT16, false), false);
        int[][] zeros = new int[LAYERS][];
        Arrays.setAll(zeros, i -> new int[(int) LENGTHS[i]]);
        int[][] large = zeros.clone();
        large[0] = new int[(int) LENGTHS[0]];
        large[0][0] = 0xff7f;
        try (Crew crew = new Crew(1)) {
            for (int fails : new int[] {0, 4}) {
                int[][] few = zeros.clone();
                few[fails] = new int[fails == 0 ? BLOCK : 1];
                Tensor tooShort = new Tensor(Where.BY_LAYER, ElementType.FLOAT32, few);
                assertThrows(
                        IndexOutOfBoundsException.class,
                        () -> update(
                                update, crew, kernels, tooShort, new Tensor(Where.FLAT, ElementType.BFLOAT16, large)));
                update(
                        update,
                        crew,
                        kernels,
                        new Tensor(Where.FLAT, ElementType.FLOAT32, zeros),
                        new Tensor(Where.FLAT, ElementType.BFLOAT16, zeros));
                for (int i = 0; i < LAYERS; i++) {
                    assertFalse(update.overflowed(i), "layer " + i + " after a failure in layer " + fails);
                }
            }
        }
    }

    private static void update(UpdatePass update, Crew crew, BlockKernels kernels, Tensor weights, Tensor momentum) {
        Operand w = weights.operand;
        Operand m = momentum.operand;
        update.run(crew, kernels.toUpdate(w, w, m, null), w, w, m, null, null, UPDATES, WITH_MOMENTUM, false, 0);
    }

    /** An element that overflows is told of its layer only, wherever it is, and of that run only. */
    @Test
    void overflowIsToldByLayer() {
        Coefficients c = new Coefficients(LAYERS);
        Arrays.fill(c.m, 2);
        int[][] zeros = new int[LAYERS][];
        Arrays.setAll(zeros, i -> new int[(int) LENGTHS[i]]);
        try (Crew one = new Crew(1);
                Crew three = new Crew(3)) {
            for (boolean stochastic : new boolean[] {false, true}) {
                for (int threads : new int[] {1, 3}) {
                    Formats formats = new Formats(ElementType.FLOAT32, ElementType.BFLOAT16, stochastic);
                    Plan plan = Plan.of(LENGTHS, Plan.Rounds.ONE, threads, new Plan.Grain(1 << 20, 1));
                    UpdatePass update = new UpdatePass(plan, c);
                    BlockKernels kernels = kernels(SCALAR, threads, formats, false);
                    for (int large = 0; large < LAYERS; large++) {
                        int n = (int) LENGTHS[large];
                        for (int at : new int[] {0, BLOCK, n - 1}) {
                            if (at < 0 || at >= n) {
                                continue;
                            }
                            int[][] bits = new int[LAYERS][];
                            Arrays.setAll(bits, i -> new int[(int) LENGTHS[i]]);
                            bits[large][at] = 0xff7f;
                            Operand w = new Tensor(Where.FLAT, ElementType.FLOAT32, zeros).operand;
                            Operand m = new Tensor(Where.FLAT, ElementType.BFLOAT16, bits).operand;
                            for (boolean expected : new boolean[] {UPDATES[large] && WITH_MOMENTUM[large], false}) {
                                update.run(
                                        threads == 1 ? one : three,
                                        kernels.toUpdate(w, w, m, null),
                                        w,
                                        w,
                                        m,
                                        null,
                                        stochastic ? new long[LAYERS] : null,
                                        UPDATES,
                                        WITH_MOMENTUM,
                                        false,
                                        0);
                                for (int i = 0; i < LAYERS; i++) {
                                    boolean told = update.overflowed(i);
                                    assertEquals(expected && i == large, told, "layer " + i + ", element " + at);
                                }
                                // The next step finds small numbers.
                                w = new Tensor(Where.FLAT, ElementType.FLOAT32, zeros).operand;
                                m = new Tensor(Where.FLAT, ElementType.BFLOAT16, zeros).operand;
                            }
                        }
                    }
                }
            }
        }
    }

    /** Which share of the work has a thread, if only copies of the weights are to be made. */
    @Test
    void copiesOfWeightsAreWorkToo() {
        Plan plan = Plan.of(LENGTHS, Plan.Rounds.ONE, 1, new Plan.Grain(1 << 20, 1));
        UpdatePass update = new UpdatePass(plan, new Coefficients(LAYERS));
        Step step = new Step(ALL[0]);
        int[][] nothing = new int[LAYERS][];
        Arrays.setAll(nothing, i -> new int[(int) LENGTHS[i]]);
        Tensor w = new Tensor(Where.FLAT, ElementType.FLOAT32, step.weights);
        Tensor h = new Tensor(Where.FLAT, ElementType.BFLOAT16, nothing);
        BlockKernels kernels = kernels(VECTOR, 1, ALL[0], true);
        boolean[] none = new boolean[LAYERS];
        try (Crew crew = new Crew(1)) {
            update.run(
                    crew,
                    kernels.toUpdate(w.operand, w.operand, null, h.operand),
                    w.operand,
                    w.operand,
                    null,
                    h.operand,
                    null,
                    none,
                    none,
                    true,
                    0);
        }
        int[][] halves = new int[LAYERS][];
        for (int i = 0; i < LAYERS; i++) {
            int layer = i;
            halves[i] = new int[(int) LENGTHS[i]];
            Arrays.setAll(halves[i], k -> KernelOracle.nearest(Float.intBitsToFloat(step.weights[layer][k])));
        }
        w.has(step.weights, "weights");
        h.has(halves, "copies");
        assertTrue(halves[0][0] != 0);
    }
}
