package io.github.lars4j.spark.example;

import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.spark.DistributedLars;
import io.github.lars4j.spark.DistributedReport;
import io.github.lars4j.spark.ShardedLars;
import io.github.lars4j.spark.ShardedOptimizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.LongFunction;
import java.util.stream.IntStream;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerStageCompleted;
import org.apache.spark.scheduler.StageInfo;

/**
 * Times the parts of a step on a cluster, for a network of a given size whose gradients cost next to nothing. Prints a
 * line of a Markdown table: medians in milliseconds.
 *
 * <p>Usage: {@code WhereTheTimeGoes PARAMETERS PARTITIONS MICRO_BATCHES [SHARDS]}; with {@code SHARDS}, by {@link
 * ShardedLars}.
 */
public final class WhereTheTimeGoes {

    private static final int STEPS = 15;
    /** Steps before the measured ones, in which executors start and classes are compiled. */
    private static final int WARMUP = 5;

    private static final int LAYER = 1 << 20;

    private WhereTheTimeGoes() {}

    /** Measures. */
    public static void main(String[] args) {
        if (args.length != 3 && args.length != 4) {
            throw new IllegalArgumentException("there must be arguments: PARAMETERS PARTITIONS MICRO_BATCHES [SHARDS]");
        }
        Network network = new Network(Integer.parseInt(args[0]));
        int microBatches = Integer.parseInt(args[2]);
        try (JavaSparkContext spark = new JavaSparkContext(new SparkConf().setAppName("the parts of a step"))) {
            StageTimes stages = new StageTimes();
            spark.sc().addSparkListener(stages);
            List<Integer> numbers =
                    IntStream.range(0, Integer.parseInt(args[1])).boxed().toList();
            JavaRDD<Integer> data = spark.parallelize(numbers, numbers.size()).cache();
            float[] weights = new float[network.parameters];
            Arrays.fill(weights, 0.01f);
            double[] medians;
            if (args.length == 4) {
                int shards = Integer.parseInt(args[3]);
                try (ShardedLars<Integer> sharded =
                        new ShardedLars<>(network, shards, weights, data, microBatches, WhereTheTimeGoes::gradient)) {
                    stages.clear();
                    medians = medians(sharded::step, stages, 3);
                }
            } else {
                try (Lars lars = network.builder(network.layers()).build()) {
                    DistributedLars<Integer> distributed =
                            new DistributedLars<>(lars, weights, data, microBatches, WhereTheTimeGoes::gradient);
                    medians = medians(distributed::step, stages, 2);
                }
            }
            System.out.println(String.format(
                    Locale.ROOT,
                    "| %,d | %d | %d | %s | %.0f | %.0f | %.0f | %.0f |",
                    network.parameters,
                    spark.sc().getExecutorMemoryStatus().size() - 1,
                    microBatches,
                    args.length == 4 ? args[3] + " shards" : "driver",
                    medians[0],
                    medians[1],
                    medians[2],
                    medians[3]));
        }
    }

    /** Layers of about a million elements. */
    private record Network(int parameters) implements ShardedOptimizer {

        @Override
        public Layers layers() {
            Layers.Builder layers = Layers.builder();
            for (int left = parameters; left > 0; left -= LAYER) {
                layers.add("layer" + left, Math.min(left, LAYER));
            }
            return layers.build();
        }

        @Override
        public Lars.Builder builder(Layers layers) {
            return Lars.builder(layers).learningRate(0.1).momentum(0.9);
        }
    }

    /**
     * The times of broadcast and scheduling, of the stage of gradients, of the stage that adds and collects them, and of
     * the optimizer, on the driver or in the second job.
     */
    private static double[] medians(LongFunction<DistributedReport> step, StageTimes stages, int stagesOfStep) {
        List<double[]> times = new ArrayList<>();
        for (int i = 0; i < WARMUP + STEPS; i++) {
            DistributedReport report = step.apply(i);
            double[] both = stages.take(stagesOfStep);
            if (i >= WARMUP) {
                double job = 1000 * report.gradientSeconds();
                times.add(new double[] {job - both[0] - both[1], both[0], both[1], 1000 * report.stepSeconds()});
            }
        }
        double[] medians = new double[4];
        for (int part = 0; part < medians.length; part++) {
            int each = part;
            double[] sorted =
                    times.stream().mapToDouble(time -> time[each]).sorted().toArray();
            medians[part] = sorted[sorted.length / 2];
        }
        return medians;
    }

    private static double gradient(float[] weights, Integer partition, long batch, int microBatch, float[] gradient) {
        // Numbers that look random: the shuffle compresses what it sends, and real gradients do not compress.
        int bits = microBatch;
        for (int i = 0; i < gradient.length; i++) {
            bits = bits * 1_664_525 + 1_013_904_223;
            gradient[i] = 0x1p-41f * bits;
        }
        return 0;
    }

    /** The durations of stages in milliseconds, in the order in which they end. */
    private static final class StageTimes extends SparkListener {

        private final List<Double> times = new ArrayList<>();

        @Override
        public synchronized void onStageCompleted(SparkListenerStageCompleted completed) {
            StageInfo stage = completed.stageInfo();
            times.add((double) ((Long) stage.completionTime().get()
                    - (Long) stage.submissionTime().get()));
            notifyAll();
        }

        synchronized void clear() {
            times.clear();
        }

        /** Waits until all stages of the last step are known, and takes them. */
        synchronized double[] take(int count) {
            try {
                while (times.size() < count) {
                    wait();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted", e);
            }
            double[] taken = times.stream().mapToDouble(time -> time).toArray();
            times.clear();
            return taken;
        }
    }
}
