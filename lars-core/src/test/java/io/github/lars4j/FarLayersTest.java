package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Layers whose offsets no array reaches: weights and gradients lie in an array or a segment a layer, or in one large and
 * sparse file, and the optimizer's own momentum takes no memory for the gaps. The bits are those of the same layers
 * without gaps.
 */
class FarLayersTest {

    private static final long TWO_TO_THE_31 = 1L << 31;

    private static final Layers NEAR = Layers.builder()
            .add("a", 5000)
            .add("b", 77)
            .add("c", 4097)
            .add("d", 10)
            .build();

    private static final Layers FAR = Layers.builder()
            .at(5)
            .add("a", 5000)
            .at(TWO_TO_THE_31 - 30)
            .add("b", 77)
            .at(TWO_TO_THE_31 + 1003)
            .add("c", 4097)
            .at(2 * TWO_TO_THE_31 + 1)
            .add("d", 10)
            .build();

    private static Lars build(Layers layers, boolean nativeMomentum) {
        return Inside.fineGrain(Lars.builder(layers)
                        .learningRate(1)
                        .weightDecay(0.01)
                        .momentum(0.9)
                        .parallelism(2)
                        .nativeMomentum(nativeMomentum))
                .build();
    }

    /** The same run with layers near each other in arrays, and with layers far from each other. */
    private static final class Runs implements AutoCloseable {

        private final Memory memory;
        private final String name;
        private final Arena arena = Arena.ofShared();
        private final Lars near;
        private final Lars far;
        private final float[] nearWeights = Random32.normal(1, (int) NEAR.end(), 1);
        private Tensors farWeights;
        private Tensors farGradients;

        Runs(Memory memory, boolean nativeMomentum) {
            this.memory = memory;
            this.name = memory + (nativeMomentum ? ", native momentum, " : ", ");
            this.near = build(firstThree(NEAR), false);
            this.far = build(firstThree(FAR), nativeMomentum);
            place();
        }

        /** Puts the weights where the layers of the optimizers are. */
        void place() {
            farWeights = memory.zeros(far.layers(), arena);
            farGradients = memory.zeros(far.layers(), arena);
            Memory.copy(nearWeights, near.layers(), farWeights, far.layers());
        }

        void step() {
            float[] gradients = Random32.normal(near.steps(), nearWeights.length, 1);
            Memory.copy(gradients, near.layers(), farGradients, far.layers());
            near.step(nearWeights, gradients);
            far.step(farWeights, farGradients);
            assertSameBits("step " + near.steps());
        }

        void assertSameBits(String when) {
            float[] expected = Memory.toFlat(Tensors.flat(nearWeights), near.layers());
            assertArrayEquals(expected, Memory.toFlat(farWeights, far.layers(), near.layers()), name + when);
            for (int i = 0; i < near.layers().size(); i++) {
                long different = Inside.momentumOf(near, i).mismatch(Inside.momentumOf(far, i));
                assertEquals(-1, different, name + when + ", momentum of layer " + i);
            }
        }

        @Override
        public void close() {
            near.close();
            far.close();
            arena.close();
        }
    }

    private static Layers firstThree(Layers layers) {
        return new Layers(List.of(layers.get(0), layers.get(1), layers.get(2)));
    }

    @Test
    void theBitsAreThoseOfLayersWithoutGaps(@TempDir Path folder) throws IOException {
        Path near = folder.resolve("near");
        Path far = folder.resolve("far");
        for (Memory memory : List.of(Memory.BY_LAYER, Memory.NATIVE_BY_LAYER, Memory.MAPPED)) {
            for (boolean nativeMomentum : new boolean[] {false, true}) {
                try (Runs runs = new Runs(memory, nativeMomentum)) {
                    runs.step();
                    runs.step();
                    Snapshot ofNear = runs.near.snapshot();
                    Snapshot ofFar = runs.far.snapshot();
                    runs.step();
                    runs.near.restore(ofNear);
                    runs.far.restore(ofFar);
                    runs.step();

                    runs.near.addLayers(NEAR);
                    runs.far.addLayers(FAR);
                    runs.place();
                    runs.step();

                    Checkpoint.save(near, runs.near, runs.nearWeights);
                    Checkpoint.save(far, runs.far, runs.farWeights);
                    float[] saved = runs.nearWeights.clone();
                    runs.step();
                    Checkpoint.load(near).restore(runs.far, runs.farWeights);
                    Checkpoint.load(far).restore(runs.near, runs.nearWeights);
                    assertArrayEquals(saved, runs.nearWeights);
                    runs.assertSameBits("each restored from the other");
                    runs.step();
                }
            }
        }
    }

    /** A layer with more elements than an array has needs native momentum, or a caller's buffer. */
    @Test
    void momentumOfALayerThatNoArrayHoldsIsRefused() {
        Layers layers =
                Layers.builder().add("small", 3).add("huge", TWO_TO_THE_31 - 8).build();
        String expected = "length of layer \"huge\" is 2147483640; its momentum on the heap needs at most 2147483639:"
                + " use nativeMomentum(true), or give a momentumBuffer";
        Lars.Builder builder = Lars.builder(layers).learningRate(1).momentum(0.5);
        IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class, builder::build);
        assertEquals(expected, thrown.getMessage());

        try (Lars lars = Lars.builder(layers).learningRate(1).build()) {
            thrown = assertThrows(IllegalArgumentException.class, () -> lars.change(s -> s.momentum(0.5)));
            assertEquals(expected, thrown.getMessage());
            assertEquals(0, lars.hyperparameters().momentum());
            assertEquals(0, lars.hyperparameters(1).momentum());
            lars.change(s -> s.weightDecay(0.1));
        }
    }
}
