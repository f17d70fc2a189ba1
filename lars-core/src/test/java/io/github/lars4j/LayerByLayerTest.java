package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Steps that take one layer after the other. */
class LayerByLayerTest {

    private static final Layers LAYERS = Layers.builder()
            .add("a", 9000)
            .add("none", 0)
            .at(9007)
            .add("b", 5, Treatment.PLAIN)
            .add("c", 4096)
            .add("d", 20_000)
            .build();

    private static final int END = (int) LAYERS.end();
    private static final int MOST = 20_000;

    /** Where the weights lie. */
    private enum Weights {
        FLAT,
        BY_LAYER,
        NATIVE
    }

    private static Lars.Builder builder() {
        return Lars.builder(LAYERS)
                .learningRate(0.5)
                .momentum(0.9)
                .weightDecay(0.01)
                .trustCoefficient(0.1)
                .onBadGradient(OnBadGradient.SKIP_LAYER);
    }

    /** The bits are those of whole steps, in any order of the layers, wherever weights and gradients lie. */
    @Test
    void theBitsAreThoseOfWholeSteps() {
        int layers = 0;
        int seed = 0;
        for (Weights kind : Weights.values()) {
            for (boolean outside : new boolean[] {false, true}) {
                for (int threads : new int[] {1, 3}) {
                    for (boolean carry : new boolean[] {false, true}) {
                        for (Rule rule : List.of(Dialects.PAPER, Dialects.SNIPPET, Dialects.MLPERF)) {
                            layers += compare(seed++, kind, outside, threads, carry, rule);
                        }
                    }
                }
            }
        }
        System.out.println(layers + " layers taken one by one, with the bits of whole steps");
        assertTrue(layers > 300);
    }

    private static int compare(int seed, Weights kind, boolean outside, int threads, boolean carry, Rule rule) {
        Random random = new Random(seed);
        String name = kind + ", gradients " + (outside ? "outside" : "on") + " the heap, " + threads + " threads, seed "
                + seed;
        float[] expected = new float[END];
        fill(random, expected, 1);
        int taken = 0;
        try (Arena arena = Arena.ofShared();
                Lars whole = Inside.inSmallRounds(builder().rule(rule))
                        .carrySums(carry)
                        .build();
                Lars single = Inside.inSmallRounds(builder().rule(rule))
                        .carrySums(carry)
                        .parallelism(threads)
                        .nativeMomentum(kind == Weights.NATIVE)
                        .build()) {
            Tensors weights = place(kind, arena, expected);
            float[] all = new float[END];
            float[] buffer = new float[MOST];
            MemorySegment segment = arena.allocate(4L * MOST + 8, 64).asSlice(4);
            List<Integer> order = new ArrayList<>(List.of(0, 1, 2, 3, 4));
            for (int step = 0; step < 6; step++) {
                fill(random, all, 0.01);
                Gradients gradients = Gradients.of(all).scale(step % 2 == 0 ? 1 : 0.25);
                int missing = random.nextInt(8);
                for (int i = 0; i < LAYERS.size(); i++) {
                    gradients.missing(i, i == missing);
                }
                int bad = random.nextInt(8);
                if (bad < LAYERS.size() && LAYERS.get(bad).length() > 0) {
                    all[(int) LAYERS.get(bad).end() - 1] = Float.NaN;
                }
                StepReport report = whole.step(expected, gradients);
                Collections.shuffle(order, random);
                single.beginStep(weights, step % 2 == 0 ? 1 : 0.25);
                for (int i : order) {
                    if (i != missing) {
                        Layer layer = LAYERS.get(i);
                        Arrays.fill(buffer, Float.NaN); // behind the layer's gradient
                        System.arraycopy(all, (int) layer.offset(), buffer, 0, (int) layer.length());
                        MemorySegment.copy(buffer, 0, segment, ValueLayout.JAVA_FLOAT, 0, MOST);
                        Outcome outcome = outside ? single.applyLayer(i, segment) : single.applyLayer(i, buffer);
                        assertEquals(report.outcome(i), outcome, name);
                        taken++;
                    }
                }
                assertEquals(report.toString(), single.endStep().toString(), name);
                assertEquals(whole.steps(), single.steps());
                assertArrayEquals(bits(expected), bits(read(weights)), name + ", step " + step);
                assertArrayEquals(bits(Inside.momentum(whole)), bits(Inside.momentum(single)), name + ", step " + step);
            }
        }
        return taken;
    }

