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

/**
 * Times the vector kernels of one kind against the scalar kernels, on scratch memory. The vector kernels are far slower than the
 * scalar kernels until C2 has compiled them, and on some machines they stay slower. Since both give the same bits,
 * steps start on the scalar kernels and switch once the trial has found the vector kernels to be faster.
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

    /** The maximum time that the trial spends on work, in nanoseconds; an idle C2 needs a tenth of it. */
    private static final long BUDGET = 3_000_000_000L;

    /**
     * The delay before the trial begins, in milliseconds. At first C2 is busy compiling the trainer's first steps and
     * their scalar kernels, which the trial would slow down (measured: 1000 short steps took 230 ms instead of 140 ms).
     */
    private static final long DELAY = 300;

    /** The minimum work between two rests, in nanoseconds. */
    private static final long SLICE = 2_000_000;

    /** The results of linking: a class that failed to initialize gives its reason only the first time. */
    private static final Map<KernelKind, Optional<String>> LINK_ERRORS = new ConcurrentHashMap<>();

    /** The operations that the trial needs from a machine. */
    interface Machine {
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
     * Runs the trial for a kind of memory. This takes some tenths of a second, or several seconds if the vector kernels
     * do not win.
     */
    static Trial run(KernelKind kind) {
        Here here = kind.scratch();
        if (!here.rest(DELAY) || linkError(kind) != null) {
            return Trial.SLOWER;
        }
        // A single processor is shared with the trainer.
        return decide(here, Runtime.getRuntime().availableProcessors() > 1 ? 1 : 9);
    }

    /**
     * Returns why the vector kernels of a kind do not link against this JDK, or {@code null} if they link. The module
     * must be present.
     */
    static String linkError(KernelKind kind) {
        return LINK_ERRORS.computeIfAbsent(kind, KernelTrial::tryToLink).orElse(null);
    }

    /** Runs every kernel, because the JVM links a call when it is first executed. */
    private static Optional<String> tryToLink(KernelKind kind) {
        Here once = kind.scratch();
        try {
            for (int kernel = 0; kernel < once.kernels(); kernel++) {
                once.run(true, kernel);
            }
            return Optional.empty();
        } catch (LinkageError e) {
            return Optional.of(e.toString());
        }
    }

    /**
     * Decides the trial on a machine.
     *
     * @param rest how long to rest after a slice of work, as a multiple of the time of that slice
     * @return {@link Trial#FASTER} or {@link Trial#SLOWER}
     */
    static Trial decide(Machine machine, int rest) {
        int wins = 0;
        for (long spent = 0; spent < BUDGET; ) {
            long start = machine.nanoTime();
            long slice = 0;
            while (slice < SLICE) {
                wins = vectorWins(machine) ? wins + 1 : 0;
                if (wins == WINS) {
                    return Trial.FASTER;
                }
                slice = machine.nanoTime() - start;
            }
            spent += slice;
            if (!machine.rest(rest * slice / 1_000_000)) {
                return Trial.SLOWER;
            }
        }
        return Trial.SLOWER;
    }

    private static boolean vectorWins(Machine machine) {
        long scalarTotal = 0;
        long vectorTotal = 0;
        boolean eachCloseEnough = true;
        for (int kernel = 0; kernel < machine.kernels(); kernel++) {
            long scalar = fastest(machine, false, kernel);
            long vector = fastest(machine, true, kernel);
            scalarTotal += scalar;
            vectorTotal += vector;
            eachCloseEnough &= vector <= SLACK * scalar;
        }
        return eachCloseEnough && vectorTotal < scalarTotal;
    }

    private static long fastest(Machine machine, boolean vector, int kernel) {
        long fastest = Long.MAX_VALUE;
        for (int run = 0; run < RUNS; run++) {
            fastest = Math.min(fastest, machine.time(vector, kernel));
        }
        return fastest;
    }

    /** This machine, with scratch memory for the kernels. */
    abstract static class Here implements Machine {

        final double[] scratch = new double[Stripes.SCRATCH];
        final BlockSums sums = new BlockSums(1);

        @Override
        public long time(boolean vector, int kernel) {
            long start = System.nanoTime();
            run(vector, kernel);
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

        /** Runs one kernel on every length. */
        void run(boolean vector, int kernel) {
            try {
                for (int length : LENGTHS) {
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

        static float[] ones() {
            float[] ones = new float[Stripes.BLOCK];
            java.util.Arrays.fill(ones, 1);
            return ones;
        }

        @Override
        public int kernels() {
            return 5;
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

        final KernelKind kind;
        final PlacedKernels scalar;
        final Object[] bases;
        final long[] at;
        private final MomentumRounding rounding = new MomentumRounding();

        private Placed(KernelKind kind, Object[] bases, long[] at) {
            this.kind = kind;
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

        private Object base(int tensor) {
            return kind.place() == KernelKind.Place.OUTSIDE ? NativeMemory.Access.ALL : bases[tensor];
        }

        @Override
        public int kernels() {
            return kind.halves() ? 7 : 6;
        }

        @Override
        void run(boolean vector, int kernel, int length) {
            PlacedKernels kernels = vector ? kind.placed(true) : scalar;
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
                case 5 -> sums.gradients[0] = kernels.gradientSquares(g, gAt, length, scratch);
                case 6 -> kernels.round(w, wAt, base(HALVES), at[HALVES], length);
                default -> throw new AssertionError(kernel);
            }
        }
    }
}
