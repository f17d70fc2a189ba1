package io.github.lars4j;

import io.github.lars4j.internal.passes.Plan;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;

/**
 * A random training run of {@link #STEPS} steps. The seed determines the layout, the rule, the hyperparameters, the
 * policy, and for every step the gradients, the scale, the rate and the layers without a gradient, through the
 * arithmetic that {@link Random} specifies. The formats of gradients and momentum may differ from run to run, and change
 * the bits. {@link #hash} does the run in one of the ways that must not change a bit of the result; the expected hashes are
 * committed.
 */
final class Trace {

    static final int TRACES = 52;
    static final int STEPS = 50;

    /** The seed of a run with several rounds of several blocks, and blocks for each of eight threads. */
    private static final int LONG = 50;

    /** The seed of a run that is large enough for several rounds and shares with the default grain. */
    static final int HUGE = 51;

    /** The largest offset of the elements in the arrays. */
    static final int MOST_SHIFT = 15;

    /**
     * How a run stores gradients and momentum, and whether some of its steps also write bfloat16 copies of the weights.
     *
     * @param stochastic whether a bfloat16 momentum is rounded stochastically
     */
    record Formats(Format gradients, Format momentum, boolean stochastic, boolean copies) {

        static final Formats FLOAT32 = new Formats(Format.FLOAT32, Format.FLOAT32, false, false);

        /** Returns {@link #FLOAT32} first, and then all others, with copies. */
        static List<Formats> all() {
            List<Formats> all = new ArrayList<>(List.of(FLOAT32));
            for (Format gradients : Format.values()) {
                all.add(new Formats(gradients, Format.FLOAT32, false, true));
                all.add(new Formats(gradients, Format.BFLOAT16, false, true));
                all.add(new Formats(gradients, Format.BFLOAT16, true, true));
            }
            return all;
        }

        /** Returns all except {@link #FLOAT32}. */
        static List<Formats> others() {
            return all().subList(1, all().size());
        }
    }

    /** Where a run has its weights, its gradients and its momentum. */
    enum Place {
        FLAT(Memory.FLAT, Memory.FLAT, false),
        NATIVE(Memory.NATIVE, Memory.NATIVE, true),
        NATIVE_BY_LAYER(Memory.NATIVE_BY_LAYER, Memory.NATIVE_BY_LAYER, true),
        MAPPED(Memory.MAPPED, Memory.MAPPED, true),
        BY_LAYER(Memory.BY_LAYER, Memory.BY_LAYER, false),
        /** Every tensor lies elsewhere. */
        MIXED(Memory.NATIVE, Memory.BY_LAYER, false),
        MOMENTUM_ON_HEAP(Memory.NATIVE, Memory.NATIVE_BY_LAYER, false),
        MOMENTUM_OUTSIDE(Memory.FLAT, Memory.FLAT, true),
        MIXED_OTHERWISE(Memory.FLAT, Memory.BY_LAYER, true);

        final Memory weights;
        final Memory gradients;
        final boolean nativeMomentum;

        Place(Memory weights, Memory gradients, boolean nativeMomentum) {
            this.weights = weights;
            this.gradients = gradients;
            this.nativeMomentum = nativeMomentum;
        }

        /** Returns all places except one array for each of the three. */
        static List<Place> others() {
            return List.of(values()).subList(1, values().length);
        }
    }

    /**
     * A way of doing a run, which must not change a bit. {@code fused} has an effect only if the policy allows it, and
     * {@code shift}, the index of the first element, not in an array a layer.
     */
    record Way(String kernels, int threads, boolean carry, boolean fused, int shift, Place place) {

        /** Returns every combination. */
        static List<Way> all(List<String> kernels, List<Place> places) {
            List<Way> ways = new ArrayList<>();
            for (String kind : kernels) {
                for (int threads : new int[] {1, 2, 3, 8}) {
                    for (int bits = 0; bits < 4; bits++) {
                        for (int shift = 0; shift <= MOST_SHIFT; shift++) {
                            for (Place place : places) {
                                ways.add(new Way(kind, threads, (bits & 1) != 0, (bits & 2) != 0, shift, place));
                            }
                        }
                    }
                }
            }
            return ways;
        }
    }

    private final int seed;
    private final Formats formats;

    /** Creates a run in float32. */
    Trace(int seed) {
        this(seed, Formats.FLOAT32);
    }

    Trace(int seed, Formats formats) {
        this.seed = seed;
        this.formats = formats;
    }

    /** Returns whether this is one of the two runs that take as long as all others together. */
    boolean isLong() {
        return seed >= LONG;
    }

