package io.github.lars4j.internal.kernel;

import io.github.lars4j.internal.memory.NativeMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * {@link PlacedKernels} for a float16 gradient, which widen each block of it to float32 and run the kernels of a float32
 * gradient on that. Widening is exact. The loop that widens is plain Java: the JIT vectorises {@link Float#float16ToFloat},
 * for which the Vector API has no operation. Each thread has its own.
 */
public final class WideningKernels implements PlacedKernels {

    /**
     * How much of a block an update widens at a time. The loop that widens waits for the gradient from memory, and the update
     * for weights and momentum; pieces this small let the processor run ahead from one to the other.
     */
    private static final int PIECE = 512;

    private final short[] narrow = new short[Stripes.BLOCK];
    private final float[] wide = new float[Stripes.BLOCK];
    /** The widened block if the other operands lie outside the heap; {@code null} until some do. */
    private MemorySegment outside;

    private PlacedKernels kernels;
    private boolean onHeap;
    /** How far apart successive elements of each operand lie, in the unit of its place. */
    private int weightsStride;

    private int gradientsStride;
    private int momentumStride;
    /** The place of the widened block. */
    private Object base;

    private long at;

    /**
     * Sets the kernels that work on the widened gradient.
     *
     * @param others those of a float32 gradient
     * @param kind the place of all operands and their formats, for which {@code others} are
     */
    public WideningKernels with(PlacedKernels others, KernelKind kind) {
        this.kernels = others;
        this.onHeap = kind.place() != KernelKind.Place.OUTSIDE;
        this.weightsStride = onHeap ? 1 : Float.BYTES;
        this.gradientsStride = onHeap ? 1 : kind.gradients().bytes();
        this.momentumStride = onHeap ? 1 : kind.momentum().bytes();
        if (onHeap) {
            base = wide;
            at = 0;
            return this;
        }
        if (outside == null) {
            outside = Arena.ofAuto().allocate((long) Float.BYTES * Stripes.BLOCK, 64); // a cache line
        }
        base = NativeMemory.Access.ALL;
        at = outside.address();
        return this;
    }

    @Override
    public void measure(
            Object weightsBase,
            long weightsAt,
            Object gradientsBase,
            long gradientsAt,
            int length,
            double[] scratch,
            BlockSums sums,
            int block) {
        widen(gradientsBase, gradientsAt, length);
        kernels.measure(weightsBase, weightsAt, base, at, length, scratch, sums, block);
    }

    @Override
    public void squares(
            Object weightsBase,
            long weightsAt,
            Object gradientsBase,
            long gradientsAt,
            int length,
            double[] scratch,
            BlockSums sums,
            int block) {
        widen(gradientsBase, gradientsAt, length);
        kernels.squares(weightsBase, weightsAt, base, at, length, scratch, sums, block);
    }

    @Override
    public double squares(Object valuesBase, long valuesAt, int length, double[] scratch) {
        return kernels.squares(valuesBase, valuesAt, length, scratch);
    }

    @Override
    public double gradientSquares(Object gradientsBase, long gradientsAt, int length, double[] scratch) {
        widen(gradientsBase, gradientsAt, length);
        return kernels.gradientSquares(base, at, length, scratch);
    }

    @Override
    public void update(
            Object weightsBase,
            long weightsAt,
            Object gradientsBase,
            long gradientsAt,
            Object momentumBase,
            long momentumAt,
            int length,
            float a,
            float b,
            float m,
            float p,
            float v,
            MomentumRounding rounding) {
        for (int from = 0; from < length; from += PIECE) {
            int piece = Math.min(PIECE, length - from);
            widen(gradientsBase, gradientsAt + (long) from * gradientsStride, piece);
            kernels.update(
                    weightsBase,
                    weightsAt + (long) from * weightsStride,
                    base,
                    at,
                    momentumBase,
                    momentumAt + (long) from * momentumStride,
                    piece,
                    a,
                    b,
                    m,
                    p,
                    v,
                    rounding);
            rounding.skip(piece);
        }
    }

    @Override
    public double updateAndSquare(
            Object weightsBase,
            long weightsAt,
            Object gradientsBase,
            long gradientsAt,
            Object momentumBase,
            long momentumAt,
            int length,
            float a,
            float b,
            float m,
            float p,
            float v,
            MomentumRounding rounding,
            double[] scratch) {
        widen(gradientsBase, gradientsAt, length);
        return kernels.updateAndSquare(
                weightsBase, weightsAt, base, at, momentumBase, momentumAt, length, a, b, m, p, v, rounding, scratch);
    }

    @Override
    public void update(
            Object weightsBase,
            long weightsAt,
            Object gradientsBase,
            long gradientsAt,
            int length,
            float a,
            float b,
            float p) {
        widen(gradientsBase, gradientsAt, length);
        kernels.update(weightsBase, weightsAt, base, at, length, a, b, p);
    }

    @Override
    public void round(Object weightsBase, long weightsAt, Object halvesBase, long halvesAt, int length) {
        kernels.round(weightsBase, weightsAt, halvesBase, halvesAt, length);
    }

    private void widen(Object gradientsBase, long gradientsAt, int length) {
        if (onHeap) {
            widen((short[]) gradientsBase, (int) gradientsAt, length);
            return;
        }
        MemorySegment.copy((MemorySegment) gradientsBase, NativeMemory.SHORT, gradientsAt, narrow, 0, length);
        widen(narrow, 0, length);
        MemorySegment.copy(wide, 0, outside, NativeMemory.FLOAT, 0, length);
    }

    private void widen(short[] from, int at, int length) {
        float[] to = wide;
        for (int i = 0; i < length; i++) {
            to[i] = Float.float16ToFloat(from[at + i]);
        }
    }
}
