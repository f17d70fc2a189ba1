package io.github.lars4j.spark.example;

import static org.apache.spark.sql.functions.rand;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Lars;
import io.github.lars4j.spark.DistributedLars;
import io.github.lars4j.spark.LocalCluster;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

/** The example's batches of 8192, on images that look random: the weights of one JVM. */
class FashionMnistTest {

    private static final int STEPS = 3;
    private static final int IMAGES = 2 * FashionMnist.BATCH;

    /** Images of which each has a row of pixels that tells its class. */
    private static Images images() {
        Random random = new Random(1);
        byte[][] pixels = new byte[IMAGES][SoftmaxRegression.FEATURES];
        byte[] labels = new byte[IMAGES];
        for (int i = 0; i < IMAGES; i++) {
            random.nextBytes(pixels[i]);
            labels[i] = (byte) random.nextInt(SoftmaxRegression.CLASSES);
            Arrays.fill(pixels[i], 28 * labels[i], 28 * labels[i] + 28, (byte) 255);
        }
        return new Images(pixels, labels);
    }

    @Test
    void hasTheWeightsOfOneJvm() {
        Images images = images();
        float[] expected = SoftmaxRegression.initialWeights(1);
        List<Double> losses = onOneJvm(images, expected);
        float[] weights = SoftmaxRegression.initialWeights(1);
        try (JavaSparkContext spark = LocalCluster.start(2, 1);
                Lars lars = FashionMnist.optimizer().build()) {
            SparkSession session =
                    SparkSession.builder().sparkContext(spark.sc()).getOrCreate();
            DistributedLars<SoftmaxRegression> distributed = FashionMnist.distributed(
                    lars,
                    weights,
                    FashionMnist.partitions(FashionMnist.frame(session, images).orderBy(rand(7))));
            for (int batch = 0; batch < STEPS; batch++) {
                assertTrue(losses.get(batch) == distributed.step(batch).loss(), "loss of batch " + batch);
            }
        }
        assertArrayEquals(expected, weights);
        assertTrue(losses.getLast() < losses.getFirst(), "it learns: " + losses);
    }

    /** Writes the weights; returns the losses. */
    private static List<Double> onOneJvm(Images images, float[] weights) {
        List<SoftmaxRegression> partitions = new ArrayList<>();
        for (int p = 0; p < FashionMnist.PARTITIONS; p++) {
            List<Integer> numbers = new ArrayList<>();
            for (int i = p; i < IMAGES; i += FashionMnist.PARTITIONS) {
                numbers.add(i);
            }
            byte[] labels = new byte[numbers.size()];
            byte[][] pixels = new byte[labels.length][];
            for (int i = 0; i < labels.length; i++) {
                labels[i] = images.labels()[numbers.get(i)];
                pixels[i] = images.pixels()[numbers.get(i)];
            }
            partitions.add(new SoftmaxRegression(p, 256, 4, pixels, labels));
        }
        List<Double> losses = new ArrayList<>();
        try (Lars lars = FashionMnist.optimizer().build()) {
            for (int batch = 0; batch < STEPS; batch++) {
                double[] sums = new double[weights.length];
                double loss = 0;
                for (int k = 0; k < 32; k++) {
                    float[] gradient = new float[weights.length];
                    loss += partitions.get(k / 4).gradient(weights, batch, k, gradient);
                    for (int i = 0; i < sums.length; i++) {
                        sums[i] += gradient[i];
                    }
                }
                float[] mean = new float[sums.length];
                for (int i = 0; i < sums.length; i++) {
                    mean[i] = (float) (sums[i] / 32);
                }
                lars.step(weights, mean);
                losses.add(loss / 32);
            }
        }
        return losses;
    }
}
