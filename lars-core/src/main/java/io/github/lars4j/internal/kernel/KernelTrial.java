package io.github.lars4j.internal.kernel;

import io.github.lars4j.internal.kernel.KernelChoice.Trial;
import io.github.lars4j.internal.memory.NativeMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;

/**
 * Times the vector kernels against the scalar kernels, for one kind of memory, on scratch memory. The vector kernels are far slower than the
 * scalar kernels until C2 has compiled them, and on some machines they stay slower. Since both give the same bits,
 * steps start on the scalar kernels and switch once the trial has found the vector kernels to be faster.
 */
final class KernelTrial {

    /**
     * The lengths to run: a block with a tail, and a small layer without a tail. C2 does not compile branches that have
     * never been taken, so the first step to take one would fall back to the interpreter.
     */
    private static final int[] LENGTHS = {Stripes.BLOCK - 5, Stripes.STRIPES};

    /** The number of kernels in {@link Kernels}. */
    private static final int KERNELS = 5;

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

    /** The operations that the trial needs from a machine. */
    interface Machine {
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
        return switch (kind) {
            case ARRAYS -> Linkage.ERROR;
            case OFFSETS -> LinkageOffsets.ERROR;
            case OUTSIDE -> LinkageOutside.ERROR;
        };
    }

    /** Holds the result of linking once: a class that failed to initialize gives its reason only the first time. */
    private static final class Linkage {
        static final String ERROR = tryToLink(KernelKind.ARRAYS);
    }

    /** As {@link Linkage}, for kernels that are loaded only if they are used. */
    private static final class LinkageOffsets {
        static final String ERROR = tryToLink(KernelKind.OFFSETS);
    }

    /** As {@link LinkageOffsets}. */
    private static final class LinkageOutside {
        static final String ERROR = tryToLink(KernelKind.OUTSIDE);
    }

    /** Runs every kernel, because the JVM links a call when it is first executed. */
    private static String tryToLink(KernelKind kind) {
        Here once = kind.scratch();
        try {
            for (int kernel = 0; kernel < KERNELS; kernel++) {
                once.run(true, kernel);
            }
            return null;
        } catch (LinkageError e) {
            return e.toString();
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
        for (int kernel = 0; kernel < KERNELS; kernel++) {
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
    abstract static class Placed extends Here {

        abstract PlacedKernels kernels(boolean vector);

        /** Runs one kernel on these places. */
        final void run(
                boolean vector, int kernel, int length, Object w, long wAt, Object g, long gAt, Object v, long vAt) {
            PlacedKernels kernels = kernels(vector);
            switch (kernel) {
                case 0 -> kernels.measure(w, wAt, g, gAt, length, scratch, sums, 0);
                case 1 -> sums.weights[0] = kernels.squares(w, wAt, length, scratch);
                case 2 -> kernels.update(w, wAt, g, gAt, v, vAt, length, 1, 0, 0.5f, 0, 0);
                case 3 -> kernels.update(w, wAt, g, gAt, length, 1, 0, 0);
                case 4 ->
                    sums.weights[0] =
                            kernels.updateAndSquare(w, wAt, g, gAt, v, vAt, length, 1, 0, 0.5f, 0, 0, scratch);
                default -> throw new AssertionError(kernel);
            }
        }
    }

    /** Scratch arrays, with a different index in each. */
    static final class Offsets extends Placed {

        final float[] weights = Arrays.ones();
        final float[] gradients = Arrays.ones();
        final float[] momentum = new float[Stripes.BLOCK];

        @Override
        PlacedKernels kernels(boolean vector) {
            return vector ? OffsetVectorKernels.INSTANCE : OffsetScalarKernels.INSTANCE;
        }

        @Override
        void run(boolean vector, int kernel, int length) {
            run(vector, kernel, length, weights, 2, gradients, 1, momentum, 0);
        }
    }

    /** Scratch memory outside the heap. */
    static final class Outside extends Placed {

        final MemorySegment weights = Arena.ofAuto().allocateFrom(NativeMemory.FLOAT, Arrays.ones());
        final MemorySegment gradients = Arena.ofAuto().allocateFrom(NativeMemory.FLOAT, Arrays.ones());
        final MemorySegment momentum = Arena.ofAuto().allocate(NativeMemory.FLOAT, Stripes.BLOCK);

        @Override
        PlacedKernels kernels(boolean vector) {
            return vector ? NativeVectorKernels.INSTANCE : NativeScalarKernels.INSTANCE;
        }

        @Override
        void run(boolean vector, int kernel, int length) {
            Object all = NativeMemory.Access.ALL;
            run(vector, kernel, length, all, weights.address(), all, gradients.address(), all, momentum.address());
        }
    }
}
