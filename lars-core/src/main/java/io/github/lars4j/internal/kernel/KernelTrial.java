package io.github.lars4j.internal.kernel;

import io.github.lars4j.internal.kernel.KernelChoice.Trial;
import io.github.lars4j.internal.memory.ElementType;
import io.github.lars4j.internal.memory.NativeMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/**
 * Times the vector kernels of one kind against the scalar kernels, on scratch memory. The vector kernels are far slower
 * than the scalar kernels until the JIT compiler has compiled them, and with some compilers and on some machines they
 * stay slower. Since both give the same bits, steps start on the scalar kernels and switch once the trial has found the
 * vector kernels to be faster.
 *
 * <p>The trial ends in time on any JVM: it looks at the clock before every run of a kernel. Nothing shows earlier that
 * the vector kernels will stay slow, since the first runs are slow everywhere.
 */
final class KernelTrial {

    /**
     * The lengths to run, which take both sides of every branch: a block whose end fills no turn of the loops, a layer
     * that fills every turn, and a layer of less than a turn. C2 does not compile a side that has never been
     * taken, so the first blocks of a step to take it would run in the interpreter.
     */
    private static final int[] LENGTHS = {Stripes.BLOCK - 5, 8 * Stripes.STRIPES, Stripes.STRIPES};

    /** The number of runs of which the fastest counts; a single run is too noisy on a busy machine. */
    private static final int RUNS = 5;

    /** The number of consecutive rounds that the vector kernels have to win. */
    private static final int WINS = 2;

    /**
     * How many times slower a single vector kernel may be if all kernels together are faster. The JIT vectorises some
     * of the scalar kernels, so that both are equally fast and noise decides which one wins.
     */
    private static final double SLACK = 1.25;

    /**
     * The lengths for linking, which take the same branches as {@link #LENGTHS}. With these, all kernels together take
     * less time than one kernel takes in the trial.
     */
    private static final int[] SHORT_LENGTHS = {8 * Stripes.STRIPES - 5, 8 * Stripes.STRIPES, Stripes.STRIPES};

    /**
     * The maximum time of the trial, in nanoseconds. An idle C2 needs a second, and a few on a single processor;
     * Graal's compiler needs ten and more where it must first be compiled itself.
     */
    private static final long DEADLINE = 30_000_000_000L;

    /**
     * The work, in nanoseconds, after which all rests are long: the compiler has then seen enough runs, and needs
     * time. An idle C2 needs a tenth of it.
     */
    private static final long EAGER = 3_000_000_000L;

    /**
     * The delay before the trial begins, in milliseconds. At first C2 is busy compiling the trainer's first steps and
     * their scalar kernels, which the trial would slow down (measured: 1000 short steps took 230 ms instead of 140 ms).
     */
    private static final long DELAY = 300;

    /** The minimum work between two rests, in nanoseconds. */
    private static final long SLICE = 2_000_000;

    /** How long a long rest is, as a multiple of the time of the work before it. */
    private static final int LONG_REST = 9;

    /** What short runs threw, if anything: a class that failed to initialize gives its reason only the first time. */
    private static final Map<KernelKind, Optional<String>> FAILURES = new ConcurrentHashMap<>();

    /**
     * The result of a trial.
     *
     * @param verdict {@link Trial#FASTER} or {@link Trial#SLOWER}
     * @param failure what the vector kernels threw; {@code null} if nothing
     */
    record Result(Trial verdict, String failure) {}

    /** The operations that the trial needs from a machine. */
    interface Machine {
        /** Returns why the vector kernels do not run, as far as a first short run shows; {@code null} if they do. */
        String failure();

        /** Returns the number of kernels. */
        int kernels();

        /** Runs the vector or the scalar version of a kernel once and returns the time it took, in nanoseconds. */
        long time(boolean vector, int kernel);

        /** Returns the current time in nanoseconds, as {@link System#nanoTime} does. */
        long nanoTime();

        /** Sleeps; returns {@code false} if the thread is interrupted. */
        boolean rest(long millis);
    }

    private KernelTrial() {}

    /**
     * Runs the trial for a kind of memory. This takes about a second, or half a minute if the vector kernels do
     * not win.
     */
    static Result run(KernelKind kind) {
        // A single processor is shared with the trainer.
        return run(kind::scratch, Runtime.getRuntime().availableProcessors() > 1 ? 1 : LONG_REST);
    }

    /** Runs the trial on a machine. Whatever a JVM throws here is a reason to stay on the scalar kernels. */
    static Result run(Supplier<? extends Machine> machines, int rest) {
        try {
            Machine machine = machines.get();
            if (!machine.rest(DELAY)) {
                return new Result(Trial.SLOWER, null);
            }
            Pace pace = new Pace(machine, rest);
            String failure = machine.failure();
            return new Result(failure == null ? decide(pace) : Trial.SLOWER, failure);
        } catch (Throwable e) {
            return new Result(Trial.SLOWER, firstLine(e));
        }
    }

