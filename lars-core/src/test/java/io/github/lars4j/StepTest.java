package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Rule.Entry;
import io.github.lars4j.rule.Rule.Ratio;
import io.github.lars4j.rule.Rule.ZeroNorm;
import io.github.lars4j.rule.RuleTest;
import io.github.lars4j.rule.Treatment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Compares whole steps of every rule with the oracle, within the error that rounding to float explains. */
@Tag("bits")
class StepTest {

    private static final double[] RATES = {0.5, 2, 2, 0.7, 0.1};

    /** Returns one layer for each treatment, and one for each way of being empty or zero. */
    private static Layers layers() {
        return Layers.builder()
                .add("full", 37)
                .add("plain", 5, Treatment.PLAIN)
                .add("adapted without decay", 6, new Treatment(false, true, 1))
                .add("decayed without adaptation", 7, new Treatment(true, false, 0.25))
                .at(60)
                .add("slow", 18, Treatment.FULL.withRateFactor(0.1))
                .add("zero weights", 4)
                .add("zero gradient", 9)
                .add("all zero", 3)
                .add("empty", 0)
                .add("missing at times", 33)
                .add("huge gradient", 2)
                .add("tiny gradient", 2)
                .build();
    }

    private static void scale(float[] array, Layer layer, float factor) {
        for (int e = (int) layer.offset(); e < layer.end(); e++) {
            array[e] *= factor;
        }
    }

    private static List<Hyperparameters> hyperparameters(Rule rule) {
        List<Hyperparameters> all = new ArrayList<>();
        for (double decay : new double[] {0, 0.03}) {
            all.add(new Hyperparameters(rule, 0.02, decay, 0, 0, false, false));
            all.add(new Hyperparameters(rule, 0.02, decay, 0, 0.3, false, false));
            all.add(new Hyperparameters(rule, 0.02, decay, 0.9, 0, false, false));
            all.add(new Hyperparameters(rule, 0.02, decay, 0.9, 0.3, false, false));
            all.add(new Hyperparameters(rule, 0.02, decay, 0.8, 0, true, false));
            if (rule.entry() == Entry.VELOCITY) {
                all.add(new Hyperparameters(rule, 0.02, decay, 0.9, 0.3, false, true));
                all.add(new Hyperparameters(rule, 0.02, decay, 0.9, 0, true, true));
            }
        }
        return all;
    }

    @Test
    void everyCombinationStepsAsThePlainImplementation() {
        long seed = 0;
        double worst = 0;
        int steps = 0;
        for (Ratio ratio : RuleTest.BUILT_IN) {
            for (Entry entry : Entry.values()) {
                for (ZeroNorm zeroNorm : ZeroNorm.values()) {
                    for (int bits = 0; bits < 8; bits++) {
                        Rule rule = new Rule(
                                ratio, entry, zeroNorm, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0 ? 1e-4 : 0);
                        for (Hyperparameters hyper : hyperparameters(rule)) {
                            double scale = seed % 2 == 0 ? 1 : 0x1p-10;
                            double most = seed % 3 == 0 ? 0.5 : Double.POSITIVE_INFINITY;
                            worst = Math.max(worst, worstOfRun(hyper, scale, most, seed++));
                            steps += RATES.length;
                        }
                    }
                }
            }
        }
        System.out.println(steps + " steps, farthest at " + worst + " of the bound of 8 roundings");
        assertTrue(worst > 0.05, "the bound is too loose");
    }

    @Test
    void everyRefinementStepsAsThePlainImplementation() {
        Random random = new Random(5);
        double worst = 0;
        for (int k = 0; k < 400; k++) {
            Rule rule = RuleTest.randomRule(random);
            List<Hyperparameters> all = hyperparameters(rule.withShrink(false));
            Hyperparameters hyper = all.get(random.nextInt(all.size()));
            if (rule.shrink()) {
                hyper = new Hyperparameters(rule, 0.02, hyper.weightDecay(), 0, 0, false, false);
            }
            double scale = k % 2 == 0 ? 1 : 0x1p-10;
            double most = k % 3 == 0 ? 0.5 : Double.POSITIVE_INFINITY;
            worst = Math.max(worst, worstOfRun(hyper, scale, most, 100_000 + k));
        }
        System.out.println("refinements: farthest at " + worst + " of the bound of 8 roundings");
        assertTrue(worst > 0.05, "the bound is too loose");
    }

