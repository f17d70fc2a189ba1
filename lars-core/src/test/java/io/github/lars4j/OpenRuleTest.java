package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Rule.Entry;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.rule.TrustRatio;
import io.github.lars4j.safetensors.SafeTensorsFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Trust ratios of the user's own, and ratios that the user gives by layer. */
class OpenRuleTest {

    /** The paper's formula, written by a user. */
    private static final TrustRatio PAPER =
            (w, g, products, eta, beta, gamma, layer, step) -> w == 0 || g == 0 ? 1 : eta * w / (g + beta * w);

    private static final Rule OWN = Rule.of("papers", Entry.VELOCITY, false, PAPER);

    private static final Layers LAYERS = Layers.builder()
            .add("a", 40_000)
            .add("bias", 7, Treatment.PLAIN)
            .add("b", 9_001)
            .add("undecayed", 50, new Treatment(false, true, 0.5))
            .add("zero", 20)
            .build();

    @TempDir
    Path folder;

    /** Returns an optimizer that has several rounds of layers, where it need not decide on all layers first. */
    private static Lars.Builder builder(Rule rule) {
        return Inside.inSmallRounds(Lars.builder(LAYERS))
                .rule(rule)
                .learningRate(step -> 0.5 + step)
                .trustCoefficient(0.02)
                .weightDecay(0.1)
                .momentum(0.9);
    }

    private static float[] weights() {
        float[] weights = Random32.normal(1, (int) LAYERS.end(), 1);
        Layer zero = LAYERS.get(LAYERS.index("zero"));
        Arrays.fill(weights, (int) zero.offset(), (int) zero.end(), 0);
        return weights;
    }

    private static float[] gradients(long step) {
        return Random32.normal(10 + step, (int) LAYERS.end(), 0.1);
    }

    /** Takes three steps and returns the bits of weights and momentum. */
    private static String run(Lars.Builder builder) {
        float[] weights = weights();
        try (Lars lars = builder.build()) {
            for (int step = 0; step < 3; step++) {
                lars.step(weights, gradients(step));
            }
            return Arrays.hashCode(weights) + " " + Arrays.hashCode(Inside.momentum(lars));
        }
    }

    @Test
    void thePapersFormulaAsOnesOwnHasTheSameBits() {
        String expected = run(builder(Dialects.PAPER).simd(Simd.OFF));
        for (Simd simd : new Simd[] {Simd.OFF, Simd.REQUIRED}) {
            for (int threads : new int[] {1, 4}) {
                for (OnBadGradient policy : OnBadGradient.values()) {
                    for (boolean carry : new boolean[] {false, true}) {
                        Lars.Builder own = builder(OWN)
                                .simd(simd)
                                .parallelism(threads)
                                .onBadGradient(policy)
                                .carrySums(carry);
                        assertEquals(expected, run(own), simd + " " + threads + " " + policy + " " + carry);
                    }
                }
            }
        }
    }

    @Test
    void theFormulaIsGivenWhatItsParametersSay() {
        List<String> calls = new ArrayList<>();
        TrustRatio formula = (w, g, products, eta, beta, gamma, layer, step) -> {
            calls.add(w + " " + g + " " + products + " " + eta + " " + beta + " " + gamma + " " + layer + " " + step);
            return 1;
        };
        Layers layers = Layers.builder()
                .add("a", 2)
                .add("plain", 1, Treatment.PLAIN)
                .add("b", 1, new Treatment(false, true, 0.5))
                .add("missing", 1)
                .build();
        for (boolean products : new boolean[] {false, true}) {
            calls.clear();
            Rule rule = Rule.of("any", Entry.VELOCITY, products, formula).withGradientClip(0.5, 1e-3);
            try (Lars lars = Lars.builder(layers)
                    .rule(rule)
                    .learningRate(4)
                    .trustCoefficient(0.25)
                    .weightDecay(0.125)
                    .maxGradientNorm(40)
                    .build()) {
                // The gradients' norm is 80 after their scale, so that they are halved; then each layer is clipped.
                float[] gradients = {16, 0, 3, 12, 9};
                Gradients known = Gradients.of(gradients).scale(4).missing(3, true);
                gradients[2] = (float) Math.sqrt(400 - 16 * 16 - 12 * 12);
                lars.step(new float[] {3, 4, 1, 8, 1}, known);
                lars.step(
                        new float[] {12, 16, 1, 80, 1}, Gradients.of(gradients).missing(3, true));
            }
            // ‖w‖ = 5: the norm 32 is clipped to 2.5. w·g = 3 · 2.5. Then ‖w‖ = 8: 24 to 4. Then nothing, to 10 and 12.
            assertEquals(
                    List.of(
                            "5.0 2.5 " + (products ? 7.5 : Double.NaN) + " 0.25 0.125 4.0 0 0",
                            "8.0 4.0 " + (products ? 32.0 : Double.NaN) + " 0.25 0.0 2.0 2 0",
                            "20.0 10.0 " + (products ? 120.0 : Double.NaN) + " 0.25 0.125 4.0 0 1",
                            "80.0 12.0 " + (products ? 960.0 : Double.NaN) + " 0.25 0.0 2.0 2 1"),
                    calls);
        }
    }

