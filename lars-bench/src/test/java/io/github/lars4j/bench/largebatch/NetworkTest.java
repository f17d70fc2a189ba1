package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Layer;
import io.github.lars4j.rule.Treatment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class NetworkTest {

    private static final int[] WIDTHS = {Blobs.FEATURES, 9, 7, Blobs.CLASSES};

    private final MatrixProduct product = new MatrixProduct(1);

    @AfterEach
    void close() {
        product.close();
    }

    private Network network(Normalization normalization) {
        return new Network(product, normalization, Treatment.PLAIN.withRateFactor(0.5), WIDTHS);
    }

    /** Initial weights with other biases, scales and shifts than 0 and 1. */
    private static float[] weights(Network network) {
        float[] weights = network.initialWeights(5);
        for (int i = 0; i < weights.length; i++) {
            weights[i] += 0.01f * (i % 7 - 3);
        }
        return weights;
    }

    private static double[] exact(float[] weights) {
        double[] exact = new double[weights.length];
        for (int i = 0; i < weights.length; i++) {
            exact[i] = weights[i];
        }
        return exact;
    }

    @ParameterizedTest
    @EnumSource
    void gradientsAgreeWithFiniteDifferencesOfADoubleNetwork(Normalization normalization) {
        // More than two parts, and a batch that does not begin at the order's start.
        Network network = network(normalization);
        DataSet data = Blobs.of(1400, 3);
        int[] order = DataSet.identity(data.size());
        DataSet.shuffle(order, new Random(1));
        int from = 90;
        int to = 1390;
        float[] weights = weights(network);
        float[] gradients = new float[weights.length];
        gradients[3] = 1e6f; // what was there is overwritten
        double loss = network.gradient(weights, data, order, from, to, gradients);

        double[] exact = exact(weights);
        // 1300 examples in six parts of at most 256, the sizes differing by one at most.
        int[] parts =
                normalization == Normalization.GHOST ? new int[] {216, 217, 217, 216, 217, 217} : new int[] {1300};
        assertEquals(loss(normalization, exact, data, order, from, parts), loss, 1e-5);
        double h = 1e-6;
        double largest = 0;
        for (int i = 0; i < weights.length; i += i % 3 + 1) {
            double weight = exact[i];
            exact[i] = weight + h;
            double above = loss(normalization, exact, data, order, from, parts);
            exact[i] = weight - h;
            double below = loss(normalization, exact, data, order, from, parts);
            exact[i] = weight;
            double difference = (above - below) / (2 * h);
            assertEquals(difference, gradients[i], 2e-5 + 1e-4 * Math.abs(difference), "weight " + i);
            largest = Math.max(largest, Math.abs(difference));
        }
        assertTrue(largest > 0.01, "gradients of " + largest + " show nothing");
    }

    /** The mean loss over successive parts of the order, each with its own statistics. */
    private static double loss(
            Normalization normalization, double[] weights, DataSet data, int[] order, int from, int... parts) {
        double sum = 0;
        int start = from;
        for (int part : parts) {
            double[][] inputs = new double[part][];
            for (int e = 0; e < part; e++) {
                inputs[e] = input(data, order[start + e]);
            }
            double[][] logits = logits(weights, inputs, statistics(normalization));
            for (int e = 0; e < part; e++) {
                sum += crossEntropy(logits[e], data.label(order[start + e]));
            }
            start += part;
        }
        return sum / (start - from);
    }

    /** What normalises the values of a unit over some examples. */
    private interface Statistics {
        /** The mean and the variance of a column of a hidden layer, counted from 1. */
        double[] of(int layer, int unit, double[][] values);
    }

    private static Statistics statistics(Normalization normalization) {
        return normalization == Normalization.NONE ? null : (layer, unit, values) -> meanAndVariance(unit, values);
    }

    private static double[] meanAndVariance(int unit, double[][] values) {
        double mean = 0;
        for (double[] row : values) {
            mean += row[unit] / values.length;
        }
        double variance = 0;
        for (double[] row : values) {
            variance += (row[unit] - mean) * (row[unit] - mean) / values.length;
        }
        return new double[] {mean, variance};
    }

    /** A network written plainly: weights of a layer, outputs by inputs, then its biases or scale and shift. */
    private static double[][] logits(double[] weights, double[][] inputs, Statistics statistics) {
        double[][] x = inputs;
        int at = 0;
        for (int l = 1; l < WIDTHS.length; l++) {
            boolean hidden = l < WIDTHS.length - 1;
            boolean normalized = statistics != null && hidden;
            int in = WIDTHS[l - 1];
            int out = WIDTHS[l];
            double[][] y = new double[x.length][out];
            for (int e = 0; e < x.length; e++) {
                for (int o = 0; o < out; o++) {
                    for (int i = 0; i < in; i++) {
                        y[e][o] += weights[at + o * in + i] * x[e][i];
                    }
                }
            }
            at += out * in;
            for (int o = 0; o < out; o++) {
                double[] mean = normalized ? statistics.of(l, o, y) : null;
                for (double[] row : y) {
                    if (normalized) {
                        row[o] = weights[at + o] * (row[o] - mean[0]) / Math.sqrt(mean[1] + 1e-5)
                                + weights[at + out + o];
                    } else {
                        row[o] += weights[at + o];
                    }
                    row[o] = hidden ? Math.max(0, row[o]) : row[o];
                }
            }
            at += normalized ? 2 * out : out;
            x = y;
        }
        return x;
    }

    private static double[] input(DataSet data, int index) {
        float[] input = new float[Blobs.FEATURES];
        data.copy(index, input, 0);
        return exact(input);
    }

    private static double crossEntropy(double[] logits, int label) {
        double total = 0;
        for (double logit : logits) {
            total += Math.exp(logit);
        }
        return Math.log(total) - logits[label];
    }

    @Test
    void evaluatesEveryExampleOnce() {
        Network network = network(Normalization.NONE);
        DataSet data = Blobs.of(1100, 4);
        float[] weights = network.initialWeights(2);
        Network.Evaluation evaluation = network.evaluate(weights, data);
        assertEquals(
                loss(Normalization.NONE, exact(weights), data, DataSet.identity(1100), 0, 1100),
                evaluation.loss(),
                1e-5);
        int correct = 0;
        for (int i = 0; i < data.size(); i++) {
            correct += network.evaluate(weights, only(data, i)).accuracy() == 1 ? 1 : 0;
        }
        assertEquals(correct / 1100.0, evaluation.accuracy());
    }

    /** The averages are PyTorch's: of means and unbiased variances, a tenth of the new ones each time. */
    @ParameterizedTest
    @EnumSource(names = {"BATCH", "GHOST"})
    void evaluatesByTheRunningAveragesOfTheParts(Normalization normalization) {
        Network network = network(normalization);
        DataSet data = Blobs.of(700, 4);
        int[] order = DataSet.identity(data.size());
        float[] weights = weights(network);
        float[] gradients = new float[weights.length];
        int[][] batches = {{0, 600}, {600, 700}};
        int[][] parts = normalization == Normalization.GHOST
                ? new int[][] {{0, 200}, {200, 400}, {400, 600}, {600, 700}}
                : batches;
        for (int[] batch : batches) {
            network.gradient(weights, data, order, batch[0], batch[1], gradients);
        }
        double[] exact = exact(weights);
        double[][][] averages = new double[WIDTHS.length][][];
        for (int[] part : parts) {
            double[][] inputs = new double[part[1] - part[0]][];
            for (int e = 0; e < inputs.length; e++) {
                inputs[e] = input(data, part[0] + e);
            }
            logits(exact, inputs, (layer, unit, values) -> {
                double[] now = meanAndVariance(unit, values);
                if (averages[layer] == null) {
                    averages[layer] = new double[WIDTHS[layer]][];
                }
                double[] before = averages[layer][unit] == null ? new double[] {0, 1} : averages[layer][unit];
                double unbiased = now[1] * values.length / (values.length - 1);
                averages[layer][unit] = new double[] {0.9 * before[0] + 0.1 * now[0], 0.9 * before[1] + 0.1 * unbiased};
                return now;
            });
        }
        double[][] inputs = new double[data.size()][];
        for (int e = 0; e < inputs.length; e++) {
            inputs[e] = input(data, e);
        }
        double[][] logits = logits(exact, inputs, (layer, unit, values) -> averages[layer][unit]);
        double sum = 0;
        for (int e = 0; e < inputs.length; e++) {
            sum += crossEntropy(logits[e], data.label(e));
        }
        assertEquals(sum / inputs.length, network.evaluate(weights, data).loss(), 1e-5);
        List<float[]> statistics = network.statistics();
        assertEquals(4, statistics.size());
        assertEquals(averages[2][6][0], statistics.get(2)[6], 1e-5);
        assertEquals(averages[2][6][1], statistics.get(3)[6], 1e-5);
    }

    /** Evaluation changes nothing, and a batch of one example neither divides by zero nor ends in NaN. */
    @Test
    void evaluationLeavesTheAveragesAlone() {
        Network network = network(Normalization.GHOST);
        DataSet data = Blobs.of(10, 4);
        float[] weights = weights(network);
        float[] gradients = new float[weights.length];
        assertTrue(Double.isFinite(network.gradient(weights, data, DataSet.identity(10), 0, 1, gradients)));
        for (float gradient : gradients) {
            assertTrue(Float.isFinite(gradient));
        }
        List<float[]> before = new ArrayList<>();
        network.statistics().forEach(each -> before.add(each.clone()));
        assertTrue(Double.isFinite(network.evaluate(weights, data).loss()));
        for (int i = 0; i < before.size(); i++) {
            assertArrayEquals(before.get(i), network.statistics().get(i));
        }
    }

    @Test
    void ghostBatchesAreTheWholeBatchWhileItIsSmall() {
        DataSet data = Blobs.of(600, 4);
        int[] order = DataSet.identity(600);
        float[][] gradients = new float[3][];
        for (int batch : new int[] {Normalization.GHOST_BATCH, 600}) {
            for (Normalization normalization : List.of(Normalization.BATCH, Normalization.GHOST)) {
                Network network = network(normalization);
                float[] weights = weights(network);
                gradients[normalization.ordinal()] = new float[weights.length];
                network.gradient(weights, data, order, 0, batch, gradients[normalization.ordinal()]);
            }
            float[] whole = gradients[Normalization.BATCH.ordinal()];
            float[] ghost = gradients[Normalization.GHOST.ordinal()];
            if (batch == 600) {
                assertNotEquals(whole[0], ghost[0]);
            } else {
                assertArrayEquals(whole, ghost);
            }
        }
    }

    private static DataSet only(DataSet data, int index) {
        float[] input = new float[Blobs.FEATURES];
        data.copy(index, input, 0);
        byte[] pixels = new byte[input.length];
        for (int i = 0; i < pixels.length; i++) {
            pixels[i] = (byte) Math.round((input[i] * 0.3530 + 0.2860) * 255);
        }
        return new DataSet(pixels, new byte[] {(byte) data.label(index)});
    }

    @Test
    void startsFromHeNormalWeightsAndZeroBiasesBySeed() {
        Network wide = new Network(product, Normalization.NONE, Treatment.PLAIN, 200, 300, 4);
        float[] weights = wide.initialWeights(1);
        double squares = 0;
        for (int i = 0; i < 200 * 300; i++) {
            squares += weights[i] * weights[i];
        }
        assertEquals(2.0 / 200, squares / (200 * 300), 0.0003);
        for (int i = 200 * 300; i < 200 * 300 + 300; i++) {
            assertEquals(0, weights[i]);
        }
        assertArrayEquals(weights, wide.initialWeights(1));
        assertTrue(weights[0] != wide.initialWeights(2)[0]);
    }

    @Test
    void normalisedNetworksStartFromScaleOneAndTheSameMatrices() {
        Network plain = network(Normalization.NONE);
        Network normalized = network(Normalization.BATCH);
        float[] plainWeights = plain.initialWeights(3);
        float[] weights = normalized.initialWeights(3);
        for (Layer layer : normalized.layers()) {
            int from = (int) layer.offset();
            for (int i = from; i < layer.end(); i++) {
                float expected = switch (layer.name()) {
                    case "bn1.weight", "bn2.weight" -> 1;
                    case "bn1.bias", "bn2.bias", "fc3.bias" -> 0;
                    default -> {
                        int at = plain.layers().index(layer.name());
                        yield plainWeights[(int) plain.layers().get(at).offset() + i - from];
                    }
                };
                assertEquals(expected, weights[i], layer.name());
            }
        }
    }

    @Test
    void namesItsLayersAndTreatsTheOneDimensionalApart() {
        assertEquals(
                List.of("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"),
                names(network(Normalization.NONE)));
        Network network = network(Normalization.GHOST);
        assertEquals(
                List.of(
                        "fc1.weight",
                        "bn1.weight",
                        "bn1.bias",
                        "fc2.weight",
                        "bn2.weight",
                        "bn2.bias",
                        "fc3.weight",
                        "fc3.bias"),
                names(network));
        for (Layer layer : network.layers()) {
            assertEquals(
                    layer.name().matches("fc..weight") ? Treatment.FULL : Treatment.PLAIN.withRateFactor(0.5),
                    layer.treatment(),
                    layer.name());
        }
    }

    private static List<String> names(Network network) {
        List<String> names = new ArrayList<>();
        network.layers().forEach(layer -> names.add(layer.name()));
        return names;
    }
}
