package io.github.lars4j;

import io.github.lars4j.internal.kernel.KernelWish;

/**
 * Whether an optimizer uses SIMD kernels. This affects only the time of a step; the results are identical to the bit.
 *
 * <p>{@link Lars.Builder#simd} sets it for one optimizer. For optimizers that are built without it, the system property
 * {@code lars4j.kernels} decides.
 */
public enum Simd {
    /**
     * SIMD kernels if a short trial in the background shows that they are faster, and scalar kernels until then. The
     * default; same as {@code -Dlars4j.kernels=auto}.
     */
    AUTO(KernelWish.Wanted.AUTO),

    /** Scalar kernels; same as {@code -Dlars4j.kernels=scalar}. */
    OFF(KernelWish.Wanted.SCALAR),

    /**
     * SIMD kernels from the first step on, without a trial; same as {@code -Dlars4j.kernels=vector}. {@link
     * Lars.Builder#build} throws an {@link IllegalStateException} if SIMD is not available.
     */
    REQUIRED(KernelWish.Wanted.VECTOR);

    private final KernelWish.Wanted kernels;

    Simd(KernelWish.Wanted kernels) {
        this.kernels = kernels;
    }

    /** Returns this choice as the kernels understand it. */
    KernelWish wish() {
        return new KernelWish(kernels, "simd(" + name() + ")");
    }
}
