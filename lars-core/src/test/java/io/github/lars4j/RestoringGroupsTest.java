package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.SampleRun.Kind;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.rule.TrustRatio;
import io.github.lars4j.safetensors.SafeTensorsFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints and snapshots of optimizers with groups, schedules and changed hyperparameters. */
class RestoringGroupsTest {

    /** Silenced, because most restores here log a line. */
    private static final Logger LOGGER = Logger.getLogger("io.github.lars4j");

    private static final TrustRatio HALF = (weightNorm, gradientNorm, products, eta, decay, rate, layer, step) ->
            eta * weightNorm / (gradientNorm + 0.5);

    private static final Rule KNOBS = Dialects.PAPER
            .withRatioBounds(1e-3, 0.5)
            .withWeightNormBounds(0.01, 10)
            .withGradientNormFloor(1e-4)
            .withDecay(Rule.Decay.BESIDE_RATIO)
            .withGradientClip(0.25, 1e-3);

    /** Two layers named as in many models, for the tests that need no more. */
    private static final Layers TWO =
            Layers.builder().add("w", 3).add("bias", 2).build();

    private static final int LAST_STEP = 30;

    @TempDir
    Path folder;

    private Path file() {
        return folder.resolve("run.safetensors");
    }

    @BeforeAll
    static void logLess() {
        LOGGER.setLevel(Level.WARNING);
    }

    @AfterAll
    static void logAgain() {
        LOGGER.setLevel(null);
    }

    /** An optimizer that uses everything that only groups, schedules and changes have. */
    private static Lars whole() {
        return SampleRun.builder(Kind.CORRECTED)
                .weightDecay(Schedule.cosine(0.02, LAST_STEP))
                .group("convs", Pattern.compile("^conv"), g -> g.momentum(0.6).trustCoefficient(0.3))
                .group(
                        "biases",
                        Pattern.compile("bias$"),
                        g -> g.weightDecay(0)
                                .rateFactor(0.25)
                                .momentum(warmup())
                                .dampening(0.3))
                .group(
                        "knobs",
                        layer -> layer.name().startsWith("scale"),
                        g -> g.rule(KNOBS).learningRate(Schedule.cosine(0.1, LAST_STEP)))
                .group("own", Pattern.compile("^head"), RestoringGroupsTest::own)
                .build();
    }

    private static Settings own(Settings g) {
        return g.rule(Rule.of("half", Rule.Entry.GRADIENT, false, HALF))
                .momentumCorrection(false)
                .trustCoefficient(Schedule.polynomial(0.01, 1, 2 * LAST_STEP))
                .nesterov(true);
    }

    /** Momentum of 0 in the first steps. */
    private static Schedule warmup() {
        return Schedule.piecewiseLinear(new long[] {4, 12}, new double[] {0, 0.9});
    }

    /** As {@link #whole}, with the groups in another order, and with other layers and numbers in them. */
    private static Lars other() {
        return SampleRun.builder(Kind.PAPER)
                .nesterov(false)
                .weightDecay(Schedule.cosine(0.02, LAST_STEP))
                .group("own", Pattern.compile("^(head|nothing)"), g -> own(g).momentum(0.1))
                .group("knobs", Pattern.compile("^scale"), g -> g.learningRate(Schedule.cosine(0.1, LAST_STEP)))
                .group(
                        "biases",
                        Pattern.compile("^conv"),
                        g -> g.momentum(warmup()).rateFactor(3))
                .group("convs", Pattern.compile("^(conv|scale)"), g -> g.nesterov(false))
                .build();
    }

    /** Takes steps, with changes after some of them. */
    private static void run(Lars lars, float[] params, long until) {
        while (lars.steps() < until) {
            SampleRun.step(lars, params);
            if (lars.steps() == 10) {
                lars.change("convs", g -> g.trustCoefficient(0.05).weightDecay(0.1));
            } else if (lars.steps() == 15) {
                lars.change(s -> s.momentum(0.7).trustCoefficient(0.4));
                lars.change("own", g -> g.momentum(0).nesterov(false));
            } else if (lars.steps() == 20) {
                lars.change("own", g -> g.momentum(0.9));
                lars.change("knobs", g -> g.rule(KNOBS.withRatioBounds(0, 0.25)));
            }
        }
    }

