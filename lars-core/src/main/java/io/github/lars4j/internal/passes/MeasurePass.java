package io.github.lars4j.internal.passes;

import io.github.lars4j.internal.kernel.BlockSums;
import io.github.lars4j.internal.kernel.Kernels;
import io.github.lars4j.internal.kernel.Stripes;

/**
 * Pass 1: reads weights and gradients once and computes the sums of the layers. It does not change the caller's arrays.
 */
public final class MeasurePass implements Crew.Task {

    /** A layer is not read. Each layer has one of these four values. */
    public static final byte NOTHING = 0;
    /** The weights are read, for Σw². */
    public static final byte WEIGHTS = 1;
    /** The gradient is read, for Σg². */
    public static final byte GRADIENTS = 2;
    /** Both are read, for Σw², Σg² and Σw·g. */
    public static final byte BOTH = WEIGHTS | GRADIENTS;

    private final Plan plan;
    private final BlockSums blocks;
    private final double[][] scratch;

    private Kernels kernels;
    private float[] weights;
    private float[] gradients;
    private byte[] reads;
    private int round;

    public MeasurePass(Plan plan) {
        this.plan = plan;
        this.blocks = new BlockSums(plan.places());
        this.scratch = plan.scratch();
    }

    /**
     * Computes the sums of the layers of a round.
     *
     * @param crew the threads, as many as the plan has
     * @param reads for each layer {@link #NOTHING}, {@link #WEIGHTS}, {@link #GRADIENTS} or {@link #BOTH}
     * @param round the index of the round
     */
    public void run(Crew crew, Kernels kernels, float[] weights, float[] gradients, byte[] reads, int round) {
        this.kernels = kernels;
        this.weights = weights;
        this.gradients = gradients;
        this.reads = reads;
        this.round = round;
        crew.run(this);
        this.weights = null;
        this.gradients = null;
    }

    @Override
    public boolean hasShare(int thread) {
        int block = plan.shareFrom(round, thread);
        int last = plan.shareTo(round, thread);
        if (block == last) {
            return false;
        }
        int layer = plan.layer(block);
        while (plan.firstBlock(layer + 1) < last && reads[layer] == NOTHING) {
            layer++;
        }
        return reads[layer] != NOTHING;
    }

    @Override
    public void run(int thread) {
        int block = plan.shareFrom(round, thread);
        int last = plan.shareTo(round, thread);
        if (block == last) {
            return;
        }
        for (int layer = plan.layer(block); block < last; layer++) {
            int end = Math.min(last, plan.firstBlock(layer + 1));
            if (reads[layer] != NOTHING) {
                measure(layer, block, end, scratch[thread]);
            }
            block = end;
        }
    }

    /**
     * Measures blocks of a layer that is read. The values that every block needs are in local variables, for the reason
     * that {@link UpdatePass} gives.
     */
    private void measure(int layer, int block, int end, double[] stripes) {
        Kernels kernels = this.kernels;
        float[] weights = this.weights;
        float[] gradients = this.gradients;
        BlockSums blocks = this.blocks;
        byte read = reads[layer];
        int from = plan.from(layer, block);
        int to = plan.to(layer, end - 1);
        int place = plan.place(block);
        for (; from < to; place++, from += Stripes.BLOCK) {
            int length = Math.min(Stripes.BLOCK, to - from);
            switch (read) {
                case BOTH -> kernels.measure(weights, gradients, from, length, stripes, blocks, place);
                case WEIGHTS -> blocks.weights[place] = kernels.squares(weights, from, length, stripes);
                default -> blocks.gradients[place] = kernels.squares(gradients, from, length, stripes);
            }
        }
    }

    /**
     * Returns Σw² of a layer whose weights were read. Call this at most once per run, because it overwrites the sums.
     */
    public double weights(int layer) {
        return plan.fold(blocks.weights, layer);
    }

    /**
     * Returns Σg² of a layer whose gradient was read. Call this at most once per run, because it overwrites the sums.
     */
    public double gradients(int layer) {
        return plan.fold(blocks.gradients, layer);
    }

    /** Returns Σw·g of a layer that was read as {@link #BOTH}. Call this at most once per run, as above. */
    public double products(int layer) {
        return plan.fold(blocks.products, layer);
    }
}
