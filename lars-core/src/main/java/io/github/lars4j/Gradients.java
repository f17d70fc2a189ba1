package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import java.util.BitSet;
import java.util.Objects;

/**
 * What a trainer hands in besides the weights: the gradients, and what it knows of them. Only read by the optimizer.
 * Made once and set anew before each step; not safe for use by several threads.
 */
public final class Gradients {

    private float[] array;
    private final BitSet missing = new BitSet();
    private double scale = 1;
    private double[] squares;

    private Gradients(float[] array) {
        this.array = array;
    }

    /**
     * Gradients in an array, each layer having one, with scale 1.
     *
     * @param array the gradients, laid out as the weights are; kept, not copied
     */
    public static Gradients of(float[] array) {
        return new Gradients(Objects.requireNonNull(array, "gradients"));
    }

    /**
     * The gradient is {@code scale} times what the array holds: one over the loss scale, over the number of accumulated
     * micro-batches, over that of replicas, or their product. Costs no pass over memory.
     *
     * @throws IllegalArgumentException if it is not finite and more than 0
     */
    public Gradients scale(double scale) {
        this.scale = Checks.positive("scale", scale);
        return this;
    }

    /**
     * Says that a layer has no gradient this step, until it is said to have one: it is then left wholly alone, without
     * decay or momentum.
     *
     * @param layer index of the layer
     * @throws IndexOutOfBoundsException if it is negative; one beyond the layers is refused by the step
     */
    public Gradients missing(int layer, boolean isMissing) {
        if (layer < 0) {
            throw new IndexOutOfBoundsException("layer is " + layer + "; it must be 0 or more");
        }
        missing.set(layer, isMissing);
        return this;
    }

    /**
     * Hands in Σg² of every layer, which saves reading the gradients for it; {@code null} hands in none. What is handed
     * in is taken at its word: a NaN that it does not show is not seen.
     *
     * @param squares the sum of squares of what the array holds, before {@link #scale}, by layer index; kept, not
     *     copied
     */
    public Gradients squares(double[] squares) {
        this.squares = squares;
        return this;
    }

    /** Has these be gradients in another array. */
    Gradients array(float[] other) {
        this.array = Objects.requireNonNull(other, "gradients");
        return this;
    }

    float[] array() {
        return array;
    }

    double scale() {
        return scale;
    }

    boolean isMissing(int layer) {
        return missing.get(layer);
    }

    /** The first missing layer from {@code layer} on; negative where there is none. */
    int nextMissing(int layer) {
        return missing.nextSetBit(layer);
    }

    double[] squares() {
        return squares;
    }
}