    private static String bits(Lars lars, float[] params) {
        return SampleRun.bits(lars, params) + Inside.settings(lars);
    }

    @Test
    void aRunThatIsResumedHasTheBitsOfOneThatWasNeverStopped() throws IOException {
        float[] params = SampleRun.params();
        String expected;
        try (Lars lars = whole()) {
            run(lars, params, LAST_STEP);
            expected = bits(lars, params);
        }
        try (Lars first = whole()) {
            float[] running = SampleRun.params();
            for (int k = 0; k < LAST_STEP; k++) {
                run(first, running, k);
                Checkpoint.save(file(), first, running);
                byte[] bytes = Files.readAllBytes(file());
                assertEquals("2", format());
                float[] resumed = new float[running.length];
                float[] again = running.clone();
                Snapshot snapshot = first.snapshot();
                try (Lars second = other();
                        Lars third = other()) {
                    Checkpoint.load(file()).restore(second, resumed);
                    third.restore(snapshot);
                    assertEquals(bits(first, running), bits(second, resumed), "saved after " + k);
                    assertEquals(bits(first, running), bits(third, again), "copied after " + k);
                    assertEquals(groups(first), groups(second));
                    assertEquals(groups(first), groups(third));
                    Checkpoint.save(file(), second, resumed);
                    assertArrayEquals(bytes, Files.readAllBytes(file()), "saved again after " + k);
                    Checkpoint.save(file(), third, again);
                    assertArrayEquals(bytes, Files.readAllBytes(file()), "copied and saved after " + k);
                    run(second, resumed, LAST_STEP);
                    run(third, again, LAST_STEP);
                    assertEquals(expected, bits(second, resumed), "resumed after " + k);
                    assertEquals(expected, bits(third, again), "resumed from a copy after " + k);
                }
            }
        }
    }

    private static List<String> groups(Lars lars) {
        return lars.groups().stream().map(Group::toString).toList();
    }

    /** Returns the format of the file. */
    private String format() throws IOException {
        return metadata().get("lars4j.checkpoint");
    }

    private Map<String, String> metadata() throws IOException {
        try (SafeTensorsFile open = SafeTensorsFile.open(file())) {
            return open.metadata();
        }
    }

    private String formatOf(Lars lars) throws IOException {
        Checkpoint.save(file(), lars);
        return format();
    }

    private static Lars.Builder two() {
        return Lars.builder(TWO).learningRate(0.1).momentum(0.9);
    }

    @Test
    void theFirstFormatIsWrittenWhereItSuffices() throws IOException {
        for (Kind kind : Kind.values()) {
            float[] params = SampleRun.params();
            try (Lars lars = SampleRun.builder(kind).build()) {
                SampleRun.run(lars, params, 9);
                assertEquals("1", formatOf(lars), kind.name());
                lars.change(s -> s.weightDecay(0.5).dampening(0).learningRate(0.25));
                assertEquals("1", formatOf(lars), kind.name());
            }
        }
        float[] params = {1, 2, 3, 4, 5};
        try (Lars corrected = two().momentumCorrection(true).build();
                Lars plain = two().build();
                Lars converted = two().build();
                Lars ofOtherDecay = two().momentumCorrection(true).build()) {
            corrected.step(params, new float[] {1, 2, 3, 4, 5});
            assertEquals("1", formatOf(corrected));
            // Without the correction, the coefficient of the last step does not matter.
            Checkpoint.load(file()).withoutSettings().restore(plain);
            assertEquals("1", formatOf(plain));
            converted.restore(corrected.snapshot().convertedTo(Dialects.BOLTS));
            assertEquals("1", formatOf(converted));
            ofOtherDecay.restore(corrected.snapshot());
            assertEquals("1", formatOf(ofOtherDecay));
            // A coefficient that has changed since the last step does.
            corrected.change(s -> s.trustCoefficient(0.5));
            assertEquals("2", formatOf(corrected));
            corrected.change(s -> s.momentumCorrection(false));
            assertEquals("1", formatOf(corrected));
        }
        for (UnaryOperator<Lars.Builder> beyond : List.<UnaryOperator<Lars.Builder>>of(
                b -> b.group("g", layer -> true, g -> g),
                b -> b.rule(KNOBS),
                b -> b.rule(Rule.of("half", Rule.Entry.VELOCITY, false, HALF)),
                b -> b.weightDecay(Schedule.constant(0).then(5, Schedule.constant(1))),
                b -> b.momentum(warmup()),
                b -> b.trustCoefficient(Schedule.cosine(1, 10)))) {
            try (Lars lars = beyond.apply(two()).build()) {
                assertEquals("2", formatOf(lars));
            }
        }
        // A schedule that is a constant is a number.
        try (Lars lars = two().weightDecay(Schedule.constant(0.1)).build()) {
            assertEquals("1", formatOf(lars));
        }
    }

