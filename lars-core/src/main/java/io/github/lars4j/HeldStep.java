package io.github.lars4j;

import io.github.lars4j.internal.memory.HoldOpen;
import io.github.lars4j.internal.memory.Operand;
import java.util.BitSet;

/**
 * Runs a {@link Step} while the memory of its tensors is held open, so that no arena is closed meanwhile. Tensors on the
 * heap need none of that. Callers must check the arguments and must not call it concurrently.
 */
final class HeldStep implements Runnable {

    private final HoldOpen holdOpen = new HoldOpen();

    // The arguments and the result of the call in progress: a lambda that captures them would allocate memory.
    private Step step;
    private Tensors params;
    private Gradients gradients;
    private Tensors halfWeights;
    private double loss;
    private double rate;
    private LayerSums given;
    private Task task;
    private int layer;
    private Operand gradient;
    private BitSet applied;
    private boolean entered;
    private LayerSums sums;
    private ShardSums shardSums;
    private StepReport report;
    private Outcome outcome;

    private enum Task {
        MEASURE,
        MEASURE_BLOCKS,
        TAKE,
        LAYER,
        REST
    }

    /** Runs {@link Step#measure}. */
    LayerSums measure(Step step, Momentum momentum, Tensors params, Gradients gradients) {
        begin(Task.MEASURE);
        run(step, momentum, params, gradients, gradients.tensors().operand(step.layers()));
        return sums;
    }

    /** Runs {@link Step#measureBlocks}. */
    ShardSums measureBlocks(Step step, Momentum momentum, Tensors params, Gradients gradients) {
        begin(Task.MEASURE_BLOCKS);
        run(step, momentum, params, gradients, gradients.tensors().operand(step.layers()));
        ShardSums measured = shardSums;
        shardSums = null;
        return measured;
    }

    /** Runs {@link Step#take}. */
    StepReport take(
            Step step,
            Momentum momentum,
            Tensors params,
            Gradients gradients,
            Tensors halfWeights,
            double loss,
            double rate,
            LayerSums given) {
        begin(Task.TAKE);
        Operand place = gradients.tensors().operand(step.layers());
        this.halfWeights = halfWeights;
        this.loss = loss;
        this.rate = rate;
        this.given = given;
        run(step, momentum, params, gradients, place);
        return report;
    }

    /** Runs {@link Step#takeLayer}. */
    Outcome takeLayer(
            Step step,
            Momentum momentum,
            Tensors params,
            Tensors halfWeights,
            int layer,
            Object gradient,
            Format format) {
        begin(Task.LAYER);
        this.gradient = step.placeOf(layer, gradient, format);
        this.halfWeights = halfWeights;
        this.layer = layer;
        run(step, momentum, params, null, this.gradient);
        return outcome;
    }

    /** Runs {@link Step#copyOthers}. */
    void copyOthers(Step step, Tensors params, Tensors halfWeights, BitSet applied) {
        begin(Task.REST);
        this.halfWeights = halfWeights;
        this.applied = applied;
        run(step, null, params, null, null);
    }

    /** Begins a call. What comes before {@link #run} may fail, and the last call's {@link #entered} must not count then. */
    private void begin(Task task) {
        this.task = task;
        this.entered = false;
    }

    /**
     * Runs the task.
     *
     * @param momentum {@code null} if there is none
     * @param place where the gradient lies; {@code null} if there is none
     */
    private void run(Step step, Momentum momentum, Tensors params, Gradients gradients, Operand place) {
        this.step = step;
        this.params = params;
        this.gradients = gradients;
        try {
            Layers layers = step.layers();
            holdOpen.begin();
            holdOpen.add(params.operand(layers).ofEachArena());
            if (place != null) {
                holdOpen.add(place.ofEachArena());
            }
            if (momentum != null) {
                holdOpen.add(momentum.tensors.operand(layers).ofEachArena());
            }
            if (halfWeights != null) {
                holdOpen.add(halfWeights.operand(layers).ofEachArena());
            }
            holdOpen.run(this);
        } finally {
            this.step = null;
            this.params = null;
            this.gradients = null;
            this.halfWeights = null;
            this.gradient = null;
            this.given = null;
            this.applied = null;
        }
    }

    @Override
    public void run() {
        entered = true;
        switch (task) {
            case MEASURE -> sums = step.measure(params, gradients);
            case MEASURE_BLOCKS -> shardSums = step.measureBlocks(params, gradients);
            case TAKE -> report = step.take(params, gradients, halfWeights, loss, rate, given);
            case LAYER -> outcome = step.takeLayer(layer, gradient);
            case REST -> step.copyOthers(applied);
        }
    }

    /** Returns whether the last call has reached the step; if it has not, nothing has changed. */
    boolean entered() {
        return entered;
    }
}
