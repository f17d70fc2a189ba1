package io.github.lars4j;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;

/** The part of the {@link MisuseTable} that concerns where tensors lie. */
abstract class MisuseOfTensors extends MisuseTable {

    private static final Layers LAYERS =
            Layers.builder().add("a", 5).add("b", 3).build();

    private static final Layers OTHERS =
            Layers.builder().add("a", 5).add("c", 3).build();

    private static final long END = LAYERS.end() * Float.BYTES;

    /** A call that is given tensors. */
    private interface Call {
        void with(Tensors tensors) throws IOException;
    }

    /** An optimizer with a momentum buffer of the caller's, and tensors for it. */
    private static final class Fixture {

        private final Arena arena = Arena.ofShared();
        private final Layers layers;
        private final Tensors w;
        private final Tensors g;
        private final Tensors m;
        private final Lars lars;

        Fixture(Layers layers, Memory kind, int threads) {
            this.layers = layers;
            int n = (int) layers.end();
            w = kind.copyOf(Random32.normal(1, n, 1), layers, arena);
            g = kind.copyOf(Random32.normal(2, n, 1), layers, arena);
            m = kind.copyOf(Random32.normal(3, n, 1), layers, arena);
            lars = Lars.builder(layers)
                    .learningRate(0.5)
                    .momentum(0.9)
                    .momentumBuffer(m)
                    .parallelism(threads)
                    .build();
            lars.step(w, g);
        }

        /** Returns a text that differs if a bit of the optimizer or of the tensors differs. */
        String state() {
            return Inside.everything(
                    lars, Memory.toFlat(w, layers), Memory.toFlat(g, layers), Memory.toFlat(m, layers));
        }
    }

    final void placesOfTensors() {
        float[] a = new float[5];
        float[] b = new float[3];
        Arena arena = Arena.ofAuto();
        MemorySegment s = arena.allocate(END, Float.BYTES);
        MemorySegment heap = MemorySegment.ofArray(a);
        MemorySegment buffer = MemorySegment.ofBuffer(ByteBuffer.allocate(20).asReadOnlyBuffer());
        MemorySegment odd = s.asSlice(2, 8);
        watching(() -> "");
        on("Tensors.flat(float[])");
        isNull(0, "array", () -> Tensors.flat((float[]) null));
        on("Tensors.byLayer(float[][])");
        isNull(0, "arrays", () -> Tensors.byLayer((float[][]) null));
        isNull(0, "arrays[1]", () -> Tensors.byLayer(a, null));
        bad(0, () -> Tensors.byLayer(a, b, a), "arrays[2] is the same array as arrays[0]");
        on("Tensors.flat(MemorySegment)");
        isNull(0, "segment", () -> Tensors.flat((MemorySegment) null));
        bad(0, () -> Tensors.flat(heap), "segment is on the heap");
        bad(0, () -> Tensors.flat(buffer), "segment is on the heap");
        bad(0, () -> Tensors.flat(odd), "segment is at address " + odd.address(), "aligned to 4 bytes");
        on("Tensors.byLayer(MemorySegment[])");
        isNull(0, "segments", () -> Tensors.byLayer((MemorySegment[]) null));
        isNull(0, "segments[1]", () -> Tensors.byLayer(s, null));
        bad(0, () -> Tensors.byLayer(s, heap), "segments[1] is on the heap");
        bad(0, () -> Tensors.byLayer(s, odd), "segments[1] is at address " + odd.address(), "aligned to 4 bytes");
        bad(0, () -> Tensors.byLayer(s, s), "segments[1] overlaps segments[0]");
        bad(0, () -> Tensors.byLayer(s.asSlice(16), s.asSlice(0, 20)), "segments[0] overlaps segments[1]");
        bad(
                0,
                () -> Tensors.byLayer(s.asSlice(0, 4), s.asSlice(8, 8), s.asSlice(4, 8)),
                "segments[1] overlaps segments[2]");
        on("Gradients.of(Tensors)");
        isNull(0, "gradients", () -> Gradients.of((Tensors) null));
    }

