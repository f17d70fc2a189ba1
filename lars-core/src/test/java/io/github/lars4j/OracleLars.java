package io.github.lars4j;

import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import java.util.Arrays;
import java.util.BitSet;

/**
 * The oracle: LARS in double, formula by formula as in the papers. It shares no computation with the main code, only
 * the records for hyperparameters and layers.
 */
public final class OracleLars {

    /** Unit roundoff of a float. */
    static final double U = 0x1p-24;

    private final Layers layers;
    private final Hyperparameters hyper;
    private final double maxGradientNorm;
    private final boolean[] begun;
    private final double[] lastRates;

    /** The weights and the momentum after the last step. */
    double[] w;

    double[] v;
    /** The maximum error of float code against them: at most eight roundings of each term, and underflow. */
    double[] boundOfW;

    double[] boundOfV;
    /** The trust ratio of each layer in the last step, or NaN if the layer had no gradient. */
    double[] ratios;
    /** Layers that the last step skipped because a weight or a coefficient was not a finite float. */
    boolean[] refused;

    OracleLars(Layers layers, Hyperparameters hyper, double maxGradientNorm) {
        this.layers = layers;
        this.hyper = hyper;
        this.maxGradientNorm = maxGradientNorm;
        this.begun = new boolean[layers.size()];
        this.lastRates = new double[layers.size()];
    }

    /** Takes a step from the given state. */
    void step(float[] weights, float[] momentum, float[] gradients, double rate, double scale, BitSet missing) {
        int n = weights.length;
        w = new double[n];
        v = new double[n];
        boundOfW = new double[n];
        boundOfV = new double[n];
        for (int e = 0; e < n; e++) {
            w[e] = weights[e];
            v[e] = momentum == null || e >= momentum.length ? 0 : momentum[e];
        }
        ratios = new double[layers.size()];
        Arrays.fill(ratios, Double.NaN);
        refused = new boolean[layers.size()];
        double squares = 0;
        for (int i = 0; i < layers.size(); i++) {
            for (int e = from(i); e < to(i) && !missing.get(i); e++) {
                squares += (double) gradients[e] * gradients[e];
            }
        }
        double norm = scale * Math.sqrt(squares);
        double s = norm > maxGradientNorm ? scale * maxGradientNorm / norm : scale;
        for (int i = 0; i < layers.size(); i++) {
            if (!missing.get(i)) {
                step(i, gradients, rate, s);
            }
        }
    }

    private void step(int i, float[] gradients, double rate, double common) {
        Treatment treatment = layers.get(i).treatment();
        Rule rule = hyper.rule();
        double gamma = rate * treatment.rateFactor();
        double beta = treatment.decay() ? hyper.weightDecay() : 0;
        double ww = 0;
        double all = 0;
        for (int e = from(i); e < to(i); e++) {
            ww += w[e] * w[e];
            all += common * gradients[e] * common * gradients[e];
        }
        // Adaptive clipping: g is multiplied by λ max(‖w‖, ε) / ‖g‖ if ‖g‖ is larger than that product.
        double most = rule.gradientClip() * Math.max(Math.sqrt(ww), rule.gradientClipFloor());
        double s = Math.sqrt(all) > most ? common * (most / Math.sqrt(all)) : common;
        double gg = 0;
        double dd = 0;
        for (int e = from(i); e < to(i); e++) {
            double g = s * gradients[e];
            gg += g * g;
            dd += (g + beta * w[e]) * (g + beta * w[e]);
        }
        if (!Double.isFinite(ww)) {
            refused[i] = true;
            return;
        }
        double[] r = ratioAndDecay(rule, treatment.adapt(), hyper.trustCoefficient(), beta, gamma, ww, gg, dd);
        ratios[i] = r[0];
        double a = 0;
        double c = 0;
        switch (rule.entry()) {
            case VELOCITY -> {
                a = gamma * r[0];
                c = 1;
            }
            case GRADIENT -> {
                a = r[0];
                c = gamma;
            }
            case UPDATE -> {
                a = 1;
                c = gamma * r[0];
            }
        }
        double mu = hyper.momentum();
        // Dampening applies to additions to a momentum buffer: not without momentum, and not in the first step.
        double damped = begun[i] && mu != 0 ? 1 - hyper.dampening() : 1;
        double kept =
                hyper.momentumCorrection() && mu != 0 && begun[i] && lastRates[i] > 0 ? mu * gamma / lastRates[i] : mu;
        double bigA = damped * a * s;
        double bigB = switch (rule.decay()) {
            case SCALED -> damped * a * r[1];
            // a without the ratio.
            case BESIDE_RATIO -> damped * (rule.entry() == Rule.Entry.VELOCITY ? gamma : 1) * r[1];
            case RATIO_ONLY -> 0;
        };
        double h = rule.shrink() ? Math.sqrt(1 + gamma * gamma) : 1;
        if (!finite(bigA) || !finite(bigB) || !finite(c) || !finite(kept)) {
            refused[i] = true;
            return;
        }
        for (int e = from(i); e < to(i); e++) {
            double p = bigA * gradients[e] + bigB * w[e];
            double terms = Math.abs(bigA * gradients[e]) + Math.abs(bigB * w[e]);
            double moved = mu == 0 ? p : kept * v[e] + p;
            double movedTerms = mu == 0 ? terms : terms + Math.abs(kept * v[e]);
            double out = hyper.nesterov() ? c * (p + mu * moved) : c * moved;
            double outTerms = hyper.nesterov() ? c * (terms + mu * movedTerms) : c * movedTerms;
            outTerms += (1 - 1 / h) * Math.abs(w[e]);
            double tiny = Float.MIN_VALUE * (4 + Math.abs(gradients[e]) + Math.abs(w[e]) + Math.abs(v[e]));
            boundOfW[e] = 8.01 * U * (Math.abs(w[e]) + outTerms) + (1 + c) * tiny + Float.MIN_VALUE * movedTerms;
            boundOfV[e] = 8.01 * U * movedTerms + tiny;
            v[e] = mu == 0 ? 0 : moved;
            w[e] = (w[e] - out) / h;
        }
        begun[i] = true;
        lastRates[i] = gamma;
    }

