package io.github.lars4j.bench.arms;

/**
 * LARS written by hand after the common PyTorch snippet: one array per tensor, and one array operation after another,
 * each with its result in a new array. Unlike the snippet, it does not add the decay into the caller's gradient, which
 * would be one more pass.
 */
public final class NaiveLars {

    private final float rate;
    private final float momentum;
    private final float weightDecay;
    private final boolean nesterov;
    private final float eta;
    private final float[][] buffers;

    /** Makes an optimizer for {@code tensors} tensors, without dampening. */
    public NaiveLars(int tensors, float rate, float momentum, float weightDecay, boolean nesterov, float eta) {
        this.rate = rate;
        this.momentum = momentum;
        this.weightDecay = weightDecay;
        this.nesterov = nesterov;
        this.eta = eta;
        this.buffers = new float[tensors][];
    }

    /** Takes a step on all tensors. */
    public void step(float[][] params, float[][] grads) {
        for (int t = 0; t < params.length; t++) {
            float[] p = params[t];
            float[] d = grads[t];
            double norm = norm(d);
            if (weightDecay != 0) {
                d = add(d, weightDecay, p);
                norm += weightDecay * norm(p);
            }
            if (momentum != 0) {
                if (buffers[t] == null) {
                    buffers[t] = d.clone();
                } else {
                    buffers[t] = add(d, momentum, buffers[t]);
                }
                d = nesterov ? add(d, momentum, buffers[t]) : buffers[t];
            }
            double rho = eta * norm(p) / (1e-15 + norm);
            float factor = (float) (-rate * rho);
            for (int i = 0; i < p.length; i++) {
                p[i] += factor * d[i];
            }
        }
    }

    /** The momentum of a tensor; {@code null} before its first step. */
    float[] buffer(int tensor) {
        return buffers[tensor];
    }

    private static float[] add(float[] a, float factor, float[] b) {
        float[] sum = new float[a.length];
        for (int i = 0; i < a.length; i++) {
            sum[i] = a[i] + factor * b[i];
        }
        return sum;
    }

    private static double norm(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += (double) value * value;
        }
        return Math.sqrt(sum);
    }
}
