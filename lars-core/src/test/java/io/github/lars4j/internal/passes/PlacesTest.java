package io.github.lars4j.internal.passes;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.github.lars4j.internal.kernel.CopyKernels;
import io.github.lars4j.internal.kernel.KernelKind;
import io.github.lars4j.internal.kernel.KernelSource;
import io.github.lars4j.internal.kernel.KernelWish;
import io.github.lars4j.internal.kernel.RandomFloats;
import io.github.lars4j.internal.kernel.Stripes;
import io.github.lars4j.internal.memory.ElementType;
import io.github.lars4j.internal.memory.Operand;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The kernels that passes use for operands in different places, and the bits, which are the same for all places. */
class PlacesTest {

    private static final int BLOCK = Stripes.BLOCK;
    private static final int THREADS = 2;
    private static final long[] LENGTHS = {5 * BLOCK + 3, 0, 17, 2 * BLOCK, 1};
    private static final boolean[] WITH_MOMENTUM = {true, true, false, true, true};
    private static final long[] OFFSETS = offsets(3);
    private static final long[] OTHER_OFFSETS = offsets(5);
    private static final float CANARY = 1234.5f;

    private static final KernelSource SCALAR = open(KernelWish.Wanted.SCALAR);
    private static final KernelSource VECTOR = open(KernelWish.Wanted.VECTOR);

    private static KernelSource open(KernelWish.Wanted wanted) {
        return KernelSource.open(new KernelWish(wanted, "a test"));
    }

