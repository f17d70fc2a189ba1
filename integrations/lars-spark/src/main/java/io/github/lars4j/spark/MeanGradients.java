package io.github.lars4j.spark;

import java.util.Objects;
import org.apache.spark.ContextCleaner;
import org.apache.spark.ShuffleDependency;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.broadcast.Broadcast;
import scala.Option;

/**
 * The job that both kinds of steps begin with: the gradients of a batch's micro-batches, and their mean by shard.
 *
 * @param partitions the data, with one element in each partition
 * @param microBatches number of micro-batches of a batch
 * @param function computes the gradient of a micro-batch
 * @param shards the cut of the gradients
 */
record MeanGradients<P>(JavaRDD<P> partitions, int microBatches, MicroBatchGradient<P> function, Shards shards) {

    MeanGradients {
        Objects.requireNonNull(function, "function");
        int count = Objects.requireNonNull(partitions, "partitions").getNumPartitions();
        if (count < 1 || microBatches < count || microBatches % count != 0) {
            throw new IllegalArgumentException("microBatches is " + microBatches
                    + "; it must be a positive multiple of the number of partitions, which is " + count);
        }
    }

    /** Returns the means of a batch, computed when they are asked for: one for each partition, in the order of shards. */
    JavaRDD<ShardMean> of(Broadcast<float[]> weights, long batch) {
        Gradients<P> gradients =
                new Gradients<>(weights, function, batch, microBatches / partitions.getNumPartitions(), shards);
        return JavaPairRDD.fromJavaRDD(partitions.mapPartitionsWithIndex(gradients, false))
                .repartitionAndSortWithinPartitions(shards)
                .mapPartitions(new Means(microBatches));
    }

    /**
     * Deletes what a job has shuffled. Spark does it only when the driver's garbage collector finds that nobody refers to it,
     * which on a large heap may be after the executors' disks are full: each step shuffles all gradients. It is left to Spark
     * if a job has failed: tasks of it may still run, and one that asks for what is gone waits for two minutes.
     */
    static void free(JavaRDD<ShardMean> means) {
        ShuffleDependency<?, ?, ?> shuffle = (ShuffleDependency<?, ?, ?>)
                means.rdd().dependencies().head().rdd().dependencies().head();
        Option<ContextCleaner> cleaner = means.rdd().sparkContext().cleaner();
        if (cleaner.isDefined()) {
            cleaner.get().doCleanupShuffle(shuffle.shuffleId(), false);
        }
    }
}