    @Test
    void aRatioThatIsNoRatioIsABadCoefficient() {
        for (Entry entry : Entry.values()) {
            for (double ratio : new double[] {Double.NaN, -1, -1e-300, 1.0 / 0, -1.0 / 0, 1e300}) {
                Rule rule = Rule.of("bad", entry, false, (w, g, p, eta, beta, gamma, layer, step) -> {
                    return layer == 2 ? ratio : 0.5;
                });
                String what = entry + " " + ratio;
                float[] weights = weights();
                try (Lars lars = builder(rule).build()) {
                    String before = Bits.of(lars, weights);
                    NonFiniteException thrown =
                            assertThrows(NonFiniteException.class, () -> lars.step(weights, gradients(0)), what);
                    assertTrue(thrown.getMessage().contains("\"b\""), thrown.getMessage());
                    assertEquals(before, Bits.of(lars, weights), what);
                }
                try (Lars lars =
                        builder(rule).onBadGradient(OnBadGradient.REFUSE).build()) {
                    assertTrue(lars.step(weights, gradients(0)).refused(), what);
                    assertArrayEquals(weights(), weights, what);
                }
                try (Lars lars =
                        builder(rule).onBadGradient(OnBadGradient.SKIP_LAYER).build()) {
                    StepReport report = lars.step(weights, gradients(0));
                    assertEquals(Outcome.BAD_COEFFICIENT, report.outcome(2), what);
                    assertEquals(Outcome.UPDATED, report.outcome(0), what);
                    assertEquals(Outcome.UPDATED, report.outcome(3), what);
                }
            }
        }
        float[] weights = weights();
        Rule zero = Rule.of("zero", Entry.VELOCITY, false, (w, g, p, eta, beta, gamma, layer, step) -> -0.0);
        try (Lars lars = builder(zero).build()) {
            assertFalse(lars.step(weights, gradients(0)).anyBad(), "a ratio of 0 is one");
        }
    }

    @Test
    void boundsApplyToOnesOwnRatioAndMakeNoBadOneGood() {
        Rule infinite = Rule.of("any", Entry.VELOCITY, false, (w, g, p, eta, beta, gamma, layer, step) -> w);
        Rule rule = infinite.withRatioBounds(1, 50);
        assertEquals(50, rule.trustRatio(true, 1, 0, 1, Double.POSITIVE_INFINITY, 1, 0));
        assertEquals(1, rule.trustRatio(true, 1, 0, 1, 0.25, 1, 0));
        Rule negative = Rule.of("any", Entry.VELOCITY, false, (w, g, p, eta, beta, gamma, layer, step) -> -w);
        assertEquals(-2, negative.withRatioBounds(1, 50).trustRatio(true, 1, 0, 1, 4, 1, 0));
    }

    @Test
    void anExceptionOfTheFormulaComesBeforeTheFirstWrite() {
        IllegalStateException mine = new IllegalStateException("mine");
        boolean[] fails = {true};
        Rule rule = Rule.of("throws", Entry.VELOCITY, false, (w, g, p, eta, beta, gamma, layer, step) -> {
            if (fails[0] && layer == 4) {
                throw mine;
            }
            return PAPER.of(w, g, p, eta, beta, gamma, layer, step);
        });
        String expected = run(builder(OWN));
        for (OnBadGradient policy : OnBadGradient.values()) {
            for (int threads : new int[] {1, 4}) {
                float[] weights = weights();
                try (Lars lars = builder(rule)
                        .onBadGradient(policy)
                        .parallelism(threads)
                        .carrySums(true)
                        .build()) {
                    for (int step = 0; step < 3; step++) {
                        float[] gradients = gradients(step);
                        String before = Bits.of(lars, weights);
                        fails[0] = true;
                        assertSame(
                                mine, assertThrows(IllegalStateException.class, () -> lars.step(weights, gradients)));
                        LayerSums sums = lars.measure(weights, gradients);
                        assertSame(
                                mine,
                                assertThrows(IllegalStateException.class, () -> lars.update(weights, gradients, sums)));
                        assertEquals(before, Bits.of(lars, weights), policy + " " + threads);
                        fails[0] = false;
                        lars.step(weights, gradients);
                    }
                    String bits = Arrays.hashCode(weights) + " " + Arrays.hashCode(Inside.momentum(lars));
                    assertEquals(expected, bits, policy + " " + threads);
                }
            }
        }
    }

