package io.github.lars4j.rule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.OracleLars;
import io.github.lars4j.rule.Rule.Entry;
import io.github.lars4j.rule.Rule.Ratio;
import io.github.lars4j.rule.Rule.ZeroNorm;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Compares the rule with its definition. */
class RuleTest {

    /** Returns every possible rule, with two values of ε. */
    public static List<Rule> allRules() {
        List<Rule> rules = new ArrayList<>();
        for (Ratio ratio : Ratio.values()) {
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

    @Test
    void ratioAndDecayOfRandomLayersAreThoseOfTheText() {
        Random random = new Random(1);
        for (Rule rule : allRules()) {
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
        for (Rule rule : allRules()) {
            assertTrue(Double.isNaN(rule.trustRatio(true, 1, 0.1, 1, Double.NaN, 1, 1)), rule::toString);
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
}
