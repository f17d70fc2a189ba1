package io.github.lars4j.internal.passes;

import io.github.lars4j.internal.kernel.CopyKernels;
import io.github.lars4j.internal.kernel.KernelKind;
import io.github.lars4j.internal.kernel.KernelSource;
import io.github.lars4j.internal.kernel.Kernels;
import io.github.lars4j.internal.kernel.PlacedKernels;
import io.github.lars4j.internal.kernel.ScalarKernels;
import io.github.lars4j.internal.kernel.WideningKernels;
import io.github.lars4j.internal.memory.ElementType;
import io.github.lars4j.internal.memory.NativeMemory;
import io.github.lars4j.internal.memory.Operand;
import java.util.Arrays;

/**
 * The kernels of a pass, chosen by where its operands lie and by their formats: those for arrays if all operands lie in
 * arrays, with or without the same index; those for memory outside the heap if all operands lie there; and otherwise copying
 * ones, which are also the scalar kernels of narrow formats. A float16 gradient is widened first.
 */
public final class BlockKernels {

    private final KernelSource source;
    private final int threads;
    /** For each thread; {@code null} until they are needed. */
    private CopyKernels[] copying;

    private WideningKernels[] widening;

    /** The kinds of kernels of this step, on the heap and outside it. */
    private KernelKind offsets = KernelKind.float32(KernelKind.Place.OFFSETS);

    private KernelKind outside = KernelKind.float32(KernelKind.Place.OUTSIDE);

    private Kernels arrays;
    /** The kernels for places; unused if other ones are in use. */
    private PlacedKernels placed;

    /** Which of them are in use. */
    private enum Use {
        ARRAYS,
        PLACED,
        WIDENING,
        COPYING
    }

    private Use use = Use.ARRAYS;

    public BlockKernels(KernelSource source, int threads) {
        this.source = source;
        this.threads = threads;
    }

    /**
     * Sets the formats of a step that begins now. Both passes use kernels of the same kind, so that one trial suffices.
     *
     * @param momentum the type of the momentum, {@link ElementType#FLOAT32} if there is none
     * @param stochastic whether a bfloat16 momentum is rounded stochastically
     * @param halves whether the step writes bfloat16 copies of the weights
     */
    public void formats(ElementType gradients, ElementType momentum, boolean stochastic, boolean halves) {
        offsets = KernelKind.of(KernelKind.Place.OFFSETS, gradients, momentum, stochastic, halves);
        outside = KernelKind.of(KernelKind.Place.OUTSIDE, gradients, momentum, stochastic, halves);
    }

    /** Chooses the kernels of pass 1. */
    public BlockKernels toMeasure(Operand weights, Operand gradients) {
        return choose(
                gradients.type() == ElementType.FLOAT32 && weights.isAlongside(gradients),
                weights.onHeap(),
                weights.onHeap() == gradients.onHeap());
    }

    /**
     * Chooses the kernels of pass 2.
     *
     * @param momentum {@code null} if there is none
     * @param halves where bfloat16 copies of the weights go; {@code null} if there are none
     */
    public BlockKernels toUpdate(Operand weights, Operand gradients, Operand momentum, Operand halves) {
        Operand third = momentum == null ? weights : momentum;
        Operand fourth = halves == null ? weights : halves;
        boolean onHeap = weights.onHeap();
        return choose(
                offsets.isFloat32() && halves == null && weights.isAlongside(gradients) && weights.isAlongside(third),
                onHeap,
                onHeap == gradients.onHeap() && onHeap == third.onHeap() && onHeap == fourth.onHeap());
    }

    private BlockKernels choose(boolean inArrays, boolean onHeap, boolean together) {
        placed = null;
        if (inArrays) {
            use = Use.ARRAYS;
            arrays = source.arrays();
            return this;
        }
        boolean reachable = together && (onHeap || NativeMemory.isAllowed());
        if (reachable) {
            placed = source.placed(onHeap ? offsets : outside);
        }
        if (placed != null && offsets.gradients() == ElementType.FLOAT16) {
            use = Use.WIDENING;
            widenFor(placed, onHeap);
        } else if (placed != null) {
            use = Use.PLACED;
        } else {
            use = Use.COPYING;
            copyWith(reachable ? ScalarKernels.INSTANCE : source.arrays());
        }
        return this;
    }

    private void copyWith(Kernels kernels) {
        if (copying == null) {
            copying = new CopyKernels[threads];
            Arrays.setAll(copying, thread -> new CopyKernels());
        }
        for (CopyKernels copies : copying) {
            copies.with(kernels, offsets);
        }
    }

    private void widenFor(PlacedKernels kernels, boolean onHeap) {
        if (widening == null) {
            widening = new WideningKernels[threads];
            Arrays.setAll(widening, thread -> new WideningKernels());
        }
        for (WideningKernels each : widening) {
            each.with(kernels, onHeap ? offsets : outside);
        }
    }

    /** Returns the kernels for arrays, if {@link #placed} returns none. */
    Kernels arrays() {
        return arrays;
    }

    /** Returns the kernels of a thread for operands that lie elsewhere; {@code null} if all lie in arrays. */
    PlacedKernels placed(int thread) {
        return switch (use) {
            case ARRAYS -> null;
            case PLACED -> placed;
            case WIDENING -> widening[thread];
            case COPYING -> copying[thread];
        };
    }
}
