package io.github.lars4j;

import io.github.lars4j.rule.Hyperparameters;
import java.util.Arrays;

/** What an optimizer remembers from step to step. */
final class State {

    Layers layers;
    Hyperparameters hyperparameters;
    /** Laid out as the weights are; {@code null} where there has been no use for one. */
    float[] momentum;
    /** Which layers have taken a step, the first being undampened. */
    final boolean[] begun;
    /** γ of each layer's last step; 0 where there was none, or it is not known. */
    final double[] learningRates;
    /** r of each layer's last step. */
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

    /**
     * Whether {@link #momentum} is in use; an array that the caller handed in stays with a state that has no use for
     * it.
     */
    boolean hasMomentum() {
        return hyperparameters.momentum() != 0;
    }

    /** β of a layer, as it is treated. */
    double decay(int layer) {
        return layers.get(layer).treatment().decay() ? hyperparameters.weightDecay() : 0;
    }

    /** Whether the rule needs Σw·g of a layer. */
    boolean needsProducts(int layer) {
        return hyperparameters
                .rule()
                .needsProducts(layers.get(layer).treatment().adapt(), decay(layer));
    }

    State copy() {
        State copy = new State(layers, hyperparameters, hasMomentum() ? new float[momentum.length] : null);
        copy.take(this);
        return copy;
    }

    /** Takes over another state of layers with the same names and lengths in the same order, wherever they lie. */
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
     * Takes over all else but the momentum, which is 0 afterwards: of each layer {@code i} what the other state knows
     * of its own {@code from[i]}; a layer of -1 becomes fresh. Without a momentum to go on with, none has begun.
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

    /** Makes a layer as it was before its first step: not begun, and with momentum 0. */
    void forget(int layer) {
        begun[layer] = false;
        learningRates[layer] = 0;
        trustRatios[layer] = 0;
        if (hasMomentum()) {
            Layer at = layers.get(layer);
            Arrays.fill(momentum, (int) at.offset(), (int) at.end(), 0);
        }
    }

    /** The array for momentum under these hyperparameters: this state's own, or a new one where that has none yet. */
    float[] momentumFor(Hyperparameters hyper) {
        return hyper.momentum() != 0 && momentum == null ? new float[Math.toIntExact(layers.end())] : momentum;
    }
}
