package io.github.lars4j.passes;

import io.github.lars4j.kernel.Kernels;
import io.github.lars4j.kernel.Stripes;
import io.github.lars4j.rule.Coefficients;

/**
 * Pass 2: reads weights, gradients and momentum once and writes weights and momentum once. It goes through each share in
 * stretches from the last to the first: what pass 1 read last is what the cache still holds.
 */
public final class UpdatePass implements Crew.Task {

    /** Blocks of a stretch; within it the order is that of memory, which the hardware's prefetcher follows. */
    private static final int STRETCH = 16;

    private final Plan plan;
    private final Crew crew;
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

    public UpdatePass(Plan plan, Crew crew, Coefficients coefficients) {
        this.plan = plan;
        this.crew = crew;
        this.coefficients = coefficients;
        this.blockSquares = new double[plan.blocks()];
        this.scratch = new double[plan.threads()][Stripes.SCRATCH];
    }

    /**
     * Updates a group's layers.
     *
     * @param momentum the buffer; {@code null} where there is none
     * @param updates which layers to write
     * @param carry whether to take Σw² of what was written, block by block, while it is in cache
     */
    public void run(
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
    public void run(int thread) {
        int first = plan.shareFrom(group, thread);
        for (int to = plan.shareTo(group, thread); to > first; to -= STRETCH) {
            run(Math.max(first, to - STRETCH), to, thread);
        }
    }

    private void run(int from, int to, int thread) {
        for (int block = from; block < to; block++) {
            int layer = plan.layer(block);
            if (updates[layer]) {
                update(layer, plan.from(block), plan.length(block));
                if (carry) {
                    blockSquares[block] =
                            kernels.squares(weights, plan.from(block), plan.length(block), scratch[thread]);
                }
            }
        }
    }

    private void update(int layer, int from, int length) {
        Coefficients c = coefficients;
        if (momentum == null) {
            kernels.update(weights, gradients, from, length, c.a[layer], c.b[layer], c.p[layer]);
        } else {
            kernels.update(
                    weights,
                    gradients,
                    momentum,
                    from,
                    length,
                    c.a[layer],
                    c.b[layer],
                    c.m[layer],
                    c.p[layer],
                    c.v[layer]);
        }
    }

    /** Σw² of what was written of a layer; once for each run that carried. */
    public double squares(int layer) {
        int first = plan.firstBlock(layer);
        return Stripes.foldBlocks(blockSquares, first, plan.firstBlock(layer + 1) - first);
    }
}
