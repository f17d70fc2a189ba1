package io.github.lars4j;

import static io.github.lars4j.Bits.assertSame;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Groups give the bits of optimizers that have one group each, and are additive. */
class GroupsTest {

    private static final Pattern A = Pattern.compile("^a");
    private static final Pattern B = Pattern.compile("^b");

    /** Layers of two groups in turn, with gaps. */
    private static final Layers LAYERS = new Layers(List.of(
            layer("a0", 0, 5000, Treatment.FULL),
            layer("b0", 5003, 37, Treatment.FULL),
            layer("b1", 5040, 4500, Treatment.FULL.withRateFactor(0.3)),
            layer("a1", 10_100, 0, Treatment.FULL),
            layer("a2", 10_100, 129, Treatment.PLAIN),
            layer("b2", 9600, 300, Treatment.PLAIN.withRateFactor(2)),
            layer("a3", 10_300, 1, Treatment.FULL.withDecay(false)),
            layer("b3", 10_301, 64, Treatment.FULL.withAdapt(false))));

    private static final int N = 10_400;

    private static Layer layer(String name, long offset, long length, Treatment treatment) {
        return new Layer(name, offset, List.of(length), length, treatment);
    }

    /** All settings of a group. */
    private record Kind(
            Rule rule,
            Schedule trustCoefficient,
            Schedule decay,
            Schedule momentum,
            double dampening,
            boolean nesterov,
            boolean correct,
            Schedule rate,
            double factor) {

        Settings of(Settings settings) {
            return settings.rule(rule)
                    .trustCoefficient(trustCoefficient)
                    .weightDecay(decay)
                    .momentum(momentum)
                    .dampening(dampening)
                    .nesterov(nesterov)
                    .momentumCorrection(correct)
                    .learningRate(rate)
                    .rateFactor(factor);
        }

        Lars.Builder of(Lars.Builder builder) {
            return builder.rule(rule)
                    .trustCoefficient(trustCoefficient)
                    .weightDecay(decay)
                    .momentum(momentum)
                    .dampening(dampening)
                    .nesterov(nesterov)
                    .momentumCorrection(correct)
                    .learningRate(rate);
        }

        /** Returns an optimizer of those layers alone that match, with these settings. */
        Lars alone(Pattern pattern, OnBadGradient policy) {
            List<Layer> own = new ArrayList<>();
            for (Layer layer : LAYERS) {
                if (pattern.matcher(layer.name()).find()) {
                    double all = layer.treatment().rateFactor() * factor;
                    own.add(layer.withTreatment(layer.treatment().withRateFactor(all)));
                }
            }
            return of(Lars.builder(new Layers(own))).onBadGradient(policy).build();
        }
    }

    private static Schedule is(double number) {
        return Schedule.constant(number);
    }

    private static Schedule inTurn(double... numbers) {
        return step -> numbers[(int) (step % numbers.length)];
    }

    private static final List<Kind> KINDS = List.of(
            new Kind(Dialects.PAPER, is(0.02), is(0.01), is(0.9), 0, true, false, is(0.5), 1),
            new Kind(Dialects.SNIPPET, is(0.01), is(0), is(0), 0.3, false, false, is(0.1), 0.1),
            new Kind(Dialects.OPTAX, is(0.02), inTurn(0.01, 0), inTurn(0.9, 0.9, 0), 0.3, false, false, is(0.7), 1),
            new Kind(Dialects.BOLTS, inTurn(0.02, 0.03), is(0.02), is(0.5), 0.5, false, false, inTurn(0.1, 0.2), 3),
            new Kind(Dialects.PAPER, inTurn(0.02, 0.03), is(0.01), is(0.8), 0.1, false, true, inTurn(1, 0.4, 0), 0.5),
            new Kind(
                    Dialects.timm(true, true),
                    is(0.001),
                    inTurn(0, 0.05),
                    inTurn(0, 0, 0.9),
                    0,
                    true,
                    false,
                    Schedule.cosine(1.0, 6),
                    1));

