package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Rule;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.WeakReference;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * The same tensors with other layers, other optimizers, other tensors and other threads: what a call knows from an
 * earlier one never replaces a check, and nothing is kept alive that is not needed.
 */
class TensorReuseTest {

    private final Arena arena = Arena.ofShared();

    @AfterEach
    void close() {
        arena.close();
    }

    private static Lars.Builder builder(Layers layers) {
        return Lars.builder(layers).learningRate(0.5).momentum(0.9).weightDecay(0.1);
    }

    private MemorySegment segment(float... values) {
        return arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
    }

    private static float[] values(MemorySegment segment) {
        return segment.toArray(ValueLayout.JAVA_FLOAT);
    }

    private static MemorySegment slice(MemorySegment of, int from, int length) {
        return of.asSlice(4L * from, 4L * length);
    }

    private static Layers layers(int... lengths) {
        Layers.Builder layers = Layers.builder();
        for (int i = 0; i < lengths.length; i++) {
            layers.add("layer " + i, lengths[i]);
        }
        return layers.build();
    }

    @Test
    void withOtherLayersInTurn() {
        float[] w = Random32.normal(1, 12, 1);
        float[] g = Random32.normal(2, 12, 1);
        MemorySegment weights = segment(w);
        MemorySegment gradients = segment(g);
        float[] wTensors = w.clone();
        List<Layers> all = List.of(layers(5, 7), layers(1, 2, 3, 4), layers(12), layers(5, 7));
        Tensors onHeap = Tensors.flat(wTensors);
        Tensors outside = Tensors.flat(weights);
        Tensors heapGradients = Tensors.flat(g.clone());
        Tensors outsideGradients = Tensors.flat(gradients);
        for (int round = 0; round < 3; round++) {
            for (Layers layers : all) {
                try (Lars plain = builder(layers).build();
                        Lars heap = builder(layers).build();
                        Lars segments = builder(layers).nativeMomentum(true).build()) {
                    for (int step = 0; step < 2; step++) {
                        plain.step(w, g);
                        heap.step(onHeap, heapGradients);
                        segments.step(outside, outsideGradients);
                    }
                }
                Bits.assertSame(w, wTensors, "on the heap");
                Bits.assertSame(w, values(weights), "outside");
            }
        }
    }

    @Test
    void withLayersThatTheyDoNotFit() {
        Layers fitting = layers(5, 3);
        for (Tensors tensors : List.of(
                Tensors.flat(segment(new float[8])),
                Tensors.flat(new float[8]),
                Tensors.byLayer(new float[5], new float[3]),
                Tensors.byLayer(segment(new float[5]), segment(new float[3])))) {
            for (Layers other : List.of(layers(5, 4), layers(6, 3), layers(5, 3, 1))) {
                try (Lars good = builder(fitting).build();
                        Lars bad = builder(other).build()) {
                    good.step(tensors, Tensors.flat(new float[8]));
                    assertThrows(IllegalArgumentException.class, () -> bad.step(tensors, Tensors.flat(new float[9])));
                    assertThrows(IllegalArgumentException.class, () -> bad.step(Tensors.flat(new float[9]), tensors));
                    good.step(tensors, Tensors.flat(new float[8]));
                }
            }
        }
    }

