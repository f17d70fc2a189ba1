package io.github.lars4j.recipes;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.Schedule;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The trainers in Kotlin and Scala, compiled by their own compilers, have the bits of one in Java. */
class LanguagesTest {

    private static final int STEPS = 60;

    private final BlockNetwork network = new BlockNetwork();

    private interface Trainer {
        double train(float[] weights, Path file, int steps) throws IOException;
    }

    @Test
    void kotlin(@TempDir Path folder) throws IOException {
        check(new KotlinTrainer(network::backward)::train, folder);
    }

    @Test
    void scala(@TempDir Path folder) throws IOException {
        check(new ScalaTrainer((weights, gradients) -> network.backward(weights, gradients))::train, folder);
    }

    private void check(Trainer trainer, Path folder) throws IOException {
        float[] expected = BlockNetwork.initialWeights();
        double first = network.backward(expected, new float[expected.length]);
        inJava(expected);

        float[] weights = BlockNetwork.initialWeights();
        double loss = trainer.train(weights, folder.resolve("whole.safetensors"), STEPS);
        assertTrue(loss < first / 4, () -> first + " -> " + loss);
        assertArrayEquals(expected, weights);

        Path file = folder.resolve("run.safetensors");
        trainer.train(BlockNetwork.initialWeights(), file, STEPS / 2);
        float[] resumed = new float[weights.length];
        trainer.train(resumed, file, STEPS);
        assertArrayEquals(expected, resumed);
    }

    private void inJava(float[] weights) {
        Layers layers = Layers.builder()
                .add("in.weight", 60)
                .add("norm.weight", 30, Treatment.PLAIN.withRateFactor(0.01))
                .add("fc.weight", 300)
                .add("fc.bias", 30, Treatment.PLAIN.withRateFactor(0.01))
                .add("out.weight", 40)
                .add("out.bias", 4, Treatment.PLAIN.withRateFactor(0.01))
                .build();
        float[] gradients = new float[weights.length];
        try (Lars lars = Lars.builder(layers)
                .learningRate(Schedule.polynomial(20, 2, STEPS).warmup(5))
                .momentum(0.9)
                .weightDecay(1e-4)
                .build()) {
            while (lars.steps() < STEPS) {
                network.backward(weights, gradients);
                lars.step(weights, gradients);
            }
        }
    }
}