    @Test
    void theHyperparametersOfALayerAreThoseOfItsGroupsAndItsTreatment() {
        Layers layers = Layers.builder()
                .add("w", 1)
                .add("bias", 1, Treatment.PLAIN)
                .add("other", 1)
                .build();
        try (Lars lars = Lars.builder(layers)
                .learningRate(0.1)
                .weightDecay(0.1)
                .momentum(0.9)
                .build()) {
            lars.addGroup(
                    "g", Pattern.compile("w|bias"), g -> g.weightDecay(0.5).momentum(0.8));
            assertEquals(List.of("w", "bias"), lars.groups().getFirst().layers());
            assertEquals(0.5, lars.hyperparameters(0).weightDecay());
            assertEquals(0.8, lars.hyperparameters(0).momentum());
            assertEquals(0, lars.hyperparameters(1).weightDecay());
            assertEquals(0.8, lars.hyperparameters(1).momentum());
            assertEquals(lars.hyperparameters(), lars.hyperparameters(2));
        }
    }

    /** A rule that divides by ‖g + βw‖ needs Σw·g of layers whose weight decay is above 0, or may become so. */
    @Test
    void theDescriptionCountsTheLayersThatMayNeedProducts() {
        Layers layers = Layers.builder()
                .add("constant", 1)
                .add("zero", 1)
                .add("schedule", 1)
                .add("plain", 1, Treatment.PLAIN)
                .build();
        try (Lars lars = Lars.builder(layers)
                .learningRate(0.1)
                .rule(Dialects.OPTAX)
                .weightDecay(0.1)
                .carrySums(true)
                .group("zero", Pattern.compile("zero"), g -> g.weightDecay(0))
                .group("schedule", Pattern.compile("schedule"), g -> g.weightDecay(step -> 0))
                .build()) {
            assertTrue(lars.toString().contains("the weights of 2 layers whose ratio needs"), lars::toString);
        }
    }

    @Test
    @Tag("bits")
    void twoGroupsGiveTheBitsOfTwoOptimizers() {
        int runs = 0;
        for (int a = 0; a < KINDS.size(); a++) {
            for (int b = 0; b < KINDS.size(); b++) {
                // Every pair with 4 of the 32 ways to step, so that each way comes with several pairs.
                for (int k = 0; k < 4; k++) {
                    int way = (5 * runs) % 32;
                    if (usesVectors(way) || !Kernel.ONE_WIDTH) {
                        compare(KINDS.get(a), KINDS.get(b), way, runs);
                    }
                    runs++;
                }
            }
        }
        System.out.println(runs + " runs of two groups with the bits of two optimizers");
    }

    private static boolean usesVectors(int way) {
        return (way & 8) != 0;
    }

