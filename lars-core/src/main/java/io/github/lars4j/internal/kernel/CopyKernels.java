package io.github.lars4j.internal.kernel;

import io.github.lars4j.internal.memory.Bfloat16;
import io.github.lars4j.internal.memory.ElementType;
import io.github.lars4j.internal.memory.NativeMemory;
import java.lang.foreign.MemorySegment;

/**
 * {@link PlacedKernels} that copy each block into {@code float[]}, run {@link Kernels} on the copies, and copy back what
 * these write. A base may be an array or a {@link MemorySegment}, a different one for each argument, and gradient and
 * momentum may be narrow: copying widens them, and rounds the momentum when it is copied back. Needs no native access. Each
 * thread has its own.
 *
 * <p>These are also the scalar kernels of narrow formats, because the JIT vectorises the loops of {@link ScalarKernels}
 * only over {@code float[]}.
 */
public final class CopyKernels implements PlacedKernels {

    private final float[] weightsCopy = new float[Stripes.BLOCK];
    private final float[] gradientsCopy = new float[Stripes.BLOCK];
    private final float[] momentumCopy = new float[Stripes.BLOCK];
    /** Elements of a narrow type on their way from or to a segment. */
    private final short[] narrowCopy = new short[Stripes.BLOCK];

    private Kernels kernels;
    private KernelKind kind;

    /** Sets the kernels that work on the copies, and the formats of gradient and momentum. */
    public CopyKernels with(Kernels others, KernelKind kind) {
        this.kernels = others;
        this.kind = kind;
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
        copyGradients(gradientsBase, gradientsAt, length);
        kernels.measure(weightsCopy, gradientsCopy, 0, length, scratch, sums, block);
    }

    @Override
    public double squares(Object valuesBase, long valuesAt, int length, double[] scratch) {
        copy(valuesBase, valuesAt, weightsCopy, length);
        return kernels.squares(weightsCopy, 0, length, scratch);
    }

    @Override
    public double gradientSquares(Object gradientsBase, long gradientsAt, int length, double[] scratch) {
        copyGradients(gradientsBase, gradientsAt, length);
        return kernels.squares(gradientsCopy, 0, length, scratch);
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
        copy(weightsBase, weightsAt, weightsCopy, length);
        copyGradients(gradientsBase, gradientsAt, length);
        copy(kind.momentum(), momentumBase, momentumAt, momentumCopy, length);
        kernels.update(weightsCopy, gradientsCopy, momentumCopy, 0, length, a, b, m, p, v);
        if (kind.momentum() == ElementType.FLOAT32) {
            copyBack(momentumCopy, momentumBase, momentumAt, length);
        } else {
            roundBack(rounding, momentumBase, momentumAt, length);
        }
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
        copyGradients(gradientsBase, gradientsAt, length);
        kernels.update(weightsCopy, gradientsCopy, 0, length, a, b, p);
        copyBack(weightsCopy, weightsBase, weightsAt, length);
    }

    @Override
    public void round(Object weightsBase, long weightsAt, Object halvesBase, long halvesAt, int length) {
        copy(weightsBase, weightsAt, weightsCopy, length);
        // The trial of the kernels for arrays does not round, so those of vectors may not be compiled yet.
        ScalarKernels.INSTANCE.round(weightsCopy, narrowCopy, 0, length);
        copyBack(narrowCopy, halvesBase, halvesAt, length);
    }

    private void copyGradients(Object base, long at, int length) {
        copy(kind.gradients(), base, at, gradientsCopy, length);
    }

    private void copy(ElementType type, Object base, long at, float[] copy, int length) {
        switch (type) {
            case FLOAT32 -> copy(base, at, copy, length);
            case BFLOAT16 -> {
                copy(base, at, narrowCopy, length);
                for (int i = 0; i < length; i++) {
                    copy[i] = Bfloat16.toFloat(narrowCopy[i]);
                }
            }
            case FLOAT16 -> {
                copy(base, at, narrowCopy, length);
                for (int i = 0; i < length; i++) {
                    copy[i] = Float.float16ToFloat(narrowCopy[i]);
                }
            }
        }
    }

    /** Rounds the copy of the momentum and copies it back. */
    private void roundBack(MomentumRounding rounding, Object base, long at, int length) {
        int largest = 0;
        if (kind.stochastic()) {
            long key = rounding.key();
            for (int i = 0; i < length; i++) {
                short rounded = Bfloat16.stochastic(momentumCopy[i], RandomBits.of(key, i));
                largest = Math.max(largest, rounded & 0x7fff);
                narrowCopy[i] = rounded;
            }
        } else {
            for (int i = 0; i < length; i++) {
                short rounded = Bfloat16.nearest(momentumCopy[i]);
                largest = Math.max(largest, rounded & 0x7fff);
                narrowCopy[i] = rounded;
            }
        }
        rounding.note(!Bfloat16.isFinite(largest));
        copyBack(narrowCopy, base, at, length);
    }

    private static void copy(Object base, long at, float[] copy, int length) {
        if (base instanceof float[] array) {
            System.arraycopy(array, (int) at, copy, 0, length);
        } else {
            MemorySegment.copy((MemorySegment) base, NativeMemory.FLOAT, at, copy, 0, length);
        }
    }

    private static void copy(Object base, long at, short[] copy, int length) {
        if (base instanceof short[] array) {
            System.arraycopy(array, (int) at, copy, 0, length);
        } else {
            MemorySegment.copy((MemorySegment) base, NativeMemory.SHORT, at, copy, 0, length);
        }
    }

    private static void copyBack(float[] copy, Object base, long at, int length) {
        if (base instanceof float[] array) {
            System.arraycopy(copy, 0, array, (int) at, length);
        } else {
            MemorySegment.copy(copy, 0, (MemorySegment) base, NativeMemory.FLOAT, at, length);
        }
    }

    private static void copyBack(short[] copy, Object base, long at, int length) {
        if (base instanceof short[] array) {
            System.arraycopy(copy, 0, array, (int) at, length);
        } else {
            MemorySegment.copy(copy, 0, (MemorySegment) base, NativeMemory.SHORT, at, length);
        }
    }
}