    @Test
    void theFirstFormatIsReadIntoAnOptimizerWithGroups() throws IOException {
        float[] params = SampleRun.params();
        try (Lars saved = SampleRun.builder(Kind.OPTAX).build();
                Lars lars = SampleRun.builder(Kind.PAPER)
                        .nesterov(false)
                        .group("biases", Pattern.compile("bias$"), g -> g.weightDecay(0.5))
                        .build()) {
            SampleRun.run(saved, params, 9);
            Checkpoint.save(file(), saved, params);
            float[] restored = new float[params.length];
            List<String> notes = Checkpoint.load(file()).restore(lars, restored).notes();
            assertEquals(
                    List.of(
                            "rule is " + Dialects.OPTAX + ", was " + Dialects.PAPER,
                            "the checkpoint has no group \"biases\"; the optimizer's stays as it is"),
                    notes);
            assertEquals(bits(saved, params), bits(lars, restored));
            assertEquals(List.of("group \"biases\" (weightDecay=0.5): [conv.bias]"), groups(lars));
        }
    }

    /** Each group of the checkpoint is the optimizer's of its name, wherever that is. */
    @Test
    void groupsAreFoundByName() throws IOException {
        try (Lars saved = two().group("a", Pattern.compile("w"), g -> g.weightDecay(0.25))
                        .group(
                                "b",
                                Pattern.compile("bias"),
                                g -> g.weightDecay(0.5).rateFactor(2))
                        .build();
                Lars lars = two().group(
                                "b",
                                Pattern.compile("bias"),
                                g -> g.maxGradientNorm(7).learningRate(0.3))
                        .group("a", Pattern.compile("w"), g -> g.weightDecay(9))
                        .build()) {
            Checkpoint.save(file(), saved);
            List<String> notes = Checkpoint.load(file()).restore(lars).notes();
            List<String> expected = List.of(
                    "group \"a\" (weightDecay=0.25): [w]",
                    "group \"b\" (weightDecay=0.5, learningRate=0.3, rateFactor=2.0, maxGradientNorm=7.0): [bias]");
            assertEquals(expected, groups(lars));
            assertEquals(
                    List.of(
                            "group \"a\" has (weightDecay=0.25), had (weightDecay=9.0)",
                            "group \"b\" has (weightDecay=0.5, learningRate=0.3, rateFactor=2.0, maxGradientNorm=7.0),"
                                    + " had (learningRate=0.3, maxGradientNorm=7.0)"),
                    notes);
            assertEquals(List.of(), Checkpoint.load(file()).restore(lars).notes());
            lars.restore(saved.snapshot());
            assertEquals(expected, groups(lars));
        }
    }