    private static void compare(Kind a, Kind b, int way, int seed) {
        OnBadGradient policy = (way & 1) != 0 ? OnBadGradient.SKIP_LAYER : OnBadGradient.THROW;
        Lars.Builder builder = Lars.builder(LAYERS)
                .onBadGradient(policy)
                .carrySums((way & 2) != 0)
                .parallelism((way & 4) != 0 ? 4 : 1)
                .simd(usesVectors(way) ? Simd.REQUIRED : Simd.OFF)
                .learningRate(0.123);
        if (seed % 3 == 0) {
            // The first group's settings are the optimizer's, except for the rate factor.
            builder = a.of(builder).group("a", A, s -> s.rateFactor(a.factor)).group("b", B, b::of);
        } else {
            builder =
                    builder.weightDecay(0.5).momentum(0.3).group("b", B, b::of).group("a", A, a::of);
        }
        float[] params = Random32.normal(seed, N, 1);
        float[] expected = params.clone();
        Random random = new Random(seed);
        try (Lars lars = Inside.fineGrain(builder).build();
                Lars ofA = a.alone(A, policy);
                Lars ofB = b.alone(B, policy)) {
            for (int step = 0; step < 8; step++) {
                String what = a + " and " + b + " in way " + way + ", step " + step;
                float[] g = Random32.normal(100L * seed + step, N, 0.3);
                double scale = 1 + step % 2;
                Gradients gradients = Gradients.of(g).scale(scale);
                Gradients gradientsOfA = Gradients.of(g).scale(scale);
                Gradients gradientsOfB = Gradients.of(g).scale(scale);
                for (int i = 0; i < LAYERS.size(); i++) {
                    boolean missing = random.nextInt(5) == 0;
                    gradients.missing(i, missing);
                    (inA(i) ? gradientsOfA : gradientsOfB).missing(indexAlone(i), missing);
                }
                if (step % 3 == 1) {
                    int at = step % 2 == 0 ? 5010 : 7;
                    boolean missing =
                            step % 2 == 0 ? gradientsIsMissing(gradients, 1) : gradientsIsMissing(gradients, 0);
                    float good = g[at];
                    g[at] = Float.POSITIVE_INFINITY;
                    if (policy == OnBadGradient.THROW && !missing) {
                        String before = Inside.everything(lars, params);
                        assertThrows(NonFiniteException.class, () -> lars.step(params, gradients), what);
                        assertEquals(before, Inside.everything(lars, params), what);
                    }
                    g[at] = policy == OnBadGradient.THROW ? good : g[at];
                }
                StepReport report = (way & 16) != 0
                        ? lars.update(params, gradients, lars.measure(params, gradients))
                        : lars.step(params, gradients);
                StepReport[] alone = {ofA.step(expected, gradientsOfA), ofB.step(expected, gradientsOfB)};
                assertSame(expected, params, what);
                for (int i = 0; i < LAYERS.size(); i++) {
                    Lars of = inA(i) ? ofA : ofB;
                    assertLayer(i, lars, report, of, alone[inA(i) ? 0 : 1], indexAlone(i), what);
                }
            }
        }
    }

    private static boolean inA(int layer) {
        return LAYERS.get(layer).name().startsWith("a");
    }

    private static int indexAlone(int layer) {
        return LAYERS.get(layer).name().charAt(1) - '0';
    }

    private static boolean gradientsIsMissing(Gradients gradients, int layer) {
        return ((java.util.BitSet) Inside.field(gradients, "missing")).get(layer);
    }

    /** Asserts that two optimizers have the same state and report of a layer. */
    private static void assertLayer(
            int i, Lars lars, StepReport report, Lars alone, StepReport reportAlone, int j, String what) {
        String layer = what + ", layer " + LAYERS.get(i).name();
        assertEquals(Inside.begun(alone)[j], Inside.begun(lars)[i], layer);
        assertEquals(Inside.learningRates(alone)[j], Inside.learningRates(lars)[i], layer);
        assertEquals(Inside.trustRatios(alone)[j], Inside.trustRatios(lars)[i], layer);
        assertEquals(Inside.trustCoefficients(alone)[j], Inside.trustCoefficients(lars)[i], layer);
        assertEquals(reportAlone.outcome(j), report.outcome(i), layer);
        assertEquals(reportAlone.trustRatio(j), report.trustRatio(i), layer);
        assertEquals(reportAlone.effectiveRate(j), report.effectiveRate(i), layer);
        assertEquals(reportAlone.weightNorm(j), report.weightNorm(i), layer);
        assertEquals(reportAlone.gradientNorm(j), report.gradientNorm(i), layer);
        int from = (int) LAYERS.get(i).offset();
        int to = (int) LAYERS.get(i).end();
        float[] momentum = Inside.momentum(alone);
        if (momentum != null) {
            assertSame(
                    Arrays.copyOfRange(momentum, from, to),
                    Arrays.copyOfRange(Inside.momentum(lars), from, to),
                    layer + ", momentum");
        }
    }

