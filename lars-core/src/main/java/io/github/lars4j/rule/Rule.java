package io.github.lars4j.rule;

import io.github.lars4j.internal.Checks;
import java.util.Objects;

/**
 * A variant of LARS: how the trust ratio of a layer is computed from three sums, and where the ratio applies. {@link
 * Dialects} contains the published variants.
 *
 * <p>Notation: w weights, g gradient, ‖·‖ the Euclidean norm over a layer, β weight decay, η trust coefficient, γ
 * learning rate, r trust ratio, μ momentum, v momentum buffer.
 *
 * <p>The methods are pure functions. They do not check the range of their numbers, but return what the formulas give
 * for them. Immutable and safe for use by several threads.
 *
 * @param ratio the formula of the trust ratio
 * @param entry where the trust ratio and the learning rate are applied
 * @param zeroNorm the trust ratio if a norm is zero
 * @param clip whether the ratio is clipped so that the layer's rate γr never exceeds γ·1: {@code r = min(r/γ, 1)}
 *     (LARC)
 * @param adaptWithoutDecay whether layers with weight decay 0 have a trust ratio; if not, their ratio is 1
 * @param epsilon ε, which is added to the denominator of the ratio: finite, 0 or more. A value of 0 is not replaced by
 *     a default
 */
public record Rule(
        Ratio ratio, Entry entry, ZeroNorm zeroNorm, boolean clip, boolean adaptWithoutDecay, double epsilon) {

    /** The formula of the trust ratio. */
    public enum Ratio {
        /** {@code η‖w‖ / (‖g‖ + β‖w‖ + ε)}, as in the paper, equation 6. */
        SUM,
        /** {@code η‖w‖ / (‖g + βw‖ + ε)}, the only formula that needs Σw·g. */
        DECAYED,
        /**
         * {@code η‖w‖ / (‖g‖ + ε)}, as in pytorch_optimizer. Its LARS, version 3.9.0, is {@code new Rule(RAW, GRADIENT,
         * ONE, false, true, 0)} with {@link Treatment#PLAIN} for tensors of at most one dimension, except for the first
         * step: it initialises the momentum buffer with the raw gradient, so that after the first step the buffer is μg
         * + (1 - δ)rd instead of rd, with d = g + βw. To reproduce this, pass a copy of the first gradients as {@code
         * momentumBuffer}.
         */
        RAW
    }

    /**
     * Where the trust ratio and the learning rate are applied. The three entries give the same updates as long as
     * neither of the two changes.
     */
    public enum Entry {
        /** {@code v = μv + γr(g + βw);  w = w - v}, as in the paper, Algorithm 1. */
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
        /** {@code v = μv + (g + βw);  w = w - γrv}. Here the large ratio of a tiny gradient multiplies all of v. */
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

        /** Returns the factor of the gradient, including weight decay, when it is added to the momentum buffer. */
        public abstract double in(double learningRate, double ratio);

        /** Returns the factor of the momentum buffer when it is subtracted from the weights. */
        public abstract double out(double learningRate, double ratio);
    }

    /** The trust ratio if ‖w‖, or the gradient norm in the denominator, is zero. */
    public enum ZeroNorm {
        /** r = 1, so that layers that are initialised with zeros can train. */
        ONE,
        /** r = 1, without clipping, and no weight decay. */
        SKIP,
        /** The value of the formula: r = 0 if ‖w‖ = 0, so such a layer never changes. */
        FORMULA
    }

    /**
     * Checks the values.
     *
     * @throws NullPointerException if a value is {@code null}
     * @throws IllegalArgumentException if ε is negative or not finite
     */
    public Rule {
        Objects.requireNonNull(ratio, "ratio");
        Objects.requireNonNull(entry, "entry");
        Objects.requireNonNull(zeroNorm, "zeroNorm");
        Checks.atLeastZero("epsilon", epsilon);
    }

    /**
     * Returns this rule with another ε.
     *
     * @throws IllegalArgumentException if it is negative or not finite
     */
    public Rule withEpsilon(double other) {
        return new Rule(ratio, entry, zeroNorm, clip, adaptWithoutDecay, other);
    }

    /** Returns whether the trust ratio of a layer with weight decay {@code decay} depends on Σw·g. */
    public boolean needsProducts(boolean adapt, double decay) {
        return ratio == Ratio.DECAYED && adapt && decay != 0;
    }

    /**
     * Returns the trust ratio of a layer.
     *
     * @param adapt whether the layer has a trust ratio; see {@link Treatment#adapt}
     * @param trustCoefficient η
     * @param decay β of this layer
     * @param learningRate γ of this layer
     * @param ww Σw²
     * @param gg Σg²
     * @param wg Σw·g; used only if {@link #needsProducts} returns true
     * @return r, which is not finite if the formula's value is not
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

    /** Returns the weight decay that a layer's step uses: 0 if a norm is zero under {@link ZeroNorm#SKIP}, else β. */
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
                // ‖g + βw‖² from its terms. If the terms cancel, rounding can make the sum slightly negative.
                ? Math.sqrt(Math.max(0, gg + 2 * decay * wg + decay * decay * ww))
                : Math.sqrt(gg);
    }
}
