package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Layers;
import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import io.github.lars4j.bench.largebatch.Trainer.StepRecord;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainerTest {

    private static final DataSet TRAINING = Blobs.of(600, 1);
    private static final DataSet TEST = Blobs.of(200, 2);

    @TempDir
    Path folder;

    private static Settings settings(Normalization network, Method method, double rate) {
        double factor = method == Method.SGD ? 1 : 1.0 / 64;
        return new Settings(network, method, 64, 4, new SampledHyperparameters(rate, 0.2, 2, 0.9, 1e-4, factor), 1);
    }

    private static Settings good(Normalization network, Method method) {
        return settings(network, method, method == Method.SGD ? 0.1 : 8);
    }

    /** With a batch of two ghost batches. */
    private static Settings large(Normalization network) {
        Settings good = good(network, Method.LARS);
        return new Settings(network, Method.LARS, 400, 4, good.hyperparameters(), 1);
    }

    private static Settings good(Method method) {
        return good(Normalization.NONE, method);
    }

    private static Trainer trainer(Settings settings, MatrixProduct product) {
        return new Trainer(settings, TRAINING, List.of(24, 16), Blobs.CLASSES, product);
    }

    @Test
    void learnsWithEveryOptimizer() {
        for (Method method : Method.values()) {
            learns(good(method));
            learns(good(Normalization.BATCH, method));
        }
        learns(good(Normalization.GHOST, Method.LARS));
    }

    private static void learns(Settings settings) {
        try (MatrixProduct product = new MatrixProduct(1);
                Trainer trainer = trainer(settings, product)) {
            double before = trainer.evaluate(TEST).accuracy();
            while (trainer.losses().size() < 4) {
                assertTrue(trainer.epoch());
            }
            double after = trainer.evaluate(TEST).accuracy();
            assertTrue(before < 0.6 && after > 0.9, settings + ": " + before + " to " + after);
            assertTrue(trainer.losses().getLast() < trainer.losses().getFirst() / 2, () -> "" + trainer.losses());
            assertEquals(40, trainer.steps(), "10 steps an epoch, the last batch short");
        }
    }

    @Test
    void recordsEachStep() {
        try (MatrixProduct product = new MatrixProduct(1);
                Trainer trainer = trainer(good(Normalization.BATCH, Method.LARS), product)) {
            float[] before = trainer.weights().clone();
            trainer.epoch();
            trainer.epoch();
            List<StepRecord> history = trainer.history();
            assertEquals(20, history.size());
            // 40 steps, of which 8 warm up to a rate of 8, and 32 decay to 0.
            assertEquals(8 / 9.0, history.getFirst().rate(), 1e-12);
            assertEquals(8, history.get(8).rate(), 1e-12);
            assertEquals(8 * Math.pow(1 - 8 / 32.0, 2), history.get(16).rate(), 1e-12);
            double squares = 0;
            for (int i = 0; i < 24 * Blobs.FEATURES; i++) {
                squares += (double) before[i] * before[i];
            }
            assertEquals(Math.sqrt(squares), history.getFirst().weightNorms().getFirst(), 1e-12);
            for (int e = 0; e < 2; e++) {
                double loss = 0;
                for (int i = 0; i < 10; i++) {
                    loss += history.get(10 * e + i).loss() * (i < 9 ? 64 : 600 - 9 * 64);
                }
                assertEquals(trainer.losses().get(e), loss / 600, 1e-12);
            }
        }
    }

    @Test
    void doesNotRecordTheStepsOfALongRun() {
        Settings good = good(Method.SGD);
        Settings settings = new Settings(good.network(), Method.SGD, 2, 4, good.hyperparameters(), 1);
        try (MatrixProduct product = new MatrixProduct(1);
                Trainer trainer = trainer(settings, product)) {
            trainer.epoch();
            assertEquals(300, trainer.steps());
            assertEquals(List.of(), trainer.history());
        }
    }

    @Test
    void everyMethodComesToWeightsOfItsOwnAndFormatsStayNearFloat32() {
        float[] float32 = null;
        Set<Integer> hashes = new HashSet<>();
        for (Method method : Method.values()) {
            try (MatrixProduct product = new MatrixProduct(1);
                    Trainer trainer = trainer(good(method), product)) {
                trainer.epoch();
                float[] weights = trainer.weights();
                float32 = method == Method.LARS ? weights : float32;
                assertTrue(hashes.add(Arrays.hashCode(weights)), method.name());
                for (int i = 0; i < weights.length && method.isLars(); i++) {
                    assertEquals(float32[i], weights[i], 0.05, method.name());
                }
            }
        }
    }

    @Test
    void adaptsMatricesOnly() {
        for (Normalization network : Normalization.values()) {
            try (MatrixProduct product = new MatrixProduct(1);
                    Trainer trainer = trainer(good(network, Method.LARS), product)) {
                trainer.epoch();
                List<Double> ratios = trainer.history().getFirst().trustRatios();
                for (int i = 0; i < ratios.size(); i++) {
                    String name = trainer.layers().get(i).name();
                    assertEquals(name.matches("fc..weight"), ratios.get(i) != 1, name + ": " + ratios.get(i));
                }
            }
        }
    }

    @Test
    void goesOnFromACheckpointAsIfItHadNeverStopped() throws IOException {
        for (Settings settings : List.of(
                good(Method.SGD),
                good(Method.LARS),
                good(Normalization.BATCH, Method.LARS),
                large(Normalization.GHOST),
                good(Method.BF16_BOTH_STOCHASTIC),
                good(Method.LINEAR8_MOMENTUM),
                good(Method.DYNAMIC8_MOMENTUM_STOCHASTIC))) {
            try (MatrixProduct product = new MatrixProduct(1);
                    Trainer whole = trainer(settings, product);
                    Trainer first = trainer(settings, product);
                    Trainer second = trainer(settings, product)) {
                for (int e = 0; e < 4; e++) {
                    whole.epoch();
                }
                Path file = folder.resolve("run.safetensors");
                first.epoch();
                first.save(file);
                first.epoch();
                first.save(file);
                second.restore(file);
                assertEquals(first.seconds(), second.seconds());
                assertEquals(first.optimizerSeconds(), second.optimizerSeconds());
                assertEquals(first.evaluate(TEST), second.evaluate(TEST));
                second.epoch();
                second.epoch();
                assertArrayEquals(whole.weights(), second.weights(), settings.toString());
                assertEquals(whole.evaluate(TEST), second.evaluate(TEST));
                assertEquals(whole.losses(), second.losses());
                assertEquals(whole.history(), second.history());
                assertEquals(2, files(folder).size(), "the older records are gone");
                Trainer.delete(file);
                assertEquals(List.of(), files(folder));
            }
        }
    }

    /** The process may end between the two files of a checkpoint. */
    @Test
    void goesOnFromTheOlderCheckpointIfTheNewerIsNotWhole() throws IOException {
        try (MatrixProduct product = new MatrixProduct(1);
                Trainer first = trainer(good(Normalization.BATCH, Method.LARS), product);
                Trainer second = trainer(good(Normalization.BATCH, Method.LARS), product)) {
            Path file = folder.resolve("run.safetensors");
            first.epoch();
            first.save(file);
            Network.Evaluation expected = first.evaluate(TEST);
            byte[] checkpoint = Files.readAllBytes(file);
            first.epoch();
            // The second file of the second save cannot be written where a folder is that has files.
            Files.delete(file);
            Path inTheWay = Files.createFile(Files.createDirectory(file).resolve("file"));
            assertThrows(IOException.class, () -> first.save(file));
            Files.delete(inTheWay);
            Files.delete(file);
            Files.write(file, checkpoint);
            assertTrue(files(folder).size() >= 3, "records of both");
            second.restore(file);
            assertEquals(expected, second.evaluate(TEST));
            assertEquals(1, second.losses().size());
            Trainer.delete(file);
            assertEquals(List.of(), files(folder));
        }
    }

    @Test
    void savesStatisticsThatAreNotFinite() throws IOException {
        try (MatrixProduct product = new MatrixProduct(1);
                Trainer first = trainer(good(Normalization.BATCH, Method.SGD), product);
                Trainer second = trainer(good(Normalization.BATCH, Method.SGD), product)) {
            Path file = folder.resolve("run.safetensors");
            for (int i = 0; i < first.weights().length; i++) {
                first.weights()[i] *= i < 24 * Blobs.FEATURES ? 1e20f : 1;
            }
            first.epoch();
            first.save(file);
            second.restore(file);
            assertEquals(first.evaluate(TEST), second.evaluate(TEST));
        }
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }

    @Test
    void givesTheSameBitsForEveryNumberOfThreads() {
        // Wide enough that its products are shared out.
        for (Normalization network : Normalization.values()) {
            SampledHyperparameters good = good(Method.LARS).hyperparameters();
            givesTheSameBits(new Settings(network, Method.LARS, 600, 1, good, 1));
        }
    }

    private static void givesTheSameBits(Settings settings) {
        float[] expected = null;
        Network.Evaluation evaluation = null;
        for (int threads : new int[] {1, 2, 5}) {
            try (MatrixProduct product = new MatrixProduct(threads);
                    Trainer trainer = new Trainer(settings, TRAINING, List.of(250, 60), Blobs.CLASSES, product)) {
                trainer.epoch();
                if (expected == null) {
                    expected = trainer.weights().clone();
                    evaluation = trainer.evaluate(TEST);
                }
                assertEquals(evaluation, trainer.evaluate(TEST), threads + " threads");
                assertArrayEquals(expected, trainer.weights(), threads + " threads");
            }
        }
    }

    @Test
    void saysWhenTrainingBreaksDown() {
        for (Method method : Method.values()) {
            try (MatrixProduct product = new MatrixProduct(1);
                    Trainer trainer = trainer(settings(Normalization.NONE, method, 1e30), product)) {
                boolean finite = true;
                for (int e = 0; e < 4 && finite; e++) {
                    finite = trainer.epoch();
                }
                assertFalse(finite, method.name());
                assertTrue(trainer.losses().size() < 4);
            }
        }
    }

    @Test
    void momentumSgdTakesTheStepsOfItsFormula() {
        Layers layers = Layers.builder()
                .add("w", 2)
                .add("b", 1, Treatment.PLAIN.withRateFactor(0.25))
                .build();
        MomentumSgd sgd = new MomentumSgd(layers, step -> 0.5 / (step + 1), 0.75, 0.125);
        float[] w = {2, -1, 4};
        float[] g = {1, 0.5f, 2};
        sgd.step(w, g);
        // d = v = g + w / 8 = {1.25, 0.375}, and 2 for the bias without decay; rates 1/2 and 1/8 of d + 3/4 v.
        assertArrayEquals(new float[] {0.90625f, -1.328125f, 3.5625f}, w);
        sgd.step(w, g);
        // d = g + w / 8;  v = 3/4 v + d; rates 1/4 and 1/16.
        double d0 = 1 + 0.90625 / 8;
        double d1 = 0.5 - 1.328125 / 8;
        double v0 = 0.75 * 1.25 + d0;
        double v1 = 0.75 * 0.375 + d1;
        double v2 = 0.75 * 2 + 2;
        assertArrayEquals(
                new float[] {
                    (float) (0.90625 - (d0 + 0.75 * v0) / 4),
                    (float) (-1.328125 - (d1 + 0.75 * v1) / 4),
                    (float) (3.5625 - (2 + 0.75 * v2) / 16)
                },
                w,
                1e-6f);
    }
}
