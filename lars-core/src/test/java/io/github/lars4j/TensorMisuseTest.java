package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/**
 * Memory that no call can use, because of its arena, its protection or other tensors, in every call that takes tensors.
 * Each call names the argument and the layer, and changes nothing: no bit of weights, gradients, momentum or files, and no
 * step number. Memory that is just good enough is used. {@link MisuseOfTensors} has the tensors of a wrong form.
 */
class TensorMisuseTest {

    /** There is a gap of 2 elements after the first layer. */
    private static final Layers LAYERS =
            Layers.builder().add("a", 5).at(7).add("b", 3).add("nothing", 0).build();

    private static final int N = 10;
    private static final String CLOSED = " lies in an arena that is closed";
    private static final String ELSEWHERE = " lies in an arena that is confined to another thread";

    @TempDir
    private Path folder;

    private final Arena arena = Arena.ofShared();
    private final List<Object> watched = new ArrayList<>();
    private Path file;
    private Checkpoint checkpoint;
    private Lars lars;

    /** A call that takes weights and gradients, or weights only. */
    private interface Call {
        void on(Lars lars, Tensors params, Tensors gradients) throws Exception;
    }

    private final List<Call> steps = List.of(
            Lars::step,
            (lars, w, g) -> lars.step(w, Gradients.of(g)),
            (lars, w, g) -> lars.step(w, g, () -> 0),
            (lars, w, g) -> lars.step(w, Gradients.of(g), () -> 0),
            Lars::measure,
            (lars, w, g) -> lars.measure(w, Gradients.of(g)),
            (lars, w, g) -> lars.update(w, g, sums()),
            (lars, w, g) -> lars.update(w, Gradients.of(g), sums()));

    private final List<Call> saves = List.of((lars, w, g) -> Checkpoint.save(file, lars, w));

    private final List<Call> restores = List.of(
            (lars, w, g) -> checkpoint.restore(lars, w),
            (lars, w, g) -> checkpoint.restoreMatching(lars, w),
            (lars, w, g) -> checkpoint.restoreMatching(lars, w, ""),
            (lars, w, g) -> PyTorchState.restore(file, lars, w),
            (lars, w, g) -> PyTorchState.restore(file, lars, w, ""));

    /** Calls that take no tensors and yet touch the momentum, or allocate a larger one. */
    private final List<Call> ofMomentum = List.of(
            (lars, w, g) -> lars.snapshot(),
            (lars, w, g) -> Checkpoint.save(file, lars),
            (lars, w, g) -> checkpoint.restore(lars),
            (lars, w, g) -> checkpoint.restoreMatching(lars),
            (lars, w, g) -> PyTorchState.restore(file, lars),
            (lars, w, g) -> lars.change(s -> s.momentum(0.5)),
            (lars, w, g) -> lars.addGroup("all", layer -> true, s -> s));

    @BeforeEach
    void build() throws IOException {
        lars = build(Tensors.flat(segment(arena, N)), 1);
        file = folder.resolve("saved");
        Checkpoint.save(file, lars, Tensors.flat(array(N)));
        checkpoint = Checkpoint.load(file);
        lars.step(Tensors.flat(segment(arena, N)), Tensors.flat(segment(arena, N)));
    }

    @AfterEach
    void close() {
        lars.close();
        arena.close();
    }

    private static Lars.Builder builder() {
        return Lars.builder(LAYERS).learningRate(0.5).momentum(0.9).weightDecay(0.1);
    }

    private static Lars build(Tensors momentum, int threads) {
        return builder().momentumBuffer(momentum).parallelism(threads).build();
    }

    private static LayerSums sums() {
        LayerSums sums = new LayerSums(LAYERS);
        for (int i = 0; i < LAYERS.size(); i++) {
            sums.setWeights(i, 1);
            sums.setGradients(i, 1);
        }
        return sums;
    }

    /** Returns an array that no refused call may change. */
    private float[] array(int length) {
        float[] array = Random32.normal(watched.size(), length, 1);
        watched.add(array);
        return array;
    }

    /** Returns a segment that no refused call may change. */
    private MemorySegment segment(Arena of, int length) {
        MemorySegment segment = of.allocate(4L * length, 4);
        MemorySegment.copy(Random32.normal(watched.size(), length, 1), 0, segment, ValueLayout.JAVA_FLOAT, 0, length);
        watched.add(segment);
        return segment;
    }

