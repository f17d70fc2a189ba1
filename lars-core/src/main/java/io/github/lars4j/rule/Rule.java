package io.github.lars4j.rule;

import io.github.lars4j.internal.Checks;
import java.util.Objects;
import java.util.Optional;

/**
 * A variant of LARS: how the trust ratio of a layer is computed from three sums, where the ratio applies, and where
 * weight decay does. {@link Dialects} contains the published variants. {@code docs/rules.md} lists optimizers and their
 * values of {@code Rule}, including those that no value expresses.
 *
 * <p>Notation: w weights, g gradient, ‖·‖ the Euclidean norm over a layer, β weight decay, η trust coefficient, γ
 * learning rate, r trust ratio, μ momentum, v momentum buffer.
 *
 * <p>A rule has six basic values, which the constructor takes. The methods {@code with…} return the rule with another
 * value, and everything that the constructor does not take is off by default:
 *
 * <pre>{@code
 * Rule rule = Dialects.PAPER.withRatioBounds(0, 50).withGradientClip(0.01, 1e-3);
 * }</pre>
 *
 * <p>The trust ratio is computed in this order: the gradient is clipped by layer ({@link #withGradientClip}); ‖w‖ and
 * the gradient norm are bounded ({@link #withWeightNormBounds}, {@link #withGradientNormFloor}); the formula, or {@link
 * ZeroNorm}, gives r; r is bounded ({@link #withRatioBounds}) and then clipped ({@link #clip}).
 *
 * <p>The functions are pure. They do not check the range of their numbers, but return what the formulas give for them.
 *
 * <p>Immutable and, except for a trust ratio of one's own that is not, safe for use by several threads. Two rules are
 * equal if all their values are. The formulas of two trust ratios of one's own are equal if they are equal as objects,
 * which for lambda expressions means that they are the same object.
 */
public final class Rule {

    /** The formula of the trust ratio. */
    public enum Ratio {
        /** {@code η‖w‖ / (‖g‖ + β‖w‖ + ε)}, as in the paper, equation 6. */
        SUM,
        /** {@code η‖w‖ / (‖g + βw‖ + ε)}, the only built-in formula that needs Σw·g. */
        DECAYED,
        /** {@code η‖w‖ / (‖g‖ + ε)}, as in pytorch_optimizer and Fromage. */
        RAW,
        /** {@code η / (‖g‖ + ε)}: normalised SGD. {@link ZeroNorm} applies only if the gradient norm is zero. */
        NORMALIZED,
        /**
         * {@code 1}, whatever the norms: plain SGD. The values for zero norms, clip, ε and all bounds have no effect, so
         * {@code rule.withRatio(Ratio.UNIT)} is any rule without its adaptation.
         */
        UNIT,
        /** A formula of one's own; see {@link Rule#of}. */
        OWN
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

    /** The trust ratio if ‖w‖, or the gradient norm in the denominator, is zero after bounds. */
    public enum ZeroNorm {
        /** r = 1, so that layers that are initialised with zeros can train. */
        ONE,
        /** r = 1, without bounds or clipping, and no weight decay. */
        SKIP,
        /** The value of the formula: r = 0 if ‖w‖ = 0, so such a layer never changes. */
        FORMULA
    }

    /** Where weight decay is applied. Whether β is part of the trust ratio depends on the {@link Ratio} alone. */
    public enum Decay {
        /** Added to the gradient, so that the trust ratio multiplies it: {@code g + βw}. */
        SCALED,
        /**
         * Added to the gradient beside the trust ratio: {@code v = μv + γ(rg + βw)} with {@link Entry#VELOCITY}, {@code
         * v = μv + rg + βw} with {@link Entry#GRADIENT}. NovoGrad's form. Without momentum it is also the decoupled
         * decay of AdamW, {@code w = w - γβw - γrg}. Decoupled decay with momentum is not supported: a term that
         * reaches the weights but not the momentum would need a sixth coefficient in the update.
         */
        BESIDE_RATIO,
        /** Not applied at all; β is used in the trust ratio only. TensorFlow contrib's form. */
        RATIO_ONLY
    }

