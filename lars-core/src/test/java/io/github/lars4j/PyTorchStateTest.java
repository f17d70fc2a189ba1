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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
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

    /** Python's safetensors 0.8.0 wrote the file; the bytes are as Python printed them. */
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
            assertEquals(Map.of("bn.num_batches_tracked", "not requested"), restored.leftInFile());
            assertEquals(List.of("conv.bias"), restored.leftWithout());
            assertEquals(120, lars.steps());
            assertEquals(0.5, lars.hyperparameters().weightDecay());
            assertArrayEquals(new boolean[] {true, false, true}, Inside.begun(lars));
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
            // Training continues, and the layer without a buffer takes its first step.
            lars.step(params, new float[22]);
            assertArrayEquals(new boolean[] {true, true, true}, Inside.begun(lars));
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
            assertFalse(Inside.begun(lars)[0]);

            Path file = written(
                    new SafeTensorsWriter().floats("params_initial.momentum_buffer", List.of(1086L), momentum, 0));
            PyTorchState.restore(file, lars);
            assertArrayEquals(momentum, Inside.momentum(lars));
            assertTrue(Inside.begun(lars)[0]);
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
            // It can read a checkpoint too, and restores only the numbers from it.
            float[] taken = new float[64];
            assertTrue(PyTorchState.restore(file, other, taken).complete());
            assertEquals(1, other.steps());
            assertArrayEquals(Inside.momentum(lars), Inside.momentum(other));
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
                    .bytes("head.weight", Dtype.I16, List.of(6L), new byte[12], 0)
                    .floats("conv.weight.momentum_buffer", List.of(12L), nanAt(12, 11), 0)
                    .floats("conv.bias.momentum_buffer", List.of(4L), new float[4], 0));
            IllegalArgumentException e =
                    assertThrows(IllegalArgumentException.class, () -> PyTorchState.restore(file, lars, params));
            assertEquals(
                    List.of(
                            "the file does not fit the layers:",
                            "  \"conv.weight.momentum_buffer\": it is NaN at 11; it must be finite",
                            "  \"conv.weight\": its length is 13, the optimizer's is 12",
                            "  \"conv.bias.momentum_buffer\": its length is 4, the optimizer's is 3",
                            "  \"conv.bias\": the file has no such tensor",
                            "  \"head.weight\": its dtype is I16; it must be F32, F16, BF16 or F64"),
                    e.getMessage().lines().toList());
            assertEquals(before, SampleRun.bits(lars, params));
        }
    }

    /** Returns the message with which a restore is refused, and asserts that nothing has changed. */
    private String refusal(Path file, Lars lars, float[] params, String prefix) {
        float[] watched = params == null ? new float[22] : params;
        String before = SampleRun.bits(lars, watched);
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> {
            if (params == null) {
                PyTorchState.restore(file, lars, prefix);
            } else {
                PyTorchState.restore(file, lars, params, prefix);
            }
        });
        assertEquals(before, SampleRun.bits(lars, watched));
        return e.getMessage();
    }

    /**
     * Writes a file with weights of 1 and momenta of 2, named by the given functions; those named null are left out.
     */
    private Path named(UnaryOperator<String> weight, UnaryOperator<String> momentum) throws IOException {
        SafeTensorsWriter writer = new SafeTensorsWriter().metadata("step", "9");
        for (Layer layer : LAYERS) {
            float[] data = new float[12];
            Arrays.fill(data, 1);
            if (weight != null) {
                writer.floats(weight.apply(layer.name()), layer.shape(), data, 0);
            }
            data = new float[12];
            Arrays.fill(data, 2);
            if (momentum != null) {
                writer.floats(momentum.apply(layer.name()), layer.shape(), data, 0);
            }
        }
        return written(writer);
    }

    private static Lars stepped() {
        Lars lars = builder().momentum(0.9).build();
        lars.step(Random32.normal(1, 22, 1), Random32.normal(2, 22, 1));
        return lars;
    }

    @Test
    void aWrappedModelsStateIsRefusedAndThePrefixNamed() throws IOException {
        for (String prefix : List.of("_orig_mod.", "module.", "_fsdp_wrapped_module.", "model.", "module._orig_mod.")) {
            Path file = named(name -> prefix + name, name -> prefix + name + ".momentum_buffer");
            try (Lars lars = stepped()) {
                float[] params = new float[22];
                String hint = "; it has every layer with the prefix \"" + prefix
                        + "\", see restore(file, lars, params, prefix)";
                assertEquals("the file has no momentum for any layer" + hint, refusal(file, lars, null, ""));
                String refusal = refusal(file, lars, params, "mod.");
                assertEquals(
                        "the file does not fit the layers" + hint + ":",
                        refusal.lines().findFirst().orElseThrow());

                Restored restored = PyTorchState.restore(file, lars, params, prefix);
                assertTrue(restored.complete());
                assertEquals(List.of("conv.weight", "conv.bias", "head.weight"), restored.taken());
                assertEquals(9, lars.steps());
                for (Layer layer : LAYERS) {
                    assertEquals(1, params[(int) layer.end() - 1]);
                    assertEquals(2, Inside.momentum(lars)[(int) layer.end() - 1]);
                }
                lars.step(params, new float[22]);
                assertTrue(PyTorchState.restore(file, lars, prefix).taken().size() == 3);
                assertEquals(2, Inside.momentum(lars)[0]);
            }
        }
    }

    @Test
    void aPrefixIsOnlyNamedIfItFitsEveryLayer() throws IOException {
        try (Lars lars = stepped()) {
            Path ema = named(name -> "ema." + name, name -> "model." + name + ".momentum_buffer");
            assertTrue(refusal(ema, lars, null, "").contains("the prefix \"ema.\", \"model.\", see"));
            Path partial = written(new SafeTensorsWriter()
                    .floats("module.head.weight.momentum_buffer", List.of(6L), new float[6], 0)
                    .floats("module.conv.weight.momentum_buffer", List.of(12L), new float[12], 0));
            assertEquals(
                    "the file has no momentum for any layer; it has \"module.head.weight.momentum_buffer\","
                            + " \"module.conv.weight.momentum_buffer\", but momentum must be named"
                            + " \"<layer>.momentum_buffer\"",
                    refusal(partial, lars, null, ""));
            Path wrong = named(name -> name, name -> name + ".momentum_buffer");
            assertEquals(
                    "the file has no momentum for any layer; it has every layer with the prefix \"\", see"
                            + " restore(file, lars, params, prefix)",
                    refusal(wrong, lars, null, "module."));
        }
    }

    @Test
    void momentumOfAnotherNameIsNamedAndNotLost() throws IOException {
        try (Lars lars = stepped()) {
            String must = ", but momentum must be named \"<layer>.momentum_buffer\"";
            for (boolean weights : new boolean[] {true, false}) {
                UnaryOperator<String> weight = weights ? name -> name : null;
                float[] params = weights ? new float[22] : null;
                assertEquals(
                        "the file has no momentum for any layer; it has \"conv.weight.mu\", \"conv.bias.mu\","
                                + " \"head.weight.mu\"" + must,
                        refusal(named(weight, name -> name + ".mu"), lars, params, ""));
                String numbered = refusal(
                        named(weight, name -> "state." + LAYERS.index(name) + ".momentum_buffer"), lars, params, "");
                assertTrue(
                        numbered.contains("; it has \"state.0.momentum_buffer\", \"state.1.momentum_buffer\""),
                        numbered);
                String inState = refusal(named(weight, name -> "state." + name + ".momentum_buffer"), lars, params, "");
                assertTrue(
                        inState.contains(
                                weights ? "it has \"state.conv.weight.momentum_buffer\"" : "the prefix \"state.\""),
                        inState);
            }
        }
    }

    private Path zeros(String... names) throws IOException {
        SafeTensorsWriter writer = new SafeTensorsWriter();
        for (String name : names) {
            writer.floats(name, List.of(4L), new float[4], 0);
        }
        return written(writer);
    }

    private static Lars stepped(String... names) {
        Layers.Builder layers = Layers.builder();
        for (String name : names) {
            layers.add(name, 4);
        }
        Lars lars = Lars.builder(layers.build()).learningRate(0.1).momentum(0.9).build();
        float[] ones = new float[4 * names.length];
        Arrays.fill(ones, 1);
        lars.step(ones.clone(), ones);
        return lars;
    }

    @Test
    void whatSeemsToBeMomentumIsNotIgnored() throws IOException {
        try (Lars lars = stepped("a", "b")) {
            for (String name : List.of(
                    "0.momentum_buffer",
                    "momentum_buffer.a",
                    "a_momentum_buffer",
                    "momentum_buffers/0",
                    "c.momentum_buffer",
                    "a.momentum",
                    "a/Momentum",
                    "momentum.a",
                    "a_momentum",
                    "a.buf_buffer",
                    "a.mu",
                    "x.".repeat(100) + "a.mu",
                    "a/exp_avg",
                    "optimizer.a.exp_avg",
                    "optimizer.0",
                    "opt/a.momentum_buffer",
                    "opt.a",
                    "opt_state.0.trace.a",
                    "Optimizer_States.0",
                    "optim/a",
                    "state.a",
                    "state.a\n.b")) {
                assertEquals(
                        "the file has no momentum for any layer; it has " + SafeTensorsException.quote(name)
                                + ", but momentum must be named \"<layer>.momentum_buffer\"",
                        refusal(zeros("a", "b", name), lars, new float[8], ""));
            }
            // The weights of other models are ignored, also those of a momentum encoder.
            String[] others = {
                "momentum_encoder.a",
                "a.momentums",
                "mu",
                "mu.a",
                "a_mu",
                "amu",
                "exp_avg",
                "a.buffer",
                "state",
                "states.a",
                "optic.a",
                "my.optimizer.a",
                "a.state.b"
            };
            for (String name : others) {
                Restored restored = PyTorchState.restore(zeros("a", "b", name), lars, new float[8]);
                assertEquals(List.of("a", "b"), restored.leftWithout());
                assertEquals(
                        List.of("the file has no momentum for \"a\", \"b\", so it starts from 0"), restored.notes());
            }
        }
    }

    @Test
    void weightsAreNotTakenForMomentum() throws IOException {
        for (String prefix : List.of("", "state.")) {
            try (Lars lars = stepped("fc", "fc.mu", "opt.exp_avg", "c_buffer")) {
                Path file = zeros(prefix + "fc", prefix + "fc.mu", prefix + "opt.exp_avg", prefix + "c_buffer");
                Restored restored = PyTorchState.restore(file, lars, new float[16], prefix);
                assertEquals(List.of(), restored.taken());
                assertEquals(Map.of(), restored.leftInFile());
                assertEquals(
                        List.of("the file has no momentum for \"fc\", \"fc.mu\", \"opt.exp_avg\" and 1 more,"
                                + " so it starts from 0"),
                        restored.notes());
                // Nor are they if the weights are not wanted; then there is nothing to take.
                String refusal = refusal(file, lars, null, prefix);
                assertTrue(refusal.startsWith("the file has no momentum for any layer; its tensors are "), refusal);
            }
        }
    }

    @Test
    void aNoteNamesMomentumThatIsMissingUnderItsNameOnly() throws IOException {
        try (Lars lars = stepped("a", "b")) {
            for (float[] params : new float[][] {null, new float[8]}) {
                Path half = zeros("x.a", "x.b", "x.a.momentum_buffer", "x.b.mu", "state.1");
                Restored restored = params == null
                        ? PyTorchState.restore(half, lars, "x.")
                        : PyTorchState.restore(half, lars, params, "x.");
                assertEquals(List.of("a"), restored.taken());
                assertEquals(List.of("b"), restored.leftWithout());
                assertEquals(
                        List.of(
                                "the file has no momentum for \"b\"; it has \"x.b.mu\", \"state.1\", but momentum must be named"
                                        + " \"x.<layer>.momentum_buffer\""),
                        restored.notes());
            }
            Path complete = zeros("a.momentum_buffer", "b.momentum_buffer", "c.momentum_buffer");
            assertEquals(List.of(), PyTorchState.restore(complete, lars).notes());
            Path without = zeros("a.momentum_buffer", "c");
            assertEquals(
                    List.of("the file has no momentum for \"b\", so it starts from 0"),
                    PyTorchState.restore(without, lars).notes());
        }
        try (Lars bare = builder().build()) {
            Path file = named(name -> name, name -> name + ".mu");
            assertEquals(
                    List.of(), PyTorchState.restore(file, bare, new float[22]).notes());
        }
    }

    @Test
    void nothingToTakeIsAnError() throws IOException {
        Path nothing = written(new SafeTensorsWriter());
        try (Lars lars = stepped();
                Lars bare = builder().build()) {
            assertEquals(
                    "the file has no momentum for any layer; its tensors are none", refusal(nothing, lars, null, ""));
            assertEquals(
                    "the file has neither momentum nor a step number to restore; its tensors are none",
                    refusal(nothing, bare, null, ""));
            Path none = named(name -> "x" + name, null);
            String refusal = refusal(none, lars, null, "y");
            assertTrue(refusal.contains("the prefix \"x\""), refusal);
            none = written(new SafeTensorsWriter()
                    .floats("p", List.of(), new float[1], 0)
                    .floats("q", List.of(), new float[1], 0)
                    .floats("r", List.of(), new float[1], 0)
                    .floats("s", List.of(), new float[1], 0));
            assertEquals(
                    "the file has no momentum for any layer; its tensors are \"p\", \"q\", \"r\" and 1 more",
                    refusal(none, lars, null, ""));
        }
    }

    @Test
    void takesNarrowNumbersExactlyAndRoundsWideOnes() throws IOException {
        Layers layers = Layers.builder().add("a", 3).add("b", 2).build();
        // 1, -2 and the smallest value in F16; 1, -2 and 2^-133 in BF16.
        byte[] half = {0, 0x3c, 0, (byte) 0xc0, 1, 0};
        byte[] brain = {(byte) 0x80, 0x3f, 0, (byte) 0xc0, 1, 0};
        double[] wide = {0.1, 1e-300, 1 + 0x1p-24 + 0x1p-50};
        Path file = written(new SafeTensorsWriter()
                .bytes("a", Dtype.F16, List.of(3L), half, 0)
                .bytes("a.momentum_buffer", Dtype.BF16, List.of(3L), brain, 0)
                .doubles("b", List.of(2L), wide, 0)
                .doubles("b.momentum_buffer", List.of(2L), wide, 1));
        try (Lars lars = Lars.builder(layers).learningRate(1).momentum(0.9).build()) {
            float[] params = new float[5];
            List<String> logged = new ArrayList<>();
            Restored restored = CheckpointTest.logging(logged, () -> PyTorchState.restore(file, lars, params));
            assertEquals(
                    List.of("restored from " + file + ": rounded from F64 to float: \"b.momentum_buffer\", \"b\""),
                    logged);
            assertArrayEquals(new float[] {1, -2, 0x1p-24f, 0.1f, 0}, params);
            assertArrayEquals(new float[] {1, -2, 0x1p-133f, 0, 1 + 0x1p-23f}, Inside.momentum(lars));
            assertEquals(List.of("rounded from F64 to float: \"b.momentum_buffer\", \"b\""), restored.notes());
        }
    }

    @Test
    void refusesWideNumbersThatNoFloatHolds() throws IOException {
        int length = 40_000;
        double[] wide = new double[length];
        Arrays.setAll(wide, i -> i + 1e-12);
        Layers layers = Layers.builder().add("w", length).build();
        try (Lars lars = Lars.builder(layers).learningRate(1).momentum(0.9).build()) {
            SafeTensorsWriter writer = new SafeTensorsWriter()
                    .doubles("w", List.of((long) length), wide, 0)
                    .doubles("w.momentum_buffer", List.of((long) length), wide, 0);
            float[] params = new float[length];
            PyTorchState.restore(written(writer), lars, params);
            for (int i = 0; i < length; i++) {
                assertEquals(i == 0 ? 1e-12f : i, params[i]);
                assertEquals(params[i], Inside.momentum(lars)[i]);
            }
            wide[39_999] = -1e39;
            IllegalArgumentException e = assertThrows(
                    IllegalArgumentException.class, () -> PyTorchState.restore(written(writer), lars, params));
            assertEquals(
                    List.of(
                            "the file does not fit the layers:",
                            "  \"w.momentum_buffer\": it is -1.0E39 at 39999; a float is at most 3.4028235E38",
                            "  \"w\": it is -1.0E39 at 39999; a float is at most 3.4028235E38"),
                    e.getMessage().lines().toList());
            // As with floats, a NaN in the weights is left to the next step, and a NaN in the momentum is refused.
            wide[39_999] = Double.NaN;
            e = assertThrows(IllegalArgumentException.class, () -> PyTorchState.restore(written(writer), lars, params));
            assertEquals(
                    List.of(
                            "the file does not fit the layers:",
                            "  \"w.momentum_buffer\": it is NaN at 39999; it must be finite"),
                    e.getMessage().lines().toList());
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
    void aPrefixThatFitsNoLayerIsAnErrorWithoutMomentumToo() throws IOException {
        try (Lars lars = builder().build()) {
            Path file = named(name -> "module." + name, name -> "module." + name + ".momentum_buffer");
            assertEquals(
                    "the file has no layer with the prefix \"nope\"; it has every layer with the prefix \"module.\", see"
                            + " restore(file, lars, params, prefix)",
                    refusal(file, lars, null, "nope"));
            assertEquals(0, lars.steps());
            PyTorchState.restore(file, lars, "module.");
            assertEquals(9, lars.steps());
            file = written(new SafeTensorsWriter()
                    .metadata("step", "5")
                    .floats("module.conv.bias.momentum_buffer", List.of(3L), new float[3], 0));
            assertEquals(
                    "the file has no layer with the prefix \"module\"; its tensors are"
                            + " \"module.conv.bias.momentum_buffer\"",
                    refusal(file, lars, null, "module"));
            PyTorchState.restore(file, lars, "module.");
            assertEquals(5, lars.steps());
            PyTorchState.restore(named(name -> "x." + name, null), lars);
            assertEquals(9, lars.steps());
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

    /**
     * PyTorch 2.13.0 and timm 1.0.29 wrote the file, by the code in {@code docs/pytorch-state.md}: an optimizer with three
     * {@code param_groups}, in another order than the layers, after three steps; and two more steps.
     */
    @Test
    void parameterGroupsMayHaveAnotherOrder() throws Exception {
        Layers layers = Layers.builder()
                .addTensor("conv.weight", 3, 2, 3, 3)
                .addTensor("conv.bias", 3)
                .addTensor("norm.weight", 3)
                .addTensor("norm.bias", 3)
                .addTensor("head.weight", 4, 5)
                .addTensor("head.bias", 4)
                .build();
        float[] params = new float[(int) layers.end()];
        float[] momentum = new float[params.length];
        try (Lars lars = Lars.builder(layers)
                        .rule(Dialects.timm(false, false))
                        .learningRate(0.5)
                        .momentum(0.9)
                        .weightDecay(0.01)
                        .momentumBuffer(momentum)
                        .group(
                                "biases",
                                Pattern.compile("^(conv|norm)[.]bias$"),
                                g -> g.learningRate(0.01).momentum(0).weightDecay(0))
                        .group(
                                "head",
                                Pattern.compile("^head"),
                                g -> g.learningRate(0.3)
                                        .momentum(0.5)
                                        .nesterov(true)
                                        .weightDecay(1e-3)
                                        .trustCoefficient(0.02))
                        .build();
                SafeTensorsFile file = SafeTensorsFile.open(resource("pytorch-groups.safetensors"))) {
            Restored restored = PyTorchState.restore(resource("pytorch-groups.safetensors"), lars, params);
            assertEquals(List.of("conv.weight", "head.weight", "head.bias"), restored.taken());
            assertEquals(List.of("norm.weight"), restored.leftWithout());
            assertEquals(3, lars.steps());
            for (Layer layer : layers) {
                assertArrayEquals(read(file, layer.name(), layer), slice(params, layer), layer.name());
                float[] expected = restored.taken().contains(layer.name())
                        ? read(file, layer.name() + ".momentum_buffer", layer)
                        : new float[(int) layer.length()];
                assertArrayEquals(expected, slice(momentum, layer), layer.name());
            }
            for (int step = 3; step < 5; step++) {
                float[] gradients = new float[params.length];
                for (Layer layer : layers) {
                    file.readFloats("gradient." + step + "." + layer.name(), gradients, (int) layer.offset());
                }
                lars.step(params, gradients);
            }
            for (Layer layer : layers) {
                float[] expected = read(file, "after." + layer.name(), layer);
                for (int i = 0; i < expected.length; i++) {
                    assertEquals(expected[i], params[(int) layer.offset() + i], 1e-6f, layer.name());
                }
            }
        }
    }

    private static float[] read(SafeTensorsFile file, String name, Layer layer) throws IOException {
        float[] values = new float[(int) layer.length()];
        file.readFloats(name, values, 0);
        return values;
    }

    private static float[] slice(float[] array, Layer layer) {
        return Arrays.copyOfRange(array, (int) layer.offset(), (int) layer.end());
    }
}
