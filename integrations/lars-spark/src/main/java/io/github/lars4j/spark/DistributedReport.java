package io.github.lars4j.spark;

import io.github.lars4j.Outcome;
import io.github.lars4j.StepReport;
import java.util.OptionalInt;
import java.util.Set;

/**
 * What a step of {@link DistributedLars} or {@link ShardedLars} did.
 *
 * @param step the optimizer's report, which the next step overwrites. Of {@link ShardedLars}, it does not know what
 *     overflowed
 * @param overflowed the names of the layers that have {@link Outcome#OVERFLOWED}
 * @param loss the mean of the micro-batches' losses, added in their order
 * @param firstBadMicroBatch number of the first micro-batch with a NaN or an infinity in its gradient; empty if all were
 *     finite
 * @param gradientSeconds time of broadcast, gradients, shuffle and collecting; of {@link ShardedLars} with the first pass
 * @param stepSeconds time of the optimizer's step on the driver, or of the second pass on the executors
 */
public record DistributedReport(
        StepReport step,
        Set<String> overflowed,
        double loss,
        OptionalInt firstBadMicroBatch,
        double gradientSeconds,
        double stepSeconds) {}
