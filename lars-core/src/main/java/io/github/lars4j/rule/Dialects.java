package io.github.lars4j.rule;

import io.github.lars4j.rule.Rule.Entry;
import io.github.lars4j.rule.Rule.Ratio;
import io.github.lars4j.rule.Rule.ZeroNorm;

/** The published LARS implementations as values of {@link Rule}, each with its own ε. */
public final class Dialects {

    /**
     * You, Gitman and Ginsburg, <i>Large Batch Training of Convolutional Networks</i> (2017), Algorithm 1, with r = 1
     * where a norm is zero; also MLPerf's reference for ResNet-50. The library's default.
     */
    public static final Rule PAPER = new Rule(Ratio.SUM, Entry.VELOCITY, ZeroNorm.ONE, false, true, 0);

    /**
     * The PyTorch optimizer of the widely copied "Discriminative learning rate using LARS" snippet: the ratio
     * multiplies the momentum on its way out. Kept exactly, including what hurts: a layer of zeros never trains, and a
     * tiny gradient without decay makes the layer explode.
     */
    public static final Rule SNIPPET = new Rule(Ratio.SUM, Entry.UPDATE, ZeroNorm.FORMULA, false, true, 1e-15);

    /** {@code optax.lars}, and TensorFlow Models' LARS: the norm of the gradient after decay. */
    public static final Rule OPTAX = new Rule(Ratio.DECAYED, Entry.VELOCITY, ZeroNorm.ONE, false, true, 0);

    /** Barlow Twins' LARS. */
    public static final Rule BARLOW_TWINS = new Rule(Ratio.DECAYED, Entry.GRADIENT, ZeroNorm.ONE, false, true, 0);

    /** {@code pl_bolts.optimizers.LARS}: no decay means no adaptation. */
    public static final Rule BOLTS = new Rule(Ratio.SUM, Entry.GRADIENT, ZeroNorm.SKIP, false, false, 1e-8);

    private Dialects() {}

    /**
     * {@code timm.optim.Lars}.
     *
     * @param trustClip its option of that name (LARC)
     * @param alwaysAdapt its option of that name; without, no decay means no adaptation
     */
    public static Rule timm(boolean trustClip, boolean alwaysAdapt) {
        return new Rule(Ratio.SUM, Entry.GRADIENT, ZeroNorm.ONE, trustClip, alwaysAdapt, 1e-8);
    }

    /**
     * {@code apex.parallel.LARC} over {@code torch.optim.SGD}.
     *
     * @param clip its option of that name: true clips the layer's rate at γ, false scales γ
     */
    public static Rule apexLarc(boolean clip) {
        return new Rule(Ratio.SUM, Entry.GRADIENT, ZeroNorm.SKIP, clip, true, 1e-8);
    }
}
