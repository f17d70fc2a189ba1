package io.github.lars4j;

import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * The state of an optimizer between two steps, kept in memory; {@link Checkpoint} keeps it in a file. {@link
 * Lars#snapshot} creates a snapshot and {@link Lars#restore} restores it.
 *
 * <p>It contains momentum, step number, number of refused steps, which layers have taken a step, hyperparameters, groups
 * and treatments. It contains neither the weights, which belong to the trainer, nor schedules.
 *
 * <p>Its momentum is a copy in the same kind of memory as the optimizer's. Outside the heap, it is freed after the garbage
 * collector has found that the snapshot is unreachable, which may be long after: keep few snapshots of native momentum, or
 * save a {@link Checkpoint} instead.
 *
 * <p>Immutable and safe for use by several threads.
 */
public final class Snapshot {

    private final State state;

    /**
     * Wraps a state without copying it.
     *
     * @param state a state that nothing else uses
     */
    Snapshot(State state) {
        this.state = state;
    }

    State state() {
        return state;
    }

    /** Returns the layers with their treatments at the time of the snapshot. */
    public Layers layers() {
        return state.layers();
    }

    /**
     * Returns the hyperparameters at the time of the snapshot, including the rule.
     *
     * @throws IllegalArgumentException if a value by schedule is out of range
     */
    public Hyperparameters hyperparameters() {
        return state.hyperparameters();
    }

    /** Returns the number of steps taken, without refused steps. */
    public long step() {
        return state.step;
    }

    /**
     * Returns this state converted for use with another rule of the optimizer; groups with a rule of their own keep it.
     * Depending on the rule's {@link Rule.Entry}, the momentum
     * buffer contains the learning rate and the trust ratio, only the trust ratio, or neither. The conversion
     * multiplies each layer's momentum by the factor between the two, computed with the rate and ratio of the layer's
     * last step. The result is exact if rate and ratio never changed and neither rule applies weight decay {@linkplain
     * Rule.Decay#BESIDE_RATIO beside the ratio}, and an approximation otherwise. Between rules with the same entry, the
     * momentum stays as it is.
     *
     * @throws NullPointerException if {@code rule} is {@code null}
     * @throws IllegalArgumentException if the factor of a layer is zero or not finite, if a momentum element would
     *     overflow, or if there is momentum and the rule requires that there is none
     */
    public Snapshot convertedTo(Rule rule) {
        Objects.requireNonNull(rule, "rule");
        State converted = state.copy();
        Settings settings = state.setup.settings.rule(rule);
        boolean correctable = rule.entry() == Rule.Entry.VELOCITY;
        converted.setup = state.setup.withSettings(correctable ? settings : settings.momentumCorrection(false));
        for (int i = 0; i < state.layers().size(); i++) {
            Rule.Entry before = state.setup.profileOf(i).rule.entry();
            Rule.Entry after = converted.setup.profileOf(i).rule.entry();
            if (before == after || !state.hasMomentum(i) || !state.begun[i]) {
                continue;
            }
            Layer layer = state.layers().get(i);
            double rate = state.learningRates[i];
            double ratio = state.trustRatios[i];
            double factor = after.in(rate, ratio) / before.in(rate, ratio);
            if (!(factor > 0 && factor <= Float.MAX_VALUE)) {
                throw new IllegalArgumentException("rule.entry is " + rule.entry() + "; the momentum of layer \""
                        + layer.name() + "\" would be multiplied by " + factor + " (last rate " + rate + ", ratio "
                        + ratio
                        + "), and the factor must be finite and more than 0");
            }
            MemorySegment momentum = converted.momentumOf(i);
            Format format = converted.momentum.tensors.format();
            for (long e = 0; e < layer.length(); e++) {
                float value = format.get(momentum, e);
                format.set(momentum, e, (float) (value * factor));
                if (!Float.isFinite(format.get(momentum, e)) && Float.isFinite(value)) {
                    throw new IllegalArgumentException("rule.entry is " + rule.entry() + "; the momentum of layer \""
                            + layer.name() + "\", multiplied by " + factor + ", overflows a "
                            + (format == Format.FLOAT32 ? "float" : "bfloat16"));
                }
            }
        }
        return new Snapshot(converted);
    }
}
