package io.github.lars4j;

import java.util.Arrays;
import java.util.Locale;

/**
 * The report of one step: norms, trust ratios, rates and outcomes by layer. The optimizer overwrites it in its next
 * step; use {@link #copy} to keep it. Only {@link #copy} and {@link #toString} allocate memory.
 *
 * <p>Methods that take the index of a layer throw an {@link IndexOutOfBoundsException} if there is no such layer.
 *
 * <p>A copy is safe for use by several threads. The optimizer's own report is not, while steps are taken.
 */
public final class StepReport {

    private static final Outcome[] OUTCOMES = Outcome.values();

    /** The ordinal of each layer's outcome: the garbage collector adds several ns to the store of a reference. */
    private final byte[] outcomes;

    private final double[] weightSquares;
    private final double[] gradientSquares;
    private final double[] trustRatios;
    private final double[] learningRates;
    private final double[] groupClipScales;
    private Setup setup;
    private Layers layers;
    private long step;
    private double loss;
    private double learningRate;
    private double gradientScale;
    private double clipScale;
    private boolean refused;
    private long refusals;

    StepReport(Setup setup) {
        int n = setup.layers.size();
        this.setup = setup;
        this.layers = setup.layers;
        this.groupClipScales = new double[setup.groups.size()];
        this.outcomes = new byte[n];
        this.weightSquares = new double[n];
        this.gradientSquares = new double[n];
        this.trustRatios = new double[n];
        this.learningRates = new double[n];
    }

    /** Starts the report of a step, in which nothing is known about any layer. */
    void begin(Setup setup, long step, double loss, double learningRate, double gradientScale) {
        this.setup = setup;
        this.layers = setup.layers;
        this.step = step;
        this.loss = loss;
        this.learningRate = learningRate;
        this.gradientScale = gradientScale;
        this.clipScale = 1;
        Arrays.fill(groupClipScales, 1);
        this.refused = false;
        Arrays.fill(outcomes, (byte) Outcome.NO_GRADIENT.ordinal());
        Arrays.fill(weightSquares, Double.NaN);
        Arrays.fill(gradientSquares, Double.NaN);
        Arrays.fill(trustRatios, Double.NaN);
        Arrays.fill(learningRates, Double.NaN);
    }

    /** Returns the number of groups that this report has room for. */
    int groups() {
        return groupClipScales.length;
    }

    /** Sets a layer's sums. Its outcome is {@link Outcome#HELD_BACK} until another is set. */
    void measured(int layer, double ww, double gg) {
        weightSquares[layer] = ww;
        gradientSquares[layer] = gg;
        outcome(layer, Outcome.HELD_BACK);
    }

    void decided(int layer, double learningRate, double trustRatio) {
        learningRates[layer] = learningRate;
        trustRatios[layer] = trustRatio;
    }

    void outcome(int layer, Outcome outcome) {
        outcomes[layer] = (byte) outcome.ordinal();
    }

    /**
     * Sets the factor of clipping.
     *
     * @param group the index of the group that clips; -1 if the optimizer does
     */
    void clipped(int group, double scale) {
        if (group < 0) {
            clipScale = scale;
        } else {
            groupClipScales[group] = scale;
        }
    }

    /** Returns the factor by which clipping multiplies the gradient of a layer. */
    double clipScaleOf(int layer) {
        int group = setup.clipOf(layer);
        return group < 0 ? clipScale : groupClipScales[group];
    }

    /** Returns the norm by which a group clips, or the optimizer if {@code group} is -1. */
    double normToClip(int group) {
        double squares = 0;
        for (int i = 0; i < gradientSquares.length; i++) {
            if (setup.clipOf(i) == group && Double.isFinite(gradientSquares[i])) {
                squares += gradientSquares[i];
            }
        }
        return gradientScale * Math.sqrt(squares);
    }

    void ended(boolean refused, long refusals) {
        this.refused = refused;
        this.refusals = refusals;
    }

    /** Returns the layers with their treatments in this step. */
    public Layers layers() {
        return layers;
    }

    /** Returns the number of steps taken before this one. */
    public long step() {
        return step;
    }

    /** Returns the loss that the closure returned; NaN if the step had no closure. */
    public double loss() {
        return loss;
    }

    /** Returns the learning rate γ of this step, without the layers' rate factors. */
    public double learningRate() {
        return learningRate;
    }

    /**
     * Returns the factor by which clipping by global norm multiplied the gradients: 1 if they were not clipped. It does
     * not apply to layers that a {@linkplain Settings#maxGradientNorm group} clips.
     */
    public double clipScale() {
        return clipScale;
    }

