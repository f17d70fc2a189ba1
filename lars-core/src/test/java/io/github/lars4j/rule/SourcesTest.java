package io.github.lars4j.rule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Layer;
import io.github.lars4j.LayerSums;
import io.github.lars4j.Layers;
import io.github.lars4j.rule.Rule.Decay;
import io.github.lars4j.rule.Rule.Entry;
import io.github.lars4j.rule.Rule.Ratio;
import io.github.lars4j.rule.Rule.ZeroNorm;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Compares the rules with other implementations that have no recordings, by their formulas in double. */
class SourcesTest {

    private static final double TRUST = 0.01;
    private static final double DECAY = 0.05;
    private static final double MOMENTUM = 0.9;
    private static final double[] RATES = {0.5, 1, 2, 1.5, 0.25};

    private static final Layers LAYERS = layers(Treatment.PLAIN);

    /** The same layers, all adapted and decayed. */
    private static final Layers ALL_FULL = layers(Treatment.FULL);

    /** Returns a matrix, a matrix so small that ε matters, a matrix that starts at zero, and a bias. */
    private static Layers layers(Treatment bias) {
        return Layers.builder()
                .addTensor("weight", 5, 3)
                .addTensor("tiny", 4, 2)
                .addTensor("zero", 2, 2)
                .addTensor("bias", 5)
                .treatOneDimensional(bias)
                .build();
    }

    /** The step of one implementation on one tensor. */
    private interface Source {
        /** Takes a step; {@code v} is the state of that implementation, such as its momentum buffer. */
        void step(boolean bias, boolean first, double[] w, double[] v, double[] g, double rate, boolean nesterov);
    }

    /** mlcommons/training at 3c81f6f9, compute_lr and _resource_apply_dense. */
    private static final Source MLPERF = (bias, first, w, v, g, rate, nesterov) -> {
        double scaledRate = rate;
        double decay = 0;
        if (!bias) {
            double trustRatio = norm(w) > 0 && norm(g) > 0 ? TRUST * norm(w) / (norm(g) + DECAY * norm(w) + 1e-7) : 1;
            scaledRate = rate * trustRatio;
            decay = DECAY;
        }
        for (int i = 0; i < w.length; i++) {
            double grad = g[i] + decay * w[i];
            v[i] = v[i] * MOMENTUM - grad * scaledRate;
            w[i] += nesterov ? v[i] * MOMENTUM - grad * scaledRate : v[i];
        }
    };

    /** tensorflow/models at 0ca414d5, _resource_apply_dense with classic_momentum. */
    private static final Source TENSORFLOW_MODELS = (bias, first, w, v, g, rate, nesterov) -> {
        double[] grad = g.clone();
        for (int i = 0; i < w.length && !bias; i++) {
            grad[i] += DECAY * w[i];
        }
        double trustRatio = !bias && norm(w) > 0 && norm(grad) > 0 ? TRUST * norm(w) / norm(grad) : 1;
        for (int i = 0; i < w.length; i++) {
            v[i] = MOMENTUM * v[i] + rate * trustRatio * grad[i];
            w[i] -= nesterov ? MOMENTUM * v[i] + rate * trustRatio * grad[i] : v[i];
        }
    };

    /** kozistr/pytorch_optimizer 3.9.0, init_group and _step_per_param. */
    private static final Source PYTORCH_OPTIMIZER = (bias, first, w, v, g, rate, nesterov) -> {
        if (first) {
            System.arraycopy(g, 0, v, 0, g.length);
        }
        double trustRatio = norm(w) > 0 && norm(g) > 0 ? TRUST * norm(w) / norm(g) : 1;
        for (int i = 0; i < w.length; i++) {
            double grad = bias ? g[i] : (g[i] + DECAY * w[i]) * trustRatio;
            v[i] = v[i] * MOMENTUM + grad;
            w[i] -= rate * (nesterov ? grad + MOMENTUM * v[i] : v[i]);
        }
    };