    /** Returns the largest error as a share of its bound. */
    private static double worstOfRun(Hyperparameters hyper, double scale, double maxGradientNorm, long seed) {
        Layers layers = layers();
        int n = (int) layers.end() + 3;
        OracleLars plain = new OracleLars(layers, hyper, maxGradientNorm);
        double worst = 0;
        float[] w = Random32.normal(2 * seed, n, 1);
        scale(w, layers.get(layers.index("zero weights")), 0);
        scale(w, layers.get(layers.index("all zero")), 0);
        try (Lars lars = Lars.builder(layers)
                .learningRate(step -> RATES[(int) step])
                .rule(hyper.rule())
                .trustCoefficient(hyper.trustCoefficient())
                .weightDecay(hyper.weightDecay())
                .momentum(hyper.momentum())
                .dampening(hyper.dampening())
                .nesterov(hyper.nesterov())
                .momentumCorrection(hyper.momentumCorrection())
                .maxGradientNorm(maxGradientNorm)
                .onBadGradient(OnBadGradient.SKIP_LAYER)
                .build()) {
            for (int step = 0; step < RATES.length; step++) {
                float[] g = Random32.normal(1000 * seed + step, n, 0.2 / scale);
                scale(g, layers.get(layers.index("zero gradient")), 0);
                scale(g, layers.get(layers.index("all zero")), 0);
                scale(g, layers.get(layers.index("huge gradient")), 1e6f);
                scale(g, layers.get(layers.index("tiny gradient")), 1e-30f);
                BitSet missing = new BitSet();
                missing.set(layers.index("missing at times"), step == 0 || step == 2);
                Gradients gradients = Gradients.of(g).scale(scale);
                missing.stream().forEach(layer -> gradients.missing(layer, true));
                float[] before = w.clone();
                plain.step(w, Inside.momentum(lars.snapshot()), g, RATES[step], scale, missing);
                StepReport report = lars.step(w, gradients);
                float[] v = Inside.momentum(lars.snapshot());
                int now = step;
                // Thousands of steps need no text, and one that fails does.
                IntFunction<String> where =
                        e -> hyper + " step " + now + " scale " + scale + " clip " + maxGradientNorm + " at " + e;
                for (int i = 0; i < layers.size(); i++) {
                    int layer = i;
                    Supplier<String> what =
                            () -> where.apply((int) layers.get(layer).offset());
                    Outcome expected = missing.get(i)
                            ? Outcome.NO_GRADIENT
                            : !plain.refused[i]
                                    ? Outcome.UPDATED
                                    : finite(before, layers.get(i)) ? Outcome.BAD_COEFFICIENT : Outcome.BAD_WEIGHTS;
                    assertEquals(expected, report.outcome(i), what);
                    assertClose(plain.ratios[i], report.trustRatio(i), what);
                }
                for (int e = 0; e < n; e++) {
                    worst = Math.max(worst, share(plain.w[e], w[e], plain.boundOfW[e], e, where));
                    if (v != null && e < v.length) {
                        worst = Math.max(worst, share(plain.v[e], v[e], plain.boundOfV[e], e, where));
                    }
                }
                int gap = (int) layers.get(3).end();
                assertTrue(Arrays.equals(before, gap, 60, w, gap, 60), "the gap is left alone");
            }
        }
        return worst;
    }

    private static boolean finite(float[] array, Layer layer) {
        boolean finite = true;
        for (int e = (int) layer.offset(); e < layer.end(); e++) {
            finite &= Float.isFinite(array[e]);
        }
        return finite;
    }

    /** Asserts that two values are equal within 1e-12; NaN equals NaN. */
    private static void assertClose(double expected, double actual, Supplier<String> what) {
        boolean close = Math.abs(expected - actual) <= 1e-12 * Math.abs(expected);
        assertTrue(
                close || Double.compare(expected, actual) == 0,
                () -> what.get() + " is " + actual + ", not " + expected);
    }

    private static double share(double expected, float actual, double bound, int e, IntFunction<String> where) {
        double off = Math.abs(expected - actual);
        // If this value or one of its terms overflows, there is nothing to compare.
        if (!Float.isFinite(actual) && (bound > 1e30 || !Double.isFinite(expected))) {
            return 0;
        }
        assertTrue(off <= bound, () -> where.apply(e) + " is " + actual + ", not " + expected + " within " + bound);
        return bound == 0 ? 0 : off / bound;
    }
}
