package io.github.lars4j.internal.passes;

import io.github.lars4j.internal.kernel.CopyKernels;
import io.github.lars4j.internal.kernel.KernelSource;
import io.github.lars4j.internal.kernel.Kernels;
import io.github.lars4j.internal.kernel.PlacedKernels;
import io.github.lars4j.internal.memory.NativeMemory;
import io.github.lars4j.internal.memory.Operand;

/**
 * The kernels of a pass, chosen by where its operands lie: those for arrays if all operands lie in arrays, with or without
 * the same index; those for memory outside the heap if all operands lie there; and otherwise copying ones.
 */
public final class BlockKernels {

    private final KernelSource source;
    private final int threads;
    /** For each thread; {@code null} until they are needed. */
    private CopyKernels[] copying;

    private Kernels arrays;
    /** The kernels for places; unused if {@link #arrays} or {@link #copying} are in use. */
    private PlacedKernels placed;

    /** Which of the three are in use. */
    private enum Use {
        ARRAYS,
        PLACED,
        COPYING
    }

    private Use use = Use.ARRAYS;

    public BlockKernels(KernelSource source, int threads) {
        this.source = source;
        this.threads = threads;
    }

    /**
     * Chooses the kernels of a pass that begins now.
     *
     * @param momentum {@code null} if the pass has none
     * @return this
     */
    public BlockKernels choose(Operand weights, Operand gradients, Operand momentum) {
        Operand third = momentum == null ? weights : momentum;
        if (weights.isAlongside(gradients) && weights.isAlongside(third)) {
            use = Use.ARRAYS;
            arrays = source.arrays();
        } else if (weights.onHeap() && gradients.onHeap() && third.onHeap()) {
            use = Use.PLACED;
            placed = source.offsets();
        } else if (NativeMemory.isAllowed() && !weights.onHeap() && !gradients.onHeap() && !third.onHeap()) {
            use = Use.PLACED;
            placed = source.outside();
        } else {
            use = Use.COPYING;
            copyWith(source.arrays());
        }
        return this;
    }

    private void copyWith(Kernels kernels) {
        if (copying == null) {
            copying = new CopyKernels[threads];
            for (int thread = 0; thread < threads; thread++) {
                copying[thread] = new CopyKernels();
            }
        }
        for (CopyKernels copies : copying) {
            copies.with(kernels);
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
            case COPYING -> copying[thread];
        };
    }
}
