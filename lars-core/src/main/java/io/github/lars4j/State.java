package io.github.lars4j;

import io.github.lars4j.rule.Hyperparameters;

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
        momentum = momentumFor(other);
        int[] from = new int[layers.size()];
        for (int i = 0; i < layers.size(); i++) {
            from[i] = i;
            if (other.hasMomentum()) {
                System.arraycopy(
                        other.momentum,
                        (int) other.layers.get(i).offset(),
                        momentum,
                        (int) layers.get(i).offset(),
                        (int) layers.get(i).length());
            }
        }
        takeAllButMomentum(other, from);
    }

    /**
     * Takes over what another state knows, of each layer {@code i} what it knows of its own {@code from[i]}; of -1
     * nothing.
     */
    void takeAllButMomentum(State other, int[] from) {
        layers = layers.withTreatmentsOf(other.layers, from);
        hyperparameters = other.hyperparameters;
        for (int i = 0; i < from.length; i++) {
            if (from[i] >= 0) {
                begun[i] = other.begun[from[i]];
                learningRates[i] = other.learningRates[from[i]];
                trustRatios[i] = other.trustRatios[from[i]];
            }
        }
        step = other.step;
        refusals = other.refusals;
    }

    /** The array that takes another state's momentum: this state's own, or a new one where that has none yet. */
    float[] momentumFor(State other) {
        return other.hasMomentum() && momentum == null ? new float[Math.toIntExact(layers.end())] : momentum;
    }
}