    /** A trust ratio of one's own; the names of its parameters are those of {@link Rule#of}. */
    private record Own(String name, boolean needsProducts, TrustRatio formula) {}

    private final Ratio ratio;
    private final Entry entry;
    private final ZeroNorm zeroNorm;
    private final boolean clip;
    private final boolean adaptWithoutDecay;
    private final double epsilon;
    private final Refinements more;
    /** Whether any of these is on. If not, a step skips them with one test. */
    private final boolean refined;
    /** {@code null} unless the ratio is {@link Ratio#OWN}. */
    private final Own own;

    /**
     * Creates a rule.
     *
     * @param ratio the formula of the trust ratio
     * @param entry where the trust ratio and the learning rate are applied
     * @param zeroNorm the trust ratio if a norm is zero
     * @param clip whether the ratio is clipped so that the layer's rate γr never exceeds γ·1: {@code r = min(r/γ, 1)}
     *     (LARC)
     * @param adaptWithoutDecay whether layers with weight decay 0 have a trust ratio; if not, their ratio is 1
     * @param epsilon ε, which is added to the denominator of the ratio: finite, 0 or more. A value of 0 is not replaced
     *     by a default
     * @throws NullPointerException if a value is {@code null}
     * @throws IllegalArgumentException if ε is negative or not finite, or {@code ratio} is {@link Ratio#OWN}
     */
    public Rule(Ratio ratio, Entry entry, ZeroNorm zeroNorm, boolean clip, boolean adaptWithoutDecay, double epsilon) {
        this(ratio, entry, zeroNorm, clip, adaptWithoutDecay, epsilon, Refinements.NONE, null);
    }

    private Rule(
            Ratio ratio,
            Entry entry,
            ZeroNorm zeroNorm,
            boolean clip,
            boolean adaptWithoutDecay,
            double epsilon,
            Refinements more,
            Own own) {
        this.ratio = Objects.requireNonNull(ratio, "ratio");
        this.entry = Objects.requireNonNull(entry, "entry");
        this.zeroNorm = Objects.requireNonNull(zeroNorm, "zeroNorm");
        this.clip = clip;
        this.adaptWithoutDecay = adaptWithoutDecay;
        this.epsilon = Checks.atLeastZero("epsilon", epsilon);
        this.more = more;
        this.refined = !more.equals(Refinements.NONE);
        this.own = own;
        if (ratio == Ratio.OWN) {
            requireOwn();
        }
        if (entry == Entry.UPDATE && more.decay() == Decay.BESIDE_RATIO) {
            throw new IllegalArgumentException("decay is " + more.decay()
                    + " with entry UPDATE; it must be SCALED or RATIO_ONLY, because with entry UPDATE the trust ratio"
                    + " multiplies all that is subtracted from the weights");
        }
        if (more.shrink() && entry != Entry.VELOCITY) {
            throw new IllegalArgumentException("shrink is true with entry " + entry
                    + "; it must be false unless entry is VELOCITY. It needs momentum 0, with which all entries are the"
                    + " same");
        }
    }

    private void requireOwn() {
        if (own == null) {
            throw new IllegalArgumentException("ratio is OWN; it must be another one, or given to Rule.of");
        }
        if (epsilon != 0) {
            throw new IllegalArgumentException(
                    "epsilon is " + epsilon + "; it must be 0 in a rule with a trust ratio of its own");
        }
        if (!more.weightNormBounds().equals(Bounds.NONE) || more.gradientNormFloor() != 0) {
            throw new IllegalArgumentException("weightNormBounds is " + more.weightNormBounds()
                    + " and gradientNormFloor " + more.gradientNormFloor()
                    + "; there must be none in a rule with a trust ratio of its own, which is given the norms as they"
                    + " are");
        }
    }

