package io.github.lars4j.bench.largebatch;

import io.github.lars4j.Layers;
import io.github.lars4j.rule.Treatment;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * A fully connected network with ReLU between layers and softmax cross-entropy at the end, with or without batch
 * normalisation before each ReLU. The weights are one flat array and the gradients another, laid out by {@link #layers}.
 *
 * <p>A batch is processed in parts. Where nothing is normalised, or each part by itself, memory does not depend on the
 * size of the batch; statistics of the whole batch need all of it at once.
 *
 * <p>Not safe for use by several threads.
 */
final class Network {

    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;

    /** Number of examples that are evaluated together. */
    private static final int EVALUATED = 512;

    private final MatrixProduct product;
    private final Normalization normalization;
    /** Inputs, hidden units of each layer, classes. */
    private final int[] widths;

    private final Layers layers;

    /** The normalisation of each hidden layer; all {@code null} in a plain network. */
    private final BatchNorm[] norms;

    /** The activations of some examples by layer, starting with the inputs; a row for each example. */
    private final float[][] activations;
    /** The hidden layers' values after normalisation, before scale and shift. */
    private final float[][] normalized;
    /**
     * The derivatives of the loss: first with respect to each layer's outputs before ReLU, then with respect to the
     * matrix products before normalisation.
     */
    private final float[][] deltas;

    /**
     * Makes a network.
     *
     * @param product computes its matrix products
     * @param normalization of the hidden layers
     * @param oneDimensional the treatment of the biases, and of the normalisation's scale and shift
     * @param widths inputs, hidden units of each layer, classes
     */
    Network(MatrixProduct product, Normalization normalization, Treatment oneDimensional, int... widths) {
        this.product = product;
        this.normalization = normalization;
        this.widths = widths.clone();
        this.norms = new BatchNorm[widths.length];
        Layers.Builder layout = Layers.builder();
        for (int l = 1; l < widths.length; l++) {
            layout.addTensor("fc" + l + ".weight", widths[l], widths[l - 1]);
            if (normalization != Normalization.NONE && l < widths.length - 1) {
                // The normalisation subtracts the mean, and with it any bias before it.
                norms[l] = new BatchNorm(widths[l]);
                layout.addTensor("bn" + l + ".weight", widths[l]);
                layout.addTensor("bn" + l + ".bias", widths[l]);
            } else {
                layout.addTensor("fc" + l + ".bias", widths[l]);
            }
        }
        this.layers = layout.treatOneDimensional(oneDimensional).build();
        this.activations = new float[widths.length][0];
        this.normalized = new float[widths.length][0];
        this.deltas = new float[widths.length][0];
    }

    /** The layout of the weight matrices, outputs by inputs, and of the one-dimensional tensors in the flat arrays. */
    Layers layers() {
        return layers;
    }

    /** The running statistics of the normalisation, which training updates and evaluation uses; not copies. */
    List<float[]> statistics() {
        return Arrays.stream(norms)
                .filter(Objects::nonNull)
                .flatMap(norm -> norm.statistics().stream())
                .toList();
    }

    /**
     * Initial weights: normal with variance 2 / inputs (He et al. 2015), the normalisation's scale 1, its shift and the
     * biases zero. The same seed gives the same bits on every machine.
     */
    float[] initialWeights(long seed) {
        Random random = new Random(seed);
        float[] weights = new float[(int) layers.end()];
        for (int l = 1; l < widths.length; l++) {
            double deviation = Math.sqrt(2.0 / widths[l - 1]);
            int at = weight(l);
            for (int i = 0; i < widths[l] * widths[l - 1]; i++) {
                weights[at + i] = (float) (deviation * random.nextGaussian());
            }
            if (norms[l] != null) {
                Arrays.fill(weights, scale(l), scale(l) + widths[l], 1);
            }
        }
        return weights;
    }

    /**
     * Computes the gradient of the mean loss over some examples, and updates the running statistics.
     *
     * @param weights laid out by {@link #layers}
     * @param data the examples
     * @param order numbers of examples in {@code data}
     * @param from start of the batch in {@code order}
     * @param to end of the batch, exclusive
     * @param gradients overwritten, with the layout of the weights
     * @return the mean loss
     */
    double gradient(float[] weights, DataSet data, int[] order, int from, int to, float[] gradients) {
        Arrays.fill(gradients, 0);
        int examples = to - from;
        // Parts of nearly equal size, so that none has statistics of a few examples only.
        int parts = Math.ceilDiv(examples, normalization.span(examples));
        double loss = 0;
        for (int part = 0; part < parts; part++) {
            int start = from + (int) ((long) examples * part / parts);
            int rows = from + (int) ((long) examples * (part + 1) / parts) - start;
            forward(weights, data, order, start, rows, true);
            loss += outputDeltas(data, order, start, rows, examples);
            backward(weights, rows, gradients);
        }
        return loss / examples;
    }

    /** The loss and accuracy on a whole data set, normalised by the running statistics. */
    Evaluation evaluate(float[] weights, DataSet data) {
        int[] order = DataSet.identity(data.size());
        int classes = widths[widths.length - 1];
        double loss = 0;
        int correct = 0;
        for (int start = 0; start < data.size(); start += EVALUATED) {
            int rows = Math.min(EVALUATED, data.size() - start);
            forward(weights, data, order, start, rows, false);
            float[] logits = activations[widths.length - 1];
            for (int r = 0; r < rows; r++) {
                int best = 0;
                for (int c = 1; c < classes; c++) {
                    if (logits[r * classes + c] > logits[r * classes + best]) {
                        best = c;
                    }
                }
                correct += best == data.label(start + r) ? 1 : 0;
            }
            loss += outputDeltas(data, order, start, rows, data.size());
        }
        return new Evaluation(loss / data.size(), (double) correct / data.size());
    }

    /**
     * The quality of a network.
     *
     * @param loss mean loss over the examples
     * @param accuracy share of correctly classified examples, 0 to 1
     */
    record Evaluation(double loss, double accuracy) {}

    private void forward(float[] weights, DataSet data, int[] order, int start, int rows, boolean training) {
        reserve(rows);
        for (int r = 0; r < rows; r++) {
            data.copy(order[start + r], activations[0], r * widths[0]);
        }
        for (int l = 1; l < widths.length; l++) {
            float[] products = norms[l] == null ? activations[l] : normalized[l];
            product.timesTransposed(activations[l - 1], weights, weight(l), products, rows, widths[l], widths[l - 1]);
            if (norms[l] == null) {
                for (int r = 0; r < rows; r++) {
                    add(weights, bias(l), activations[l], r * widths[l], widths[l]);
                }
            } else {
                if (training) {
                    norms[l].normalize(products, rows);
                } else {
                    norms[l].normalizeByAverages(products, rows);
                }
                norms[l].scaleAndShift(products, rows, weights, scale(l), bias(l), activations[l]);
            }
            if (l < widths.length - 1) {
                rectify(activations[l], rows * widths[l]);
            }
        }
    }

    /** Makes room for a number of examples. */
    private void reserve(int rows) {
        if (activations[0].length >= rows * widths[0]) {
            return;
        }
        for (int l = 0; l < widths.length; l++) {
            activations[l] = new float[rows * widths[l]];
            normalized[l] = norms[l] == null ? null : new float[rows * widths[l]];
            deltas[l] = l == 0 ? null : new float[rows * widths[l]];
        }
    }

    private static void rectify(float[] values, int length) {
        for (int i = 0; i < length; i++) {
            values[i] = Math.max(0, values[i]);
        }
    }

    /** Writes the deltas of the last layer, of a mean over {@code examples}; returns the sum of the rows' losses. */
    private double outputDeltas(DataSet data, int[] order, int start, int rows, int examples) {
        int last = widths.length - 1;
        int classes = widths[last];
        double loss = 0;
        double[] exponentials = new double[classes];
        for (int r = 0; r < rows; r++) {
            int at = r * classes;
            float greatest = Float.NEGATIVE_INFINITY;
            for (int c = 0; c < classes; c++) {
                greatest = Math.max(greatest, activations[last][at + c]);
            }
            double sum = 0;
            for (int c = 0; c < classes; c++) {
                // StrictMath, for the same bits on every machine.
                exponentials[c] = StrictMath.exp((double) activations[last][at + c] - greatest);
                sum += exponentials[c];
            }
            int label = data.label(order[start + r]);
            loss += StrictMath.log(sum) + greatest - activations[last][at + label];
            for (int c = 0; c < classes; c++) {
                deltas[last][at + c] = (float) ((exponentials[c] / sum - (c == label ? 1 : 0)) / examples);
            }
        }
        return loss;
    }

    private void backward(float[] weights, int rows, float[] gradients) {
        for (int l = widths.length - 1; l > 0; l--) {
            int out = widths[l];
            int in = widths[l - 1];
            if (norms[l] == null) {
                for (int r = 0; r < rows; r++) {
                    add(deltas[l], r * out, gradients, bias(l), out);
                }
            } else {
                norms[l].backward(deltas[l], normalized[l], rows, weights, gradients, scale(l), bias(l));
            }
            product.addTransposedTimes(deltas[l], activations[l - 1], gradients, weight(l), out, in, rows);
            if (l > 1) {
                product.times(deltas[l], weights, weight(l), deltas[l - 1], rows, in, out);
                dropInactive(deltas[l - 1], activations[l - 1], rows * in);
            }
        }
    }

    private static void add(float[] terms, int from, float[] sums, int to, int length) {
        for (int i = 0; i < length; i++) {
            sums[to + i] += terms[from + i];
        }
    }

    /** Applies the derivative of ReLU. Uses SIMD, as a branch on the activity of a unit is hard to predict. */
    private static void dropInactive(float[] deltas, float[] activations, int length) {
        int i = 0;
        for (; i < SPECIES.loopBound(length); i += SPECIES.length()) {
            VectorMask<Float> active =
                    FloatVector.fromArray(SPECIES, activations, i).compare(VectorOperators.GT, 0);
            FloatVector.zero(SPECIES)
                    .blend(FloatVector.fromArray(SPECIES, deltas, i), active)
                    .intoArray(deltas, i);
        }
        for (; i < length; i++) {
            deltas[i] = activations[i] > 0 ? deltas[i] : 0;
        }
    }

    /** The offset of the weights of layer {@code l}, counted from 1. */
    private int weight(int l) {
        return offset("fc" + l + ".weight");
    }

    private int scale(int l) {
        return offset("bn" + l + ".weight");
    }

    /** The offset of a layer's biases, or of its normalisation's shift. */
    private int bias(int l) {
        return offset((norms[l] == null ? "fc" : "bn") + l + ".bias");
    }

    private int offset(String name) {
        return (int) layers.get(layers.index(name)).offset();
    }
}
