package io.github.lars4j.bench.arms;

import io.github.lars4j.internal.kernel.BlockSums;
import io.github.lars4j.internal.kernel.MomentumRounding;
import io.github.lars4j.internal.kernel.PlacedKernels;
import io.github.lars4j.internal.kernel.RandomBits;
import io.github.lars4j.internal.kernel.Stripes;

/**
 * The loops over weights, gradient and momentum of which {@link Passes} are made, with the hyperparameters of {@link
 * StepBenchmark}. Each thread has its own. All work on elements {@code [from, to)}, at most {@link #chunk} at a time.
 */
interface Loops {

    /**
     * Elements per call. The JIT counts calls, so one call for everything would stay interpreted for long, and would be
     * no cheaper.
     */
    int CHUNK = 16_384;

    float RATE = (float) StepBenchmark.RATE;
    float MOMENTUM = (float) StepBenchmark.MOMENTUM;
    float DECAY = (float) StepBenchmark.DECAY;

    /** Returns the most elements of a call. */
    default int chunk() {
        return CHUNK;
    }

    /** Adds Σw² and Σg² to the sums. */
    void sums(int from, int to, double[] sums);

    /** Returns Σg². */
    double squares(int from, int to);

    /** Takes a step of SGD with Nesterov's momentum. */
    void sgd(int from, int to);

    /** As {@link #sgd}; returns Σw² of the new weights. */
    double sgdAndSquare(int from, int to);

    /** Everything in float32, in the fastest order. The sums are SIMD in any case. */
    final class Float32 implements Loops {

        private final boolean vector;
        private final float[] weights;
        private final float[] gradients;
        private final float[] momentum;

        Float32(boolean vector, float[] weights, float[] gradients, float[] momentum) {
            this.vector = vector;
            this.weights = weights;
            this.gradients = gradients;
            this.momentum = momentum;
        }

        @Override
        public void sums(int from, int to, double[] sums) {
            VectorArms.sums(weights, gradients, from, to, sums);
        }

        @Override
        public double squares(int from, int to) {
            return VectorArms.squares(gradients, from, to);
        }

        @Override
        public void sgd(int from, int to) {
            if (vector) {
                VectorArms.sgd(weights, gradients, momentum, from, to, RATE, MOMENTUM, DECAY);
            } else {
                ScalarArms.sgd(weights, gradients, momentum, from, to, RATE, MOMENTUM, DECAY);
            }
        }

        @Override
        public double sgdAndSquare(int from, int to) {
            return VectorArms.sgdAndSquare(weights, gradients, momentum, from, to, RATE, MOMENTUM, DECAY);
        }
    }

    /** Gradient and momentum in any formats, by the library's kernels. */
    final class InFormats implements Loops {

        private final PlacedKernels kernels;
        private final float[] weights;
        private final Object gradients;
        private final Object momentum;
        private final long seed;
        private final MomentumRounding rounding = new MomentumRounding();
        private final double[] scratch = new double[Stripes.SCRATCH];
        private final BlockSums block = new BlockSums(1);
        private long updates;

        /**
         * Makes the loops.
         *
         * @param gradients an array of the format's elements, as is {@code momentum}
         * @param seed of the random bits, different for each thread
         */
        InFormats(PlacedKernels kernels, float[] weights, Object gradients, Object momentum, long seed) {
            this.kernels = kernels;
            this.weights = weights;
            this.gradients = gradients;
            this.momentum = momentum;
            this.seed = seed;
        }

        @Override
        public int chunk() {
            return Stripes.BLOCK;
        }

        @Override
        public void sums(int from, int to, double[] sums) {
            kernels.squares(weights, from, gradients, from, to - from, scratch, block, 0);
            sums[0] += block.weights[0];
            sums[1] += block.gradients[0];
        }

        @Override
        public double squares(int from, int to) {
            return kernels.gradientSquares(gradients, from, to - from, scratch);
        }

        @Override
        public void sgd(int from, int to) {
            rounding.setKey(RandomBits.blockKey(seed, updates++));
            kernels.update(
                    weights,
                    from,
                    gradients,
                    from,
                    momentum,
                    from,
                    to - from,
                    1,
                    DECAY,
                    MOMENTUM,
                    RATE,
                    RATE * MOMENTUM,
                    rounding);
        }

        @Override
        public double sgdAndSquare(int from, int to) {
            rounding.setKey(RandomBits.blockKey(seed, updates++));
            return kernels.updateAndSquare(
                    weights,
                    from,
                    gradients,
                    from,
                    momentum,
                    from,
                    to - from,
                    1,
                    DECAY,
                    MOMENTUM,
                    RATE,
                    RATE * MOMENTUM,
                    rounding,
                    scratch);
        }
    }

    /**
     * Loops that only move what the others move, by SIMD: they read what is only read, and change the sign of what is
     * written. The arrays take turns.
     */
    final class Moves implements Loops {

        /** Elements of an array before the next one's turn: of those tried, from 256 to 65536, the fastest. */
        private static final int TURN = 256;

        private final float[] weights;
        private final Object gradients;
        private final Object momentum;

        Moves(float[] weights, Object gradients, Object momentum) {
            this.weights = weights;
            this.gradients = gradients;
            this.momentum = momentum;
        }

        @Override
        public void sums(int from, int to, double[] sums) {
            for (int i = from; i < to; i += TURN) {
                int end = Math.min(to, i + TURN);
                sums[0] += VectorArms.squares(weights, i, end);
                sums[1] += squares(i, end);
            }
        }

        @Override
        public double squares(int from, int to) {
            return gradients instanceof float[] floats
                    ? VectorArms.squares(floats, from, to) // as fast as any read
                    : VectorArms.largest((short[]) gradients, from, to);
        }

        @Override
        public void sgd(int from, int to) {
            sgdAndSquare(from, to);
        }

        @Override
        public double sgdAndSquare(int from, int to) {
            double read = 0;
            for (int i = from; i < to; i += TURN) {
                read += move(i, Math.min(to, i + TURN));
            }
            return read;
        }

        private double move(int from, int to) {
            VectorArms.negate(weights, from, to);
            if (momentum instanceof float[] floats) {
                VectorArms.negate(floats, from, to);
            } else {
                VectorArms.negate((short[]) momentum, from, to);
            }
            return squares(from, to);
        }
    }
}
