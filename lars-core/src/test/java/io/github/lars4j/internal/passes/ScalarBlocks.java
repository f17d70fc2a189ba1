package io.github.lars4j.internal.passes;

import io.github.lars4j.internal.kernel.KernelSource;
import io.github.lars4j.internal.kernel.KernelWish;
import io.github.lars4j.internal.memory.Operand;

/** The scalar kernels, as a pass takes them. */
final class ScalarBlocks {

    private ScalarBlocks() {}

    static BlockKernels of(int threads, Operand weights, Operand gradients) {
        KernelWish wish = new KernelWish(KernelWish.Wanted.SCALAR, "a test");
        return new BlockKernels(KernelSource.open(wish), threads).choose(weights, gradients, null);
    }
}
