package io.github.lars4j;

import java.util.Arrays;
import java.util.Objects;

/**
 * The sums that the rule needs of each layer: Σw², Σg² and Σw·g, over the elements of the layer. {@link Lars#measure}
 * computes them and {@link Lars#update} uses them.
 *
 * <p>If a layer is split over several optimizers or machines, {@link #add} turns the sums of the parts into the sums of
 * the whole:
 *
 * <pre>{@code
 * LayerSums sums = lars.measure(params, gradients);
 * for (LayerSums part : receivedFromOtherMachines) {
 *     sums.add(part);
 * }
 * lars.update(params, gradients, sums);
 * }</pre>
 *
 * <p>A sum that was not measured is absent, which is not the same as 0. Methods that take the index of a layer throw an
 * {@link IndexOutOfBoundsException} if there is no such layer.
 *
 * <p>Not safe for use by several threads.
 */
public final class LayerSums {

    private static final byte WEIGHTS = 1;
    private static final byte GRADIENTS = 2;
    private static final byte PRODUCTS = 4;

    private final byte[] present;
    /** Σw² by layer; NaN if absent, but a sum that is present may be NaN as well. The same holds for the other two. */
    final double[] ww;

    final double[] gg;
    final double[] wg;
    private Layers layers;

    /** Creates sums for these layers; all of them are absent. */
    public LayerSums(Layers layers) {
        this.present = new byte[Objects.requireNonNull(layers, "layers").size()];
        this.ww = new double[layers.size()];
        this.gg = new double[layers.size()];
        this.wg = new double[layers.size()];
        begin(layers);
    }

    /** Returns the layers to which the sums belong, with their treatments at the time of {@link Lars#measure}. */
    public Layers layers() {
        return layers;
    }

    /**
     * Returns Σw² of a layer.
     *
     * @param layer index of the layer
     * @throws IllegalStateException if it was not measured
     */
    public double weights(int layer) {
        return ww[checked(layer, WEIGHTS, "w²")];
    }

    /**
     * Returns Σg² of a layer, of the values in the gradient array before {@link Gradients#scale}.
     *
     * @param layer index of the layer
     * @throws IllegalStateException if it was not measured
     */
    public double gradients(int layer) {
        return gg[checked(layer, GRADIENTS, "g²")];
    }

    /**
     * Returns Σw·g of a layer, of the values in the gradient array before {@link Gradients#scale}. Its error is
     * relative to Σ|w·g|. {@link Lars#measure} computes it only if the layer's trust ratio {@linkplain
     * io.github.lars4j.rule.Rule#needsProducts needs} it, or would need it if the schedule of its weight decay returned a
     * number above 0.
     *
     * @param layer index of the layer
     * @throws IllegalStateException if it was not measured
     */
    public double products(int layer) {
        return wg[checked(layer, PRODUCTS, "w·g")];
    }

    /** Returns whether {@link #weights} of a layer is present. */
    public boolean hasWeights(int layer) {
        return has(layer, WEIGHTS);
    }

    /** Returns whether {@link #gradients} of a layer is present. */
    public boolean hasGradients(int layer) {
        return has(layer, GRADIENTS);
    }

    /** Returns whether {@link #products} of a layer is present. */
    public boolean hasProducts(int layer) {
        return has(layer, PRODUCTS);
    }

    /**
     * Sets Σw² of a layer, for example to a value received from another machine. The sum may be NaN or infinite, which
     * means that the weights are not finite.
     *
     * @throws IndexOutOfBoundsException if there is no such layer
     * @throws IllegalArgumentException if the sum is negative
     */
    public void setWeights(int layer, double sum) {
        ww[settable(layer, sum)] = sum;
        present[layer] |= WEIGHTS;
    }

    /** Sets Σg² of a layer; otherwise as {@link #setWeights}. */
    public void setGradients(int layer, double sum) {
        gg[settable(layer, sum)] = sum;
        present[layer] |= GRADIENTS;
    }

    /** Sets Σw·g of a layer; otherwise as {@link #setWeights}, but the sum may be negative. */
    public void setProducts(int layer, double sum) {
        wg[layers.checked("layer", layer)] = sum;
        present[layer] |= PRODUCTS;
    }

    /**
     * Adds the sums over another part of the same layers.
     *
     * @throws IllegalArgumentException if the layers of {@code other} differ from these in number or name, or if
     *     different sums are present; nothing has been added then
     */
    public void add(LayerSums other) {
        Objects.requireNonNull(other, "other").layers.requireSameNames("other", layers);
        for (int i = 0; i < present.length; i++) {
            if (other.present[i] != present[i]) {
                throw new IllegalArgumentException("other has " + sums(other.present[i]) + " for layer \""
                        + layers.get(i).name() + "\"; it must have " + sums(present[i])
                        + ", like the sums it is added to");
            }
        }
        for (int i = 0; i < present.length; i++) {
            ww[i] += other.ww[i]; // NaN + NaN if both are absent
            gg[i] += other.gg[i];
            wg[i] += other.wg[i];
        }
    }

    /** Makes every sum absent. The layers must be as many as before, but their treatments may differ. */
    final void begin(Layers layers) {
        this.layers = layers;
        Arrays.fill(present, (byte) 0);
        Arrays.fill(ww, Double.NaN);
        Arrays.fill(gg, Double.NaN);
        Arrays.fill(wg, Double.NaN);
    }

    private boolean has(int layer, byte sum) {
        return (present[layers.checked("layer", layer)] & sum) != 0;
    }

    private int settable(int layer, double sum) {
        layers.checked("layer", layer);
        if (sum < 0) {
            throw new IllegalArgumentException("sum of layer \""
                    + layers.get(layer).name() + "\" is " + sum + "; a sum of squares must be 0 or more");
        }
        return layer;
    }

    private int checked(int layer, byte sum, String name) {
        if (!has(layer, sum)) {
            throw new IllegalStateException(
                    "the sum of " + name + " of layer \"" + layers.get(layer).name() + "\" was not measured");
        }
        return layer;
    }

    private static String sums(byte present) {
        return (present == 0 ? "no sums" : "the sums")
                + ((present & WEIGHTS) != 0 ? " w²" : "")
                + ((present & GRADIENTS) != 0 ? " g²" : "")
                + ((present & PRODUCTS) != 0 ? " w·g" : "");
    }
}