    /** How the momentum is stored. */
    private enum Stored {
        FLOAT32,
        NEAREST,
        STOCHASTIC
    }

    /** These rules need Σw·g, and the random bits of a rounding depend on the step and on the layer. */
    @Test
    void soAreThoseOfRulesThatNeedProductsAndOfNarrowFormats() {
        int layers = 0;
        int seed = 100;
        for (Rule rule : List.of(Dialects.OPTAX, Dialects.BARLOW_TWINS)) {
            for (Simd simd : new Simd[] {Simd.OFF, Simd.REQUIRED}) {
                for (Stored stored : Stored.values()) {
                    for (Format format : Format.values()) {
                        layers += compareNarrow(seed, rule, simd, 1 + seed % 2, stored, format);
                        seed++;
                    }
                }
            }
        }
        System.out.println(
                layers + " layers of other rules and formats taken one by one, with the bits of whole steps");
        assertTrue(layers > 300);
    }

    private static Lars.Builder narrow(Rule rule, Stored stored) {
        Lars.Builder builder = Inside.inSmallRounds(builder().rule(rule))
                .momentumFormat(stored == Stored.FLOAT32 ? Format.FLOAT32 : Format.BFLOAT16);
        return stored == Stored.STOCHASTIC ? builder.stochasticRounding(11) : builder;
    }

    private static int compareNarrow(int seed, Rule rule, Simd simd, int threads, Stored stored, Format format) {
        Random random = new Random(seed);
        Weights kind = Weights.values()[random.nextInt(Weights.values().length)];
        boolean carry = random.nextBoolean();
        String name = rule + ", " + simd + ", " + threads + " threads, momentum " + stored + ", gradients " + format
                + ", weights " + kind + ", carry " + carry;
        float[] expected = new float[END];
        fill(random, expected, 1);
        int taken = 0;
        try (Arena arena = Arena.ofShared();
                Lars whole = narrow(rule, stored).simd(Simd.OFF).build();
                Lars single = narrow(rule, stored)
                        .simd(simd)
                        .carrySums(carry)
                        .parallelism(threads)
                        .nativeMomentum(kind == Weights.NATIVE)
                        .build()) {
            Tensors weights = place(kind, arena, expected);
            float[] all = new float[END];
            short[] narrow = new short[END];
            List<Integer> order = new ArrayList<>(List.of(0, 1, 2, 3, 4));
            for (int step = 0; step < 2; step++) {
                fill(random, all, 0.01);
                for (int e = 0; e < END && format != Format.FLOAT32; e++) {
                    narrow[e] = format.toShort(all[e]);
                }
                int missing = random.nextInt(8);
                Gradients gradients =
                        Gradients.of(format == Format.FLOAT32 ? Tensors.flat(all) : Tensors.flat(format, narrow));
                for (int i = 0; i < LAYERS.size(); i++) {
                    gradients.missing(i, i == missing);
                }
                whole.step(Tensors.flat(expected), gradients);
                Collections.shuffle(order, random);
                single.beginStep(weights);
                for (int i : order) {
                    if (i != missing) {
                        apply(single, i, format, all, narrow, random.nextBoolean() ? arena : null);
                        taken++;
                    }
                }
                single.endStep();
                Bits.assertSame(expected, read(weights), name + ", weights of step " + step);
                Bits.assertSame(Inside.momentum(whole), Inside.momentum(single), name + ", momentum of step " + step);
            }
        }
        return taken;
    }

    /** Applies a layer, with its gradient in an array of its own or in memory of an arena. */
    private static void apply(Lars lars, int layer, Format format, float[] all, short[] narrow, Arena arena) {
        if (format == Format.FLOAT32) {
            float[] gradient = gradientOf(layer, all);
            if (arena == null) {
                lars.applyLayer(layer, gradient);
            } else {
                lars.applyLayer(layer, arena.allocateFrom(ValueLayout.JAVA_FLOAT, gradient));
            }
            return;
        }
        Layer of = LAYERS.get(layer);
        short[] gradient = Arrays.copyOfRange(narrow, (int) of.offset(), (int) of.end());
        if (arena == null) {
            lars.applyLayer(layer, format, gradient);
        } else {
            lars.applyLayer(layer, format, arena.allocateFrom(ValueLayout.JAVA_SHORT, gradient));
        }
    }

