package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.safetensors.SafeTensorsFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Gradients in bfloat16 and float16, momentum in bfloat16, and bfloat16 copies of the weights. */
class MixedPrecisionTest {

    private static final Layers LAYERS = Layers.builder()
            .add("w", 5000)
            .at(5010)
            .add("bias", 7, Treatment.PLAIN)
            .add("nothing", 0)
            .add("head", 4096)
            .build();

    private static final int N = (int) LAYERS.end();
    private static final int STEPS = 4;

    @TempDir
    private Path folder;

    private static Lars.Builder builder() {
        return Lars.builder(LAYERS)
                .learningRate(0.1)
                .trustCoefficient(0.02)
                .weightDecay(1e-3)
                .momentum(0.9)
                .nesterov(true);
    }

    private static float[] weights() {
        return Random32.normal(1, N, 1);
    }

    /** Returns random elements in a narrow format, with subnormal numbers among them. */
    private static short[] gradient(Format format, int step) {
        Random random = new Random(100 + step);
        short[] bits = new short[N];
        for (int i = 0; i < N; i++) {
            bits[i] = format.toShort((float) (random.nextGaussian() * (random.nextInt(9) == 0 ? 0x1p-20 : 0.01)));
        }
        return bits;
    }

    private static float[] widened(Format format, short[] bits) {
        float[] values = new float[bits.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = format.toFloat(bits[i]);
        }
        return values;
    }

    private static short[][] byLayer(short[] flat) {
        short[][] arrays = new short[LAYERS.size()][];
        Arrays.setAll(
                arrays,
                i -> Arrays.copyOfRange(
                        flat, (int) LAYERS.get(i).offset(), (int) LAYERS.get(i).end()));
        return arrays;
    }

    private static MemorySegment outside(short[] values) {
        return Arena.ofAuto().allocate(2L * values.length, 2).copyFrom(MemorySegment.ofArray(values));
    }

    private static MemorySegment[] outsideByLayer(short[] values) {
        return Arrays.stream(byLayer(values)).map(MixedPrecisionTest::outside).toArray(MemorySegment[]::new);
    }

    private static List<Tensors> everywhere(Format format, short[] values) {
        return List.of(
                Tensors.flat(format, values),
                Tensors.byLayer(format, byLayer(values)),
                Tensors.flat(format, outside(values)),
                Tensors.byLayer(format, outsideByLayer(values)));
    }

    /** Rounds to the nearest bfloat16, by comparing the two that a value lies between. */
    private static short nearest(float value) {
        int low = Float.floatToIntBits(value) >>> 16;
        double below = Float.intBitsToFloat(low << 16);
        double above = Float.intBitsToFloat((low + 1) << 16);
        if (Double.isInfinite(above)) {
            above = Math.copySign(0x1p128, value);
        }
        double toBelow = Math.abs(value - below);
        double toAbove = Math.abs(above - value);
        boolean up = toAbove < toBelow || (toAbove == toBelow && low % 2 == 1);
        return (short) (up ? low + 1 : low);
    }

    @Test
    void aNarrowGradientGivesTheBitsOfTheWidenedOne() {
        for (Format format : List.of(Format.BFLOAT16, Format.FLOAT16)) {
            for (boolean carry : new boolean[] {false, true}) {
                float[] expected = weights();
                try (Lars reference = builder().carrySums(carry).build()) {
                    for (int step = 0; step < STEPS; step++) {
                        reference.step(
                                expected,
                                Gradients.of(widened(format, gradient(format, step)))
                                        .scale(0.5));
                    }
                }
                for (int place = 0; place < 4; place++) {
                    float[] flat = weights();
                    for (Memory of : List.of(Memory.FLAT, Memory.BY_LAYER, Memory.NATIVE)) {
                        Tensors w = of.copyOf(flat, LAYERS, Arena.ofAuto());
                        try (Lars lars = builder()
                                .carrySums(carry)
                                .nativeMomentum(!of.onHeap())
                                .parallelism(1 + place)
                                .build()) {
                            for (int step = 0; step < STEPS; step++) {
                                Tensors g = everywhere(format, gradient(format, step))
                                        .get(place);
                                lars.step(w, Gradients.of(g).scale(0.5));
                            }
                        }
                        assertLayersEqual(expected, Memory.toFlat(w, LAYERS));
                    }
                }
            }
        }
    }

