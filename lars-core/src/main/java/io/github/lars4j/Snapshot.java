package io.github.lars4j;

import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import java.util.Objects;

/**
 * The state of an optimizer between two steps: momentum, which layers have begun, step number, hyperparameters and
 * treatments. Not the weights, which are the trainer's, nor the schedule, which is a function. Immutable.
 */
public final class Snapshot {

    private final State state;

    /**
     * Wraps a state.
     *
     * @param state owned by this snapshot from now on
     */
    Snapshot(State state) {
        this.state = state;
    }

    State state() {
        return state;
    }

    /** The layers, as they were treated. */
    public Layers layers() {
        return state.layers;
    }

    /** The hyperparameters, the rule among them. */
    public Hyperparameters hyperparameters() {
        return state.hyperparameters;
    }

    /** Steps taken. */
    public long step() {
        return state.step;
    }

    /**
     * This state for another rule. Rules keep their momentum in different units: with the learning rate in it, with the
     * trust ratio, with both, with neither. Each layer's momentum is multiplied by what the other rule's would have
     * been at the layer's last step. That is exact where rate and ratio have stood still, and an approximation where
     * they moved. Rules that enter at the same place keep the same momentum, whatever their ratios.
     *
     * @throws IllegalArgumentException if a layer's factor is zero or not finite, or makes its momentum overflow: it
     *     cannot be recovered
     */
    public Snapshot convertedTo(Rule rule) {
        Objects.requireNonNull(rule, "rule");
        State converted = state.copy();
        Hyperparameters before = state.hyperparameters;
        converted.hyperparameters = before.withRule(rule);
        if (rule.entry() == before.rule().entry()) {
            return new Snapshot(converted);
        }
        for (int i = 0; i < state.layers.size(); i++) {
            if (state.momentum == null || !state.begun[i]) {
                continue;
            }
            Layer layer = state.layers.get(i);
            double rate = state.learningRates[i];
            double ratio = state.trustRatios[i];
            double factor = rule.entry().in(rate, ratio) / before.rule().entry().in(rate, ratio);
            if (!(factor > 0 && factor <= Float.MAX_VALUE)) {
                throw new IllegalArgumentException("rule enters at " + rule.entry() + ", and the momentum of layer \""
                        + layer.name() + "\" would be multiplied by " + factor + " (last rate " + rate + ", ratio "
                        + ratio
                        + "); the factor must be finite and more than 0");
            }
            for (int e = (int) layer.offset(); e < layer.end(); e++) {
                float scaled = (float) (converted.momentum[e] * factor);
                if (!Float.isFinite(scaled) && Float.isFinite(converted.momentum[e])) {
                    throw new IllegalArgumentException(
                            "rule enters at " + rule.entry() + ", and the momentum of layer \"" + layer.name()
                                    + "\", times " + factor + ", overflows a float");
                }
                converted.momentum[e] = scaled;
            }
        }
        return new Snapshot(converted);
    }
}
