package io.github.lars4j.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Checkpoint;
import io.github.lars4j.Lars;
import io.github.lars4j.NonFiniteException;
import io.github.lars4j.OnBadGradient;
import io.github.lars4j.Outcome;
import io.github.lars4j.rule.Dialects;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.locks.LockSupport;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** On a cluster of two executors, each a process of its own. */
class DistributedLarsTest {

    private static final int STEPS = 20;
    private static final String EXPECTED = Problem.onOneJvm(Dialects.PAPER, STEPS);

    private static JavaSparkContext spark;
    private static JavaRDD<float[][]> partitions;

    @TempDir
    Path folder;

    private final float[] weights = Problem.initialWeights();
    private final float[] momentum = Problem.momentumBuffer();

    @BeforeAll
    static void start() {
        spark = LocalCluster.start(2, 1);
        partitions = Problem.partitions(spark);
    }

    @AfterAll
    static void stop() {
        spark.stop();
    }

    private Lars lars() {
        return Problem.optimizer(Dialects.PAPER).momentumBuffer(momentum).build();
    }

    private DistributedLars<float[][]> distributed(Lars lars, MicroBatchGradient<float[][]> function) {
        return new DistributedLars<>(lars, weights, partitions, Problem.MICRO_BATCHES, function);
    }

    @Test
    void hasTheBitsOfOneJvm() throws IOException {
        // Executors that were killed in other tests have left some.
        long filesBefore = LocalCluster.shuffleFiles();
        try (Lars lars = lars()) {
            DistributedLars<float[][]> distributed = distributed(lars, Problem::gradient);
            double first = 0;
            double last = 0;
            for (int batch = 0; batch < STEPS; batch++) {
                DistributedReport report = distributed.step(batch);
                assertEquals(batch, report.step().step());
                assertEquals(OptionalInt.empty(), report.firstBadMicroBatch());
                assertTrue(report.gradientSeconds() > 0 && report.stepSeconds() > 0);
                first = batch == 0 ? report.loss() : first;
                last = report.loss();
            }
            assertEquals(EXPECTED, Problem.sha256(weights, momentum));
            assertFewShuffleFiles(filesBefore);
            assertTrue(last < first / 2, first + " to " + last);
        }
    }

    /** Spark deletes in the background what a step has shuffled. */
    private static void assertFewShuffleFiles(long before) throws IOException {
        long most = before + 2 * Problem.PARTITIONS;
        long files = Long.MAX_VALUE;
        for (int tries = 0; tries < 1_000 && files > most; tries++) {
            LockSupport.parkNanos(10_000_000);
            files = LocalCluster.shuffleFiles();
        }
        assertTrue(files <= most, files + " files after " + STEPS + " steps");
    }

    @Test
    void hasTheSameBitsAfterFaults() {
        for (Fault.Kind kind : List.of(Fault.Kind.HALT, Fault.Kind.THROW)) {
            System.arraycopy(Problem.initialWeights(), 0, weights, 0, weights.length);
            Arrays.fill(momentum, 0);
            Fault fault = new Fault(kind, folder.toString(), 7, 5);
            try (Lars lars = lars()) {
                DistributedLars<float[][]> distributed = distributed(lars, fault);
                for (int batch = 0; batch < STEPS; batch++) {
                    distributed.step(batch);
                }
            }
            assertTrue(Files.exists(fault.marker()), "the fault has happened");
            assertEquals(EXPECTED, Problem.sha256(weights, momentum), kind.name());
        }
    }

    /** The second stage of a job reads what the executors of the first have written, which is lost with them. */
    @Test
    void hasTheSameBitsAfterTheLossOfAnExecutorInTheSecondStage() throws IOException {
        TaskFaults.Fault fault = TaskFaults.Fault.create(TaskFaults.Kind.HALT_AT_START, 1, 1, folder);
        try (Lars lars = lars()) {
            DistributedLars<float[][]> distributed = distributed(lars, Problem::gradient);
            for (int batch = 0; batch < 5; batch++) {
                distributed.step(batch);
            }
            fault.during(spark, () -> distributed.step(5));
            for (int batch = 6; batch < STEPS; batch++) {
                distributed.step(batch);
            }
        }
        fault.assertHappened();
        assertEquals(EXPECTED, Problem.sha256(weights, momentum));
    }