    final void momentumBuffers() {
        Lars.Builder builder = Lars.builder(LAYERS).learningRate(0.5);
        Lars.Builder with = Lars.builder(LAYERS).learningRate(0.5).momentum(0.9);
        Arena arena = Arena.ofAuto();
        on("Lars.Builder.momentumBuffer(Tensors)");
        isNull(0, "momentumBuffer", () -> with.momentumBuffer((Tensors) null));
        for (Memory kind : Memory.values()) {
            Tensors zeros = kind.zeros(LAYERS, arena);
            bad(0, () -> builder.momentumBuffer(zeros).build(), "momentumBuffer is given with momentum 0");
            float[] values = new float[8];
            values[6] = Float.NEGATIVE_INFINITY;
            Tensors infinite = kind.copyOf(values, LAYERS, arena);
            bad(
                    0,
                    () -> with.momentumBuffer(infinite).build(),
                    "momentumBuffer is -Infinity at 1 of layer \"b\"; it must be finite");
        }
        badPlaces(
                0, "momentumBuffer", true, buffer -> with.momentumBuffer(buffer).build());
        badIfShared(
                0,
                "momentumBuffer",
                buffer -> with.momentumBuffer(buffer).parallelism(2).build());
        on("Lars.Builder.nativeMomentum(boolean)");
        bad(
                0,
                () -> Lars.builder(LAYERS)
                        .learningRate(0.5)
                        .momentum(0.9)
                        .nativeMomentum(true)
                        .momentumBuffer(new float[8])
                        .build(),
                "nativeMomentum is true and momentumBuffer is given");
    }

    /** Tensors that do not fit {@link #LAYERS}, or cannot be used. */
    private void badPlaces(int parameter, String name, boolean written, Call call) {
        Arena arena = Arena.ofAuto();
        float[] a = new float[5];
        MemorySegment sa = arena.allocate(20, Float.BYTES);
        MemorySegment sb = arena.allocate(12, Float.BYTES);
        bad(parameter, () -> call.with(Tensors.flat(new float[7])), name + " has length 7", "at least 8");
        for (long bytes : new long[] {0, 28, END - 1}) {
            Tensors shorter = Tensors.flat(arena.allocate(bytes, Float.BYTES));
            bad(parameter, () -> call.with(shorter), name + " has length " + bytes / Float.BYTES, "at least 8");
        }
        bad(parameter, () -> call.with(Tensors.byLayer(a)), name + " has 1 tensors", "2, one for each layer");
        bad(parameter, () -> call.with(Tensors.byLayer(sa)), name + " has 1 tensors", "2, one for each layer");
        bad(parameter, () -> call.with(Tensors.byLayer(new float[0][])), name + " has 0 tensors");
        bad(parameter, () -> call.with(Tensors.byLayer(a, new float[3], new float[1])), name + " has 3 tensors");
        for (int length : new int[] {0, 2, 4}) {
            Tensors arrays = Tensors.byLayer(a, new float[length]);
            Tensors segments = Tensors.byLayer(sa, arena.allocate(4L * length, Float.BYTES));
            String message = name + " has " + length + " elements for layer \"b\"; it must have 3";
            bad(parameter, () -> call.with(arrays), message);
            bad(parameter, () -> call.with(segments), message);
        }
        Tensors bytes = Tensors.byLayer(sa, arena.allocate(13, Float.BYTES));
        bad(parameter, () -> call.with(bytes), name + " has 3 elements and 1 bytes for layer \"b\"");

        Tensors flat;
        Tensors byLayer;
        try (Arena closed = Arena.ofShared()) {
            flat = Tensors.flat(closed.allocate(END, Float.BYTES));
            byLayer = Tensors.byLayer(sa, closed.allocate(12, Float.BYTES));
        }
        Class<? extends Exception> illegal = IllegalStateException.class;
        row(parameter, () -> call.with(flat), illegal, name + " lies in an arena that is closed");
        row(parameter, () -> call.with(byLayer), illegal, name + " of layer \"b\" lies in an arena that is closed");
        MemorySegment[] others = ofAnotherThread();
        String confined = " lies in an arena that is confined to another thread";
        bad(parameter, () -> call.with(Tensors.flat(others[0])), name + confined);
        bad(parameter, () -> call.with(Tensors.byLayer(sa, others[1])), name + " of layer \"b\"" + confined);
        if (written) {
            Tensors whole = Tensors.flat(arena.allocate(END, Float.BYTES).asReadOnly());
            bad(parameter, () -> call.with(whole), name + " is read-only; it must be writable");
            bad(
                    parameter,
                    () -> call.with(Tensors.byLayer(sa, sb.asReadOnly())),
                    name + " of layer \"b\" is read-only; it must be writable");
        }
    }

