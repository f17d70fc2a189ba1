package io.github.lars4j;

import io.github.lars4j.internal.passes.Coefficients;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;

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

    Decision(State state, OnBadGradient onBadGradient, double maxGradientNorm) {
        this.state = state;
        this.onBadGradient = onBadGradient;
        this.maxGradientNorm = maxGradientNorm;
        this.coefficients = new Coefficients(state.layers.size());
        this.updates = new boolean[state.layers.size()];
    }

    /**
     * Returns whether all sums are needed before the first write, so that the whole step can be refused or clipped, or
     * fail because a trust ratio of the user's own throws an exception.
     */
    boolean needsAllSums() {
        return onBadGradient != OnBadGradient.SKIP_LAYER
                || maxGradientNorm < Double.POSITIVE_INFINITY
                || state.hyperparameters.rule().ratio() == Rule.Ratio.OWN;
    }

    /** Returns the coefficients of pass 2, for the layers that it updates. */
    Coefficients coefficients() {
        return coefficients;
    }

    /** Returns which layers pass 2 updates. */
    boolean[] updates() {
        return updates;
    }

    /**
     * Decides what happens to the layers with index {@code first} to {@code last - 1}.
     *
     * @param rate the learning rate of this step
     * @param report receives the layers' norms, ratios and rates, and the outcomes of bad layers
     * @return {@code true} if the step continues, {@code false} if it is refused
     * @throws NonFiniteException if a value is not finite and the policy is {@link OnBadGradient#THROW}
     */
    boolean decide(int first, int last, LayerSums sums, Gradients gradients, double rate, StepReport report) {
        for (int i = first; i < last; i++) {
            if (!gradients.isMissing(i)) {
                report.measured(i, sums.weights(i), sums.gradients(i));
            }
        }
        double clip = clip(report);
        report.clipped(clip);
        boolean anyBad = false;
        for (int i = first; i < last; i++) {
            Outcome outcome = gradients.isMissing(i)
                    ? Outcome.NO_GRADIENT
                    : decide(i, sums, rate, gradients.scale() * clip, gradients.trustRatio(i), report);
            updates[i] = outcome == Outcome.UPDATED;
            if (outcome.bad()) {
                if (onBadGradient == OnBadGradient.THROW) {
                    throw new NonFiniteException(state.layers.get(i).name(), outcome);
                }
                report.outcome(i, outcome);
                anyBad = true;
            }
        }
        return !(anyBad && onBadGradient == OnBadGradient.REFUSE);
    }

    /** Returns the factor of clipping by global norm. If clipping is on, all layers have been measured by now. */
    private double clip(StepReport report) {
        if (maxGradientNorm == Double.POSITIVE_INFINITY) {
            return 1;
        }
        double norm = report.gradientNorm();
        return norm > maxGradientNorm ? maxGradientNorm / norm : 1;
    }

    /**
     * Decides what happens to one layer.
     *
     * @param commonScale the factor of all gradients: their scale, and the clip by global norm
     * @param given the trust ratio that the trainer gave; NaN if the rule computes it
     */
    private Outcome decide(
            int layer, LayerSums sums, double rate, double commonScale, double given, StepReport report) {
        double ww = sums.weights(layer);
        double gg = sums.gradients(layer);
        if (!Double.isFinite(ww)) {
            return Outcome.BAD_WEIGHTS;
        }
        if (!Double.isFinite(gg)) {
            return Outcome.BAD_GRADIENT;
        }
        Treatment treatment = state.layers.get(layer).treatment();
        Hyperparameters hyper = state.hyperparameters;
        double decay = state.decay(layer);
        Rule rule = hyper.rule();
        double scale = commonScale * rule.gradientScale(ww, commonScale * commonScale * gg);
        double scaledGg = scale * scale * gg;
        double scaledWg = state.needsProducts(layer) ? scale * sums.products(layer) : 0;
        double layerRate = rate * treatment.rateFactor();
        boolean adapt = treatment.adapt();
        double ratio = given;
        if (Double.isNaN(given)) {
            ratio = rule.trustRatio(
                    adapt, hyper.trustCoefficient(), decay, layerRate, ww, scaledGg, scaledWg, layer, state.step);
            decay = rule.effectiveDecay(adapt, decay, ww, scaledGg, scaledWg);
        }
        report.decided(layer, layerRate, ratio);
        double lastRate = state.learningRates[layer];
        double correction =
                hyper.momentumCorrection() && hyper.momentum() != 0 && lastRate > 0 ? layerRate / lastRate : 1;
        boolean finite =
                coefficients.set(layer, hyper, decay, ratio, layerRate, scale, !state.begun[layer], correction);
        // An infinite norm would give a ratio of 0, and a scale of 0 a gradient of 0, both finite and unnoticed.
        return finite && ratio >= 0 && scale > 0 && Double.isFinite(scaledGg)
                ? Outcome.UPDATED
                : Outcome.BAD_COEFFICIENT;
    }
}
