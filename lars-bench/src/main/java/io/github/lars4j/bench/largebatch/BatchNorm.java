package io.github.lars4j.bench.largebatch;

import java.util.Arrays;
import java.util.List;

/**
 * Batch normalisation of the units of a layer (Ioffe and Szegedy 2015): {@code y = scale * (x - mean) / sqrt(variance +
 * ε) + shift}, with the statistics of the examples in training, and with running averages of them in evaluation. ε and
 * the averages are those of PyTorch's {@code BatchNorm1d}.
 *
 * <p>Matrices have a row for each example and a column for each unit. Terms in {@code float} are added in {@code
 * double}, in the order of the examples. A single example is its own mean, so its normalised values are 0. Not safe for
 * use by several threads.
 */
final class BatchNorm {

    static final double EPSILON = 1e-5;

    /** Weight of the last statistics in the running averages: {@code momentum} of PyTorch's {@code BatchNorm1d}. */
    static final float UPDATE = 0.1f;

    private final int width;
    private final float[] runningMean;
    private final float[] runningVariance;

    /** 1 / sqrt(variance + ε) of the last examples; after {@link #backward}, times the scale. */
    private final float[] factors;

    private final float[] means;
    private final double[] sums;
    private final double[] products;

    BatchNorm(int width) {
        this.width = width;
        runningMean = new float[width];
        runningVariance = new float[width];
        Arrays.fill(runningVariance, 1);
        factors = new float[width];
        means = new float[width];
        sums = new double[width];
        products = new double[width];
    }

    /** The running means and variances that evaluation uses; not copies. */
    List<float[]> statistics() {
        return List.of(runningMean, runningVariance);
    }

    /** Normalises examples in place with their own mean and variance, and updates the running averages. */
    void normalize(float[] values, int rows) {
        Arrays.fill(sums, 0);
        for (int r = 0; r < rows; r++) {
            add(values, r * width, sums);
        }
        for (int j = 0; j < width; j++) {
            means[j] = (float) (sums[j] / rows);
        }
        Arrays.fill(sums, 0);
        for (int r = 0; r < rows; r++) {
            addSquares(values, r * width, means, sums);
        }
        for (int j = 0; j < width; j++) {
            factors[j] = (float) (1 / Math.sqrt(sums[j] / rows + EPSILON));
            runningMean[j] += UPDATE * (means[j] - runningMean[j]);
            runningVariance[j] += UPDATE * ((float) (sums[j] / Math.max(1, rows - 1)) - runningVariance[j]);
        }
        center(values, rows);
    }

    /** Normalises examples in place with the running averages. */
    void normalizeByAverages(float[] values, int rows) {
        for (int j = 0; j < width; j++) {
            means[j] = runningMean[j];
            factors[j] = (float) (1 / Math.sqrt(runningVariance[j] + EPSILON));
        }
        center(values, rows);
    }

    private void center(float[] values, int rows) {
        for (int r = 0; r < rows; r++) {
            center(values, r * width, means, factors);
        }
    }

    /** Writes {@code scale * normalized + shift}. */
    void scaleAndShift(float[] normalized, int rows, float[] weights, int scale, int shift, float[] out) {
        for (int r = 0; r < rows; r++) {
            scaleAndShift(normalized, r * width, weights, scale, shift, out, width);
        }
    }

    /**
     * Goes back from the derivatives with respect to the outputs to those with respect to the inputs of
     * {@link #normalize}, and adds those with respect to scale and shift to the gradients.
     *
     * @param deltas derivatives with respect to the outputs; overwritten by those with respect to the inputs
     * @param normalized what {@link #normalize} has written, with nothing normalised and no other call of this method
     *     since
     * @param rows number of examples
     * @param weights contains the scale
     * @param gradients with the layout of the weights
     * @param scale offset of the scale
     * @param shift offset of the shift
     */
    void backward(
            float[] deltas, float[] normalized, int rows, float[] weights, float[] gradients, int scale, int shift) {
        Arrays.fill(sums, 0);
        Arrays.fill(products, 0);
        for (int r = 0; r < rows; r++) {
            add(deltas, r * width, sums);
            addProducts(deltas, normalized, r * width, products);
        }
        for (int j = 0; j < width; j++) {
            gradients[scale + j] += (float) products[j];
            gradients[shift + j] += (float) sums[j];
            factors[j] *= weights[scale + j];
            // From here on these are means over the examples.
            sums[j] /= rows;
            products[j] /= rows;
        }
        for (int r = 0; r < rows; r++) {
            removeMeans(deltas, normalized, r * width);
        }
    }

    private static void add(float[] terms, int at, double[] sums) {
        for (int j = 0; j < sums.length; j++) {
            sums[j] += terms[at + j];
        }
    }

    private static void addSquares(float[] values, int at, float[] means, double[] sums) {
        for (int j = 0; j < sums.length; j++) {
            double difference = values[at + j] - means[j];
            sums[j] += difference * difference;
        }
    }

    private static void addProducts(float[] a, float[] b, int at, double[] sums) {
        for (int j = 0; j < sums.length; j++) {
            sums[j] += a[at + j] * b[at + j];
        }
    }

    private static void center(float[] values, int at, float[] means, float[] factors) {
        for (int j = 0; j < means.length; j++) {
            values[at + j] = (values[at + j] - means[j]) * factors[j];
        }
    }

    private static void scaleAndShift(
            float[] normalized, int at, float[] weights, int scale, int shift, float[] out, int width) {
        for (int j = 0; j < width; j++) {
            out[at + j] = weights[scale + j] * normalized[at + j] + weights[shift + j];
        }
    }

    private void removeMeans(float[] deltas, float[] normalized, int at) {
        for (int j = 0; j < width; j++) {
            deltas[at + j] = factors[j] * (deltas[at + j] - (float) sums[j] - normalized[at + j] * (float) products[j]);
        }
    }
}
