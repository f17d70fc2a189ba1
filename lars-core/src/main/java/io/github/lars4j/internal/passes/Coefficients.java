package io.github.lars4j.internal.passes;

import io.github.lars4j.rule.Rule;

/**
 * The coefficients of the update of every layer: {@code p = A g + B w;  v = M v + p;  w = w - (P p + V v)}, and without
 * momentum {@code w = w - P p}. They are computed in double and rounded to float once.
 */
public final class Coefficients {
    /** A: the factor of the gradient in p. */
    public final float[] a;
    /** B: the factor of the weight in p (weight decay). */
    public final float[] b;
    /** M: the factor of the old momentum in the new momentum. */
    public final float[] m;
    /** P: the factor of p in the update of the weight. */
    public final float[] p;
    /** V: the factor of the new momentum in the update of the weight. */
    public final float[] v;

    /** Creates the coefficients of so many layers, all 0. */
    public Coefficients(int layers) {
        a = new float[layers];
        b = new float[layers];
        m = new float[layers];
        p = new float[layers];
        v = new float[layers];
    }

    /**
     * Sets a layer's coefficients.
     *
     * @param layer the index of the layer
     * @param rule the variant of LARS
     * @param momentum the momentum μ of this layer; 0 if it has none
     * @param dampening the dampening δ
     * @param nesterov whether to use Nesterov momentum
     * @param decay the weight decay of this layer, the result of {@link Rule#effectiveDecay}
     * @param ratio the trust ratio, the result of {@link Rule#trustRatio}
     * @param learningRate the learning rate of this layer
     * @param gradientScale the factor of the gradient in memory
     * @param first whether this is the layer's first step, in which the gradient is not dampened
     * @param correction the factor of the old momentum after a change of the learning rate; 1 if there is none
     * @return whether all coefficients are finite as floats
     */
    public boolean set(
            int layer,
            Rule rule,
            double momentum,
            double dampening,
            boolean nesterov,
            double decay,
            double ratio,
            double learningRate,
            double gradientScale,
            boolean first,
            double correction) {
        Rule.Entry entry = rule.entry();
        // Dampening scales what is added to the momentum buffer: without momentum there is nothing to dampen.
        boolean dampened = !first && momentum != 0;
        double undampened = dampened ? 1 - dampening : 1;
        double in = undampened * entry.in(learningRate, ratio);
        double out = entry.out(learningRate, ratio);
        double decayIn = rule.decay() == Rule.Decay.SCALED ? in : decayIn(rule, undampened, learningRate);
        a[layer] = (float) (in * gradientScale);
        b[layer] = (float) (decayIn * decay);
        if (rule.shrink()) {
            shrink(layer, in * gradientScale, decayIn * decay, learningRate);
        }
        m[layer] = (float) (momentum * correction);
        p[layer] = momentum == 0 || nesterov ? (float) out : 0;
        v[layer] = (float) (nesterov ? out * momentum : out);
        return Float.isFinite(a[layer])
                && Float.isFinite(b[layer])
                && Float.isFinite(m[layer])
                && Float.isFinite(p[layer])
                && Float.isFinite(v[layer]);
    }

    /** Returns the factor of weight decay that the trust ratio does not multiply. */
    private static double decayIn(Rule rule, double undampened, double learningRate) {
        return rule.decay() == Rule.Decay.BESIDE_RATIO
                ? undampened * rule.entry().in(learningRate, 1)
                : 0;
    }

    /** Sets A and B so that the updated weight is divided by h = √(1 + γ²). */
    private void shrink(int layer, double wholeA, double wholeB, double learningRate) {
        // (w - Ag - Bw) / h = w - (A/h)g - (B/h + 1 - 1/h)w, and 1 - 1/h = γ²/(h(1 + h)).
        double h = Math.sqrt(1 + learningRate * learningRate);
        a[layer] = (float) (wholeA / h);
        b[layer] = (float) (wholeB / h + learningRate * learningRate / (h * (1 + h)));
    }
}
