package io.github.lars4j.internal.kernel;

import io.github.lars4j.internal.memory.NativeMemory;
import java.lang.foreign.MemorySegment;

/**
 * {@link PlacedKernels} that copy each block into arrays, run {@link Kernels} on the copies, and copy back what these
 * write. A base may be a {@code float[]} or a {@link MemorySegment}, a different one for each argument. Needs no native
 * access. Each thread has its own.
 */
public final class CopyKernels implements PlacedKernels {

    private final float[] weightsCopy = new float[Stripes.BLOCK];
    private final float[] gradientsCopy = new float[Stripes.BLOCK];
    private final float[] momentumCopy = new float[Stripes.BLOCK];
    private Kernels kernels;

    /** Sets the kernels that work on the copies. */
    public CopyKernels with(Kernels others) {
        kernels = others;
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
        copy(weightsBase, weightsAt, weightsCopy, length);
        copy(gradientsBase, gradientsAt, gradientsCopy, length);
        kernels.measure(weightsCopy, gradientsCopy, 0, length, scratch, sums, block);
    }

    @Override
    public double squares(Object valuesBase, long valuesAt, int length, double[] scratch) {
        copy(valuesBase, valuesAt, weightsCopy, length);
        return kernels.squares(weightsCopy, 0, length, scratch);
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
            float v) {
        copy(weightsBase, weightsAt, weightsCopy, length);
        copy(gradientsBase, gradientsAt, gradientsCopy, length);
        copy(momentumBase, momentumAt, momentumCopy, length);
        kernels.update(weightsCopy, gradientsCopy, momentumCopy, 0, length, a, b, m, p, v);
        copyBack(momentumCopy, momentumBase, momentumAt, length);
        copyBack(weightsCopy, weightsBase, weightsAt, length);
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
        copy(weightsBase, weightsAt, weightsCopy, length);
        copy(gradientsBase, gradientsAt, gradientsCopy, length);
        kernels.update(weightsCopy, gradientsCopy, 0, length, a, b, p);
        copyBack(weightsCopy, weightsBase, weightsAt, length);
    }

    private static void copy(Object base, long at, float[] copy, int length) {
        if (base instanceof float[] array) {
            System.arraycopy(array, (int) at, copy, 0, length);
        } else {
            MemorySegment.copy((MemorySegment) base, NativeMemory.FLOAT, at, copy, 0, length);
        }
    }

    private static void copyBack(float[] copy, Object base, long at, int length) {
        if (base instanceof float[] array) {
            System.arraycopy(copy, 0, array, (int) at, length);
        } else {
            MemorySegment.copy(copy, 0, (MemorySegment) base, NativeMemory.FLOAT, at, length);
        }
    }
}
