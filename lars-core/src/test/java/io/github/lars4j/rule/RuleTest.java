package io.github.lars4j.rule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.OracleLars;
import io.github.lars4j.rule.Rule.Decay;
import io.github.lars4j.rule.Rule.Entry;
import io.github.lars4j.rule.Rule.Ratio;
import io.github.lars4j.rule.Rule.ZeroNorm;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Compares the rule with its definition. */
public class RuleTest {

    /** The formulas of the trust ratio that are not one's own. */
    public static final List<Ratio> BUILT_IN =
            List.of(Ratio.SUM, Ratio.DECAYED, Ratio.RAW, Ratio.NORMALIZED, Ratio.UNIT);

    /** Returns every rule that the constructor makes, with two values of ε. */
    static List<Rule> allRules() {
        List<Rule> rules = new ArrayList<>();
        for (Ratio ratio : BUILT_IN) {
            for (Entry entry : Entry.values()) {
                for (ZeroNorm zeroNorm : ZeroNorm.values()) {
                    for (boolean clip : new boolean[] {false, true}) {
                        for (boolean adaptWithoutDecay : new boolean[] {false, true}) {
                            for (double epsilon : new double[] {0, 1e-3}) {
                                rules.add(new Rule(ratio, entry, zeroNorm, clip, adaptWithoutDecay, epsilon));
                            }
                        }
                    }
                }
            }
        }
        return rules;
    }

    /** Returns a rule with about half of its values off. */
    public static Rule randomRule(Random random) {
        Entry entry = Entry.values()[random.nextInt(3)];
        Rule rule = new Rule(
                BUILT_IN.get(random.nextInt(BUILT_IN.size())),
                entry,
                ZeroNorm.values()[random.nextInt(3)],
                random.nextBoolean(),
                random.nextBoolean(),
                random.nextBoolean() ? 1e-4 : 0);
        if (random.nextBoolean()) {
            rule = rule.withRatioBounds(random.nextInt(2) * 0.01, random.nextInt(4) == 0 ? 1.0 / 0 : 0.03);
        }
        if (random.nextBoolean()) {
            rule = rule.withWeightNormBounds(random.nextInt(2) * 0.8, random.nextInt(4) == 0 ? 1.0 / 0 : 2);
        }
        if (random.nextBoolean()) {
            rule = rule.withGradientNormFloor(0.6);
        }
        if (random.nextBoolean()) {
            rule = rule.withDecay(
                    entry == Entry.UPDATE || random.nextBoolean() ? Decay.RATIO_ONLY : Decay.BESIDE_RATIO);
        }
        if (random.nextBoolean()) {
            rule = rule.withGradientClip(0.1, 1e-3);
        }
        return rule.withShrink(entry == Entry.VELOCITY && random.nextBoolean());
    }

    @Test
    void ratioAndDecayOfRandomLayersAreThoseOfTheText() {
        Random random = new Random(1);
        List<Rule> rules = allRules();
        for (int k = 0; k < 300; k++) {
            rules.add(randomRule(random));
        }
        for (Rule rule : rules) {
            for (int k = 0; k < 200; k++) {
                int length = random.nextInt(5);
                double[] w = new double[length];
                double[] g = new double[length];
                boolean zeroWeights = random.nextInt(4) == 0;
                boolean zeroGradient = random.nextInt(4) == 0;
                for (int e = 0; e < length; e++) {
                    w[e] = zeroWeights ? 0 : random.nextGaussian();
                    g[e] = zeroGradient ? 0 : random.nextGaussian();
                }
                boolean adapt = random.nextInt(4) != 0;
                double beta = random.nextInt(3) == 0 ? 0 : random.nextDouble();
                double gamma = 0.01 + random.nextDouble();
                double eta = 0.001 + random.nextDouble();
                double ww = 0;
                double gg = 0;
                double wg = 0;
                double dd = 0;
                for (int e = 0; e < length; e++) {
                    ww += w[e] * w[e];
                    gg += g[e] * g[e];
                    wg += w[e] * g[e];
                    dd += (g[e] + beta * w[e]) * (g[e] + beta * w[e]);
                }
                double[] expected = OracleLars.ratioAndDecay(rule, adapt, eta, beta, gamma, ww, gg, dd);
                String what = rule + " adapt " + adapt + " decay " + beta + " rate " + gamma + " sums " + ww + " " + gg;
                double ratio = rule.trustRatio(adapt, eta, beta, gamma, ww, gg, wg);
                boolean close = Math.abs(expected[0] - ratio) <= 1e-12 * Math.abs(expected[0]);
                assertTrue(close || Double.compare(expected[0], ratio) == 0, what);
                assertEquals(expected[1], rule.effectiveDecay(adapt, beta, ww, gg, wg), what);
            }
        }
    }