    private static final float[] W = Random32.normal(1, N, 1);

    private static float[] gradients(int step) {
        return Random32.normal(1000 + step, N, 0.3);
    }

    private static Lars.Builder plain() {
        return Lars.builder(LAYERS)
                .learningRate(0.5)
                .trustCoefficient(0.02)
                .weightDecay(0.01)
                .momentum(0.9);
    }

    /** Takes steps and returns the weights. */
    private static float[] run(Lars lars, int steps) {
        float[] params = W.clone();
        for (int step = 0; step < steps; step++) {
            lars.step(params, gradients(step));
        }
        return params;
    }

    private static void assertLayerSame(String name, float[] expected, float[] actual) {
        int from = (int) LAYERS.get(LAYERS.index(name)).offset();
        int to = (int) LAYERS.get(LAYERS.index(name)).end();
        assertSame(Arrays.copyOfRange(expected, from, to), Arrays.copyOfRange(actual, from, to), name);
    }

    @Test
    void groupsAreAdditiveAndTheLaterCountsValueByValue() {
        Lars lars = plain().group(
                        "first", Pattern.compile("^b"), s -> s.weightDecay(0).momentum(0.5))
                .group("second", Pattern.compile("[0-1]$"), s -> s.momentum(0.3).rateFactor(0.1))
                .group("third", Pattern.compile("^b1"), s -> s.rateFactor(2))
                .build();
        float[] params = run(lars, 4);
        assertLayerSame("a2", run(plain().build(), 4), params);
        assertLayerSame("b2", run(plain().weightDecay(0).momentum(0.5).build(), 4), params);
        Lars.Builder both = plain().weightDecay(0).momentum(0.3);
        assertLayerSame("b0", run(both.learningRate(0.1 * 0.5).build(), 4), params);
        assertLayerSame("a0", run(plain().momentum(0.3).learningRate(0.1 * 0.5).build(), 4), params);
        // The rate factor 0.3 of the treatment multiplies that of the group, 2.
        Lars.Builder slow = Lars.builder(new Layers(List.of(layer("b1", 5040, 4500, Treatment.FULL))));
        Lars b1 = slow.learningRate((0.3 * 2) * 0.5)
                .trustCoefficient(0.02)
                .momentum(0.3)
                .build();
        assertLayerSame("b1", run(b1, 4), params);
    }

    /** The treatment of a layer stays, whatever its groups give. */
    @Test
    void biasesAtAHundredthOfTheRateAfterNoDecayByDimensionKeepBoth() {
        Layers layers = Layers.builder()
                .addTensor("fc.weight", 20, 30)
                .addTensor("fc.bias", 20)
                .treatOneDimensional(Treatment.PLAIN)
                .build();
        Layers expected = Layers.builder()
                .addTensor("fc.weight", 20, 30)
                .add("fc.bias", 20, new Treatment(false, false, 0.01))
                .build();
        Lars lars = Lars.builder(layers)
                .learningRate(0.5)
                .weightDecay(0.1)
                .group(
                        "biases",
                        Pattern.compile("bias$"),
                        s -> s.rateFactor(0.01).weightDecay(0.3))
                .build();
        Lars wholesale =
                Lars.builder(expected).learningRate(0.5).weightDecay(0.1).build();
        Layers changed = Layers.builder()
                .addTensor("fc.weight", 20, 30)
                .addTensor("fc.bias", 20)
                .treatOneDimensional(Treatment.PLAIN)
                .treat(Pattern.compile("bias$"), t -> t.withRateFactor(0.01))
                .build();
        assertEquals(expected.get(1).treatment(), changed.get(1).treatment());
        assertEquals(expected.get(0).treatment(), changed.get(0).treatment());
        assertSame(run(wholesale, 3), run(lars, 3), "weights");
    }

