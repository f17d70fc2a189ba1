package io.github.lars4j.internal.passes;

import io.github.lars4j.internal.kernel.Kernels;
import io.github.lars4j.internal.kernel.MomentumRounding;
import io.github.lars4j.internal.kernel.PlacedKernels;
import io.github.lars4j.internal.kernel.RandomBits;
import io.github.lars4j.internal.kernel.Stripes;
import io.github.lars4j.internal.memory.Operand;
import java.util.Arrays;

/**
 * Pass 2: updates the layers. It reads weights, gradients and momentum once, and writes weights and momentum once, and
 * bfloat16 copies of the weights if asked.
 */
public final class UpdatePass implements Crew.Task {

    private final Plan plan;
    private final Coefficients coefficients;
    private final double[] blockSquares;
    private final double[][] scratch;
    private final MomentumRounding[] rounding;
    /** Whether an element of a layer's momentum was not finite after rounding. */
    private final boolean[] overflowed;

    private BlockKernels kernels;
    private Operand weights;
    private Operand gradients;
    private Operand momentum;
    private Operand halves;
    private long[] keys;
    private boolean[] updates;
    private boolean[] withMomentum;
    private boolean carry;
    private int round;

    public UpdatePass(Plan plan, Coefficients coefficients) {
        this.plan = plan;
        this.coefficients = coefficients;
        this.blockSquares = new double[plan.places()];
        this.scratch = plan.scratch();
        this.rounding = new MomentumRounding[scratch.length];
        for (int thread = 0; thread < rounding.length; thread++) {
            rounding[thread] = new MomentumRounding();
        }
        this.overflowed = new boolean[coefficients.a.length];
    }

    /**
     * Updates the layers of a round.
     *
     * @param crew the threads, as many as the plan has
     * @param momentum the momentum; may be {@code null} if no layer has momentum
     * @param halves where bfloat16 copies of the weights of every layer go, updated or not; {@code null} if there are none
     * @param keys for each layer the key of the random bits of its momentum's rounding; {@code null} if there are none
     * @param updates whether to update each layer
     * @param withMomentum whether each layer has momentum
     * @param carry whether to compute Σw² of the new weights, block by block while they are in cache
     * @param round the index of the round
     */
    public void run(
            Crew crew,
            BlockKernels kernels,
            Operand weights,
            Operand gradients,
            Operand momentum,
            Operand halves,
            long[] keys,
            boolean[] updates,
            boolean[] withMomentum,
            boolean carry,
            int round) {
        this.kernels = kernels;
        this.weights = weights;
        this.gradients = gradients;
        this.momentum = momentum == null ? weights : momentum;
        this.halves = halves;
        this.keys = keys;
        this.updates = updates;
        this.withMomentum = withMomentum;
        this.carry = carry;
        this.round = round;
        Arrays.fill(overflowed, plan.firstLayerOfRound(round), plan.firstLayerOfRound(round + 1), false);
        for (MomentumRounding each : rounding) {
            // A run that failed halfway may have left a note.
            each.takeOverflowed();
        }
        crew.run(this);
        this.weights = null;
        this.gradients = null;
        this.momentum = null;
        this.halves = null;
    }

    @Override
    public boolean hasShare(int thread) {
        int block = plan.shareFrom(round, thread);
        int last = plan.shareTo(round, thread);
        if (block == last) {
            return false;
        }
        int layer = plan.layer(block);
        while (plan.firstBlock(layer + 1) < last && !updates[layer]) {
            layer++;
        }
        return updates[layer] || halves != null;
    }

    @Override
    public void run(int thread) {
        int block = plan.shareFrom(round, thread);
        int last = plan.shareTo(round, thread);
        if (block == last) {
            return;
        }
        Kernels arrays = kernels.arrays();
        PlacedKernels placed = kernels.placed(thread);
        for (int layer = plan.layer(block); block < last; layer++) {
            int end = Math.min(last, plan.firstBlock(layer + 1));
            if (updates[layer]) {
                if (placed == null) {
                    update(arrays, layer, block, end, scratch[thread]);
                } else {
                    update(placed, layer, block, end, rounding[thread], scratch[thread]);
                }
            } else if (halves != null) {
                round(placed, layer, block, end);
            }
            block = end;
        }
    }