    @Test
    void theRatiosOfTheThreeFormulasByHand() {
        // ‖w‖ = 3, ‖g‖ = 4, w·g = 6, so ‖g + w/2‖² = 16 + 6 + 9/4.
        for (Entry entry : Entry.values()) {
            Rule sum = new Rule(Ratio.SUM, entry, ZeroNorm.ONE, false, true, 0.5);
            assertEquals(0.1 * 3 / (4 + 1.5 + 0.5), sum.trustRatio(true, 0.1, 0.5, 2, 9, 16, 6), 1e-16);
            Rule decayed = new Rule(Ratio.DECAYED, entry, ZeroNorm.ONE, false, true, 0.5);
            assertEquals(0.1 * 3 / (Math.sqrt(24.25) + 0.5), decayed.trustRatio(true, 0.1, 0.5, 2, 9, 16, 6), 1e-16);
            Rule raw = new Rule(Ratio.RAW, entry, ZeroNorm.ONE, false, true, 0.5);
            assertEquals(0.1 * 3 / (4 + 0.5), raw.trustRatio(true, 0.1, 0.5, 2, 9, 16, 6), 1e-16);
        }
    }

    @Test
    void theClipIsThatOfLarc() {
        Rule rule = Dialects.apexLarc(true).withEpsilon(0);
        assertEquals(0.25, rule.trustRatio(true, 1, 0, 4, 1, 1, 0), "r = 1 below γ = 4: r/γ");
        assertEquals(1, rule.trustRatio(true, 1, 0, 0.5, 1, 1, 0), "r = 1 above γ = 0.5: 1");
        assertEquals(1, rule.trustRatio(true, 1, 0, 0, 1, 1, 0), "γ = 0 is no exception");
        assertEquals(0.25, Dialects.timm(true, true).trustRatio(true, 1, 0, 4, 0, 1, 0), "clips after the zero rule");
        assertEquals(1, rule.trustRatio(true, 1, 0, 4, 0, 1, 0), "apex does not");
    }

    @Test
    void aNaNStaysOne() {
        List<Rule> rules = allRules();
        for (Rule rule : allRules()) {
            rules.add(rule.withRatioBounds(0.1, 0.2).withWeightNormBounds(1, 2).withGradientNormFloor(1));
        }
        rules.removeIf(rule -> rule.ratio() == Ratio.UNIT);
        for (Rule rule : rules) {
            boolean hasWeights = rule.ratio() != Ratio.NORMALIZED;
            assertEquals(hasWeights, Double.isNaN(rule.trustRatio(true, 1, 0.1, 1, Double.NaN, 1, 1)), rule::toString);
            if (rule.ratio() == Ratio.DECAYED) {
                assertTrue(Double.isNaN(rule.trustRatio(true, 1, 0.1, 1, 1, 1, Double.NaN)), rule::toString);
            }
            assertTrue(Double.isNaN(rule.trustRatio(true, 1, 0.1, 1, 1, Double.NaN, 1)), rule::toString);
        }
    }

    @Test
    void partsThatCancelGiveNoNaN() {
        // g = -βw: the three parts cancel, and for some of these their rounding leaves a tiny negative number.
        Random random = new Random(2);
        for (int k = 0; k < 1000; k++) {
            double w = random.nextDouble();
            double beta = random.nextDouble();
            double g = -beta * w;
            double ratio = Dialects.OPTAX.trustRatio(true, 1, beta, 1, w * w, g * g, w * g);
            assertTrue(ratio > 0, () -> "ratio " + ratio + " of weight " + w + " and decay " + beta);
        }
    }