    @Test
    void treatWithAnOperatorChangesOneThing() {
        Layers.Builder builder = Layers.builder()
                .addTensor("w", 2, 3)
                .addTensor("b", 2)
                .treat(Pattern.compile("b"), new Treatment(true, true, 0.3))
                .treatOneDimensional(t -> t.withDecay(false))
                .treat(Pattern.compile("w|b"), t -> t.withAdapt(!t.adapt()));
        assertEquals(new Treatment(true, false, 1), builder.build().get(0).treatment());
        assertEquals(new Treatment(false, false, 0.3), builder.build().get(1).treatment());
        // A change that fails for one layer changes none.
        String before = builder.build().toString();
        UnaryOperator<Treatment> half = t -> t.decay() ? Treatment.PLAIN : null;
        assertThrows(NullPointerException.class, () -> builder.treat(Pattern.compile("w|b"), half));
        assertEquals(before, builder.build().toString());
        Layers.Builder flat =
                Layers.builder().addTensor("a", 1).addTensor("b", 1).treat(Pattern.compile("b"), Treatment.PLAIN);
        String flatBefore = flat.build().toString();
        assertThrows(NullPointerException.class, () -> flat.treatOneDimensional(half));
        assertEquals(flatBefore, flat.build().toString());
    }

    @Test
    void whatAGroupDoesNotGiveFollowsTheOptimizerAlsoAfterAChange() {
        Lars lars = plain().group("b", B, s -> s.momentum(0.5)).build();
        Lars one = plain().build();
        Lars other = plain().momentum(0.5).build();
        List<Lars> all = List.of(lars, one, other);
        List<float[]> params = List.of(W.clone(), W.clone(), W.clone());
        for (int step = 0; step < 6; step++) {
            for (int k = 0; k < 3; k++) {
                if (step == 2) {
                    all.get(k)
                            .change(s ->
                                    s.weightDecay(0.2).trustCoefficient(0.01).learningRate(0.1));
                }
                if (step == 4) {
                    boolean keeps = k == 2;
                    all.get(k)
                            .change(s ->
                                    keeps ? s.dampening(0.5) : s.dampening(0.5).momentum(0.1));
                }
                all.get(k).step(params.get(k), gradients(step));
            }
            for (Layer layer : LAYERS) {
                assertLayerSame(layer.name(), params.get(layer.name().startsWith("a") ? 1 : 2), params.get(0));
            }
        }
        assertEquals(0.2, lars.hyperparameters().weightDecay());
        assertEquals("momentum=0.5", lars.groups().getFirst().settings().toString());
    }

    @Test
    void groupsAreListedInTheirOrder() {
        Lars lars = plain().group("x", B, s -> s.weightDecay(0).nesterov(true))
                .group("y", layer -> layer.length() > 200, s -> s)
                .build();
        lars.addGroup("z", layer -> layer.name().equals("a3"), s -> s.momentum(0.1));
        assertEquals(
                List.of("x", "y", "z"), lars.groups().stream().map(Group::name).toList());
        assertEquals(List.of("b0", "b1", "b2", "b3"), lars.groups().get(0).layers());
        assertEquals(List.of("a0", "b1", "b2"), lars.groups().get(1).layers());
        assertEquals(
                "group \"x\" (weightDecay=0.0, nesterov=true): [b0, b1, b2, b3]",
                lars.groups().get(0).toString());
        assertEquals("", lars.groups().get(1).settings().toString());
    }

    @Test
    void settingsPrintAllTheirValues() {
        Schedule schedule = Schedule.cosine(1.0, 100);
        Settings all = plain().group(
                        "b",
                        B,
                        s -> s.rule(Dialects.PAPER)
                                .trustCoefficient(0.1)
                                .weightDecay(schedule)
                                .momentum(0.5)
                                .dampening(0)
                                .nesterov(true)
                                .momentumCorrection(false)
                                .learningRate(2)
                                .rateFactor(3)
                                .maxGradientNorm(4))
                .build()
                .groups()
                .getFirst()
                .settings();
        assertEquals(
                "rule=" + Dialects.PAPER + ", trustCoefficient=0.1, weightDecay=" + schedule
                        + ", momentum=0.5, dampening=0.0, nesterov=true, momentumCorrection=false, learningRate=2.0,"
                        + " rateFactor=3.0, maxGradientNorm=4.0",
                all.toString());
    }

