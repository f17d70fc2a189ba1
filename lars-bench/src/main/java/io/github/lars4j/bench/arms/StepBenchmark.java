package io.github.lars4j.bench.arms;

import io.github.lars4j.Format;
import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Layer;
import io.github.lars4j.LayerSums;
import io.github.lars4j.Layers;
import io.github.lars4j.OnBadGradient;
import io.github.lars4j.StepReport;
import io.github.lars4j.Tensors;
import io.github.lars4j.internal.kernel.KernelWish;
import io.github.lars4j.internal.kernel.PlacedKernels;
import io.github.lars4j.internal.kernel.Stripes;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import java.lang.management.ManagementFactory;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Benchmarks of one step over all tensors of a network, and of its parts. Every arm has Nesterov momentum and weight
 * decay.
 *
 * <p>The state is stationary. The gradient is the same at every step, so the momentum converges to ten times the input;
 * the learning rate is so small that an update is less than half an ulp of any weight, so the weights do not change; and
 * all values are far inside the range of normal floats. The loads, operations and stores are those of any other values.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 3,
        jvmArgsAppend = {
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow"
        })
public class StepBenchmark {

    public static final double RATE = 1e-10;
    public static final double MOMENTUM = 0.9;
    public static final double DECAY = 1e-4;
    public static final double TRUST = 1e-3;

    /**
     * Number of elements after which the random values repeat: a prime, so that no two layers begin alike.
     */
    private static final int PERIOD = 65_521;

    /** The layout that is measured. */
    @State(Scope.Thread)
    public static class Network {
        /** One of {@link Layouts}. */
        @Param({"4096x100", "mobilenet_v2", "resnet50", "alexnet", "vit_b_16", "vgg16"})
        public String layout;

        Layers layers;

        /** Sets everything up. Subclasses extend {@link #setUp}, as JMH would order several set-up methods by name. */
        @Setup
        public final void prepare() {
            setUp();
        }

        /** Lays out the layers; subclasses add to this. */
        void setUp() {
            layers = Layouts.named(layout, StepBenchmark::say);
            say("layout " + layout + ", " + layers.end() + " parameters in " + layers.size() + " tensors; flags "
                    + String.join(" ", ManagementFactory.getRuntimeMXBean().getInputArguments()));
        }
    }

    /** Weights, gradients and momentum, each in one flat array, allocated one after the other. */
    @State(Scope.Thread)
    public static class Flat extends Network {
        /**
         * Bytes between the arrays. With 0 and arrays of a multiple of 1024 floats, a store to one array and a load from
         * another have almost the same address modulo 4 KiB.
         */
        @Param("0")
        public int gap;

        float[] weights;
        float[] gradients;
        float[] momentum;
        /** Kept reachable, so that the gaps stay in place. */
        byte[][] gaps;

        /** Allocates and fills the arrays. */
        @Override
        void setUp() {
            super.setUp();
            int length = (int) layers.end();
            gaps = new byte[2][];
            weights = new float[length];
            gaps[0] = gap == 0 ? null : new byte[gap];
            gradients = new float[length];
            gaps[1] = gap == 0 ? null : new byte[gap];
            momentum = new float[length];
            fill(weights, 0.1f, 1);
            fill(gradients, 0.01f, 2);
        }

        /** Fails if the arrays have values that would distort the time. */
        @TearDown(Level.Iteration)
        public final void check() {
            requireNormal();
        }

        /** What {@link #check} does; subclasses add to this. */
        void requireNormal() {
            StepBenchmark.requireNormal("weights", weights);
            StepBenchmark.requireNormal("gradients", gradients);
            StepBenchmark.requireNormal("momentum", momentum);
        }
    }

    /** The arrays, and the kernels that work on them. */
    @State(Scope.Thread)
    public static class WithKernels extends Flat {
        /** {@code scalar}, {@code vector} or {@code auto}. */
        @Param({"scalar", "vector"})
        public String kernels;

        /** Whether the ceilings use SIMD. */
        boolean vector;