    @Test
    void afterLayersWereAdded() {
        Layers.Builder grows = Layers.builder().add("a", 5).add("b", 3);
        MemorySegment whole = segment(Random32.normal(1, 40, 1));
        try (Lars lars = builder(grows.build())
                .momentumBuffer(Tensors.flat(slice(whole, 20, 10)))
                .build()) {
            Tensors enough = Tensors.flat(slice(whole, 0, 10));
            Tensors tooShort = Tensors.flat(slice(whole, 0, 8));
            Tensors beside = Tensors.flat(slice(whole, 10, 10));
            Tensors across = Tensors.flat(slice(whole, 9, 10));
            Tensors below = Tensors.flat(slice(whole, 12, 10));
            for (Tensors gradients : List.of(beside, across, below)) {
                lars.step(enough, gradients);
                lars.step(tooShort, gradients);
            }
            lars.addLayers(grows.add("c", 2).build());
            String before = Bits.of(lars, values(whole));
            refused(lars, tooShort, beside, "params has length 8; it must be at least 10, the end of the layers");
            refused(
                    lars,
                    enough,
                    across,
                    "gradients of layer \"a\" shares memory with params of layer \"c\"; they must lie apart");
            refused(
                    lars,
                    enough,
                    below,
                    "gradients of layer \"c\" shares memory with the momentum buffer of layer \"a\"; they must lie"
                            + " apart");
            assertEquals(before, Bits.of(lars, values(whole)));
            lars.step(enough, beside);
        }
    }

    private static void refused(Lars lars, Tensors w, Tensors g, String message) {
        assertEquals(
                message,
                assertThrows(IllegalArgumentException.class, () -> lars.step(w, g))
                        .getMessage());
    }

    @Test
    void withOtherTensorsInTurn() {
        Layers layers = layers(5, 3);
        float[] shared = new float[5];
        MemorySegment whole = segment(Random32.normal(1, 40, 1));
        Tensors[] apart = {
            Tensors.flat(slice(whole, 0, 8)), Tensors.flat(slice(whole, 8, 8)),
            Tensors.byLayer(slice(whole, 16, 5), slice(whole, 21, 3)), Tensors.byLayer(shared, new float[3])
        };
        Tensors[] overlapping = {
            Tensors.flat(slice(whole, 7, 8)), Tensors.flat(slice(whole, 15, 8)),
            Tensors.byLayer(slice(whole, 30, 5), slice(whole, 23, 3)), Tensors.byLayer(shared, new float[3])
        };
        try (Lars lars = Lars.builder(layers).learningRate(0.5).build();
                Lars other = builder(layers)
                        .momentumBuffer(Tensors.flat(slice(whole, 32, 8)))
                        .build()) {
            for (int round = 0; round < 3; round++) {
                for (int w = 0; w < apart.length; w++) {
                    for (int g = 0; g < apart.length; g++) {
                        if (g != w) {
                            lars.step(apart[w], apart[g]);
                            other.step(apart[w], apart[g]);
                        }
                    }
                    Tensors weights = apart[w];
                    Tensors gradients = overlapping[w];
                    assertThrows(IllegalArgumentException.class, () -> lars.step(weights, gradients));
                    assertThrows(IllegalArgumentException.class, () -> lars.step(weights, weights));
                    assertThrows(IllegalArgumentException.class, () -> other.measure(gradients, weights));
                }
            }
        }
    }

    /** Tensors and the memory of each layer. */
    private record Place(Tensors tensors, List<MemorySegment> layers) {}

    /** Random tensors in one small block of memory; each pair overlaps or not, as a comparison of all layers says. */
    @Test
    void overlapsAreFoundAsByComparingAllLayers() {
        Random random = new Random(17);
        Layers layers = Layers.builder()
                .add("0", 2)
                .add("1", 0)
                .at(4)
                .add("2", 3)
                .add("3", 1)
                .build();
        Pattern refusal = Pattern.compile(
                "gradients of layer \"(.)\" shares memory with params of layer \"(.)\"; they must lie apart");
        MemorySegment whole = segment(new float[40]);
        int overlapping = 0;
        try (Lars lars = Lars.builder(layers).learningRate(0.5).build()) {
            for (int i = 0; i < 4000; i++) {
                Place weights = random(random, whole, layers);
                Place gradients = random(random, whole, layers);
                boolean expected = overlap(weights, gradients);
                overlapping += expected ? 1 : 0;
                if (!expected) {
                    lars.measure(weights.tensors, gradients.tensors);
                    lars.discard();
                    continue;
                }
                Matcher found = refusal.matcher(assertThrows(
                                IllegalArgumentException.class, () -> lars.measure(weights.tensors, gradients.tensors))
                        .getMessage());
                assertTrue(found.matches(), found::toString);
                MemorySegment gradient = gradients.layers.get(Integer.parseInt(found.group(1)));
                MemorySegment weight = weights.layers.get(Integer.parseInt(found.group(2)));
                assertTrue(overlap(gradient, weight), found::toString);
            }
        }
        assertTrue(overlapping > 500 && overlapping < 3500, overlapping + " pairs overlap");
    }