    @Test
    void theBitsAreThoseOfWholeStepsWithoutMomentum() {
        float[] whole = new float[END];
        fill(new Random(1), whole, 1);
        float[] single = whole.clone();
        float[] gradients = new float[END];
        fill(new Random(2), gradients, 0.01);
        try (Lars one = builder().momentum(0).build();
                Lars other = builder().momentum(0).build()) {
            one.step(whole, gradients);
            other.beginStep(single);
            for (int i = LAYERS.size() - 1; i >= 0; i--) {
                other.applyLayer(i, gradientOf(i, gradients));
            }
            other.endStep();
            assertArrayEquals(bits(whole), bits(single));
        }
    }

    private static float[] gradientOf(int layer, float[] gradients) {
        return Arrays.copyOfRange(gradients, (int) LAYERS.get(layer).offset(), (int)
                LAYERS.get(layer).end());
    }

    /** A failure before a layer is written leaves the step open; one after that must be followed by a restore. */
    @Test
    void aFailureOfALayer() {
        float[] weights = new float[END];
        fill(new Random(1), weights, 1);
        float[] gradients = new float[END];
        fill(new Random(2), gradients, 0.01);
        try (Lars lars = builder().build()) {
            lars.step(weights, gradients);
            Snapshot snapshot = lars.snapshot();
            float[] before = weights.clone();
            lars.step(weights, gradients);
            int[] expected = bits(weights);

            lars.restore(snapshot);
            float[] again = before.clone();
            lars.beginStep(again);
            lars.applyLayer(0, gradientOf(0, gradients));
            long[] offsets = Inside.offsets(lars);
            offsets[4] += END;
            assertThrows(IndexOutOfBoundsException.class, () -> lars.applyLayer(4, gradientOf(4, gradients)));
            offsets[4] -= END;
            for (int i = 4; i > 0; i--) {
                lars.applyLayer(i, gradientOf(i, gradients));
            }
            lars.endStep();
            assertArrayEquals(expected, bits(again));

            lars.restore(snapshot);
            float[] momentum = Inside.momentum(lars);
            float[] third = before.clone();
            lars.beginStep(third);
            lars.applyLayer(0, gradientOf(0, gradients));
            Inside.setMomentumOfSteps(lars, new float[(int) LAYERS.get(4).offset() + 4096]);
            Throwable cause =
                    assertThrows(IndexOutOfBoundsException.class, () -> lars.applyLayer(4, gradientOf(4, gradients)));
            for (Executable call : List.<Executable>of(
                    () -> lars.applyLayer(3, gradientOf(3, gradients)),
                    lars::endStep,
                    () -> lars.beginStep(third),
                    () -> lars.step(third, gradients),
                    lars::snapshot)) {
                assertSame(
                        cause, assertThrows(IllegalStateException.class, call).getCause());
            }
            Inside.setMomentumOfSteps(lars, momentum);
            lars.restore(snapshot);
            lars.step(before, gradients);
            assertArrayEquals(expected, bits(before));
        }
    }

    /** The segment may be longer than the layer, as that of a native pointer is; only the layer's elements count. */
    @Test
    @SuppressWarnings("restricted")
    void onlyTheElementsOfTheLayerMustLieApart() {
        try (Arena arena = Arena.ofShared();
                Lars lars = builder().build()) {
            MemorySegment all = arena.allocate(4L * (9000 + END), 64);
            MemorySegment weights = all.asSlice(4L * 9000);
            lars.beginStep(Tensors.flat(weights));
            for (MemorySegment same : new MemorySegment[] {
                weights, weights.reinterpret(Long.MAX_VALUE), all.asSlice(4).reinterpret(Long.MAX_VALUE - 8)
            }) {
                refused(
                        IllegalArgumentException.class,
                        "gradient shares memory with params of layer \"a\"",
                        () -> lars.applyLayer(0, same));
            }
            assertEquals(Outcome.UPDATED, lars.applyLayer(0, all));
            lars.endStep();
            assertThrows(
                    IllegalArgumentException.class,
                    () -> Tensors.byLayer(weights.reinterpret(Long.MAX_VALUE), weights.asSlice(4)));
        }
    }

