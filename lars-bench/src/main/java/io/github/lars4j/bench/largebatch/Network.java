package io.github.lars4j.bench.largebatch;

import io.github.lars4j.Layers;
import io.github.lars4j.rule.Treatment;
import java.util.Arrays;
import java.util.Random;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * A fully connected network with ReLU between layers and softmax cross-entropy at the end. The weights are one flat
 * array and the gradients another, laid out by {@link #layers}.
 *
 * <p>A batch is processed in slices, so memory does not depend on its size.
 *
 * <p>Not safe for use by several threads.
 */
final class Network {

    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;

    /** Number of examples in a slice. */
    private static final int SLICE = 512;

    private final MatrixProduct product;
    /** Inputs, hidden units of each layer, classes. */
    private final int[] widths;

    private final Layers layers;

    /** The activations of a slice by layer, starting with the inputs; a row for each example. */
    private final float[][] activations;
    /** The derivatives of the loss with respect to each layer's outputs before ReLU. */
    private final float[][] deltas;

    /**
     * Makes a network.
     *
     * @param product computes its matrix products
     * @param biases the treatment of the biases
     * @param widths inputs, hidden units of each layer, classes
     */
    Network(MatrixProduct product, Treatment biases, int... widths) {
        this.product = product;
        this.widths = widths.clone();
        Layers.Builder builder = Layers.builder();
        for (int l = 1; l < widths.length; l++) {
            builder.addTensor("fc" + l + ".weight", widths[l], widths[l - 1]);
            builder.addTensor("fc" + l + ".bias", widths[l]);
        }
        this.layers = builder.treatOneDimensional(biases).build();
        this.activations = new float[widths.length][];
        this.deltas = new float[widths.length][];
        for (int l = 0; l < widths.length; l++) {
            activations[l] = new float[SLICE * widths[l]];
            deltas[l] = l == 0 ? null : new float[SLICE * widths[l]];
        }
    }

    /** The layout of the weight matrices, outputs by inputs, and of the biases in the flat arrays. */
    Layers layers() {
        return layers;
    }

    /**
     * Initial weights: normal with variance 2 / inputs (He et al. 2015), biases zero. The same seed gives the same bits
     * on every machine.
     */
    float[] initialWeights(long seed) {
        Random random = new Random(seed);
        float[] weights = new float[(int) layers.end()];
        for (int l = 1; l < widths.length; l++) {
            double deviation = Math.sqrt(2.0 / widths[l - 1]);
            for (int i = weight(l); i < bias(l); i++) {
                weights[i] = (float) (deviation * random.nextGaussian());
            }
        }
        return weights;
    }

    /**
     * Computes the gradient of the mean loss over some examples.
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
        double loss = 0;
        for (int start = from; start < to; start += SLICE) {
            int rows = Math.min(SLICE, to - start);
            forward(weights, data, order, start, rows);
            loss += outputDeltas(data, order, start, rows, to - from);
            backward(weights, rows, gradients);
        }
        return loss / (to - from);
    }

    /** The loss and accuracy on a whole data set. */
    Evaluation evaluate(float[] weights, DataSet data) {
        int[] order = DataSet.identity(data.size());
        int classes = widths[widths.length - 1];
        float[] logits = activations[widths.length - 1];
        double loss = 0;
        int correct = 0;
        for (int start = 0; start < data.size(); start += SLICE) {
            int rows = Math.min(SLICE, data.size() - start);
            forward(weights, data, order, start, rows);
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

    private void forward(float[] weights, DataSet data, int[] order, int start, int rows) {
        for (int r = 0; r < rows; r++) {
            data.copy(order[start + r], activations[0], r * widths[0]);
        }
        for (int l = 1; l < widths.length; l++) {
            float[] out = activations[l];
            product.timesTransposed(activations[l - 1], weights, weight(l), out, rows, widths[l], widths[l - 1]);
            float least = l < widths.length - 1 ? 0 : Float.NEGATIVE_INFINITY;
            for (int r = 0; r < rows; r++) {
                addBias(out, r * widths[l], weights, bias(l), widths[l], least);
            }
        }
    }

    private static void addBias(float[] out, int at, float[] weights, int bias, int width, float least) {
        for (int i = 0; i < width; i++) {
            out[at + i] = Math.max(least, out[at + i] + weights[bias + i]);
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
            product.addTransposedTimes(deltas[l], activations[l - 1], gradients, weight(l), out, in, rows);
            for (int r = 0; r < rows; r++) {
                add(deltas[l], r * out, gradients, bias(l), out);
            }
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
        return (int) layers.get(2 * l - 2).offset();
    }

    private int bias(int l) {
        return (int) layers.get(2 * l - 1).offset();
    }
}
