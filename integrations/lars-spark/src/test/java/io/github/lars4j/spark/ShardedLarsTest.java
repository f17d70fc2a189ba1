package io.github.lars4j.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Format;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.NonFiniteException;
import io.github.lars4j.OnBadGradient;
import io.github.lars4j.Schedule;
import io.github.lars4j.rule.Dialects;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.spark.SparkConf;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** On a cluster of two executors, each a process of its own. */
class ShardedLarsTest {

    private static final int STEPS = 12;

    private static JavaSparkContext spark;
    private static JavaRDD<float[][]> partitions;

    @TempDir
    Path folder;

    @BeforeAll
    static void start() {
        // Many clusters are set to Kryo, which cannot read everything that Java's own serialization can.
        spark = LocalCluster.start(
                "local-cluster[2,1,1024]",
                new SparkConf().set("spark.serializer", "org.apache.spark.serializer.KryoSerializer"));
        partitions = Problem.partitions(spark);
    }

    @AfterAll
    static void stop() {
        spark.stop();
    }

    private static ShardedLars<float[][]> sharded(MicroBatchGradient<float[][]> function) {
        return sharded(OnBadGradient.THROW, function);
    }

    private static ShardedLars<float[][]> sharded(OnBadGradient policy, MicroBatchGradient<float[][]> function) {
        return sharded(new Problem.Sharded("paper", Problem.CLIP, policy), function);
    }

    /** The weights of one JVM after each number of steps. */
    private static List<float[]> expected() {
        return Problem.weightsOnOneJvm(Dialects.PAPER, Problem.CLIP, STEPS);
    }

    @Test
    void hasTheBitsOfOneJvmAfterEveryStep() {
        List<float[]> expected = expected();
        try (ShardedLars<float[][]> sharded = sharded(Problem::gradient)) {
            assertArrayEquals(expected.getFirst(), sharded.weights());
            boolean clipped = false;
            for (int batch = 0; batch < STEPS; batch++) {
                DistributedReport report = sharded.step(batch);
                clipped |= report.step().clipScale() < 1;
                assertArrayEquals(expected.get(batch + 1), sharded.weights(), "step " + batch);
                assertEquals(batch + 1, sharded.steps());
                assertEquals(Set.of(), report.overflowed());
            }
            assertTrue(clipped, "the clip has an effect");
            assertEquals(1, sharded.kernels().size(), () -> "" + sharded.kernels());
        }
    }

    @Test
    void hasTheSameBitsAfterTheLossOfAnExecutor() throws IOException {
        List<float[]> expected = expected();
        // Its shards are on the other one, too.
        Fault fault = new Fault(Fault.Kind.HALT, folder.toString(), 4, 5);
        try (ShardedLars<float[][]> sharded = sharded(fault)) {
            for (int batch = 0; batch < STEPS; batch++) {
                sharded.step(batch);
            }
            assertTrue(Files.exists(fault.marker()));
            assertArrayEquals(expected.getLast(), sharded.weights());
        }
    }