    /** The end of a step may set momentum that was lost to 0, so it needs the buffer; without it, the step stays open. */
    @Test
    void theMomentumMustBeOpenAtTheEnd() {
        Lars lars;
        try (Arena arena = Arena.ofShared()) {
            lars = builder()
                    .momentum(step -> step == 1 ? 0 : 0.9)
                    .momentumBuffer(Tensors.flat(arena.allocate(4L * END, 64)))
                    .build();
            float[] weights = new float[END];
            lars.step(weights, new float[END]);
            lars.beginStep(weights);
            lars.applyLayer(0, new float[9000]);
        }
        for (int i = 0; i < 2; i++) {
            refused(IllegalStateException.class, "the momentum buffer lies in an arena that is closed", lars::endStep);
        }
        lars.close();
    }

    @Test
    void weightsMustBeOpenAtEveryLayer() {
        try (Lars lars = builder().build()) {
            try (Arena arena = Arena.ofShared()) {
                lars.beginStep(Tensors.flat(arena.allocate(4L * END, 64)));
                lars.applyLayer(0, new float[9000]);
            }
            IllegalStateException thrown =
                    assertThrows(IllegalStateException.class, () -> lars.applyLayer(3, new float[4096]));
            assertEquals("params lies in an arena that is closed", thrown.getMessage());
            assertEquals(Outcome.NO_GRADIENT, lars.endStep().outcome(3));
        }
    }

    private static void fill(Random random, float[] values, double size) {
        float[] normal = Random32.normal(random.nextLong(), END, size);
        for (Layer layer : LAYERS) {
            int from = (int) layer.offset();
            System.arraycopy(normal, from, values, from, (int) layer.length());
        }
    }

    private static Tensors place(Weights kind, Arena arena, float[] values) {
        return switch (kind) {
            case FLAT -> Tensors.flat(values.clone());
            case BY_LAYER -> {
                float[][] arrays = new float[LAYERS.size()][];
                for (int i = 0; i < arrays.length; i++) {
                    arrays[i] = Arrays.copyOfRange(values, (int) LAYERS.get(i).offset(), (int)
                            LAYERS.get(i).end());
                }
                yield Tensors.byLayer(arrays);
            }
            case NATIVE -> Tensors.flat(arena.allocateFrom(ValueLayout.JAVA_FLOAT, values));
        };
    }

    private static float[] read(Tensors tensors) {
        return Memory.toFlat(tensors, LAYERS);
    }

    private static int[] bits(float[] values) {
        int[] bits = new int[values.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = Float.floatToIntBits(values[i]);
        }
        return bits;
    }

    @Test
    void whatNeedsAllLayersFirstIsRefused() {
        float[] weights = new float[END];
        refusedToBegin(
                "onBadGradient is THROW; it must be SKIP_LAYER", builder().onBadGradient(OnBadGradient.THROW));
        refusedToBegin(
                "onBadGradient is REFUSE; it must be SKIP_LAYER", builder().onBadGradient(OnBadGradient.REFUSE));
        refusedToBegin("maxGradientNorm is 3.0; it must not be set", builder().maxGradientNorm(3));
        refusedToBegin(
                "a group has a maxGradientNorm", builder().group("g", Pattern.compile("a"), g -> g.maxGradientNorm(3)));
        refusedToBegin(
                "a rule has a trust ratio of one's own",
                builder().rule(Rule.of("own", Rule.Entry.VELOCITY, false, (w, g, p, t, d, r, l, s) -> 1)));
        assertEquals(0, weights[0]);
    }

    private static void refusedToBegin(String why, Lars.Builder builder) {
        float[] weights = new float[END];
        try (Lars lars = builder.build()) {
            refused(IllegalStateException.class, why, () -> lars.beginStep(weights));
            lars.step(weights, new float[END]);
        }
    }