    @Test
    void aGroupThatTheOptimizerLacksIsRefusedAndNothingHasChanged() throws IOException {
        float[] params = {1, 2, 3, 4, 5};
        float[] gradients = {1, 1, 1, 1, 1};
        try (Lars saved = two().group("biases\n" + "x".repeat(5000), Pattern.compile("bias"), g -> g.weightDecay(1))
                        .build();
                Lars lars = two().group("heads", Pattern.compile("w"), g -> g.weightDecay(2))
                        .build()) {
            saved.step(params.clone(), gradients);
            Checkpoint.save(file(), saved);
            lars.step(params, gradients);
            lars.step(params, gradients);
            String before = bits(lars, params) + groups(lars);
            Checkpoint checkpoint = Checkpoint.load(file());
            Snapshot snapshot = saved.snapshot();
            for (IllegalArgumentException e : List.of(
                    assertThrows(IllegalArgumentException.class, () -> checkpoint.restore(lars)),
                    assertThrows(IllegalArgumentException.class, () -> checkpoint.restoreMatching(lars)),
                    assertThrows(IllegalArgumentException.class, () -> lars.restore(snapshot)))) {
                assertTrue(
                        e.getMessage().startsWith("the optimizer has no group \"biases\\u000ax")
                                && e.getMessage()
                                        .endsWith(", which the saved state has; it must have a group of this name, and"
                                                + " its groups are [heads]")
                                && e.getMessage().length() < 500,
                        e::getMessage);
                assertEquals(before, bits(lars, params) + groups(lars));
            }
            lars.step(params, gradients);
            assertEquals(3, lars.steps());
            checkpoint.withoutSettings().restore(lars);
            assertEquals(1, lars.steps());
            assertEquals(List.of("group \"heads\" (weightDecay=2.0): [w]"), groups(lars));
        }
    }

    /** A later group takes precedence, so where a group stays matters. */
    @Test
    void aGroupThatOnlyTheOptimizerHasStaysInItsPlace() throws IOException {
        try (Lars saved = two().group("a", layer -> true, g -> g.weightDecay(1))
                        .group("z", layer -> true, g -> g.rateFactor(3))
                        .build();
                Lars before = two().group("new", layer -> true, g -> g.weightDecay(7))
                        .group("a", layer -> true, g -> g.weightDecay(2))
                        .group("z", layer -> true, g -> g)
                        .build();
                Lars between = two().group("z", layer -> true, g -> g)
                        .group("new", layer -> true, g -> g.weightDecay(7))
                        .group("a", layer -> true, g -> g)
                        .build()) {
            Checkpoint.save(file(), saved);
            assertTrue(Checkpoint.load(file())
                    .restore(before)
                    .notes()
                    .contains("the checkpoint has no group \"new\"; the optimizer's stays as it is"));
            between.restore(saved.snapshot());
            assertEquals(
                    List.of("new", "a", "z"),
                    before.groups().stream().map(Group::name).toList());
            assertEquals(
                    List.of("a", "new", "z"),
                    between.groups().stream().map(Group::name).toList());
            assertEquals(1, Inside.decayOfStepZero(before, 0));
            assertEquals(7, Inside.decayOfStepZero(between, 0));
        }
    }

    @Test
    void theLayersOfAGroupAreThoseOfTheCheckpoint() throws IOException {
        try (Lars saved = two().group("g", Pattern.compile("w"), g -> g.rateFactor(2))
                        .build();
                Lars lars = two().group("g", Pattern.compile("bias"), g -> g.rateFactor(2))
                        .build()) {
            Checkpoint.save(file(), saved);
            assertEquals(
                    List.of("group \"g\" has the layers \"w\", had \"bias\""),
                    Checkpoint.load(file()).restore(lars).notes());
            assertEquals(List.of("group \"g\" (rateFactor=2.0): [w]"), groups(lars));
            // A layer that is added later belongs to it if the optimizer's own pattern matches.
            lars.addLayers(Layers.builder()
                    .add("w", 3)
                    .add("bias", 2)
                    .add("bias2", 1)
                    .add("w2", 1)
                    .build());
            assertEquals(List.of("group \"g\" (rateFactor=2.0): [w, bias2]"), groups(lars));
        }
    }

