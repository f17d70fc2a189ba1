package io.github.lars4j.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.github.lars4j.Kernel;
import io.github.lars4j.internal.memory.ElementType;
import java.lang.reflect.Field;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The kernels that {@link KernelSource} returns in this JVM; {@link KernelJvmTest} tests other JVMs. */
class KernelSourceTest {

    private static KernelSource open(String kernels) {
        return Kernel.with(kernels, () -> KernelSource.open(KernelWish.ofProperty()));
    }

    @Test
    void aFloat32MomentumIsNotRounded() {
        assertSame(
                KernelKind.float32(KernelKind.Place.OFFSETS),
                KernelKind.of(KernelKind.Place.OFFSETS, ElementType.FLOAT32, ElementType.FLOAT32, true, false));
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
                        "outside the heap: scalar kernels: asked for by -Dlars4j.kernels=scalar",
                        "arrays with an index each: scalar kernels: asked for by -Dlars4j.kernels=scalar"),
                scalar.describe().lines().toList(),
                "in the order in which they were first asked for");
        assertSame(OffsetScalarKernels.INSTANCE, offsets(scalar));
        assertEquals(3, scalar.describe().lines().count(), "a kind that was asked for again has one line");
        KernelSource vector = open("vector");
        assertSame(VectorKernels.INSTANCE, vector.arrays());
        String asked = "vector kernels, (128|256|512) bits: asked for by -Dlars4j.kernels=vector";
        assertTrue(vector.describe().matches(asked), vector::describe);
        assertSame(NativeVectorKernels.INSTANCE, outside(vector));
        assertTrue(vector.describe().matches(asked + "\\R" + "outside the heap: " + asked), vector::describe);
        assertSame(OffsetVectorKernels.INSTANCE, offsets(vector));
    }

    @Test
    void aJvmNeedNotSayHowItRuns() {
        String mode = System.clearProperty("java.vm.info");
        try {
            assertTrue(open("auto").describe().contains("kernels"));
        } finally {
            System.setProperty("java.vm.info", mode);
        }
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

    /** The scalar kernels of narrow formats copy, each thread on its own, and are not handed out. */
    @Test
    void narrowKindsHaveVectorKernelsOnly() {
        KernelKind halves =
                new KernelKind(KernelKind.Place.OFFSETS, ElementType.BFLOAT16, ElementType.BFLOAT16, false, true);
        KernelKind stochastic =
                new KernelKind(KernelKind.Place.OUTSIDE, ElementType.FLOAT16, ElementType.BFLOAT16, true, false);
        KernelKind gradients =
                new KernelKind(KernelKind.Place.OUTSIDE, ElementType.BFLOAT16, ElementType.FLOAT32, false, false);
        KernelKind onlyHalves =
                new KernelKind(KernelKind.Place.OFFSETS, ElementType.FLOAT32, ElementType.FLOAT32, false, true);
        KernelSource scalar = open("scalar");
        assertNull(scalar.placed(halves));
        assertNull(scalar.placed(stochastic));
        assertNull(scalar.placed(gradients));
        assertSame(OffsetScalarKernels.INSTANCE, scalar.placed(onlyHalves));
        String reason = "scalar kernels: asked for by -Dlars4j.kernels=scalar";
        assertEquals(
                List.of(
                        reason,
                        "arrays with an index each, bfloat16 gradient, bfloat16 momentum, bfloat16 copies of the weights: "
                                + reason,
                        "outside the heap, float16 gradient, bfloat16 momentum, stochastic rounding: " + reason,
                        "outside the heap, bfloat16 gradient: " + reason,
                        "arrays with an index each, bfloat16 copies of the weights: " + reason),
                scalar.describe().lines().toList());
        KernelSource vector = open("vector");
        assertSame(OffsetVectorKernelsBfloat16Bfloat16.INSTANCE, vector.placed(halves));
        assertSame(NativeVectorKernelsFloat32Stochastic.INSTANCE, vector.placed(stochastic));
        assertSame(NativeVectorKernelsBfloat16Float32.INSTANCE, vector.placed(gradients));
        assertSame(OffsetVectorKernels.INSTANCE, vector.placed(onlyHalves));
    }

    /** Each format in use has its trial, and none that is not in use. */
    @Test
    void automaticTriesTheFormatsInUse() {
        goesOver(
                "outside the heap, float16 gradient, bfloat16 momentum: ",
                new KernelKind(KernelKind.Place.OUTSIDE, ElementType.FLOAT16, ElementType.BFLOAT16, false, false),
                null,
                NativeVectorKernelsFloat32Bfloat16.INSTANCE);
    }

    private static void goesOver(String where, KernelKind kind, PlacedKernels scalar, PlacedKernels vector) {
        goesOver(where, kind, source -> source.placed(kind), scalar, vector);
    }

    private static PlacedKernels offsets(KernelSource source) {
        return source.placed(KernelKind.float32(KernelKind.Place.OFFSETS));
    }

    private static PlacedKernels outside(KernelSource source) {
        return source.placed(KernelKind.float32(KernelKind.Place.OUTSIDE));
    }

    private static <K> void goesOver(
            String where, KernelKind kind, Function<KernelSource, K> kernels, K scalar, K vector) {
        Set<KernelKind> before = trialsStarted();
        KernelSource source = open("auto");
        // The first time starts the trial.
        assertTrue(Arrays.asList(scalar, vector).contains(kernels.apply(source)));
        Set<KernelKind> started = trialsStarted();
        assertEquals(!line(source, where).contains("JVM runs in"), started.contains(kind));
        started.removeAll(before);
        assertTrue(List.of(KernelKind.ARRAYS, kind).containsAll(started), () -> "started " + started);
        long start = System.nanoTime();
        String waiting = where + "scalar kernels: the vector kernels are still being compiled and tried";
        while (line(source, where).equals(waiting)) {
            if (System.nanoTime() - start > 60e9) {
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

    /** Returns the kinds whose trials have been started so far. */
    private static Set<KernelKind> trialsStarted() {
        try {
            Field started =
                    Class.forName(KernelSource.class.getName() + "$OfKind").getDeclaredField("TRIAL_STARTED");
            started.setAccessible(true);
            return ((Set<?>) started.get(null))
                    .stream().map(KernelKind.class::cast).collect(Collectors.toSet());
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(e.getMessage(), e);
        }
    }

    /** Returns the line about one kind of memory. */
    private static String line(KernelSource source, String where) {
        return source.describe()
                .lines()
                .filter(line ->
                        where.isEmpty() ? !line.contains("heap") && !line.contains("each") : line.startsWith(where))
                .findFirst()
                .orElseThrow();
    }
}
