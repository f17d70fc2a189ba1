package io.github.lars4j;

import io.github.lars4j.rule.Hyperparameters;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.Arrays;

/** The state that an optimizer keeps from step to step. */
final class State {

    Setup setup;
    /** The momentum buffer; {@code null} if none was needed so far. */
    Momentum momentum;
    /** How the momentum is stored. */
    MomentumStorage storage;
    /** Which layers have taken a step. A layer's first step with momentum is not dampened. */
    final boolean[] begun;
    /** The learning rate of each layer's last step; 0 if there was none or it is unknown. */
    final double[] learningRates;
    /** The trust ratio of each layer's last step; 0 if there was none or it is unknown. */
    final double[] trustRatios;
    /**
     * The {@link Profile#coefficientToCorrect()} of each layer's last step; 0 if there was none, it is unknown, or the
     * trainer gave the ratio.
     */
    final double[] trustCoefficients;

    long step;
    long refusals;

    State(Setup setup, Momentum momentum, MomentumStorage storage) {
        int layers = setup.layers.size();
        this.storage = storage;
        this.setup = setup;
        this.momentum = momentum;
        this.begun = new boolean[layers];
        this.learningRates = new double[layers];
        this.trustRatios = new double[layers];
        this.trustCoefficients = new double[layers];
    }

    Layers layers() {
        return setup.layers;
    }

    /** Returns the optimizer's own hyperparameters in the next step. */
    Hyperparameters hyperparameters() {
        return setup.settings.hyperparameters(step);
    }

    /**
     * Returns whether {@link #momentum} is in use for any layer. It may be present but unused after a restore or a
     * change set μ to 0.
     */
    boolean hasMomentum() {
        return setup.mayHaveMomentum();
    }

    /** Returns whether {@link #momentum} is in use for a layer. */
    boolean hasMomentum(int layer) {
        return setup.profileOf(layer).mayHaveMomentum;
    }

    /** Returns a copy that shares no array with this state. */
    State copy() {
        State copy = new State(setup, hasMomentum() ? momentum.zeros(layers()) : null, storage);
        copy.takeStateOf(this);
        return copy;
    }

    /**
     * Copies another state whose layers have the same names and lengths in the same order; offsets may differ.
     *
     * @param restored the setup after that
     * @param buffer the momentum buffer for it; see {@link #momentumFor}
     */
    void take(State other, Setup restored, Momentum buffer) {
        momentum = buffer;
        setup = restored;
        takeStateOf(other);
    }

    /** Returns for each layer its own index. */
    int[] identity() {
        int[] same = new int[layers().size()];
        Arrays.setAll(same, i -> i);
        return same;
    }

    /** Copies progress and momentum as {@link #takeProgress} does; this state has the buffer that it needs. */
    private void takeStateOf(State other) {
        storage = storage.withSeedOf(other.storage);
        takeProgress(other, identity());
        try {
            for (int i = 0; i < begun.length; i++) {
                if (hasMomentum(i) && other.hasMomentum(i)) {
                    momentum.copyLayer(i, layers(), other.momentum, other.layers());
                }
            }
        } finally {
            // The memory of a snapshot that nothing refers to any more must not be freed while it is copied.
            Reference.reachabilityFence(other);
        }
    }

    /**
     * Copies step numbers, and for each layer {@code i} the progress of the other's layer {@code from[i]}; a layer with
     * {@code from[i]} of -1 starts anew. Sets the momentum to 0. A layer that has momentum here and none in the other
     * state starts anew as well.
     */
    void takeProgress(State other, int[] from) {
        for (int i = 0; i < from.length; i++) {
            forget(i);
            if (from[i] >= 0) {
                begun[i] = other.begun[from[i]] && (other.hasMomentum(from[i]) || !hasMomentum(i));
                learningRates[i] = other.learningRates[from[i]];
                trustRatios[i] = other.trustRatios[from[i]];
                trustCoefficients[i] = other.trustCoefficients[from[i]];
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
        trustCoefficients[layer] = 0;
        forgetMomentum(layer);
    }

    /** Returns the momentum of a layer. */
    MemorySegment momentumOf(int layer) {
        return momentum.tensors.segment(layers(), layer);
    }

    /** Sets the momentum of a layer to 0, if it has any. */
    void forgetMomentum(int layer) {
        if (hasMomentum(layer)) {
            momentum.tensors.clear(layers(), layer);
        }
    }

    /**
     * Sets the momentum of the layers to 0 whose momentum is by schedule, and 0 in the present step, whether or not the
     * step updated them. Their next step with momentum is their first.
     */
    void loseMomentum() {
        if (!setup.momentumVaries()) {
            return;
        }
        for (int i = 0; i < begun.length; i++) {
            Profile profile = setup.profileOf(i);
            if (begun[i] && profile.momentumVaries && profile.momentum == 0) {
                begun[i] = false;
                forgetMomentum(i);
            }
        }
    }

    /**
     * Changes settings, groups or treatments between two steps. A layer whose momentum goes from 0 to more than 0 starts
     * anew with it.
     *
     * @param changed a setup of the same layers
     * @param buffer the momentum buffer for it; see {@link #momentumFor}
     */
    void change(Setup changed, Momentum buffer) {
        Setup before = setup;
        momentum = buffer;
        setup = changed;
        for (int i = 0; i < begun.length; i++) {
            if (hasMomentum(i) && !before.profileOf(i).mayHaveMomentum) {
                begun[i] = false;
                forgetMomentum(i);
            }
        }
    }

    /**
     * Returns this state with more layers, which have not begun.
     *
     * @param more a setup whose first layers are the present ones, at the same offsets
     * @param buffer the momentum buffer, with the momentum of the present layers; {@code null} if none is needed
     */
    State withLayers(Setup more, Momentum buffer) {
        State extended = new State(more, buffer, storage);
        int present = begun.length;
        System.arraycopy(begun, 0, extended.begun, 0, present);
        System.arraycopy(learningRates, 0, extended.learningRates, 0, present);
        System.arraycopy(trustRatios, 0, extended.trustRatios, 0, present);
        System.arraycopy(trustCoefficients, 0, extended.trustCoefficients, 0, present);
        for (int i = present; i < more.layers.size(); i++) {
            extended.forgetMomentum(i);
        }
        extended.step = step;
        extended.refusals = refusals;
        return extended;
    }

    /** Returns the momentum buffer for a setup: the existing one, or a new one if it needs one and there is none. */
    Momentum momentumFor(Setup other) {
        if (momentum != null || !other.mayHaveMomentum()) {
            return momentum;
        }
        return Momentum.zeros(storage, other.layers);
    }
}