    /** tensorflow/tensorflow at 5c8077a6, contrib: compute_lr, and the kernel ApplyMomentum. */
    private static final Source TF_CONTRIB = (bias, first, w, v, g, rate, nesterov) -> {
        double scaledRate = rate;
        if (!bias) {
            scaledRate *= norm(w) > 0 && norm(g) > 0 ? TRUST * norm(w) / (norm(g) + DECAY * norm(w)) : 1;
        }
        for (int i = 0; i < w.length; i++) {
            v[i] = v[i] * MOMENTUM + g[i];
            w[i] -= nesterov ? g[i] * scaledRate + v[i] * MOMENTUM * scaledRate : v[i] * scaledRate;
        }
    };

    /** apache/mxnet at a85edaf8, python/mxnet/optimizer/lars.py, _get_lars and step, with no decay of biases. */
    private static final Source MXNET = (bias, first, w, v, g, rate, nesterov) -> {
        double ratio = norm(w) / norm(g);
        // The source's nan_or_zero, 1 - ratio / ratio, is not zero if either norm is zero.
        double lars = bias || ratio == 0 || !Double.isFinite(ratio)
                ? 1
                : TRUST * norm(w) / (norm(g) + DECAY * norm(w) + 1e-8);
        for (int i = 0; i < w.length; i++) {
            v[i] = v[i] * MOMENTUM - rate * lars * (g[i] + (bias ? 0 : DECAY) * w[i]);
            w[i] += v[i];
        }
    };

    /** PaddlePaddle/Paddle at 01624404, LarsMomentumKernel, with biases excluded from weight decay. */
    private static final Source PADDLE = (bias, first, w, v, g, rate, nesterov) -> {
        double decay = bias ? 0 : DECAY;
        double localRate =
                decay > 0 && norm(w) > 0 && norm(g) > 0 ? rate * TRUST * norm(w) / (norm(g) + decay * norm(w)) : rate;
        for (int i = 0; i < w.length; i++) {
            v[i] = v[i] * MOMENTUM + localRate * (g[i] + decay * w[i]);
            w[i] -= v[i];
        }
    };

    /** hpcaitech/ColossalAI at 0f8c7f98, step, with lars false for biases. */
    private static Source colossalAi(double eeta) {
        return (bias, first, w, v, g, rate, nesterov) -> {
            double scaledRate = rate;
            if (!bias) {
                double ratio = norm(w) > 0 && norm(g) > 0 ? eeta * norm(w) / (norm(g) + DECAY * norm(w)) : 1;
                scaledRate *= Math.min(Math.max(ratio, 0), 50);
            }
            for (int i = 0; i < w.length; i++) {
                double decayed = Math.min(Math.max(g[i] + (bias ? 0 : DECAY * w[i]), -10), 10);
                v[i] = first ? decayed : v[i] * MOMENTUM + decayed;
                w[i] -= scaledRate * v[i];
            }
        };
    }

    /** optax 0.2.8: add_decayed_weights, scale_by_trust_ratio, scale_by_learning_rate, trace. */
    private static Source optax(double minNorm, double eps) {
        return (bias, first, w, v, g, rate, nesterov) -> {
            double[] update = g.clone();
            for (int i = 0; i < w.length; i++) {
                update[i] += DECAY * w[i];
            }
            double paramNorm = Math.max(norm(w), minNorm);
            double updateNorm = Math.max(norm(update), minNorm);
            double ratio = paramNorm == 0 || updateNorm == 0 ? 1 : TRUST * paramNorm / (updateNorm + eps);
            for (int i = 0; i < w.length; i++) {
                v[i] = -rate * ratio * update[i] + MOMENTUM * v[i];
                w[i] += nesterov ? -rate * ratio * update[i] + MOMENTUM * v[i] : v[i];
            }
        };
    }

