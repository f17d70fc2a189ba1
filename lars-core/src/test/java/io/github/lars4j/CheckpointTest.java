package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.SampleRun.Kind;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.safetensors.SafeTensorsException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointTest {

    /** The header of a small state up to the entry for nesterov; {@code AFTER_NESTEROV} is the rest. */
    private static final String BEFORE_NESTEROV =
            "{\"__metadata__\":{\"dampening\":\"0.0\",\"lars4j.checkpoint\":\"1\","
                    + "\"layer.0\":\"1 [2] true false 0.25 true 0.1 1.0E-4 w x\",\"momentum\":\"0.9\",\"momentumCorrection\":\"false\"";

    private static final String AFTER_NESTEROV = ",\"refusals\":\"3\",\"rule.adaptWithoutDecay\":\"true\","
            + "\"rule.clip\":\"false\",\"rule.entry\":\"UPDATE\",\"rule.epsilon\":\"1.0E-15\",\"rule.ratio\":\"SUM\","
            + "\"rule.zeroNorm\":\"FORMULA\",\"step\":\"17\",\"trustCoefficient\":\"0.001\",\"weightDecay\":\"1.0E-4\",\"weights\":\"false\"},"
            + "\"w x.momentum_buffer\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
            + "\"lars4j.checksum\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[8,16]}}";
    private static final Layers SMALL =
            new Layers(List.of(new Layer("w x", 1, List.of(2L), 2, new Treatment(true, false, 0.25))));

    @TempDir
    Path folder;

    private Path file() {
        return folder.resolve("run.safetensors");
    }

    /** Builds a file by hand from a header, two floats of data and the checksum. */
    private static byte[] file(String header, float one, float two) {
        byte[] json = (header + " ".repeat(7 - (header.length() + 7) % 8)).getBytes(StandardCharsets.UTF_8);
        ByteBuffer file = ByteBuffer.allocate(8 + json.length + 16).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(json.length).put(json);
        CRC32 sum = new CRC32();
        sum.update(file.array(), 0, file.position());
        final int headerSum = (int) sum.getValue();
        file.putFloat(one).putFloat(two);
        sum.reset();
        sum.update(file.array(), 0, file.position());
        return file.putInt(headerSum).putInt((int) sum.getValue()).array();
    }

    private static Lars small(boolean nesterov) {
        return Lars.builder(SMALL)
                .rule(Dialects.SNIPPET)
                .learningRate(1)
                .momentum(0.5)
                .nesterov(nesterov)
                .build();
    }

    @Test
    void readsAndWritesALiteralFile() throws IOException {
        byte[] bytes = file(BEFORE_NESTEROV + ",\"nesterov\":\"true\"" + AFTER_NESTEROV, 1.5f, -0.0f);
        Files.write(file(), bytes);
        Checkpoint checkpoint = Checkpoint.load(file());
        assertEquals(17, checkpoint.step());
        assertEquals(SMALL, checkpoint.layers());
        assertEquals(
                new Hyperparameters(Dialects.SNIPPET, 0.001, 1e-4, 0.9, 0, true, false), checkpoint.hyperparameters());
        assertFalse(checkpoint.hasWeights());
        try (Lars lars = small(false)) {
            checkpoint.restore(lars);
            assertEquals(17, lars.steps());
            assertEquals(3, Inside.refusals(lars));
            assertArrayEquals(new boolean[] {true}, Inside.begun(lars));
            assertArrayEquals(new double[] {0.1}, Inside.learningRates(lars));
            assertArrayEquals(new double[] {1e-4}, Inside.trustRatios(lars));
            assertArrayEquals(new float[] {0, 1.5f, -0.0f}, Inside.momentum(lars));
            assertEquals(checkpoint.hyperparameters(), lars.hyperparameters());
            assertEquals(SMALL, lars.layers());
            Path again = folder.resolve("again.safetensors");
            Checkpoint.save(again, lars);
            assertArrayEquals(bytes, Files.readAllBytes(again));
        }
    }

    @Test
    void aStateWithoutNesterovRestoresAsFalse() throws IOException {
        Files.write(file(), file(BEFORE_NESTEROV + AFTER_NESTEROV, 1, 2));
        try (Lars lars = small(true)) {
            assertTrue(lars.hyperparameters().nesterov());
            Checkpoint.load(file()).restore(lars);
            assertFalse(lars.hyperparameters().nesterov());
            assertEquals(0.9, lars.hyperparameters().momentum());
        }
    }

    @Test
    void theSameStateGivesTheSameBytes() throws IOException {
        for (Kind kind : Kind.values()) {
            float[] params = SampleRun.params();
            try (Lars lars = SampleRun.builder(kind).build();
                    Lars other = SampleRun.builder(Kind.DAMPENED).build()) {
                SampleRun.run(lars, params, 50);
                Checkpoint.save(file(), lars, params);
                byte[] bytes = Files.readAllBytes(file());
                Checkpoint.save(file(), lars, params);
                assertArrayEquals(bytes, Files.readAllBytes(file()));
                float[] restored = new float[params.length];
                Checkpoint.load(file()).restore(other, restored);
                Checkpoint.save(file(), other, restored);
                assertArrayEquals(bytes, Files.readAllBytes(file()));
                SampleRun.step(lars, params);
                Checkpoint.save(file(), lars, params);
                assertFalse(Arrays.equals(bytes, Files.readAllBytes(file())));
            }
        }
        try (Stream<Path> left = Files.list(folder)) {
            assertEquals(List.of(file()), left.toList());
        }
    }

    @Test
    void saysAllThatDiffersAndChangesNothing() throws IOException {
        float[] params = SampleRun.params();
        try (Lars saved = SampleRun.builder(Kind.PAPER).build()) {
            SampleRun.run(saved, params, 50);
            Checkpoint.save(file(), saved, params);
        }
        Layers layers = Layers.builder()
                .add("conv.weight", 23)
                .add("conv.bias", 3)
                .add("new", 7)
                .add("head", 30)
                .build();
        try (Lars lars = SampleRun.builder(Kind.SNIPPET, layers).build()) {
            float[] others = SampleRun.params();
            String before = SampleRun.bits(lars, others);
            IllegalArgumentException e = assertThrows(
                    IllegalArgumentException.class,
                    () -> Checkpoint.load(file()).restore(lars, others));
            List<String> lines = e.getMessage().lines().toList();
            assertEquals(
                    List.of(
                            "the layers of the checkpoint differ from the optimizer's:",
                            "  \"new\": the checkpoint has no such layer",
                            "  \"conv.weight\": its length is 24, the optimizer's is 23",
                            "  \"head\": its length is 29, the optimizer's is 30",
                            "  \"nothing\": the optimizer has no such layer",
                            "  \"scale \u00e9\"\\\\u000a\": the optimizer has no such layer"),
                    lines);
            assertEquals(before, SampleRun.bits(lars, others));
        }
    }

    @Test
    void takesWhatMatchesWhenAsked() throws IOException {
        float[] params = SampleRun.params();
        try (Lars saved = SampleRun.builder(Kind.PAPER).build()) {
            SampleRun.run(saved, params, 50);
            Checkpoint.save(file(), saved, params);
            // The layers have another order and other offsets, a different head, and one of them is missing.
            Layers layers = Layers.builder()
                    .add("head", 11)
                    .add("conv.bias", 3)
                    .at(20)
                    .add("conv.weight", 24, Treatment.PLAIN)
                    .add("nothing", 0)
                    .add("new", 2, Treatment.PLAIN)
                    .build();
            float[] momentum = new float[50];
            Arrays.fill(momentum, 7);
            float[] target = new float[50];
            Arrays.fill(target, 9);
            try (Lars lars = SampleRun.builder(Kind.SNIPPET, layers)
                    .momentumBuffer(momentum)
                    .build()) {
                Restored restored = Checkpoint.load(file()).restoreMatching(lars, target);
                assertEquals(List.of("conv.bias", "conv.weight", "nothing"), restored.taken());
                assertEquals(
                        Map.of(
                                "head",
                                "its length is 29, the optimizer's is 11",
                                "scale \u00e9\"\\\n",
                                "the optimizer has no such layer"),
                        restored.leftInFile());
                assertEquals(List.of("head", "new"), restored.leftWithout());
                assertFalse(restored.complete());
                assertEquals(50, lars.steps());
                assertEquals(saved.hyperparameters(), lars.hyperparameters());
                assertEquals(Treatment.FULL, lars.layers().get(2).treatment());
                assertEquals(Treatment.PLAIN, lars.layers().get(4).treatment());
                float[] expected = new float[50];
                float[] expectedMomentum = new float[50];
                Arrays.fill(expected, 9);
                Arrays.fill(expectedMomentum, 7);
                System.arraycopy(params, 24, expected, 11, 3);
                System.arraycopy(params, 0, expected, 20, 24);
                System.arraycopy(Inside.momentum(saved), 24, expectedMomentum, 11, 3);
                System.arraycopy(Inside.momentum(saved), 0, expectedMomentum, 20, 24);
                // "head" and "new" start afresh; the gaps between the layers keep their values.
                Arrays.fill(expectedMomentum, 0, 11, 0);
                Arrays.fill(expectedMomentum, 44, 46, 0);
                assertArrayEquals(expected, target);
                assertArrayEquals(expectedMomentum, momentum);
                assertEquals(Inside.trustRatios(saved)[0], Inside.trustRatios(lars)[2]);
                assertEquals(0, Inside.trustRatios(lars)[0]);
            }
        }
    }

    @Test
    void layersThatTheCheckpointLacksBecomeFresh() throws IOException {
        Layers known = Layers.builder().add("a", 2).build();
        Layers layers = Layers.builder().add("a", 2).add("new", 2).build();
        float[] gradients = {1, -2, 3, -4};
        try (Lars saved = dampened(known).build();
                Lars fresh = dampened(layers).build();
                Lars lars = dampened(layers).build()) {
            saved.step(new float[] {1, 2}, new float[] {5, 6});
            Checkpoint.save(file(), saved);
            float[] params = {1, 2, 3, 4};
            lars.step(params.clone(), new float[] {7, 7, 7, 7});
            Restored restored = Checkpoint.load(file()).restoreMatching(lars);
            assertEquals(List.of("new"), restored.leftWithout());
            assertArrayEquals(new boolean[] {true, false}, Inside.begun(lars));
            assertArrayEquals(new float[] {0, 0}, Arrays.copyOfRange(Inside.momentum(lars), 2, 4));
            assertArrayEquals(new float[] {5, 6}, Arrays.copyOf(Inside.momentum(lars), 2));
            assertArrayEquals(new double[] {Inside.learningRates(saved)[0], 0}, Inside.learningRates(lars));
            assertArrayEquals(new double[] {Inside.trustRatios(saved)[0], 0}, Inside.trustRatios(lars));
            // Its next step is its first step.
            float[] expected = params.clone();
            fresh.step(expected, gradients);
            lars.step(params, gradients);
            assertArrayEquals(Arrays.copyOfRange(expected, 2, 4), Arrays.copyOfRange(params, 2, 4));
            assertArrayEquals(new float[] {3, -4}, Arrays.copyOfRange(Inside.momentum(lars), 2, 4));
        }
    }

    private static Lars.Builder dampened(Layers layers) {
        return Lars.builder(layers)
                .rule(Dialects.SNIPPET)
                .learningRate(0.1)
                .momentum(0.5)
                .dampening(0.25);
    }

    @Test
    void saysWhichSettingsBecameTheCheckpoints() throws IOException {
        Layers plain = Layers.builder()
                .add("a", 2, Treatment.PLAIN)
                .add("b", 2, Treatment.PLAIN)
                .add("c", 2)
                .build();
        Layers full = Layers.builder().add("a", 2).add("b", 2).add("c", 2).build();
        try (Lars saved = dampened(full).weightDecay(0.5).trustCoefficient(2).build();
                Lars same = dampened(full).weightDecay(0.5).trustCoefficient(2).build();
                Lars lars = Lars.builder(plain)
                        .learningRate(1)
                        .momentum(0.9)
                        .nesterov(true)
                        .momentumCorrection(true)
                        .build()) {
            Checkpoint.save(file(), saved);
            Checkpoint checkpoint = Checkpoint.load(file());
            List<String> logged = new ArrayList<>();
            assertEquals(
                    List.of(), logging(logged, () -> checkpoint.restore(same)).notes());
            assertEquals(List.of(), logged);
            List<String> notes =
                    logging(logged, () -> checkpoint.restoreMatching(lars)).notes();
            assertEquals(
                    List.of(
                            "rule is " + Dialects.SNIPPET + ", was " + Dialects.PAPER,
                            "trustCoefficient is 2.0, was 0.001",
                            "weightDecay is 0.5, was 0.0",
                            "momentum is 0.5, was 0.9",
                            "dampening is 0.25, was 0.0",
                            "nesterov is false, was true",
                            "momentumCorrection is false, was true",
                            "the checkpoint's treatment replaces that of \"a\", \"b\""),
                    notes);
            assertEquals(List.of("restored from " + file() + ": " + String.join("; ", notes)), logged);
            assertEquals(saved.hyperparameters(), lars.hyperparameters());
            assertEquals(full, lars.layers());
            assertEquals(List.of(), checkpoint.restore(lars).notes());
        }
    }

    interface Restoring {
        Restored restored() throws IOException;
    }

    /** Returns the result of a restore, and adds what it logs to a list. */
    static Restored logging(List<String> logged, Restoring restoring) throws IOException {
        Logger logger = Logger.getLogger("io.github.lars4j");
        Handler handler = new Handler() {
            @Override
            public void publish(LogRecord line) {
                logged.add(line.getMessage());
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        logger.addHandler(handler);
        try {
            return restoring.restored();
        } finally {
            logger.removeHandler(handler);
        }
    }

    @Test
    void keepsTheOptimizersSettingsWhenAsked() throws IOException {
        float[] params = SampleRun.params();
        Layers treated = new Layers(StreamSupport.stream(SampleRun.LAYERS.spliterator(), false)
                .map(layer -> layer.withTreatment(Treatment.PLAIN.withRateFactor(3)))
                .toList());
        try (Lars saved = SampleRun.builder(Kind.PAPER).build();
                Lars lars = Lars.builder(treated)
                        .rule(Dialects.PAPER.withEpsilon(1))
                        .learningRate(1)
                        .momentum(0.25)
                        .dampening(0.5)
                        .build()) {
            SampleRun.run(saved, params, 50);
            Checkpoint.save(file(), saved, params);
            Hyperparameters mine = lars.hyperparameters();
            float[] taken = new float[64];
            Checkpoint checkpoint = Checkpoint.load(file()).withoutSettings();
            assertEquals(saved.hyperparameters(), checkpoint.hyperparameters());
            Restored restored = checkpoint.restore(lars, taken);
            assertTrue(restored.complete());
            assertEquals(List.of(), restored.notes());
            assertEquals(mine, lars.hyperparameters());
            assertEquals(treated, lars.layers());
            assertEquals(50, lars.steps());
            assertEquals(Inside.refusals(saved), Inside.refusals(lars));
            assertArrayEquals(Arrays.copyOf(Inside.momentum(saved), 61), Inside.momentum(lars));
            assertArrayEquals(Inside.begun(saved), Inside.begun(lars));
            assertArrayEquals(Inside.learningRates(saved), Inside.learningRates(lars));
            assertArrayEquals(Inside.trustRatios(saved), Inside.trustRatios(lars));
            assertEquals(params[60], taken[60]);
        }
    }

    @Test
    void keepsNoMomentumThatTheRuleCannotUse() throws IOException {
        float[] params = SampleRun.params();
        try (Lars saved = SampleRun.builder(Kind.PAPER).build();
                Lars lars = SampleRun.builder(Kind.SNIPPET).build();
                Lars bare = SampleRun.builder(Kind.NO_MOMENTUM).build()) {
            SampleRun.run(saved, params, 50);
            SampleRun.run(lars, params.clone(), 3);
            Checkpoint.save(file(), saved);
            Checkpoint checkpoint = Checkpoint.load(file()).withoutSettings();
            String before = SampleRun.bits(lars, params);
            IllegalArgumentException e =
                    assertThrows(IllegalArgumentException.class, () -> checkpoint.restoreMatching(lars));
            assertTrue(
                    e.getMessage().contains("rule.entry is UPDATE in the optimizer")
                            && e.getMessage().contains("VELOCITY in the saved state"),
                    e.getMessage());
            assertEquals(before, SampleRun.bits(lars, params));
            // An optimizer without momentum ignores all of this, and restores no momentum.
            assertEquals(
                    List.of("the momentum of the checkpoint is not used, because the optimizer has momentum 0"),
                    checkpoint.restore(bare).notes());
            assertEquals(50, bare.steps());
            assertEquals(null, Inside.momentum(bare));
            assertArrayEquals(Inside.begun(saved), Inside.begun(bare));
        }
    }

    @Test
    void momentumBeginsAnewWhereTheCheckpointHasNone() throws IOException {
        float[] params = SampleRun.params();
        try (Lars bare = SampleRun.builder(Kind.NO_MOMENTUM).build();
                Lars lars = SampleRun.builder(Kind.DAMPENED).build()) {
            SampleRun.run(bare, params, 50);
            Checkpoint.save(file(), bare);
            SampleRun.run(lars, params.clone(), 3);
            assertEquals(
                    List.of("the checkpoint has no momentum, so it starts from 0"),
                    Checkpoint.load(file()).withoutSettings().restore(lars).notes());
            assertEquals(0.7, lars.hyperparameters().momentum());
            assertArrayEquals(new float[61], Inside.momentum(lars));
            assertArrayEquals(new boolean[5], Inside.begun(lars));
            assertArrayEquals(Inside.learningRates(bare), Inside.learningRates(lars));
            assertEquals(50, lars.steps());
        }
    }

    @Test
    void namesThePrefixThatWouldFitAndTakesIt() throws IOException {
        Layers wrapped =
                Layers.builder().add("module.a", 2).add("module.b.a", 1).build();
        Layers layers = Layers.builder().add("b.a", 1).add("a", 2).build();
        float[] params = {1, 2, 3};
        try (Lars saved = dampened(wrapped).build();
                Lars lars = dampened(layers).build()) {
            saved.step(params, new float[] {5, 6, 7});
            Checkpoint.save(file(), saved, params);
            Checkpoint checkpoint = Checkpoint.load(file());
            String before = SampleRun.bits(lars, params);
            float[] taken = new float[3];
            String hint =
                    "; it has every layer with the prefix \"module.\", see restoreMatching(lars, params, prefix):";
            for (Restoring restoring : List.<Restoring>of(
                    () -> checkpoint.restoreMatching(lars, taken),
                    () -> checkpoint.restoreMatching(lars, "modul."),
                    () -> checkpoint.restore(lars))) {
                IllegalArgumentException e = assertThrows(IllegalArgumentException.class, restoring::restored);
                assertTrue(e.getMessage().contains(hint), e.getMessage());
                assertEquals(before, SampleRun.bits(lars, params));
            }
            Restored restored = checkpoint.restoreMatching(lars, taken, "module.");
            assertTrue(restored.complete());
            assertEquals(List.of("b.a", "a"), restored.taken());
            assertArrayEquals(new float[] {params[2], params[0], params[1]}, taken);
            assertArrayEquals(new float[] {7, 5, 6}, Inside.momentum(lars));
            assertTrue(checkpoint.restoreMatching(lars, "module.").complete());
        }
    }

    @Test
    void aPartialRestoreOfEverythingIsWhole() throws IOException {
        float[] params = SampleRun.params();
        try (Lars saved = SampleRun.builder(Kind.PAPER).build();
                Lars lars = SampleRun.builder(Kind.OPTAX).build();
                Lars other = Lars.builder(SMALL).learningRate(1).build()) {
            SampleRun.run(saved, params, 50);
            Checkpoint.save(file(), saved);
            Restored restored = Checkpoint.load(file()).restoreMatching(lars);
            assertTrue(restored.complete());
            assertEquals(5, restored.taken().size());
            assertEquals(SampleRun.bits(saved, params), SampleRun.bits(lars, params));
            IllegalArgumentException e = assertThrows(
                    IllegalArgumentException.class,
                    () -> Checkpoint.load(file()).restoreMatching(other));
            assertTrue(e.getMessage().contains("and none matches"), e.getMessage());
            assertEquals(0, other.steps());
        }
    }

    @Test
    void writesIntoTheCallersArray() throws IOException {
        float[] momentum = new float[64];
        float[] params = SampleRun.params();
        Path without = folder.resolve("without.safetensors");
        try (Lars saved = SampleRun.builder(Kind.PAPER).build();
                Lars bare = SampleRun.builder(Kind.NO_MOMENTUM).build();
                Lars lars =
                        SampleRun.builder(Kind.PAPER).momentumBuffer(momentum).build()) {
            SampleRun.run(saved, params, 50);
            Checkpoint.save(file(), saved);
            Checkpoint.save(without, bare);
            Checkpoint.load(without).restore(lars);
            assertEquals(0, lars.hyperparameters().momentum());
            Checkpoint.load(file()).restore(lars);
            assertSame(momentum, Inside.momentum(lars));
            assertArrayEquals(Inside.momentum(saved), Arrays.copyOf(momentum, 61));
            // The same with snapshots.
            lars.restore(bare.snapshot());
            lars.restore(saved.snapshot());
            assertSame(momentum, Inside.momentum(lars));
        }
    }

    @Test
    void isRefusedDuringAStepAndDoesItNoHarm() throws IOException {
        float[] params = SampleRun.params();
        try (Lars lars = SampleRun.builder(Kind.PAPER).build()) {
            Checkpoint.save(file(), lars, params);
            Checkpoint checkpoint = Checkpoint.load(file());
            List<Throwable> thrown = new ArrayList<>();
            lars.step(params, new float[64], () -> {
                thrown.add(assertThrows(IllegalStateException.class, () -> Checkpoint.save(file(), lars, params)));
                thrown.add(assertThrows(IllegalStateException.class, () -> checkpoint.restore(lars, params)));
                thrown.add(assertThrows(IllegalStateException.class, () -> checkpoint.restoreMatching(lars, params)));
                thrown.add(assertThrows(IllegalStateException.class, () -> PyTorchState.restore(file(), lars)));
                return 0;
            });
            assertEquals(4, thrown.size());
            assertTrue(thrown.get(0).getMessage().contains("save was called while another call"));
            assertTrue(thrown.get(1).getMessage().contains("restore was called while another call"));
            assertEquals(1, lars.steps());
        }
    }

    @Test
    void leavesTheTurnAsItWas() throws IOException {
        float[] params = SampleRun.params();
        float[] gradients = new float[64];
        Arrays.fill(gradients, 1);
        try (Lars lars = SampleRun.builder(Kind.PAPER).build()) {
            LayerSums sums = lars.measure(params, gradients);
            Checkpoint.save(file(), lars, params);
            lars.update(params, gradients, sums);
            assertEquals(1, lars.steps());

            lars.measure(params, gradients);
            Checkpoint.load(file()).restore(lars, params);
            assertEquals(0, lars.steps());
            assertThrows(IllegalStateException.class, () -> lars.update(params, gradients, sums));

            Inside.breakOff(lars, new IOException("broke"));
            assertThrows(IllegalStateException.class, () -> Checkpoint.save(file(), lars));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> Checkpoint.load(file()).restore(lars, new float[1]));
            assertThrows(IllegalStateException.class, () -> lars.step(params, gradients));
            Checkpoint.load(file()).restore(lars, params);
            lars.step(params, gradients);
            assertEquals(1, lars.steps());
        }
    }

    @Test
    void aRestoreThatBreaksOffHalfWayAsksForAnother() throws IOException {
        float[] params = SampleRun.params();
        try (Lars lars = SampleRun.builder(Kind.PAPER).build()) {
            SampleRun.run(lars, params, 50);
            String expected = SampleRun.bits(lars, params);
            Checkpoint.save(file(), lars, params);
            Checkpoint checkpoint = Checkpoint.load(file());
            // Reading must fail after all checks have passed: there is no room for the second layer's momentum.
            float[] momentum = Inside.momentum(lars);
            Inside.setMomentum(lars, new float[25]);
            assertThrows(IndexOutOfBoundsException.class, () -> checkpoint.restore(lars, params));
            IllegalStateException e = assertThrows(IllegalStateException.class, () -> lars.step(params, new float[64]));
            assertTrue(e.getMessage().contains("restore a snapshot or checkpoint"), e.getMessage());
            assertThrows(IllegalStateException.class, () -> Checkpoint.save(file(), lars, params));
            Inside.setMomentum(lars, momentum);
            checkpoint.restore(lars, params);
            assertEquals(expected, SampleRun.bits(lars, params));
            SampleRun.step(lars, params);

            Inside.setMomentum(lars, new float[25]);
            assertThrows(IndexOutOfBoundsException.class, () -> PyTorchState.restore(file(), lars, params));
            assertThrows(IllegalStateException.class, () -> lars.step(params, new float[64]));
            Inside.setMomentum(lars, momentum);
            PyTorchState.restore(file(), lars, params);
            SampleRun.step(lars, params);
        }
    }

    @Test
    void restoringForgetsCarriedSums() throws IOException {
        float[] params = SampleRun.params();
        try (Lars whole = SampleRun.builder(Kind.CARRIED).build()) {
            SampleRun.run(whole, params, 20);
            Checkpoint.save(file(), whole, params);
            SampleRun.run(whole, params, 40);
            String expected = SampleRun.bits(whole, params);
            Checkpoint.load(file()).restore(whole, params);
            SampleRun.run(whole, params, 40);
            assertEquals(expected, SampleRun.bits(whole, params));
        }
    }

    @Test
    void weightsAreThereOnlyWhenHandedIn() throws IOException {
        float[] params = SampleRun.params();
        try (Lars lars = SampleRun.builder(Kind.NO_MOMENTUM).build()) {
            SampleRun.run(lars, params, 3);
            Checkpoint.save(file(), lars);
            Checkpoint checkpoint = Checkpoint.load(file());
            assertFalse(checkpoint.hasWeights());
            assertEquals(file() + ": step 3, 5 layers", checkpoint.toString());
            SampleRun.run(lars, params, 5);
            assertThrows(IllegalArgumentException.class, () -> checkpoint.restore(lars, params));
            assertEquals(5, lars.steps());
            checkpoint.restore(lars);
            assertEquals(3, lars.steps());
        }
    }

    @Test
    void whatLiesBetweenLayersIsLeftAlone() throws IOException {
        float[] params = SampleRun.params();
        try (Lars lars = SampleRun.builder(Kind.PAPER).build()) {
            Checkpoint.save(file(), lars, params);
            float[] restored = new float[70];
            Arrays.fill(restored, 9);
            Checkpoint.load(file()).restore(lars, restored);
            for (int i = 0; i < restored.length; i++) {
                boolean inLayer = i < 27 || (i >= 30 && i < 59) || i == 60;
                assertEquals(inLayer ? params[i] : 9, restored[i], "element " + i);
            }
        }
    }

    @Test
    void refusesArraysThatDoNotFit() throws IOException {
        float[] momentum = new float[64];
        try (Lars lars = SampleRun.builder(Kind.PAPER).momentumBuffer(momentum).build()) {
            assertThrows(IllegalArgumentException.class, () -> Checkpoint.save(file(), lars, momentum));
            assertThrows(IllegalArgumentException.class, () -> Checkpoint.save(file(), lars, new float[60]));
            assertThrows(NullPointerException.class, () -> Checkpoint.save(file(), lars, (float[]) null));
            assertThrows(NullPointerException.class, () -> Checkpoint.save(null, lars));
            assertFalse(Files.exists(file()));
            Checkpoint.save(file(), lars, new float[61]);
            Checkpoint checkpoint = Checkpoint.load(file());
            assertThrows(IllegalArgumentException.class, () -> checkpoint.restore(lars, momentum));
            assertThrows(IllegalArgumentException.class, () -> checkpoint.restore(lars, new float[60]));
            assertThrows(NullPointerException.class, () -> checkpoint.restore(lars, (float[]) null));
            assertThrows(NullPointerException.class, () -> checkpoint.restoreMatching(lars, (float[]) null));
            checkpoint.restore(lars, new float[61]);
        }
    }

    @Test
    void refusesAFileThatIsAnotherByNow() throws IOException {
        float[] params = SampleRun.params();
        try (Lars lars = SampleRun.builder(Kind.PAPER).build()) {
            Checkpoint.save(file(), lars, params);
            Checkpoint checkpoint = Checkpoint.load(file());
            SampleRun.step(lars, params);
            Checkpoint.save(file(), lars, params);
            assertThrows(SafeTensorsException.class, () -> checkpoint.restore(lars, params));
            Files.delete(file());
            assertThrows(NoSuchFileException.class, () -> checkpoint.restore(lars, params));
            assertThrows(NoSuchFileException.class, () -> Checkpoint.load(file()));
            assertEquals(1, lars.steps());
            assertThrows(
                    NoSuchFileException.class,
                    () -> Checkpoint.save(folder.resolve("none").resolve("f"), lars, params));
        }
    }
}
