package io.github.lars4j.rule;

import io.github.lars4j.rule.Rule.Ratio;
import io.github.lars4j.rule.Rule.ZeroNorm;

/** The formulas of the trust ratio of an adapted layer. They share the notation of {@link Rule}. */
final class RatioFormulas {

    private RatioFormulas() {}

    /** Returns the trust ratio according to one of the built-in formulas, with bounds and clip. */
    static double builtIn(
            Rule rule, double trustCoefficient, double decay, double learningRate, double ww, double gg, double wg) {
        double weightNorm = Math.sqrt(ww);
        double bounded = rule.isRefined() ? rule.weightNormBounds().of(weightNorm) : weightNorm;
        double gradientNorm = dividingNorm(rule, decay, ww, gg, wg);
        boolean zero = isZero(rule, bounded, gradientNorm);
        if (zero && rule.zeroNorm() == ZeroNorm.SKIP) {
            return 1;
        }
        double r = zero && rule.zeroNorm() == ZeroNorm.ONE
                ? 1
                : trustCoefficient
                        * (rule.ratio() == Ratio.NORMALIZED ? 1 : bounded)
                        / (gradientNorm + (rule.ratio() == Ratio.SUM ? decay * weightNorm : 0) + rule.epsilon());
        return limited(rule, learningRate, r);
    }

    /** Returns a ratio within the rule's bounds, and clipped if the rule says so. A negative one stays as it is. */
    static double limited(Rule rule, double learningRate, double ratio) {
        double r = rule.isRefined() && ratio >= 0 ? rule.ratioBounds().of(ratio) : ratio;
        // As min(r/γ, 1), but a NaN stays one and γ = 0 is no exception.
        return !rule.clip() ? r : r >= learningRate ? 1 : r / learningRate;
    }

    /** Returns whether {@link ZeroNorm} applies to a layer. */
    static boolean isZero(Rule rule, double decay, double ww, double gg, double wg) {
        return isZero(rule, rule.weightNormBounds().of(Math.sqrt(ww)), dividingNorm(rule, decay, ww, gg, wg));
    }

    private static boolean isZero(Rule rule, double boundedWeightNorm, double gradientNorm) {
        return gradientNorm == 0 || (boundedWeightNorm == 0 && rule.ratio() != Ratio.NORMALIZED);
    }

    private static double dividingNorm(Rule rule, double decay, double ww, double gg, double wg) {
        double squares = rule.ratio() == Ratio.DECAYED && decay != 0
                // ‖g + βw‖² from its terms. If the terms cancel, rounding can make the sum slightly negative.
                ? Math.max(0, gg + 2 * decay * wg + decay * decay * ww)
                : gg;
        double norm = Math.sqrt(squares);
        return rule.isRefined() ? Math.max(norm, rule.gradientNormFloor()) : norm;
    }
}