    // Clipping

    @Test
    void theOptimizerClipsByTheNormOverAllGroups() {
        float[] g = gradients(0);
        Lars lars = plain().maxGradientNorm(2)
                .group("a", A, s -> s.momentum(0))
                .group("b", B, s -> s.weightDecay(0.1).rule(Dialects.OPTAX))
                .build();
        Lars ungrouped = plain().maxGradientNorm(2).build();
        float[] params = W.clone();
        StepReport report = lars.step(params, g);
        double clip = ungrouped.step(W.clone(), g).clipScale();
        assertTrue(clip < 0.5);
        assertEquals(clip, report.clipScale());
        assertEquals(1, report.clipScale("a"));
        Gradients clipped = Gradients.of(g).scale(clip);
        float[] ofA = W.clone();
        float[] ofB = W.clone();
        plain().momentum(0).build().step(ofA, clipped);
        plain().weightDecay(0.1).rule(Dialects.OPTAX).build().step(ofB, clipped);
        for (Layer layer : LAYERS) {
            assertLayerSame(layer.name(), layer.name().startsWith("a") ? ofA : ofB, params);
        }
    }

    /** Each group clips by the norm over its own layers, and the optimizer by the norm over the others. */
    @Test
    void groupsClipAsOptimizersOfTheirOwn() {
        Pattern others = Pattern.compile("^(a[23]|b[23])");
        for (OnBadGradient policy : OnBadGradient.values()) {
            for (int bad : new int[] {-1, 5, 5010, 9700}) {
                if (bad >= 0 && policy != OnBadGradient.SKIP_LAYER) {
                    continue;
                }
                Lars.Builder builder = plain().maxGradientNorm(1.5)
                        .onBadGradient(policy)
                        .group("a", Pattern.compile("^a[01]"), s -> s.maxGradientNorm(2))
                        .group("all", layer -> true, s -> s.dampening(0))
                        .group("b", Pattern.compile("^b[01]"), s -> s.maxGradientNorm(3));
                Lars lars = Inside.fineGrain(builder).build();
                Lars ofA =
                        part("^a[01]").onBadGradient(policy).maxGradientNorm(2).build();
                Lars ofB =
                        part("^b[01]").onBadGradient(policy).maxGradientNorm(3).build();
                Lars rest = part(others.pattern())
                        .onBadGradient(policy)
                        .maxGradientNorm(1.5)
                        .build();
                float[] params = W.clone();
                float[] expected = W.clone();
                for (int step = 0; step < 3; step++) {
                    float[] g = gradients(step);
                    if (bad >= 0 && step == 1) {
                        g[bad] = Float.NaN;
                    }
                    Gradients gradients = Gradients.of(g).scale(0.5);
                    StepReport report = step == 2
                            ? lars.update(params, gradients, lars.measure(params, gradients))
                            : lars.step(params, gradients);
                    assertEquals(ofA.step(expected, gradients).clipScale(), report.clipScale("a"));
                    assertEquals(ofB.step(expected, gradients).clipScale(), report.clipScale("b"));
                    assertEquals(rest.step(expected, gradients).clipScale(), report.clipScale());
                    assertEquals(1, report.clipScale("all"));
                    assertTrue(report.clipScale() < 1 && report.clipScale("b") < 1);
                    assertSame(expected, params, policy + ", step " + step);
                }
            }
        }
    }

    private static Lars.Builder part(String pattern) {
        List<Layer> own = new ArrayList<>();
        for (Layer layer : LAYERS) {
            if (Pattern.compile(pattern).matcher(layer.name()).find()) {
                own.add(layer);
            }
        }
        return Lars.builder(new Layers(own))
                .learningRate(0.5)
                .trustCoefficient(0.02)
                .weightDecay(0.01)
                .momentum(0.9);
    }

