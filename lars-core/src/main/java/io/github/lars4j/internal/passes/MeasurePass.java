package io.github.lars4j.internal.passes;

import io.github.lars4j.internal.kernel.BlockSums;
import io.github.lars4j.internal.kernel.Kernels;
import io.github.lars4j.internal.kernel.PlacedKernels;
import io.github.lars4j.internal.kernel.Stripes;
import io.github.lars4j.internal.memory.Operand;

/**
 * Pass 1: reads weights and gradients once and computes the sums of the layers. It changes neither of them.
 */
public final class MeasurePass implements Crew.Task {

    /** A layer is not read. Each layer has one of these five values. */
    public static final byte NOTHING = 0;
    /** The weights are read, for Σw². */
    public static final byte WEIGHTS = 1;
    /** The gradient is read, for Σg². */
    public static final byte GRADIENTS = 2;
    /** Both are read, for Σw² and Σg². */
    public static final byte BOTH = WEIGHTS | GRADIENTS;
    /** Both are read, for Σw², Σg² and Σw·g. */
    public static final byte ALL = BOTH | 4;

    private final Plan plan;
    private final BlockSums blocks;
    private final double[][] scratch;

    private BlockKernels kernels;
    private Operand weights;
    private Operand gradients;
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
     * @param reads for each layer {@link #NOTHING}, {@link #WEIGHTS}, {@link #GRADIENTS}, {@link #BOTH} or {@link #ALL}
     * @param round the index of the round
     */
    public void run(Crew crew, BlockKernels kernels, Operand weights, Operand gradients, byte[] reads, int round) {
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
        Kernels arrays = kernels.arrays();
        PlacedKernels placed = kernels.placed(thread);
        for (int layer = plan.layer(block); block < last; layer++) {
            int end = Math.min(last, plan.firstBlock(layer + 1));
            if (reads[layer] != NOTHING) {
                if (placed == null) {
                    measure(arrays, layer, block, end, scratch[thread]);
                } else {
                    measure(placed, layer, block, end, scratch[thread]);
                }
            }
            block = end;
        }
    }

    /**
     * Measures blocks of a layer that is read, in arrays. The values that every block needs are in local variables, for
     * the reason that {@link UpdatePass} gives.
     */
    private void measure(Kernels kernels, int layer, int block, int end, double[] stripes) {
        float[] weights = this.weights.array(layer);
        float[] gradients = this.gradients.array(layer);
        BlockSums blocks = this.blocks;
        byte read = reads[layer];
        int from = (int) (this.weights.start(layer) + plan.from(layer, block));
        int left = (int) plan.elements(layer, block, end);
        int place = plan.place(block);
        for (; left > 0; place++, from += Stripes.BLOCK, left -= Stripes.BLOCK) {
            int length = Math.min(Stripes.BLOCK, left);
            switch (read) {
                case ALL -> kernels.measure(weights, gradients, from, length, stripes, blocks, place);
                case BOTH -> kernels.squares(weights, gradients, from, length, stripes, blocks, place);
                case WEIGHTS -> blocks.weights[place] = kernels.squares(weights, from, length, stripes);
                default -> blocks.gradients[place] = kernels.squares(gradients, from, length, stripes);
            }
        }
    }

    /** Measures blocks of a layer that is read, wherever it lies. */
    private void measure(PlacedKernels kernels, int layer, int block, int end, double[] stripes) {
        BlockSums blocks = this.blocks;
        byte read = reads[layer];
        Object weightsBase = weights.base(layer);
        Object gradientsBase = gradients.base(layer);
        long from = plan.from(layer, block);
        long left = plan.elements(layer, block, end);
        int place = plan.place(block);
        for (; left > 0; place++, from += Stripes.BLOCK, left -= Stripes.BLOCK) {
            int length = (int) Math.min(Stripes.BLOCK, left);
            long w = weights.at(layer, from);
            long g = gradients.at(layer, from);
            switch (read) {
                case ALL -> kernels.measure(weightsBase, w, gradientsBase, g, length, stripes, blocks, place);
                case BOTH -> kernels.squares(weightsBase, w, gradientsBase, g, length, stripes, blocks, place);
                case WEIGHTS -> blocks.weights[place] = kernels.squares(weightsBase, w, length, stripes);
                default -> blocks.gradients[place] = kernels.gradientSquares(gradientsBase, g, length, stripes);
            }
        }
    }

    /** Receives the sums of a block. */
    public interface Receiver {
        /** Receives Σw², Σg² and Σw·g. */
        void block(int block, double weights, double gradients, double products);
    }

    /** Gives the sums of a block of a layer that was read as {@link #ALL}, before they are folded; NaN if it was not. */
    public void copy(int block, Receiver receiver) {
        boolean read = reads[plan.layer(block)] == ALL;
        int place = plan.place(block);
        receiver.block(
                block,
                read ? blocks.weights[place] : Double.NaN,
                read ? blocks.gradients[place] : Double.NaN,
                read ? blocks.products[place] : Double.NaN);
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

    /** Returns Σw·g of a layer that was read as {@link #ALL}. Call this at most once per run, as above. */
    public double products(int layer) {
        return plan.fold(blocks.products, layer);
    }
}