    @Test
    void aLostStateIsSaidAndACheckpointGoesOn() throws IOException {
        List<float[]> expected = expected();
        String checkpoints = folder.resolve("checkpoints").toUri().toString();
        try (ShardedLars<float[][]> sharded = sharded(Problem::gradient)) {
            for (int batch = 0; batch < 5; batch++) {
                if (batch == 1 || batch == 2 || batch == 3) {
                    sharded.save(checkpoints);
                }
                sharded.step(batch);
            }
            assertEquals(2, Problem.manifests(folder.resolve("checkpoints")).size(), "the last two are kept");
            assertEquals(4, files(folder.resolve("checkpoints"), "").size());
            killAll();
            assertThrows(LostStateException.class, () -> {
                // The executors that take their place have nothing.
                sharded.step(5);
            });
            assertArrayEquals(expected.get(5), sharded.weights(), "nothing was changed");
            assertEquals(5, sharded.steps());
            assertEquals(3, sharded.restore(checkpoints));
            assertArrayEquals(expected.get(3), sharded.weights());
            for (long batch = sharded.steps(); batch < STEPS; batch++) {
                sharded.step(batch);
            }
            assertArrayEquals(expected.getLast(), sharded.weights());
        }
        // A manifest that is not whole is no checkpoint, nor is a save that did not come to its manifest.
        Path newest = Problem.manifests(folder.resolve("checkpoints")).getLast();
        assertTrue(newest.getFileName().toString().contains("-step-3-"), newest.toString());
        byte[] manifest = Files.readAllBytes(newest);
        change(newest, Arrays.copyOf(manifest, manifest.length - 4));
        try (ShardedLars<float[][]> other = sharded(Problem::gradient)) {
            assertEquals(2, other.restore(checkpoints));
            assertArrayEquals(expected.get(2), other.weights());
            change(newest, manifest);
            // A file that was changed is refused, a shard's as well as the driver's.
            for (String file : List.of("driver", "000001")) {
                Path damaged = files(Path.of(newest.toString().replace(".manifest", "")), file)
                        .getFirst();
                byte[] good = Files.readAllBytes(damaged);
                byte[] bad = good.clone();
                bad[bad.length - 1] ^= 1;
                change(damaged, bad);
                IOException refusal = assertThrows(IOException.class, () -> other.restore(checkpoints));
                assertTrue(refusal.getMessage().contains("is damaged"), refusal.getMessage());
                assertArrayEquals(expected.get(2), other.weights());
                assertEquals(2, other.steps());
                change(damaged, good);
            }
            // The last save counts, not the greatest step; the same step may be saved again.
            other.save(checkpoints);
            other.save(checkpoints);
            assertEquals(2, Problem.manifests(folder.resolve("checkpoints")).size());
            assertEquals(2, other.restore(checkpoints));
            other.step(2);
            assertArrayEquals(expected.get(3), other.weights());
        }
    }

