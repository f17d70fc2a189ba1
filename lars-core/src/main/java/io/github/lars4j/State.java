package io.github.lars4j;

import io.github.lars4j.rule.Hyperparameters;
import java.util.Arrays;

/** The state that an optimizer keeps from step to step. */
final class State {

    Layers layers;
    Hyperparameters hyperparameters;
    /** The momentum buffer, in the layout of the weights; {@code null} if none was needed so far. */
    float[] momentum;
    /** Which layers have taken a step. A layer's first step is not dampened. */
    final boolean[] begun;
    /** The learning rate of each layer's last step; 0 if there was none or it is unknown. */
    final double[] learningRates;
    /** The trust ratio of each layer's last step; 0 if there was none or it is unknown. */
    final double[] trustRatios;

    long step;
    long refusals;

    State(Layers layers, Hyperparameters hyperparameters, float[] momentum) {
        this.layers = layers;
        this.hyperparameters = hyperparameters;
        this.momentum = momentum;
        this.begun = new boolean[layers.size()];
        this.learningRates = new double[layers.size()];
        this.trustRatios = new double[layers.size()];
    }

    /** Returns whether {@link #momentum} is in use. It may be present but unused after a restore set μ to 0. */
    boolean hasMomentum() {
        return hyperparameters.momentum() != 0;
    }

    /** Returns the weight decay of a layer, according to its treatment. */
    double decay(int layer) {
        return layers.get(layer).treatment().decay() ? hyperparameters.weightDecay() : 0;
    }

    /** Returns whether the rule needs Σw·g of a layer. */
    boolean needsProducts(int layer) {
        return hyperparameters
                .rule()
                .needsProducts(layers.get(layer).treatment().adapt(), decay(layer));
    }

    /** Returns a copy that shares no array with this state. */
    State copy() {
        State copy = new State(layers, hyperparameters, hasMomentum() ? new float[momentum.length] : null);
        copy.take(this);
        return copy;
    }

    /** Copies another state whose layers have the same names and lengths in the same order; offsets may differ. */
    void take(State other) {
        momentum = momentumFor(other.hyperparameters);
        int[] from = new int[layers.size()];
        Arrays.setAll(from, i -> i);
        takeSettings(other, from);
        takeProgress(other, from);
        for (int i = 0; i < layers.size(); i++) {
            if (other.hasMomentum()) {
                System.arraycopy(
                        other.momentum,
                        (int) other.layers.get(i).offset(),
                        momentum,
                        (int) layers.get(i).offset(),
                        (int) layers.get(i).length());
            }
        }
    }

    /** Takes over hyperparameters, and of each layer {@code i} the treatment of the other's {@code from[i]}, if any. */
    void takeSettings(State other, int[] from) {
        layers = layers.withTreatmentsOf(other.layers, from);
        hyperparameters = other.hyperparameters;
    }

    /**
     * Copies step numbers, and for each layer {@code i} the progress of the other's layer {@code from[i]}; a layer with
     * {@code from[i]} of -1 starts anew. Sets the momentum to 0. If this state has momentum and the other has none, all
     * layers start anew.
     */
    void takeProgress(State other, int[] from) {
        for (int i = 0; i < from.length; i++) {
            forget(i);
            if (from[i] >= 0) {
                begun[i] = other.begun[from[i]] && (other.hasMomentum() || !hasMomentum());
                learningRates[i] = other.learningRates[from[i]];
                trustRatios[i] = other.trustRatios[from[i]];
            }
        }
        step = other.step;
        refusals = other.refusals;
    }

    /** Resets a layer to its state before its first step, with momentum 0. */
    void forget(int layer) {
        begun[layer] = false;
        learningRates[layer] = 0;
        trustRatios[layer] = 0;
        if (hasMomentum()) {
            Layer at = layers.get(layer);
            Arrays.fill(momentum, (int) at.offset(), (int) at.end(), 0);
        }
    }

    /**
     * Returns the momentum buffer for some hyperparameters: the existing one, or a new one if they need one and there
     * is none.
     */
    float[] momentumFor(Hyperparameters hyper) {
        return hyper.momentum() != 0 && momentum == null ? new float[Math.toIntExact(layers.end())] : momentum;
    }
}
