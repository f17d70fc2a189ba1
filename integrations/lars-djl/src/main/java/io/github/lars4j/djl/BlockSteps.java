package io.github.lars4j.djl;

import ai.djl.ndarray.NDArray;
import io.github.lars4j.Format;
import io.github.lars4j.Lars;
import io.github.lars4j.Outcome;
import io.github.lars4j.Tensors;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;

/**
 * Makes steps of the core out of DJL's calls. DJL calls for one parameter after the other, in any order, and marks neither
 * the begin nor the end of a step: a step begins with the first call after the last step, and ends when every parameter
 * that requires a gradient has come or, if some never come, when one comes again.
 */
final class BlockSteps implements AutoCloseable {

    private final BlockLayers block;
    private final Lars lars;
    private final double gradientScale;

    private MemorySegment[] places;
    private Tensors weights;

    private boolean open;
    private final BitSet applied = new BitSet();
    private int updatesOfStep;

    /** Takes over the optimizer, whose layers are those of the block. */
    BlockSteps(BlockLayers block, Lars lars, double gradientScale) {
        this.block = block;
        this.lars = lars;
        this.gradientScale = gradientScale;
        locate();
    }

    /** Finds out where the block's parameters lie. */
    private void locate() {
        MemorySegment[] found = new MemorySegment[block.layers().size()];
        for (int i = 0; i < found.length; i++) {
            found[i] = TensorMemory.ofWeights(name(i), block.parameter(i).getArray());
        }
        weights = Tensors.byLayer(found);
        places = found;
    }

    private String name(int layer) {
        return block.layers().get(layer).name();
    }

    /** Updates a parameter; the gradient is only read. */
    Outcome update(int layer, NDArray weight, Format format, MemorySegment gradient) {
        long own = TensorMemory.address(block.parameter(layer).getArray());
        if (TensorMemory.address(weight) != own) {
            throw new IllegalStateException("parameter " + name(layer)
                    + " of the trainer is not that of the block: make a new trainer after the block was loaded or"
                    + " cleared");
        }
        if (places[layer].address() != own) {
            // It was loaded or initialized anew since the last step.
            end();
            locate();
        }
        if (applied.get(layer)) {
            end();
        }
        if (!open) {
            updatesOfStep = block.updatesOfStep();
            lars.beginStep(weights, gradientScale);
            open = true;
        }
        Outcome outcome = lars.applyLayer(layer, format, gradient);
        applied.set(layer);
        if (applied.cardinality() == updatesOfStep) {
            end();
        }
        return outcome;
    }

    /** Ends the step, if one has begun. */
    void end() {
        if (open) {
            open = false;
            applied.clear();
            lars.endStep();
        }
    }

    /** Returns the number of steps taken, with the one that has begun. */
    long count() {
        return lars.steps() + (open ? 1 : 0);
    }

    @Override
    public String toString() {
        return lars.toString();
    }

    /** Returns the optimizer, between two steps. */
    Lars lars() {
        end();
        return lars;
    }

    @Override
    public void close() {
        lars.close();
    }
}