    /** Returns memory for all layers and for layer b, each in an arena that is confined to another thread. */
    @SuppressWarnings("MustBeClosedChecker") // only that thread could close them
    private static MemorySegment[] ofAnotherThread() {
        MemorySegment[] others = new MemorySegment[2];
        Thread other = new Thread(() -> {
            others[0] = Arena.ofConfined().allocate(END, Float.BYTES);
            others[1] = Arena.ofConfined().allocate(12, Float.BYTES);
        });
        other.start();
        try {
            other.join();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        return others;
    }

    /** Tensors that several threads cannot use. */
    @SuppressWarnings("MustBeClosedChecker") // the rows use it later
    private void badIfShared(int parameter, String name, Call call) {
        Arena confined = Arena.ofConfined();
        MemorySegment sa = Arena.ofAuto().allocate(20, Float.BYTES);
        Tensors flat = Tensors.flat(confined.allocate(END, Float.BYTES));
        Tensors byLayer = Tensors.byLayer(sa, confined.allocate(12, Float.BYTES));
        String message = " lies in an arena that is confined to one thread, and parallelism is 2";
        bad(parameter, () -> call.with(flat), name + message, "use a shared or automatic arena");
        bad(parameter, () -> call.with(byLayer), name + " of layer \"b\"" + message);
    }

    private static Map<String, BiConsumer<Tensors, Tensors>> calls(Lars lars) {
        DoubleSupplier none = () -> 0;
        LayerSums sums = sums(lars.layers());
        return Map.of(
                "Lars.step(Tensors,Tensors)",
                lars::step,
                "Lars.step(Tensors,Tensors,DoubleSupplier)",
                (params, tensors) -> lars.step(params, tensors, none),
                "Lars.measure(Tensors,Tensors)",
                lars::measure,
                "Lars.update(Tensors,Tensors,LayerSums)",
                (params, tensors) -> lars.update(params, tensors, sums),
                "Lars.step(Tensors,Gradients)",
                (params, tensors) -> lars.step(params, known(tensors)),
                "Lars.step(Tensors,Gradients,DoubleSupplier)",
                (params, tensors) -> lars.step(params, known(tensors), none),
                "Lars.measure(Tensors,Gradients)",
                (params, tensors) -> lars.measure(params, known(tensors)),
                "Lars.measureBlocks(Tensors,Gradients)",
                (params, tensors) -> lars.measureBlocks(params, known(tensors)),
                "Lars.update(Tensors,Gradients,LayerSums)",
                (params, tensors) -> lars.update(params, known(tensors), sums));
    }

    private static Gradients known(Tensors tensors) {
        return tensors == null ? null : Gradients.of(tensors);
    }

    static LayerSums sums(Layers layers) {
        LayerSums sums = new LayerSums(layers);
        for (int i = 0; i < layers.size(); i++) {
            sums.setWeights(i, 1);
            sums.setGradients(i, 1);
            sums.setProducts(i, 0);
        }
        return sums;
    }

    /** Every kind of step. */
    final void stepsWithTensors() {
        for (Memory kind : Memory.values()) {
            for (int threads : new int[] {1, 2}) {
                Fixture f = new Fixture(LAYERS, kind, threads);
                watching(f::state);
                calls(f.lars).forEach((executable, call) -> {
                    on(executable);
                    isNull(0, "params", () -> call.accept(null, f.g));
                    isNull(1, "gradients", () -> call.accept(f.w, null));
                    badPlaces(0, "params", true, params -> call.accept(params, f.g));
                    badPlaces(1, "gradients", false, gradients -> call.accept(f.w, gradients));
                    if (threads > 1) {
                        badIfShared(0, "params", params -> call.accept(params, f.g));
                        badIfShared(1, "gradients", gradients -> call.accept(f.w, gradients));
                    }
                    String shared =
                            kind == Memory.FLAT ? " is the same array as " : " of layer \"a\" shares memory with ";
                    bad(0, () -> call.accept(f.m, f.g), "params" + shared + "the momentum buffer");
                    bad(1, () -> call.accept(f.w, f.w), "gradients" + shared + "params");
                    bad(1, () -> call.accept(f.w, f.m), "gradients" + shared + "the momentum buffer");
                });
            }
        }
        tensorsThatOverlap();
        Fixture f = new Fixture(LAYERS, Memory.NATIVE, 1);
        watching(f::state);
        closuresAndSums(f);
    }

    private void closuresAndSums(Fixture f) {
        DoubleSupplier failing = () -> {
            throw new UnsupportedOperationException("no data");
        };
        LayerSums stale = f.lars.measure(f.w, f.g);
        f.lars.discard();
        Gradients gradients = Gradients.of(f.g);
        on("Lars.step(Tensors,Tensors,DoubleSupplier)");
        badClosure(closure -> f.lars.step(f.w, f.g, closure), failing);
        on("Lars.step(Tensors,Gradients,DoubleSupplier)");
        badClosure(closure -> f.lars.step(f.w, gradients, closure), failing);
        on("Lars.update(Tensors,Tensors,LayerSums)");
        badSums(sums -> f.lars.update(f.w, f.g, sums), stale);
        on("Lars.update(Tensors,Gradients,LayerSums)");
        badSums(sums -> f.lars.update(f.w, gradients, sums), stale);
    }

    private void badClosure(Consumer<DoubleSupplier> step, DoubleSupplier failing) {
        isNull(2, "closure", () -> step.accept(null));
        row(2, () -> step.accept(failing), UnsupportedOperationException.class, "no data");
    }

    private void badSums(Consumer<LayerSums> update, LayerSums stale) {
        isNull(2, "sums", () -> update.accept(null));
        bad(2, () -> update.accept(new LayerSums(LAYERS)), "sums is incomplete for layer \"a\"");
        bad(2, () -> update.accept(sums(OTHERS)), "sums has layer \"c\" at index 1");
        row(2, () -> update.accept(stale), IllegalStateException.class, "sums of an earlier step");
    }

    /** Different tensors that share an element, or an array. */
    private void tensorsThatOverlap() {
        Arena arena = Arena.ofAuto();
        MemorySegment memory = arena.allocate(2 * END, Float.BYTES);
        Tensors lower = Tensors.flat(memory.asSlice(0, END));
        Tensors upper = Tensors.flat(memory.asSlice(END - Float.BYTES, END));
        Tensors lowerLayers = Tensors.byLayer(memory.asSlice(20, 20), memory.asSlice(0, 12));
        Tensors upperLayers = Tensors.byLayer(memory.asSlice(40, 20), memory.asSlice(8, 12));
        Fixture f = new Fixture(LAYERS, Memory.NATIVE_BY_LAYER, 1);

        Tensors ofMomentum = Tensors.byLayer(arena.allocate(20, Float.BYTES), f.m.segment(LAYERS, 1));
        Lars flat = Lars.builder(LAYERS)
                .learningRate(0.5)
                .momentum(0.9)
                .momentumBuffer(lower)
                .build();
        watching(() -> f.state() + Arrays.toString(Memory.toFlat(lower, LAYERS)));
        calls(f.lars).forEach((executable, call) -> {
            on(executable);
            bad(
                    1,
                    () -> call.accept(lower, upper),
                    "gradients of layer \"a\" shares memory with params of layer \"b\"");
            bad(
                    1,
                    () -> call.accept(upper, lower),
                    "gradients of layer \"b\" shares memory with params of layer \"a\"");
            bad(
                    1,
                    () -> call.accept(lowerLayers, upperLayers),
                    "gradients of layer \"b\" shares memory with params of layer \"b\"");
            bad(1, () -> call.accept(lower, lowerLayers), "gradients of layer \"a\" shares memory with params");
            bad(
                    0,
                    () -> call.accept(ofMomentum, f.g),
                    "params of layer \"b\" shares memory with the momentum buffer of layer \"b\"");
            bad(
                    1,
                    () -> call.accept(f.w, ofMomentum),
                    "gradients of layer \"b\" shares memory with the momentum buffer of layer \"b\"");
        });
        calls(flat).forEach((executable, call) -> {
            on(executable);
            bad(
                    0,
                    () -> call.accept(upper, f.g),
                    "params of layer \"a\" shares memory with the momentum buffer of layer \"b\"");
            bad(
                    1,
                    () -> call.accept(f.w, upper),
                    "gradients of layer \"a\" shares memory with the momentum buffer of layer \"b\"");
        });
        arraysInTwoLists();
    }

    private void arraysInTwoLists() {
        Layers equal = Layers.builder().add("a", 4).add("b", 4).build();
        Layers one = Layers.builder().add("a", 4).add("nothing", 0).build();
        float[] x = {1, 2, 3, 4};
        float[] none = {};
        Fixture lists = new Fixture(equal, Memory.BY_LAYER, 1);
        Fixture list = new Fixture(one, Memory.BY_LAYER, 1);
        Fixture flat = new Fixture(one, Memory.FLAT, 1);
        watching(() -> lists.state() + list.state() + flat.state() + Arrays.toString(x));
        calls(lists.lars).forEach((executable, call) -> {
            on(executable);
            bad(
                    1,
                    () -> call.accept(Tensors.byLayer(x, new float[4]), Tensors.byLayer(new float[4], x)),
                    "gradients of layer \"b\" shares memory with params of layer \"a\"");
        });
        Tensors xInList = Tensors.byLayer(x, none);
        for (Fixture f : List.of(list, flat)) {
            float[] m = Inside.momentum(f.lars);
            calls(f.lars).forEach((executable, call) -> {
                on(executable);
                bad(
                        1,
                        () -> call.accept(Tensors.flat(x), xInList),
                        "gradients of layer \"a\" shares memory with params;");
                bad(
                        1,
                        () -> call.accept(xInList, Tensors.flat(x)),
                        "gradients shares memory with params of layer \"a\"");
                if (f == flat) {
                    bad(
                            0,
                            () -> call.accept(Tensors.byLayer(m, none), f.g),
                            "params of layer \"a\" shares memory with the momentum buffer;");
                }
            });
        }
    }

    /** Steps that take one layer after the other. */
    final void stepsLayerByLayer() {
        float[] w = Random32.normal(1, 8, 1);
        float[] m = Random32.normal(2, 8, 1);
        float[] g = new float[5];
        Lars strict = Lars.builder(LAYERS).learningRate(0.5).build();
        Lars idle = skipping(Tensors.flat(m), 2);
        watching(() -> Inside.everything(idle, w, m));
        on("Lars.beginStep(float[])");
        isNull(0, "params", () -> idle.beginStep((float[]) null));
        bad(0, () -> idle.beginStep(new float[7]), "params has length 7", "8");
        bad(0, () -> idle.beginStep(m), "params is the same array as the momentum buffer");
        row(0, () -> strict.beginStep(w), IllegalStateException.class, "onBadGradient");
        on("Lars.beginStep(Tensors)");
        isNull(0, "params", () -> idle.beginStep((Tensors) null));
        badPlaces(0, "params", true, idle::beginStep);
        badIfShared(0, "params", idle::beginStep);
        on("Lars.beginStep(Tensors,double)");
        isNull(0, "params", () -> idle.beginStep(null, 1));
        badPlaces(0, "params", true, params -> idle.beginStep(params, 0.5));
        badNumbers(1, "gradientScale", scale -> idle.beginStep(Tensors.flat(w), scale), 0, -1, NAN, INF, -INF);

        Arena arena = Arena.ofAuto();
        Tensors natively = Memory.NATIVE.copyOf(m, LAYERS, arena);
        MemorySegment weights = arena.allocate(END + 20, Float.BYTES);
        Lars open = skipping(Tensors.flat(m), 1);
        Lars outside = skipping(natively, 2);
        open.beginStep(w);
        outside.beginStep(Tensors.flat(weights));
        watching(() -> SampleRun.bits(open, w)
                + SampleRun.bits(outside, Memory.toFlat(Tensors.flat(weights), LAYERS))
                + Arrays.toString(Memory.toFlat(natively, LAYERS)));
        on("Lars.applyLayer(int,float[])");
        badIndex(0, () -> open.applyLayer(-1, g), "layer is -1", "[0, 2)");
        badIndex(0, () -> open.applyLayer(2, g), "layer is 2", "[0, 2)");
        isNull(1, "gradient", () -> open.applyLayer(0, (float[]) null));
        bad(1, () -> open.applyLayer(0, new float[4]), "gradient has 4 elements of FLOAT32; it must have at least 5");
        bad(1, () -> open.applyLayer(1, w), "gradient shares memory with params");
        bad(1, () -> open.applyLayer(1, m), "gradient shares memory with the momentum buffer");
        on("Lars.applyLayer(int,MemorySegment)");
        MemorySegment gradient = arena.allocate(20, Float.BYTES);
        MemorySegment closed;
        try (Arena other = Arena.ofShared()) {
            closed = other.allocate(20, Float.BYTES);
        }
        badIndex(0, () -> outside.applyLayer(-1, gradient), "layer is -1", "[0, 2)");
        badIndex(0, () -> outside.applyLayer(2, gradient), "layer is 2", "[0, 2)");
        isNull(1, "gradient", () -> outside.applyLayer(0, (MemorySegment) null));
        bad(1, () -> outside.applyLayer(0, MemorySegment.ofArray(g)), "gradient is on the heap");
        bad(1, () -> outside.applyLayer(1, gradient.asSlice(1)), "gradient is at address", "aligned to 4 bytes");
        bad(1, () -> outside.applyLayer(0, gradient.asSlice(4)), "gradient has 4 elements", "at least 5");
        row(
                1,
                () -> outside.applyLayer(0, closed),
                IllegalStateException.class,
                "gradient lies in an arena that is closed");
        bad(1, () -> outside.applyLayer(0, ofAnotherThread()[0]), "gradient", "confined to another thread");
        bad(1, () -> outside.applyLayer(1, confined()), "gradient", "confined to one thread, and parallelism is 2");
        bad(
                1,
                () -> outside.applyLayer(0, weights.asSlice(END - Float.BYTES, 20)),
                "gradient shares memory with params of layer \"b\"");
        bad(
                1,
                () -> outside.applyLayer(0, natively.segment(LAYERS, 0)),
                "gradient shares memory with the momentum buffer of layer \"a\"");
    }

    private static Lars skipping(Tensors momentum, int threads) {
        return Lars.builder(LAYERS)
                .learningRate(0.5)
                .momentum(0.9)
                .momentumBuffer(momentum)
                .onBadGradient(OnBadGradient.SKIP_LAYER)
                .parallelism(threads)
                .build();
    }

    @SuppressWarnings("MustBeClosedChecker") // the row uses it later
    private static MemorySegment confined() {
        return Arena.ofConfined().allocate(12, Float.BYTES);
    }

    /** Files with weights wherever they lie. */
    final void savedTensors(Path folder) throws IOException {
        Path absent = folder.resolve("absent");
        Lars strangers = Lars.builder(Layers.builder().add("z", 8).build())
                .learningRate(1)
                .build();
        Lars others = Lars.builder(OTHERS).learningRate(1).build();
        Lars closed = Lars.builder(LAYERS).learningRate(1).build();
        closed.close();
        for (Memory kind : List.of(Memory.BY_LAYER, Memory.NATIVE)) {
            Fixture f = new Fixture(LAYERS, kind, 1);
            Path file = folder.resolve(kind + ".safetensors");
            Path weightless = folder.resolve(kind + "-weightless.safetensors");
            Checkpoint.save(file, f.lars, f.w);
            Checkpoint.save(weightless, f.lars);
            Checkpoint whole = Checkpoint.load(file);
            Checkpoint bare = Checkpoint.load(weightless);
            f.lars.step(f.w, f.g);
            watching(() -> f.state() + Bits.files(folder));

            on("Checkpoint.save(Path,Lars,Tensors)");
            isNull(0, "file", () -> Checkpoint.save(null, f.lars, f.w));
            row(0, () -> Checkpoint.save(absent.resolve("f"), f.lars, f.w), NoSuchFileException.class, "absent");
            isNull(1, "lars", () -> Checkpoint.save(file, null, f.w));
            row(
                    1,
                    () -> Checkpoint.save(file, closed, f.w),
                    IllegalStateException.class,
                    "save was called after close");
            isNull(2, "params", () -> Checkpoint.save(file, f.lars, (Tensors) null));
            badPlaces(2, "params", false, params -> Checkpoint.save(file, f.lars, params));
            bad(2, () -> Checkpoint.save(file, f.lars, f.m), "params of layer \"a\" shares memory with the momentum");

            on("Checkpoint.restore(Lars,Tensors)");
            isNull(0, "lars", () -> whole.restore(null, f.w));
            row(0, () -> whole.restore(closed, f.w), IllegalStateException.class, "restore was called after close");
            bad(0, () -> whole.restore(others, f.w), "differ from the optimizer's", "\"c\"", "\"b\"");
            badRestored(1, f, params -> whole.restore(f.lars, params), params -> bare.restore(f.lars, params));
            on("Checkpoint.restoreMatching(Lars,Tensors)");
            isNull(0, "lars", () -> whole.restoreMatching(null, f.w));
            Tensors eight = Tensors.byLayer(new float[8]);
            bad(0, () -> whole.restoreMatching(strangers, eight), "differ from the optimizer's, and none matches");
            badRestored(
                    1,
                    f,
                    params -> whole.restoreMatching(f.lars, params),
                    params -> bare.restoreMatching(f.lars, params));
            on("Checkpoint.restoreMatching(Lars,Tensors,String)");
            isNull(0, "lars", () -> whole.restoreMatching(null, f.w, ""));
            badRestored(
                    1,
                    f,
                    params -> whole.restoreMatching(f.lars, params, ""),
                    params -> bare.restoreMatching(f.lars, params, ""));
            isNull(2, "prefix", () -> whole.restoreMatching(f.lars, f.w, null));
            bad(2, () -> whole.restoreMatching(f.lars, f.w, "x."), "none matches", "\"x.a\"");

            on("PyTorchState.restore(Path,Lars,Tensors)");
            isNull(0, "file", () -> PyTorchState.restore(null, f.lars, f.w));
            row(0, () -> PyTorchState.restore(absent, f.lars, f.w), NoSuchFileException.class, "absent");
            isNull(1, "lars", () -> PyTorchState.restore(file, null, f.w));
            badRestored(2, f, params -> PyTorchState.restore(file, f.lars, params), null);
            on("PyTorchState.restore(Path,Lars,Tensors,String)");
            isNull(0, "file", () -> PyTorchState.restore(null, f.lars, f.w, ""));
            isNull(1, "lars", () -> PyTorchState.restore(file, null, f.w, ""));
            badRestored(2, f, params -> PyTorchState.restore(file, f.lars, params, ""), null);
            isNull(3, "prefix", () -> PyTorchState.restore(file, f.lars, f.w, null));
            bad(3, () -> PyTorchState.restore(file, f.lars, f.w, "x."), "the file does not fit", "\"x.a\"");
        }
    }

    private void badRestored(int parameter, Fixture f, Call whole, Call weightless) {
        isNull(parameter, "params", () -> whole.with(null));
        badPlaces(parameter, "params", true, whole);
        bad(parameter, () -> whole.with(f.m), "params of layer \"a\" shares memory with the momentum buffer");
        if (weightless != null) {
            bad(parameter, () -> weightless.with(f.w), "params is given", "no weights");
        }
    }
}
