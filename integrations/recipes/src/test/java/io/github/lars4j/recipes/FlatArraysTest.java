package io.github.lars4j.recipes;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Checkpoint;
import io.github.lars4j.Lars;
import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.Schedule;
import io.github.lars4j.Tensors;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The recipe for trainers with one array of parameters, in which the tensors of all blocks are stacked. */
class FlatArraysTest {

    private static final int STEPS = 60;
    private static final String[] names = {"in.weight", "norm.weight", "fc.weight", "fc.bias", "out.weight", "out.bias"
    };
    private static final int[] sizes = BlockNetwork.SIZES;
    private static final int[] blocks = {1, BlockNetwork.BLOCKS, BlockNetwork.BLOCKS, BlockNetwork.BLOCKS, 1, 1};

    private final BlockNetwork network = new BlockNetwork();
    private final List<Double> losses = new ArrayList<>();

    private static Layers layers() {
        // sizes is llm.c's param_sizes; blocks[i] is num_layers for the tensors of the blocks, and 1 for the others.
        Layers.Builder builder = Layers.builder();
        for (int i = 0; i < sizes.length; i++) {
            for (int block = 0; block < blocks[i]; block++) { // a tensor of all blocks is a layer for each of them
                builder.add(names[i] + (blocks[i] > 1 ? "." + block : ""), sizes[i] / blocks[i]);
            }
        }
        return builder.treat(Pattern.compile("norm|bias"), Treatment.PLAIN.withRateFactor(0.01))
                .build();
    }

    private void train(float[] weights, Path file, int steps) throws IOException {
        float[] gradients = new float[weights.length];
        try (Lars lars = Lars.builder(layers())
                .learningRate(Schedule.polynomial(20, 2, STEPS).warmup(5))
                .momentum(0.9)
                .weightDecay(1e-4)
                .build()) {
            if (Files.exists(file)) {
                Checkpoint.load(file).restore(lars, weights);
            }
            while (lars.steps() < steps) {
                losses.add(network.backward(weights, gradients));
                lars.step(weights, gradients);
            }
            Checkpoint.save(file, lars, weights);
        }
    }

    @Test
    void trainsAndHasTheBitsOfArraysOfTheirOwn(@TempDir Path folder) throws IOException {
        float[] weights = BlockNetwork.initialWeights();
        train(weights, folder.resolve("run.safetensors"), STEPS);

        assertTrue(losses.getLast() < losses.getFirst() / 4, losses::toString);
        assertArrayEquals(onArraysOfTheirOwn(), weights);
    }

    /** Trains with an array for each layer, whose places are written out here. */
    private float[] onArraysOfTheirOwn() {
        int[] ends = {60, 70, 80, 90, 190, 290, 390, 400, 410, 420, 460, 464};
        String plain = "011100011101";
        Layers.Builder builder = Layers.builder();
        float[] flat = BlockNetwork.initialWeights();
        float[] gradients = new float[flat.length];
        float[][] weights = new float[ends.length][];
        float[][] parts = new float[ends.length][];
        for (int i = 0; i < ends.length; i++) {
            int start = i == 0 ? 0 : ends[i - 1];
            weights[i] = Arrays.copyOfRange(flat, start, ends[i]);
            parts[i] = new float[ends[i] - start];
            builder.add(
                    "" + i,
                    ends[i] - start,
                    plain.charAt(i) == '1' ? Treatment.PLAIN.withRateFactor(0.01) : Treatment.FULL);
        }
        try (Lars lars = Lars.builder(builder.build())
                .learningRate(Schedule.polynomial(20, 2, STEPS).warmup(5))
                .momentum(0.9)
                .weightDecay(1e-4)
                .build()) {
            for (int step = 0; step < STEPS; step++) {
                network.backward(flat, gradients);
                for (int i = 0; i < ends.length; i++) {
                    System.arraycopy(gradients, ends[i] - parts[i].length, parts[i], 0, parts[i].length);
                }
                lars.step(Tensors.byLayer(weights), Tensors.byLayer(parts));
                for (int i = 0; i < ends.length; i++) {
                    System.arraycopy(weights[i], 0, flat, ends[i] - parts[i].length, parts[i].length);
                }
            }
        }
        return flat;
    }

    @Test
    void goesOnFromACheckpoint(@TempDir Path folder) throws IOException {
        float[] whole = BlockNetwork.initialWeights();
        train(whole, folder.resolve("whole.safetensors"), STEPS);

        Path file = folder.resolve("run.safetensors");
        train(BlockNetwork.initialWeights(), file, STEPS / 2);
        float[] weights = new float[BlockNetwork.PARAMETERS];
        train(weights, file, STEPS);
        assertArrayEquals(whole, weights);
    }

    @Test
    void layersAreThoseOfTheBlocks() {
        Layers layers = layers();
        assertEquals(12, layers.size());
        Layer second = layers.get(layers.index("fc.weight.1"));
        assertEquals(60 + 30 + 100, second.offset());
        assertEquals(100, second.length());
        assertEquals(BlockNetwork.PARAMETERS, layers.end());
    }
}
