package io.github.lars4j.bench.arms;

import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.internal.passes.Coefficients;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;

/**
 * The fastest whole step found in plain Java, without hand-written SIMD and without the library's order of summation:
 * the code that SIMD has to beat. It makes two passes with sums in double, and supports rules that do not need Σw·g.
 *
 * <p>The JIT does not vectorise one floating-point sum, but it vectorises many sums side by side in an array.
 */
final class ScalarLars {

    /** Number of sums side by side: enough for the JIT's main loop, and few enough for the L1 cache. */
    private static final int LANES = 256;

    private final Layers layers;
    private final Hyperparameters hyper;
    private final double rate;
    private final boolean allSumsFirst;
    private final Coefficients coefficients;
    private final boolean[] begun;
    private final double[] lanes = new double[LANES];

    /**
     * Makes an optimizer that has not taken a step.
     *
     * @param allSumsFirst whether all sums are taken before the first write; otherwise each layer finishes before the
     *     next
     */
    ScalarLars(Layers layers, Hyperparameters hyper, double rate, boolean allSumsFirst) {
        this.layers = layers;
        this.hyper = hyper;
        this.rate = rate;
        this.allSumsFirst = allSumsFirst;
        this.coefficients = new Coefficients(layers.size());
        this.begun = new boolean[layers.size()];
    }

    /** Takes a step. */
    void step(float[] weights, float[] gradients, float[] momentum) {
        for (int i = 0; i < layers.size(); i++) {
            settle(i, weights, gradients);
            if (!allSumsFirst) {
                write(i, weights, gradients, momentum);
            }
        }
        for (int i = 0; allSumsFirst && i < layers.size(); i++) {
            write(i, weights, gradients, momentum);
        }
    }

    private void settle(int index, float[] weights, float[] gradients) {
        Layer layer = layers.get(index);
        int from = (int) layer.offset();
        int to = (int) layer.end();
        double ww = squares(weights, from, to);
        double gg = squares(gradients, from, to);
        if (!Double.isFinite(ww) || !Double.isFinite(gg)) {
            throw new IllegalStateException("layer \"" + layer.name() + "\" is not finite");
        }
        Rule rule = hyper.rule();
        boolean adapt = layer.treatment().adapt();
        double decay = layer.treatment().decay() ? hyper.weightDecay() : 0;
        double layerRate = rate * layer.treatment().rateFactor();
        double ratio = rule.trustRatio(adapt, hyper.trustCoefficient(), decay, layerRate, ww, gg, 0);
        double effective = rule.effectiveDecay(adapt, decay, ww, gg, 0);
        coefficients.set(
                index,
                hyper.rule(),
                hyper.momentum(),
                hyper.dampening(),
                hyper.nesterov(),
                effective,
                ratio,
                layerRate,
                1,
                !begun[index],
                1);
        begun[index] = true;
    }

    /** The sum of squares of {@code values[from, to)}: the library's terms in another order. */
    double squares(float[] values, int from, int to) {
        int i = from;
        double s0 = 0;
        double s1 = 0;
        double s2 = 0;
        double s3 = 0;
        if (to - from >= 4 * LANES) {
            for (int lane = 0; lane < LANES; lane++) {
                lanes[lane] = 0;
            }
            for (; i <= to - LANES; i += LANES) {
                addSquares(values, i, lanes);
            }
            for (int lane = 0; lane < LANES; lane += 4) {
                s0 += lanes[lane];
                s1 += lanes[lane + 1];
                s2 += lanes[lane + 2];
                s3 += lanes[lane + 3];
            }
        }
        for (; i <= to - 4; i += 4) {
            double x0 = values[i];
            double x1 = values[i + 1];
            double x2 = values[i + 2];
            double x3 = values[i + 3];
            s0 += x0 * x0;
            s1 += x1 * x1;
            s2 += x2 * x2;
            s3 += x3 * x3;
        }
        for (; i < to; i++) {
            double x = values[i];
            s0 += x * x;
        }
        return s0 + s1 + (s2 + s3);
    }

    private static void addSquares(float[] values, int from, double[] lanes) {
        for (int lane = 0; lane < LANES; lane++) {
            double x = values[from + lane];
            lanes[lane] += x * x;
        }
    }

    private void write(int index, float[] weights, float[] gradients, float[] momentum) {
        Layer layer = layers.get(index);
        Coefficients c = coefficients;
        update(
                weights,
                gradients,
                momentum,
                (int) layer.offset(),
                (int) layer.end(),
                c.a[index],
                c.b[index],
                c.m[index],
                c.p[index],
                c.v[index]);
    }

    private static void update(
            float[] weights,
            float[] gradients,
            float[] momentum,
            int from,
            int to,
            float a,
            float b,
            float m,
            float p,
            float v) {
        for (int i = from; i < to; i++) {
            float w = weights[i];
            float in = a * gradients[i] + b * w;
            float moved = m * momentum[i] + in;
            momentum[i] = moved;
            weights[i] = w - (p * in + v * moved);
        }
    }
}