    private static void assertLayersEqual(float[] expected, float[] actual) {
        for (Layer layer : LAYERS) {
            assertArrayEquals(
                    Arrays.copyOfRange(expected, (int) layer.offset(), (int) layer.end()),
                    Arrays.copyOfRange(actual, (int) layer.offset(), (int) layer.end()));
        }
    }

    @Test
    void soDoesOneThatComesLayerByLayerInAlternatingFormats() {
        float[] w = weights();
        float[] expected = weights();
        try (Lars lars = builder().onBadGradient(OnBadGradient.SKIP_LAYER).build();
                Lars reference =
                        builder().onBadGradient(OnBadGradient.SKIP_LAYER).build()) {
            for (int step = 0; step < STEPS; step++) {
                float[] whole = new float[N];
                lars.beginStep(w);
                for (int i = 0; i < LAYERS.size(); i++) {
                    Format format = Format.values()[(i + step) % 3];
                    short[] bits = format == Format.FLOAT32 ? new short[0] : byLayer(gradient(format, step))[i];
                    float[] values = format == Format.FLOAT32
                            ? Random32.normal(step, (int) LAYERS.get(i).length(), 0.01)
                            : widened(format, bits);
                    System.arraycopy(values, 0, whole, (int) LAYERS.get(i).offset(), values.length);
                    if (format == Format.FLOAT32) {
                        lars.applyLayer(i, values);
                    } else if (step % 2 == 0) {
                        lars.applyLayer(i, format, bits);
                    } else {
                        lars.applyLayer(i, format, outside(bits));
                    }
                }
                lars.endStep();
                reference.step(expected, whole);
            }
        }
        assertArrayEquals(expected, w);
    }