    /**
     * A second implementation of the rule, written from its text.
     *
     * @param dd ‖g + βw‖²
     * @return the trust ratio and the effective weight decay
     */
    public static double[] ratioAndDecay(
            Rule rule, boolean adapt, double eta, double beta, double gamma, double ww, double gg, double dd) {
        if (!adapt) {
            return new double[] {1, beta};
        }
        if (beta == 0 && !rule.adaptWithoutDecay()) {
            return new double[] {1, beta};
        }
        double wNorm = Math.sqrt(ww);
        double gNorm = Math.sqrt(gg);
        double dNorm = Math.sqrt(dd);
        double phi = Math.min(
                Math.max(wNorm, rule.weightNormBounds().least()),
                rule.weightNormBounds().most());
        double divisor = 0;
        double factor = phi;
        boolean anyZero = false;
        switch (rule.ratio()) {
            case SUM -> {
                divisor = Math.max(gNorm, rule.gradientNormFloor());
                anyZero = phi == 0 || divisor == 0;
                divisor += beta * wNorm;
            }
            case DECAYED -> {
                divisor = Math.max(dNorm, rule.gradientNormFloor());
                anyZero = phi == 0 || divisor == 0;
            }
            case RAW -> {
                divisor = Math.max(gNorm, rule.gradientNormFloor());
                anyZero = phi == 0 || divisor == 0;
            }
            case NORMALIZED -> {
                divisor = Math.max(gNorm, rule.gradientNormFloor());
                factor = 1;
                anyZero = divisor == 0;
            }
            case UNIT -> {
                return new double[] {1, beta};
            }
            case OWN -> throw new AssertionError("the oracle does not know the formula of " + rule);
        }
        double r = eta * factor / (divisor + rule.epsilon());
        if (anyZero) {
            switch (rule.zeroNorm()) {
                case ONE -> r = 1;
                case SKIP -> {
                    return new double[] {1, 0};
                }
                case FORMULA -> {}
            }
        }
        if (!Double.isNaN(r)) {
            r = Math.min(
                    Math.max(r, rule.ratioBounds().least()), rule.ratioBounds().most());
        }
        return new double[] {rule.clip() ? Math.min(r / gamma, 1) : r, beta};
    }

    private static boolean finite(double coefficient) {
        return Float.isFinite((float) coefficient);
    }

    private int from(int i) {
        return (int) layers.get(i).offset();
    }

    private int to(int i) {
        return (int) (layers.get(i).offset() + layers.get(i).length());
    }
}
