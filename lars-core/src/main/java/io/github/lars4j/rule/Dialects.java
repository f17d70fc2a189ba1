package io.github.lars4j.rule;

import io.github.lars4j.rule.Rule.Entry;
import io.github.lars4j.rule.Rule.Ratio;
import io.github.lars4j.rule.Rule.ZeroNorm;

/**
 * The published LARS implementations as values of {@link Rule}, each with its own ε. Each says which version of the
 * source was read, and what differs from it still. The tests hold them against recordings of these implementations; those
 * of which there are none, against their formulas ({@code SourcesTest}).
 */
public final class Dialects {

    /**
     * You, Gitman and Ginsburg, <i>Large Batch Training of Convolutional Networks</i> (2017), Algorithm 1, with r = 1
     * where a norm is zero. The library's default.
     *
     * <p>MLPerf's reference for ResNet-50 (mlcommons/training, lars_optimizer.py as of commit 3c81f6f9) is this with an
     * ε of 1e-7, {@code PAPER.withEpsilon(1e-7)}: it writes {@code epsilon or backend_config.epsilon()}, so that the ε
     * of 0 which its benchmark asks for runs as Keras' default. It keeps its momentum with the opposite sign, and
     * leaves what is on its skip list without decay and ratio ({@link Treatment#PLAIN}).
     */
    public static final Rule PAPER = new Rule(Ratio.SUM, Entry.VELOCITY, ZeroNorm.ONE, false, true, 0);

    /**
     * The PyTorch optimizer of the widely copied "Discriminative learning rate using LARS" snippet: the ratio
     * multiplies the momentum on its way out. Kept exactly, including what hurts: a layer of zeros never trains, and a
     * tiny gradient without decay makes the layer explode. But for one thing: the snippet adds the decay to the caller's
     * gradients in place, and this library writes no gradients.
     */
    public static final Rule SNIPPET = new Rule(Ratio.SUM, Entry.UPDATE, ZeroNorm.FORMULA, false, true, 1e-15);

    /**
     * {@code optax.lars} (read and recorded: 0.2.8): the norm of the gradient after decay. It keeps its momentum with the
     * opposite sign.
     *
     * <p>Also TensorFlow Models' LARS (official/modeling/optimization/lars.py as of commit 0ca414d5) with {@code
     * classic_momentum}, its default. Without that, its ratio divides by the norm of the whole update, momentum
     * included, which no value of {@link Rule} does.
     */
    public static final Rule OPTAX = new Rule(Ratio.DECAYED, Entry.VELOCITY, ZeroNorm.ONE, false, true, 0);

    /**
     * Barlow Twins' LARS (facebookresearch/barlowtwins, main.py as of commit 8e8d284c), which has neither Nesterov nor
     * dampening. Its filters leave tensors of one dimension without decay and ratio ({@link Treatment#PLAIN}).
     */
    public static final Rule BARLOW_TWINS = new Rule(Ratio.DECAYED, Entry.GRADIENT, ZeroNorm.ONE, false, true, 0);

    /** {@code pl_bolts.optimizers.LARS} (read: 0.7.0): no decay means no adaptation. */
    public static final Rule BOLTS = new Rule(Ratio.SUM, Entry.GRADIENT, ZeroNorm.SKIP, false, false, 1e-8);

    private Dialects() {}

    /**
     * {@code timm.optim.Lars} (read and recorded: 1.0.29).
     *
     * @param trustClip its option of that name (LARC)
     * @param alwaysAdapt its option of that name; without, no decay means no adaptation
     */
    public static Rule timm(boolean trustClip, boolean alwaysAdapt) {
        return new Rule(Ratio.SUM, Entry.GRADIENT, ZeroNorm.ONE, trustClip, alwaysAdapt, 1e-8);
    }

    /**
     * {@code apex.parallel.LARC} over {@code torch.optim.SGD} (read: as of commit e13873de, the last before apex
     * removed it).
     *
     * @param clip its option of that name: true clips the layer's rate at γ, false scales γ
     */
    public static Rule apexLarc(boolean clip) {
        return new Rule(Ratio.SUM, Entry.GRADIENT, ZeroNorm.SKIP, clip, true, 1e-8);
    }
}