    @Test
    void schedulesAreKeptAndSaidToBe() throws IOException {
        Schedule mine = Schedule.cosine(0.5, 10);
        Schedule theirs = Schedule.polynomial(0.25, 1, 100);
        try (Lars saved = two().weightDecay(theirs)
                        .trustCoefficient(theirs)
                        .group("g", layer -> true, g -> g.momentum(theirs).weightDecay(0.125))
                        .group("h", layer -> true, g -> g.trustCoefficient(theirs))
                        .build();
                Lars lars = two().weightDecay(0.75)
                        .momentum(mine)
                        .trustCoefficient(mine)
                        .group("g", layer -> true, g -> g.weightDecay(mine))
                        .group("h", layer -> true, g -> g.trustCoefficient(3))
                        .build()) {
            saved.step(new float[5], new float[5]);
            Checkpoint.save(file(), saved);
            Map<String, String> metadata = metadata();
            assertEquals("trustCoefficient,weightDecay", metadata.get("schedules"));
            assertEquals("0.2475", metadata.get("weightDecay"));
            assertEquals("momentum", metadata.get("group.0.schedules"));
            List<String> notes = Checkpoint.load(file()).restore(lars).notes();
            assertEquals(
                    List.of(
                            "weightDecay is the optimizer's number 0.75, was schedule with 0.2475 in step 1 in the"
                                    + " checkpoint",
                            "momentum is the optimizer's schedule, was number 0.9 in the checkpoint",
                            "group \"g\": weightDecay is the optimizer's schedule, was number 0.125 in the checkpoint",
                            "group \"g\": momentum is not given, was schedule with 0.2475 in step 1 in the checkpoint",
                            "group \"h\": trustCoefficient is the optimizer's number 3.0, was schedule with 0.2475 in"
                                    + " step 1 in the checkpoint"),
                    notes);
            assertEquals(
                    "trustCoefficient=" + mine + ", weightDecay=0.75, momentum=" + mine,
                    Inside.settings(lars).replaceFirst("^rule=.*?], ", "").replaceFirst(", dampening.*", ""));
            assertEquals(
                    List.of(
                            "group \"g\" (weightDecay=" + mine + "): [w, bias]",
                            "group \"h\" (trustCoefficient=3.0): [w, bias]"),
                    groups(lars));
            // The same schedules on both sides need no note.
            assertEquals(List.of(), Checkpoint.load(file()).restore(saved).notes());
        }
    }

    @Test
    void matchingLayersComeWithTheirGroups() throws IOException {
        Layers old =
                Layers.builder().add("m.w", 3).add("m.bias", 2).add("m.head", 4).build();
        Layers layers = Layers.builder()
                .add("bias", 2)
                .add("new", 4)
                .add("w", 3)
                .add("other", 1, Treatment.PLAIN)
                .build();
        float[] params = {1, 2, 3, 4, 5, 6, 7, 8, 9};
        try (Lars saved = Lars.builder(old)
                        .learningRate(0.1)
                        .group("body", Pattern.compile("w|bias"), g -> g.momentum(0.5))
                        .group("head", Pattern.compile("head"), g -> g.weightDecay(0.25))
                        .build();
                Lars lars = Lars.builder(layers)
                        .learningRate(0.1)
                        .group("body", Pattern.compile("^(new|w)"), g -> g.momentum(0.75))
                        .build()) {
            saved.step(params, new float[] {1, 2, 3, 4, 5, 6, 7, 8, 9});
            Checkpoint.save(file(), saved, params);
            Checkpoint checkpoint = Checkpoint.load(file());
            float[] target = new float[10];
            Restored restored = checkpoint.restoreMatching(lars, target, "m.");
            assertEquals(List.of("bias", "w"), restored.taken());
            assertEquals(
                    List.of(
                            "group \"body\" has (momentum=0.5), had (momentum=0.75)",
                            "group \"body\" has the layers \"bias\", \"new\", \"w\", had \"new\", \"w\"",
                            "the optimizer has no group \"head\" and none of its layers"),
                    restored.notes());
            assertArrayEquals(new boolean[] {true, false, true, false}, Inside.begun(lars));
            float[] momentum = Inside.momentum(lars);
            float[] of = Inside.momentum(saved);
            assertArrayEquals(new float[] {of[3], of[4], 0, 0, 0, 0, of[0], of[1], of[2], 0}, momentum);
            assertArrayEquals(new float[] {params[3], params[4]}, Arrays.copyOf(target, 2));
        }
    }

