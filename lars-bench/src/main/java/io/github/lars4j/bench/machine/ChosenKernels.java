package io.github.lars4j.bench.machine;

import io.github.lars4j.Lars;
import io.github.lars4j.internal.kernel.KernelWish;

/** Builds optimizers that run on chosen kernels from their first step, whatever the system property says. */
public final class ChosenKernels {

    private ChosenKernels() {}

    /**
     * Builds an optimizer. The system property is set during the call and restored after it.
     *
     * @param kernels {@code scalar} or {@code vector}
     * @throws IllegalStateException if those kernels cannot run in this JVM; the message says why
     */
    public static Lars build(Lars.Builder builder, String kernels) {
        String before = System.getProperty(KernelWish.PROPERTY);
        System.setProperty(KernelWish.PROPERTY, kernels);
        try {
            return builder.build();
        } finally {
            if (before == null) {
                System.clearProperty(KernelWish.PROPERTY);
            } else {
                System.setProperty(KernelWish.PROPERTY, before);
            }
        }
    }
}