    /** Returns a segment of elements of another one. */
    private static MemorySegment slice(MemorySegment of, int from, int length) {
        return of.asSlice(4L * from, 4L * length);
    }

    private float[][] arrays() {
        return new float[][] {array(5), array(3), array(0)};
    }

    private MemorySegment[] segments(Arena of) {
        return new MemorySegment[] {segment(of, 5), segment(of, 3), segment(of, 0)};
    }

    private Tensors flat() {
        return Tensors.flat(segment(arena, N));
    }

    private Tensors byLayer() {
        return Tensors.byLayer(segments(arena));
    }

    /** Returns what no refused call may change. */
    @SuppressWarnings("restricted")
    private String state(Lars of) throws IOException {
        StringBuilder text = new StringBuilder(Inside.progress(of)).append('\n');
        for (Object memory : watched) {
            float[] values = {};
            if (memory instanceof float[] array) {
                values = array;
            } else if (memory instanceof MemorySegment segment
                    && segment.scope().isAlive()) {
                // By address, because it may be confined to another thread.
                values = MemorySegment.ofAddress(segment.address())
                        .reinterpret(segment.byteSize())
                        .toArray(ValueLayout.JAVA_FLOAT);
            }
            for (float value : values) {
                text.append(Float.floatToRawIntBits(value)).append(' ');
            }
            text.append('\n');
        }
        return text + Bits.files(folder);
    }

    @SafeVarargs
    private void refused(
            Lars by, Tensors w, Tensors g, Class<? extends Exception> thrown, String message, List<Call>... calls)
            throws IOException {
        for (List<Call> some : calls) {
            for (Call call : some) {
                String before = state(by);
                Exception refusal = assertThrows(thrown, () -> call.on(by, w, g), message);
                assertEquals(thrown, refusal.getClass(), message);
                assertEquals(message, refusal.getMessage());
                assertEquals(before, state(by), message);
            }
        }
    }

    private void bad(Tensors w, Tensors g, String message) throws IOException {
        refused(lars, w, g, IllegalArgumentException.class, message, steps);
        goesOn();
    }

    /** As {@link #bad}, for weights that cannot be saved or restored either. */
    private void badParams(Tensors w, String message) throws IOException {
        bad(w, Tensors.flat(array(N)), message);
        bad(w, flat(), message);
        refused(lars, w, null, IllegalArgumentException.class, message, saves, restores);
        goesOn();
    }

    private void badGradients(Tensors g, String message) throws IOException {
        bad(Tensors.flat(array(N)), g, message);
        bad(flat(), g, message);
        bad(byLayer(), g, message);
    }

    /** Asserts that the optimizer takes steps. */
    private void goesOn() {
        lars.step(Tensors.flat(array(N)), Tensors.flat(array(N)));
        lars.step(flat(), byLayer());
    }

    private static void badNow(String message, Executable misuse) {
        assertEquals(
                message, assertThrows(IllegalArgumentException.class, misuse).getMessage());
    }

    private static <T> T elsewhere(Callable<T> call) throws Exception {
        FutureTask<T> task = new FutureTask<>(call);
        Thread thread = new Thread(task, "elsewhere");
        thread.start();
        thread.join();
        return task.get();
    }