    @Test
    void aStepLeftOpenIsAnErrorOfTheNextCall() {
        float[] weights = new float[END];
        Lars lars = builder().build();
        Snapshot before = lars.snapshot();
        refused(
                IllegalStateException.class,
                "applyLayer was called without beginStep",
                () -> lars.applyLayer(0, new float[MOST]));
        refused(IllegalStateException.class, "endStep was called without beginStep", lars::endStep);
        lars.beginStep(weights);
        lars.applyLayer(0, new float[MOST]);
        for (Executable call : List.<Executable>of(
                () -> lars.step(weights, new float[END]),
                () -> lars.measure(weights, new float[END]),
                () -> lars.beginStep(weights),
                lars::snapshot,
                lars::discard,
                lars::weightsChanged,
                () -> lars.learningRate(1),
                () -> lars.change(s -> s.momentum(0.5)))) {
            refused(IllegalStateException.class, "was called between beginStep and endStep; call endStep first", call);
        }
        assertEquals(0, lars.steps());
        lars.endStep();
        assertEquals(1, lars.steps());
        refused(IllegalStateException.class, "endStep was called without beginStep", lars::endStep);
        lars.measure(weights, new float[END]);
        refused(
                IllegalStateException.class,
                "applyLayer was called without beginStep",
                () -> lars.applyLayer(0, new float[MOST]));
        lars.discard();
        lars.beginStep(weights);
        lars.restore(before);
        assertEquals(0, lars.steps());
        lars.step(weights, new float[END]);
        lars.beginStep(weights);
        lars.close();
        refused(IllegalStateException.class, "endStep was called after close", lars::endStep);
    }

    @Test
    void whatDoesNotFitIsRefusedAndTheStepGoesOn() throws InterruptedException {
        float[] weights = new float[END];
        Arrays.fill(weights, 1);
        float[] momentum = new float[END];
        float[] gradient = new float[MOST];
        Arrays.fill(gradient, 1);
        try (Lars lars = builder().momentumBuffer(momentum).build();
                Arena arena = Arena.ofConfined()) {
            lars.beginStep(weights);
            String before = SampleRun.bits(lars, weights);
            refused(
                    IndexOutOfBoundsException.class,
                    "layer is 5; it must be in [0, 5)",
                    () -> lars.applyLayer(5, gradient));
            refused(IndexOutOfBoundsException.class, "layer is -1", () -> lars.applyLayer(-1, gradient));
            refused(NullPointerException.class, "gradient", () -> lars.applyLayer(0, (float[]) null));
            refused(NullPointerException.class, "gradient", () -> lars.applyLayer(0, (MemorySegment) null));
            refused(
                    IllegalArgumentException.class,
                    "gradient has 8999 elements of FLOAT32; it must have at least 9000 for layer \"a\"",
                    () -> lars.applyLayer(0, new float[8999]));
            refused(
                    IllegalArgumentException.class,
                    "gradient shares memory with params",
                    () -> lars.applyLayer(0, weights));
            refused(
                    IllegalArgumentException.class,
                    "gradient shares memory with the momentum buffer",
                    () -> lars.applyLayer(0, momentum));
            refused(
                    IllegalArgumentException.class,
                    "gradient is on the heap",
                    () -> lars.applyLayer(0, MemorySegment.ofArray(gradient)));
            MemorySegment segment = arena.allocate(4L * MOST, 64);
            refused(IllegalArgumentException.class, "aligned to 4", () -> lars.applyLayer(0, segment.asSlice(1)));
            refused(
                    IllegalArgumentException.class,
                    "gradient has 19999 elements",
                    () -> lars.applyLayer(4, segment.asSlice(4)));
            MemorySegment closed;
            try (Arena other = Arena.ofShared()) {
                closed = other.allocate(4L * MOST, 64);
            }
            refused(
                    IllegalStateException.class,
                    "gradient lies in an arena that is closed",
                    () -> lars.applyLayer(0, closed));
            assertEquals(before, SampleRun.bits(lars, weights));
            lars.applyLayer(2, gradient);
            refused(
                    IllegalArgumentException.class,
                    "layer is 2, \"b\", which was applied before in this step",
                    () -> lars.applyLayer(2, gradient));
            assertEquals(Outcome.UPDATED, lars.applyLayer(0, gradient));
            assertEquals(Outcome.NO_GRADIENT, lars.endStep().outcome(4));
        }
    }