        /** Chooses the kernels. */
        @Override
        void setUp() {
            super.setUp();
            System.setProperty(KernelWish.PROPERTY, kernels);
            vector = !kernels.equals("scalar");
            try (Lars lars = builder().build()) {
                say(lars.kernels());
            }
        }

        Lars.Builder builder() {
            return Lars.builder(layers)
                    .learningRate(RATE)
                    .momentum(MOMENTUM)
                    .nesterov(true)
                    .weightDecay(DECAY)
                    .trustCoefficient(TRUST)
                    .momentumBuffer(momentum);
        }
    }

    /** The arrays in formats of one's own, and the threads that work on them. */
    @State(Scope.Thread)
    public static class WithFormats extends WithKernels {
        /** {@code float32}, {@code bfloat16} or {@code float16}. */
        @Param("float32")
        public String gradientFormat;

        /**
         * {@code float32}, {@code bfloat16}, rounded to nearest, or {@code bfloat16-stochastic}; for SGD and the passes also
         * {@code linear8} and {@code dynamic8}, see {@link EightBit}.
         */
        @Param("float32")
        public String momentumFormat;

        /** Threads that share a step. */
        @Param("1")
        public int threads;

        Formats formats;
        /** The gradients in their format: {@link #gradients} itself, or a {@code short[]}. */
        Object storedGradients;
        /** The momentum in its format: {@link #momentum} itself, or a {@code short[]}. */
        Object storedMomentum;
        /** The momentum in 8 bits; {@code null} if it is in another format. */
        EightBit eightBit;

        byte[] codes;
        float[] scales;

        /** Returns whether there is a momentum in 8 bits. */
        boolean hasEightBit() {
            return false;
        }

        @Override
        void setUp() {
            eightBit = hasEightBit() ? EightBit.named(momentumFormat) : null;
            formats = Formats.of(gradientFormat, eightBit != null ? "float32" : momentumFormat);
            if (eightBit != null && !formats.areFloat32()) {
                throw new IllegalArgumentException(
                        "gradientFormat is \"" + gradientFormat + "\"; with a momentum in 8 bits it must be float32");
            }
            super.setUp();
            if (eightBit != null) {
                codes = new byte[weights.length];
                scales = new float[weights.length / EightBit.BLOCK + 1];
            }
            storedGradients = Formats.in(formats.gradients(), gradients);
            storedMomentum = Formats.in(formats.momentum(), momentum);
        }

        @Override
        Lars.Builder builder() {
            Lars.Builder builder = super.builder();
            if (storedMomentum instanceof short[] narrow) {
                builder.momentumBuffer(Tensors.flat(formats.momentum(), narrow));
            }
            return storedMomentum != null && formats.stochastic() ? builder.stochasticRounding(Formats.SEED) : builder;
        }

        Tensors gradientTensors() {
            return storedGradients instanceof short[] narrow
                    ? Tensors.flat(formats.gradients(), narrow)
                    : Tensors.flat(gradients);
        }

        /** Makes the passes of a step in these formats. */
        Passes passes(String sums, boolean allSumsFirst, boolean simd) {
            return new Passes(
                    layers,
                    sums,
                    allSumsFirst,
                    IntStream.range(0, threads)
                            .mapToObj(thread -> loops(thread, simd))
                            .toList());
        }

        /** Makes the loops of a thread. */
        Loops loops(int thread, boolean simd) {
            if (eightBit != null) {
                return new EightBitLoops(eightBit, simd, weights, gradients, codes, scales);
            }
            return formats.areFloat32()
                    ? new Loops.Float32(simd, weights, gradients, momentum)
                    : new Loops.InFormats(
                            formats.kernels(simd), weights, storedGradients, storedMomentum, Formats.SEED + thread);
        }

        @Override
        void requireNormal() {
            super.requireNormal();
            requireNormal("gradients", formats.gradients(), storedGradients);
            requireNormal("momentum", formats.momentum(), storedMomentum);
        }

