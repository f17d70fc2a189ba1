package io.github.lars4j;

import java.util.Locale;

/**
 * What one step saw and did. Live: the optimizer rewrites it at its next step, and {@link #copy} keeps it. Reading it
 * allocates nothing, but for {@link #copy} and {@link #toString}.
 */
public final class StepReport {

    private final Outcome[] outcomes;
    private final double[] weightSquares;
    private final double[] gradientSquares;
    private final double[] trustRatios;
    private final double[] learningRates;
    private Layers layers;
    private long step;
    private double loss;
    private double learningRate;
    private double gradientScale;
    private double clipScale;
    private boolean refused;
    private long refusals;

    StepReport(Layers layers) {
        int n = layers.size();
        this.layers = layers;
        this.outcomes = new Outcome[n];
        this.weightSquares = new double[n];
        this.gradientSquares = new double[n];
        this.trustRatios = new double[n];
        this.learningRates = new double[n];
    }

    /** Starts the report of a step: nothing known of any layer yet. */
    void begin(Layers layers, long step, double loss, double learningRate, double gradientScale) {
        this.layers = layers;
        this.step = step;
        this.loss = loss;
        this.learningRate = learningRate;
        this.gradientScale = gradientScale;
        this.clipScale = 1;
        this.refused = false;
        for (int i = 0; i < outcomes.length; i++) {
            outcomes[i] = Outcome.NO_GRADIENT;
            weightSquares[i] = Double.NaN;
            gradientSquares[i] = Double.NaN;
            trustRatios[i] = Double.NaN;
            learningRates[i] = Double.NaN;
        }
    }

    /** What a layer's sums were, before it is decided what becomes of it. */
    void measured(int layer, double ww, double gg) {
        weightSquares[layer] = ww;
        gradientSquares[layer] = gg;
        outcomes[layer] = Outcome.HELD_BACK;
    }

    void decided(int layer, double learningRate, double trustRatio) {
        learningRates[layer] = learningRate;
        trustRatios[layer] = trustRatio;
    }

    void outcome(int layer, Outcome outcome) {
        outcomes[layer] = outcome;
    }

    void clipped(double scale) {
        clipScale = scale;
    }

    void ended(boolean refused, long refusals) {
        this.refused = refused;
        this.refusals = refusals;
    }

    /** The layers that this is about, by index, as the step treated them. */
    public Layers layers() {
        return layers;
    }

    /** Steps taken before this one. */
    public long step() {
        return step;
    }

    /** What the closure returned; NaN for a step without one. */
    public double loss() {
        return loss;
    }

    /** γ of this step, before any layer's rate factor. */
    public double learningRate() {
        return learningRate;
    }

    /** What the clip by global norm multiplied the gradients by: 1 where it did nothing. */
    public double clipScale() {
        return clipScale;
    }

    /** Whether the whole step was refused, so that nothing was written. */
    public boolean refused() {
        return refused;
    }

    /** Steps refused so far, this one counted in. */
    public long refusals() {
        return refusals;
    }

    /** What became of a layer. */
    public Outcome outcome(int layer) {
        return outcomes[layers.checked("layer", layer)];
    }

    /** Whether anything in any layer was not finite. */
    public boolean anyBad() {
        for (Outcome outcome : outcomes) {
            if (outcome.bad()) {
                return true;
            }
        }
        return false;
    }

    /** ‖w‖ of a layer before the step; NaN without a gradient. */
    public double weightNorm(int layer) {
        return Math.sqrt(weightSquares[layers.checked("layer", layer)]);
    }

    /** ‖g‖ of a layer, scaled as handed in, before the clip by global norm; NaN without a gradient. */
    public double gradientNorm(int layer) {
        return gradientScale * Math.sqrt(gradientSquares[layers.checked("layer", layer)]);
    }

    /** ‖g‖ over all layers whose sums are finite, scaled as handed in, before the clip by global norm. */
    public double gradientNorm() {
        double squares = 0;
        for (double layer : gradientSquares) {
            if (Double.isFinite(layer)) {
                squares += layer;
            }
        }
        return gradientScale * Math.sqrt(squares);
    }

    /** The layer's trust ratio, or NaN if the step stopped before computing it. */
    public double trustRatio(int layer) {
        return trustRatios[layers.checked("layer", layer)];
    }

    /** The layer's learning rate, its rate factor included, times its trust ratio; or NaN if the step stopped before computing it. */
    public double effectiveRate(int layer) {
        return learningRates[layers.checked("layer", layer)] * trustRatios[layer];
    }

    /** γ of a layer, its rate factor counted in. */
    double layerRate(int layer) {
        return learningRates[layer];
    }

    /** A report that stays as it is. */
    public StepReport copy() {
        StepReport copy = new StepReport(layers);
        copy.begin(layers, step, loss, learningRate, gradientScale);
        copy.clipped(clipScale);
        copy.ended(refused, refusals);
        for (int i = 0; i < outcomes.length; i++) {
            copy.measured(i, weightSquares[i], gradientSquares[i]);
            copy.decided(i, learningRates[i], trustRatios[i]);
            copy.outcome(i, outcomes[i]);
        }
        return copy;
    }

    /** A table of the layers, a line each, under a line for the step. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        text.append(String.format(
                Locale.ROOT,
                "step %d  loss %s  rate %.6g  gradient norm %.6g  clip x %.6g%s%n",
                step,
                Double.isNaN(loss) ? "-" : String.format(Locale.ROOT, "%.6g", loss),
                learningRate,
                gradientNorm(),
                clipScale,
                refused ? "  REFUSED (" + refusals + " so far)" : ""));
        text.append(String.format(
                Locale.ROOT, "%-40s %12s %12s %12s %12s  %s%n", "layer", "|w|", "|g|", "ratio", "rate", "outcome"));
        for (int i = 0; i < outcomes.length; i++) {
            text.append(String.format(
                    Locale.ROOT,
                    "%-40s %12.6g %12.6g %12.6g %12.6g  %s%n",
                    layers.get(i).name(),
                    weightNorm(i),
                    gradientNorm(i),
                    trustRatio(i),
                    effectiveRate(i),
                    outcomes[i]));
        }
        return text.toString();
    }
}
