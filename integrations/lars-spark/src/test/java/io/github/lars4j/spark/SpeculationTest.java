package io.github.lars4j.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.lars4j.Lars;
import io.github.lars4j.OnBadGradient;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.spark.TaskFaults.Fault;
import io.github.lars4j.spark.TaskFaults.Kind;
import java.io.IOException;
import java.nio.file.Path;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Spark runs a second copy of a slow task, and both finish: nothing is counted twice. */
@Tag("slow")
class SpeculationTest {

    private static final int STEPS = 8;

    @TempDir
    Path folder;

    @Test
    @Timeout(240)
    void twoCopiesOfATaskOfAnyStageCountOnce() throws IOException {
        try (TwoHosts hosts = new TwoHosts(folder);
                JavaSparkContext spark = hosts.driver()) {
            JavaRDD<float[][]> partitions = Problem.partitions(spark);
            float[] weights = Problem.initialWeights();
            float[] momentum = Problem.momentumBuffer();
            try (Lars lars =
                    Problem.optimizer(Dialects.PAPER).momentumBuffer(momentum).build()) {
                DistributedLars<float[][]> distributed =
                        new DistributedLars<>(lars, weights, partitions, Problem.MICRO_BATCHES, Problem::gradient);
                train(spark, 2, distributed::step);
            }
            String expected = Problem.onOneJvm(Dialects.PAPER, STEPS);
            assertEquals(expected, Problem.sha256(weights, momentum));
            try (ShardedLars<float[][]> sharded = new ShardedLars<>(
                    new Problem.Sharded("paper", Double.POSITIVE_INFINITY, OnBadGradient.THROW),
                    Problem.SHARDS,
                    Problem.initialWeights(),
                    partitions,
                    Problem.MICRO_BATCHES,
                    Problem::gradient)) {
                train(spark, 3, sharded::step);
                Path checkpoints = folder.resolve("checkpoints");
                sharded.save(checkpoints.toUri().toString());
                assertEquals(
                        expected, Problem.sha256(sharded.weights(), Problem.momentum(checkpoints, Dialects.PAPER)));
            }
        }
    }

    private interface Step {
        void take(long batch);
    }

    /** In each of the first steps, a task of another stage runs twice. */
    private void train(JavaSparkContext spark, int stages, Step step) throws IOException {
        for (long batch = 0; batch < STEPS; batch++) {
            long number = batch;
            if (batch < stages) {
                Fault fault = Fault.create(Kind.TWO_COPIES, (int) batch, 1, folder);
                fault.during(spark, () -> step.take(number));
                fault.assertHappened();
            } else {
                step.take(number);
            }
        }
    }
}