    @Test
    void aFormulaCannotCallTheOptimizer() {
        Lars[] self = new Lars[1];
        Rule rule = Rule.of("loop", Entry.VELOCITY, false, (w, g, p, eta, beta, gamma, layer, step) -> {
            self[0].snapshot();
            return 1;
        });
        float[] weights = weights();
        try (Lars lars = builder(rule).build()) {
            self[0] = lars;
            assertThrows(IllegalStateException.class, () -> lars.step(weights, gradients(0)));
            assertArrayEquals(weights(), weights);
        }
    }

    @Test
    void onlyAFormulaThatAsksForProductsEndsCarriedAndGivenSums() {
        double[] squares = new double[LAYERS.size()];
        Arrays.fill(squares, 4);
        for (boolean products : new boolean[] {false, true}) {
            double[] norms = new double[LAYERS.size()];
            Rule rule = Rule.of("any", Entry.VELOCITY, products, (w, g, p, eta, beta, gamma, layer, step) -> {
                norms[layer] = g;
                return 1e-3;
            });
            float[] weights = weights();
            try (Lars lars = builder(rule).carrySums(true).build()) {
                lars.step(weights, Gradients.of(gradients(0)).squares(squares));
                assertEquals(!products, norms[0] == 2, "the given squares are used: " + norms[0]);
                // Weights that change without a word: carried sums are not taken again.
                double carried = Inside.carried(lars)[0];
                weights[0] += 100;
                double seen = lars.measure(weights, gradients(1)).weights(0);
                assertEquals(!products, carried == seen);
                assertTrue(
                        lars.toString().contains("the weights of " + (products ? 4 : 0) + " layers"), lars::toString);
            }
        }
    }

    @Test
    void aCheckpointKeepsTheNameAndTakesTheFormulaFromTheOptimizer() throws IOException {
        Path file = folder.resolve("own");
        Rule saved = OWN.withRatioBounds(0, 50).withGradientClip(0.5, 1e-3);
        float[] weights = weights();
        float[] expected;
        try (Lars lars = builder(saved).build()) {
            lars.step(weights, gradients(0));
            Checkpoint.save(file, lars, weights);
            expected = weights.clone();
            lars.step(expected, gradients(1));
        }
        Checkpoint checkpoint = Checkpoint.load(file);
        Rule named = checkpoint.hyperparameters().rule();
        assertEquals("papers", named.ownName().orElseThrow());
        assertEquals(saved.ratioBounds(), named.ratioBounds());
        String unknown = assertThrows(IllegalStateException.class, () -> named.trustRatio(true, 1, 0, 1, 1, 1, 0))
                .getMessage();
        assertTrue(unknown.contains("not its formula"), unknown);

        // The formula and what it needs are the optimizer's; all else is the file's.
        Rule needsProducts = Rule.of("papers", Entry.GRADIENT, true, PAPER);
        try (Lars lars = builder(needsProducts).build()) {
            float[] restored = new float[weights.length];
            assertTrue(checkpoint.restore(lars, restored).complete());
            Rule rule = lars.hyperparameters().rule();
            assertSame(PAPER, rule.ownRatio().orElseThrow());
            assertTrue(rule.needsProducts(true, 0));
            assertEquals(Entry.VELOCITY, rule.entry());
            assertEquals(saved.ratioBounds(), rule.ratioBounds());
            assertEquals(saved.gradientClip(), rule.gradientClip());
            lars.step(restored, gradients(1));
            assertArrayEquals(expected, restored);
        }
        for (Rule other : new Rule[] {Dialects.PAPER, Rule.of("paper", Entry.VELOCITY, false, PAPER)}) {
            float[] into = new float[weights.length];
            try (Lars lars = builder(other).build()) {
                String before = Bits.of(lars, into);
                String message = assertThrows(IllegalArgumentException.class, () -> checkpoint.restore(lars, into))
                        .getMessage();
                assertTrue(message.contains("\"papers\"") && message.contains(other.toString()), message);
                assertEquals(before, Bits.of(lars, into));
                checkpoint.withoutSettings().restore(lars, into);
                assertEquals(other, lars.hyperparameters().rule(), "its own settings are kept");
                assertEquals(1, lars.steps());
            }
        }
        Hyperparameters hyper = checkpoint.hyperparameters();
        Lars.Builder builder = Lars.builder(LAYERS).learningRate(1).hyperparameters(hyper);
        String refused =
                assertThrows(IllegalArgumentException.class, builder::build).getMessage();
        assertTrue(refused.contains("\"papers\"") && refused.contains("pass the rule itself"), refused);
        try (Lars lars = builder.rule(OWN).build()) {
            assertThrows(IllegalArgumentException.class, () -> lars.change(s -> s.rule(hyper.rule())));
            assertEquals(OWN, lars.hyperparameters().rule());
        }
    }