    /**
     * Returns what the vector kernels of a kind throw in a short run on this JVM, or {@code null} if they run. The
     * module must be present.
     */
    static String failure(KernelKind kind) {
        return FAILURES.computeIfAbsent(kind, KernelTrial::tryToLink).orElse(null);
    }

    /** Runs every kernel, because the JVM links a call when it is first executed. */
    private static Optional<String> tryToLink(KernelKind kind) {
        try {
            Here once = kind.scratch();
            for (int kernel = 0; kernel < once.kernels(); kernel++) {
                once.run(true, kernel, SHORT_LENGTHS);
            }
            return Optional.empty();
        } catch (Throwable e) {
            return Optional.of(firstLine(e));
        }
    }

    /** Returns the first line of what a throwable says; native images add advice in further lines. */
    private static String firstLine(Throwable e) {
        return e.toString().lines().findFirst().orElse("");
    }

    private static Trial decide(Pace pace) {
        for (int wins = 0; wins < WINS; ) {
            wins = vectorWins(pace) ? wins + 1 : 0;
            if (pace.over) {
                return Trial.SLOWER;
            }
        }
        return Trial.FASTER;
    }

    private static boolean vectorWins(Pace pace) {
        long scalarTotal = 0;
        long vectorTotal = 0;
        boolean eachCloseEnough = true;
        for (int kernel = 0; kernel < pace.machine.kernels(); kernel++) {
            long scalar = fastest(pace, false, kernel);
            long vector = fastest(pace, true, kernel);
            scalarTotal += scalar;
            vectorTotal += vector;
            eachCloseEnough &= vector <= SLACK * scalar;
        }
        return eachCloseEnough && vectorTotal < scalarTotal;
    }

    private static long fastest(Pace pace, boolean vector, int kernel) {
        long fastest = Long.MAX_VALUE;
        for (int run = 0; run < RUNS && pace.goesOn(); run++) {
            fastest = Math.min(fastest, pace.machine.time(vector, kernel));
        }
        return fastest;
    }

    /** When the trial works, when it rests, and when it is over. */
    private static final class Pace {

        final Machine machine;
        private final int rest;
        private final long begin;
        private long slice;
        private long worked;
        boolean over;

        /**
         * Begins a trial.
         *
         * @param rest how long the first rests are, as a multiple of the time of the work before them
         */
        Pace(Machine machine, int rest) {
            this.machine = machine;
            this.rest = rest;
            this.begin = machine.nanoTime();
            this.slice = begin;
        }

        /** Rests if it is time to; returns {@code false} if the trial is over. */
        boolean goesOn() {
            long now = machine.nanoTime();
            long work = now - slice;
            long pause = 0;
            if (work >= SLICE) {
                worked += work;
                pause = work * (worked < EAGER ? rest : LONG_REST);
            }
            over = over || now + pause - begin >= DEADLINE || pause > 0 && !machine.rest(pause / 1_000_000);
            if (pause > 0) {
                slice = machine.nanoTime();
            }
            return !over;
        }
    }

    /** This machine, with scratch memory for the kernels. */
    abstract static class Here implements Machine {

        final KernelKind kind;
        final double[] scratch = new double[Stripes.SCRATCH];
        final BlockSums sums = new BlockSums(1);

        Here(KernelKind kind) {
            this.kind = kind;
        }

        @Override
        public String failure() {
            return KernelTrial.failure(kind);
        }

        @Override
        public long time(boolean vector, int kernel) {
            long start = System.nanoTime();
            run(vector, kernel, LENGTHS);
            return System.nanoTime() - start;
        }

        @Override
        public long nanoTime() {
            return System.nanoTime();
        }

        @Override
        public boolean rest(long millis) {
            try {
                Thread.sleep(millis);
                return true;
            } catch (InterruptedException e) {
                return false;
            }
        }

        /** Runs one kernel on every one of these lengths. */
        void run(boolean vector, int kernel, int[] lengths) {
            try {
                for (int length : lengths) {
                    run(vector, kernel, length);
                }
            } finally {
                Reference.reachabilityFence(this); // kernels outside the heap know only the addresses
            }
        }

        /** Runs one kernel with coefficients that do not change the weights. */
        abstract void run(boolean vector, int kernel, int length);
    }

    /** Scratch arrays. */
    static final class Arrays extends Here {

        final float[] weights = ones();
        final float[] gradients = ones();
        final float[] momentum = new float[Stripes.BLOCK];

        Arrays() {
            super(KernelKind.ARRAYS);
        }

        static float[] ones() {
            float[] ones = new float[Stripes.BLOCK];
            java.util.Arrays.fill(ones, 1);
            return ones;
        }

        @Override
        public int kernels() {
            return 6;
        }