    /** Returns the offsets of layers with a gap before each. */
    private static long[] offsets(int gap) {
        long[] offsets = new long[LENGTHS.length];
        long next = 0;
        for (int i = 0; i < offsets.length; i++) {
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

    /** Layers with given values, somewhere. */
    private static final class Tensor {

        final Operand operand;
        private final float[][] arrays = new float[LENGTHS.length][];
        private final MemorySegment[] segments = new MemorySegment[LENGTHS.length];
        private final long[] starts;
        /** All memory outside the heap; {@code null} on it. */
        private final MemorySegment memory;

        private final boolean byLayer;

        Tensor(Where where, float[][] values) {
            starts = switch (where) {
                case FLAT, OUTSIDE -> OFFSETS;
                case OTHER_LAYOUT -> OTHER_OFFSETS;
                case BY_LAYER -> new long[LENGTHS.length];
            };
            int end = (int) (starts[LENGTHS.length - 1] + LENGTHS[LENGTHS.length - 1] + 1);
            float[] flat = new float[end];
            Arrays.fill(flat, CANARY);
            for (int i = 0; i < LENGTHS.length; i++) {
                arrays[i] = where == Where.BY_LAYER ? values[i].clone() : flat;
                System.arraycopy(values[i], 0, arrays[i], (int) starts[i], values[i].length);
            }
            memory = where == Where.OUTSIDE ? Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, flat) : null;
            if (memory != null) {
                Arrays.setAll(segments, i -> memory.asSlice(4 * starts[i], 4 * LENGTHS[i]));
            }
            operand = switch (where) {
                case FLAT, OTHER_LAYOUT -> Operand.flat(ElementType.FLOAT32, flat, starts);
                case BY_LAYER -> Operand.byLayer(ElementType.FLOAT32, arrays);
                case OUTSIDE -> Operand.byLayer(ElementType.FLOAT32, segments);
            };
            byLayer = where == Where.BY_LAYER;
        }

        /** Returns the values of the layers, which are on the heap. */
        float[][] values() {
            float[][] values = new float[LENGTHS.length][];
            Arrays.setAll(values, i -> Arrays.copyOfRange(arrays[i], (int) starts[i], (int) (starts[i] + LENGTHS[i])));
            return values;
        }

        /** Asserts that the layers have these values and that nothing between them was written. */
        void has(float[][] expected, String what) {
            float[] flat = memory != null ? memory.toArray(ValueLayout.JAVA_FLOAT) : arrays[0];
            if (!byLayer) {
                float[] whole = new float[flat.length];
                Arrays.fill(whole, CANARY);
                for (int i = 0; i < expected.length; i++) {
                    System.arraycopy(expected[i], 0, whole, (int) starts[i], expected[i].length);
                }
                assertArrayEquals(whole, flat, what);
                return;
            }
            for (int i = 0; i < expected.length; i++) {
                assertArrayEquals(expected[i], arrays[i], what + " of layer " + i);
            }
        }
    }

    private static float[][] random(Random random) {
        float[][] values = new float[LENGTHS.length][];
        for (int i = 0; i < values.length; i++) {
            values[i] = new float[(int) LENGTHS[i]];
            for (int k = 0; k < values[i].length; k++) {
                values[i][k] = RandomFloats.near(random, random.nextInt(8));
            }
        }
        return values;
    }

    private static Operand at(Where where, float[][] values) {
        return new Tensor(where, values).operand;
    }

    @Test
    void thePlacesChooseTheKernels() {
        float[][] values = random(new Random(1));
        Operand flat = at(Where.FLAT, values);
        Operand flatToo = at(Where.FLAT, values);
        Operand byLayer = at(Where.BY_LAYER, values);
        Operand byLayerToo = at(Where.BY_LAYER, values);
        Operand other = at(Where.OTHER_LAYOUT, values);
        Operand outside = at(Where.OUTSIDE, values);
        Operand outsideToo = at(Where.OUTSIDE, values);
        for (KernelSource source : new KernelSource[] {SCALAR, VECTOR}) {
            BlockKernels kernels = new BlockKernels(source, 3);
            arrays(kernels, source, flat, flatToo, null);
            arrays(kernels, source, flat, flatToo, flat);
            arrays(kernels, source, byLayer, byLayerToo, byLayerToo);
            outside(kernels, source, outside, outsideToo, null);
            outside(kernels, source, outside, outside, outsideToo);
            offsets(kernels, source, flat, byLayer, null);
            offsets(kernels, source, flat, flatToo, byLayer);
            offsets(kernels, source, flat, other, null);
            copying(kernels, flat, outside, null);
            copying(kernels, outside, flat, null);
            copying(kernels, outside, flat, flat);
            copying(kernels, flat, flatToo, outside);
            copying(kernels, outside, outsideToo, flat);
            arrays(kernels, source, flat, flatToo, null);
        }
    }

    private static void arrays(BlockKernels kernels, KernelSource source, Operand w, Operand g, Operand m) {
        ScalarBlocks.choose(kernels, w, g, m);
        assertNull(kernels.placed(0));
        assertNull(kernels.placed(2));
        assertSame(source.arrays(), kernels.arrays());
    }

    private static void offsets(BlockKernels kernels, KernelSource source, Operand w, Operand g, Operand m) {
        ScalarBlocks.choose(kernels, w, g, m);
        assertSame(source.placed(KernelKind.float32(KernelKind.Place.OFFSETS)), kernels.placed(0));
        assertSame(source.placed(KernelKind.float32(KernelKind.Place.OFFSETS)), kernels.placed(2));
    }

    private static void outside(BlockKernels kernels, KernelSource source, Operand w, Operand g, Operand m) {
        ScalarBlocks.choose(kernels, w, g, m);
        assertSame(source.placed(KernelKind.float32(KernelKind.Place.OUTSIDE)), kernels.placed(0));
        assertSame(source.placed(KernelKind.float32(KernelKind.Place.OUTSIDE)), kernels.placed(2));
    }

    private static void copying(BlockKernels kernels, Operand w, Operand g, Operand m) {
        ScalarBlocks.choose(kernels, w, g, m);
        CopyKernels first = assertInstanceOf(CopyKernels.class, kernels.placed(0));
        CopyKernels last = assertInstanceOf(CopyKernels.class, kernels.placed(2));
        assertNotSame(first, last, "each thread has its own copies");
        ScalarBlocks.choose(kernels, w, g, m);
        assertSame(first, kernels.placed(0), "which are made once");
        assertSame(last, kernels.placed(2));
    }

    @Test
    void thePassesGiveTheSameBits() {
        Random random = new Random(2);
        float[][] weights = random(random);
        float[][] gradients = random(random);
        float[][] momentum = random(random);
        Plan plan = Plan.of(LENGTHS, Plan.Rounds.ONE, THREADS, new Plan.Grain(1 << 20, 1));
        Coefficients coefficients = new Coefficients(LENGTHS.length);
        for (float[] some :
                new float[][] {coefficients.a, coefficients.b, coefficients.m, coefficients.p, coefficients.v}) {
            for (int i = 0; i < some.length; i++) {
                some[i] = random.nextFloat();
            }
        }
        try (Crew crew = new Crew(THREADS)) {
            for (boolean carry : new boolean[] {false, true}) {
                Result expected = null;
                for (Where w : Where.values()) {
                    for (Where g : Where.values()) {
                        for (Where m : Where.values()) {
                            for (KernelSource source : new KernelSource[] {SCALAR, VECTOR}) {
                                Tensor[] tensors = {
                                    new Tensor(w, weights), new Tensor(g, gradients), new Tensor(m, momentum)
                                };
                                Result result = Result.of(crew, source, plan, coefficients, carry, tensors);
                                String what = w + ", " + g + ", " + m + ", " + source.describe();
                                if (expected == null) {
                                    expected = result;
                                }
                                assertArrayEquals(expected.sums, result.sums, what);
                                tensors[0].has(expected.weights, "weights of " + what);
                                tensors[1].has(gradients, "gradients of " + what);
                                tensors[2].has(expected.momentum, "momentum of " + what);
                            }
                        }
                    }
                }
                assertEquals(carry, expected.sums[expected.sums.length - 1] != 0);
            }
        }
    }

    /** What two passes compute, in flat arrays at first. */
    @SuppressWarnings("ArrayRecordComponent")
    private record Result(double[] sums, float[][] weights, float[][] momentum) {

        static Result of(
                Crew crew,
                KernelSource source,
                Plan plan,
                Coefficients coefficients,
                boolean carry,
                Tensor... tensors) {
            Operand w = tensors[0].operand;
            Operand g = tensors[1].operand;
            Operand m = tensors[2].operand;
            byte[] reads = {
                MeasurePass.ALL, MeasurePass.BOTH, MeasurePass.WEIGHTS, MeasurePass.GRADIENTS, MeasurePass.ALL
            };
            boolean[] updates = {true, true, true, false, true};
            BlockKernels kernels = new BlockKernels(source, THREADS);
            MeasurePass measure = new MeasurePass(plan);
            ScalarBlocks.choose(kernels, w, g, null);
            measure.run(crew, kernels, w, g, reads, 0);
            UpdatePass update = new UpdatePass(plan, coefficients);
            ScalarBlocks.choose(kernels, w, g, m);
            update.run(crew, kernels, w, g, m, null, null, updates, WITH_MOMENTUM, carry, 0);
            double[] sums = new double[4 * LENGTHS.length];
            for (int i = 0; i < LENGTHS.length; i++) {
                sums[i] = measure.weights(i);
                sums[LENGTHS.length + i] = measure.gradients(i);
                sums[2 * LENGTHS.length + i] = measure.products(i);
                sums[3 * LENGTHS.length + i] = update.squares(i);
            }
            return new Result(sums, tensors[0].values(), tensors[2].values());
        }
    }
}
