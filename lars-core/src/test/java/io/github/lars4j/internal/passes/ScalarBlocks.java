package io.github.lars4j.internal.passes;

import io.github.lars4j.internal.kernel.KernelSource;
import io.github.lars4j.internal.kernel.KernelWish;
import io.github.lars4j.internal.memory.Operand;

/** The scalar kernels, as a pass takes them. */
final class ScalarBlocks {

    private ScalarBlocks() {}

    static BlockKernels of(int threads, Operand weights, Operand gradients) {
        KernelWish wish = new KernelWish(KernelWish.Wanted.SCALAR, "a test");
        return new BlockKernels(KernelSource.open(wish), threads).toMeasure(weights, gradients);
    }

    /** Chooses the kernels of pass 1 or, with momentum, of pass 2. */
    static BlockKernels choose(BlockKernels kernels, Operand weights, Operand gradients, Operand momentum) {
        return momentum == null
                ? kernels.toMeasure(weights, gradients)
                : kernels.toUpdate(weights, gradients, momentum, null);
    }
}
