package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import java.util.BitSet;
import java.util.Objects;

/**
 * The gradients of a step and what the trainer knows about them: a scale, layers without a gradient, sums of squares,
 * and trust ratios. A trainer creates one object and sets it before each step; the optimizer only reads it.
 *
 * <pre>{@code
 * Gradients gradients = Gradients.of(array);
 * gradients.scale(1 / (lossScale * microBatches)).missing(layers.index("frozen.weight"), true);
 * lars.step(params, gradients);
 * }</pre>
 *
 * <p>Not safe for use by several threads.
 */
public final class Gradients {

    private Tensors tensors;
    private final BitSet missing = new BitSet();
    private double scale = 1;
    private double[] squares;
    private double[] trustRatios;

    private Gradients(Tensors tensors) {
        this.tensors = tensors;
    }

    /**
     * Creates gradients with scale 1 in which no layer is missing.
     *
     * @param array the gradients, in the layout of the weights; not copied
     */
    public static Gradients of(float[] array) {
        return new Gradients(Tensors.flat(Objects.requireNonNull(array, "gradients")));
    }

    /**
     * Creates gradients with scale 1 in which no layer is missing.
     *
     * @param tensors where the gradients lie
     */
    public static Gradients of(Tensors tensors) {
        return new Gradients(Objects.requireNonNull(tensors, "gradients"));
    }

    /**
     * Sets the factor by which the optimizer multiplies the values in memory, such as the reciprocal of the loss
     * scale, of the number of accumulated micro-batches or of the number of replicas, or a product of these. It needs
     * no further pass over memory.
     *
     * @param scale finite, more than 0
     * @throws IllegalArgumentException if {@code scale} is not finite or not more than 0
     */
    public Gradients scale(double scale) {
        this.scale = Checks.positive("scale", scale);
        return this;
    }

    /**
     * Sets whether a layer has no gradient. A step does not change such a layer at all: neither weight decay nor
     * momentum applies. The setting holds until it is changed.
     *
     * @param layer the index of the layer
     * @param isMissing whether the layer has no gradient
     * @throws IndexOutOfBoundsException if {@code layer} is negative; the step refuses an index beyond the last layer
     */
    public Gradients missing(int layer, boolean isMissing) {
        if (layer < 0) {
            throw new IndexOutOfBoundsException("layer is " + layer + "; it must be 0 or more");
        }
        missing.set(layer, isMissing);
        return this;
    }

    /**
     * Sets Σg² of every layer, if the trainer has computed it already, so that pass 1 need not read the gradients for
     * it. The values are trusted: if a sum is finite, a NaN in the layer's gradient goes unnoticed.
     *
     * @param squares the sums of squares of the values in memory, before {@link #scale}, by layer index, each 0 or
     *     more or NaN; not copied. {@code null} if there are none. The step checks length and values
     */
    public Gradients squares(double[] squares) {
        this.squares = squares;
        return this;
    }

    /**
     * Sets trust ratios that replace those of the rule, for example computed on another machine, by a controller, or for
     * a test. A given ratio is used as it is, without the rule's bounds and clip and without {@link
     * io.github.lars4j.rule.Rule.ZeroNorm}, also for a layer whose treatment says that it has none. The rest of the
     * rule applies. {@linkplain io.github.lars4j.rule.Hyperparameters#momentumCorrection Momentum correction} takes no
     * change of the trust coefficient into account from or to a step whose ratio is given. The setting holds until it is
     * changed.
     *
     * @param ratios the ratios by layer index, each finite and 0 or more, or NaN for a layer whose ratio the rule
     *     computes; not copied. {@code null} if there are none. The step checks length and values
     */
    public Gradients trustRatios(double[] ratios) {
        this.trustRatios = ratios;
        return this;
    }

    Tensors tensors() {
        return tensors;
    }

    /** Replaces the tensors. */
    Gradients tensors(Tensors others) {
        this.tensors = others;
        return this;
    }

    double scale() {
        return scale;
    }

    boolean isMissing(int layer) {
        return missing.get(layer);
    }

    /** Returns the first missing layer with index {@code layer} or more; -1 if there is none. */
    int nextMissing(int layer) {
        return missing.nextSetBit(layer);
    }

    double[] squares() {
        return squares;
    }

    double[] trustRatios() {
        return trustRatios;
    }

    /** Returns the given trust ratio of a layer; NaN if there is none. */
    double trustRatio(int layer) {
        return trustRatios == null ? Double.NaN : trustRatios[layer];
    }
}