    /**
     * You et al., Large Batch Optimization for Deep Learning (arXiv 1904.00962): the update u = g + λx of SGD is scaled
     * by φ(‖x‖) / ‖u‖, with φ(z) = min(max(z, lower), upper).
     */
    private static Source layerwise(double lower, double upper) {
        return (bias, first, w, v, g, rate, nesterov) -> {
            double[] u = g.clone();
            for (int i = 0; i < w.length; i++) {
                u[i] += DECAY * w[i];
            }
            double phi = Math.min(Math.max(norm(w), lower), upper);
            double ratio = phi / norm(u);
            for (int i = 0; i < w.length; i++) {
                w[i] -= rate * ratio * u[i];
            }
        };
    }

    /** jxbz/fromage at 1bbd9292, step, without p_bound. */
    private static final Source FROMAGE = (bias, first, w, v, g, rate, nesterov) -> {
        double factor = norm(w) > 0 && norm(g) > 0 ? norm(w) / norm(g) : 1;
        for (int i = 0; i < w.length; i++) {
            w[i] -= rate * g[i] * factor;
            w[i] /= Math.sqrt(1 + rate * rate);
        }
    };

    /** huggingface/pytorch-image-models at 44ed0f85, nvnovograd.py, with beta2 = 0 and without grad_averaging. */
    private static final Source NVIDIA_NOVOGRAD = (bias, first, w, v, g, rate, nesterov) -> {
        double denominator = norm(g) + 1e-8;
        for (int i = 0; i < w.length; i++) {
            v[i] = MOMENTUM * v[i] + g[i] / denominator + DECAY * w[i];
            w[i] -= rate * v[i];
        }
    };

    /**
     * tensorflow/addons at 0f566af9, novograd.py, with beta_2 = 0 and grad_averaging; the kernel
     * ApplyKerasMomentum has the learning rate in the momentum.
     */
    private static final Source ADDONS_NOVOGRAD = (bias, first, w, v, g, rate, nesterov) -> {
        for (int i = 0; i < w.length; i++) {
            double grad = g[i] / (norm(g) + 1e-7) + DECAY * w[i];
            v[i] = MOMENTUM * v[i] - (first ? 1 : 1 - MOMENTUM) * grad * rate;
        }
        for (int i = 0; i < w.length; i++) {
            w[i] += v[i];
        }
    };

    /** fastai/fastai at 0a20fa1b, weight_decay and sgd_step of gradients that have been halved. */
    private static final Source DECOUPLED_DECAY = (bias, first, w, v, g, rate, nesterov) -> {
        for (int i = 0; i < w.length; i++) {
            w[i] = w[i] * (1 - rate * DECAY) - rate * 0.5 * g[i];
        }
    };

    /** huggingface/pytorch-image-models at 15d1dbc8, agc.py, with the norm of tensors of one dimension; then PADDLE. */
    private static final Source CLIPPED = (bias, first, w, v, g, rate, nesterov) -> {
        double maxNorm = Math.max(norm(w), 1e-3) * 0.05;
        double[] clipped = g.clone();
        for (int i = 0; i < w.length && !(norm(g) < maxNorm); i++) {
            clipped[i] = g[i] * (maxNorm / Math.max(norm(g), 1e-6));
        }
        PADDLE.step(bias, first, w, v, clipped, rate, nesterov);
    };

    /** apache/mxnet at 43f08cda, optimizer.py, LBSGD with warmup_strategy "lars": _get_lars of sums of squares, and the kernel sgd_mom_update. */
    private static final Source LBSGD = (bias, first, w, v, g, rate, nesterov) -> {
        double weight2 = norm(w) * norm(w);
        double grad2 = norm(g) * norm(g);
        double lars = Math.sqrt(weight2 / (grad2 + DECAY * weight2 + 1e-18));
        double scaledRate = rate * Math.min(Math.max(lars, 0.01), 100);
        for (int i = 0; i < w.length; i++) {
            v[i] = MOMENTUM * v[i] - scaledRate * (g[i] + DECAY * w[i]);
            w[i] += v[i];
        }
    };