    /**
     * Updates blocks of one layer in arrays. The values that every block needs are in local variables: the arrays stream
     * through the caches and the TLB, so any other data that a block reads must be fetched again (measured: 50 % slower
     * from memory).
     */
    private void update(Kernels kernels, int layer, int block, int end, double[] stripes) {
        float[] weights = this.weights.array(layer);
        float[] gradients = this.gradients.array(layer);
        float[] momentum = this.momentum.array(layer);
        boolean withMomentum = this.withMomentum[layer];
        float a = coefficients.a[layer];
        float b = coefficients.b[layer];
        float m = coefficients.m[layer];
        float p = coefficients.p[layer];
        float v = coefficients.v[layer];
        boolean carry = this.carry;
        int from = (int) (this.weights.start(layer) + plan.from(layer, block));
        int left = (int) plan.elements(layer, block, end);
        int place = plan.place(block);
        for (; left > 0; place++, from += Stripes.BLOCK, left -= Stripes.BLOCK) {
            int length = Math.min(Stripes.BLOCK, left);
            if (!withMomentum) {
                kernels.update(weights, gradients, from, length, a, b, p);
                if (carry) {
                    blockSquares[place] = kernels.squares(weights, from, length, stripes);
                }
            } else if (carry) {
                blockSquares[place] =
                        kernels.updateAndSquare(weights, gradients, momentum, from, length, a, b, m, p, v, stripes);
            } else {
                kernels.update(weights, gradients, momentum, from, length, a, b, m, p, v);
            }
        }
    }

    /** Updates blocks of one layer, wherever it lies and in whatever format, and writes copies of its weights. */
    private void update(
            PlacedKernels kernels, int layer, int block, int end, MomentumRounding rounding, double[] stripes) {
        boolean withMomentum = this.withMomentum[layer];
        Operand weights = this.weights;
        Operand gradients = this.gradients;
        Operand momentum = this.momentum;
        Object weightsBase = weights.base(layer);
        Object gradientsBase = gradients.base(layer);
        Object momentumBase = momentum.base(layer);
        float a = coefficients.a[layer];
        float b = coefficients.b[layer];
        float m = coefficients.m[layer];
        float p = coefficients.p[layer];
        float v = coefficients.v[layer];
        boolean carry = this.carry;
        boolean random = keys != null && withMomentum;
        long from = plan.from(layer, block);
        long left = plan.elements(layer, block, end);
        int place = plan.place(block);
        for (; left > 0; place++, from += Stripes.BLOCK, left -= Stripes.BLOCK) {
            int length = (int) Math.min(Stripes.BLOCK, left);
            long w = weights.at(layer, from);
            long g = gradients.at(layer, from);
            if (random) {
                rounding.setKey(RandomBits.blockKey(keys[layer], from / Stripes.BLOCK));
            }
            if (!withMomentum) {
                kernels.update(weightsBase, w, gradientsBase, g, length, a, b, p);
                if (carry) {
                    blockSquares[place] = kernels.squares(weightsBase, w, length, stripes);
                }
            } else if (carry) {
                blockSquares[place] = kernels.updateAndSquare(
                        weightsBase,
                        w,
                        gradientsBase,
                        g,
                        momentumBase,
                        momentum.at(layer, from),
                        length,
                        a,
                        b,
                        m,
                        p,
                        v,
                        rounding,
                        stripes);
            } else {
                kernels.update(
                        weightsBase,
                        w,
                        gradientsBase,
                        g,
                        momentumBase,
                        momentum.at(layer, from),
                        length,
                        a,
                        b,
                        m,
                        p,
                        v,
                        rounding);
            }
            if (halves != null) {
                kernels.round(weightsBase, w, halves.base(layer), halves.at(layer, from), length);
            }
        }
        if (rounding.takeOverflowed()) {
            overflowed[layer] = true;
        }
    }

    /** Writes copies of the weights of a layer that is not updated. */
    private void round(PlacedKernels kernels, int layer, int block, int end) {
        long from = plan.from(layer, block);
        long left = plan.elements(layer, block, end);
        for (; left > 0; from += Stripes.BLOCK, left -= Stripes.BLOCK) {
            int length = (int) Math.min(Stripes.BLOCK, left);
            kernels.round(
                    weights.base(layer), weights.at(layer, from), halves.base(layer), halves.at(layer, from), length);
        }
    }

    /** Returns whether an element of a layer's momentum was not finite after rounding, in the last run over the layer. */
    public boolean overflowed(int layer) {
        return overflowed[layer];
    }

    /**
     * Returns Σw² of the new weights of a layer, after a run with {@code carry}. Call this at most once per run,
     * because it overwrites the sums.
     */
    public double squares(int layer) {
        return plan.fold(blockSquares, layer);
    }
}
