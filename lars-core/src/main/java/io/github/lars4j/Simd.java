package io.github.lars4j;

import io.github.lars4j.internal.kernel.KernelWish;

/**
 * Whether an optimizer computes with SIMD kernels. The results are the same bits either way; only the time differs.
 *
 * <p>{@link Lars.Builder#simd} sets it for one optimizer, the system property {@code lars4j.kernels} for all that are
 * built without it.
 */
public enum Simd {
    /**
     * SIMD where a short trial, run in the background, has shown it to be faster; {@code -Dlars4j.kernels=auto}, and
     * the default.
     */
    AUTO(KernelWish.Wanted.AUTO),

    /** No SIMD; {@code -Dlars4j.kernels=scalar}. */
    OFF(KernelWish.Wanted.SCALAR),

    /**
     * SIMD from the first step, without a trial; building the optimizer fails if it cannot run; {@code
     * -Dlars4j.kernels=vector}.
     */
    REQUIRED(KernelWish.Wanted.VECTOR);

    private final KernelWish.Wanted kernels;

    Simd(KernelWish.Wanted kernels) {
        this.kernels = kernels;
    }

    KernelWish wish() {
        return new KernelWish(kernels, "simd(" + name() + ")");
    }
}
