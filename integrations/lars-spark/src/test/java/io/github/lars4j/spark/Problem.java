package io.github.lars4j.spark;

import io.github.lars4j.Checkpoint;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.OnBadGradient;
import io.github.lars4j.Schedule;
import io.github.lars4j.Shard;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;

/** Softmax regression on generated data, and what one JVM makes of it. */
final class Problem {

    static final int CLASSES = 7;
    static final int FEATURES = 700;
    /** Where the biases begin: behind a gap. */
    static final int BIAS = 5000;

    static final int PARTITIONS = 4;
    static final int MICRO_BATCHES = 8;

    /** As many as there are blocks: of 4096, 804 and 7 elements. */
    static final int SHARDS = 3;

    static final Map<String, Rule> RULES =
            Map.of("paper", Dialects.PAPER, "snippet", Dialects.SNIPPET, "optax", Dialects.OPTAX);

    /** A maximum norm that the first gradients exceed. */
    static final double CLIP = 1;

    private static final int EXAMPLES = 60;

    private Problem() {}

    /** More than a block of 4096 elements in the first layer, and one that is not adapted. */
    static Layers layers() {
        return Layers.builder()
                .addTensor("fc.weight", CLASSES, FEATURES)
                .at(BIAS)
                .addTensor("fc.bias", CLASSES)
                .treatOneDimensional(Treatment.PLAIN.withRateFactor(0.1))
                .build();
    }

    static Lars.Builder optimizer(Rule rule) {
        return optimizer(layers(), rule);
    }

    static Lars.Builder optimizer(Layers layers, Rule rule) {
        return Lars.builder(layers)
                .rule(rule)
                .learningRate(schedule())
                .momentum(0.9)
                .nesterov(true)
                .weightDecay(1e-3)
                .trustCoefficient(0.01);
    }

    /**
     * The same optimizer for shards.
     *
     * @param rule its name in {@link #RULES}: executors do not get objects of lars-core
     * @param maxGradientNorm as for {@link Lars.Builder#maxGradientNorm}
     */
    record Sharded(String rule, double maxGradientNorm, OnBadGradient onBadGradient) implements ShardedOptimizer {

        @Override
        public Layers layers() {
            return Problem.layers();
        }

        @Override
        public Lars.Builder builder(Layers layers) {
            return optimizer(layers, RULES.get(rule))
                    .maxGradientNorm(maxGradientNorm)
                    .onBadGradient(onBadGradient);
        }
    }

    static Schedule schedule() {
        return Schedule.polynomial(3, 2, 400).warmup(20);
    }

    /** As long as the weights. */
    static float[] momentumBuffer() {
        return new float[initialWeights().length];
    }