    @Test
    void goesOnFromACheckpoint() throws IOException {
        Path file = folder.resolve("run.safetensors");
        try (Lars lars = lars()) {
            DistributedLars<float[][]> distributed = distributed(lars, Problem::gradient);
            for (int batch = 0; batch < 8; batch++) {
                distributed.step(batch);
            }
            Checkpoint.save(file, lars, weights);
            distributed.step(8); // lost with the driver
        }
        System.arraycopy(Problem.initialWeights(), 0, weights, 0, weights.length);
        Arrays.fill(momentum, 0);
        try (Lars lars = lars()) {
            Checkpoint.load(file).restore(lars, weights);
            DistributedLars<float[][]> distributed = distributed(lars, Problem::gradient);
            for (long batch = lars.steps(); batch < STEPS; batch++) {
                distributed.step(batch);
            }
        }
        assertEquals(EXPECTED, Problem.sha256(weights, momentum));
    }

    private static double withNaN(float[] weights, float[][] partition, long batch, int microBatch, float[] gradient) {
        double loss = Problem.gradient(weights, partition, batch, microBatch, gradient);
        if (microBatch == 3 || microBatch == 6) {
            gradient[microBatch == 3 ? gradient.length - 1 : 0] = microBatch == 3 ? Float.NaN : Float.POSITIVE_INFINITY;
        }
        return loss;
    }

    @Test
    void badGradientsMeanWhatTheyMeanLocallyAndTheMicroBatchIsNamed() {
        float[] before = weights.clone();
        try (Lars lars = lars()) {
            NonFiniteException bad = assertThrows(
                    NonFiniteException.class,
                    () -> distributed(lars, DistributedLarsTest::withNaN).step(0));
            assertTrue(
                    bad.getSuppressed()[0].getMessage().contains("micro-batch 3 of batch 0"),
                    () -> "" + List.of(bad.getSuppressed()));
            assertArrayEquals(before, weights);
            assertEquals(0, lars.steps());
        }
        try (Lars lars = Problem.optimizer(Dialects.PAPER)
                .onBadGradient(OnBadGradient.REFUSE)
                .build()) {
            DistributedReport report =
                    distributed(lars, DistributedLarsTest::withNaN).step(0);
            assertTrue(report.step().refused());
            assertEquals(OptionalInt.of(3), report.firstBadMicroBatch());
            assertArrayEquals(before, weights);
        }
        MicroBatchGradient<float[][]> onlyBias = (w, partition, batch, microBatch, gradient) -> {
            double loss = Problem.gradient(w, partition, batch, microBatch, gradient);
            gradient[Problem.BIAS] = microBatch == 4 ? Float.NEGATIVE_INFINITY : 0;
            return loss;
        };
        try (Lars lars = Problem.optimizer(Dialects.PAPER)
                .onBadGradient(OnBadGradient.SKIP_LAYER)
                .build()) {
            DistributedReport report = distributed(lars, onlyBias).step(0);
            assertEquals(OptionalInt.of(4), report.firstBadMicroBatch());
            assertEquals(Outcome.BAD_GRADIENT, report.step().outcome(1));
            assertTrue(weights[0] != before[0]);
            assertEquals(before[Problem.BIAS], weights[Problem.BIAS]);
        }
    }

    @Test
    void aFunctionThatAlwaysThrowsEndsTheStepAndChangesNothing() {
        float[] before = weights.clone();
        try (Lars lars = lars()) {
            Exception failure = assertThrows(
                    Exception.class,
                    () -> distributed(lars, (w, p, b, k, g) -> {
                                throw new IOException("there is no example " + k);
                            })
                            .step(4));
            assertTrue(failure.getMessage().contains("there is no example"), failure.getMessage());
            assertArrayEquals(before, weights);
            assertEquals(0, lars.steps());
        }
    }

    @Test
    void refusesWhatCannotWork() {
        try (Lars lars = lars()) {
            assertEquals(
                    "microBatches is 6; it must be a positive multiple of the number of partitions, which is 4",
                    assertThrows(
                                    IllegalArgumentException.class,
                                    () -> new DistributedLars<>(lars, weights, partitions, 6, Problem::gradient))
                            .getMessage());
            assertEquals(
                    "weights has 10 elements; it must have at least 5007",
                    assertThrows(
                                    IllegalArgumentException.class,
                                    () -> new DistributedLars<>(lars, new float[10], partitions, 8, Problem::gradient))
                            .getMessage());
            JavaRDD<float[][]> twoEach =
                    partitions.flatMap(each -> List.of(each, each).iterator());
            Exception failure = assertThrows(
                    Exception.class, () -> new DistributedLars<>(lars, weights, twoEach, 8, Problem::gradient).step(0));
            assertTrue(failure.getMessage().contains("has several elements; it must have one"), failure.getMessage());
        }
    }
}