    private static Place random(Random random, MemorySegment whole, Layers layers) {
        MemorySegment[] segments = new MemorySegment[layers.size()];
        if (random.nextBoolean()) {
            int from = random.nextInt(32);
            Arrays.setAll(segments, i -> slice(whole, from + (int) layers.get(i).offset(), length(layers, i)));
            return new Place(Tensors.flat(slice(whole, from, 8)), List.of(segments));
        }
        while (true) {
            Arrays.setAll(segments, i -> slice(whole, random.nextInt(36), length(layers, i)));
            try {
                return new Place(Tensors.byLayer(segments), List.of(segments));
            } catch (IllegalArgumentException e) {
                // These overlap each other.
            }
        }
    }

    private static int length(Layers layers, int layer) {
        return (int) layers.get(layer).length();
    }

    private static boolean overlap(Place one, Place other) {
        return one.layers.stream().anyMatch(first -> other.layers.stream().anyMatch(next -> overlap(first, next)));
    }

    private static boolean overlap(MemorySegment one, MemorySegment other) {
        return one.byteSize() > 0
                && other.byteSize() > 0
                && one.asOverlappingSlice(other).isPresent();
    }

    @Test
    void onTwoThreadsOneAfterTheOtherWithConfinedArenas() throws Exception {
        float[] w = Random32.normal(1, 8, 1);
        float[] g = Random32.normal(2, 8, 1);
        float[] expected = w.clone();
        try (Lars lars = builder(layers(5, 3)).nativeMomentum(true).build();
                Lars plain = builder(layers(5, 3)).build()) {
            float[] moved = w;
            for (int i = 0; i < 4; i++) {
                float[] before = moved;
                plain.step(expected, g);
                FutureTask<float[]> step = new FutureTask<>(() -> {
                    try (Arena confined = Arena.ofConfined()) {
                        MemorySegment mine = confined.allocateFrom(ValueLayout.JAVA_FLOAT, before);
                        lars.step(Tensors.flat(mine), Tensors.flat(confined.allocateFrom(ValueLayout.JAVA_FLOAT, g)));
                        return values(mine);
                    }
                });
                Thread thread = new Thread(step);
                thread.start();
                thread.join();
                moved = step.get();
            }
            Bits.assertSame(expected, moved, "weights");
        }
    }

    @Test
    void directBuffersOnSeveralThreads() {
        int n = 60_000;
        Layers layers = layers(n / 2, 17, n / 2 - 17);
        float[] w = Random32.normal(1, n, 1);
        float[] g = Random32.normal(2, n, 1);
        ByteBuffer weights = ByteBuffer.allocateDirect(4 * n).order(ByteOrder.nativeOrder());
        ByteBuffer gradients = ByteBuffer.allocateDirect(4 * n).order(ByteOrder.nativeOrder());
        ByteBuffer momentum = ByteBuffer.allocateDirect(4 * n);
        weights.asFloatBuffer().put(w);
        gradients.asFloatBuffer().put(g);
        try (Lars plain = builder(layers).build();
                Lars lars = Inside.fineGrain(builder(layers))
                        .parallelism(3)
                        .momentumBuffer(Tensors.flat(MemorySegment.ofBuffer(momentum)))
                        .build()) {
            Tensors params = Tensors.flat(MemorySegment.ofBuffer(weights));
            Tensors known = Tensors.flat(MemorySegment.ofBuffer(gradients.asReadOnlyBuffer()));
            for (int i = 0; i < 3; i++) {
                plain.step(w, g);
                lars.step(params, known);
            }
            Bits.assertSame(Inside.momentum(plain), Inside.momentum(lars), "momentum");
        }
        float[] moved = new float[n];
        weights.asFloatBuffer().get(moved);
        Bits.assertSame(w, moved, "weights");
    }

