package io.github.lars4j.internal.passes;

import io.github.lars4j.internal.kernel.Kernels;
import io.github.lars4j.internal.kernel.Stripes;

/**
 * Pass 2: reads weights, gradients and momentum once and writes weights and momentum once.
 */
public final class UpdatePass implements Crew.Task {

    private final Plan plan;
    private final Coefficients coefficients;
    private final double[] blockSquares;
    private final double[][] scratch;

    private Kernels kernels;
    private float[] weights;
    private float[] gradients;
    private float[] momentum;
    private boolean[] updates;
    private boolean carry;
    private int group;

    public UpdatePass(Plan plan, Coefficients coefficients) {
        this.plan = plan;
        this.coefficients = coefficients;
        this.blockSquares = new double[plan.places()];
        this.scratch = plan.scratch();
    }

    /**
     * Updates a group's layers.
     *
     * @param crew as many threads as the plan has
     * @param momentum the buffer; {@code null} where there is none
     * @param updates which layers to write
     * @param carry whether to take Σw² of what was written, block by block, while it is in cache
     */
    public void run(
            Crew crew,
            Kernels kernels,
            float[] weights,
            float[] gradients,
            float[] momentum,
            boolean[] updates,
            boolean carry,
            int group) {
        this.kernels = kernels;
        this.weights = weights;
        this.gradients = gradients;
        this.momentum = momentum;
        this.updates = updates;
        this.carry = carry;
        this.group = group;
        crew.run(this);
        this.weights = null;
        this.gradients = null;
    }

    @Override
    public boolean hasShare(int thread) {
        int block = plan.shareFrom(group, thread);
        int last = plan.shareTo(group, thread);
        if (block == last) {
            return false;
        }
        int layer = plan.layer(block);
        while (plan.firstBlock(layer + 1) < last && !updates[layer]) {
            layer++;
        }
        return updates[layer];
    }

    @Override
    public void run(int thread) {
        int block = plan.shareFrom(group, thread);
        int last = plan.shareTo(group, thread);
        if (block == last) {
            return;
        }
        for (int layer = plan.layer(block); block < last; layer++) {
            int end = Math.min(last, plan.firstBlock(layer + 1));
            if (updates[layer]) {
                update(layer, block, end, scratch[thread]);
            }
            block = end;
        }
    }

    /**
     * Updates blocks of one layer. What each block needs is in local variables: the arrays stream through caches and
     * TLB, and whatever else a block touches has to be fetched anew (seen: half as slow again from memory).
     */
    private void update(int layer, int block, int end, double[] stripes) {
        Kernels kernels = this.kernels;
        float[] weights = this.weights;
        float[] gradients = this.gradients;
        float[] momentum = this.momentum;
        float a = coefficients.a[layer];
        float b = coefficients.b[layer];
        float m = coefficients.m[layer];
        float p = coefficients.p[layer];
        float v = coefficients.v[layer];
        boolean carry = this.carry;
        int from = plan.from(layer, block);
        int to = plan.to(layer, end - 1);
        int place = plan.place(block);
        for (; from < to; place++, from += Stripes.BLOCK) {
            int length = Math.min(Stripes.BLOCK, to - from);
            if (momentum == null) {
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

    /** Σw² of what was written of a layer; once for each run that carried. */
    public double squares(int layer) {
        return plan.fold(blockSquares, layer);
    }
}