    /** A checkpoint, which has only the names, would give one formula to both. */
    @Test
    void twoFormulasOfOneNameAreRefused() {
        TrustRatio other = (w, g, products, eta, beta, gamma, layer, step) -> 2;
        for (Rule second : new Rule[] {
            Rule.of("papers", Entry.VELOCITY, false, other), Rule.of("papers", Entry.VELOCITY, true, PAPER)
        }) {
            Lars.Builder builder = builder(OWN).group("b", layer -> layer.name().equals("b"), s -> s.rule(second));
            String message =
                    assertThrows(IllegalArgumentException.class, builder::build).getMessage();
            assertTrue(message.contains("\"papers\""), message);
        }
        try (Lars lars = builder(OWN)
                .group("b", layer -> layer.name().equals("b"), s -> s.rule(OWN.withRatioBounds(0, 1)))
                .build()) {
            Rule changed = Rule.of("papers", Entry.VELOCITY, false, other);
            assertThrows(IllegalArgumentException.class, () -> lars.change(s -> s.rule(changed)));
            assertSame(OWN, lars.hyperparameters().rule());
        }
    }

    @Test
    void everyRuleSurvivesACheckpointAndOnlyNewOnesNeedFormatTwo() throws IOException {
        Rule paper = Dialects.PAPER;
        List<Rule> old = List.of(
                paper,
                Dialects.OPTAX,
                Dialects.timm(true, false),
                Dialects.PYTORCH_OPTIMIZER,
                paper.withGradientNormFloor(-0.0));
        List<Rule> rules = new ArrayList<>(old);
        rules.addAll(List.of(
                paper.withRatio(Rule.Ratio.UNIT),
                paper.withRatio(Rule.Ratio.NORMALIZED),
                paper.withRatioBounds(0.25, 50),
                paper.withRatioBounds(0.25, Double.POSITIVE_INFINITY),
                paper.withWeightNormBounds(0, 10),
                paper.withGradientNormFloor(1e-3),
                paper.withDecay(Rule.Decay.BESIDE_RATIO),
                Dialects.TF_CONTRIB,
                paper.withGradientClip(0.01, 1e-3),
                Rule.of("any.name_-", Entry.UPDATE, false, PAPER)));
        for (Rule rule : rules) {
            float[] weights = weights();
            Path file = folder.resolve("rule");
            try (Lars lars = builder(rule).build();
                    Lars fresh =
                            builder(rule.ownName().isPresent() ? rule : paper).build()) {
                lars.step(weights, gradients(0));
                Checkpoint.save(file, lars);
                try (SafeTensorsFile open = SafeTensorsFile.open(file)) {
                    String format = open.metadata().get("lars4j.checkpoint");
                    assertEquals(old.contains(rule) ? "1" : "2", format, rule::toString);
                }
                Checkpoint.load(file).restore(fresh);
                assertEquals(rule, fresh.hyperparameters().rule());
            }
        }
        Rule shrink = paper.withShrink(true);
        try (Lars lars = builder(shrink).momentum(0).build();
                Lars fresh = builder(paper).momentum(0).build()) {
            Checkpoint.save(folder.resolve("shrink"), lars);
            Checkpoint.load(folder.resolve("shrink")).restore(fresh);
            assertEquals(shrink, fresh.hyperparameters().rule());
        }
    }