    /** Where none of a group's saved layers is in the optimizer, and the layers it had are in no saved group. */
    @Test
    void aGroupThatARestoreLeavesWithoutLayersCanBeSavedAndRestored() throws IOException {
        Layers old = Layers.builder().add("w", 3).add("head", 4).build();
        try (Lars saved = Lars.builder(old)
                        .learningRate(0.1)
                        .group("g", Pattern.compile("head"), g -> g.momentum(0.5))
                        .build();
                Lars lars = two().momentum(0)
                        .group("g", Pattern.compile("w"), g -> g)
                        .build();
                Lars without = two().build()) {
            Checkpoint.save(file(), saved);
            Checkpoint.load(file()).restoreMatching(lars);
            assertEquals(List.of("group \"g\" (momentum=0.5): []"), groups(lars));
            lars.step(new float[5], new float[5]);
            Checkpoint.save(file(), lars);
            assertEquals(1, Checkpoint.load(file()).step());
            Checkpoint.load(file()).restore(lars);
            assertEquals(List.of("group \"g\" (momentum=0.5): []"), groups(lars));
            Checkpoint.load(file()).restore(without);
            assertEquals(1, without.steps());
        }
    }

    @Test
    void withoutSettingsGroupsStayAsTheyAre() throws IOException {
        float[] params = {1, 2, 3, 4, 5};
        float[] gradients = {1, 1, 1, 1, 1};
        try (Lars saved = two().group("g", Pattern.compile("w"), g -> g.momentum(0))
                        .group("gone", Pattern.compile("w"), g -> g.weightDecay(1))
                        .build();
                Lars lars = two().group("g", Pattern.compile("bias"), g -> g.momentum(0))
                        .build()) {
            saved.step(params, gradients);
            Checkpoint.save(file(), saved);
            String before = groups(lars).toString();
            Restored restored = Checkpoint.load(file()).withoutSettings().restore(lars);
            assertEquals(before, groups(lars).toString());
            assertEquals(
                    List.of(
                            "the momentum of the checkpoint is not used in some layers, because the optimizer has"
                                    + " momentum 0",
                            "the checkpoint has no momentum in some layers, so it starts from 0"),
                    restored.notes());
            assertArrayEquals(new boolean[] {false, true}, Inside.begun(lars));
        }
    }

    /** A schedule that is kept gives momentum to layers for which the snapshot has none. */
    @Test
    void momentumByAKeptScheduleStartsFromZero() {
        float[] params = {1, 2, 3, 4, 5};
        float[] gradients = {1, 1, 1, 1, 1};
        try (Lars saved = two().momentum(0).build();
                Lars lars = two().momentum(step -> 0.5).build()) {
            saved.step(params, gradients);
            lars.step(params, gradients);
            lars.restore(saved.snapshot());
            assertArrayEquals(new float[5], Inside.momentum(lars));
            assertArrayEquals(new boolean[2], Inside.begun(lars));
        }
    }

    /** A layer that is not in the checkpoint, and one that has momentum neither here nor there, say nothing. */
    @Test
    void withoutSettingsOnlyLayersOfBothAreCompared() throws IOException {
        Layers more = Layers.builder().add("w", 3).add("bias", 2).add("new", 1).build();
        try (Lars saved = two().group("g", Pattern.compile("bias"), g -> g.momentum(0))
                        .build();
                Lars lars = Lars.builder(more)
                        .learningRate(0.1)
                        .momentum(0.5)
                        .group("g", Pattern.compile("bias"), g -> g.momentum(0))
                        .build()) {
            Checkpoint.save(file(), saved);
            assertEquals(
                    List.of(),
                    Checkpoint.load(file())
                            .withoutSettings()
                            .restoreMatching(lars)
                            .notes());
        }
        try (Lars saved = two().build();
                Lars lars = two().group("g", Pattern.compile("bias"), g -> g.momentum(0))
                        .build()) {
            Checkpoint.save(file(), saved);
            assertEquals(
                    List.of("the momentum of the checkpoint is not used in some layers, because the optimizer has"
                            + " momentum 0"),
                    Checkpoint.load(file()).withoutSettings().restore(lars).notes());
        }
    }

