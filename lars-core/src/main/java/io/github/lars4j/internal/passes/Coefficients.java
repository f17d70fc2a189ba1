package io.github.lars4j.internal.passes;

import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;

/**
 * What pass 2 multiplies by, for every layer: {@code p = A g + B w;  v = M v + p;  w = w - (P p + V v)}, and without
 * momentum {@code w = w - P p}. Computed in double, rounded to float once. Internal: may change at any time.
 */
public final class Coefficients {
    /** A: gradient into the momentum. */
    public final float[] a;
    /** B: weight decay into the momentum. */
    public final float[] b;
    /** M: momentum that is kept. */
    public final float[] m;
    /** P: incoming term out to the weights. */
    public final float[] p;
    /** V: momentum out to the weights. */
    public final float[] v;

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
     * @param layer index of the layer
     * @param hyper the hyperparameters
     * @param decay β that takes part, as from {@link Rule#effectiveDecay}
     * @param ratio r, as from {@link Rule#trustRatio}
     * @param learningRate γ of this layer
     * @param gradientScale s, what the gradient in memory is multiplied by
     * @param first whether this is the layer's first step, which is not dampened; without momentum none is
     * @param correction what the learning rate's change multiplies the momentum by; 1 for none
     * @return whether all of them are finite
     */
    public boolean set(
            int layer,
            Hyperparameters hyper,
            double decay,
            double ratio,
            double learningRate,
            double gradientScale,
            boolean first,
            double correction) {
        Rule.Entry entry = hyper.rule().entry();
        // Dampening acts on the way into the buffer: without momentum there is none.
        boolean dampened = !first && hyper.momentum() != 0;
        double in = (dampened ? 1 - hyper.dampening() : 1) * entry.in(learningRate, ratio);
        double out = entry.out(learningRate, ratio);
        a[layer] = (float) (in * gradientScale);
        b[layer] = (float) (in * decay);
        m[layer] = (float) (hyper.momentum() * correction);
        p[layer] = hyper.momentum() == 0 || hyper.nesterov() ? (float) out : 0;
        v[layer] = (float) (hyper.nesterov() ? out * hyper.momentum() : out);
        return Float.isFinite(a[layer])
                && Float.isFinite(b[layer])
                && Float.isFinite(m[layer])
                && Float.isFinite(p[layer])
                && Float.isFinite(v[layer]);
    }
}