    /** One arena a layer: holding them open nests calls, for which a stack may be too small. */
    @Test
    void manyArenas() throws Exception {
        elsewhere(500, false);
        elsewhere(12_000, true);
    }

    private static void elsewhere(int arenas, boolean overflows) throws Exception {
        FutureTask<Void> steps = new FutureTask<>(() -> {
            steps(arenas, overflows);
            return null;
        });
        Thread thread = new Thread(null, steps, "steps", 512 << 10);
        thread.start();
        thread.join();
        steps.get();
    }

    private static void steps(int count, boolean overflows) {
        Layers.Builder many = Layers.builder();
        MemorySegment[] weights = new MemorySegment[count];
        float[] expected = Random32.normal(1, count, 1);
        for (int i = 0; i < count; i++) {
            many.add("layer " + i, 1);
            weights[i] = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, expected[i]);
        }
        float[] gradients = Random32.normal(2, count, 1);
        Tensors tensors = Tensors.byLayer(weights);
        Layers layers = many.build();
        try (Lars lars = Lars.builder(layers).learningRate(0.5).build();
                Lars plain = Lars.builder(layers).learningRate(0.5).build()) {
            if (overflows) {
                assertThrows(StackOverflowError.class, () -> lars.step(tensors, Tensors.flat(gradients)));
                assertEquals(0, lars.steps());
            } else {
                plain.step(expected, gradients);
                lars.step(tensors, Tensors.flat(gradients));
            }
        }
        float[] actual = new float[count];
        for (int i = 0; i < count; i++) {
            actual[i] = weights[i].get(ValueLayout.JAVA_FLOAT, 0);
        }
        Bits.assertSame(expected, actual, count + " layers");
    }

    /** It shares nothing, whatever it is an array of. */
    @Test
    void anEmptyArrayOfSeveralTensors() {
        Layers layers = layers(5, 0);
        float[] empty = {};
        try (Lars lars = builder(layers)
                .onBadGradient(OnBadGradient.SKIP_LAYER)
                .momentumBuffer(Tensors.byLayer(new float[5], empty))
                .build()) {
            Tensors weights = Tensors.byLayer(new float[] {1, 2, 3, 4, 5}, empty);
            lars.step(weights, Tensors.byLayer(new float[5], empty));
            lars.beginStep(weights);
            lars.applyLayer(1, empty);
            lars.endStep();
            assertEquals(2, lars.steps());
        }
    }

    private static void assertCollected(WeakReference<?> reference, String what) {
        for (int i = 0; i < 100 && reference.get() != null; i++) {
            System.gc();
        }
        assertNull(reference.get(), what + " is kept alive");
    }

    /** No call keeps the trainer's arrays alive, whether it ends or is refused. */
    @Test
    void theTrainersArraysAreNotKept() {
        Layers layers = layers(5, 3);
        Gradients known = Gradients.of(new float[8]);
        Rule fails = Rule.of("fails", Rule.Entry.VELOCITY, false, (w, g, p, eta, beta, gamma, layer, step) -> {
            throw new ArithmeticException("no ratio");
        });
        // Each call has an optimizer of its own, which would keep the array for as long as it lives.
        List<Lars> all = new ArrayList<>();
        Map<String, WeakReference<float[]>> arrays = new LinkedHashMap<>();
        for (boolean outside : new boolean[] {false, true}) {
            for (int call = 0; call < 10; call++) {
                for (boolean byLayer : new boolean[] {false, true}) {
                    Lars lars = builder(layers)
                            .nativeMomentum(outside)
                            .carrySums(outside)
                            .onBadGradient(OnBadGradient.SKIP_LAYER)
                            .build();
                    Lars failing = builder(layers).rule(fails).build();
                    all.addAll(List.of(lars, failing));
                    String what = (outside ? "outside" : "on") + " the heap: an array of call " + call
                            + (byLayer ? " by layer" : "");
                    arrays.put(what, use(lars, failing, call, byLayer, known));
                    assertEquals(0, failing.steps());
                }
            }
        }
        arrays.forEach((what, array) -> assertCollected(array, what));
        all.forEach(Lars::close);
    }

    private static WeakReference<float[]> use(Lars lars, Lars failing, int call, boolean byLayer, Gradients known) {
        float[] five = new float[5];
        float[] eight = new float[8];
        Tensors tensors = byLayer ? Tensors.byLayer(five, new float[3]) : Tensors.flat(eight);
        Tensors others = byLayer ? Tensors.byLayer(new float[5], new float[3]) : Tensors.flat(new float[8]);
        switch (call) {
            case 0 -> lars.step(tensors, others);
            case 1 -> lars.step(others, tensors);
            case 2 -> lars.measure(tensors, known);
            case 3 -> lars.update(others, tensors, lars.measure(others, tensors));
            case 4 -> assertThrows(IllegalArgumentException.class, () -> lars.step(tensors, tensors));
            case 5 -> assertThrows(ArithmeticException.class, () -> failing.step(tensors, others));
            default -> {
                Snapshot snapshot = lars.snapshot();
                lars.beginStep(call < 8 ? tensors : others);
                lars.applyLayer(0, call < 8 ? new float[5] : five);
                if (call % 2 == 0) {
                    lars.endStep();
                } else {
                    lars.restore(snapshot);
                }
            }
        }
        if (call == 2) {
            lars.discard();
        }
        return new WeakReference<>(byLayer || call > 7 ? five : eight);
    }

    /** Tensors know what they lie apart from, but do not keep it alive. */
    @Test
    void weightsDoNotKeepTheMomentumOfAnOptimizerThatIsGone() {
        Layers layers = layers(5, 3);
        List<Tensors> all = List.of(Tensors.byLayer(new float[5], new float[3]), Tensors.flat(segment(new float[8])));
        for (int i = 0; i < all.size(); i++) {
            assertCollected(momentumOfAnOptimizerThatIsGone(layers, all.get(i), i > 0), "the momentum");
        }
        assertEquals(2, all.size());
    }

    private WeakReference<Object> momentumOfAnOptimizerThatIsGone(Layers layers, Tensors weights, boolean outside) {
        try (Lars lars = builder(layers).nativeMomentum(outside).build()) {
            lars.step(weights, Tensors.flat(segment(new float[8])));
            return new WeakReference<>(Inside.tensorsOfMomentum(lars));
        }
    }

    /** A class loader or a thread-local of whoever uses tensors first must not be kept for ever. */
    @Test
    void theThreadThatUsesTensorsFirstIsNotKept() throws Exception {
        URL classes = Lars.class.getProtectionDomain().getCodeSource().getLocation();
        try (URLClassLoader fresh = new URLClassLoader(new URL[] {classes}, ClassLoader.getPlatformClassLoader())) {
            FutureTask<Thread> first = new FutureTask<>(() -> {
                var nobody = fresh.loadClass(Tensors.class.getName()).getDeclaredField("NOBODY");
                nobody.setAccessible(true);
                return (Thread) nobody.get(null);
            });
            Thread thread = new Thread(first);
            thread.setContextClassLoader(fresh);
            thread.start();
            thread.join();
            assertSame(ClassLoader.getSystemClassLoader(), first.get().getContextClassLoader());
        }
    }
}