    /** The first layer alone is enough for a group to be missed, and for momentum to be refused or not used. */
    @Test
    void theFirstLayerCountsAsTheOthersDo() throws IOException {
        Pattern first = Pattern.compile("w");
        try (Lars saved = two().group("g", first, g -> g.momentum(0.5)).build();
                Lars without = two().build();
                Lars other =
                        two().group("g", first, g -> g.rule(Dialects.SNIPPET)).build();
                Lars none = two().group("g", first, g -> g.momentum(0)).build()) {
            Checkpoint.save(file(), saved);
            Checkpoint kept = Checkpoint.load(file()).withoutSettings();
            assertThrows(
                    IllegalArgumentException.class,
                    () -> Checkpoint.load(file()).restore(without));
            assertThrows(IllegalArgumentException.class, () -> kept.restore(other));
            assertEquals(
                    List.of("the momentum of the checkpoint is not used in some layers, because the optimizer has"
                            + " momentum 0"),
                    kept.restore(none).notes());
            Checkpoint.save(file(), none);
            assertEquals(
                    List.of("the checkpoint has no momentum in some layers, so it starts from 0"),
                    Checkpoint.load(file()).withoutSettings().restore(without).notes());
        }
    }

    @Test
    void aCheckpointSaysTheNumbersThatSchedulesHadInTheNextStep() throws IOException {
        float[] params = {1, 2, 3, 4, 5};
        try (Lars lars = two().weightDecay(step -> 0.25 * (step + 1)).build()) {
            lars.step(params, new float[] {1, 1, 1, 1, 1});
            Checkpoint.save(file(), lars);
            assertEquals(0.5, Checkpoint.load(file()).hyperparameters().weightDecay());
        }
    }

