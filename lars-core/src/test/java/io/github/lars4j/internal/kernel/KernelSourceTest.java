package io.github.lars4j.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.github.lars4j.Kernel;
import org.junit.jupiter.api.Test;

/** The kernels that {@link KernelSource} returns in this JVM; {@link KernelJvmTest} tests other JVMs. */
class KernelSourceTest {

    private static KernelSource open(String kernels) {
        return Kernel.with(kernels, () -> KernelSource.open(KernelWish.ofProperty()));
    }

    @Test
    void whatIsAskedForIsHandedOutAtOnce() {
        KernelSource scalar = open("scalar");
        assertSame(ScalarKernels.INSTANCE, scalar.kernels());
        assertEquals("scalar kernels: asked for by -Dlars4j.kernels=scalar", scalar.describe());
        KernelSource vector = open("vector");
        assertSame(VectorKernels.INSTANCE, vector.kernels());
        assertTrue(
                vector.describe().matches("vector kernels, (128|256|512) bits: asked for by -Dlars4j.kernels=vector"),
                vector::describe);
    }

    @Test
    void automaticWaitsOnTheScalarKernelsAndGoesOverWhenTheTrialHasEnded() {
        KernelSource source = open("auto");
        long before = System.nanoTime();
        while (source.describe().equals("scalar kernels: the vector kernels are still being compiled and tried")) {
            if (System.nanoTime() - before > 60e9) {
                fail("the trial has not ended for a minute");
            }
            Kernels kernels = source.kernels();
            if (source.describe().contains("still")) {
                assertSame(ScalarKernels.INSTANCE, kernels);
            }
            Thread.onSpinWait();
        }
        // The result depends on the machine.
        boolean vector = source.kernels() == VectorKernels.INSTANCE;
        assertTrue(
                source.describe()
                        .matches(
                                vector
                                        ? "vector kernels, \\d+ bits: tried and seen to be faster than .*"
                                        : "scalar kernels: the (vector kernels were tried and were not faster|JVM runs in .*)"),
                source::describe);
        KernelSource next = open("auto");
        assertEquals(source.describe(), next.describe(), "before a step has asked for kernels");
        assertSame(source.kernels(), next.kernels(), "the next source has the result at once");
    }
}
