package io.github.lars4j.internal.passes;

import io.github.lars4j.internal.kernel.BlockSums;
import io.github.lars4j.internal.kernel.Kernels;
import io.github.lars4j.internal.kernel.Stripes;

/** Pass 1: reads weights and gradients once and takes the sums. Writes none of the caller's arrays. */
public final class MeasurePass implements Crew.Task {

    /** What pass 1 reads of a layer. */
    public static final byte NOTHING = 0;
    /** Σw² alone. */
    public static final byte WEIGHTS = 1;
    /** Σg² alone. */
    public static final byte GRADIENTS = 2;
    /** All three sums. */
    public static final byte BOTH = WEIGHTS | GRADIENTS;

    private final Plan plan;
    private final BlockSums blocks;
    private final double[][] scratch;

    private Kernels kernels;
    private float[] weights;
    private float[] gradients;
    private byte[] reads;
    private int group;

    public MeasurePass(Plan plan) {
        this.plan = plan;
        this.blocks = new BlockSums(plan.places());
        this.scratch = plan.scratch();
    }

    /**
     * Measures a group's layers.
     *
     * @param crew as many threads as the plan has
     * @param reads what to read of each layer
     */
    public void run(Crew crew, Kernels kernels, float[] weights, float[] gradients, byte[] reads, int group) {
        this.kernels = kernels;
        this.weights = weights;
        this.gradients = gradients;
        this.reads = reads;
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
        while (plan.firstBlock(layer + 1) < last && reads[layer] == NOTHING) {
            layer++;
        }
        return reads[layer] != NOTHING;
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
            if (reads[layer] != NOTHING) {
                measure(layer, block, end, scratch[thread]);
            }
            block = end;
        }
    }

    /**
     * Measures blocks of a layer of which something is read, with what each block needs in local variables, as in
     * {@link UpdatePass}.
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

    /** Σw² of a layer whose weights were read; once for each run. */
    public double weights(int layer) {
        return plan.fold(blocks.weights, layer);
    }

    /** Σg² of a layer whose gradient was read; once for each run. */
    public double gradients(int layer) {
        return plan.fold(blocks.gradients, layer);
    }

    /** Σw·g of a layer of which both were read; once for each run. */
    public double products(int layer) {
        return plan.fold(blocks.products, layer);
    }
}