    /** {@code torch.optim.SGD} as its documentation gives it, with dampening 0. */
    private static final Source SGD = (bias, first, w, v, g, rate, nesterov) -> {
        for (int i = 0; i < w.length; i++) {
            double grad = g[i] + DECAY * w[i];
            v[i] = first ? grad : MOMENTUM * v[i] + grad;
            w[i] -= rate * (nesterov ? grad + MOMENTUM * v[i] : v[i]);
        }
    };

    private static double norm(double[] values) {
        double squares = 0;
        for (double value : values) {
            squares += value * value;
        }
        return Math.sqrt(squares);
    }

    private static float[] gradient(int step) {
        Random random = new Random(step);
        float[] g = new float[(int) LAYERS.end()];
        for (Layer layer : LAYERS) {
            for (int i = (int) layer.offset(); i < layer.end(); i++) {
                g[i] = (float) random.nextGaussian() * (layer.name().equals("tiny") ? 1e-7f : 0.1f);
            }
        }
        return g;
    }

    /** Returns the largest difference of a weight after any step, relative to the norm of its layer. */
    private static double apart(Source source, Lars.Builder builder, boolean nesterov) {
        float[] params = new float[(int) LAYERS.end()];
        Random random = new Random(9);
        for (int i = 0; i < LAYERS.get(2).offset(); i++) {
            params[i] = (float) random.nextGaussian() * (i < LAYERS.get(1).offset() ? 1 : 1e-6f);
        }
        double[][] w = new double[LAYERS.size()][];
        double[][] v = new double[LAYERS.size()][];
        for (int l = 0; l < LAYERS.size(); l++) {
            w[l] = cut(params, LAYERS.get(l));
            v[l] = new double[w[l].length];
        }
        double apart = 0;
        try (Lars lars = builder.learningRate(step -> RATES[(int) step])
                .nesterov(nesterov)
                .build()) {
            for (int step = 0; step < RATES.length; step++) {
                float[] g = gradient(step);
                lars.step(params, g);
                for (int l = 0; l < LAYERS.size(); l++) {
                    source.step(l == 3, step == 0, w[l], v[l], cut(g, LAYERS.get(l)), RATES[step], nesterov);
                    double[] own = cut(params, LAYERS.get(l));
                    double largest = norm(w[l]);
                    for (int i = 0; i < own.length; i++) {
                        apart = Math.max(apart, Math.abs(own[i] - w[l][i]) / largest);
                    }
                }
            }
        }
        return apart;
    }

    private static double[] cut(float[] array, Layer layer) {
        double[] cut = new double[(int) layer.length()];
        for (int i = 0; i < cut.length; i++) {
            cut[i] = array[(int) layer.offset() + i];
        }
        return cut;
    }

    private static Lars.Builder of(Rule rule) {
        return of(rule, LAYERS);
    }

    private static Lars.Builder of(Rule rule, Layers layers) {
        return Lars.builder(layers)
                .rule(rule)
                .trustCoefficient(TRUST)
                .weightDecay(DECAY)
                .momentum(MOMENTUM);
    }

    /** Asserts that a rule is a source, and that without a part of the rule the result is another. */
    private static void assertSame(Source source, Lars.Builder builder, Lars.Builder without, boolean nesterov) {
        assertEquals(0, apart(source, builder, nesterov), 1e-6);
        double off = apart(source, without, nesterov);
        assertTrue(off > 1e-3, () -> "without it, the result is only " + off + " off");
    }

    @Test
    void mlperfIsThePapersWithKerasEpsilon() {
        for (boolean nesterov : new boolean[] {false, true}) {
            assertSame(MLPERF, of(Dialects.MLPERF), of(Dialects.PAPER), nesterov);
        }
    }