    /** The files whose names begin so, without Hadoop's own. */
    private static List<Path> files(Path folder, String begin) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.getFileName().toString().startsWith(begin))
                    .filter(file -> !file.getFileName().toString().endsWith(".crc"))
                    .sorted()
                    .toList();
        }
    }

    /** Changes a file, and deletes the checksum that Hadoop has of its own on local disks. */
    private static void change(Path file, byte[] bytes) throws IOException {
        Files.write(file, bytes);
        Files.deleteIfExists(file.resolveSibling("." + file.getFileName() + ".crc"));
    }

    /**
     * An optimizer that cannot be built on the executors between the driver's decision about the fourth step and the
     * removal of a file.
     */
    private record FailsOnce(String file) implements ShardedOptimizer {

        @Override
        public Layers layers() {
            return Problem.layers();
        }

        @Override
        public Lars.Builder builder(Layers layers) {
            boolean decides = layers.end() == 0;
            if (!decides && Files.exists(Path.of(file))) {
                throw new IllegalStateException("on purpose");
            }
            Schedule schedule = Problem.schedule();
            return Problem.optimizer(layers, Dialects.PAPER)
                    .maxGradientNorm(Problem.CLIP)
                    .learningRate(step -> {
                        if (decides && step == 3) {
                            failOnce();
                        }
                        return schedule.rate(step);
                    });
        }

        private void failOnce() {
            try {
                Files.createFile(Path.of(file + ".once"));
                Files.createFile(Path.of(file));
            } catch (FileAlreadyExistsException e) {
                // It has failed before.
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    @Test
    void aSecondJobThatFailsChangesNothing() throws IOException {
        List<float[]> expected = expected();
        Path file = folder.resolve("fail");
        try (ShardedLars<float[][]> sharded = sharded(new FailsOnce(file.toString()), Problem::gradient)) {
            for (int batch = 0; batch < 3; batch++) {
                sharded.step(batch);
            }
            Exception failure = assertThrows(Exception.class, () -> sharded.step(3));
            assertTrue(failure.getMessage().contains("on purpose"), failure.getMessage());
            assertArrayEquals(expected.get(3), sharded.weights());
            assertEquals(3, sharded.steps());
            Files.delete(file);
            for (long batch = sharded.steps(); batch < STEPS; batch++) {
                sharded.step(batch);
            }
            assertArrayEquals(expected.getLast(), sharded.weights());
        }
    }

    private static void killAll() {
        for (ProcessHandle executor : LocalCluster.executors()) {
            executor.destroyForcibly();
            executor.onExit().join();
        }
    }

    private static void spoil(long batch, int microBatch, float[] gradient) {
        if (batch == 1 && microBatch == 6) {
            gradient[Problem.BIAS + 1] = Float.NaN;
        }
    }

    private static double withNaN(float[] weights, float[][] partition, long batch, int microBatch, float[] gradient) {
        double loss = Problem.gradient(weights, partition, batch, microBatch, gradient);
        spoil(batch, microBatch, gradient);
        return loss;
    }

    @Test
    void badGradientsMeanWhatTheyMeanLocally() {
        float[] first = expected().get(1);
        try (ShardedLars<float[][]> sharded = sharded(ShardedLarsTest::withNaN)) {
            sharded.step(0);
            NonFiniteException bad = assertThrows(NonFiniteException.class, () -> sharded.step(1));
            assertEquals("fc.bias", bad.layer());
            assertTrue(bad.getSuppressed()[0].getMessage().contains("micro-batch 6 of batch 1"));
            assertArrayEquals(first, sharded.weights());
            assertEquals(1, sharded.steps());
        }
        try (ShardedLars<float[][]> sharded = sharded(OnBadGradient.REFUSE, ShardedLarsTest::withNaN)) {
            sharded.step(0);
            DistributedReport report = sharded.step(1);
            assertTrue(report.step().refused());
            assertEquals(OptionalInt.of(6), report.firstBadMicroBatch());
            assertArrayEquals(first, sharded.weights());
            assertEquals(1, sharded.steps());
            assertEquals(1, sharded.refusals());
            assertFalse(sharded.step(2).step().refused());
        }
        List<float[]> expected = Problem.onOneJvm(
                new Problem.Sharded("paper", Problem.CLIP, OnBadGradient.SKIP_LAYER).builder(Problem.layers()),
                4,
                ShardedLarsTest::spoil);
        try (ShardedLars<float[][]> sharded = sharded(OnBadGradient.SKIP_LAYER, ShardedLarsTest::withNaN)) {
            for (int batch = 0; batch < 4; batch++) {
                sharded.step(batch);
            }
            assertArrayEquals(expected.getLast(), sharded.weights());
        }
    }

    /** A group by name, momentum in bfloat16 and by schedule, momentum correction, and a layer that is skipped once. */
    private record Rich() implements ShardedOptimizer {

        @Override
        public Layers layers() {
            return Problem.layers();
        }

        @Override
        public Lars.Builder builder(Layers layers) {
            return Lars.builder(layers)
                    .learningRate(Problem.schedule())
                    .momentum(step -> step < 3 ? 0.5 : 0.9)
                    .momentumFormat(Format.BFLOAT16)
                    .momentumCorrection(true)
                    .weightDecay(1e-3)
                    .trustCoefficient(0.01)
                    .onBadGradient(OnBadGradient.SKIP_LAYER)
                    .group("biases", Pattern.compile("bias$"), group -> group.momentum(0.8));
        }
    }

    @Test
    void hasTheBitsOfOneJvmWithEveryOtherSetting() {
        List<float[]> expected = Problem.onOneJvm(new Rich().builder(Problem.layers()), STEPS, ShardedLarsTest::spoil);
        try (ShardedLars<float[][]> sharded = sharded(new Rich(), ShardedLarsTest::withNaN)) {
            for (int batch = 0; batch < STEPS; batch++) {
                sharded.step(batch);
                assertArrayEquals(expected.get(batch + 1), sharded.weights(), "step " + batch);
            }
        }
    }

    private static ShardedLars<float[][]> sharded(ShardedOptimizer optimizer, MicroBatchGradient<float[][]> function) {
        return new ShardedLars<>(
                optimizer, Problem.SHARDS, Problem.initialWeights(), partitions, Problem.MICRO_BATCHES, function);
    }

    /** An optimizer that is another one on the executors. */
    private record Different(boolean group) implements ShardedOptimizer {

        @Override
        public Layers layers() {
            return Problem.layers();
        }

        @Override
        public Lars.Builder builder(Layers layers) {
            boolean here = TaskContext.get() == null;
            Lars.Builder builder = Problem.optimizer(layers, Dialects.PAPER);
            return group
                    ? builder.group("some", layer -> here || layer.name().equals("fc.bias"), each -> each.momentum(0.5))
                    : builder.learningRate(step -> here || step < 1 ? 1 : 2);
        }
    }

    @Test
    void executorsThatDecideOtherwiseAreRefused() {
        for (boolean group : new boolean[] {false, true}) {
            try (ShardedLars<float[][]> sharded = sharded(new Different(group), Problem::gradient)) {
                if (!group) {
                    sharded.step(0);
                }
                float[] before = sharded.weights().clone();
                long steps = sharded.steps();
                Exception failure = assertThrows(Exception.class, () -> sharded.step(steps));
                String message = group ? "a group must choose its layers by name" : "has decided otherwise";
                assertTrue(failure.getMessage().contains(message), failure.getMessage());
                assertArrayEquals(before, sharded.weights());
                assertEquals(steps, sharded.steps());
            }
        }
    }

    @Test
    void aCheckpointOfWhichAFileIsMissingIsNotNone() throws IOException {
        Path checkpoints = folder.resolve("checkpoints");
        String uri = checkpoints.toUri().toString();
        try (ShardedLars<float[][]> sharded = sharded(Problem::gradient)) {
            sharded.save(uri);
            Path files =
                    Path.of(Problem.manifests(checkpoints).getLast().toString().replace(".manifest", ""));
            for (String name : List.of("driver", "000001")) {
                Path file = files(files, name).getFirst();
                byte[] bytes = Files.readAllBytes(file);
                Files.delete(file);
                IOException missing = assertThrows(IOException.class, () -> sharded.restore(uri));
                assertFalse(missing instanceof FileNotFoundException, missing.toString());
                assertTrue(missing.getMessage().contains("is missing"), missing.getMessage());
                Files.write(file, bytes);
            }
            assertEquals(0, sharded.restore(uri));
        }
    }

    /** An optimizer during whose saving another run saves more often, if a file says so. */
    private record Intruded(String folder) implements ShardedOptimizer {

        @Override
        public Layers layers() {
            return Problem.layers();
        }

        @Override
        public Lars.Builder builder(Layers layers) {
            Path checkpoints = Path.of(folder, "checkpoints");
            if (TaskContext.get() != null && Files.exists(Path.of(folder, "now"))) {
                try {
                    Path manifest = Problem.manifests(checkpoints).getFirst();
                    String other =
                            "000000009" + manifest.getFileName().toString().substring(9);
                    Files.write(checkpoints.resolve(other), Files.readAllBytes(manifest));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
            return Problem.optimizer(layers, Dialects.PAPER);
        }
    }

    @Test
    void anotherRunInTheFolderIsSaid() throws IOException {
        String uri = folder.resolve("checkpoints").toUri().toString();
        try (ShardedLars<float[][]> sharded = sharded(new Intruded(folder.toString()), Problem::gradient)) {
            sharded.save(uri);
            Files.createFile(folder.resolve("now"));
            IOException alone = assertThrows(IOException.class, () -> sharded.save(uri));
            assertTrue(alone.getMessage().contains("another run has saved"), alone.getMessage());
        }
    }

    @Test
    void aRelativeFolderIsThatOfTheDriver() throws IOException {
        String relative = "target/checkpoints-" + folder.getFileName();
        List<float[]> expected = expected();
        try (ShardedLars<float[][]> sharded = sharded(Problem::gradient)) {
            sharded.step(0);
            sharded.save(relative);
            sharded.step(1);
            assertEquals(1, sharded.restore(relative));
            assertArrayEquals(expected.get(1), sharded.weights());
        }
        assertEquals(1, Problem.manifests(Path.of(relative)).size());
    }

    @Test
    void aClosedOneSaysSo() {
        ShardedLars<float[][]> sharded = sharded(Problem::gradient);
        sharded.close();
        sharded.close();
        assertEquals(
                "this ShardedLars is closed",
                assertThrows(IllegalStateException.class, () -> sharded.step(0)).getMessage());
    }

    @Test
    void refusesWhatCannotWork() {
        assertEquals(
                "count is 4; it must be in [1, 3], where 3 is the number of blocks",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> new ShardedLars<>(
                                        new Problem.Sharded("paper", Problem.CLIP, OnBadGradient.THROW),
                                        4,
                                        Problem.initialWeights(),
                                        partitions,
                                        8,
                                        Problem::gradient))
                        .getMessage());
        try (ShardedLars<float[][]> sharded = sharded(Problem::gradient)) {
            String none = folder.resolve("none").toUri().toString();
            assertThrows(FileNotFoundException.class, () -> sharded.restore(none));
        }
    }
}
