package io.github.lars4j;

import io.github.lars4j.rule.Hyperparameters;

/** What an optimizer remembers from step to step. */
final class State {

    Layers layers;
    Hyperparameters hyperparameters;
    /** Laid out as the weights are; {@code null} without momentum. */
    float[] momentum;
    /** Which layers have taken a step, the first being undampened. */
    final boolean[] begun;
    /** γ of each layer's last step. */
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

    State copy() {
        State copy = new State(layers, hyperparameters, momentum == null ? null : new float[momentum.length]);
        copy.take(this);
        return copy;
    }

    /** Takes over another state of layers with the same names and lengths, wherever they lie. */
    void take(State other) {
        if (other.momentum == null) {
            momentum = null;
        } else {
            if (momentum == null) {
                momentum = new float[Math.toIntExact(layers.end())];
            }
            for (int i = 0; i < layers.size(); i++) {
                System.arraycopy(
                        other.momentum,
                        (int) other.layers.get(i).offset(),
                        momentum,
                        (int) layers.get(i).offset(),
                        (int) layers.get(i).length());
            }
        }
        layers = layers.withTreatmentsOf(other.layers);
        hyperparameters = other.hyperparameters;
        System.arraycopy(other.begun, 0, begun, 0, begun.length);
        System.arraycopy(other.learningRates, 0, learningRates, 0, learningRates.length);
        System.arraycopy(other.trustRatios, 0, trustRatios, 0, trustRatios.length);
        step = other.step;
        refusals = other.refusals;
    }
}