        private static void requireNormal(String name, Format format, Object stored) {
            if (stored instanceof short[] narrow) {
                for (int i = 0; i < narrow.length; i++) {
                    StepBenchmark.requireNormal(name, format.toFloat(narrow[i]), i);
                }
            }
        }
    }

    /** A step of SGD. */
    @State(Scope.Thread)
    public static class WithSgd extends WithFormats {
        Passes step;

        @Override
        boolean hasEightBit() {
            return true;
        }

        /** Makes the step. */
        @Override
        void setUp() {
            super.setUp();
            step = passes("unused", true, vector);
        }

        /** Ends the threads. */
        @TearDown
        public void close() {
            step.close();
        }
    }

    /** The order of the work, and which sums are not taken. */
    @State(Scope.Thread)
    public static class InOrder extends WithFormats {
        /**
         * Where sums come from: {@code fresh} reads both arrays, {@code carried} uses Σw² from the previous step, and
         * {@code given} is passed Σg² too.
         */
        @Param("fresh")
        public String sums;

        /**
         * {@code refuse} takes all sums before the first write; with {@code skipLayer} each layer finishes by itself.
         */
        @Param("refuse")
        public String onBadGradient;

        @Override
        void setUp() {
            super.setUp();
            Formats.requireOneOf("sums", sums, "fresh", "carried", "given");
            Formats.requireOneOf("onBadGradient", onBadGradient, "refuse", "skipLayer");
        }

        boolean allSumsFirst() {
            return onBadGradient.equals("refuse");
        }
    }

    /** The passes of any step of LARS, without its rule. */
    @State(Scope.Thread)
    public static class WithPasses extends InOrder {
        Passes passes;

        @Override
        boolean hasEightBit() {
            return true;
        }

        /** Makes the passes. */
        @Override
        void setUp() {
            super.setUp();
            if (eightBit != null && !allSumsFirst()) {
                throw new IllegalArgumentException("onBadGradient is \"" + onBadGradient
                        + "\"; with a momentum in 8 bits it must be refuse, as its blocks are not of one layer");
            }
            passes = passes(sums, allSumsFirst(), true);
        }

        /** Ends the threads. */
        @TearDown
        public void close() {
            passes.close();
        }
    }

    /** The passes, which only move the bytes. */
    @State(Scope.Thread)
    public static class WithCopies extends WithPasses {
        @Override
        boolean hasEightBit() {
            return false;
        }

        @Override
        Loops loops(int thread, boolean simd) {
            return new Loops.Moves(weights, storedGradients, storedMomentum);
        }
    }

    /** An optimizer for the arrays, or for copies of them elsewhere. */
    @State(Scope.Thread)
    public static class WithLars extends InOrder {
        /** Where weights, gradients and momentum lie; see {@link Memory}. */
        @Param("array")
        public String memory;

        Memory placed;
        Tensors tensors;
        Lars lars;
        Gradients handed;
        LayerSums measured;

        /** Builds the optimizer, and takes a first step so that there are sums to carry. */
        @Override
        void setUp() {
            super.setUp();
            placed = new Memory(memory);
            tensors = placed.copyOf(weights, layers, Format.FLOAT32);
            lars = builder()
                    .momentumBuffer(placed.copyOf(storedMomentum, layers, formats.momentum()))
                    .carrySums(!sums.equals("fresh"))
                    .onBadGradient(allSumsFirst() ? OnBadGradient.REFUSE : OnBadGradient.SKIP_LAYER)
                    .parallelism(threads)
                    .build();
            handed = Gradients.of(placed.copyOf(storedGradients, layers, formats.gradients()));
            lars.step(tensors, handed);
            measured = copy(lars.measure(tensors, handed));
            lars.discard();
            if (sums.equals("given")) {
                handed.squares(squares(measured));
            }
        }

        /** Ends the optimizer's threads. */
        @TearDown
        public void close() {
            say(lars.kernels() + " (at the end)");
            lars.close();
            placed.close();
        }