    static float[] initialWeights() {
        Random random = new Random(1);
        // Longer than the layers.
        float[] weights = new float[(int) layers().end() + 3];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) (0.05 * random.nextGaussian());
        }
        return weights;
    }

    /** The data of a partition: rows of features, with the label as the last element. */
    static float[][] partition(int number) {
        Random random = new Random(100 + number);
        float[][] rows = new float[EXAMPLES][FEATURES + 1];
        for (float[] row : rows) {
            int label = random.nextInt(CLASSES);
            row[FEATURES] = label;
            for (int i = 0; i < FEATURES; i++) {
                row[i] = (float) (random.nextGaussian() + (i % CLASSES == label ? 0.5 : 0));
            }
        }
        return rows;
    }

    static JavaRDD<float[][]> partitions(JavaSparkContext spark) {
        List<Integer> numbers = new ArrayList<>();
        for (int i = 0; i < PARTITIONS; i++) {
            numbers.add(i);
        }
        return spark.parallelize(numbers, PARTITIONS).map(Problem::partition).cache();
    }

    /** The gradient over 16 examples that batch and micro-batch choose. */
    static double gradient(float[] weights, float[][] partition, long batch, int microBatch, float[] gradient) {
        Random random = new Random(batch * 1_000 + microBatch);
        double loss = 0;
        int examples = 16;
        for (int e = 0; e < examples; e++) {
            float[] row = partition[random.nextInt(partition.length)];
            double[] logits = new double[CLASSES];
            double greatest = Double.NEGATIVE_INFINITY;
            for (int c = 0; c < CLASSES; c++) {
                logits[c] = weights[BIAS + c];
                for (int i = 0; i < FEATURES; i++) {
                    logits[c] += weights[c * FEATURES + i] * row[i];
                }
                greatest = Math.max(greatest, logits[c]);
            }
            double sum = 0;
            for (int c = 0; c < CLASSES; c++) {
                logits[c] = StrictMath.exp(logits[c] - greatest);
                sum += logits[c];
            }
            int label = (int) row[FEATURES];
            loss -= StrictMath.log(logits[label] / sum) / examples;
            for (int c = 0; c < CLASSES; c++) {
                float delta = (float) ((logits[c] / sum - (c == label ? 1 : 0)) / examples);
                gradient[BIAS + c] += delta;
                for (int i = 0; i < FEATURES; i++) {
                    gradient[c * FEATURES + i] += delta * row[i];
                }
            }
        }
        return loss;
    }

    /** What one JVM makes of it in some steps. */
    static String onOneJvm(Rule rule, int steps) {
        float[] momentum = momentumBuffer();
        List<float[]> weights = onOneJvm(optimizer(rule).momentumBuffer(momentum), steps);
        return sha256(weights.getLast(), momentum);
    }

    /** The weights that one JVM has before the first step and after each, if it clips. */
    static List<float[]> weightsOnOneJvm(Rule rule, double clip, int steps) {
        return onOneJvm(optimizer(rule).maxGradientNorm(clip), steps);
    }

    /** What becomes of a gradient in some tests. */
    interface Change {
        void of(long batch, int microBatch, float[] gradient);
    }

    private static List<float[]> onOneJvm(Lars.Builder optimizer, int steps) {
        return onOneJvm(optimizer, steps, (batch, microBatch, gradient) -> {});
    }

    /** Adds the gradients of the micro-batches in their order, in double; the weights before the first step and after each. */
    static List<float[]> onOneJvm(Lars.Builder optimizer, int steps, Change change) {
        float[] weights = initialWeights();
        List<float[]> all = new ArrayList<>(List.of(weights.clone()));
        float[][][] partitions = new float[PARTITIONS][][];
        for (int p = 0; p < PARTITIONS; p++) {
            partitions[p] = partition(p);
        }
        try (Lars lars = optimizer.build()) {
            for (long batch = 0; batch < steps; batch++) {
                double[] sums = new double[weights.length];
                for (int k = 0; k < MICRO_BATCHES; k++) {
                    float[] gradient = new float[weights.length];
                    gradient(weights, partitions[k / (MICRO_BATCHES / PARTITIONS)], batch, k, gradient);
                    change.of(batch, k, gradient);
                    for (int i = 0; i < sums.length; i++) {
                        sums[i] += gradient[i];
                    }
                }
                float[] mean = new float[sums.length];
                for (int i = 0; i < sums.length; i++) {
                    mean[i] = (float) (sums[i] / MICRO_BATCHES);
                }
                lars.step(weights, mean);
                all.add(weights.clone());
            }
        }
        return all;
    }

    /** The momentum in the last checkpoint of {@link #SHARDS} shards, each of which is a checkpoint of lars-core. */
    static float[] momentum(Path checkpoints, Rule rule) throws IOException {
        Layers whole = layers();
        float[] momentum = momentumBuffer();
        List<Shard> shards = Shard.cut(whole, SHARDS);
        List<String> manifest = Files.readAllLines(manifests(checkpoints).getLast());
        String name = manifests(checkpoints).getLast().toString().replace(".manifest", "");
        for (int s = 0; s < SHARDS; s++) {
            Layers layers = shards.get(s).layers();
            float[] part = new float[(int) layers.end()];
            String file = manifest.get(s).substring(manifest.get(s).lastIndexOf(' ') + 1);
            try (Lars lars = optimizer(layers, rule).momentumBuffer(part).build()) {
                Checkpoint.load(Path.of(name, file)).restore(lars, new float[part.length]);
            }
            for (int i = 0; i < whole.size(); i++) {
                int from = (int) (whole.get(i).offset() + shards.get(s).from(i));
                System.arraycopy(part, (int) layers.get(i).offset(), momentum, from, (int)
                        layers.get(i).length());
            }
        }
        return momentum;
    }

    /** The manifests in a folder of checkpoints, in the order in which they were saved. */
    static List<Path> manifests(Path checkpoints) throws IOException {
        try (Stream<Path> files = Files.list(checkpoints)) {
            return files.filter(file -> file.toString().endsWith(".manifest"))
                    .sorted()
                    .toList();
        }
    }

    static String sha256(float[]... arrays) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (float[] array : arrays) {
                ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * array.length);
                bytes.asFloatBuffer().put(array);
                digest.update(bytes);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }
}
