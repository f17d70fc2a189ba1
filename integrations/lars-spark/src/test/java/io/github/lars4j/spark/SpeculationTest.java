package io.github.lars4j.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Lars;
import io.github.lars4j.rule.Dialects;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Spark runs a second copy of a slow task: nothing is counted twice. */
@Tag("slow")
class SpeculationTest {

    private static final int STEPS = 8;

    @TempDir
    Path folder;

    @Test
    @Timeout(120)
    void twoCopiesOfATaskCountOnce() throws IOException {
        float[] weights = Problem.initialWeights();
        float[] momentum = new float[weights.length];
        AtomicInteger speculative = new AtomicInteger();
        try (TwoHosts hosts = new TwoHosts(folder);
                JavaSparkContext spark = hosts.driver();
                Lars lars = Problem.optimizer(Dialects.PAPER)
                        .momentumBuffer(momentum)
                        .build()) {
            spark.sc().addSparkListener(new SparkListener() {
                @Override
                public void onTaskStart(SparkListenerTaskStart task) {
                    speculative.addAndGet(task.taskInfo().speculative() ? 1 : 0);
                }
            });
            DistributedLars<float[][]> distributed = new DistributedLars<>(
                    lars,
                    weights,
                    Problem.partitions(spark),
                    Problem.MICRO_BATCHES,
                    new Fault(Fault.Kind.WAIT_FOR_COPY, folder.toString(), 3, 7));
            for (int batch = 0; batch < STEPS; batch++) {
                distributed.step(batch);
            }
        }
        assertTrue(speculative.get() > 0, "a copy of a task was started");
        assertEquals(Problem.onOneJvm(Dialects.PAPER, STEPS), Problem.sha256(weights, momentum));
    }
}
