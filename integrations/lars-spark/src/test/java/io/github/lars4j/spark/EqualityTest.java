package io.github.lars4j.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Three rules, 200 steps each, with an executor killed in each run: the bits of one JVM. */
@Tag("slow")
class EqualityTest {

    private static final int STEPS = 200;

    private static final Map<String, Rule> RULES =
            Map.of("paper", Dialects.PAPER, "snippet", Dialects.SNIPPET, "optax", Dialects.OPTAX);

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4})
    void anyNumberOfExecutorsHasTheBitsOfOneJvm(int executors) throws IOException {
        try (JavaSparkContext spark = LocalCluster.start(executors, 1)) {
            JavaRDD<float[][]> partitions = Problem.partitions(spark);
            for (Map.Entry<String, Rule> each : RULES.entrySet()) {
                String name = each.getKey();
                Rule rule = each.getValue();
                Files.createDirectory(folder.resolve(name));
                float[] weights = Problem.initialWeights();
                float[] momentum = new float[weights.length];
                Fault fault = new Fault(Fault.Kind.HALT, folder.resolve(name).toString(), 50, 3);
                try (Lars lars =
                        Problem.optimizer(rule).momentumBuffer(momentum).build()) {
                    DistributedLars<float[][]> distributed =
                            new DistributedLars<>(lars, weights, partitions, Problem.MICRO_BATCHES, fault);
                    for (int batch = 0; batch < STEPS; batch++) {
                        distributed.step(batch);
                    }
                }
                assertTrue(Files.exists(fault.marker()), name + ": an executor was killed");
                assertEquals(Problem.onOneJvm(rule, STEPS), Problem.sha256(weights, momentum), name);
            }
        }
    }

    /** The optimizer of {@link Problem} with a rule, by its name. */
    private record Description(String rule) implements ShardedOptimizer {

        @Override
        public Layers layers() {
            return Problem.layers();
        }

        @Override
        public Lars.Builder builder(Layers layers) {
            return Problem.optimizer(layers, RULES.get(rule));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 4})
    void shardsHaveTheBitsOfOneJvm(int executors) throws IOException {
        try (JavaSparkContext spark = LocalCluster.start(executors, 1)) {
            JavaRDD<float[][]> partitions = Problem.partitions(spark);
            for (String name : RULES.keySet()) {
                Files.createDirectory(folder.resolve(name));
                Fault fault = new Fault(Fault.Kind.HALT, folder.resolve(name).toString(), 50, 3);
                try (ShardedLars<float[][]> sharded = new ShardedLars<>(
                        new Description(name), 3, Problem.initialWeights(), partitions, Problem.MICRO_BATCHES, fault)) {
                    for (int batch = 0; batch < STEPS; batch++) {
                        sharded.step(batch);
                    }
                    assertTrue(Files.exists(fault.marker()), name + ": an executor was killed");
                    assertArrayEquals(
                            Problem.weightsOnOneJvm(RULES.get(name), Double.POSITIVE_INFINITY, STEPS)
                                    .getLast(),
                            sharded.weights(),
                            name);
                }
            }
        }
    }
}