    @Test
    void noLayerIsClippedByTwoGroups() {
        Lars.Builder builder = plain().group("b", B, s -> s.maxGradientNorm(1))
                .group("zeros", Pattern.compile("0$"), s -> s.maxGradientNorm(1));
        String message = "maxGradientNorm is given to the groups \"b\" and \"zeros\", which share layer \"b0\"; a layer"
                + " must be clipped by at most one group";
        assertEquals(
                message,
                assertThrows(IllegalArgumentException.class, builder::build).getMessage());
        Lars lars = plain().group("b", B, s -> s.maxGradientNorm(1))
                .group("zeros", Pattern.compile("0$"), s -> s)
                .build();
        String before = Inside.everything(lars);
        assertEquals(
                message,
                assertThrows(
                                IllegalArgumentException.class,
                                () -> lars.change("zeros", s -> s.maxGradientNorm(Double.POSITIVE_INFINITY)))
                        .getMessage());
        assertThrows(
                IllegalArgumentException.class,
                () -> lars.addGroup("more", layer -> layer.name().equals("b2"), s -> s.maxGradientNorm(1)));
        assertEquals(before, Inside.everything(lars));
    }

    /** A step with a clip measures all layers before it writes any. The clip may come with a change. */
    @Test
    void aChangeThatClipsPlansTheStepAnew() {
        Lars.Builder builder = plain().onBadGradient(OnBadGradient.SKIP_LAYER).group("b", B, s -> s);
        Lars lars = Inside.fineGrain(builder).build();
        Lars clipping = plain().onBadGradient(OnBadGradient.SKIP_LAYER)
                .group("b", B, s -> s.maxGradientNorm(2))
                .build();
        assertTrue(Inside.parts(lars) > 3);
        lars.change("b", s -> s.maxGradientNorm(2));
        assertEquals(1, Inside.parts(lars));
        assertSame(run(clipping, 3), run(lars, 3), "weights");
        assertEquals(Bits.of(clipping), Bits.of(lars));
    }

    /** A trust ratio of one's own may fail, after a change as well, and then nothing has changed. */
    @Test
    void aChangeToARatioThatMayFailPlansTheStepAnew() {
        Lars.Builder builder = plain().onBadGradient(OnBadGradient.SKIP_LAYER).group("b", B, s -> s);
        Lars lars = Inside.fineGrain(builder).build();
        Rule failing = Rule.of("fails", Rule.Entry.VELOCITY, false, (ww, gg, wg, eta, beta, rate, layer, step) -> {
            throw new ArithmeticException("layer " + layer);
        });
        lars.change("b", s -> s.rule(failing));
        assertEquals(1, Inside.parts(lars));
        float[] params = W.clone();
        String before = Inside.everything(lars, params);
        assertThrows(ArithmeticException.class, () -> lars.step(params, gradients(0)));
        assertEquals(before, Inside.everything(lars, params));
        lars.change("b", s -> s.rule(Dialects.PAPER));
        assertTrue(Inside.parts(lars) > 3);
        assertSame(run(plain().build(), 2), run(lars, 2), "weights");
    }

    // The report

