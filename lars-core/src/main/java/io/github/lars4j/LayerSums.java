package io.github.lars4j;

import java.util.Arrays;
import java.util.Objects;

/**
 * The seam between the passes: all that LARS must know of each layer, Σw², Σg² and Σw·g. Sums over parts of a layer,
 * from several optimizers or machines, add up to those of the whole.
 *
 * <p>A sum that was not measured is absent, not 0. Not safe for use by several threads.
 */
public final class LayerSums {

    private static final byte WEIGHTS = 1;
    private static final byte GRADIENTS = 2;
    private static final byte PRODUCTS = 4;

    private final byte[] present;
    /** NaN where absent, as are the others; a sum that is present may be NaN too. */
    final double[] ww;

    final double[] gg;
    final double[] wg;
    private Layers layers;

    /** Sums of these layers, all of them absent. */
    public LayerSums(Layers layers) {
        this.present = new byte[Objects.requireNonNull(layers, "layers").size()];
        this.ww = new double[layers.size()];
        this.gg = new double[layers.size()];
        this.wg = new double[layers.size()];
        begin(layers);
    }

    /** The layers that these are sums over; those of {@link Lars#measure}, as they were treated by then. */
    public Layers layers() {
        return layers;
    }

    /**
     * Σw².
     *
     * @param layer index of the layer
     * @throws IllegalStateException if it was not measured
     */
    public double weights(int layer) {
        return ww[checked(layer, WEIGHTS, "w²")];
    }

    /**
     * Σg² of what the gradient array holds.
     *
     * @param layer index of the layer
     * @throws IllegalStateException if it was not measured
     */
    public double gradients(int layer) {
        return gg[checked(layer, GRADIENTS, "g²")];
    }

    /**
     * Σw·g; its error is relative to Σ|w·g|.
     *
     * @param layer index of the layer
     * @throws IllegalStateException if it was not measured
     */
    public double products(int layer) {
        return wg[checked(layer, PRODUCTS, "w·g")];
    }

    /** Whether {@link #weights} is there for a layer. */
    public boolean hasWeights(int layer) {
        return has(layer, WEIGHTS);
    }

    /** Whether {@link #gradients} is there for a layer. */
    public boolean hasGradients(int layer) {
        return has(layer, GRADIENTS);
    }

    /** Whether {@link #products} is there for a layer. */
    public boolean hasProducts(int layer) {
        return has(layer, PRODUCTS);
    }

    /**
     * Sets Σw² of a layer, as another machine measured it, say.
     *
     * @throws IndexOutOfBoundsException if there is no such layer
     * @throws IllegalArgumentException if it is negative; a NaN or an infinity is what weights that hold one have
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

    /** Sets Σw·g of a layer. */
    public void setProducts(int layer, double sum) {
        wg[layers.checked("layer", layer)] = sum;
        present[layer] |= PRODUCTS;
    }

    /**
     * Adds the sums over another part of the same layers.
     *
     * @throws IllegalArgumentException if the other has other layers by number or name, or other sums are absent there;
     *     nothing has been added then
     */
    public void add(LayerSums other) {
        Objects.requireNonNull(other, "other").layers.requireSameNames("other", layers);
        for (int i = 0; i < present.length; i++) {
            if (other.present[i] != present[i]) {
                throw new IllegalArgumentException("other has " + sums(other.present[i]) + " of layer \""
                        + layers.get(i).name() + "\"; it must have " + sums(present[i]) + ", as here");
            }
        }
        for (int i = 0; i < present.length; i++) {
            ww[i] += other.ww[i]; // NaN and NaN where both are absent
            gg[i] += other.gg[i];
            wg[i] += other.wg[i];
        }
    }

    /** Makes every sum absent, for the sums of these layers: as many as before, treated otherwise perhaps. */
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
