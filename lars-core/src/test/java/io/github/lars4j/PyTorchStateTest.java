package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.safetensors.Dtype;
import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.SafeTensorsWriter;
import io.github.lars4j.safetensors.TensorInfo;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PyTorchStateTest {

    private static final Layers LAYERS = Layers.builder()
            .addTensor("conv.weight", 3, 2, 2)
            .addTensor("conv.bias", 3)
            .at(16)
            .addTensor("head.weight", 2, 3)
            .build();

    @TempDir
    Path folder;

    private Path resource(String name) throws URISyntaxException {
        return Path.of(PyTorchStateTest.class.getResource(name).toURI());
    }

    private static Lars.Builder builder() {
        return Lars.builder(LAYERS).rule(Dialects.SNIPPET).learningRate(0.1);
    }

    private Path written(SafeTensorsWriter writer) throws IOException {
        Path file = folder.resolve("state.safetensors");
        try (FileChannel channel = FileChannel.open(
                file, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            writer.writeTo(channel);
        }
        return file;
    }

    private static float[] hex(String... floats) {
        float[] values = new float[floats.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = Float.intBitsToFloat(Integer.reverseBytes(Integer.parseUnsignedInt(floats[i], 16)));
        }
        return values;
    }

    /** The file was written by Python's safetensors 0.8.0; the bytes are as Python printed them. */
    @Test
    void takesWhatPythonWrote() throws Exception {
        float[] momentum = new float[22];
        float[] params = new float[22];
        Arrays.fill(momentum, 7);
        Arrays.fill(params, 9);
        try (Lars lars = builder()
                .momentum(0.9)
                .momentumBuffer(momentum)
                .weightDecay(0.5)
                .build()) {
            Restored restored = PyTorchState.restore(resource("pytorch-state.safetensors"), lars, params);
            assertEquals(List.of("conv.weight", "head.weight"), restored.taken());
            assertEquals(Map.of("bn.num_batches_tracked", "not asked for"), restored.leftInFile());
            assertEquals(List.of("conv.bias"), restored.leftWithout());
            assertEquals(120, lars.steps());
            assertEquals(0.5, lars.hyperparameters().weightDecay());
            assertArrayEquals(new boolean[] {true, false, true}, lars.state().begun);
            float[] expected = new float[22];
            Arrays.fill(expected, 9);
            put(
                    expected,
                    0,
                    hex(
                            "cdcc0cbf",
                            "6766e6be",
                            "3333b3be",
                            "000080be",
                            "9a9919be",
                            "cdcc4cbd",
                            "cdcc4c3d",
                            "9a99193e",
                            "0000803e",
                            "3333b33e",
                            "6766e63e",
                            "cdcc0c3f"));
            put(expected, 12, hex("0000003f", "000080be", "0000003e"));
            put(expected, 16, hex("0000c03f", "000020c0", "00006040", "00009040", "0000b040", "0000d0c0"));
            assertArrayEquals(expected, params);
            Arrays.fill(expected, 7);
            put(
                    expected,
                    0,
                    hex(
                            "00000000",
                            "0ad7233c",
                            "0ad7a33c",
                            "8fc2f53c",
                            "0ad7233d",
                            "cdcc4c3d",
                            "8fc2753d",
                            "295c8f3d",
                            "0ad7a33d",
                            "ec51b83d",
                            "cdcccc3d",
                            "ae47e13d"));
            put(expected, 12, new float[3]);
            put(expected, 16, hex("6f12833a", "6f1203bb", "e6552301", "00008040", "00000080", "01000000"));
            assertArrayEquals(expected, momentum);
            // And on it goes: the layer without a buffer begins now.
            lars.step(params, new float[22]);
            assertArrayEquals(new boolean[] {true, true, true}, lars.state().begun);
        }
    }

    private static void put(float[] target, int at, float[] values) {
        System.arraycopy(values, 0, target, at, values.length);
    }

    @Test
    void takesTensorsOfARecordingThatPythonWrote() throws Exception {
        Path recording = resource("/recordings/seed-1.safetensors");
        float[] expected = new float[1086];
        float[] momentum = new float[1086];
        try (SafeTensorsFile open = SafeTensorsFile.open(recording)) {
            open.readFloats("params_initial", expected, 0);
            open.readFloats("gradients", 0, momentum, 0, 1086);
        }
        Layers layers = Layers.builder().add("params_initial", 1086).build();
        try (Lars lars = Lars.builder(layers).learningRate(1).momentum(0.9).build()) {
            float[] params = new float[1086];
            Restored restored = PyTorchState.restore(recording, lars, params);
            assertArrayEquals(expected, params);
            assertTrue(params[0] != 0 && params[1085] != params[0]);
            assertEquals(List.of(), restored.taken());
            assertEquals(5, restored.leftInFile().size());
            assertFalse(lars.state().begun[0]);

            Path file = written(
                    new SafeTensorsWriter().floats("params_initial.momentum_buffer", List.of(1086L), momentum, 0));
            PyTorchState.restore(file, lars);
            assertArrayEquals(momentum, lars.state().momentum);
            assertTrue(lars.state().begun[0]);
        }
    }

    @Test
    void aCheckpointHasTheNamesOfPyTorch() throws IOException {
        Path file = folder.resolve("run.safetensors");
        float[] params = SampleRun.params();
        try (Lars lars = builder().momentum(0.9).build();
                Lars other = builder().momentum(0.9).build()) {
            float[] gradients = new float[64];
            Arrays.fill(gradients, 1);
            lars.step(params, gradients);
            Checkpoint.save(file, lars, params);
            try (SafeTensorsFile open = SafeTensorsFile.open(file)) {
                assertEquals(
                        List.of(
                                new TensorInfo("conv.weight.momentum_buffer", Dtype.F32, List.of(3L, 2L, 2L), 0, 48),
                                new TensorInfo("conv.bias.momentum_buffer", Dtype.F32, List.of(3L), 48, 60),
                                new TensorInfo("head.weight.momentum_buffer", Dtype.F32, List.of(2L, 3L), 60, 84),
                                new TensorInfo("conv.weight", Dtype.F32, List.of(3L, 2L, 2L), 84, 132),
                                new TensorInfo("conv.bias", Dtype.F32, List.of(3L), 132, 144),
                                new TensorInfo("head.weight", Dtype.F32, List.of(2L, 3L), 144, 168),
                                new TensorInfo("lars4j.checksum", Dtype.U8, List.of(8L), 168, 176)),
                        List.copyOf(open.tensors().values()));
                assertEquals("1", open.metadata().get("step"));
            }
            // What it takes of a checkpoint, which it can read too, is its numbers.
            float[] taken = new float[64];
            assertTrue(PyTorchState.restore(file, other, taken).complete());
            assertEquals(1, other.steps());
            assertArrayEquals(lars.state().momentum, other.state().momentum);
            for (Layer layer : LAYERS) {
                for (int i = (int) layer.offset(); i < layer.end(); i++) {
                    assertEquals(params[i], taken[i]);
                }
            }
            byte[] damaged = Files.readAllBytes(file);
            damaged[damaged.length - 20] ^= 1;
            Files.write(file, damaged);
            assertThrows(SafeTensorsException.class, () -> PyTorchState.restore(file, other));
        }
    }

    @Test
    void saysAllThatDoesNotFitAndChangesNothing() throws IOException {
        float[] params = SampleRun.params();
        try (Lars lars = builder().momentum(0.9).build()) {
            lars.step(params, new float[64]);
            String before = SampleRun.bits(lars, params);
            Path file = written(new SafeTensorsWriter()
                    .floats("conv.weight", List.of(13L), new float[13], 0)
                    .bytes("head.weight", Dtype.F16, List.of(6L), new byte[12], 0)
                    .floats("conv.weight.momentum_buffer", List.of(12L), nanAt(12, 11), 0)
                    .floats("conv.bias.momentum_buffer", List.of(4L), new float[4], 0));
            IllegalArgumentException e =
                    assertThrows(IllegalArgumentException.class, () -> PyTorchState.restore(file, lars, params));
            assertEquals(
                    List.of(
                            "the file does not fit the layers:",
                            "  \"conv.weight.momentum_buffer\": it is NaN at 11",
                            "  \"conv.weight\": its length is 13, the optimizer's 12",
                            "  \"conv.bias.momentum_buffer\": its length is 4, the optimizer's 3",
                            "  \"conv.bias\": the file has no such tensor",
                            "  \"head.weight\": its dtype is F16; it must be F32"),
                    e.getMessage().lines().toList());
            assertEquals(before, SampleRun.bits(lars, params));
        }
    }

    private static float[] nanAt(int length, int index) {
        float[] values = new float[length];
        values[index] = Float.NaN;
        return values;
    }

    @Test
    void findsANaNFarIntoALongMomentum() throws IOException {
        int length = 40_000;
        Layers layers = Layers.builder().add("w", length).build();
        try (Lars lars = Lars.builder(layers).learningRate(1).momentum(0.9).build()) {
            Path file = written(new SafeTensorsWriter()
                    .floats("w.momentum_buffer", List.of((long) length), nanAt(length, 39_999), 0));
            IllegalArgumentException e =
                    assertThrows(IllegalArgumentException.class, () -> PyTorchState.restore(file, lars));
            assertTrue(e.getMessage().contains("it is NaN at 39999"), e.getMessage());
        }
    }

    @Test
    void sumsThatWereCarriedAreNotThoseOfTheWeightsTaken() throws IOException {
        float[] taken = Random32.normal(1, 22, 1);
        float[] gradients = Random32.normal(2, 22, 1);
        Path file = folder.resolve("checkpoint.safetensors");
        Checkpoint.save(file, builder().build(), taken);
        Lars carried = builder().carrySums(true).build();
        Lars fresh = builder().build();
        float[] params = Random32.normal(3, 22, 1);
        carried.step(params, gradients);
        PyTorchState.restore(file, carried, params);
        carried.step(params, gradients);
        fresh.step(taken, gradients);
        Bits.assertSame(layersOf(taken), layersOf(params), "weights");
    }

    private static float[] layersOf(float[] array) {
        float[] values = array.clone();
        Arrays.fill(values, 15, 16, 0);
        return values;
    }

    @Test
    void aStateWithoutMomentumLeavesBuffersInTheFile() throws IOException {
        Path file = written(new SafeTensorsWriter()
                .metadata("step", "5")
                .floats("conv.bias.momentum_buffer", List.of(99L), new float[99], 0));
        try (Lars lars = builder().build()) {
            Restored restored = PyTorchState.restore(file, lars);
            assertEquals(
                    List.of("conv.bias.momentum_buffer"),
                    List.copyOf(restored.leftInFile().keySet()));
            assertEquals(5, lars.steps());
        }
    }

    @Test
    void refusesAStepThatIsNoNumber() throws IOException {
        try (Lars lars = builder().build()) {
            for (String step : List.of("", "-1", "+1", "1.0", "1e3", " 1", "\u0661", "1234567890123456789")) {
                Path file = written(new SafeTensorsWriter().metadata("step", step));
                assertThrows(SafeTensorsException.class, () -> PyTorchState.restore(file, lars), step);
                assertEquals(0, lars.steps());
            }
            PyTorchState.restore(written(new SafeTensorsWriter().metadata("step", "007")), lars);
            assertEquals(7, lars.steps());
        }
    }

    @Test
    void momentumOfUnknownStepsConvertsToNoOtherRule() throws Exception {
        try (Lars lars = builder().momentum(0.9).build()) {
            PyTorchState.restore(resource("pytorch-state.safetensors"), lars);
            Snapshot snapshot = lars.snapshot();
            assertThrows(IllegalArgumentException.class, () -> snapshot.convertedTo(Dialects.PAPER));
        }
    }
}