    @Test
    void productsAreNeededByOneFormulaAlone() {
        for (Rule rule : allRules()) {
            assertEquals(rule.ratio() == Ratio.DECAYED, rule.needsProducts(true, 0.1));
            assertFalse(rule.needsProducts(false, 0.1));
            assertFalse(rule.needsProducts(true, 0));
        }
    }

    @Test
    void dialectsAreWhatTheirTableSays() {
        assertEquals(new Rule(Ratio.SUM, Entry.VELOCITY, ZeroNorm.ONE, false, true, 0), Dialects.PAPER);
        assertEquals(new Rule(Ratio.SUM, Entry.VELOCITY, ZeroNorm.ONE, false, true, 1e-7), Dialects.MLPERF);
        assertEquals(new Rule(Ratio.SUM, Entry.VELOCITY, ZeroNorm.ONE, false, true, 1e-8), Dialects.MXNET);
        assertEquals(new Rule(Ratio.SUM, Entry.VELOCITY, ZeroNorm.ONE, false, false, 0), Dialects.PADDLE);
        Rule late = new Rule(Ratio.SUM, Entry.UPDATE, ZeroNorm.ONE, false, true, 0);
        assertEquals(late.withDecay(Decay.RATIO_ONLY), Dialects.TF_CONTRIB);
        assertEquals(late.withRatioBounds(0, 50), Dialects.COLOSSAL_AI);
        assertEquals(new Rule(Ratio.RAW, Entry.GRADIENT, ZeroNorm.ONE, false, true, 0), Dialects.PYTORCH_OPTIMIZER);
        assertEquals(new Rule(Ratio.SUM, Entry.UPDATE, ZeroNorm.FORMULA, false, true, 1e-15), Dialects.SNIPPET);
        assertEquals(new Rule(Ratio.DECAYED, Entry.VELOCITY, ZeroNorm.ONE, false, true, 0), Dialects.OPTAX);
        assertEquals(new Rule(Ratio.DECAYED, Entry.GRADIENT, ZeroNorm.ONE, false, true, 0), Dialects.BARLOW_TWINS);
        assertEquals(new Rule(Ratio.SUM, Entry.GRADIENT, ZeroNorm.SKIP, false, false, 1e-8), Dialects.BOLTS);
        for (boolean clip : new boolean[] {false, true}) {
            assertEquals(new Rule(Ratio.SUM, Entry.GRADIENT, ZeroNorm.SKIP, clip, true, 1e-8), Dialects.apexLarc(clip));
            for (boolean always : new boolean[] {false, true}) {
                assertEquals(
                        new Rule(Ratio.SUM, Entry.GRADIENT, ZeroNorm.ONE, clip, always, 1e-8),
                        Dialects.timm(clip, always));
            }
        }
        assertEquals(Dialects.PAPER, Hyperparameters.DEFAULT.rule());
        assertEquals(0.001, Hyperparameters.DEFAULT.trustCoefficient());
    }

    @Test
    void treatmentsAreWhatTheirNamesSay() {
        assertEquals(new Treatment(true, true, 1), Treatment.FULL);
        assertEquals(new Treatment(false, false, 1), Treatment.PLAIN);
        assertEquals(new Treatment(false, false, 0.02), Treatment.PLAIN.withRateFactor(0.02));
    }

    @Test
    void anotherRuleKeepsMomentumCorrectionWhereItHasAMeaning() {
        Hyperparameters corrected = new Hyperparameters(Dialects.PAPER, 0.1, 0.2, 0.9, 0, true, true);
        assertEquals(
                new Hyperparameters(Dialects.OPTAX, 0.1, 0.2, 0.9, 0, true, true), corrected.withRule(Dialects.OPTAX));
        assertEquals(
                new Hyperparameters(Dialects.BOLTS, 0.1, 0.2, 0.9, 0, true, false), corrected.withRule(Dialects.BOLTS));
    }