    /**
     * Returns a rule with a trust ratio of one's own. It can be combined with {@link #withRatioBounds}, {@link
     * #withDecay}, {@link #withShrink} and {@link #withGradientClip}; there is no ε, no clip and no special case for zero
     * norms or layers without weight decay. Layers whose {@link Treatment} says so have r = 1.
     *
     * <p>A step computes the ratios of all layers before it writes anything, so an exception of the formula leaves the
     * optimizer as it was.
     *
     * <p>A checkpoint contains the name and not the formula. Restoring it needs an optimizer whose own rule has that
     * name, and takes the formula from there.
     *
     * @param name the name of the formula: 1 to 100 ASCII letters, digits, dots, underscores and hyphens. Give another
     *     formula another name; an optimizer refuses two formulas of the same name that are not equal as objects
     * @param entry where the trust ratio and the learning rate are applied
     * @param needsProducts whether the formula needs Σw·g. If so, pass 1 reads weights and gradients of every adapted
     *     layer, so {@linkplain io.github.lars4j.Lars.Builder#carrySums carried sums} and {@linkplain
     *     io.github.lars4j.Gradients#squares given squares} save no time
     * @param ratio the formula
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if the name is not as described
     */
    public static Rule of(String name, Entry entry, boolean needsProducts, TrustRatio ratio) {
        if (!Objects.requireNonNull(name, "name").matches("[A-Za-z0-9._-]{1,100}")) {
            throw new IllegalArgumentException(
                    "name is \"" + name + "\"; it must be 1 to 100 ASCII letters, digits, '.', '_' and '-'");
        }
        Own own = new Own(name, needsProducts, Objects.requireNonNull(ratio, "ratio"));
        return new Rule(Ratio.OWN, entry, ZeroNorm.FORMULA, false, true, 0, Refinements.NONE, own);
    }

    private Rule with(Refinements other) {
        return new Rule(ratio, entry, zeroNorm, clip, adaptWithoutDecay, epsilon, other, own);
    }

    /**
     * Returns this rule with another ε.
     *
     * @throws IllegalArgumentException if it is negative or not finite, or not 0 although the trust ratio is one's own
     */
    public Rule withEpsilon(double other) {
        return new Rule(ratio, entry, zeroNorm, clip, adaptWithoutDecay, other, more, own);
    }

    /**
     * Returns this rule with another built-in formula of the trust ratio.
     *
     * @throws NullPointerException if it is {@code null}
     * @throws IllegalArgumentException if it is {@link Ratio#OWN}; use {@link #of}
     */
    public Rule withRatio(Ratio other) {
        return new Rule(other, entry, zeroNorm, clip, adaptWithoutDecay, epsilon, more, null);
    }

    /**
     * Returns this rule with bounds on the trust ratio. They also bound the ratio 1 that {@link ZeroNorm#ONE} gives, as
     * in ColossalAI, which has bounds of 0 and 50. A NaN stays one.
     *
     * @param least the least ratio: finite, 0 or more
     * @param most the greatest ratio: more than 0 and not less than {@code least}; may be infinite
     * @throws IllegalArgumentException if a value is out of its range
     */
    public Rule withRatioBounds(double least, double most) {
        return with(more.withRatioBounds(new Bounds(least, most)));
    }

    /**
     * Returns this rule with bounds on ‖w‖ in the numerator of the trust ratio: LAMB's function φ. With a least norm
     * above 0, no ‖w‖ counts as zero. The term β‖w‖ of {@link Ratio#SUM} is not bounded.
     *
     * @param least the least norm: finite, 0 or more
     * @param most the greatest norm: more than 0 and not less than {@code least}; may be infinite
     * @throws IllegalArgumentException if a value is out of its range, or the trust ratio is one's own
     */
    public Rule withWeightNormBounds(double least, double most) {
        return with(more.withWeightNormBounds(new Bounds(least, most)));
    }

    /**
     * Returns this rule with a least gradient norm in the denominator of the trust ratio: {@code max(‖g‖, floor)}, or
     * {@code max(‖g + βw‖, floor)} with {@link Ratio#DECAYED}. With a floor above 0, no gradient norm counts as zero.
     * Together with {@link #withWeightNormBounds} this is {@code min_norm} of optax.
     *
     * @param floor the least norm: finite, 0 or more; 0 turns it off
     * @throws IllegalArgumentException if {@code floor} is negative or not finite, or the trust ratio is one's own
     */
    public Rule withGradientNormFloor(double floor) {
        return with(more.withGradientNormFloor(Checks.atLeastZero("floor", floor) + 0.0)); // -0 is off as well
    }

