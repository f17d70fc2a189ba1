package io.github.lars4j;

import io.github.lars4j.internal.passes.Coefficients;
import io.github.lars4j.rule.Rule;

/**
 * Decides, between the two passes, what happens to each layer: computes its trust ratio and the coefficients of pass 2
 * from its sums, and determines its outcome.
 */
final class Decision {

    private final State state;
    private final OnBadGradient onBadGradient;
    private final double maxGradientNorm;
    private final Coefficients coefficients;
    private final boolean[] updates;
    private final boolean[] withMomentum;

    Decision(State state, OnBadGradient onBadGradient, double maxGradientNorm) {
        this.state = state;
        this.onBadGradient = onBadGradient;
        this.maxGradientNorm = maxGradientNorm;
        this.coefficients = new Coefficients(state.layers().size());
        this.updates = new boolean[state.layers().size()];
        this.withMomentum = new boolean[state.layers().size()];
    }

    /** Returns a decision with the same settings for another state. */
    Decision of(State other) {
        return new Decision(other, onBadGradient, maxGradientNorm);
    }

    /**
     * Returns whether all sums are needed before the first write, so that the whole step can be refused or clipped, or
     * fail because a trust ratio of the user's own throws an exception.
     */
    boolean needsAllSums() {
        return onBadGradient != OnBadGradient.SKIP_LAYER
                || maxGradientNorm < Double.POSITIVE_INFINITY
                || state.setup.groupsClip()
                || !state.setup.ownRules().isEmpty();
    }

    /** Says why {@link #needsAllSums} is true. */
    String whyAllSums() {
        if (onBadGradient != OnBadGradient.SKIP_LAYER) {
            return "onBadGradient is " + onBadGradient
                    + "; it must be SKIP_LAYER, because a step that goes layer by layer"
                    + " cannot be refused as a whole";
        }
        if (maxGradientNorm < Double.POSITIVE_INFINITY) {
            return "maxGradientNorm is " + maxGradientNorm
                    + "; it must not be set, because it needs the gradients of all layers first";
        }
        return state.setup.groupsClip()
                ? "a group has a maxGradientNorm; it must not be set, because it needs the gradients of several layers"
                        + " first"
                : "a rule has a trust ratio of one's own; it must have none, because that may throw an exception in the"
                        + " middle of a step";
    }

    /** Returns the coefficients of pass 2, for the layers that it updates. */
    Coefficients coefficients() {
        return coefficients;
    }

    /** Returns which layers pass 2 updates. */
    boolean[] updates() {
        return updates;
    }

    /** Returns which layers have momentum in this step. */
    boolean[] withMomentum() {
        return withMomentum;
    }

    /**
     * Decides what happens to the layers with index {@code first} to {@code last - 1}.
     *
     * @param report receives the layers' norms, ratios and rates, and the outcomes of bad layers
     * @return {@code true} if the step continues, {@code false} if it is refused
     * @throws NonFiniteException if a value is not finite and the policy is {@link OnBadGradient#THROW}
     */
    boolean decide(int first, int last, LayerSums sums, Gradients gradients, StepReport report) {
        for (int i = first; i < last; i++) {
            if (!gradients.isMissing(i)) {
                report.measured(i, sums.weights(i), sums.gradients(i));
            }
        }
        clip(report);
        boolean anyBad = false;
        for (int i = first; i < last; i++) {
            Outcome outcome = gradients.isMissing(i)
                    ? Outcome.NO_GRADIENT
                    : decide(i, sums, gradients.scale() * report.clipScaleOf(i), gradients.trustRatio(i), report);
            updates[i] = outcome == Outcome.UPDATED;
            if (outcome.bad()) {
                if (onBadGradient == OnBadGradient.THROW) {
                    throw new NonFiniteException(state.layers().get(i).name(), outcome);
                }
                report.outcome(i, outcome);
                anyBad = true;
            }
        }
        return !(anyBad && onBadGradient == OnBadGradient.REFUSE);
    }

    /**
     * Sets the factors of clipping: those of the groups that clip, by the norm over their layers, and the optimizer's,
     * by the norm over the other layers. If any clipping is on, all layers have been measured by now.
     */
    private void clip(StepReport report) {
        if (maxGradientNorm < Double.POSITIVE_INFINITY) {
            report.clipped(-1, factor(maxGradientNorm, report.normToClip(-1)));
        }
        if (state.setup.groupsClip()) {
            for (int g = 0; g < state.setup.groups.size(); g++) {
                // NaN, which is never less than the norm, if the group does not clip.
                double most = state.setup.groups.get(g).settings().maxGradientNorm();
                report.clipped(g, factor(most, report.normToClip(g)));
            }
        }
    }

    private static double factor(double most, double norm) {
        return norm > most ? most / norm : 1;
    }

    /**
     * Decides what happens to one layer.
     *
     * @param commonScale the factor of all gradients: their scale, and the clip by global norm
     * @param given the trust ratio that the trainer gave; NaN if the rule computes it
     */
    private Outcome decide(int layer, LayerSums sums, double commonScale, double given, StepReport report) {
        double ww = sums.weights(layer);
        double gg = sums.gradients(layer);
        if (!Double.isFinite(ww)) {
            return Outcome.BAD_WEIGHTS;
        }
        if (!Double.isFinite(gg)) {
            return Outcome.BAD_GRADIENT;
        }
        Profile profile = state.setup.profileOf(layer);
        Rule rule = profile.rule;
        double decay = profile.decay;
        double rate = profile.learningRate;
        double scale = commonScale * rule.gradientScale(ww, commonScale * commonScale * gg);
        double scaledGg = scale * scale * gg;
        double scaledWg = profile.needsProducts ? scale * sums.products(layer) : 0;
        double ratio = given;
        if (Double.isNaN(given)) {
            ratio = rule.trustRatio(
                    profile.adapt, profile.trustCoefficient, decay, rate, ww, scaledGg, scaledWg, layer, state.step);
            decay = rule.effectiveDecay(profile.adapt, decay, ww, scaledGg, scaledWg);
        }
        report.decided(layer, rate, ratio);
        withMomentum[layer] = profile.momentum != 0;
        boolean finite = coefficients.set(
                layer,
                rule,
                profile.momentum,
                profile.dampening,
                profile.nesterov,
                decay,
                ratio,
                rate,
                scale,
                !state.begun[layer],
                profile.correction(
                        state.learningRates[layer], Double.isNaN(given) ? state.trustCoefficients[layer] : 0));
        // An infinite norm would give a ratio of 0, and a scale of 0 a gradient of 0, both finite and unnoticed.
        return finite && ratio >= 0 && scale > 0 && Double.isFinite(scaledGg)
                ? Outcome.UPDATED
                : Outcome.BAD_COEFFICIENT;
    }
}
