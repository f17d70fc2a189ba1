package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.saving.UnforcedDisk;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.SafeTensorsWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Building an optimizer refuses exactly those layers that no checkpoint could hold. */
class SavableTest {

    @TempDir
    Path folder;

    private static Layers named(String... names) {
        Layers.Builder layers = Layers.builder();
        for (String name : names) {
            layers.add(name, 1);
        }
        return layers.build();
    }

    private static Lars build(double momentum, Layers layers) {
        return Lars.builder(layers).learningRate(0.1).momentum(momentum).build();
    }

    private void refuses(double momentum, String message, String... names) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> build(momentum, named(names)));
        assertEquals("layers has a layer " + message, e.getMessage());
    }

    /** Asserts that layers of these names can be saved and restored, with and without weights. */
    private void takes(double momentum, String... names) throws IOException {
        Path file = folder.resolve("f.safetensors");
        float[] params = new float[names.length];
        try (Lars lars = build(momentum, named(names))) {
            Checkpoint.save(file, lars);
            Checkpoint.load(file).restore(lars);
            Checkpoint.save(file, lars, params);
            Checkpoint.load(file).restore(lars, params);
        }
    }

    @Test
    void namesThatClashInACheckpoint() throws IOException {
        String a = "\"a.momentum_buffer\"; it must have another name:"
                + " a checkpoint uses this name for the momentum of layer \"a\"";
        refuses(0.9, a, "a", "a.momentum_buffer");
        refuses(0.9, a, "b", "a.momentum_buffer", "a");
        takes(0, "a", "a.momentum_buffer");
        takes(0.9, "b", "a.momentum_buffer");
        for (double momentum : new double[] {0, 0.9}) {
            refuses(
                    momentum,
                    "\"lars4j.checksum\"; it must have another name: a checkpoint uses this name for other content",
                    "lars4j.checksum");
            refuses(
                    momentum,
                    "\"__metadata__\"; it must have another name: a checkpoint uses this name for other content",
                    "a",
                    "__metadata__");
            takes(momentum, "lars4j.checksum2", "__metadata", "step", "lars4j.checkpoint", "layer.0");
        }
    }

    @Test
    void namesThatAreNotUnicode() throws IOException {
        for (String bad : List.of("\ud800", "x\udc00", "\ude00\ud83d", "\ud83d\ud83d\ude00")) {
            IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> build(0, named("a", bad)));
            assertTrue(
                    e.getMessage().endsWith(": it contains an unpaired surrogate, which a checkpoint cannot store"),
                    e.getMessage());
        }
        takes(0.9, "", " ", "\0", "\ud83d\ude00", "\uffff", "a b\n\"\\");
    }

    @Test
    void aCheckpointThatBringsMomentumMayBringAClashToo() throws IOException {
        Path file = folder.resolve("f.safetensors");
        try (Lars saved = build(0.9, named("a"));
                Lars lars = build(0, named("a", "a.momentum_buffer"))) {
            saved.step(new float[1], new float[1]);
            Checkpoint.save(file, saved);
            Checkpoint checkpoint = Checkpoint.load(file);
            IllegalArgumentException e =
                    assertThrows(IllegalArgumentException.class, () -> checkpoint.restoreMatching(lars));
            assertTrue(e.getMessage().startsWith("layers has a layer \"a.momentum_buffer\""), e.getMessage());
            assertEquals(0, lars.steps());
            checkpoint.withoutSettings().restoreMatching(lars);
            assertEquals(1, lars.steps());
        }
    }

    /** Long names make up most of the header, so that few layers fill it. */
    @Test
    void headersThatTheFormatDoesNotAllow() throws IOException {
        Layers.Builder builder = Layers.builder();
        for (int i = 0; i < 300; i++) {
            builder.add("x".repeat(110_000) + i, 1);
        }
        Layers layers = builder.build();
        Path file = folder.resolve("f.safetensors");
        float[] params = new float[300];
        try (Lars lars = build(0, layers)) {
            Inside.save(new UnforcedDisk(), file, lars, params);
        }
        // Weights and metadata take 66 MB of the header, and momentum half as much again.
        Layers more = builder.add("y".repeat(400_000), 1).build();
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> build(0.9, more));
        assertTrue(
                e.getMessage().matches("layers has 301 layers; the header of a checkpoint may need 1002.{5} bytes .*"),
                e.getMessage());
        build(0.9, layers).close();
        build(0, more).close();
    }

    /** The bytes of each kind of character, against a file that has it in a name 64 times: headers grow by 8 bytes. */
    @Test
    void theBytesOfACharacterInAHeader() throws IOException {
        int[] characters = {
            1, 0x1f, ' ', '!', '"', '#', '[', '\\', ']', 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000,
            0x10ffff
        };
        long plain = headerBytes("a".repeat(64));
        for (int c : characters) {
            String name = Character.toString(c).repeat(64);
            assertEquals(headerBytes(name) - plain + 64, Savable.jsonBytes(name), () -> "U+" + Integer.toHexString(c));
        }
        for (char surrogate : new char[] {0xd800, 0xdbff, 0xdc00, 0xdfff}) {
            assertEquals(-1, Savable.jsonBytes("a" + surrogate));
        }
    }

    private static long headerBytes(String name) {
        return new SafeTensorsWriter()
                        .floats(name, List.of(0L), new float[0], 0)
                        .size()
                - 8;
    }

    /** The bound is never less than the size of the header, and little more than that of one with long numbers. */
    @Test
    void theBoundOfAHeaderIsAboutTheLongest() throws IOException {
        Random random = new Random(1);
        Path file = folder.resolve("f.safetensors");
        for (int count : new int[] {1, 10, 1000}) {
            for (double momentum : new double[] {0, 0.9}) {
                Layers.Builder builder = Layers.builder();
                for (int i = 0; i < count; i++) {
                    String name = i + "\ud83d\ude00\u20ac\u00e9\"\\\0a".substring(random.nextInt(8) & ~1);
                    builder.addTensor(name, new long[random.nextInt(4)]);
                    builder.add("w" + i, random.nextInt(3), new Treatment(true, false, random.nextDouble()));
                }
                Layers layers = builder.build();
                Setup setup;
                // Only the correction of momentum has a checkpoint say the trust coefficient of each layer.
                try (Lars lars = Lars.builder(layers)
                        .learningRate(0.1)
                        .momentum(momentum)
                        .momentumCorrection(true)
                        .build()) {
                    State state = Inside.state(lars);
                    setup = state.setup;
                    Arrays.fill(state.trustCoefficients, Double.MIN_NORMAL);
                    Arrays.fill(state.learningRates, Double.MIN_NORMAL);
                    Arrays.fill(state.trustRatios, Double.MIN_NORMAL);
                    state.step = Long.MAX_VALUE;
                    state.refusals = Long.MAX_VALUE;
                    Inside.save(new UnforcedDisk(), file, lars, new float[(int) layers.end()]);
                }
                try (SafeTensorsFile open = SafeTensorsFile.open(file)) {
                    long header = open.dataStart() - 8;
                    long bound = Savable.mostHeaderBytes(setup);
                    assertTrue(header <= bound, header + " > " + bound);
                    assertTrue(bound <= header + 2000 + 100L * count, bound + " is far more than " + header);
                }
            }
        }
    }

    /** As {@link #theBoundOfAHeaderIsAboutTheLongest}, for groups that give every value, each as long as possible. */
    @Test
    void theBoundOfAHeaderIsNotExceededByGroups() throws IOException {
        Rule rule = Rule.of("x".repeat(100), Rule.Entry.GRADIENT, true, (w, g, wg, eta, beta, rate, layer, step) -> 1)
                .withRatioBounds(Double.MIN_NORMAL, Double.MIN_NORMAL)
                .withDecay(Rule.Decay.BESIDE_RATIO)
                .withGradientClip(Double.MIN_NORMAL, Double.MIN_NORMAL);
        Schedule least = step -> Double.MIN_NORMAL;
        Path file = folder.resolve("f.safetensors");
        for (int count : new int[] {1, 11, 101}) {
            Layers layers = named("a", "\u20ac\"", "c".repeat(300));
            Lars.Builder builder = Lars.builder(layers)
                    .learningRate(0.1)
                    .rule(rule)
                    .trustCoefficient(least)
                    .weightDecay(least)
                    .momentum(least);
            for (int g = 0; g < count; g++) {
                builder.group(
                        "\u20ac\"".repeat(g),
                        layer -> true,
                        s -> s.rule(rule)
                                .trustCoefficient(least)
                                .weightDecay(least)
                                .momentum(least)
                                .dampening(-Double.MIN_NORMAL)
                                .nesterov(false)
                                .momentumCorrection(false)
                                .rateFactor(Double.MIN_NORMAL));
            }
            try (Lars lars = builder.build()) {
                State state = Inside.state(lars);
                Arrays.fill(state.learningRates, Double.MIN_NORMAL);
                Arrays.fill(state.trustRatios, Double.MIN_NORMAL);
                Arrays.fill(state.trustCoefficients, Double.MIN_NORMAL);
                state.step = Long.MAX_VALUE;
                state.refusals = Long.MAX_VALUE;
                Inside.save(new UnforcedDisk(), file, lars, new float[3]);
                try (SafeTensorsFile open = SafeTensorsFile.open(file)) {
                    long header = open.dataStart() - 8;
                    long bound = Savable.mostHeaderBytes(state.setup);
                    assertTrue(header <= bound, header + " > " + bound);
                    assertTrue(bound <= 3 * header, bound + " is far more than " + header);
                }
            }
        }
    }

    /** The lists of groups of many layers are longer than what is left of the settings of groups. */
    @Test
    void theBoundOfAHeaderCountsTheGroupsOfEachLayer() throws IOException {
        Layers.Builder layers = Layers.builder();
        for (int i = 0; i < 2000; i++) {
            layers.add("w" + i, 1);
        }
        Lars.Builder builder = Lars.builder(layers.build()).learningRate(0.1);
        for (int g = 0; g < 200; g++) {
            builder.group("g" + g, layer -> true, s -> s);
        }
        Path file = folder.resolve("f.safetensors");
        try (Lars lars = builder.build()) {
            Inside.save(new UnforcedDisk(), file, lars, null);
            try (SafeTensorsFile open = SafeTensorsFile.open(file)) {
                long bound = Savable.mostHeaderBytes(Inside.state(lars).setup);
                assertTrue(open.dataStart() - 8 <= bound, open.dataStart() + " > " + bound);
            }
        }
    }

    @Test
    void namesOfGroupsThatAreNotUnicode() {
        Lars.Builder builder = Lars.builder(named("a")).learningRate(0.1);
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class,
                () -> builder.group("x\ud800", layer -> true, g -> g).build());
        assertTrue(e.getMessage().startsWith("groups has a group \"x\\ud800\"; its name must not"), e.getMessage());
    }
}
