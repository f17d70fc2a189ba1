package io.github.lars4j.djl.example;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.nn.Parameter;
import ai.djl.training.Trainer;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.Schedule;
import io.github.lars4j.Tensors;
import io.github.lars4j.djl.LarsOptimizer;
import io.github.lars4j.djl.Network;
import io.github.lars4j.rule.Treatment;
import org.junit.jupiter.api.Test;

/** The example's network and optimizer for 100 steps, and the core on copies of the same tensors. */
class FashionMnistTest {

    @Test
    void hasTheBitsOfTheCore() {
        Schedule schedule = Schedule.polynomial(16, 1.5, 90).warmup(10);
        try (Network network = new Network(FashionMnist.network(), Images.PIXELS, 10);
                LarsOptimizer optimizer = FashionMnist.lars(network.block(), schedule)) {
            Trainer trainer = network.train(optimizer);
            Layers.Builder layers = Layers.builder();
            int number = 0;
            for (Parameter parameter : network.trained()) {
                layers.addTensor("layer" + number++, parameter.getShape().getShape());
            }
            float first = 0;
            float last = 0;
            try (Lars core = Lars.builder(layers.treatOneDimensional(Treatment.PLAIN.withRateFactor(1.0 / 16))
                            .build())
                    .learningRate(schedule)
                    .momentum(0.9)
                    .nesterov(true)
                    .weightDecay(1e-4f)
                    .build()) {
                for (int batch = 0; batch < 100; batch++) {
                    last = network.backward(batch);
                    first = batch == 0 ? last : first;
                    float[][] expected = network.copies(false);
                    core.step(Tensors.byLayer(expected), Tensors.byLayer(network.copies(true)));
                    trainer.step();
                    float[][] weights = network.copies(false);
                    for (int i = 0; i < weights.length; i++) {
                        assertArrayEquals(expected[i], weights[i], "batch " + batch + ", layer " + i);
                    }
                }
            }
            assertTrue(last < first / 2, first + " to " + last);
        }
    }
}