        @Override
        void run(boolean vector, int kernel, int length) {
            Kernels kernels = vector ? VectorKernels.INSTANCE : ScalarKernels.INSTANCE;
            switch (kernel) {
                case 0 -> kernels.measure(weights, gradients, 0, length, scratch, sums, 0);
                case 1 -> sums.weights[0] = kernels.squares(weights, 0, length, scratch);
                case 2 -> kernels.update(weights, gradients, momentum, 0, length, 1, 0, 0.5f, 0, 0);
                case 3 -> kernels.update(weights, gradients, 0, length, 1, 0, 0);
                case 4 ->
                    sums.weights[0] =
                            kernels.updateAndSquare(weights, gradients, momentum, 0, length, 1, 0, 0.5f, 0, 0, scratch);
                case 5 -> kernels.squares(weights, gradients, 0, length, scratch, sums, 0);
                default -> throw new AssertionError(kernel);
            }
        }
    }

    /** Scratch memory at a place of its own for each tensor. */
    static final class Placed extends Here {

        private static final int WEIGHTS = 0;
        private static final int GRADIENTS = 1;
        private static final int MOMENTUM = 2;
        private static final int HALVES = 3;

        final PlacedKernels scalar;
        /** The vector kernels; {@code null} until they first run, since loading them takes time. */
        private PlacedKernels vector;

        final Object[] bases;
        final long[] at;
        private final MomentumRounding rounding = new MomentumRounding();

        private Placed(KernelKind kind, Object[] bases, long[] at) {
            super(kind);
            this.bases = bases;
            this.at = at;
            this.scalar = kind.isFloat32() ? kind.placed(false) : new CopyKernels().with(ScalarKernels.INSTANCE, kind);
        }

        /** Returns scratch arrays, with a different index in each. */
        static Placed offsets(KernelKind kind) {
            return new Placed(
                    kind,
                    new Object[] {
                        Arrays.ones(), array(kind.gradients(), 1), array(kind.momentum(), 0), new short[Stripes.BLOCK]
                    },
                    new long[] {2, 1, 0, 3});
        }

        private static Object array(ElementType type, float value) {
            if (type == ElementType.FLOAT32) {
                float[] values = new float[Stripes.BLOCK];
                java.util.Arrays.fill(values, value);
                return values;
            }
            short[] values = new short[Stripes.BLOCK];
            java.util.Arrays.fill(values, type.toShort(value));
            return values;
        }

        /** Returns scratch memory outside the heap. */
        static Placed outside(KernelKind kind) {
            Object[] arrays = offsets(kind).bases;
            MemorySegment[] segments = new MemorySegment[arrays.length];
            long[] at = new long[arrays.length];
            for (int i = 0; i < segments.length; i++) {
                MemorySegment values = arrays[i] instanceof float[] floats
                        ? MemorySegment.ofArray(floats)
                        : MemorySegment.ofArray((short[]) arrays[i]);
                segments[i] =
                        Arena.ofAuto().allocate(values.byteSize(), Float.BYTES).copyFrom(values);
                at[i] = segments[i].address();
            }
            return new Placed(kind, segments, at);
        }

        private PlacedKernels vector() {
            if (vector == null) {
                PlacedKernels kernels = kind.placed(true);
                vector = kind.gradients() == ElementType.FLOAT16 ? new WideningKernels().with(kernels, kind) : kernels;
            }
            return vector;
        }

        private Object base(int tensor) {
            return kind.place() == KernelKind.Place.OUTSIDE ? NativeMemory.Access.ALL : bases[tensor];
        }

        @Override
        public int kernels() {
            return kind.halves() ? 8 : 7;
        }

        @Override
        void run(boolean vector, int kernel, int length) {
            PlacedKernels kernels = vector ? vector() : scalar;
            Object w = base(WEIGHTS);
            Object g = base(GRADIENTS);
            Object m = base(MOMENTUM);
            long wAt = at[WEIGHTS];
            long gAt = at[GRADIENTS];
            long mAt = at[MOMENTUM];
            switch (kernel) {
                case 0 -> kernels.measure(w, wAt, g, gAt, length, scratch, sums, 0);
                case 1 -> sums.weights[0] = kernels.squares(w, wAt, length, scratch);
                case 2 -> kernels.update(w, wAt, g, gAt, m, mAt, length, 1, 0, 0.5f, 0, 0, rounding);
                case 3 -> kernels.update(w, wAt, g, gAt, length, 1, 0, 0);
                case 4 ->
                    sums.weights[0] = kernels.updateAndSquare(
                            w, wAt, g, gAt, m, mAt, length, 1, 0, 0.5f, 0, 0, rounding, scratch);
                case 5 -> kernels.squares(w, wAt, g, gAt, length, scratch, sums, 0);
                case 6 -> sums.gradients[0] = kernels.gradientSquares(g, gAt, length, scratch);
                case 7 -> kernels.round(w, wAt, base(HALVES), at[HALVES], length);
                default -> throw new AssertionError(kernel);
            }
        }
    }
}