    /**
     * Returns this rule with weight decay in another place.
     *
     * @throws NullPointerException if {@code other} is {@code null}
     * @throws IllegalArgumentException if the entry is {@link Entry#UPDATE}, unless {@code other} is {@link
     *     Decay#SCALED} or {@link Decay#RATIO_ONLY}
     */
    public Rule withDecay(Decay other) {
        return with(more.withDecay(Objects.requireNonNull(other, "decay")));
    }

    /**
     * Returns this rule with or without Fromage's shrinking: every updated weight is divided by √(1 + γ²), in all
     * layers that a step updates, whatever their treatment. It requires momentum 0, because the shrinking would enter
     * the momentum buffer and be repeated by every later step.
     *
     * @throws IllegalArgumentException if {@code shrink} is true and the entry is not {@link Entry#VELOCITY}
     */
    public Rule withShrink(boolean shrink) {
        return with(more.withShrink(shrink));
    }

    /**
     * Returns this rule with adaptive gradient clipping by layer (AGC): where ‖g‖ exceeds {@code factor · max(‖w‖,
     * floor)}, the gradient is scaled down to that norm, before the trust ratio and without weight decay. It clips every
     * layer, whatever its treatment. The clipping by units (rows) of Brock et al. needs the norms of rows, which are not
     * measured.
     *
     * @param factor λ: more than 0; infinity turns clipping off
     * @param floor ε, the least ‖w‖: finite, more than 0, so that layers of zeros can train
     * @throws IllegalArgumentException if a value is out of its range
     */
    public Rule withGradientClip(double factor, double floor) {
        if (!(factor > 0)) {
            throw new IllegalArgumentException("factor is " + factor + "; it must be more than 0");
        }
        Checks.positive("floor", floor);
        return with(more.withGradientClip(factor, factor == Double.POSITIVE_INFINITY ? 0 : floor));
    }

    /** Returns whether any of the values is on that the constructor does not take. */
    boolean isRefined() {
        return refined;
    }

    /** Returns the formula of the trust ratio. */
    public Ratio ratio() {
        return ratio;
    }

    /** Returns where the trust ratio and the learning rate are applied. */
    public Entry entry() {
        return entry;
    }

    /** Returns the trust ratio if a norm is zero. */
    public ZeroNorm zeroNorm() {
        return zeroNorm;
    }

    /** Returns whether the ratio is clipped so that the layer's rate γr never exceeds γ·1 (LARC). */
    public boolean clip() {
        return clip;
    }

    /** Returns whether layers with weight decay 0 have a trust ratio. */
    public boolean adaptWithoutDecay() {
        return adaptWithoutDecay;
    }

    /** Returns ε. */
    public double epsilon() {
        return epsilon;
    }

    /** Returns the bounds of the trust ratio. */
    public Bounds ratioBounds() {
        return more.ratioBounds();
    }

    /** Returns the bounds of ‖w‖ in the numerator of the trust ratio. */
    public Bounds weightNormBounds() {
        return more.weightNormBounds();
    }

    /** Returns the least gradient norm in the denominator of the trust ratio; 0 if there is none. */
    public double gradientNormFloor() {
        return more.gradientNormFloor();
    }

    /** Returns where weight decay is applied. */
    public Decay decay() {
        return more.decay();
    }

    /** Returns whether updated weights are divided by √(1 + γ²). */
    public boolean shrink() {
        return more.shrink();
    }

    /** Returns the factor λ of gradient clipping by layer; infinity if it is off. */
    public double gradientClip() {
        return more.gradientClip();
    }

    /** Returns the least ‖w‖ of gradient clipping by layer; 0 if it is off. */
    public double gradientClipFloor() {
        return more.gradientClipFloor();
    }

    /** Returns the name of the trust ratio if it is one's own; otherwise nothing. */
    public Optional<String> ownName() {
        return Optional.ofNullable(own).map(Own::name);
    }

    /** Returns the formula of the trust ratio if it is one's own; otherwise nothing. */
    public Optional<TrustRatio> ownRatio() {
        return Optional.ofNullable(own).map(Own::formula);
    }