    /**
     * Returns the factor by which a group's own clipping multiplied the gradients of its layers: 1 if it has none or
     * they were not clipped.
     *
     * @throws IllegalArgumentException if there is no such group
     */
    public double clipScale(String group) {
        return groupClipScales[setup.group(group)];
    }

    /** Returns whether the whole step was refused, so that nothing was written. */
    public boolean refused() {
        return refused;
    }

    /** Returns the number of steps refused so far, including this one. */
    public long refusals() {
        return refusals;
    }

    /** Returns what the step did with a layer. */
    public Outcome outcome(int layer) {
        return OUTCOMES[outcomes[layers.checked("layer", layer)]];
    }

    /** Returns whether the {@linkplain #outcome outcome} of any layer is {@linkplain Outcome#bad bad}. */
    public boolean anyBad() {
        for (byte outcome : outcomes) {
            if (OUTCOMES[outcome].bad()) {
                return true;
            }
        }
        return false;
    }

    /** Returns ‖w‖ of a layer before the step; NaN if the layer had no gradient or was not measured. */
    public double weightNorm(int layer) {
        return Math.sqrt(weightSquares[layers.checked("layer", layer)]);
    }

    /**
     * Returns ‖g‖ of a layer, with {@link Gradients#scale} applied, before any clipping; NaN if the layer
     * had no gradient or was not measured.
     */
    public double gradientNorm(int layer) {
        return gradientScale * Math.sqrt(gradientSquares[layers.checked("layer", layer)]);
    }

    /**
     * Returns ‖g‖ over all layers whose sums are finite, with {@link Gradients#scale} applied, before clipping by
     * global norm.
     */
    public double gradientNorm() {
        return gradientScale * norm(gradientSquares, null);
    }

    /**
     * Returns ‖g‖ over the layers of a group; otherwise as {@link #gradientNorm()}.
     *
     * @throws IllegalArgumentException if there is no such group
     */
    public double gradientNorm(String group) {
        return gradientScale * norm(gradientSquares, setup.groups.get(setup.group(group)));
    }

    /**
     * Returns ‖w‖ over all layers of a group whose sums are finite, before the step.
     *
     * @throws IllegalArgumentException if there is no such group
     */
    public double weightNorm(String group) {
        return norm(weightSquares, setup.groups.get(setup.group(group)));
    }

    private static double norm(double[] squares, Group group) {
        double sum = 0;
        for (int i = 0; i < squares.length; i++) {
            if ((group == null || group.has(i)) && Double.isFinite(squares[i])) {
                sum += squares[i];
            }
        }
        return Math.sqrt(sum);
    }

    /** Returns the trust ratio of a layer, or NaN if the step did not compute it. */
    public double trustRatio(int layer) {
        return trustRatios[layers.checked("layer", layer)];
    }

    /**
     * Returns the effective learning rate of a layer: learning rate times rate factor times trust ratio; or NaN if the
     * step did not compute it.
     */
    public double effectiveRate(int layer) {
        return learningRates[layers.checked("layer", layer)] * trustRatios[layer];
    }

    /** Returns the learning rate of a layer, including its rate factor. */
    double layerRate(int layer) {
        return learningRates[layer];
    }

    /** Returns a copy that later steps do not overwrite. */
    public StepReport copy() {
        StepReport copy = new StepReport(setup);
        copy.begin(setup, step, loss, learningRate, gradientScale);
        copy.clipScale = clipScale;
        System.arraycopy(groupClipScales, 0, copy.groupClipScales, 0, groupClipScales.length);
        copy.ended(refused, refusals);
        for (int i = 0; i < outcomes.length; i++) {
            copy.measured(i, weightSquares[i], gradientSquares[i]);
            copy.decided(i, learningRates[i], trustRatios[i]);
            copy.outcome(i, outcome(i));
        }
        return copy;
    }

    /** Returns one line about the step, one about each group, and a table with one line for each layer. */
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
        if (!setup.groups.isEmpty()) {
            text.append(String.format(Locale.ROOT, "%-40s %12s %12s %12s%n", "group", "|w|", "|g|", "clip x"));
        }
        for (Group group : setup.groups) {
            text.append(String.format(
                    Locale.ROOT,
                    "%-40s %12.6g %12.6g %12.6g%n",
                    group.name(),
                    weightNorm(group.name()),
                    gradientNorm(group.name()),
                    clipScale(group.name())));
        }
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
                    outcome(i)));
        }
        return text.toString();
    }
}
