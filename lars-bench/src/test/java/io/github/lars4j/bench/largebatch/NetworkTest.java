package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Treatment;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class NetworkTest {

    private static final int[] WIDTHS = {Blobs.FEATURES, 9, 7, Blobs.CLASSES};

    private final MatrixProduct product = new MatrixProduct(1);
    private final Network network = new Network(product, Treatment.PLAIN.withRateFactor(0.5), WIDTHS);

    @AfterEach
    void close() {
        product.close();
    }

    @Test
    void gradientsAgreeWithFiniteDifferencesOfADoubleNetwork() {
        // More than two slices, the last short, and a batch that does not begin at the order's start.
        DataSet data = Blobs.of(1400, 3);
        int[] order = DataSet.identity(data.size());
        DataSet.shuffle(order, new Random(1));
        int from = 90;
        int to = 1390;
        float[] weights = network.initialWeights(5);
        for (int i = 0; i < weights.length; i++) {
            weights[i] += 0.01f * (i % 7 - 3); // biases too
        }
        float[] gradients = new float[weights.length];
        gradients[3] = 1e6f; // what was there is overwritten
        double loss = network.gradient(weights, data, order, from, to, gradients);

        double[] exact = new double[weights.length];
        for (int i = 0; i < weights.length; i++) {
            exact[i] = weights[i];
        }
        assertEquals(loss(exact, data, order, from, to), loss, 1e-5);
        double h = 1e-6;
        double largest = 0;
        for (int i = 0; i < weights.length; i += 3) {
            double weight = exact[i];
            exact[i] = weight + h;
            double above = loss(exact, data, order, from, to);
            exact[i] = weight - h;
            double below = loss(exact, data, order, from, to);
            exact[i] = weight;
            double difference = (above - below) / (2 * h);
            assertEquals(difference, gradients[i], 2e-5 + 1e-4 * Math.abs(difference), "weight " + i);
            largest = Math.max(largest, Math.abs(difference));
        }
        assertTrue(largest > 0.01, "gradients of " + largest + " show nothing");
    }

    /** The mean loss, written plainly: weights of a layer, outputs by inputs, then its biases, layer by layer. */
    private static double loss(double[] weights, DataSet data, int[] order, int from, int to) {
        double sum = 0;
        float[] input = new float[Blobs.FEATURES];
        for (int e = from; e < to; e++) {
            data.copy(order[e], input, 0);
            double[] x = new double[input.length];
            for (int i = 0; i < x.length; i++) {
                x[i] = input[i];
            }
            int at = 0;
            for (int l = 1; l < WIDTHS.length; l++) {
                double[] y = new double[WIDTHS[l]];
                int biases = at + WIDTHS[l] * WIDTHS[l - 1];
                for (int o = 0; o < y.length; o++) {
                    y[o] = weights[biases + o];
                    for (int i = 0; i < x.length; i++) {
                        y[o] += weights[at + o * x.length + i] * x[i];
                    }
                    if (l < WIDTHS.length - 1) {
                        y[o] = Math.max(0, y[o]);
                    }
                }
                at = biases + y.length;
                x = y;
            }
            double total = 0;
            for (double logit : x) {
                total += Math.exp(logit);
            }
            sum += Math.log(total) - x[data.label(order[e])];
        }
        return sum / (to - from);
    }

    @Test
    void evaluatesEveryExampleOnce() {
        DataSet data = Blobs.of(1100, 4);
        float[] weights = network.initialWeights(2);
        double[] exact = new double[weights.length];
        for (int i = 0; i < weights.length; i++) {
            exact[i] = weights[i];
        }
        Network.Evaluation evaluation = network.evaluate(weights, data);
        assertEquals(loss(exact, data, DataSet.identity(1100), 0, 1100), evaluation.loss(), 1e-5);
        int correct = 0;
        for (int i = 0; i < data.size(); i++) {
            correct += network.evaluate(weights, only(data, i)).accuracy() == 1 ? 1 : 0;
        }
        assertEquals(correct / 1100.0, evaluation.accuracy());
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
        Network wide = new Network(product, Treatment.PLAIN, 200, 300, 4);
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
    void namesItsLayersAndTreatsTheBiasesApart() {
        assertEquals(6, network.layers().size());
        assertEquals(
                Treatment.FULL,
                network.layers().get(network.layers().index("fc2.weight")).treatment());
        assertEquals(
                Treatment.PLAIN.withRateFactor(0.5),
                network.layers().get(network.layers().index("fc3.bias")).treatment());
    }
}
