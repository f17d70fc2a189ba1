package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.saving.UnforcedDisk;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/**
 * Builds, saves, restores and refuses many layers, with {@code -Pslow} as many as the header of a checkpoint can hold. The
 * time must grow linearly with their number: one search through all layers for each layer takes minutes here, more than the
 * tests may take.
 */
@Tag("no-mutants")
class ManyLayersTest {

    @TempDir
    Path folder;

    @Test
    @Timeout(value = 1, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void aHundredThousand() throws IOException {
        buildSaveAndRestore(100_000);
    }

    /** Almost the maximum number that can be saved. */
    @Test
    @Tag("slow")
    @Timeout(value = 5, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void asManyAsThereCanBe() throws IOException {
        buildSaveAndRestore(280_000);
    }

    /** No layer visits the others: with arrays and flat momentum, and outside the heap. */
    @Test
    @Timeout(value = 1, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void layerByLayer() {
        int count = 200_000;
        Layers.Builder builder = Layers.builder();
        float[][] arrays = new float[count][1];
        for (int i = 0; i < count; i++) {
            builder.add("w" + i, 1);
        }
        Layers layers = builder.build();
        try (Arena arena = Arena.ofShared()) {
            MemorySegment all = arena.allocate(4L * count, 4);
            MemorySegment[] segments = new MemorySegment[count];
            Arrays.setAll(segments, i -> all.asSlice(4L * i, 4));
            stepLayerByLayer(layers, Tensors.byLayer(arrays), false);
            stepLayerByLayer(layers, Tensors.byLayer(segments), true);
        }
    }

    private static void stepLayerByLayer(Layers layers, Tensors weights, boolean nativeMomentum) {
        try (Lars lars = Lars.builder(layers)
                .learningRate(0.1)
                .momentum(0.9)
                .onBadGradient(OnBadGradient.SKIP_LAYER)
                .nativeMomentum(nativeMomentum)
                .build()) {
            lars.beginStep(weights);
            for (int i = layers.size() - 1; i >= 0; i--) {
                lars.applyLayer(i, new float[] {1});
            }
            lars.endStep();
            assertEquals(1, lars.steps());
        }
    }

    private static Layers layers(int count, String prefix) {
        Layers.Builder layers = Layers.builder();
        for (int i = 0; i < count; i++) {
            // Every fourth layer is empty.
            layers.addTensor(prefix + "block." + i + ".w", i % 4 == 0 ? 0 : 1);
        }
        return layers.treat(Pattern.compile("7\\.w$"), Treatment.PLAIN)
                .treatOneDimensional(Treatment.FULL)
                .build();
    }

    private static Lars build(Layers layers) {
        return Lars.builder(layers)
                .rule(Dialects.SNIPPET)
                .learningRate(0.1)
                .momentum(0.9)
                .onBadGradient(OnBadGradient.SKIP_LAYER)
                .parallelism(2)
                .build();
    }

    private void buildSaveAndRestore(int count) throws IOException {
        Layers layers = layers(count, "");
        int n = (int) layers.end();
        Path file = folder.resolve("f.safetensors");
        float[] params = Random32.normal(1, n, 1);
        float[] taken = new float[n];
        try (Lars wrapped = build(layers(count, "module."));
                Lars lars = build(layers)) {
            wrapped.step(params, Random32.normal(2, n, 1));
            wrapped.restore(wrapped.snapshot());
            float[] momentum = Inside.momentum(wrapped).clone();
            Inside.save(new UnforcedDisk(), file, wrapped, params);
            Checkpoint checkpoint = Checkpoint.load(file);
            // The names do not match, so that the restore looks for a prefix.
            for (Executable restoring : List.<Executable>of(
                    () -> checkpoint.restore(lars), () -> PyTorchState.restore(file, lars, taken))) {
                String refusal =
                        assertThrows(IllegalArgumentException.class, restoring).getMessage();
                assertTrue(refusal.contains("the prefix \"module.\""));
            }
            assertTrue(checkpoint.restoreMatching(lars, taken, "module.").complete());
            assertArrayEquals(params, taken);
            assertArrayEquals(momentum, Inside.momentum(lars));
            lars.step(params, taken);
            assertTrue(PyTorchState.restore(file, lars, taken, "module.").complete());
            assertArrayEquals(momentum, Inside.momentum(lars));
        }
    }
}