    @Test
    void tensorFlowModelsIsOptax() {
        for (boolean nesterov : new boolean[] {false, true}) {
            assertEquals(0, apart(TENSORFLOW_MODELS, of(Dialects.OPTAX), nesterov), 1e-6);
        }
    }

    @Test
    void pytorchOptimizerStartsWithItsFirstGradients() {
        Rule rule = Dialects.PYTORCH_OPTIMIZER;
        for (boolean nesterov : new boolean[] {false, true}) {
            assertEquals(0, apart(PYTORCH_OPTIMIZER, of(rule).momentumBuffer(gradient(0)), nesterov), 1e-6);
            double without = apart(PYTORCH_OPTIMIZER, of(rule), nesterov);
            assertTrue(without > 0.1, () -> "without, it is only " + without + " off");
        }
    }

    @Test
    void tensorFlowContrib() {
        Rule decayed = Dialects.TF_CONTRIB.withDecay(Decay.SCALED);
        for (boolean nesterov : new boolean[] {false, true}) {
            assertSame(TF_CONTRIB, of(Dialects.TF_CONTRIB), of(decayed), nesterov);
        }
    }

    @Test
    void mxnet() {
        assertSame(MXNET, of(Dialects.MXNET), of(Dialects.PAPER), false);
    }

    @Test
    void paddle() {
        Layers undecayed = layers(new Treatment(false, true, 1));
        assertSame(PADDLE, of(Dialects.PADDLE, undecayed), of(Dialects.PAPER, undecayed), false);
    }

    @Test
    void colossalAi() {
        Rule unbounded = new Rule(Ratio.SUM, Entry.UPDATE, ZeroNorm.ONE, false, true, 0);
        assertEquals(0, apart(colossalAi(TRUST), of(Dialects.COLOSSAL_AI), false), 1e-6);
        assertSame(
                colossalAi(20),
                of(Dialects.COLOSSAL_AI).trustCoefficient(20),
                of(unbounded).trustCoefficient(20),
                false);
    }

    @Test
    void floorsOfOptax() {
        Rule rule = Dialects.OPTAX.withEpsilon(1e-4);
        Rule floors = rule.withWeightNormBounds(0.01, Double.POSITIVE_INFINITY).withGradientNormFloor(0.01);
        for (boolean nesterov : new boolean[] {false, true}) {
            assertSame(optax(0.01, 1e-4), of(floors, ALL_FULL), of(rule, ALL_FULL), nesterov);
        }
    }

    @Test
    void boundsOfLamb() {
        Rule rule = new Rule(Ratio.DECAYED, Entry.VELOCITY, ZeroNorm.FORMULA, false, true, 0);
        Lars.Builder bounded = of(rule.withWeightNormBounds(0.5, 2), ALL_FULL);
        assertSame(
                layerwise(0.5, 2),
                bounded.trustCoefficient(1).momentum(0),
                of(rule, ALL_FULL).trustCoefficient(1).momentum(0),
                false);
    }

    @Test
    void fromage() {
        Rule rule = new Rule(Ratio.RAW, Entry.VELOCITY, ZeroNorm.ONE, false, true, 0);
        assertSame(
                FROMAGE,
                of(rule.withShrink(true), ALL_FULL)
                        .trustCoefficient(1)
                        .weightDecay(0)
                        .momentum(0),
                of(rule, ALL_FULL).trustCoefficient(1).weightDecay(0).momentum(0),
                false);
    }

