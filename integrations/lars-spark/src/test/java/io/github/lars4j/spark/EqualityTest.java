package io.github.lars4j.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Lars;
import io.github.lars4j.OnBadGradient;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.spark.TaskFaults.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Three rules, 200 steps each, with an executor killed in every phase: the bits of one JVM. */
@Tag("slow")
class EqualityTest {

    private static final int STEPS = 200;

    @TempDir
    Path folder;

    /** An executor is killed at the start and at the end of each stage, in a step of its own, and within a gradient. */
    private final Map<Long, TaskFaults.Fault> faults = new TreeMap<>();

    private Fault inGradient;

    private void planFaults(String name, int stages) throws IOException {
        Path of = Files.createDirectory(folder.resolve(name));
        faults.clear();
        for (int stage = 0; stage < stages; stage++) {
            for (Kind kind : new Kind[] {Kind.HALT_AT_START, Kind.HALT_AT_END}) {
                faults.put(20L * (faults.size() + 1), TaskFaults.Fault.create(kind, stage, 1, of));
            }
        }
        inGradient = new Fault(Fault.Kind.HALT, of.toString(), 150, 3);
    }

    /** Takes a step, in which an executor is killed if that is planned for it. */
    private void step(JavaSparkContext spark, long batch, TaskFaults.Task step) throws IOException {
        TaskFaults.Fault fault = faults.get(batch);
        if (fault == null) {
            step.run();
        } else {
            fault.during(spark, step);
        }
    }

    private void assertAllHappened() {
        faults.values().forEach(TaskFaults.Fault::assertHappened);
        assertTrue(Files.exists(inGradient.marker()), "an executor was killed within a gradient");
    }

    @ParameterizedTest
    @Timeout(1800)
    @ValueSource(ints = {1, 2, 4})
    void anyNumberOfExecutorsHasTheBitsOfOneJvm(int executors) throws IOException {
        try (JavaSparkContext spark = LocalCluster.start(executors, 1)) {
            JavaRDD<float[][]> partitions = Problem.partitions(spark);
            for (Map.Entry<String, Rule> each : Problem.RULES.entrySet()) {
                planFaults(each.getKey(), 2);
                float[] weights = Problem.initialWeights();
                float[] momentum = Problem.momentumBuffer();
                try (Lars lars = Problem.optimizer(each.getValue())
                        .momentumBuffer(momentum)
                        .build()) {
                    DistributedLars<float[][]> distributed =
                            new DistributedLars<>(lars, weights, partitions, Problem.MICRO_BATCHES, inGradient);
                    for (long batch = 0; batch < STEPS; batch++) {
                        long number = batch;
                        step(spark, batch, () -> distributed.step(number));
                    }
                }
                assertAllHappened();
                assertEquals(
                        Problem.onOneJvm(each.getValue(), STEPS), Problem.sha256(weights, momentum), each.getKey());
            }
        }
    }

    /** With one executor, each loss of it is that of the state: training goes on from the last checkpoint. */
    @ParameterizedTest
    @Timeout(1800)
    @ValueSource(ints = {1, 2, 4})
    void shardsHaveTheBitsOfOneJvm(int executors) throws IOException {
        try (JavaSparkContext spark = LocalCluster.start(executors, 1)) {
            JavaRDD<float[][]> partitions = Problem.partitions(spark);
            for (Map.Entry<String, Rule> each : Problem.RULES.entrySet()) {
                String name = each.getKey();
                planFaults(name, 3);
                Path folderOfFaults = folder.resolve(name);
                TaskFaults.Fault inSave = TaskFaults.Fault.create(Kind.HALT_AT_END, 0, 1, folderOfFaults);
                TaskFaults.Fault inRestore = TaskFaults.Fault.create(Kind.HALT_AT_START, 0, 1, folderOfFaults);
                Path checkpoints = folder.resolve(name + "-checkpoints");
                int lost = 0;
                try (ShardedLars<float[][]> sharded = new ShardedLars<>(
                        new Problem.Sharded(name, Double.POSITIVE_INFINITY, OnBadGradient.THROW),
                        Problem.SHARDS,
                        Problem.initialWeights(),
                        partitions,
                        Problem.MICRO_BATCHES,
                        inGradient)) {
                    String uri = checkpoints.toUri().toString();
                    sharded.save(uri);
                    while (sharded.steps() < STEPS) {
                        long batch = sharded.steps();
                        try {
                            step(spark, batch, () -> sharded.step(batch));
                            if (batch == 170) {
                                inSave.during(spark, () -> sharded.save(uri));
                            } else if (batch % 10 == 0) {
                                sharded.save(uri);
                            }
                        } catch (LostStateException e) {
                            lost++;
                            sharded.restore(uri);
                        }
                        if (batch == 190) {
                            inRestore.during(spark, () -> sharded.restore(uri));
                        }
                    }
                    sharded.save(uri);
                    assertAllHappened();
                    inSave.assertHappened();
                    inRestore.assertHappened();
                    float[] momentum = Problem.momentum(checkpoints, each.getValue());
                    assertEquals(
                            Problem.onOneJvm(each.getValue(), STEPS),
                            Problem.sha256(sharded.weights(), momentum),
                            name);
                    System.out.println(executors + " executors, " + name + ": state lost " + lost + " times");
                    assertEquals(executors == 1, lost > 0, "a state is lost with the only executor");
                }
            }
        }
    }
}
