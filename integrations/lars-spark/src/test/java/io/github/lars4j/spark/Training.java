package io.github.lars4j.spark;

import io.github.lars4j.Checkpoint;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.OnBadGradient;
import io.github.lars4j.Schedule;
import io.github.lars4j.rule.Dialects;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * A driver in a process of its own, which saves every fourth step, goes on from the last checkpoint, and writes the
 * SHA-256 of weights and momentum at the end. It may be ended in the middle of a step, when it asks for its rate.
 *
 * <p>Usage: {@code Training sharded|driver FOLDER EXECUTORS [HALT_AT]}.
 */
final class Training {

    static final int STEPS = 20;
    static final String RESULT = "result";

    private Training() {}

    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[1]);
        long haltAt = args.length > 3 ? Long.parseLong(args[3]) : Long.MAX_VALUE;
        try (JavaSparkContext spark = LocalCluster.start(Integer.parseInt(args[2]), 1)) {
            JavaRDD<float[][]> partitions = Problem.partitions(spark);
            String sha256 = args[0].equals("sharded")
                    ? sharded(partitions, folder, new Halting(haltAt))
                    : driver(partitions, folder, new Halting(haltAt));
            Files.writeString(folder.resolve(RESULT), sha256);
        }
    }

    private static String driver(JavaRDD<float[][]> partitions, Path folder, Halting optimizer) throws IOException {
        Path file = folder.resolve("run.safetensors");
        float[] weights = Problem.initialWeights();
        float[] momentum = Problem.momentumBuffer();
        try (Lars lars =
                optimizer.builder(optimizer.layers()).momentumBuffer(momentum).build()) {
            if (Files.exists(file)) {
                Checkpoint.load(file).restore(lars, weights);
            }
            DistributedLars<float[][]> distributed =
                    new DistributedLars<>(lars, weights, partitions, Problem.MICRO_BATCHES, Problem::gradient);
            while (lars.steps() < STEPS) {
                distributed.step(lars.steps());
                if (lars.steps() % 4 == 0) {
                    Checkpoint.save(file, lars, weights);
                }
            }
            return Problem.sha256(weights, momentum);
        }
    }

    private static String sharded(JavaRDD<float[][]> partitions, Path folder, Halting optimizer) throws IOException {
        String checkpoints = folder.toUri().toString();
        try (ShardedLars<float[][]> sharded = new ShardedLars<>(
                optimizer,
                Problem.SHARDS,
                Problem.initialWeights(),
                partitions,
                Problem.MICRO_BATCHES,
                Problem::gradient)) {
            try {
                sharded.restore(checkpoints);
            } catch (FileNotFoundException e) {
                sharded.save(checkpoints);
            }
            while (sharded.steps() < STEPS) {
                sharded.step(sharded.steps());
                if (sharded.steps() % 4 == 0) {
                    sharded.save(checkpoints);
                }
            }
            return Problem.sha256(sharded.weights(), Problem.momentum(folder, Dialects.PAPER));
        }
    }

    /** The optimizer of {@link Problem}, whose rate ends the driver in some step. */
    private record Halting(long step) implements ShardedOptimizer {

        @Override
        public Layers layers() {
            return Problem.layers();
        }

        @Override
        public Lars.Builder builder(Layers layers) {
            Schedule schedule = Problem.schedule();
            return new Problem.Sharded("paper", Double.POSITIVE_INFINITY, OnBadGradient.THROW)
                    .builder(layers)
                    .learningRate(step -> {
                        if (step == this.step && TaskContext.get() == null) {
                            Runtime.getRuntime().halt(3);
                        }
                        return schedule.rate(step);
                    });
        }
    }
}