    private static void refused(Class<? extends Throwable> type, String message, Executable call) {
        Throwable thrown = assertThrows(type, call);
        assertTrue(thrown.getMessage().contains(message), thrown::getMessage);
    }

    /** As everywhere, the JVM itself may allocate now and then, but not in every window. */
    @Test
    @Tag("no-mutants")
    void nothingIsAllocated() {
        nothingIsAllocated(Simd.OFF, 50);
    }

    private static void nothingIsAllocated(Simd simd, int windows) {
        int kinds = 0;
        for (Format format : Format.values()) {
            for (Stored stored : Stored.values()) {
                for (Weights kind : Weights.values()) {
                    for (boolean outside : new boolean[] {false, true}) {
                        assertNothingAllocated(simd, 1 + kinds / 2 % 2, stored, format, kind, outside, windows);
                        kinds++;
                    }
                }
            }
        }
        System.out.println(kinds + " kinds of steps that go layer by layer allocated nothing, " + simd);
    }

    /** Vectors are objects until C2 has compiled the kernels, which takes some windows. */
    @Test
    @Tag("no-mutants")
    void nothingIsAllocatedByVectorKernels() {
        assertNothingAllocated(Simd.REQUIRED, 1, Stored.FLOAT32, Format.FLOAT32, Weights.FLAT, false, 20_000);
        assertNothingAllocated(Simd.REQUIRED, 1, Stored.NEAREST, Format.BFLOAT16, Weights.FLAT, false, 20_000);
    }

    @Test
    @Tag("no-mutants")
    @Tag("slow")
    void nothingIsAllocatedByVectorKernelsInAnyFormat() {
        nothingIsAllocated(Simd.REQUIRED, 20_000);
    }

    private static void assertNothingAllocated(
            Simd simd, int threads, Stored stored, Format format, Weights kind, boolean outside, int windows) {
        String name = simd + ", " + threads + " threads, momentum " + stored + ", gradients " + format
                + (outside ? " outside" : " on") + " the heap, weights " + kind;
        float[] ones = new float[END];
        Arrays.fill(ones, 1);
        float[] gradient = new float[MOST];
        Arrays.fill(gradient, 0.01f);
        short[] narrow = new short[MOST];
        Arrays.fill(narrow, format == Format.FLOAT32 ? 0 : format.toShort(0.01f));
        Set<Long> others = Allocation.workers();
        try (Arena arena = Arena.ofShared();
                Lars lars = narrow(Dialects.OPTAX, stored)
                        .simd(simd)
                        .parallelism(threads)
                        .nativeMomentum(kind == Weights.NATIVE)
                        .build()) {
            Set<Long> own = Allocation.workers();
            own.removeAll(others);
            assertEquals(threads - 1, own.size(), "threads of the optimizer");
            long[] ids = own.stream().mapToLong(Long::longValue).toArray();
            Tensors params = place(kind, arena, ones);
            Tensors copies = kind == Weights.NATIVE
                    ? Tensors.flat(Format.BFLOAT16, arena.allocate(2L * END, 64))
                    : Tensors.flat(Format.BFLOAT16, new short[END]);
            MemorySegment segment = format == Format.FLOAT32
                    ? arena.allocateFrom(ValueLayout.JAVA_FLOAT, gradient)
                    : arena.allocateFrom(ValueLayout.JAVA_SHORT, narrow);
            long least = Long.MAX_VALUE;
            for (int window = 0; window < windows && least > 0; window++) {
                long before = Allocation.bytes(ids);
                for (int step = 0; step < 6; step++) {
                    boolean copy = step % 2 == 0;
                    if (copy) {
                        lars.beginStep(params, 1, copies);
                    } else {
                        lars.beginStep(params);
                    }
                    // The end of a step with copies writes that of the layer that does not come.
                    for (int layer = LAYERS.size() - 1; layer >= (copy ? 1 : 0); layer--) {
                        if (outside) {
                            lars.applyLayer(layer, format, segment);
                        } else if (format == Format.FLOAT32) {
                            lars.applyLayer(layer, gradient);
                        } else {
                            lars.applyLayer(layer, format, narrow);
                        }
                    }
                    lars.endStep();
                }
                least = Math.min(least, Allocation.bytes(ids) - before);
            }
            assertEquals(0, least, () -> "bytes in 6 steps: " + name);
        }
    }
}