    @Test
    void novoGradWithoutAverage() {
        Rule nvidia = new Rule(Ratio.NORMALIZED, Entry.GRADIENT, ZeroNorm.FORMULA, false, true, 1e-8);
        assertSame(
                NVIDIA_NOVOGRAD,
                of(nvidia.withDecay(Decay.BESIDE_RATIO), ALL_FULL).trustCoefficient(1),
                of(nvidia, ALL_FULL).trustCoefficient(1),
                false);
        Rule addons = new Rule(Ratio.NORMALIZED, Entry.VELOCITY, ZeroNorm.FORMULA, false, true, 1e-7);
        assertSame(
                ADDONS_NOVOGRAD,
                of(addons.withDecay(Decay.BESIDE_RATIO), ALL_FULL)
                        .trustCoefficient(1)
                        .dampening(MOMENTUM),
                of(addons, ALL_FULL).trustCoefficient(1).dampening(MOMENTUM),
                false);
    }

    @Test
    void decoupledDecayWithoutMomentum() {
        // With a ratio of 0.5 for all, the decay must not be halved.
        Rule half = Rule.of("half", Entry.VELOCITY, false, (w, g, p, eta, decay, rate, layer, step) -> 0.5);
        assertSame(
                DECOUPLED_DECAY,
                of(half.withDecay(Decay.BESIDE_RATIO), ALL_FULL).momentum(0),
                of(half, ALL_FULL).momentum(0),
                false);
    }

    @Test
    void clippingByLayer() {
        assertSame(CLIPPED, of(Dialects.PADDLE.withGradientClip(0.05, 1e-3)), of(Dialects.PADDLE), false);
    }

    @Test
    void lbsgdHasARatioOfItsOwn() {
        Rule rule = Rule.of(
                "mxnet-lbsgd",
                Entry.VELOCITY,
                false,
                (weightNorm, gradientNorm, products, eta, decay, rate, layer, step) -> Math.sqrt(weightNorm
                        * weightNorm
                        / (gradientNorm * gradientNorm + decay * weightNorm * weightNorm + 1e-18)));
        assertSame(LBSGD, of(rule.withRatioBounds(0.01, 100), ALL_FULL), of(rule, ALL_FULL), false);
    }

    @Test
    void aRuleWithRatioOneIsSgd() {
        for (Rule rule : new Rule[] {Dialects.BARLOW_TWINS, Dialects.apexLarc(true), Dialects.COLOSSAL_AI}) {
            Rule unit = rule.withRatio(Ratio.UNIT);
            for (boolean nesterov : new boolean[] {false, true}) {
                assertSame(SGD, of(unit, ALL_FULL), of(rule, ALL_FULL), nesterov);
            }
        }
    }

    /** Zhao et al., arXiv 2007.13985: u = βu + g/‖g‖ and w = w - ηu, with the norm of the whole gradient. */
    @Test
    void sngmIsSgdWithAScaleBetweenTheHalves() {
        float[] params = new float[(int) LAYERS.end()];
        Random random = new Random(3);
        for (int i = 0; i < params.length; i++) {
            params[i] = (float) random.nextGaussian();
        }
        double[] w = new double[params.length];
        double[] u = new double[params.length];
        Arrays.setAll(w, i -> params[i]);
        Rule sgd = Dialects.BARLOW_TWINS.withRatio(Ratio.UNIT);
        try (Lars lars = Lars.builder(ALL_FULL)
                .rule(sgd)
                .learningRate(0.1)
                .momentum(MOMENTUM)
                .build()) {
            for (int step = 0; step < 5; step++) {
                float[] g = gradient(step);
                Gradients scaled = Gradients.of(g);
                LayerSums sums = lars.measure(params, scaled);
                double squares = 0;
                for (int l = 0; l < sums.layers().size(); l++) {
                    squares += sums.gradients(l);
                }
                lars.update(params, scaled.scale(1 / Math.sqrt(squares)), sums);
                double[] all = new double[g.length];
                Arrays.setAll(all, i -> g[i]);
                for (int i = 0; i < w.length; i++) {
                    u[i] = MOMENTUM * u[i] + all[i] / norm(all);
                    w[i] -= 0.1 * u[i];
                    assertEquals(w[i], params[i], 1e-6);
                }
            }
        }
    }
}
