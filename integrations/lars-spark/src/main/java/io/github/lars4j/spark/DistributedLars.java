package io.github.lars4j.spark;

import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.NonFiniteException;
import io.github.lars4j.StepReport;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;

/**
 * Data-parallel LARS on Apache Spark. The driver has the weights and the optimizer; the executors compute the gradients
 * of a batch's micro-batches and their mean.
 *
 * <pre>{@code
 * JavaRDD<Examples> partitions = …;                       // one element in each partition, cached
 * DistributedLars<Examples> distributed = new DistributedLars<>(lars, weights, partitions, 32,
 *         (w, examples, batch, microBatch, gradient) -> examples.gradient(w, batch, microBatch, gradient));
 * for (long batch = lars.steps(); batch < steps; batch++) {
 *     DistributedReport report = distributed.step(batch);
 * }
 * }</pre>
 *
 * <p><b>Numbering.</b> Of P partitions and K micro-batches, micro-batch k belongs to partition k / (K / P). The gradient
 * of the batch is the mean of those of its micro-batches, which are added in {@code double}, element by element, in the
 * order of their numbers, and rounded to {@code float} once. So weights and momentum have the bits of one JVM that does
 * the same, whatever the number of executors and cores, the order in which tasks finish, retries, speculation and lost
 * executors.
 *
 * <p><b>A step</b> is one Spark job: the weights are broadcast, each gradient is cut into shards, the shards go through a
 * shuffle that sorts them by micro-batch, and the driver collects the means. A job that fails has changed nothing.
 *
 * <p>Not safe for use by several threads. It does not close the optimizer.
 *
 * @param <P> the data of a partition
 */
public final class DistributedLars<P> {

    private final Lars lars;
    private final float[] weights;
    private final float[] gradient;
    private final MeanGradients<P> gradients;

    /**
     * Makes a distributed optimizer.
     *
     * @param lars the optimizer, which stays the caller's: it may be restored, saved and changed between steps, but not
     *     get more layers
     * @param weights laid out as the optimizer's layers; each step writes them
     * @param partitions the data, with exactly one element in each partition; read in every step, so it should be
     *     cached. Their numbers and contents decide the result, so they must be the same when training is resumed
     * @param microBatches number of micro-batches of a batch, a multiple of the number of partitions
     * @param function computes the gradient of a micro-batch
     * @throws IllegalArgumentException if there are fewer weights than the layers have elements, or the micro-batches
     *     cannot be shared out equally among the partitions
     */
    public DistributedLars(
            Lars lars, float[] weights, JavaRDD<P> partitions, int microBatches, MicroBatchGradient<P> function) {
        this.lars = Objects.requireNonNull(lars, "lars");
        this.weights = Objects.requireNonNull(weights, "weights");
        long length = lars.layers().end();
        if (length < 1) {
            throw new IllegalArgumentException("the layers of lars have no elements; they must have at least 1");
        }
        if (weights.length < length) {
            throw new IllegalArgumentException(
                    "weights has " + weights.length + " elements; it must have at least " + length);
        }
        Objects.requireNonNull(partitions, "partitions");
        this.gradient = new float[(int) length];
        this.gradients = new MeanGradients<>(
                partitions, microBatches, function, Shards.even((int) length, partitions.getNumPartitions()));
    }

    /**
     * Takes a step. If the job fails, for example because the function threw an exception in every attempt, or a partition
     * has not exactly one element, Spark's own exception is thrown, {@link org.apache.spark.SparkException} for most,
     * though it is not declared. Nothing was changed then.
     *
     * @param batch number of the batch, which is given to the function; by it the function chooses its examples
     * @return what the step did
     * @throws NonFiniteException under {@link io.github.lars4j.OnBadGradient#THROW}, if a gradient is not finite. A
     *     suppressed exception names the first micro-batch that is not
     */
    public DistributedReport step(long batch) {
        if (lars.layers().end() > gradient.length) {
            throw new IllegalStateException(
                    "layers were added to the optimizer: make another DistributedLars for them");
        }
        long started = System.nanoTime();
        List<ShardMean> means = means(batch);
        double loss = 0;
        int bad = ShardMean.NONE;
        for (ShardMean mean : means) {
            gradients.shards().put(mean.values, mean.shard, gradient);
            loss = mean.loss;
            bad = Math.min(bad, mean.firstBad);
        }
        long computed = System.nanoTime();
        StepReport report;
        try {
            report = lars.step(weights, gradient);
        } catch (NonFiniteException e) {
            throw named(e, batch, bad);
        }
        return new DistributedReport(
                report,
                overflowed(report.layers(), ShardState.overflowed(report)),
                loss,
                bad == ShardMean.NONE ? OptionalInt.empty() : OptionalInt.of(bad),
                (computed - started) / 1e9,
                (System.nanoTime() - computed) / 1e9);
    }

    /** The names of some layers. */
    static Set<String> overflowed(Layers layers, int... indices) {
        Set<String> names = new TreeSet<>();
        for (int index : indices) {
            names.add(layers.get(index).name());
        }
        return names;
    }

    /** Adds the number of the first bad micro-batch to an exception. */
    static NonFiniteException named(NonFiniteException exception, long batch, int bad) {
        if (bad != ShardMean.NONE) {
            exception.addSuppressed(new ArithmeticException("the gradient of micro-batch " + bad + " of batch " + batch
                    + " is the first with NaN or infinity"));
        }
        return exception;
    }

    private List<ShardMean> means(long batch) {
        Broadcast<float[]> broadcast = JavaSparkContext.fromSparkContext(
                        gradients.partitions().context())
                .broadcast(weights);
        JavaRDD<ShardMean> means = gradients.of(broadcast, batch);
        try {
            List<ShardMean> collected = means.collect();
            Freeing.quietly(() -> MeanGradients.free(means));
            return collected;
        } finally {
            Freeing.quietly(broadcast::destroy);
        }
    }
}
