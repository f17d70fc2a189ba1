package io.github.lars4j.rule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Lars;
import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.rule.Rule.Entry;
import io.github.lars4j.rule.Rule.Ratio;
import io.github.lars4j.rule.Rule.ZeroNorm;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Compares the rules with other implementations that have no recordings, by their formulas in double. */
class SourcesTest {

    private static final double TRUST = 0.01;
    private static final double DECAY = 0.05;
    private static final double MOMENTUM = 0.9;
    private static final double[] RATES = {0.5, 1, 2, 1.5, 0.25};

    /** A matrix, a matrix so small that ε matters, a matrix that starts at zero, and a bias. */
    private static final Layers LAYERS = Layers.builder()
            .addTensor("weight", 5, 3)
            .addTensor("tiny", 4, 2)
            .addTensor("zero", 2, 2)
            .addTensor("bias", 5)
            .treatOneDimensional(Treatment.PLAIN)
            .build();

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
                .trustCoefficient(TRUST)
                .weightDecay(DECAY)
                .momentum(MOMENTUM)
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
        return Lars.builder(LAYERS).rule(rule);
    }

    @Test
    void mlperfIsThePapersWithKerasEpsilon() {
        for (boolean nesterov : new boolean[] {false, true}) {
            assertEquals(0, apart(MLPERF, of(Dialects.PAPER.withEpsilon(1e-7)), nesterov), 1e-6);
            double without = apart(MLPERF, of(Dialects.PAPER), nesterov);
            assertTrue(without > 1e-3, () -> "with an epsilon of 0 it is only " + without + " off");
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
        Rule rule = new Rule(Ratio.RAW, Entry.GRADIENT, ZeroNorm.ONE, false, true, 0);
        for (boolean nesterov : new boolean[] {false, true}) {
            assertEquals(0, apart(PYTORCH_OPTIMIZER, of(rule).momentumBuffer(gradient(0)), nesterov), 1e-6);
            double without = apart(PYTORCH_OPTIMIZER, of(rule), nesterov);
            assertTrue(without > 0.1, () -> "without, it is only " + without + " off");
        }
    }
}
