package io.github.lars4j.spark;

import io.github.lars4j.Checkpoint;
import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.Outcome;
import io.github.lars4j.Shard;
import io.github.lars4j.StepReport;
import io.github.lars4j.Tensors;
import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;

/**
 * The state of a shard between two steps. Everything here is a pure function of it and of its arguments, so that Spark
 * may run it again. No record, because Kryo cannot read records.
 */
final class ShardState implements Serializable {

    private static final long serialVersionUID = 1;

    /** Number of the shard. */
    final int shard;

    /** Number of shards. */
    final int shards;

    /** The shard's weights. */
    final float[] weights;

    /** A checkpoint of the shard's optimizer without the weights; empty before the first step. */
    private final byte[] checkpoint;

    /** The layers that had {@link Outcome#OVERFLOWED} in the last step. */
    final int[] overflowed;

    private ShardState(int shard, int shards, float[] weights, byte[] checkpoint, int[] overflowed) {
        this.shard = shard;
        this.shards = shards;
        this.weights = weights;
        this.checkpoint = checkpoint;
        this.overflowed = overflowed;
    }

    /** Returns the state of a shard before the first step. */
    static ShardState first(int shard, int shards, float[] weights) {
        return new ShardState(shard, shards, weights, new byte[0], new int[0]);
    }

    private Lars optimizer(ShardedOptimizer description) {
        return description.builder(layers(description, shard, shards)).build();
    }

    private static Layers layers(ShardedOptimizer description, int shard, int shards) {
        return Shard.of(description.layers(), shard, shards).layers();
    }

    /** What a shard has measured. */
    static final class Measured implements Serializable {

        private static final long serialVersionUID = 1;

        final int shard;
        /** The sums of its blocks, as {@link io.github.lars4j.ShardSums#toArray}. */
        final double[] sums;
        /** Those of the {@link ShardMean}. */
        final double loss;

        final int firstBad;

        Measured(ShardMean mean, double[] sums) {
            this.shard = mean.shard;
            this.sums = sums;
            this.loss = mean.loss;
            this.firstBad = mean.firstBad;
        }
    }

    /** Pass 1. */
    Measured measure(ShardedOptimizer description, ShardMean mean) {
        try (Lars lars = optimizer(description)) {
            return new Measured(
                    mean,
                    lars.measureBlocks(Tensors.flat(weights), gradients(mean)).toArray());
        }
    }

    /** Pass 2: the state after a step, about which the driver has decided. */
    ShardState update(ShardedOptimizer description, ShardMean mean, DriverDecision decision) throws IOException {
        float[] updated = weights.clone();
        try (Lars lars = optimizer(description)) {
            restore(lars, checkpoint);
            StepReport report = lars.update(Tensors.flat(updated), gradients(mean), decision.sums(lars.layers()));
            decision.requireSame(report, lars);
            return new ShardState(shard, shards, updated, save(lars, null), overflowed(report));
        }
    }

    /** The kernels that steps of this shard use here. */
    String kernels(ShardedOptimizer description) {
        try (Lars lars = optimizer(description)) {
            return lars.kernels();
        }
    }

    /** A checkpoint of the shard with its weights. */
    byte[] toFile(ShardedOptimizer description) throws IOException {
        try (Lars lars = optimizer(description)) {
            restore(lars, checkpoint);
            return save(lars, weights);
        }
    }

    /** The state of a file that {@link #toFile} has made. */
    static ShardState ofFile(ShardedOptimizer description, int shard, int shards, byte[] file) throws IOException {
        Layers layers = layers(description, shard, shards);
        float[] weights = new float[(int) layers.end()];
        try (Lars lars = description.builder(layers).build()) {
            onDisk(file, path -> Checkpoint.load(path).restore(lars, weights));
            return new ShardState(shard, shards, weights, save(lars, null), new int[0]);
        }
    }

    private static Gradients gradients(ShardMean mean) {
        return Gradients.of(Tensors.flat(mean.values));
    }

    /** Restores a checkpoint without weights; nothing if it is empty. */
    static void restore(Lars lars, byte[] checkpoint) throws IOException {
        if (checkpoint.length > 0) {
            onDisk(checkpoint, path -> Checkpoint.load(path).restore(lars));
        }
    }

    /** Makes a checkpoint, without weights if they are {@code null}. */
    static byte[] save(Lars lars, float[] weights) throws IOException {
        byte[][] saved = new byte[1][];
        onDisk(new byte[0], path -> {
            if (weights == null) {
                Checkpoint.save(path, lars);
            } else {
                Checkpoint.save(path, lars, weights);
            }
            saved[0] = Files.readAllBytes(path);
        });
        return saved[0];
    }

    private interface FileTask {
        void run(Path path) throws IOException;
    }

    /** Does something with a temporary file that has some bytes. */
    private static void onDisk(byte[] bytes, FileTask task) throws IOException {
        Path path = Files.createTempFile("lars4j-shard", ".safetensors");
        try {
            Files.write(path, bytes);
            task.run(path);
        } finally {
            Files.deleteIfExists(path);
        }
    }

    /** The indices of the layers that overflowed in a step. */
    static int[] overflowed(StepReport report) {
        return IntStream.range(0, report.layers().size())
                .filter(layer -> report.outcome(layer) == Outcome.OVERFLOWED)
                .toArray();
    }
}