    @Test
    void closedArenas() throws IOException {
        MemorySegment whole;
        MemorySegment[] some = segments(arena);
        try (Arena brief = Arena.ofShared()) {
            whole = segment(brief, N);
            some[1] = segment(brief, 3);
        }
        Class<IllegalStateException> thrown = IllegalStateException.class;
        Tensors flat = Tensors.flat(whole);
        Tensors byLayer = Tensors.byLayer(some);
        refused(lars, flat, flat(), thrown, "params" + CLOSED, steps, saves, restores);
        refused(lars, byLayer, flat(), thrown, "params of layer \"b\"" + CLOSED, steps, saves, restores);
        refused(lars, flat(), flat, thrown, "gradients" + CLOSED, steps);
        refused(lars, Tensors.flat(array(N)), byLayer, thrown, "gradients of layer \"b\"" + CLOSED, steps);
        goesOn();
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // each is closed between two calls
    void arenasThatAreClosedAfterTheyWereUsed() throws IOException {
        Tensors good = flat();
        for (Arena brief : new Arena[] {Arena.ofShared(), Arena.ofConfined()}) {
            Tensors flat = Tensors.flat(segment(brief, N));
            lars.step(flat, good);
            lars.step(good, flat);
            brief.close();
            refused(lars, flat, good, IllegalStateException.class, "params" + CLOSED, steps, saves, restores);
            refused(lars, good, flat, IllegalStateException.class, "gradients" + CLOSED, steps);
        }
        goesOn();
    }

    @Test
    void anEmptySegmentDoesNotLendItsNameToItsNeighbour() throws IOException {
        MemorySegment whole = segment(arena, 8);
        MemorySegment b = slice(whole, 0, 3);
        Layers layers = Layers.builder().add("nothing", 0).add("b", 3).build();
        Tensors tensors = Tensors.byLayer(slice(whole, 0, 0), b.asReadOnly());
        Lars other = Lars.builder(layers).learningRate(1).build();
        badNow(
                "params of layer \"b\" is read-only; it must be writable",
                () -> other.step(tensors, Tensors.flat(new float[3])));
    }

    @Test
    void theMomentumBufferInAClosedArena() throws IOException {
        for (boolean byLayer : new boolean[] {false, true}) {
            Lars broken;
            try (Arena brief = Arena.ofShared()) {
                broken = build(byLayer ? Tensors.byLayer(segments(brief)) : Tensors.flat(segment(brief, N)), 1);
                broken.step(Tensors.flat(array(N)), flat());
            }
            String message = "the momentum buffer" + (byLayer ? " of layer \"a\"" : "") + CLOSED;
            Class<IllegalStateException> thrown = IllegalStateException.class;
            Tensors array = Tensors.flat(array(N));
            refused(broken, flat(), array, thrown, message, steps, saves, restores, ofMomentum);
            refused(broken, array, flat(), thrown, message, steps, saves, restores);
            Snapshot snapshot = lars.snapshot();
            refused(broken, null, null, thrown, message, List.of((l, w, g) -> l.restore(snapshot)));
            refused(
                    broken,
                    null,
                    null,
                    thrown,
                    message.replace("the momentum buffer", "momentumBuffer"),
                    List.of((l, w, g) -> l.addLayers(LAYERS)));
            broken.close();
        }
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // only that thread could close it
    void arenasConfinedToAnotherThread() throws Exception {
        MemorySegment[] some = segments(arena);
        MemorySegment[] theirs = new MemorySegment[1];
        Lars theirLars = elsewhere(() -> {
            Arena confined = Arena.ofConfined();
            some[1] = segment(confined, 3);
            theirs[0] = segment(confined, N);
            Lars built = build(Tensors.flat(theirs[0]), 1);
            built.step(flat(), byLayer());
            return built;
        });
        MemorySegment whole = theirs[0];
        Tensors byLayer = Tensors.byLayer(some);
        badParams(Tensors.flat(whole), "params" + ELSEWHERE);
        badParams(byLayer, "params of layer \"b\"" + ELSEWHERE);
        badGradients(Tensors.flat(whole), "gradients" + ELSEWHERE);
        badGradients(byLayer, "gradients of layer \"b\"" + ELSEWHERE);
        badNow("momentumBuffer" + ELSEWHERE, () -> build(Tensors.flat(whole), 1));
        badNow("momentumBuffer of layer \"b\"" + ELSEWHERE, () -> build(byLayer, 1));

        String message = "the momentum buffer" + ELSEWHERE;
        Class<IllegalArgumentException> thrown = IllegalArgumentException.class;
        refused(theirLars, flat(), flat(), thrown, message, steps, saves, restores, ofMomentum);
    }

    @Test
    void confinedArenasOnSeveralThreads() throws IOException {
        try (Arena mine = Arena.ofConfined();
                Lars two = build(flat(), 2)) {
            String why = " lies in an arena that is confined to one thread, and parallelism is 2;"
                    + " use a shared or automatic arena";
            MemorySegment whole = segment(mine, N);
            MemorySegment[] some = segments(arena);
            some[1] = segment(mine, 3);
            Tensors flat = Tensors.flat(whole);
            Tensors byLayer = Tensors.byLayer(some);
            Class<IllegalArgumentException> thrown = IllegalArgumentException.class;
            refused(two, flat, flat(), thrown, "params" + why, steps);
            refused(two, byLayer, flat(), thrown, "params of layer \"b\"" + why, steps);
            refused(two, flat(), flat, thrown, "gradients" + why, steps);
            refused(two, flat(), byLayer, thrown, "gradients of layer \"b\"" + why, steps);
            badNow("momentumBuffer" + why, () -> build(flat, 2));
            badNow("momentumBuffer of layer \"b\"" + why, () -> build(byLayer, 2));

            // One thread may use them, and one thread saves and restores.
            lars.step(flat, byLayer);
            build(flat, 1).step(byLayer, flat());
            Checkpoint.save(folder.resolve("confined"), two, flat);
            Checkpoint.load(folder.resolve("confined")).restore(two, byLayer);
            PyTorchState.restore(file, two, flat);
            two.step(flat(), flat());
        }
    }

    @Test
    void readOnlyMemory() throws IOException {
        MemorySegment whole = segment(arena, N);
        MemorySegment[] some = segments(arena);
        Tensors flat = Tensors.flat(whole.asReadOnly());
        Tensors byLayer = Tensors.byLayer(some[0], some[1].asReadOnly(), some[2]);
        String why = " is read-only; it must be writable";
        badIfWritten(flat, "params" + why);
        badIfWritten(byLayer, "params of layer \"b\"" + why);
        badNow("momentumBuffer" + why, () -> build(flat, 1));
        badNow("momentumBuffer of layer \"b\"" + why, () -> build(byLayer, 1));

        Path mapped = Files.write(folder.resolve("mapped"), new byte[4 * N]);
        try (FileChannel channel = FileChannel.open(mapped)) {
            badIfWritten(Tensors.flat(channel.map(FileChannel.MapMode.READ_ONLY, 0, 4 * N, arena)), "params" + why);
        }

        // Gradients are only read, and so are weights that are saved.
        lars.step(flat(), flat);
        lars.step(flat(), byLayer);
        Checkpoint.save(folder.resolve("flat"), lars, flat);
        Checkpoint.save(folder.resolve("byLayer"), lars, byLayer);
        float[] read = new float[N];
        Checkpoint.load(folder.resolve("byLayer")).restore(lars, read);
        Bits.assertSame(some[1].toArray(ValueLayout.JAVA_FLOAT), Arrays.copyOfRange(read, 7, 10), "saved");
    }

    private void badIfWritten(Tensors w, String message) throws IOException {
        for (Tensors g : List.of(flat(), byLayer(), Tensors.flat(array(N)), Tensors.byLayer(arrays()))) {
            bad(w, g, message);
        }
        refused(lars, w, null, IllegalArgumentException.class, message, restores);
        goesOn();
    }

    @Test
    void oneArrayInTwoLists() throws IOException {
        float[][] one = arrays();
        float[][] other = arrays();
        other[1] = one[1];
        String layers = " of layer \"b\"; they must lie apart";
        bad(
                Tensors.byLayer(one),
                Tensors.byLayer(other),
                "gradients of layer \"b\" shares memory with params" + layers);
        Tensors same = Tensors.byLayer(one);
        bad(same, same, "gradients of layer \"a\" shares memory with params of layer \"a\"; they must lie apart");
        try (Lars third = build(Tensors.byLayer(one), 1)) {
            Class<IllegalArgumentException> thrown = IllegalArgumentException.class;
            String with = " of layer \"b\" shares memory with the momentum buffer" + layers;
            Tensors w = Tensors.byLayer(other);
            refused(third, w, flat(), thrown, "params" + with, steps, saves, restores);
            refused(third, flat(), w, thrown, "gradients" + with, steps);
            third.step(Tensors.byLayer(arrays()), Tensors.flat(array(N)));
        }
        lars.step(Tensors.byLayer(arrays()), Tensors.byLayer(arrays()));

        // An empty array may be in both.
        other[1] = array(3);
        other[2] = one[2];
        lars.step(Tensors.byLayer(one), Tensors.byLayer(other));
    }

    /** All other layers are empty then. */
    @Test
    void anArrayOfAllLayersThatIsAlsoThatOfOne() throws IOException {
        Layers layers = Layers.builder().add("first", 0).add("b", 3).build();
        float[] all = array(3);
        Tensors flat = Tensors.flat(all);
        Tensors byLayer = Tensors.byLayer(array(0), all);
        Class<IllegalArgumentException> thrown = IllegalArgumentException.class;
        Lars.Builder builder = Lars.builder(layers).learningRate(1).momentum(0.9);
        try (Lars other = builder.build()) {
            String ends = "; they must lie apart";
            List<Call> calls = List.of(Lars::step, Lars::measure);
            refused(other, flat, byLayer, thrown, "gradients of layer \"b\" shares memory with params" + ends, calls);
            refused(other, byLayer, flat, thrown, "gradients shares memory with params of layer \"b\"" + ends, calls);
        }
        try (Lars other = builder.momentumBuffer(flat).build()) {
            String with = "params of layer \"b\" shares memory with the momentum buffer; they must lie apart";
            Tensors g = Tensors.flat(array(3));
            refused(other, byLayer, g, thrown, with, List.of(Lars::step, (l, w, no) -> Checkpoint.save(file, l, w)));
        }
    }

    @Test
    void tensorsThatOverlapByAddress() throws IOException {
        // Weights at [0, 5) and [7, 10).
        MemorySegment whole = segment(arena, 40);
        Tensors weights = Tensors.flat(slice(whole, 0, N));
        String ends = "; they must lie apart";
        String ofA = " of layer \"a\"" + ends;
        String ofB = " of layer \"b\"" + ends;
        overlap(whole, weights, Tensors.flat(slice(whole, 0, N)), "a", ofA);
        overlap(whole, weights, weights, "a", ofA);
        // By one element: the last of the weights is the first of the others, and the other way round.
        overlap(whole, weights, Tensors.flat(slice(whole, 9, N)), "a", ofB);
        overlap(whole, Tensors.flat(slice(whole, 9, N)), weights, "b", ofA);
        // By layer against flat: [9, 14) and [14, 17); [10, 15) and [4, 7); [10, 15) and [2, 5).
        MemorySegment none = slice(whole, 2, 0);
        overlap(whole, weights, Tensors.byLayer(slice(whole, 9, 5), slice(whole, 14, 3), none), "a", ofB);
        overlap(whole, weights, Tensors.byLayer(slice(whole, 10, 5), slice(whole, 4, 3), none), "b", ofA);
        Tensors layers = Tensors.byLayer(slice(whole, 10, 5), slice(whole, 2, 3), none);
        overlap(whole, layers, weights, "a", ofB);
        // A layer that spans both of the others.
        Tensors both = Tensors.byLayer(slice(whole, 4, 5), slice(whole, 20, 3), none);
        overlap(whole, weights, both, "a", ofB);
        overlap(whole, both, weights, "a", ofA);
        // A read-only view and a segment of another origin, at the same address.
        overlap(whole, weights, Tensors.flat(slice(whole, 9, N).asReadOnly()), "a", ofB);
        overlap(
                whole,
                weights,
                Tensors.flat(MemorySegment.ofBuffer(slice(whole, 9, N).asByteBuffer())),
                "a",
                ofB);
    }

    /** Checks tensors that overlap as weights and gradients, and as both of these and the momentum. */
    private void overlap(MemorySegment whole, Tensors one, Tensors other, String layer, String with)
            throws IOException {
        bad(one, other, "gradients of layer \"" + layer + "\" shares memory with params" + with);
        try (Lars third = build(one, 1)) {
            Class<IllegalArgumentException> thrown = IllegalArgumentException.class;
            String message = " of layer \"" + layer + "\" shares memory with the momentum buffer" + with;
            refused(third, Tensors.flat(array(N)), other, thrown, "gradients" + message, steps);
            refused(third, byLayer(), other, thrown, "gradients" + message, steps);
            if (!((MemorySegment) ((Object[]) Inside.field(other, "parts"))[0]).isReadOnly()) {
                refused(third, other, flat(), thrown, "params" + message, steps, saves, restores);
                refused(third, other, Tensors.flat(array(N)), thrown, "params" + message, steps);
            }
            third.step(flat(), Tensors.flat(slice(whole, 30, N)));
        }
    }

    @Test
    void tensorsThatTouchDoNotOverlap() {
        MemorySegment whole = segment(arena, 40);
        MemorySegment none = slice(whole, 2, 0); // within a layer of the weights
        Tensors weights = Tensors.flat(slice(whole, 0, N));
        for (Tensors gradients : List.of(
                Tensors.flat(slice(whole, 10, N)), Tensors.byLayer(slice(whole, 15, 5), slice(whole, 12, 3), none))) {
            for (Tensors momentum : List.of(
                    Tensors.flat(slice(whole, 20, N)),
                    Tensors.byLayer(slice(whole, 20, 5), slice(whole, 25, 3), slice(whole, 12, 0)))) {
                assertStepsAsOnTheHeap(weights, gradients, momentum);
                assertStepsAsOnTheHeap(gradients, momentum, weights);
            }
        }
        // In the gap of the weights, which is two elements too small for a layer, begins the other's gap.
        assertStepsAsOnTheHeap(
                weights,
                Tensors.byLayer(slice(whole, 10, 5), slice(whole, 15, 3), slice(whole, 5, 0)),
                Tensors.byLayer(slice(whole, 18, 5), slice(whole, 23, 3), slice(whole, 7, 0)));
    }

    /** Layers at [0, 5) and [12, 15) leave a gap in which another one's layer fits, and so on. */
    @Test
    void gapsMayInterleave() {
        Layers apart = Layers.builder().add("a", 5).at(12).add("b", 3).build();
        MemorySegment whole = segment(arena, 40);
        float[] w = slice(whole, 0, 15).toArray(ValueLayout.JAVA_FLOAT);
        float[] g = slice(whole, 5, 15).toArray(ValueLayout.JAVA_FLOAT);
        try (Lars expected = Lars.builder(apart).learningRate(0.5).build();
                Lars actual = Lars.builder(apart).learningRate(0.5).build()) {
            expected.step(w, g);
            actual.step(Tensors.flat(slice(whole, 0, 15)), Tensors.flat(slice(whole, 5, 15)));
        }
        float[] after = slice(whole, 0, 15).toArray(ValueLayout.JAVA_FLOAT);
        Bits.assertSame(Arrays.copyOf(w, 5), Arrays.copyOf(after, 5), "a");
        Bits.assertSame(Arrays.copyOfRange(w, 12, 15), Arrays.copyOfRange(after, 12, 15), "b");
        Bits.assertSame(Arrays.copyOf(g, 5), slice(whole, 5, 5).toArray(ValueLayout.JAVA_FLOAT), "gradients");
    }

    private static void assertStepsAsOnTheHeap(Tensors w, Tensors g, Tensors m) {
        float[] weights = Memory.toFlat(w, LAYERS);
        float[] gradients = Memory.toFlat(g, LAYERS);
        float[] momentum = Memory.toFlat(m, LAYERS);
        try (Lars expected = builder().momentumBuffer(momentum).build();
                Lars actual = build(m, 1)) {
            for (int i = 0; i < 2; i++) {
                expected.step(weights, gradients);
                actual.step(w, g);
                Bits.assertSame(weights, Memory.toFlat(w, LAYERS), "weights");
                Bits.assertSame(gradients, Memory.toFlat(g, LAYERS), "gradients");
                Bits.assertSame(momentum, Memory.toFlat(m, LAYERS), "momentum");
            }
        }
    }

    /** Two empty layers may share a segment, whatever it is. */
    @Test
    void emptyLayers() {
        Layers layers =
                Layers.builder().add("none", 0).add("b", 3).add("nothing", 0).build();
        MemorySegment whole = segment(arena, 6);
        float[] w = slice(whole, 0, 3).toArray(ValueLayout.JAVA_FLOAT);
        float[] g = slice(whole, 3, 3).toArray(ValueLayout.JAVA_FLOAT);
        MemorySegment inside = slice(whole, 1, 0);
        MemorySegment b = slice(whole, 0, 3);
        try (Lars expected = Lars.builder(layers).learningRate(0.5).build();
                Lars actual = Lars.builder(layers).learningRate(0.5).build()) {
            expected.step(w, g);
            actual.step(
                    Tensors.byLayer(MemorySegment.NULL, b, MemorySegment.NULL),
                    Tensors.byLayer(inside, slice(whole, 3, 3), inside));
        }
        Bits.assertSame(w, b.toArray(ValueLayout.JAVA_FLOAT), "weights");
    }
}
