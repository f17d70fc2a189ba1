package io.github.lars4j.rule;

import io.github.lars4j.rule.Rule.Entry;
import io.github.lars4j.rule.Rule.Ratio;
import io.github.lars4j.rule.Rule.ZeroNorm;

/**
 * The published implementations of LARS as values of {@link Rule}, each with its own ε.
 *
 * <pre>{@code
 * Lars lars = Lars.builder(layers).rule(Dialects.OPTAX).learningRate(0.1).momentum(0.9).build();
 * }</pre>
 *
 * <p>Each description names the version of the source code that was compared, and any remaining differences. Tests
 * compare the rules with recordings of the implementations or, if there is no recording, with their formulas ({@code
 * SourcesTest}).
 *
 * <p>Immutable and safe for use by several threads.
 */
public final class Dialects {

    /**
     * You, Gitman and Ginsburg, <i>Large Batch Training of Convolutional Networks</i> (2017), Algorithm 1, with r = 1
     * if a norm is zero. This is the default of the library.
     */
    public static final Rule PAPER = new Rule(Ratio.SUM, Entry.VELOCITY, ZeroNorm.ONE, false, true, 0);

    /**
     * MLPerf's reference for ResNet-50 (mlcommons/training, lars_optimizer.py, commit 3c81f6f9): {@link #PAPER} with an
     * ε of 1e-7. Its benchmark sets ε to 0, but the code {@code epsilon or backend_config.epsilon()} replaces 0 by
     * Keras' default. It stores its momentum with the opposite sign, and applies neither weight decay nor trust ratio to
     * layers on its skip list ({@link Treatment#PLAIN}).
     */
    public static final Rule MLPERF = PAPER.withEpsilon(1e-7);

    /**
     * {@code LARSOptimizer} of TensorFlow's contrib (tensorflow/tensorflow,
     * contrib/opt/python/training/lars_optimizer.py, commit 5c8077a6) with its default ε of 0. It divides by ‖g‖ + β‖w‖
     * but never applies weight decay; the trust ratio multiplies the momentum when the weights are updated. Layers on
     * its skip list are {@link Treatment#PLAIN}.
     */
    public static final Rule TF_CONTRIB =
            new Rule(Ratio.SUM, Entry.UPDATE, ZeroNorm.ONE, false, true, 0).withDecay(Rule.Decay.RATIO_ONLY);

    /**
     * {@code mxnet.optimizer.LARS} (apache/mxnet, python/mxnet/optimizer/lars.py, commit a85edaf8) with its default ε of
     * 1e-8. It stores its momentum with the opposite sign. Layers whose name ends with gamma, beta or bias have no trust
     * ratio; their weight decay depends on MXNet's {@code wd_mult}. Its option {@code clip_gradient}, which clamps single
     * elements, is not supported.
     */
    public static final Rule MXNET = PAPER.withEpsilon(1e-8);

    /**
     * {@code LarsMomentumOptimizer} of Paddle (PaddlePaddle/Paddle, paddle/phi/kernels/cpu/lars_momentum_kernel.cc,
     * commit 01624404) with its default ε of 0. Layers that it excludes from weight decay have r = 1.
     */
    public static final Rule PADDLE = new Rule(Ratio.SUM, Entry.VELOCITY, ZeroNorm.ONE, false, false, 0);

    /**
     * ColossalAI's {@code Lars} (hpcaitech/ColossalAI, colossalai/nn/optimizer/lars.py, commit 0f8c7f98) with its default
     * ε of 0: r is at most 50, and multiplies the momentum when the weights are updated. It also clamps every element
     * of g + βw to [-10, 10], which is not supported and has no effect on smaller gradients.
     */
    public static final Rule COLOSSAL_AI =
            new Rule(Ratio.SUM, Entry.UPDATE, ZeroNorm.ONE, false, true, 0).withRatioBounds(0, 50);

    /**
     * {@code pytorch_optimizer.LARS} (kozistr/pytorch_optimizer, compared: 3.9.0) with {@link Treatment#PLAIN} for
     * tensors of at most one dimension. Its momentum buffer starts with the first gradient, before weight decay and
     * trust ratio; pass a copy of the first gradients to {@link io.github.lars4j.Lars.Builder#momentumBuffer} for that.
     */
    public static final Rule PYTORCH_OPTIMIZER = new Rule(Ratio.RAW, Entry.GRADIENT, ZeroNorm.ONE, false, true, 0);

    /**
     * The PyTorch optimizer of the widely copied snippet "Discriminative learning rate using LARS", in which the trust
     * ratio multiplies the momentum when the weights are updated. The rule reproduces its weaknesses: a layer of zeros
     * never trains, and without weight decay a tiny gradient makes the weights explode. The only difference is that the
     * snippet adds weight decay to the caller's gradients in place, whereas this library never writes to gradients.
     */
    public static final Rule SNIPPET = new Rule(Ratio.SUM, Entry.UPDATE, ZeroNorm.FORMULA, false, true, 1e-15);

    /**
     * {@code optax.lars} (compared and recorded: 0.2.8), which uses the norm of the gradient after weight decay. It
     * stores its momentum with the opposite sign.
     *
     * <p>TensorFlow Models' LARS (official/modeling/optimization/lars.py, commit 0ca414d5) is the same rule with its
     * default {@code classic_momentum}. Without {@code classic_momentum} its trust ratio divides by the norm of the
     * whole update, including the momentum; {@link Rule} does not support this.
     */
    public static final Rule OPTAX = new Rule(Ratio.DECAYED, Entry.VELOCITY, ZeroNorm.ONE, false, true, 0);

    /**
     * Barlow Twins' LARS (facebookresearch/barlowtwins, main.py, commit 8e8d284c), which has neither Nesterov momentum
     * nor dampening. It applies neither weight decay nor trust ratio to one-dimensional tensors ({@link
     * Treatment#PLAIN}).
     */
    public static final Rule BARLOW_TWINS = new Rule(Ratio.DECAYED, Entry.GRADIENT, ZeroNorm.ONE, false, true, 0);

    /** {@code pl_bolts.optimizers.LARS} (compared: 0.7.0). Layers without weight decay have r = 1. */
    public static final Rule BOLTS = new Rule(Ratio.SUM, Entry.GRADIENT, ZeroNorm.SKIP, false, false, 1e-8);

    private Dialects() {}

    /**
     * Returns the rule of {@code timm.optim.Lars} (compared and recorded: 1.0.29).
     *
     * @param trustClip timm's option {@code trust_clip}: clips r so that the layer's rate does not exceed γ·1 (LARC)
     * @param alwaysAdapt timm's option {@code always_adapt}; if false, layers without weight decay have r = 1
     */
    public static Rule timm(boolean trustClip, boolean alwaysAdapt) {
        return new Rule(Ratio.SUM, Entry.GRADIENT, ZeroNorm.ONE, trustClip, alwaysAdapt, 1e-8);
    }

    /**
     * Returns the rule of {@code apex.parallel.LARC} around {@code torch.optim.SGD} (compared: commit e13873de, the
     * last that contains it).
     *
     * @param clip apex' option {@code clip}: true limits the layer's rate to γ, false scales γ
     */
    public static Rule apexLarc(boolean clip) {
        return new Rule(Ratio.SUM, Entry.GRADIENT, ZeroNorm.SKIP, clip, true, 1e-8);
    }
}
