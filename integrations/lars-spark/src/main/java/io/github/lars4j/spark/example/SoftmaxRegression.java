package io.github.lars4j.spark.example;

import io.github.lars4j.Layers;
import io.github.lars4j.rule.Treatment;
import java.io.Serializable;
import java.util.Arrays;
import java.util.Random;

/**
 * The examples of a partition, and the gradient of softmax regression on them. A micro-batch takes the examples whose
 * turn it is: every epoch has an order of its own, which the numbers of epoch and partition decide.
 */
final class SoftmaxRegression implements Serializable {

    private static final long serialVersionUID = 1;

    static final int CLASSES = 10;
    static final int FEATURES = 784;

    private final int partition;
    private final int microBatch;
    private final int microBatches;
    private final byte[][] pixels;
    private final byte[] labels;

    /**
     * The data of a partition.
     *
     * @param partition its number
     * @param microBatch number of examples of a micro-batch
     * @param microBatches number of micro-batches that the partition has in a batch
     * @param pixels the images
     * @param labels one for each image
     */
    SoftmaxRegression(int partition, int microBatch, int microBatches, byte[][] pixels, byte[] labels) {
        this.partition = partition;
        this.microBatch = microBatch;
        this.microBatches = microBatches;
        this.pixels = pixels;
        this.labels = labels;
    }

    /** A matrix, classes by features, and biases without decay and trust ratio. */
    static Layers layers() {
        return Layers.builder()
                .addTensor("fc.weight", CLASSES, FEATURES)
                .addTensor("fc.bias", CLASSES)
                .treatOneDimensional(Treatment.PLAIN.withRateFactor(0.01))
                .build();
    }

    static float[] initialWeights(long seed) {
        Random random = new Random(seed);
        float[] weights = new float[(int) layers().end()];
        for (int i = 0; i < CLASSES * FEATURES; i++) {
            weights[i] = (float) (0.02 * random.nextGaussian());
        }
        return weights;
    }

    /** The mean gradient of a micro-batch; a {@link io.github.lars4j.spark.MicroBatchGradient}. */
    double gradient(float[] weights, long batch, int number, float[] gradient) {
        int turns = pixels.length / (microBatch * microBatches);
        int epoch = (int) (batch / turns);
        int[] order = order(epoch);
        int first = ((int) (batch % turns) * microBatches + number % microBatches) * microBatch;
        double loss = 0;
        double[] probabilities = new double[CLASSES];
        for (int i = first; i < first + microBatch; i++) {
            byte[] image = pixels[order[i]];
            int label = labels[order[i]];
            probabilities(weights, image, probabilities);
            loss -= StrictMath.log(probabilities[label]) / microBatch;
            for (int c = 0; c < CLASSES; c++) {
                float delta = (float) ((probabilities[c] - (c == label ? 1 : 0)) / microBatch);
                gradient[CLASSES * FEATURES + c] += delta;
                add(delta, image, gradient, c * FEATURES);
            }
        }
        return loss;
    }

    private int[] order(int epoch) {
        Random random = new Random(1_000_003L * epoch + partition);
        int[] order = new int[pixels.length];
        Arrays.setAll(order, i -> i);
        for (int i = order.length - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int number = order[i];
            order[i] = order[j];
            order[j] = number;
        }
        return order;
    }

    private static void add(float delta, byte[] image, float[] gradient, int at) {
        for (int i = 0; i < FEATURES; i++) {
            gradient[at + i] += delta * input(image[i]);
        }
    }

    private static void probabilities(float[] weights, byte[] image, double[] probabilities) {
        double greatest = Double.NEGATIVE_INFINITY;
        for (int c = 0; c < CLASSES; c++) {
            float logit = weights[CLASSES * FEATURES + c];
            for (int i = 0; i < FEATURES; i++) {
                logit += weights[c * FEATURES + i] * input(image[i]);
            }
            probabilities[c] = logit;
            greatest = Math.max(greatest, logit);
        }
        double sum = 0;
        for (int c = 0; c < CLASSES; c++) {
            // StrictMath, for the same bits on every machine.
            probabilities[c] = StrictMath.exp(probabilities[c] - greatest);
            sum += probabilities[c];
        }
        for (int c = 0; c < CLASSES; c++) {
            probabilities[c] /= sum;
        }
    }

    private static float input(byte pixel) {
        return (pixel & 0xff) / 255f - 0.286f;
    }

    /** Share of the images whose most probable class is their label, 0 to 1. */
    static double accuracy(float[] weights, Images images) {
        int correct = 0;
        double[] probabilities = new double[CLASSES];
        for (int i = 0; i < images.labels().length; i++) {
            probabilities(weights, images.pixels()[i], probabilities);
            int best = 0;
            for (int c = 1; c < CLASSES; c++) {
                best = probabilities[c] > probabilities[best] ? c : best;
            }
            correct += best == images.labels()[i] ? 1 : 0;
        }
        return (double) correct / images.labels().length;
    }
}
