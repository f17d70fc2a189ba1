package io.github.lars4j.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.internal.memory.ElementType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A JVM that was started without the module. {@link KernelJvmTest} tests the logged line, which appears once per JVM.
 */
@Tag("no-module")
class NoModuleTest {

    private static Lars build() {
        return Lars.builder(Layers.builder().add("a", 10).build())
                .learningRate(1)
                .build();
    }

    @Test
    void stepsOnTheScalarKernelsAndSaysWhy() {
        assertFalse(ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent());
        assertEquals(ShortRun.EXPECTED, ShortRun.hash(false));
        try (Lars lars = build()) {
            assertEquals(
                    "scalar kernels: module jdk.incubator.vector is missing;"
                            + " add --add-modules jdk.incubator.vector to the java command",
                    lars.kernels());
        }
    }

    @Test
    void stepsOutsideTheHeapOnTheScalarKernels() {
        assertEquals(ShortRun.EXPECTED, ShortRun.hash(true));
        KernelSource source = KernelSource.open(KernelWish.ofProperty());
        assertSame(NativeScalarKernels.INSTANCE, source.placed(KernelKind.float32(KernelKind.Place.OUTSIDE)));
        String reason = "scalar kernels: module jdk.incubator.vector is missing;"
                + " add --add-modules jdk.incubator.vector to the java command";
        assertEquals(reason + System.lineSeparator() + "outside the heap: " + reason, source.describe());
    }

    @Test
    void stepsWithNarrowFormats() {
        assertEquals(NarrowRun.EXPECTED, NarrowRun.hash(false));
        assertEquals(NarrowRun.EXPECTED, NarrowRun.hash(true));
        KernelSource source = KernelSource.open(KernelWish.ofProperty());
        assertNull(source.placed(
                new KernelKind(KernelKind.Place.OFFSETS, ElementType.BFLOAT16, ElementType.BFLOAT16, false, false)));
    }

    @Test
    void refusesToBuildOnVectorKernels() {
        String before = System.setProperty(KernelWish.PROPERTY, "vector");
        try {
            assertEquals(
                    "-Dlars4j.kernels=vector cannot be met: module jdk.incubator.vector is missing;"
                            + " add --add-modules jdk.incubator.vector to the java command",
                    assertThrows(IllegalStateException.class, NoModuleTest::build)
                            .getMessage());
        } finally {
            if (before == null) {
                System.clearProperty(KernelWish.PROPERTY);
            } else {
                System.setProperty(KernelWish.PROPERTY, before);
            }
        }
    }
}
