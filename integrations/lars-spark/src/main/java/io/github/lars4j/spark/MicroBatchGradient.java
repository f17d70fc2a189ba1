package io.github.lars4j.spark;

import java.io.Serializable;

/**
 * Computes the gradient of a micro-batch, on an executor.
 *
 * <p>It must be a pure function of its arguments: Spark runs it again when a task is retried or an executor is lost, and
 * twice at a time when it speculates. Then it must give the same bits each time. It may run in several threads at once,
 * each with a {@code gradient} of its own.
 *
 * @param <P> the data of a partition
 */
@FunctionalInterface
public interface MicroBatchGradient<P> extends Serializable {

    /**
     * Computes a gradient.
     *
     * @param weights the weights of this step, laid out as the optimizer's layers; only read. The tasks of an executor
     *     share them: a function that writes them spoils the gradients of others
     * @param partition the data of the partition to which the micro-batch belongs; only read
     * @param batch number of the batch, as given to {@link DistributedLars#step} or {@link ShardedLars#step}
     * @param microBatch number of the micro-batch within the batch, from 0
     * @param gradient receives the gradient, with the layout of the weights; all zeros before
     * @return the loss of the micro-batch, which is reported
     * @throws Exception if it cannot be computed: Spark tries again, and gives up after {@code spark.task.maxFailures}
     *     attempts
     */
    double compute(float[] weights, P partition, long batch, int microBatch, float[] gradient) throws Exception;
}