    /** A kept group may give a rule whose momentum contains something else than the saved one. */
    @Test
    void momentumThatAKeptGroupCannotUseIsRefusedAndNothingHasChanged() throws IOException {
        float[] params = {1, 2, 3, 4, 5};
        float[] gradients = {1, 1, 1, 1, 1};
        try (Lars saved = two().build();
                Lars lars = two().group("g", Pattern.compile("bias"), g -> g.rule(Dialects.SNIPPET))
                        .build()) {
            saved.step(params.clone(), gradients);
            Checkpoint.save(file(), saved);
            lars.step(params, gradients);
            lars.step(params, gradients);
            String before = bits(lars, params);
            Checkpoint checkpoint = Checkpoint.load(file());
            Snapshot snapshot = saved.snapshot();
            for (IllegalArgumentException e : List.of(
                    assertThrows(IllegalArgumentException.class, () -> checkpoint.restore(lars)),
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> checkpoint.withoutSettings().restore(lars)),
                    assertThrows(IllegalArgumentException.class, () -> lars.restore(snapshot)))) {
                assertTrue(
                        e.getMessage()
                                .startsWith("rule.entry is UPDATE in the optimizer and VELOCITY in the saved state for"
                                        + " layer \"bias\", so the momentum has another meaning"),
                        e::getMessage);
                assertEquals(before, bits(lars, params));
            }
            lars.step(params, gradients);
        }
    }

    @Test
    void settingsThatContradictAKeptGroupAreRefusedAndNothingHasChanged() throws IOException {
        float[] params = {1, 2, 3, 4, 5};
        try (Lars saved = two().momentum(0).build();
                Lars lars = two().group("g", Pattern.compile("bias"), g -> g.nesterov(true))
                        .build()) {
            Checkpoint.save(file(), saved);
            lars.step(params, new float[5]);
            String before = bits(lars, params);
            Checkpoint checkpoint = Checkpoint.load(file());
            Snapshot snapshot = saved.snapshot();
            for (IllegalArgumentException e : List.of(
                    assertThrows(IllegalArgumentException.class, () -> checkpoint.restore(lars)),
                    assertThrows(IllegalArgumentException.class, () -> lars.restore(snapshot)))) {
                assertTrue(
                        e.getMessage()
                                .startsWith("layer \"bias\", with group \"g\": nesterov is true with momentum 0.0"),
                        e::getMessage);
                assertEquals(before, bits(lars, params));
            }
            lars.step(params, new float[5]);
        }
    }

    /** The name in the file stands for the formula of the optimizer that is restored. */
    @Test
    void anOwnTrustRatioInAGroupIsFoundByName() throws IOException {
        float[] gradients = {1, 1, 1, 1, 1};
        TrustRatio quarter = (weightNorm, gradientNorm, products, eta, decay, rate, layer, step) -> 0.25;
        try (Lars saved = two().group(
                                "g",
                                Pattern.compile("w"),
                                g -> g.rule(Rule.of("mine", Rule.Entry.VELOCITY, false, HALF)))
                        .build();
                Lars lars = two().group("g", Pattern.compile("w"), g -> g)
                        .group(
                                "elsewhere",
                                Pattern.compile("bias"),
                                g -> g.rule(Rule.of("mine", Rule.Entry.VELOCITY, false, quarter)))
                        .build();
                Lars lacking = two().rule(Rule.of("yours", Rule.Entry.VELOCITY, false, HALF))
                        .group("g", Pattern.compile("w"), g -> g)
                        .build()) {
            Checkpoint.save(file(), saved);
            Checkpoint checkpoint = Checkpoint.load(file());
            checkpoint.restore(lars);
            assertEquals(0.25, lars.step(new float[] {1, 2, 3, 4, 5}, gradients).trustRatio(0));
            float[] params = {1, 2, 3, 4, 5};
            lacking.step(params, gradients);
            String before = bits(lacking, params);
            IllegalArgumentException e =
                    assertThrows(IllegalArgumentException.class, () -> checkpoint.restore(lacking));
            assertTrue(e.getMessage().contains("a trust ratio of its own, \"mine\""), e::getMessage);
            assertEquals(before, bits(lacking, params));
            checkpoint.withoutSettings().restore(lacking);
        }
    }

    /** The numbers of schedules in a checkpoint are only informative, so that none of them makes it unreadable. */
    @Test
    void schedulesThatHaveNoValueForTheNextStepDoNotSpoilTheFile() throws IOException {
        float[] params = {1, 2, 3, 4, 5};
        Schedule momentum = warmup();
        Schedule toZero = Schedule.polynomial(0.5, 1, 2);
        try (Lars lars = two().momentum(momentum)
                .nesterov(true)
                .trustCoefficient(toZero)
                .group("g", Pattern.compile("w"), g -> g.trustCoefficient(toZero))
                .group("h", Pattern.compile("w"), g -> g.weightDecay(step -> step == 2 ? Double.NaN : 1))
                .group("i", Pattern.compile("bias"), g -> g.weightDecay(step -> new double[] {1, 1}[(int) step]))
                .build()) {
            assertFalse(lars.hyperparameters().nesterov());
            for (int step = 0; step < 2; step++) {
                lars.step(params, new float[] {1, 2, 3, 4, 5});
            }
            Checkpoint.save(file(), lars, params);
            String before = bitsWithoutNextStep(lars, params);
            Checkpoint checkpoint = Checkpoint.load(file());
            assertEquals(2, checkpoint.step());
            lars.learningRate(1);
            assertEquals(List.of(), checkpoint.restore(lars, params).notes());
            assertEquals(before, bitsWithoutNextStep(lars, params));
        }
    }

    /** As {@link #bits}, without the hyperparameters of the next step, which a schedule out of range does not have. */
    private static String bitsWithoutNextStep(Lars lars, float[] params) {
        return lars.steps()
                + Arrays.toString(Inside.begun(lars))
                + Arrays.toString(Inside.learningRates(lars))
                + Arrays.toString(Inside.momentum(lars))
                + Arrays.toString(params)
                + Inside.settings(lars);
    }
}
