package io.github.lars4j.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.github.lars4j.Kernel;
import java.lang.reflect.Field;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** The kernels that {@link KernelSource} returns in this JVM; {@link KernelJvmTest} tests other JVMs. */
class KernelSourceTest {

    private static KernelSource open(String kernels) {
        return Kernel.with(kernels, () -> KernelSource.open(KernelWish.ofProperty()));
    }

    @Test
    void whatIsAskedForIsHandedOutAtOnce() {
        KernelSource scalar = open("scalar");
        assertSame(ScalarKernels.INSTANCE, scalar.arrays());
        assertEquals("scalar kernels: asked for by -Dlars4j.kernels=scalar", scalar.describe());
        assertSame(NativeScalarKernels.INSTANCE, outside(scalar));
        assertEquals(
                "scalar kernels: asked for by -Dlars4j.kernels=scalar" + System.lineSeparator()
                        + "outside the heap: scalar kernels: asked for by -Dlars4j.kernels=scalar",
                scalar.describe());
        assertSame(OffsetScalarKernels.INSTANCE, offsets(scalar));
        assertEquals(
                List.of(
                        "scalar kernels: asked for by -Dlars4j.kernels=scalar",
                        "arrays with an index each: scalar kernels: asked for by -Dlars4j.kernels=scalar",
                        "outside the heap: scalar kernels: asked for by -Dlars4j.kernels=scalar"),
                scalar.describe().lines().toList());
        KernelSource vector = open("vector");
        assertSame(VectorKernels.INSTANCE, vector.arrays());
        String asked = "vector kernels, (128|256|512) bits: asked for by -Dlars4j.kernels=vector";
        assertTrue(vector.describe().matches(asked), vector::describe);
        assertSame(NativeVectorKernels.INSTANCE, outside(vector));
        assertTrue(vector.describe().matches(asked + "\\R" + "outside the heap: " + asked), vector::describe);
        assertSame(OffsetVectorKernels.INSTANCE, offsets(vector));
    }

    @Test
    void automaticWaitsOnTheScalarKernelsAndGoesOverWhenTheTrialHasEnded() {
        goesOver("", KernelKind.ARRAYS, KernelSource::arrays, ScalarKernels.INSTANCE, VectorKernels.INSTANCE);
    }

    /** Each kind of memory has a trial of its own, which a first step outside the heap starts. */
    @Test
    void soDoesAutomaticOutsideTheHeap() {
        goesOver(
                "outside the heap: ",
                KernelKind.float32(KernelKind.Place.OUTSIDE),
                KernelSourceTest::outside,
                NativeScalarKernels.INSTANCE,
                NativeVectorKernels.INSTANCE);
    }

    @Test
    void soDoesAutomaticForArraysWithAnIndexEach() {
        goesOver(
                "arrays with an index each: ",
                KernelKind.float32(KernelKind.Place.OFFSETS),
                KernelSourceTest::offsets,
                OffsetScalarKernels.INSTANCE,
                OffsetVectorKernels.INSTANCE);
    }

    private static PlacedKernels offsets(KernelSource source) {
        return source.placed(KernelKind.float32(KernelKind.Place.OFFSETS));
    }

    private static PlacedKernels outside(KernelSource source) {
        return source.placed(KernelKind.float32(KernelKind.Place.OUTSIDE));
    }

    private static <K> void goesOver(
            String where, KernelKind kind, Function<KernelSource, K> kernels, K scalar, K vector) {
        KernelSource source = open("auto");
        assertNotNull(kernels.apply(source)); // the first time starts the trial
        assertEquals(!line(source, where).contains("JVM runs in"), trialStarted(kind));
        long before = System.nanoTime();
        String waiting = where + "scalar kernels: the vector kernels are still being compiled and tried";
        while (line(source, where).equals(waiting)) {
            if (System.nanoTime() - before > 60e9) {
                fail("the trial has not ended for a minute");
            }
            K now = kernels.apply(source);
            if (line(source, where).equals(waiting)) {
                assertSame(scalar, now);
            }
            Thread.onSpinWait();
        }
        // The result depends on the machine.
        boolean faster = vector.equals(kernels.apply(source));
        assertSame(faster ? vector : scalar, kernels.apply(source));
        String line = line(source, where);
        assertTrue(
                line.matches(
                        faster
                                ? where + "vector kernels, \\d+ bits: tried and seen to be faster than .*"
                                : where
                                        + "scalar kernels: the (vector kernels were tried and were not faster|JVM runs in .*)"),
                line);
        KernelSource next = open("auto");
        assertSame(kernels.apply(source), kernels.apply(next), "the next source has the result at once");
        assertEquals(line, line(next, where));
    }

    private static boolean trialStarted(KernelKind kind) {
        try {
            Field started =
                    Class.forName(KernelSource.class.getName() + "$OfKind").getDeclaredField("TRIAL_STARTED");
            started.setAccessible(true);
            return ((Set<?>) started.get(null)).contains(kind);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(e.getMessage(), e);
        }
    }

    /** Returns the line about one kind of memory. */
    private static String line(KernelSource source, String where) {
        return source.describe()
                .lines()
                .filter(line ->
                        where.isEmpty() ? !line.contains("heap: ") && !line.contains("each: ") : line.startsWith(where))
                .findFirst()
                .orElseThrow();
    }
}
