package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Layers;
import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
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

    private static Settings settings(Method method, double rate) {
        return new Settings(method, 64, 4, rate, method == Method.SGD ? 1 : 1.0 / 64, 1);
    }

    private static Settings good(Method method) {
        return settings(method, method == Method.SGD ? 0.1 : 8);
    }

    private static Trainer trainer(Settings settings, MatrixProduct product) {
        return new Trainer(settings, TRAINING, List.of(24, 16), Blobs.CLASSES, product);
    }

    @Test
    void learnsWithEitherOptimizer() {
        for (Method method : Method.values()) {
            try (MatrixProduct product = new MatrixProduct(1);
                    Trainer trainer = trainer(good(method), product)) {
                double before = trainer.evaluate(TEST).accuracy();
                while (trainer.losses().size() < 4) {
                    assertTrue(trainer.epoch());
                }
                double after = trainer.evaluate(TEST).accuracy();
                assertTrue(before < 0.6 && after > 0.9, method + ": " + before + " to " + after);
                assertTrue(trainer.losses().getLast() < trainer.losses().getFirst() / 2, () -> "" + trainer.losses());
                assertEquals(40, trainer.trustRatios().size(), "10 steps an epoch, the last batch short");
            }
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
    void adaptsWeightsAndNotBiases() {
        try (MatrixProduct product = new MatrixProduct(1);
                Trainer trainer = trainer(good(Method.LARS), product)) {
            trainer.epoch();
            double[] ratios = trainer.trustRatios().getFirst();
            for (int i = 0; i < ratios.length; i++) {
                assertEquals(
                        i % 2 == 1, ratios[i] == 1, trainer.layers().get(i).name() + " has a ratio of " + ratios[i]);
            }
        }
    }

    @Test
    void goesOnFromACheckpointAsIfItHadNeverStopped() throws IOException {
        for (Method method : List.of(
                Method.SGD,
                Method.LARS,
                Method.BF16_BOTH_STOCHASTIC,
                Method.LINEAR8_MOMENTUM,
                Method.DYNAMIC8_MOMENTUM_STOCHASTIC)) {
            try (MatrixProduct product = new MatrixProduct(1);
                    Trainer whole = trainer(good(method), product);
                    Trainer first = trainer(good(method), product);
                    Trainer second = trainer(good(method), product)) {
                for (int e = 0; e < 4; e++) {
                    whole.epoch();
                }
                first.epoch();
                first.epoch();
                Path file = folder.resolve(method + ".safetensors");
                first.save(file);
                second.restore(file);
                assertEquals(first.seconds(), second.seconds());
                assertEquals(first.optimizerSeconds(), second.optimizerSeconds());
                second.epoch();
                second.epoch();
                assertArrayEquals(whole.weights(), second.weights(), method.name());
                assertEquals(whole.losses(), second.losses());
                assertEquals(40, second.trustRatios().size());
                for (int i = 0; i < 40; i++) {
                    assertArrayEquals(
                            whole.trustRatios().get(i), second.trustRatios().get(i));
                }
                Trainer.delete(file);
                try (Stream<Path> left = Files.list(folder)) {
                    assertEquals(0, left.count());
                }
            }
        }
    }

    @Test
    void givesTheSameBitsForEveryNumberOfThreads() {
        // Wide enough that its products are shared out.
        Settings settings = new Settings(Method.LARS, 600, 1, 8, 1.0 / 64, 1);
        float[] expected = null;
        for (int threads : new int[] {1, 2, 5}) {
            try (MatrixProduct product = new MatrixProduct(threads);
                    Trainer trainer = new Trainer(settings, TRAINING, List.of(250, 60), Blobs.CLASSES, product)) {
                trainer.epoch();
                if (expected == null) {
                    expected = trainer.weights().clone();
                }
                assertArrayEquals(expected, trainer.weights(), threads + " threads");
            }
        }
    }

    @Test
    void saysWhenTrainingBreaksDown() {
        for (Method method : Method.values()) {
            try (MatrixProduct product = new MatrixProduct(1);
                    Trainer trainer = trainer(settings(method, 1e30), product)) {
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
        // v = g + w / 8 = {1.25, 0.375}, and 2 for the bias without decay; rates 1/2 and 1/8.
        assertArrayEquals(new float[] {1.375f, -1.1875f, 3.75f}, w);
        sgd.step(w, g);
        // v = 3/4 v + g + w / 8; rates 1/4 and 1/16.
        double v0 = 0.75 * 1.25 + 1 + 1.375 / 8;
        double v1 = 0.75 * 0.375 + 0.5 - 1.1875 / 8;
        double v2 = 0.75 * 2 + 2;
        assertArrayEquals(
                new float[] {(float) (1.375 - v0 / 4), (float) (-1.1875 - v1 / 4), (float) (3.75 - v2 / 16)}, w, 1e-6f);
    }
}