    @Test
    void aSnapshotHasTheFormula() {
        float[] weights = weights();
        try (Lars own = builder(OWN).build();
                Lars paper = builder(Dialects.PAPER).build();
                Lars skipping = Inside.fineGrain(builder(Dialects.PAPER).onBadGradient(OnBadGradient.SKIP_LAYER))
                        .build()) {
            own.step(weights, gradients(0));
            Snapshot snapshot = own.snapshot();
            paper.restore(snapshot);
            assertEquals(OWN, paper.hyperparameters().rule());
            float[] before = weights.clone();
            float[] expected = weights.clone();
            own.step(expected, gradients(1));
            paper.step(weights, gradients(1));
            assertArrayEquals(expected, weights);
            // This optimizer wrote its first layers before it decided on the last ones, and no longer does.
            assertTrue(Inside.parts(skipping) > 1);
            skipping.restore(snapshot);
            assertEquals(1, Inside.parts(skipping));
            float[] again = before.clone();
            skipping.step(again, gradients(1));
            assertArrayEquals(expected, again);
            skipping.restore(snapshot.convertedTo(Dialects.PAPER));
        }
    }

    @Test
    void givenRatiosReplaceTheRules() {
        // The paper's ratios, given by layer, are those that the rule computes.
        double[] ratios = new double[LAYERS.size()];
        float[] expected = weights();
        float[] actual = weights();
        try (Lars paper = builder(Dialects.PAPER).build();
                Lars unit = builder(Dialects.PAPER.withRatio(Rule.Ratio.UNIT)).build()) {
            for (int step = 0; step < 3; step++) {
                StepReport report = paper.step(expected, gradients(step));
                for (int i = 0; i < ratios.length; i++) {
                    ratios[i] = report.trustRatio(i);
                }
                Gradients given = Gradients.of(gradients(step)).trustRatios(ratios);
                StepReport taken =
                        step == 1 ? unit.update(actual, given, unit.measure(actual, given)) : unit.step(actual, given);
                for (int i = 0; i < ratios.length; i++) {
                    assertEquals(ratios[i], taken.trustRatio(i));
                }
                assertArrayEquals(expected, actual);
            }
        }
    }

    @Test
    void aGivenRatioIsUsedAsItIs() {
        Layers layers = Layers.builder()
                .add("given", 1)
                .add("computed", 1)
                .add("plain", 1, Treatment.PLAIN)
                .add("zero", 1)
                .build();
        double[] ratios = {3, Double.NaN, 5, 7};
        float[] weights = {1, 1, 1, 0};
        Rule rule = Dialects.BOLTS.withRatioBounds(0, 2).withEpsilon(0);
        try (Lars lars = Lars.builder(layers)
                .rule(rule)
                .learningRate(1)
                .trustCoefficient(4)
                .weightDecay(0.5)
                .build()) {
            Gradients gradients = Gradients.of(new float[] {1, 1, 1, 1}).trustRatios(ratios);
            StepReport report = lars.step(weights, gradients);
            assertEquals(3, report.trustRatio(0), "not bounded");
            assertEquals(2, report.trustRatio(1), "4 / 1.5, bounded");
            assertEquals(5, report.trustRatio(2));
            assertEquals(7, report.trustRatio(3));
            assertArrayEquals(new float[] {1 - 3 * 1.5f, 1 - 2 * 1.5f, 1 - 5, -7}, weights);
            gradients.trustRatios(null);
            assertEquals(2, lars.step(weights, gradients).trustRatio(0));
        }
        // With a norm of zero, BOLTS has no decay; with a given ratio it has.
        float[] still = {1, 1, 1, 1};
        try (Lars lars =
                Lars.builder(layers).rule(rule).learningRate(1).weightDecay(0.5).build()) {
            lars.step(still, Gradients.of(new float[4]).trustRatios(new double[] {0.5, Double.NaN, 1, 1}));
            assertArrayEquals(new float[] {0.75f, 1, 1, 0.5f}, still);
        }
    }

    @Test
    void theGlobalClipComesBeforeTheClipByLayer() {
        Layers layers =
                Layers.builder().add("a", 1).add("b", 1, Treatment.PLAIN).build();
        float[] weights = {2, 4};
        try (Lars lars = Lars.builder(layers)
                .rule(Dialects.PAPER.withRatio(Rule.Ratio.UNIT).withGradientClip(0.5, 1e-3))
                .learningRate(1)
                .maxGradientNorm(2.5)
                .build()) {
            StepReport report = lars.step(weights, new float[] {3, 4});
            // (3, 4) is halved to (1.5, 2); the layers' bounds are 1 and 2.
            assertEquals(0.5, report.clipScale());
            assertArrayEquals(new float[] {1, 2}, weights);
        }
    }
}