    @Test
    void boundsAndFloorByHand() {
        // ‖w‖ = 3, ‖g‖ = 4.
        Rule raw = new Rule(Ratio.RAW, Entry.VELOCITY, ZeroNorm.ONE, false, true, 0.5);
        assertEquals(2 / 4.5, raw.withWeightNormBounds(0, 2).trustRatio(true, 1, 0, 2, 9, 16, 0), 1e-16);
        assertEquals(5 / 4.5, raw.withWeightNormBounds(5, 7).trustRatio(true, 1, 0, 2, 9, 16, 0), 1e-16);
        assertEquals(3 / 6.5, raw.withGradientNormFloor(6).trustRatio(true, 1, 0, 2, 9, 16, 0), 1e-16);
        assertEquals(0.7, raw.withRatioBounds(0.7, 2).trustRatio(true, 1, 0, 2, 9, 16, 0));
        assertEquals(0.1, raw.withRatioBounds(0, 0.1).trustRatio(true, 1, 0, 2, 9, 16, 0));
        assertEquals(0.1, raw.withRatioBounds(0, 0.1).trustRatio(true, 1, 0, 2, 0, 16, 0), "the 1 of a zero norm too");
        assertEquals(1, raw.withRatioBounds(0, 0.1).trustRatio(false, 1, 0, 2, 9, 16, 0), "not adapted");
        // A norm that is bounded from below is not zero.
        assertEquals(5 / 4.5, raw.withWeightNormBounds(5, 7).trustRatio(true, 1, 0, 2, 0, 16, 0), 1e-16);
        assertEquals(3 / 6.5, raw.withGradientNormFloor(6).trustRatio(true, 1, 0, 2, 9, 0, 0), 1e-16);
        // φ is not applied to the norm that decays.
        Rule sum = new Rule(Ratio.SUM, Entry.VELOCITY, ZeroNorm.ONE, false, true, 0).withWeightNormBounds(0, 2);
        assertEquals(2 / (4 + 0.5 * 3), sum.trustRatio(true, 1, 0.5, 2, 9, 16, 0), 1e-16);
    }

    @Test
    void gradientsAreClippedByLayer() {
        Rule rule = Dialects.PAPER.withGradientClip(0.5, 2);
        assertEquals(0.5 * 3 / 4, rule.gradientScale(9, 16), 1e-16);
        assertEquals(0.5 * 2 / 4, rule.gradientScale(1, 16), 1e-16, "the floor");
        assertEquals(1, rule.gradientScale(64, 16), "at the bound");
        assertEquals(1, rule.gradientScale(100, 16));
        assertEquals(1, rule.gradientScale(0, 0));
        assertEquals(1, rule.gradientScale(Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY), "both infinite");
        assertEquals(1, Dialects.PAPER.gradientScale(0, 16));
        assertEquals(Dialects.PAPER, rule.withGradientClip(Double.POSITIVE_INFINITY, 1), "turned off");
    }

    @Test
    void aRuleWithoutItsAdaptationIsSgd() {
        for (Rule rule : allRules()) {
            Rule unit = rule.withRatioBounds(2, 3).withRatio(Ratio.UNIT);
            assertEquals(1, unit.trustRatio(true, 0.1, 0.5, 7, 9, 16, 6), rule::toString);
            assertEquals(0.5, unit.effectiveDecay(true, 0.5, 0, 16, 0), rule::toString);
        }
    }

    @Test
    void valuesThatContradictEachOtherAreRefused() {
        TrustRatio one = (w, g, p, eta, beta, gamma, layer, step) -> 1;
        Rule own = Rule.of("one", Entry.UPDATE, false, one);
        assertRefused("epsilon is 0.1", () -> own.withEpsilon(0.1));
        assertRefused("weightNormBounds is", () -> own.withWeightNormBounds(0, 1));
        assertRefused("gradientNormFloor 1.0", () -> own.withGradientNormFloor(1));
        assertRefused("ratio is OWN", () -> own.withRatio(Ratio.OWN));
        assertRefused("ratio is OWN", () -> Dialects.PAPER.withRatio(Ratio.OWN));
        assertRefused("decay is BESIDE_RATIO", () -> own.withDecay(Decay.BESIDE_RATIO));
        assertRefused("decay is BESIDE_RATIO", () -> Dialects.SNIPPET.withDecay(Decay.BESIDE_RATIO));
        assertRefused("shrink is true", () -> Dialects.BOLTS.withShrink(true));
        Hyperparameters momentum = new Hyperparameters(Dialects.PAPER, 1, 0, 0.9, 0, false, false);
        assertRefused("momentum is 0.9", () -> momentum.withRule(Dialects.PAPER.withShrink(true)));
        assertEquals(Ratio.RAW, own.withRatio(Ratio.RAW).ratio());
        assertEquals(Optional.empty(), own.withRatio(Ratio.RAW).ownName());
    }

