package io.github.lars4j;

import io.github.lars4j.internal.kernel.KernelOracle;
import io.github.lars4j.rule.Rule;
import java.util.Arrays;
import java.util.BitSet;

/**
 * An oracle of whole steps, to the bit, in which every layer has numbers of its own that may differ in every step. It
 * knows no groups, settings or schedules, and shares only the formulas of the trust ratio with the main code.
 */
final class LayerwiseOracle {

    private static final int BLOCK = 4096;

    /** The numbers of a layer in one step. The learning rate contains all factors, the weight decay is 0 if excluded. */
    record Numbers(
            Rule rule,
            boolean adapt,
            double trustCoefficient,
            double decay,
            double rate,
            double momentum,
            double dampening,
            boolean nesterov,
            boolean correct) {}

    /** The weights and the momentum. */
    final float[] w;

    final float[] v;
    /** The trust ratios of the last step; NaN for layers without one. */
    final double[] ratios;

    private final boolean[] begun;
    private final double[] lastRates;
    private final double[] lastCoefficients;

    /**
     * Creates an oracle.
     *
     * @param w the weights, not copied
     * @param layers the greatest number of layers
     */
    LayerwiseOracle(float[] w, int layers) {
        this.w = w;
        this.v = new float[w.length];
        this.ratios = new double[layers];
        this.begun = new boolean[layers];
        this.lastRates = new double[layers];
        this.lastCoefficients = new double[layers];
    }

    /** Sets a layer's momentum to 0, so that its next step is its first with momentum. */
    void loseMomentum(int layer, Layer at) {
        Arrays.fill(v, (int) at.offset(), (int) at.end(), 0);
        begun[layer] = false;
    }

    /** Takes a step; {@code left} are the layers that it leaves alone. */
    void step(Layers layers, Numbers[] numbers, float[] g, double scale, BitSet left) {
        Arrays.fill(ratios, Double.NaN);
        for (int i = 0; i < layers.size(); i++) {
            if (numbers[i].momentum == 0) {
                loseMomentum(i, layers.get(i));
            }
            if (!left.get(i)) {
                step(i, layers.get(i), numbers[i], g, scale);
            }
        }
    }

    private void step(int i, Layer layer, Numbers n, float[] g, double scale) {
        int from = (int) layer.offset();
        int length = (int) layer.length();
        double ww = sum(w, w, from, length);
        double gg = scale * scale * sum(g, g, from, length);
        double wg = scale * sum(w, g, from, length);
        double ratio = n.rule.trustRatio(n.adapt, n.trustCoefficient, n.decay, n.rate, ww, gg, wg);
        double beta = n.rule.effectiveDecay(n.adapt, n.decay, ww, gg, wg);
        double in = 1;
        double out = 1;
        switch (n.rule.entry()) {
            case VELOCITY -> in = n.rate * ratio;
            case GRADIENT -> {
                in = ratio;
                out = n.rate;
            }
            case UPDATE -> out = n.rate * ratio;
        }
        boolean later = begun[i] && n.momentum != 0;
        if (later) {
            in *= 1 - n.dampening;
        }
        boolean proportional = n.adapt && (n.decay != 0 || n.rule.adaptWithoutDecay()) && n.rate > 0;
        double correction = 1;
        if (n.correct && later && lastRates[i] > 0) {
            correction = n.rate / lastRates[i];
            if (proportional && lastCoefficients[i] > 0) {
                correction *= n.trustCoefficient / lastCoefficients[i];
            }
        }
        float a = (float) (in * scale);
        float b = (float) (in * beta);
        if (n.momentum == 0) {
            KernelOracle.update(w, g, from, length, a, b, (float) out);
        } else {
            float p = n.nesterov ? (float) out : 0;
            float q = (float) (n.nesterov ? out * n.momentum : out);
            KernelOracle.update(w, g, v, from, length, a, b, (float) (n.momentum * correction), p, q);
        }
        begun[i] = n.momentum != 0;
        lastRates[i] = n.rate;
        lastCoefficients[i] = proportional ? n.trustCoefficient : 0;
        ratios[i] = ratio;
    }

    private static double sum(float[] x, float[] y, int from, int length) {
        double[] blocks = new double[Math.ceilDiv(length, BLOCK)];
        for (int b = 0; b < blocks.length; b++) {
            blocks[b] = KernelOracle.products(x, y, from + b * BLOCK, Math.min(BLOCK, length - b * BLOCK));
        }
        return KernelOracle.pairwise(blocks, 0, blocks.length);
    }
}
