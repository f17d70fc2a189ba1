package io.github.lars4j.internal.kernel;

import io.github.lars4j.internal.kernel.KernelChoice.Trial;
import java.util.Arrays;

/**
 * Tries the vector kernels against the scalar ones on scratch arrays. Until C2 has compiled them they are far slower
 * than the scalar ones, and on some machines they stay so; since both give the same bits, steps can begin on the scalar
 * kernels and go over when this has seen the others to be faster.
 */
final class KernelTrial {

    /**
     * A block with a tail, and a small layer without one: C2 leaves out what it has not seen, and whoever comes there
     * first would wait for the interpreter.
     */
    private static final int[] LENGTHS = {Stripes.BLOCK - 5, Stripes.STRIPES};

    /** The number of kernels in {@link Kernels}. */
    private static final int KERNELS = 5;

    /** Runs of which the fastest counts: one is not enough on a machine that does other things too. */
    private static final int RUNS = 5;

    /** Rounds in a row that the vector kernels have to win. */
    private static final int WINS = 2;

    /**
     * How much slower a single kernel may be, while all together are faster: some scalar ones are vectorised by the JIT
     * and just as fast, so that noise decides.
     */
    private static final double SLACK = 1.25;

    /** Time that is spent at most, in nanoseconds; C2 takes a tenth of it where nothing else keeps it busy. */
    private static final long BUDGET = 3_000_000_000L;

    /**
     * Milliseconds before the trial begins: until then C2 has the trainer's first steps to compile, scalar kernels
     * among them, and the trial would stand in their way (seen: 1000 short steps took 230 ms instead of 140).
     */
    private static final long DELAY = 300;

    /** Work between two rests, in nanoseconds. */
    private static final long SLICE = 2_000_000;

    /** What the trial needs of a machine. */
    interface Machine {
        /** Runs a kernel once, the vector one or the scalar one, and returns the nanoseconds that it took. */
        long time(boolean vector, int kernel);

        /** Time that goes by, in nanoseconds. */
        long nanoTime();

        /** Does nothing for so many milliseconds; false where it was interrupted. */
        boolean rest(long millis);
    }

    private KernelTrial() {}

    /** Runs the trial, which takes some tenths of a second, and seconds where the vector kernels do not win. */
    static Trial run() {
        Here here = new Here();
        if (!here.rest(DELAY) || linkError() != null) {
            return Trial.SLOWER;
        }
        // A lone processor is the trainer's too.
        return decide(here, Runtime.getRuntime().availableProcessors() > 1 ? 1 : 9);
    }

    /** Why the vector kernels do not link against this JDK; {@code null} where they do. The module must be there. */
    static String linkError() {
        return Linkage.ERROR;
    }

    /** Found out once: a class that failed to initialize does not say why a second time. */
    private static final class Linkage {

        static final String ERROR = error();

        /** Runs every kernel, because a method links what it calls only when it comes to it. */
        private static String error() {
            Here once = new Here();
            try {
                for (int kernel = 0; kernel < KERNELS; kernel++) {
                    once.run(VectorKernels.INSTANCE, kernel);
                }
                return null;
            } catch (LinkageError e) {
                return e.toString();
            }
        }
    }

    /**
     * The trial itself.
     *
     * @param rest how long to rest after a slice of work, as a multiple of it
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

    /** This machine, and scratch arrays. */
    static final class Here implements Machine {

        private final float[] weights = new float[Stripes.BLOCK];
        private final float[] gradients = new float[Stripes.BLOCK];
        final float[] momentum = new float[Stripes.BLOCK];
        private final double[] scratch = new double[Stripes.SCRATCH];
        final BlockSums sums = new BlockSums(1);

        Here() {
            Arrays.fill(weights, 1);
            Arrays.fill(gradients, 1);
        }

        @Override
        public long time(boolean vector, int kernel) {
            Kernels kernels = vector ? VectorKernels.INSTANCE : ScalarKernels.INSTANCE;
            long start = System.nanoTime();
            run(kernels, kernel);
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

        /** Runs one kernel. */
        void run(Kernels kernels, int kernel) {
            for (int length : LENGTHS) {
                run(kernels, kernel, length);
            }
        }

        /** Runs one kernel, with coefficients that leave the weights where they are. */
        private void run(Kernels kernels, int kernel, int length) {
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
}