    private static void assertRefused(String words, Executable misuse) {
        String message = assertThrows(IllegalArgumentException.class, misuse).getMessage();
        assertTrue(message.contains(words), message);
    }

    @Test
    void equalRulesHaveEqualValues() {
        TrustRatio one = (w, g, p, eta, beta, gamma, layer, step) -> 1;
        TrustRatio two = (w, g, p, eta, beta, gamma, layer, step) -> 2;
        Rule paper = Dialects.PAPER;
        List<Rule> different = new ArrayList<>(allRules());
        different.addAll(List.of(
                paper.withRatioBounds(0, 1),
                paper.withRatioBounds(0.1, 1),
                paper.withWeightNormBounds(0, 1),
                paper.withGradientNormFloor(1),
                paper.withDecay(Decay.RATIO_ONLY),
                paper.withDecay(Decay.BESIDE_RATIO),
                paper.withShrink(true),
                paper.withGradientClip(0.1, 1),
                paper.withGradientClip(0.1, 2),
                Rule.of("a", Entry.VELOCITY, false, one),
                Rule.of("b", Entry.VELOCITY, false, one),
                Rule.of("a", Entry.GRADIENT, false, one),
                Rule.of("a", Entry.VELOCITY, true, one),
                Rule.of("a", Entry.VELOCITY, false, two)));
        for (int i = 0; i < different.size(); i++) {
            for (int j = 0; j < different.size(); j++) {
                assertEquals(i == j, different.get(i).equals(different.get(j)), i + " " + j);
            }
        }
        assertFalse(paper.equals((Object) "PAPER"));
        Rule again = Rule.of("a", Entry.VELOCITY, false, one).withRatioBounds(0, 1);
        Rule same = Rule.of("a", Entry.VELOCITY, false, one).withRatioBounds(0, 1);
        assertEquals(again, same);
        assertEquals(again.hashCode(), same.hashCode());
    }

    @Test
    void theTextOfARuleHasOnlyWhatIsOn() {
        assertEquals(
                "Rule[ratio=SUM, entry=VELOCITY, zeroNorm=ONE, clip=false, adaptWithoutDecay=true, epsilon=0.0]",
                Dialects.PAPER.toString());
        TrustRatio one = (w, g, p, eta, beta, gamma, layer, step) -> 1;
        assertEquals(
                "Rule[ratio=OWN \"one\", entry=UPDATE, zeroNorm=FORMULA, clip=false, adaptWithoutDecay=true, epsilon=0.0,"
                        + " ratioBounds=Bounds[least=0.0, most=2.0]]",
                Rule.of("one", Entry.UPDATE, false, one).withRatioBounds(0, 2).toString());
        String all = Dialects.PAPER
                .withRatioBounds(0, 2)
                .withWeightNormBounds(0, 10)
                .withGradientNormFloor(0.125)
                .withDecay(Rule.Decay.BESIDE_RATIO)
                .withShrink(true)
                .withGradientClip(0.5, 0.25)
                .toString();
        assertTrue(
                all.endsWith(", ratioBounds=Bounds[least=0.0, most=2.0], weightNormBounds=Bounds[least=0.0, most=10.0],"
                        + " gradientNormFloor=0.125, decay=BESIDE_RATIO, shrink=true, gradientClip=0.5,"
                        + " gradientClipFloor=0.25]"),
                all);
    }
}