    /** Returns the committed SHA-256 of each trace in formats. */
    static List<String> expected(Formats formats) {
        try (InputStream in = Trace.class.getResourceAsStream("/traces.sha256")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .dropWhile(line -> !line.equals("# " + formats))
                    .skip(1)
                    .takeWhile(line -> !line.startsWith("#"))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns a SHA-256 over weights, momentum, norms, ratios and outcomes after every step. */
    String hash(Way way) {
        return Kernel.with(way.kernels, () -> {
            try (Run run = new Run(way)) {
                return run.hash();
            }
        });
    }

    /** Returns whether {@link #hash} returns {@code expected}, and prints a line if not. */
    private boolean agrees(Way way, String expected) {
        boolean agrees = hash(way).equals(expected);
        if (!agrees) {
            System.out.println("trace " + seed + " does not agree: " + formats + ", " + way);
        }
        return agrees;
    }

    /** Returns the order of work as the optimizer describes it. */
    String order(Way way) {
        return Kernel.with(way.kernels, () -> {
            try (Run run = new Run(way)) {
                return run.lars.toString();
            }
        });
    }

    /** The sequence of {@link Random}, for one thread, without the atomic operations that most of a run would go into. */
    private static final class PlainRandom extends Random {

        private static final long serialVersionUID = 1;

        private long seed;

        PlainRandom(long seed) {
            super(seed);
        }

        @Override
        public synchronized void setSeed(long seed) {
            this.seed = (seed ^ 0x5DEECE66DL) & ((1L << 48) - 1);
        }

        @Override
        protected int next(int bits) {
            seed = (seed * 0x5DEECE66DL + 0xBL) & ((1L << 48) - 1);
            return (int) (seed >>> (48 - bits));
        }
    }

    private final class Run implements AutoCloseable {

        private final Random random = new PlainRandom(seed);
        /** What float32 does not need comes from here, so that the rest of a run is the same in all formats. */
        private final Random other = new PlainRandom(-1 - seed);

        private final int shift;
        private final Layers layers;
        private final boolean badGradients = random.nextInt(3) == 0;
        private final boolean badWeights = random.nextInt(6) == 0;
        private final boolean someMissing = random.nextBoolean();
        private final Place place;
        private final Arena arena = Arena.ofShared();
        /** What the trainer writes; the optimizer's tensors have a copy of it, or are these arrays. */
        private final float[] weights;

        private final float[] array;
        private final Tensors placedWeights;
        private final Tensors placedArray;
        private final Tensors placedCopies;
        private final Gradients gradients;
        private final Lars lars;
        /** The layer whose weights are replaced before the next step; {@code null} for none. */
        private Layer worn;

        private final MessageDigest digest = sha256();
        private final ByteBuffer bytes;

        Run(Way way) {
            shift = way.shift;
            place = way.place;
            layers = layers();
            int end = (int) layers.end();
            weights = new float[end + MOST_SHIFT - shift];
            array = new float[weights.length];
            placedWeights = place.weights == Memory.FLAT ? Tensors.flat(weights) : place.weights.zeros(layers, arena);
            placedArray = place.gradients == Memory.FLAT && formats.gradients == Format.FLOAT32
                    ? Tensors.flat(array)
                    : place.gradients.zeros(formats.gradients, layers, arena);
            placedCopies = formats.copies ? place.weights.zeros(Format.BFLOAT16, layers, arena) : null;
            gradients = inArrays() ? Gradients.of(array) : Gradients.of(placedArray);
            bytes = ByteBuffer.allocate(10 * (end - shift) + 25 * layers.size() + 32);

            OnBadGradient drawn = OnBadGradient.values()[random.nextInt(3)];
            boolean skip = isLong() || random.nextBoolean();
            boolean clipped = !isLong() && random.nextInt(4) == 0;
            Lars.Builder builder =
                    Lars.builder(layers).learningRate(1).onBadGradient(skip ? OnBadGradient.SKIP_LAYER : drawn);
            // A clip limit that is never reached only delays every write until all sums are known.
            double unclipped = way.fused ? Double.POSITIVE_INFINITY : Double.MAX_VALUE;
            builder.maxGradientNorm(clipped ? 0.5 + random.nextInt(20) : unclipped);
            Rule rule = rule();
            builder.rule(rule).trustCoefficient(1.0 / (1 << random.nextInt(10)));
            builder.weightDecay(random.nextInt(3) == 0 ? 0 : 0.25 / (1 << random.nextInt(12)));
            boolean nesterov = random.nextBoolean();
            double dampening = random.nextInt(3) == 0 ? 0.125 * (1 + random.nextInt(6)) : 0;
            if (random.nextInt(4) != 0) {
                builder.momentum(0.5 + random.nextInt(50) / 101.0);
                builder.nesterov(nesterov && dampening == 0).dampening(dampening);
                builder.momentumFormat(formats.momentum);
                if (formats.stochastic) {
                    builder.stochasticRounding(other.nextLong());
                }
            }
            builder.momentumCorrection(random.nextBoolean() && rule.entry() == Rule.Entry.VELOCITY);
            // A fused run has several rounds if the policy allows it; several blocks give several shares.
            builder.grain(seed == HUGE ? Plan.Grain.USUAL : new Plan.Grain(seed == LONG ? 4096 : 128, 1));
            builder.nativeMomentum(place.nativeMomentum);
            lars = builder.parallelism(way.threads).carrySums(way.carry).build();
        }

        /** Returns whether steps are called with the arrays themselves. */
        private boolean inArrays() {
            return place == Place.FLAT && formats.equals(Formats.FLOAT32);
        }

        private Layers layers() {
            Layers.Builder builder = Layers.builder().at(shift);
            int count = seed == HUGE ? 20 : seed == LONG ? 10 : 1 + random.nextInt(7);
            long next = shift;
            for (int i = 0; i < count; i++) {
                long length = isLong() ? (seed == HUGE ? 32_000 : 9_000) + random.nextInt(5000) : length();
                next += random.nextInt(3) == 0 ? random.nextInt(40) : 0;
                builder.at(next).add("layer " + i, length, treatment());
                next += length;
            }
            return builder.build();
        }

        private long length() {
            int around = random.nextInt(3) - 1;
            return switch (random.nextInt(6)) {
                case 0 -> random.nextInt(5);
                case 1 -> 16 * (1 + random.nextInt(4)) + around;
                case 2 -> 4096 + around;
                case 3 -> random.nextInt(4) == 0 ? 8192 + around : 1024 + around;
                default -> random.nextInt(700);
            };
        }

        private Treatment treatment() {
            double factor = random.nextInt(3) == 0 ? random.nextInt(5) / 2.0 : 1;
            return new Treatment(random.nextInt(4) != 0, random.nextInt(4) != 0, factor);
        }

        private Rule rule() {
            if (random.nextBoolean()) {
                return LarsTest.DIALECTS.get(random.nextInt(LarsTest.DIALECTS.size()));
            }
            return new Rule(
                    Rule.Ratio.values()[random.nextInt(3)],
                    Rule.Entry.values()[random.nextInt(3)],
                    Rule.ZeroNorm.values()[random.nextInt(3)],
                    random.nextBoolean(),
                    random.nextBoolean(),
                    random.nextBoolean() ? 1e-8 : 0);
        }

        String hash() {
            for (Layer layer : layers) {
                fill(weights, layer, random.nextInt(12) == 0 ? -150 : -1 - random.nextInt(3));
            }
            for (int step = 0; step < STEPS; step++) {
                prepare();
                step();
            }
            requireZerosOutsideTheLayers();
            return HexFormat.of().formatHex(digest.digest());
        }

        private void requireZerosOutsideTheLayers() {
            if (!(boolean) Inside.field(placedWeights, "byLayer")) {
                Layers whole = Layers.builder().add("whole", layers.end()).build();
                Memory.copy(placedWeights, weights, whole);
            }
            for (Layer layer : layers) {
                Arrays.fill(weights, (int) layer.offset(), (int) layer.end(), 0);
            }
            if (!Arrays.equals(weights, new float[weights.length])) {
                throw new AssertionError("element outside the layers written");
            }
            if (placedCopies != null && !(boolean) Inside.field(placedCopies, "byLayer")) {
                for (int i = 0; i < layers.size(); i++) {
                    placedCopies.segment(layers, i).fill((byte) 0);
                }
                Layers whole = Layers.builder().add("whole", layers.end()).build();
                if (!Arrays.equals(Inside.elements(placedCopies, whole, 0), new short[(int) layers.end()])) {
                    throw new AssertionError("copy outside the layers written");
                }
            }
        }

        @Override
        public void close() {
            lars.close();
            arena.close();
        }

        /** Does what a trainer does between two steps. */
        private void prepare() {
            boolean same = random.nextInt(8) == 0;
            for (int i = 0; i < layers.size(); i++) {
                Layer layer = layers.get(i);
                if (!same) {
                    fill(array, layer, random.nextInt(30) == 0 ? -150 : -2 - random.nextInt(8));
                }
                boolean bad = badGradients && random.nextInt(25) == 0;
                if (bad && layer.length() > 0) {
                    array[at(layer)] = bad();
                }
                gradients.missing(i, someMissing && random.nextInt(5) == 0);
            }
            gradients.scale(random.nextInt(3) == 0 ? 1.0 / (1 + random.nextInt(1000)) : 1);
            if (random.nextInt(6) == 0) {
                lars.learningRate(random.nextInt(8) == 0 ? 0 : random.nextInt(1000) / 256.0);
            }
            if (worn != null) {
                fill(weights, worn, -2);
                lars.weightsChanged();
            }
            worn = random.nextInt(6) == 0 ? layers.get(random.nextInt(layers.size())) : null;
            if (worn != null && badWeights && worn.length() > 0) {
                weights[at(worn)] = bad();
                lars.weightsChanged();
            }
            if (random.nextInt(12) == 0) {
                lars.restore(lars.snapshot());
            }
        }

        private void step() {
            boolean halves = random.nextBoolean();
            Tensors copies = formats.copies && other.nextInt(3) != 0 ? placedCopies : null;
            if (!inArrays()) {
                Memory.copy(weights, placedWeights, layers);
                writeGradients();
            }
            try {
                digest(inArrays() ? stepOfArrays(halves) : stepOfTensors(halves, copies));
            } catch (NonFiniteException e) {
                digest.update(e.getMessage().getBytes(StandardCharsets.UTF_8));
            }
            if (!inArrays()) {
                copyBack();
            }
            float[] momentum = Inside.momentum(lars);
            for (int e = shift; e < layers.end(); e++) {
                bytes.putInt(Float.floatToIntBits(weights[e]));
                if (momentum != null) {
                    bytes.putInt(Float.floatToIntBits(momentum[e]));
                }
            }
            for (int i = 0; placedCopies != null && i < layers.size(); i++) {
                for (short copy : Inside.elements(placedCopies, layers, i)) {
                    bytes.putShort(copy);
                }
            }
            digest.update(bytes.array(), 0, bytes.position());
            bytes.clear();
        }

        /** Writes the gradients to where the optimizer reads them, in their format. */
        private void writeGradients() {
            if (formats.gradients == Format.FLOAT32) {
                Memory.copy(array, placedArray, layers);
                return;
            }
            for (int i = 0; i < layers.size(); i++) {
                placedArray.segment(layers, i).copyFrom(MemorySegment.ofArray(narrow(layers.get(i))));
            }
        }

        /** Returns the gradients of a layer in their narrow format: cut off to bfloat16, or rounded to float16. */
        private short[] narrow(Layer layer) {
            short[] narrow = new short[(int) layer.length()];
            for (int e = 0; e < narrow.length; e++) {
                float value = array[(int) layer.offset() + e];
                narrow[e] = formats.gradients == Format.FLOAT16
                        ? Float.floatToFloat16(value)
                        : (short) (Float.floatToIntBits(value) >>> 16);
            }
            return narrow;
        }

        private StepReport stepOfArrays(boolean halves) {
            return halves
                    ? lars.update(weights, gradients, lars.measure(weights, gradients))
                    : lars.step(weights, gradients);
        }

        private StepReport stepOfTensors(boolean halves, Tensors copies) {
            if (copies != null) {
                return halves
                        ? lars.update(placedWeights, gradients, lars.measure(placedWeights, gradients), copies)
                        : lars.step(placedWeights, gradients, copies);
            }
            return halves
                    ? lars.update(placedWeights, gradients, lars.measure(placedWeights, gradients))
                    : lars.step(placedWeights, gradients);
        }

        private void copyBack() {
            Memory.copy(placedWeights, weights, layers);
            for (int i = 0; i < layers.size(); i++) {
                Layer layer = layers.get(i);
                MemorySegment given = formats.gradients == Format.FLOAT32
                        ? Tensors.flat(array).segment(layers, i)
                        : MemorySegment.ofArray(narrow(layer));
                if (placedArray.segment(layers, i).mismatch(given) != -1) {
                    throw new AssertionError("gradients written");
                }
            }
        }

        private void digest(StepReport report) {
            put(report.clipScale());
            put(report.gradientNorm());
            bytes.putLong(report.step()).putLong(report.refusals());
            for (int i = 0; i < layers.size(); i++) {
                put(report.weightNorm(i));
                put(report.gradientNorm(i));
                put(report.trustRatio(i));
                // An overflow is noticed at once if sums are carried, else in the next step.
                Outcome outcome = report.outcome(i);
                bytes.put((byte) (outcome == Outcome.OVERFLOWED ? Outcome.UPDATED : outcome).ordinal());
            }
        }

        private void put(double value) {
            bytes.putLong(Double.doubleToLongBits(value));
        }

        private int at(Layer layer) {
            return (int) layer.offset() + random.nextInt((int) layer.length());
        }

        private float bad() {
            return switch (random.nextInt(4)) {
                case 0 -> Float.NaN;
                case 1 -> Float.POSITIVE_INFINITY;
                case 2 -> Float.NEGATIVE_INFINITY;
                default -> Float.MAX_VALUE; // finite, but overflows soon
            };
        }

        /** Fills a layer with values of about 2^exponent, or with zeros if that underflows. */
        private void fill(float[] values, Layer layer, int exponent) {
            if (exponent < -149) {
                Arrays.fill(values, (int) layer.offset(), (int) layer.end(), 0);
                return;
            }
            float unit = Math.scalb(1.0f, exponent - 31);
            for (int e = (int) layer.offset(); e < layer.end(); e++) {
                values[e] = random.nextInt() * unit;
            }
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * Runs traces and prints how many of them have the committed hash; exits with status 1 if one does not. Without
     * arguments it prints the committed file.
     *
     * @param args five for each kind of kernels: the kernels, the number of traces, the number of ways to run each with its
     *     tensors in one array each, the number of traces to run in half as many ways with their tensors elsewhere, and the
     *     number of traces to run in one way in each of the other formats
     */
    public static void main(String[] args) {
        if (args.length == 0) {
            System.out.println(
                    "# SHA-256 of each trace of class Trace, from seed 0: weights, momentum, norms, ratios and");
            System.out.println(
                    "# outcomes of every step, and copies of the weights. Made by the main method of that class.");
            for (Formats formats : Formats.all()) {
                System.out.println("# " + formats);
                for (int seed = 0; seed < TRACES; seed++) {
                    Trace trace = new Trace(seed, formats);
                    System.out.println(trace.hash(new Way("scalar", 1, false, false, 0, Place.FLAT)));
                }
            }
            return;
        }
        Agreement agreement = new Agreement();
        for (int i = 0; i < args.length; i += 5) {
            List<String> kernels = List.of(args[i]);
            int traces = Integer.parseInt(args[i + 1]);
            int ways = Integer.parseInt(args[i + 2]);
            int elsewhere = Integer.parseInt(args[i + 3]);
            int inOtherFormats = Integer.parseInt(args[i + 4]);
            agreement.add(Formats.FLOAT32, Way.all(kernels, List.of(Place.FLAT)), 0, traces, ways);
            agreement.add(Formats.FLOAT32, Way.all(kernels, Place.others()), 0, elsewhere, ways / 2);
            for (Formats formats : Formats.others()) {
                agreement.add(formats, Way.all(kernels, List.of(Place.values())), 0, inOtherFormats, 1);
            }
        }
        System.out.println(agreement);
        System.exit(agreement.agreed == agreement.runs ? 0 : 1);
    }

    /** Counts the runs with the committed hash. */
    static final class Agreement {

        /** The multiples of this, less their integer parts, are spread evenly however many there are. */
        private static final double GOLDEN_RATIO = 0.6180339887498949;

        int agreed;
        int runs;

        /**
         * Runs traces, each in {@code most} of the ways, as many runs at a time as there are processors. The ways are
         * spread evenly and differ from trace to trace.
         *
         * @param first the seed of the first trace
         * @param traces the number of traces
         */
        void add(Formats formats, List<Way> ways, int first, int traces, int most) {
            List<String> expected = expected(formats);
            int offset = 7 * Formats.all().indexOf(formats);
            int last = first + traces;
            Map<String, List<BooleanSupplier>> byKernels = new TreeMap<>();
            for (int seed = first; seed < last; seed++) {
                Trace trace = new Trace(seed, formats);
                String hash = expected.get(seed);
                // The stride is odd and the number of ways is a power of two, or nine times that, so that no way
                // repeats before most were used.
                int stride = 2 * (ways.size() / most / 2) + 1;
                int start = (int) ((seed + offset) * GOLDEN_RATIO % 1 * ways.size());
                for (int i = 0; i < Math.min(most, ways.size()); i++) {
                    Way way = ways.get((start + i * stride) % ways.size());
                    byKernels
                            .computeIfAbsent(way.kernels, kernels -> new ArrayList<>())
                            .add(() -> trace.agrees(way, hash));
                }
            }
            byKernels.forEach((kernels, all) -> {
                runs += all.size();
                // The property that chooses the kernels is the JVM's, so runs at the same time have the same.
                agreed += Kernel.with(kernels, () -> (int) all.parallelStream()
                        .filter(BooleanSupplier::getAsBoolean)
                        .count());
            });
        }

        @Override
        public String toString() {
            return "agreed " + agreed + " of " + runs;
        }
    }
}