    @Test
    void theReportHasTotalsByGroup() {
        Lars lars = plain().group("b", B, s -> s.maxGradientNorm(1))
                .group("ends", Pattern.compile("[03]$"), s -> s.dampening(0))
                .build();
        float[] g = gradients(0);
        float[] params = W.clone();
        Gradients gradients = Gradients.of(g).scale(0.5).missing(LAYERS.index("a0"), true);
        StepReport report = lars.step(params, gradients);
        double ww = 0;
        double gg = 0;
        for (String name : List.of("b0", "a3", "b3")) {
            for (int e = (int) LAYERS.get(LAYERS.index(name)).offset();
                    e < LAYERS.get(LAYERS.index(name)).end();
                    e++) {
                ww += (double) W[e] * W[e];
                gg += 0.25 * g[e] * g[e];
            }
        }
        assertEquals(Math.sqrt(ww), report.weightNorm("ends"), 1e-12 * Math.sqrt(ww));
        assertEquals(Math.sqrt(gg), report.gradientNorm("ends"), 1e-12 * Math.sqrt(gg));
        assertEquals(1 / report.gradientNorm("b"), report.clipScale("b"), 1e-15);
        assertTrue(report.clipScale("b") < 0.1);
        assertEquals(1, report.clipScale());
        assertEquals(1, report.clipScale("ends"));
        String text = report.toString();
        assertTrue(
                text.matches("(?s)step 0 [^\\n]*\\ngroup +\\|w\\| +\\|g\\| +clip x\\R"
                        + "b +\\S+ +\\S+ +0\\.0\\d+\\Rends +\\S+ +\\S+ +1\\.0*\\Rlayer .*"),
                text);
        StepReport copy = report.copy();
        lars.step(params, new float[N]);
        assertEquals(text, copy.toString());
        assertEquals(1, report.clipScale("b"));
        assertNotEquals(text, report.toString());
        IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class, () -> report.clipScale("c"));
        assertEquals("group is \"c\"; it must be the name of a group, one of [b, ends]", thrown.getMessage());
        lars.addGroup("c", layer -> layer.name().equals("a0"), s -> s);
        StepReport more = lars.step(params, g);
        assertEquals(more.weightNorm(0), more.weightNorm("c"));
        assertFalse(copy.toString().contains("group c"));
    }

    /** Sums of an earlier step are refused, also if the step has been planned anew since. */
    @Test
    void sumsOfAnEarlierStepAreRefusedAfterEveryChange() {
        List<Consumer<Lars>> changes = List.of(
                lars -> lars.change(s -> s.weightDecay(0.1)),
                lars -> lars.addGroup("new", layer -> true, s -> s),
                lars -> lars.change("b", s -> s.maxGradientNorm(1)),
                lars -> lars.addLayers(LAYERS));
        for (Consumer<Lars> change : changes) {
            Lars lars = plain().onBadGradient(OnBadGradient.SKIP_LAYER)
                    .group("b", B, s -> s)
                    .build();
            float[] params = W.clone();
            LayerSums sums = lars.measure(params, gradients(0));
            lars.update(params, gradients(0), sums);
            change.accept(lars);
            String before = Inside.everything(lars, params);
            IllegalStateException thrown =
                    assertThrows(IllegalStateException.class, () -> lars.update(params, gradients(0), sums));
            assertEquals("update was called with the sums of an earlier step; call measure first", thrown.getMessage());
            assertEquals(before, Inside.everything(lars, params));
        }
    }

    @Test
    void rateFactorsWhoseProductOverflowsAreRefused() {
        Layers layers = Layers.builder()
                .add("a", 1)
                .add("b", 1, Treatment.FULL.withRateFactor(1e200))
                .build();
        Lars.Builder builder =
                Lars.builder(layers).learningRate(1).group("all", layer -> true, s -> s.rateFactor(1e200));
        String message =
                assertThrows(IllegalArgumentException.class, builder::build).getMessage();
        assertEquals(
                "layer \"b\", with group \"all\": rateFactor, with the treatment's, is Infinity; it must be finite and 0"
                        + " or more",
                message);
    }

    @Test
    void aLambdaPrintsTheSameInEveryRun() {
        Lars lars = Lars.builder(LAYERS)
                .learningRate(1)
                .group("a", A, s -> s.weightDecay(step -> 0.5).learningRate(step -> 0.25))
                .build();
        assertEquals(
                "weightDecay=(step -> ...), learningRate=(step -> ...)",
                lars.groups().getFirst().settings().toString());
    }
}
