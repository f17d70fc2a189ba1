package io.github.lars4j.rule;

import io.github.lars4j.internal.Checks;
import java.util.Objects;

/**
 * What one LARS is and another is not: the trust ratio of a layer, from three sums over it. A pure function; every
 * published LARS is a value of it (see {@link Dialects}). Its methods take every number as it is, and give what the
 * formulas give.
 *
 * <p>Notation: w weights, g gradient, ‖·‖ the Euclidean norm over a layer, β weight decay, η trust coefficient, γ
 * learning rate, r trust ratio.
 *
 * @param ratio the formula of the trust ratio
 * @param entry where the ratio and the learning rate enter
 * @param zeroNorm what holds when a norm is zero
 * @param clip whether the ratio is clipped so that the layer's rate γr never exceeds γ·1: {@code r = min(r/γ, 1)}
 *     (LARC)
 * @param adaptWithoutDecay whether layers are adapted while their weight decay is 0 too
 * @param epsilon ε, added to the ratio's denominator: finite, 0 or more; an ε of 0 is 0
 */
public record Rule(
        Ratio ratio, Entry entry, ZeroNorm zeroNorm, boolean clip, boolean adaptWithoutDecay, double epsilon) {

    /** The formula of the trust ratio. */
    public enum Ratio {
        /** {@code η‖w‖ / (‖g‖ + β‖w‖ + ε)}: the paper, equation 6. */
        SUM,
        /** {@code η‖w‖ / (‖g + βw‖ + ε)}: the only one that needs Σw·g. */
        DECAYED,
        /**
         * {@code η‖w‖ / (‖g‖ + ε)}: pytorch_optimizer's ratio. Its LARS as of version 3.9.0 is {@code new Rule(RAW,
         * GRADIENT, ONE, false, true, 0)} with tensors of at most one dimension {@link Treatment#PLAIN}, but for the
         * first step: its momentum is the raw gradient there before that step, so that the first is μg + (1 - δ)rd
         * instead of rd, and later ones contain it. {@code momentumBuffer} with a copy of the first gradients does the
         * same.
         */
        RAW
    }

    /** Where the ratio and the learning rate enter; μ is the momentum. The three agree while neither changes. */
    public enum Entry {
        /** {@code v = μv + γr(g + βw);  w = w - v}: the paper, Algorithm 1. */
        VELOCITY {
            @Override
            public double in(double learningRate, double ratio) {
                return learningRate * ratio;
            }

            @Override
            public double out(double learningRate, double ratio) {
                return 1;
            }
        },
        /** {@code v = μv + r(g + βw);  w = w - γv}. */
        GRADIENT {
            @Override
            public double in(double learningRate, double ratio) {
                return ratio;
            }

            @Override
            public double out(double learningRate, double ratio) {
                return learningRate;
            }
        },
        /** {@code v = μv + (g + βw);  w = w - γrv}: a tiny gradient then multiplies the whole history. */
        UPDATE {
            @Override
            public double in(double learningRate, double ratio) {
                return 1;
            }

            @Override
            public double out(double learningRate, double ratio) {
                return learningRate * ratio;
            }
        };

        /** What the decayed gradient is multiplied by on its way into the momentum. */
        public abstract double in(double learningRate, double ratio);

        /** What the momentum is multiplied by on its way out to the weights. */
        public abstract double out(double learningRate, double ratio);
    }

    /** What holds when ‖w‖, or the norm that the ratio divides by, is zero. */
    public enum ZeroNorm {
        /** r = 1, so that layers which start at zero do train. */
        ONE,
        /** r = 1, unclipped, and no weight decay. */
        SKIP,
        /** Whatever the formula gives: 0 where ‖w‖ = 0, so that such a layer never moves. */
        FORMULA
    }

    /**
     * Checks the values.
     *
     * @throws IllegalArgumentException if ε is negative or not finite
     */
    public Rule {
        Objects.requireNonNull(ratio, "ratio");
        Objects.requireNonNull(entry, "entry");
        Objects.requireNonNull(zeroNorm, "zeroNorm");
        Checks.atLeastZero("epsilon", epsilon);
    }

    /** This rule with another ε. */
    public Rule withEpsilon(double other) {
        return new Rule(ratio, entry, zeroNorm, clip, adaptWithoutDecay, other);
    }

    /** Whether the ratio of a layer with weight decay {@code decay} is made of Σw·g too. */
    public boolean needsProducts(boolean adapt, double decay) {
        return ratio == Ratio.DECAYED && adapt && decay != 0;
    }

    /**
     * The trust ratio of a layer.
     *
     * @param adapt whether the layer is adapted at all
     * @param trustCoefficient η
     * @param decay β of this layer
     * @param learningRate γ of this layer
     * @param ww Σw²
     * @param gg Σg²
     * @param wg Σw·g; looked at only where {@link #needsProducts}
     * @return r; not finite where the formula is not
     */
    public double trustRatio(
            boolean adapt,
            double trustCoefficient,
            double decay,
            double learningRate,
            double ww,
            double gg,
            double wg) {
        if (!adapted(adapt, decay)) {
            return 1;
        }
        double weightNorm = Math.sqrt(ww);
        double gradientNorm = dividingNorm(decay, ww, gg, wg);
        boolean zero = weightNorm == 0 || gradientNorm == 0;
        if (zero && zeroNorm == ZeroNorm.SKIP) {
            return 1;
        }
        double r = zero && zeroNorm == ZeroNorm.ONE
                ? 1
                : trustCoefficient
                        * weightNorm
                        / (gradientNorm + (ratio == Ratio.SUM ? decay * weightNorm : 0) + epsilon);
        // As min(r/γ, 1), but a NaN stays one and γ = 0 is no exception.
        return !clip ? r : r >= learningRate ? 1 : r / learningRate;
    }

    /** The weight decay that takes part in the step of a layer: β, but none where the rule skips it on a zero norm. */
    public double effectiveDecay(boolean adapt, double decay, double ww, double gg, double wg) {
        boolean skipped =
                zeroNorm == ZeroNorm.SKIP && adapted(adapt, decay) && (ww == 0 || dividingNorm(decay, ww, gg, wg) == 0);
        return skipped ? 0 : decay;
    }

    private boolean adapted(boolean adapt, double decay) {
        return adapt && (decay != 0 || adaptWithoutDecay);
    }

    private double dividingNorm(double decay, double ww, double gg, double wg) {
        return ratio == Ratio.DECAYED && decay != 0
                // ‖g + βw‖² by its parts; the rounding of parts that cancel can leave it just below zero.
                ? Math.sqrt(Math.max(0, gg + 2 * decay * wg + decay * decay * ww))
                : Math.sqrt(gg);
    }
}