    @Test
    void aNarrowGradientThatIsNotFiniteIsRefusedAndNothingIsWritten() {
        for (Format format : List.of(Format.BFLOAT16, Format.FLOAT16)) {
            for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
                for (int at : new int[] {0, 4095, 4999, 5013, N - 1}) {
                    short[] bits = gradient(format, 0);
                    bits[at] = format.toShort(bad);
                    float[] w = weights();
                    Tensors params = Tensors.flat(w);
                    short[] halves = new short[N];
                    try (Lars lars = builder().momentumFormat(Format.BFLOAT16).build()) {
                        Tensors g = Tensors.flat(format, bits);
                        assertThrows(
                                NonFiniteException.class,
                                () -> lars.step(params, g, Tensors.flat(Format.BFLOAT16, halves)));
                        assertArrayEquals(weights(), w);
                        assertArrayEquals(new short[N], halves);
                        assertEquals(0, lars.steps());
                    }
                }
            }
        }
    }

    /** The reference is a float32 optimizer whose momentum is rounded by this test after each step. */
    @Test
    void aMomentumInBfloat16IsTheRoundedOneOfFloat32() {
        for (Long seed : new Long[] {null, 42L, -3L}) {
            float[] expected = weights();
            float[] momentum = new float[N];
            float[] w = weights();
            short[] stored = new short[N];
            Lars.Builder narrow = builder().momentumBuffer(Tensors.flat(Format.BFLOAT16, stored));
            if (seed != null) {
                narrow.stochasticRounding(seed);
            }
            try (Lars reference = builder().momentumBuffer(momentum).build();
                    Lars lars = narrow.build()) {
                for (int step = 0; step < STEPS; step++) {
                    float[] g = Random32.normal(step, N, 0.01);
                    reference.step(expected, g);
                    lars.step(w, g);
                    assertArrayEquals(expected, w, "the weights see the momentum before it is rounded");
                    for (int i = 0; i < LAYERS.size(); i++) {
                        Layer layer = LAYERS.get(i);
                        for (int e = 0; e < layer.length(); e++) {
                            int at = (int) layer.offset() + e;
                            short rounded = seed == null
                                    ? nearest(momentum[at])
                                    : (short) ((Float.floatToIntBits(momentum[at]) + random(seed, step, i, e)) >>> 16);
                            assertEquals(rounded, stored[at], layer.name() + " " + e + " in step " + step);
                            momentum[at] = Format.BFLOAT16.toFloat(stored[at]);
                        }
                    }
                }
            }
        }
    }

    /** The random bits, stated once more. */
    private static int random(long seed, long step, int layer, int element) {
        long key = mix(mix(mix(seed + 0x9e3779b97f4a7c15L) + step) + layer);
        key = mix(key + 0x9e3779b97f4a7c15L * (element / 4096 + 1));
        int x = (int) key + element % 4096 * 0x1b56c4e9;
        return ((x ^ (x >>> 13) ^ (int) (key >>> 32)) * 0x846ca68b) >>> 16;
    }

    private static long mix(long z) {
        long x = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        x = (x ^ (x >>> 27)) * 0x94d049bb133111ebL;
        return x ^ (x >>> 31);
    }

    @Test
    void theBitsAreTheSameOnEveryNumberOfThreadsEveryKernelAndEverywhere() {
        float[] expected = null;
        for (int threads : new int[] {1, 4}) {
            for (Simd simd : new Simd[] {Simd.OFF, Simd.REQUIRED}) {
                for (Memory of : List.of(Memory.FLAT, Memory.BY_LAYER, Memory.NATIVE)) {
                    Tensors w = of.copyOf(weights(), LAYERS, Arena.ofAuto());
                    try (Lars lars = builder()
                            .momentumFormat(Format.BFLOAT16)
                            .stochasticRounding(7)
                            .nativeMomentum(!of.onHeap())
                            .parallelism(threads)
                            .simd(simd)
                            .carrySums(threads == 1)
                            .build()) {
                        for (int step = 0; step < STEPS; step++) {
                            List<Tensors> g = everywhere(Format.BFLOAT16, gradient(Format.BFLOAT16, step));
                            lars.step(w, g.get(of.onHeap() ? 0 : 2));
                        }
                    }
                    float[] actual = Memory.toFlat(w, LAYERS);
                    expected = expected == null ? actual : expected;
                    assertLayersEqual(expected, actual);
                }
            }
        }
    }

    /** The largest bfloat16, and a gradient that carries it to more than half of the distance to infinity. */
    @Test
    void aMomentumThatRoundsToInfinityIsReported() {
        Layers one = Layers.builder()
                .add("a", 40, Treatment.PLAIN)
                .add("b", 3, Treatment.PLAIN)
                .build();
        for (int at : new int[] {0, 33, 39}) {
            for (boolean outside : new boolean[] {false, true}) {
                for (Long seed : new Long[] {null, 1L}) {
                    short[] momentum = new short[43];
                    momentum[at] = (short) 0xff7f;
                    MemorySegment segment = outside(momentum);
                    float[] g = new float[43];
                    g[at] = -1.32e36f;
                    Lars.Builder builder = Lars.builder(one)
                            .learningRate(1)
                            .momentum(1)
                            .momentumBuffer(
                                    outside
                                            ? Tensors.flat(Format.BFLOAT16, segment)
                                            : Tensors.flat(Format.BFLOAT16, momentum));
                    if (seed != null) {
                        builder.stochasticRounding(seed);
                    }
                    float[] w = new float[43];
                    try (Lars lars = builder.build()) {
                        StepReport report = lars.step(Tensors.flat(w), Tensors.flat(g));
                        assertEquals(Outcome.OVERFLOWED, report.outcome(0));
                        assertEquals(Outcome.UPDATED, report.outcome(1));
                        assertTrue(Float.isFinite(w[at]) && w[at] > 3.38e38f);
                        short stored = outside ? segment.getAtIndex(ValueLayout.JAVA_SHORT, at) : momentum[at];
                        assertEquals((short) 0xff80, stored);
                    }
                }
            }
        }
    }

    @Test
    void aMomentumByScheduleThatBecomesZeroIsLost() {
        double[] momentum = {0.9, 0, 0.9};
        for (int place = 0; place < 4; place++) {
            Tensors stored = everywhere(Format.BFLOAT16, new short[N]).get(place);
            float[] w = weights();
            try (Lars lars = Lars.builder(LAYERS)
                    .learningRate(0.1)
                    .momentum(step -> momentum[(int) step])
                    .momentumBuffer(stored)
                    .build()) {
                for (int step = 0; step < 3; step++) {
                    lars.step(w, Random32.normal(step, N, 0.01));
                    for (int i = 0; i < LAYERS.size(); i++) {
                        short[] elements = Inside.elements(stored, LAYERS, i);
                        assertEquals(step == 1 || i == 2, Arrays.equals(new short[elements.length], elements));
                    }
                }
            }
        }
    }

    @Test
    void copiesOfTheWeightsHoldEveryLayerWhateverBecameOfIt() {
        for (int threads : new int[] {1, 3}) {
            for (int place = 0; place < 4; place++) {
                for (Memory of : List.of(Memory.FLAT, Memory.NATIVE_BY_LAYER)) {
                    float[] flat = weights();
                    flat[17] = Float.MAX_VALUE; // rounds to infinity
                    Tensors w = of.copyOf(flat, LAYERS, Arena.ofAuto());
                    Tensors halves = everywhere(Format.BFLOAT16, new short[N]).get(place);
                    float[] g = Random32.normal(5, N, 0.01);
                    g[5012] = Float.NaN;
                    Gradients gradients = Gradients.of(g);
                    try (Lars lars = builder()
                            .onBadGradient(OnBadGradient.SKIP_LAYER)
                            .parallelism(threads)
                            .build()) {
                        gradients.missing(0, true);
                        lars.step(w, gradients, halves);
                        assertEquals(
                                Outcome.BAD_GRADIENT,
                                lars.step(w, gradients, halves).outcome(1));
                        assertCopies(w, halves);
                        gradients.missing(0, false);
                        assertEquals(
                                Outcome.UPDATED,
                                lars.update(w, gradients, lars.measure(w, gradients), halves)
                                        .outcome(0));
                        assertCopies(w, halves);
                        lars.step(w, Tensors.flat(Random32.normal(6, N, 0.01)), halves);
                        assertCopies(w, halves);
                    }
                }
            }
        }
    }

    @Test
    void copiesOfTheWeightsAreWrittenIfTheFirstStepHasNoGradients() {
        Tensors w = Tensors.flat(weights());
        Tensors halves = Tensors.flat(Format.BFLOAT16, new short[N]);
        try (Lars lars = builder().onBadGradient(OnBadGradient.SKIP_LAYER).build()) {
            lars.beginStep(w, 1, halves);
            assertEquals(Outcome.NO_GRADIENT, lars.endStep().outcome(0));
            assertCopies(w, halves);
        }
    }

    /** Each layer's copy is written with the layer, skipped or not, and those of the other layers at the end. */
    @Test
    void copiesOfTheWeightsAreWrittenLayerByLayer() {
        for (int threads : new int[] {1, 3}) {
            for (int place = 0; place < 4; place++) {
                for (Memory of : List.of(Memory.FLAT, Memory.NATIVE_BY_LAYER)) {
                    Tensors w = of.copyOf(weights(), LAYERS, Arena.ofAuto());
                    Tensors halves = everywhere(Format.BFLOAT16, new short[N]).get(place);
                    short[][] g = byLayer(gradient(Format.BFLOAT16, 0));
                    try (Lars lars = Inside.inSmallRounds(builder().onBadGradient(OnBadGradient.SKIP_LAYER))
                            .momentumFormat(Format.BFLOAT16)
                            .parallelism(threads)
                            .build()) {
                        lars.beginStep(w, 1, halves);
                        assertArrayEquals(new short[5000], Inside.elements(halves, LAYERS, 0));
                        assertEquals(Outcome.UPDATED, lars.applyLayer(0, Format.BFLOAT16, g[0]));
                        assertCopies(w, halves, 0);
                        float[] bad = {0, 0, 0, 0, 0, 0, Float.NaN};
                        assertEquals(Outcome.BAD_GRADIENT, lars.applyLayer(1, bad));
                        assertCopies(w, halves, 1);
                        assertArrayEquals(new short[4096], Inside.elements(halves, LAYERS, 3));
                        assertEquals(Outcome.NO_GRADIENT, lars.endStep().outcome(3));
                        assertCopies(w, halves);

                        lars.beginStep(w);
                        lars.applyLayer(3, Format.BFLOAT16, g[3]);
                        lars.endStep();
                        Tensors others =
                                everywhere(Format.BFLOAT16, new short[N]).get(place);
                        lars.beginStep(w, 1, others);
                        lars.endStep();
                        assertCopies(w, others);

                        lars.beginStep(w, 1, halves);
                        for (int i = LAYERS.size() - 1; i >= 0; i--) {
                            lars.applyLayer(i, Format.BFLOAT16, outside(g[i]));
                            assertCopies(w, halves, i);
                        }
                        lars.endStep();
                        assertCopies(w, halves);
                        assertEquals(4, lars.steps());
                    }
                }
            }
        }
    }

    @Test
    void weightsAndCopiesMustBeOpenUntilTheEnd() {
        MemorySegment w = Arena.ofAuto().allocate(4L * N, 64);
        MemorySegment halves = Arena.ofAuto().allocate(2L * N, 64);
        for (boolean closeCopies : new boolean[] {false, true}) {
            try (Lars lars = builder().onBadGradient(OnBadGradient.SKIP_LAYER).build()) {
                Snapshot snapshot = lars.snapshot();
                try (Arena arena = Arena.ofShared()) {
                    Tensors params = Tensors.flat(closeCopies ? w : arena.allocate(4L * N, 64));
                    Tensors copies = Tensors.flat(Format.BFLOAT16, closeCopies ? arena.allocate(2L * N, 64) : halves);
                    lars.beginStep(params, 1, copies);
                    lars.applyLayer(0, new float[5000]);
                }
                for (Executable call :
                        List.<Executable>of(() -> lars.applyLayer(3, new float[4096]), lars::endStep, lars::endStep)) {
                    Exception e = assertThrows(IllegalStateException.class, call);
                    assertEquals(
                            (closeCopies ? "halfWeights" : "params") + " lies in an arena that is closed",
                            e.getMessage());
                }
                assertEquals(0, lars.steps());
                lars.restore(snapshot);
                assertEquals(Outcome.UPDATED, lars.step(weights(), new float[N]).outcome(0));
            }
        }
    }

    private static void assertCopies(Tensors w, Tensors halves, int layer) {
        float[] flat = Memory.toFlat(w, LAYERS);
        short[] copy = Inside.elements(halves, LAYERS, layer);
        for (int e = 0; e < copy.length; e++) {
            assertEquals(nearest(flat[(int) LAYERS.get(layer).offset() + e]), copy[e], layer + " " + e);
        }
    }

    private static void assertCopies(Tensors w, Tensors halves) {
        for (int i = 0; i < LAYERS.size(); i++) {
            assertCopies(w, halves, i);
        }
    }

    @Test
    void aResumedRunGoesOnWithTheSameBits() throws IOException {
        for (Long seed : new Long[] {null, 5L}) {
            Path file = folder.resolve(seed + ".safetensors");
            float[] expected = weights();
            float[] w = weights();
            try (Lars whole = narrow(seed)) {
                run(whole, expected, 0, 6);
            }
            try (Lars first = narrow(seed)) {
                run(first, w, 0, 3);
                Checkpoint.save(file, first, w);
                Snapshot snapshot = first.snapshot();
                float[] again = w.clone();
                run(first, again, 3, 6);
                assertArrayEquals(expected, again);
                try (Lars other = narrow(seed == null ? null : 99L)) {
                    other.restore(snapshot);
                    again = w.clone();
                    run(other, again, 3, 6);
                    assertArrayEquals(expected, again, "from a snapshot, with its seed");
                }
            }
            try (Lars second = narrow(seed == null ? null : 99L)) {
                float[] again = new float[N];
                Restored restored = Checkpoint.load(file).restore(second, again);
                assertEquals(
                        seed == null ? List.of() : List.of("stochasticRounding has seed 5, had 99"), restored.notes());
                Path copy = folder.resolve("copy");
                Checkpoint.save(copy, second, again);
                assertArrayEquals(Files.readAllBytes(file), Files.readAllBytes(copy));
                run(second, again, 3, 6);
                assertLayersEqual(expected, again);
            }
        }
    }

    private static Lars narrow(Long seed) {
        Lars.Builder builder = builder().momentumFormat(Format.BFLOAT16);
        return seed == null ? builder.build() : builder.stochasticRounding(seed).build();
    }

    private static void run(Lars lars, float[] w, int from, int to) {
        for (int step = from; step < to; step++) {
            lars.step(w, Random32.normal(step, N, 0.01));
        }
    }

    @Test
    void aStateInTheOtherFormatIsRoundedOrWidened() throws IOException {
        Path file = folder.resolve("f");
        try (Lars wide = builder().build();
                Lars narrow = narrow(1L)) {
            run(wide, weights(), 0, 2);
            run(narrow, weights(), 0, 2);
            float[] momentum = Inside.momentum(wide);
            short[] rounded = new short[N];
            for (Layer layer : LAYERS) {
                for (int e = (int) layer.offset(); e < layer.end(); e++) {
                    rounded[e] = nearest(momentum[e]);
                }
            }
            Checkpoint.save(file, wide);
            assertEquals(
                    List.of("the momentum of the checkpoint is float32 and the optimizer's is bfloat16, rounded"
                            + " stochastically with seed 1: it was rounded to nearest even"),
                    Checkpoint.load(file).restore(narrow).notes());
            assertMomentum(rounded, narrow);
            narrow.restore(wide.snapshot());
            assertMomentum(rounded, narrow);
            Checkpoint.save(file, narrow);
            assertEquals(
                    List.of("the momentum of the checkpoint is bfloat16, rounded stochastically with seed 1 and the"
                            + " optimizer's is float32: it was widened exactly"),
                    Checkpoint.load(file).restore(wide).notes());
            assertArrayEquals(widened(Format.BFLOAT16, rounded), Inside.momentum(wide));
            wide.restore(narrow.snapshot());
            assertArrayEquals(widened(Format.BFLOAT16, rounded), Inside.momentum(wide));
        }
    }

    /** What the notes say is what has happened: a seed that is kept is not said to be replaced, nor the reverse. */
    @Test
    void theNotesSayWhoseRoundingIsKept() throws IOException {
        Path file = folder.resolve("f");
        try (Lars saved = narrow(5L)) {
            run(saved, weights(), 0, 2);
            Checkpoint.save(file, saved);
        }
        Checkpoint checkpoint = Checkpoint.load(file);
        try (Lars other = narrow(7L);
                Lars nearest = narrow(null);
                Lars none = builder()
                        .momentum(0)
                        .nesterov(false)
                        .momentumFormat(Format.BFLOAT16)
                        .stochasticRounding(8)
                        .build()) {
            assertEquals(
                    List.of("the momentum of the checkpoint is bfloat16, rounded stochastically with seed 5 and the"
                            + " optimizer's is bfloat16, rounded stochastically with seed 7: the optimizer's rounding is"
                            + " kept"),
                    checkpoint.withoutSettings().restore(other).notes());
            assertEquals("7", seedOf(other));
            assertEquals(
                    List.of("the momentum of the checkpoint is bfloat16, rounded stochastically with seed 5 and the"
                            + " optimizer's is bfloat16: the optimizer's rounding is kept"),
                    checkpoint.restore(nearest).notes());
            assertEquals("null", seedOf(nearest));
            List<String> notes = checkpoint.restore(none).notes();
            assertEquals("stochasticRounding has seed 5, had 8", notes.get(notes.size() - 1));
            assertEquals("5", seedOf(none));
        }
    }

    /** Returns the seed that a checkpoint of an optimizer contains. */
    private String seedOf(Lars lars) throws IOException {
        Path file = folder.resolve("seed");
        Checkpoint.save(file, lars);
        try (SafeTensorsFile open = SafeTensorsFile.open(file)) {
            return String.valueOf(open.metadata().get("momentumSeed"));
        }
    }

    /** There is no momentum to round, so the kernels are those of a float32 one. */
    @Test
    void stochasticRoundingWithoutMomentumChangesNothing() {
        for (Format format : Format.values()) {
            for (boolean copies : new boolean[] {false, true}) {
                float[] expected = weights();
                float[] w = weights();
                short[] bits = gradient(format == Format.FLOAT32 ? Format.BFLOAT16 : format, 1);
                Tensors g = format == Format.FLOAT32
                        ? Tensors.flat(widened(Format.BFLOAT16, bits))
                        : Tensors.flat(format, bits);
                Lars.Builder none = builder().momentum(0).nesterov(false).simd(Simd.REQUIRED);
                try (Lars reference = none.build();
                        Lars lars = none.momentumFormat(Format.BFLOAT16)
                                .stochasticRounding(1)
                                .build()) {
                    reference.step(Tensors.flat(expected), g);
                    Tensors halves = Tensors.flat(Format.BFLOAT16, new short[N]);
                    Tensors params = Tensors.flat(w);
                    assertEquals(
                            Outcome.UPDATED, (copies ? lars.step(params, g, halves) : lars.step(params, g)).outcome(0));
                }
                assertArrayEquals(expected, w);
            }
        }
    }

    /** A tensor in the optimizer's own format is taken as it is. */
    @Test
    void aForeignMomentumIsSaidToBeRoundedOnlyIfItIs() throws IOException {
        Path wide = folder.resolve("wide");
        Path narrow = folder.resolve("narrow");
        try (Lars one = builder().build();
                Lars other = narrow(1L)) {
            run(one, weights(), 0, 2);
            Checkpoint.save(wide, one);
            assertEquals(
                    List.of("the momentum was rounded to BFLOAT16, to nearest even"),
                    PyTorchState.restore(wide, other).notes());
            Checkpoint.save(narrow, other);
            assertEquals(List.of(), PyTorchState.restore(narrow, other).notes());
            assertEquals(List.of(), PyTorchState.restore(narrow, one).notes());
        }
    }

    private static void assertMomentum(short[] expected, Lars narrow) {
        for (int i = 0; i < LAYERS.size(); i++) {
            Layer layer = LAYERS.get(i);
            assertArrayEquals(
                    Arrays.copyOfRange(expected, (int) layer.offset(), (int) layer.end()),
                    Inside.momentumBits(narrow, i));
        }
    }

    @Test
    void aMomentumThatWouldBecomeInfiniteIsNotRestored() throws IOException {
        Path file = folder.resolve("f");
        float[] momentum = new float[N];
        momentum[5011] = Float.MAX_VALUE;
        try (Lars wide = builder().momentumBuffer(momentum).build();
                Lars narrow = narrow(null)) {
            Checkpoint.save(file, wide);
            String before = Inside.everything(narrow);
            Checkpoint checkpoint = Checkpoint.load(file);
            for (Exception e : List.of(
                    assertThrows(IllegalArgumentException.class, () -> checkpoint.restore(narrow)),
                    assertThrows(IllegalArgumentException.class, () -> narrow.restore(wide.snapshot())),
                    assertThrows(IllegalArgumentException.class, () -> PyTorchState.restore(file, narrow)))) {
                assertTrue(e.getMessage().contains("become infinite when it is rounded to BFLOAT16"), e.getMessage());
            }
            assertEquals(before, Inside.everything(narrow));
        }
    }

    /** Files are read in chunks, and a message says where in the layer its value is. */
    @Test
    void aLongLayerIsRestoredToItsEnd() throws IOException {
        Path file = folder.resolve("f");
        int length = 40_000;
        Lars.Builder builder = Lars.builder(Layers.builder().add("w", length).build())
                .learningRate(1)
                .momentum(0.9);
        float[] momentum = Random32.normal(3, length, 1);
        try (Lars wide = builder.momentumBuffer(momentum).build();
                Lars narrow = builder.momentumBuffer(Tensors.flat(Format.BFLOAT16, new short[length]))
                        .build()) {
            float[] weights = Random32.normal(4, length, 1);
            Checkpoint.save(file, wide, weights);
            short[] rounded = new short[length];
            for (int e = 0; e < length; e++) {
                rounded[e] = nearest(momentum[e]);
            }
            Checkpoint.load(file).restore(narrow);
            assertArrayEquals(rounded, Inside.momentumBits(narrow, 0));
            float[] restored = new float[length];
            assertEquals(
                    List.of("w"),
                    PyTorchState.restore(file, narrow, Tensors.flat(restored)).taken());
            assertArrayEquals(rounded, Inside.momentumBits(narrow, 0));
            assertArrayEquals(weights, restored);
            for (int at : new int[] {39_999, 16_384, 0}) {
                momentum[at] = Float.MAX_VALUE;
                Checkpoint.save(file, wide);
                String place = Float.MAX_VALUE + " at " + at + "; it must not become infinite";
                Checkpoint checkpoint = Checkpoint.load(file);
                for (Exception e : List.of(
                        assertThrows(IllegalArgumentException.class, () -> checkpoint.restore(narrow)),
                        assertThrows(IllegalArgumentException.class, () -> PyTorchState.restore(file, narrow)))) {
                    assertTrue(e.getMessage().contains(place), e.getMessage());
                }
                assertArrayEquals(rounded, Inside.momentumBits(narrow, 0));
            }
        }
    }

    /** Only numbers can become infinite: what is infinite already, or of layers without momentum, can be restored. */
    @Test
    void whatNeedsNoRoundingIsRestored() throws IOException {
        Path file = folder.resolve("f");
        float[] momentum = new float[N];
        Layers more = Layers.builder()
                .add("w", 5000)
                .at(5010)
                .add("bias", 7, Treatment.PLAIN)
                .add("nothing", 0)
                .add("head", 4096)
                .add("new", 5)
                .build();
        try (Lars wide = builder().momentumBuffer(momentum).build();
                Lars narrow = narrow(null);
                Lars larger = Lars.builder(more)
                        .learningRate(0.1)
                        .momentum(0.9)
                        .momentumFormat(Format.BFLOAT16)
                        .build();
                Lars without = builder()
                        .momentum(0)
                        .nesterov(false)
                        .momentumFormat(Format.BFLOAT16)
                        .build()) {
            float[] w = weights();
            run(wide, w.clone(), 0, 1);
            momentum[5011] = Float.NEGATIVE_INFINITY;
            short rounded = nearest(momentum[5011]);
            Checkpoint.save(file, wide);
            Checkpoint.load(file).restore(narrow);
            assertEquals(rounded, Inside.momentumBits(narrow, 1)[1]);
            narrow.restore(wide.snapshot());
            assertEquals(rounded, Inside.momentumBits(narrow, 1)[1]);
            Checkpoint.load(file).withoutSettings().restoreMatching(larger);
            assertEquals(rounded, Inside.momentumBits(larger, 1)[1]);
            assertArrayEquals(new short[5], Inside.momentumBits(larger, 4));

            run(without, w.clone(), 0, 1);
            Checkpoint.save(file, without);
            Checkpoint.load(file).withoutSettings().restoreMatching(larger);
            wide.restore(without.snapshot());
            without.restore(narrow.snapshot());
            narrow.restore(without.snapshot());
        }
    }

    @Test
    void aBufferOfTheFormatThatIsAskedForIsTaken() {
        short[] buffer = new short[N];
        try (Lars lars = builder()
                .momentumFormat(Format.BFLOAT16)
                .momentumBuffer(Tensors.flat(Format.BFLOAT16, buffer))
                .build()) {
            run(lars, weights(), 0, 1);
        }
        assertFalse(Arrays.equals(new short[N], buffer));
    }

    @Test
    void aConversionThatOverflowsBfloat16IsRefused() {
        try (Lars lars = builder()
                .rule(Dialects.PAPER)
                .momentumFormat(Format.BFLOAT16)
                .learningRate(step -> step == 0 ? 1e15 : 1e-30)
                .build()) {
            run(lars, weights(), 0, 1);
            lars.step(weights(), Random32.normal(3, N, 1));
            Exception e = assertThrows(
                    IllegalArgumentException.class, () -> lars.snapshot().convertedTo(Dialects.SNIPPET));
            assertTrue(e.getMessage().endsWith("overflows a bfloat16"), e.getMessage());
        }
    }

    /** Layers whose offsets no array reaches have an array each. */
    @Test
    void layersFarFromEachOtherHaveTheBitsOfNearOnes() {
        Layers near = Layers.builder().add("a", 100).add("b", 37).build();
        Layers far = Layers.builder().add("a", 100).at(1L << 32).add("b", 37).build();
        float[][] expected = {new float[100], new float[37]};
        float[][] actual = {new float[100], new float[37]};
        short[][] gradients = {new short[100], new short[37]};
        Arrays.fill(gradients[0], (short) 0x3f81);
        Arrays.fill(gradients[1], (short) 0x3f83);
        for (Layers layers : List.of(near, far)) {
            try (Lars lars = Lars.builder(layers)
                    .learningRate(0.1)
                    .momentum(0.9)
                    .momentumFormat(Format.BFLOAT16)
                    .build()) {
                for (int step = 0; step < 3; step++) {
                    lars.step(
                            Tensors.byLayer(layers.equals(near) ? expected : actual),
                            Tensors.byLayer(Format.BFLOAT16, gradients));
                }
            }
        }
        assertArrayEquals(expected, actual);
    }

    @Test
    void convertsBits() {
        assertEquals(1.5f, Format.BFLOAT16.toFloat((short) 0x3fc0));
        assertEquals(1.5f, Format.FLOAT16.toFloat((short) 0x3e00));
        assertEquals((short) 0x3fc0, Format.BFLOAT16.toShort(1.5f));
        assertEquals((short) 0x3e00, Format.FLOAT16.toShort(1.5f));
        assertTrue(Float.isNaN(Format.BFLOAT16.toFloat(Format.BFLOAT16.toShort(Float.intBitsToFloat(0x7fffffff)))));
        assertThrows(UnsupportedOperationException.class, () -> Format.FLOAT32.toShort(1));
        assertThrows(UnsupportedOperationException.class, () -> Format.FLOAT32.toFloat((short) 1));
    }

    @Test
    void refusesStochasticRoundingOfFloat32() {
        Exception e = assertThrows(
                IllegalArgumentException.class,
                () -> builder().stochasticRounding(1).build());
        assertEquals("stochasticRounding is given, and momentumFormat is FLOAT32; it must be BFLOAT16", e.getMessage());
    }
}