        private LayerSums copy(LayerSums live) {
            LayerSums copy = new LayerSums(layers);
            for (int i = 0; i < layers.size(); i++) {
                copy.setWeights(i, live.weights(i));
                copy.setGradients(i, live.gradients(i));
            }
            return copy;
        }

        private double[] squares(LayerSums sums) {
            double[] squares = new double[layers.size()];
            for (int i = 0; i < squares.length; i++) {
                squares[i] = sums.gradients(i);
            }
            return squares;
        }
    }

    /** An optimizer, and room for bfloat16 copies of the weights. */
    @State(Scope.Thread)
    public static class WithHalves extends WithLars {
        /** Whether a step writes copies: {@code off}, {@code on}, or {@code after}, in a pass of its own. */
        @Param("off")
        public String halfWeights;

        Tensors halves;
        short[] copies;
        private PlacedKernels rounding;

        @Override
        void setUp() {
            Formats.requireOneOf("halfWeights", halfWeights, "off", "on", "after");
            if (halfWeights.equals("after") && !memory.equals("array")) {
                throw new IllegalArgumentException(
                        "halfWeights is after, and memory is \"" + memory + "\"; it must be array");
            }
            super.setUp();
            if (!halfWeights.equals("off")) {
                copies = new short[weights.length];
                halves = placed.copyOf(copies, layers, Format.BFLOAT16);
                rounding = Formats.of("float32", "float32").kernels(vector);
            }
        }

        /** Makes the copies in a pass of its own. */
        void round() {
            for (int from = 0; from < weights.length; from += Stripes.BLOCK) {
                rounding.round(weights, from, copies, from, Math.min(Stripes.BLOCK, weights.length - from));
            }
        }
    }

    /** An optimizer whose trust ratio is the paper's formula, passed as a formula of the user's own. */
    @State(Scope.Thread)
    public static class WithOwnRule extends WithLars {
        @Override
        Lars.Builder builder() {
            return super.builder()
                    .rule(Rule.of(
                            "paper",
                            Rule.Entry.VELOCITY,
                            false,
                            (weightNorm, gradientNorm, products, trust, decay, rate, layer, step) ->
                                    weightNorm == 0 || gradientNorm == 0
                                            ? 1
                                            : trust * weightNorm / (gradientNorm + decay * weightNorm)));
        }
    }

    /** The arrays, and a step in plain Java. */
    @State(Scope.Thread)
    public static class WithScalarLars extends Flat {
        /** As for {@code lars}: the order of the work. */
        @Param("refuse")
        public String onBadGradient;

        ScalarLars lars;

        /** Makes the step. */
        @Override
        void setUp() {
            super.setUp();
            Hyperparameters hyper = new Hyperparameters(Dialects.PAPER, TRUST, DECAY, MOMENTUM, 0, true, false);
            lars = new ScalarLars(layers, hyper, RATE, onBadGradient.equals("refuse"));
        }
    }

    /** One array per tensor, and LARS written by hand. */
    @State(Scope.Thread)
    public static class WithNaiveLars extends Network {
        float[][] weights;
        float[][] gradients;
        NaiveLars lars;

        /** Allocates and fills the arrays. */
        @Override
        void setUp() {
            super.setUp();
            weights = new float[layers.size()][];
            gradients = new float[layers.size()][];
            for (int i = 0; i < layers.size(); i++) {
                Layer layer = layers.get(i);
                weights[i] = new float[(int) layer.length()];
                gradients[i] = new float[(int) layer.length()];
                fill(weights[i], 0.1f, 2 * i + 1);
                fill(gradients[i], 0.01f, 2 * i + 2);
            }
            lars = new NaiveLars(layers.size(), (float) RATE, (float) MOMENTUM, (float) DECAY, true, (float) TRUST);
        }

        /** Fails if the arrays have values that would distort the time. */
        @TearDown(Level.Iteration)
        public void check() {
            for (int i = 0; i < weights.length; i++) {
                requireNormal("weights", weights[i]);
                requireNormal("gradients", gradients[i]);
                requireNormal("momentum", lars.buffer(i));
            }
        }
    }