    /** Returns whether the trust ratio of a layer with weight decay {@code decay} depends on Σw·g. */
    public boolean needsProducts(boolean adapt, double decay) {
        return adapt && (own != null ? own.needsProducts : ratio == Ratio.DECAYED && decay != 0);
    }

    /**
     * Returns the factor by which clipping by layer multiplies the gradient; 1 if it is off or not needed.
     *
     * @param ww Σw²
     * @param gg Σg²
     */
    public double gradientScale(double ww, double gg) {
        if (!refined || more.gradientClip() == Double.POSITIVE_INFINITY) {
            return 1;
        }
        double norm = Math.sqrt(gg);
        double most = more.gradientClip() * Math.max(Math.sqrt(ww), more.gradientClipFloor());
        return norm > most ? most / norm : 1;
    }

    /** Returns the trust ratio of layer 0 in step 0, which matter only if the ratio is one's own. */
    public double trustRatio(
            boolean adapt,
            double trustCoefficient,
            double decay,
            double learningRate,
            double ww,
            double gg,
            double wg) {
        return trustRatio(adapt, trustCoefficient, decay, learningRate, ww, gg, wg, 0, 0);
    }

    /**
     * Returns the trust ratio of a layer.
     *
     * @param adapt whether the layer has a trust ratio; see {@link Treatment#adapt}
     * @param trustCoefficient η
     * @param decay β of this layer
     * @param learningRate γ of this layer
     * @param ww Σw²
     * @param gg Σg², after {@link #gradientScale}
     * @param wg Σw·g, after {@link #gradientScale}; used only if {@link #needsProducts} returns true
     * @param layer the index of the layer
     * @param step the number of steps taken before this one
     * @return r, which is not finite if the formula's value is not
     */
    public double trustRatio(
            boolean adapt,
            double trustCoefficient,
            double decay,
            double learningRate,
            double ww,
            double gg,
            double wg,
            int layer,
            long step) {
        if (!adapted(adapt, decay)) {
            return 1;
        }
        if (own == null) {
            return RatioFormulas.builtIn(this, trustCoefficient, decay, learningRate, ww, gg, wg);
        }
        double r = own.formula.of(
                Math.sqrt(ww),
                Math.sqrt(gg),
                own.needsProducts ? wg : Double.NaN,
                trustCoefficient,
                decay,
                learningRate,
                layer,
                step);
        return RatioFormulas.limited(this, learningRate, r);
    }

    /** Returns the weight decay that a layer's step uses: 0 if a norm is zero under {@link ZeroNorm#SKIP}, else β. */
    public double effectiveDecay(boolean adapt, double decay, double ww, double gg, double wg) {
        boolean skipped =
                zeroNorm == ZeroNorm.SKIP && adapted(adapt, decay) && RatioFormulas.isZero(this, decay, ww, gg, wg);
        return skipped ? 0 : decay;
    }

    private boolean adapted(boolean adapt, double decay) {
        return adapt && ratio != Ratio.UNIT && (decay != 0 || adaptWithoutDecay);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Rule rule
                && ratio == rule.ratio
                && entry == rule.entry
                && zeroNorm == rule.zeroNorm
                && clip == rule.clip
                && adaptWithoutDecay == rule.adaptWithoutDecay
                && Double.compare(epsilon, rule.epsilon) == 0
                && more.equals(rule.more)
                && Objects.equals(own, rule.own);
    }

    @Override
    public int hashCode() {
        return Objects.hash(ratio, entry, zeroNorm, clip, adaptWithoutDecay, epsilon, more, own);
    }

    /** Returns the values, without those that are off. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder("Rule[ratio=").append(ratio);
        if (own != null) {
            text.append(" \"").append(own.name).append('"');
        }
        text.append(", entry=").append(entry).append(", zeroNorm=").append(zeroNorm);
        text.append(", clip=").append(clip).append(", adaptWithoutDecay=").append(adaptWithoutDecay);
        text.append(", epsilon=").append(epsilon);
        return text.append(more).append(']').toString();
    }
}
