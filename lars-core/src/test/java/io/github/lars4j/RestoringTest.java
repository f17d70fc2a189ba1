package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.safetensors.SafeTensorsWriter;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The common behaviour of restoring from a checkpoint and from a PyTorch state. */
class RestoringTest {

    private interface Restore {
        void from(Path file, Lars lars, float[] params) throws IOException;
    }

    private static final Restore CHECKPOINT =
            (file, lars, params) -> Checkpoint.load(file).restore(lars, params);

    private static final Restore PYTORCH = PyTorchState::restore;

    @TempDir
    Path folder;

    private Path saved() throws IOException {
        Path file = folder.resolve("run.safetensors");
        try (Lars lars = SampleRun.builder(SampleRun.Kind.PAPER).build()) {
            float[] params = SampleRun.params();
            SampleRun.run(lars, params, 10);
            Checkpoint.save(file, lars, params);
            assertTrue(Checkpoint.load(file).hasWeights());
            Path without = folder.resolve("without.safetensors");
            Checkpoint.save(without, lars);
            assertFalse(Checkpoint.load(without).hasWeights());
        }
        return file;
    }

    @Test
    void weightsThatAreTooFewAreRefusedBeforeAnythingIsChanged() throws IOException {
        Path file = saved();
        for (Restore restore : new Restore[] {CHECKPOINT, PYTORCH}) {
            Lars lars = SampleRun.builder(SampleRun.Kind.PAPER).build();
            float[] few = new float[60];
            String before = SampleRun.bits(lars, SampleRun.params());
            IllegalArgumentException thrown =
                    assertThrows(IllegalArgumentException.class, () -> restore.from(file, lars, few));
            assertTrue(thrown.getMessage().startsWith("params has length 60"), thrown::getMessage);
            assertEquals(before, SampleRun.bits(lars, SampleRun.params()));
            for (float param : few) {
                assertEquals(0, param);
            }
        }
    }

    @Test
    void carriedSumsAreForgotten() throws IOException {
        Path file = saved();
        for (Restore restore : new Restore[] {CHECKPOINT, PYTORCH}) {
            Lars lars = SampleRun.builder(SampleRun.Kind.CARRIED).build();
            float[] params = SampleRun.params();
            SampleRun.step(lars, params);
            restore.from(file, lars, params);
            double expected = 0;
            Layer first = SampleRun.LAYERS.get(0);
            for (int i = 0; i < first.length(); i++) {
                expected += (double) params[i] * params[i];
            }
            assertEquals(
                    expected, lars.measure(params, new float[params.length]).weights(0), 1e-12 * expected);
        }
    }

    @Test
    void aFileWithoutAStepLeavesTheStepAsItIs() throws IOException {
        Path file = folder.resolve("step.safetensors");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            new SafeTensorsWriter()
                    .floats("w.momentum_buffer", List.of(2L), new float[] {3, 4}, 0)
                    .writeTo(channel);
        }
        Lars lars = Lars.builder(Layers.builder().add("w", 2).build())
                .learningRate(1)
                .momentum(0.9)
                .build();
        lars.step(new float[] {1, 2}, new float[] {1, 1});
        lars.step(new float[] {1, 2}, new float[] {1, 1});
        PyTorchState.restore(file, lars);
        assertEquals(2, lars.steps());
        assertArrayEquals(new float[] {3, 4}, Inside.momentum(lars));
    }

    @Test
    void ofPyTorchsStateNeitherStepNorRatesAreKnown() throws IOException {
        Path file = saved();
        Lars lars = SampleRun.builder(SampleRun.Kind.CORRECTED).build();
        float[] params = SampleRun.params();
        SampleRun.run(lars, params, 7);
        assertTrue(Inside.learningRates(lars)[0] > 0 && Inside.trustRatios(lars)[0] > 0);
        // A checkpoint has its step in the metadata, which both ways read.
        PyTorchState.restore(file, lars, params);
        assertEquals(10, lars.steps());
        for (int i = 0; i < SampleRun.LAYERS.size(); i++) {
            assertEquals(0, Inside.learningRates(lars)[i]);
            assertEquals(0, Inside.trustRatios(lars)[i]);
        }
    }
}