    /** A read of weights and gradients: the ceiling of pass 1. */
    @Benchmark
    public double scan(WithKernels s) {
        double sum = 0;
        for (int from = 0; from < s.weights.length; from += Loops.CHUNK) {
            int to = Math.min(s.weights.length, from + Loops.CHUNK);
            sum += s.vector
                    ? VectorArms.scan(s.weights, s.gradients, from, to)
                    : ScalarArms.scan(s.weights, s.gradients, from, to);
        }
        return sum;
    }

    /** A step of SGD with momentum, in one pass over everything: the floor of any LARS. */
    @Benchmark
    public float[] sgd(WithSgd s) {
        s.step.run();
        return s.weights;
    }

    /**
     * The ceiling of any LARS whose sums are in double: these sums in whatever order is fastest, then a step of SGD,
     * layer after layer or all sums first. Always SIMD. In narrow formats, the library's kernels do it.
     */
    @Benchmark
    public double passes(WithPasses s) {
        return s.passes.run();
    }

    /** The ceiling of the ceiling: what {@code passes} reads and writes is only moved. Always SIMD. */
    @Benchmark
    public double copy(WithCopies s) {
        return s.passes.run();
    }

    /** Pass 1. */
    @Benchmark
    public LayerSums measure(WithLars s) {
        return s.lars.measure(s.tensors, s.handed);
    }

    /** The rule and pass 2. */
    @Benchmark
    public StepReport update(WithLars s) {
        return s.lars.update(s.tensors, s.handed, s.measured);
    }

    /** The whole step, with or without bfloat16 copies of the weights. */
    @Benchmark
    public StepReport lars(WithHalves s) {
        return switch (s.halfWeights) {
            case "on" -> s.lars.step(s.tensors, s.handed, s.halves);
            case "after" -> {
                StepReport report = s.lars.step(s.tensors, s.handed);
                s.round();
                yield report;
            }
            default -> s.lars.step(s.tensors, s.handed);
        };
    }

    /** The whole step with a trust ratio of one's own, for comparison with {@code lars} in the same run. */
    @Benchmark
    public StepReport larsOwnRule(WithOwnRule s) {
        return s.lars.step(s.tensors, s.handed);
    }

    /** The whole step in the fastest plain Java, without the library's order of summation. */
    @Benchmark
    public float[] scalarLars(WithScalarLars s) {
        s.lars.step(s.weights, s.gradients, s.momentum);
        return s.weights;
    }

    /** The whole step written by hand, with a temporary array for each operation. */
    @Benchmark
    public float[][] naive(WithNaiveLars s) {
        s.lars.step(s.weights, s.gradients);
        return s.weights;
    }

    /** Fills an array with random values from half of {@code most} to {@code most}, of either sign. */
    private static void fill(float[] values, float most, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        int first = Math.min(values.length, PERIOD);
        for (int i = 0; i < first; i++) {
            float value = (float) random.nextDouble(0.5, 1) * most;
            values[i] = random.nextBoolean() ? value : -value;
        }
        for (int done = first; done < values.length; done += PERIOD) {
            System.arraycopy(values, 0, values, done, Math.min(PERIOD, values.length - done));
        }
    }

    /**
     * Requires values on which arithmetic has its usual speed.
     *
     * @throws IllegalStateException if one is infinite, NaN or subnormal
     */
    static void requireNormal(String name, float[] values) {
        for (int i = 0; i < values.length; i++) {
            requireNormal(name, values[i], i);
        }
    }

    static void requireNormal(String name, float value, int index) {
        float size = Math.abs(value);
        if (!(size <= Float.MAX_VALUE) || (size < Float.MIN_NORMAL && size != 0)) {
            throw new IllegalStateException(name + " has " + value + " at " + index
                    + " after the iteration; its time would say nothing about usual values");
        }
    }

    private static void say(String line) {
        System.out.println("# lars4j: " + line);
    }
}
