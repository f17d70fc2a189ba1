package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.kernel.RandomFloats;
import io.github.lars4j.rule.Rule;
import java.math.BigDecimal;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Every element after a step of every dialect against its formula in exact arithmetic: of the weights, the gradient and
 * the momentum as they lie in memory, the hyperparameters as they were given, and the trust ratio as it was reported.
 *
 * <p><b>The bound.</b> What {@code UpdateAccuracyTest} derives, with one rounding more for each coefficient, which is
 * computed in double and rounded to float: u = 2⁻²⁴(1 + 2⁻²⁰) has room for the double's. With γₖ = ku / (1 - ku), h =
 * 2⁻¹⁵⁰, and A, B, M, P, V for the exact coefficients, S = |Ag| + |Bw| and K = |Mv| + S:
 *
 * <ul>
 *   <li>p = Ag + Bw: three roundings; every coefficient adds h times its element, every product h: off by at most γ₃S +
 *       e(1 + γ₃) with e = (2 + |g| + |w|)h;
 *   <li>v' = Mv + p: at most γ₄K + e'(1 + γ₄) with e' = e + (1 + |v|)h;
 *   <li>w' = w - (Pp + Vv'): at most γ₈(|w| + |P|S + |V|K) + e''(1 + γ₈) with e'' = |P|e + |V|e' + (2 + S + K)h;
 *   <li>without momentum, w' = w - Pp: at most γ₆(|w| + |P|S) + e''(1 + γ₆) with e'' = |P|e + (1 + S)h.
 * </ul>
 *
 * <p>The worst that is seen is printed as a share of this bound.
 */
class StepAccuracyTest {

    /** Elements that share a step. */
    private static final int ELEMENTS = 500;

    /** Steps of a run; the first has no momentum and is not dampened. */
    private static final int STEPS = 4;

    private static final double U = 0x1p-24 * (1 + 0x1p-20);
    private static final double H = 0x1p-150;

    private double worstWeight;
    private double worstMomentum;
    private int cases;

    @Test
    void withinTheBound() {
        check(40_000);
    }

    @Test
    @Tag("slow")
    void withinTheBoundInAMillionCasesOfEachDialect() {
        check(1_000_000);
    }

    private void check(int casesOfEach) {
        for (Rule rule : LarsTest.DIALECTS) {
            Random random = new Random(11);
            worstWeight = 0;
            worstMomentum = 0;
            cases = 0;
            while (cases < casesOfEach) {
                steps(rule, random);
            }
            System.out.printf(
                    "%d elements after a step, worst error as a share of its bound: weights %.3f, momentum %.3f; %s%n",
                    cases, worstWeight, worstMomentum, rule);
            assertTrue(worstWeight <= 1 && worstMomentum <= 1);
            assertTrue(worstWeight > 0.3 && worstMomentum > 0.3, "a bound that is never neared bounds nothing");
        }
    }

    private void steps(Rule rule, Random random) {
        double rate = Math.scalb(1 + random.nextDouble(), -random.nextInt(12));
        double decay = random.nextInt(4) == 0 ? 0 : 0.1 * random.nextDouble();
        double momentum = random.nextInt(4) == 0 ? 0 : random.nextDouble();
        boolean nesterov = momentum != 0 && random.nextBoolean();
        double dampening = nesterov || random.nextBoolean() ? 0 : random.nextDouble();
        boolean subnormal = random.nextInt(4) == 0;
        try (Lars lars = Lars.builder(Layers.builder().add("w", ELEMENTS).build())
                .rule(rule)
                .learningRate(rate)
                .trustCoefficient(random.nextDouble())
                .weightDecay(decay)
                .momentum(momentum)
                .dampening(dampening)
                .nesterov(nesterov)
                .build()) {
            for (int step = 0; step < STEPS; step++) {
                float[] w = random(random, subnormal);
                float[] g = random(random, subnormal);
                float[] newW = w.clone();
                float[] v = momentum(lars);
                double ratio = lars.step(newW, g).trustRatio(0);
                float[] newV = momentum(lars);
                double in = step == 0 || momentum == 0 ? 1 : 1 - dampening;
                double out = 1;
                switch (rule.entry()) {
                    case VELOCITY -> in *= rate * ratio;
                    case GRADIENT -> {
                        in *= ratio;
                        out = rate;
                    }
                    case UPDATE -> out = rate * ratio;
                }
                for (int e = 0; e < ELEMENTS; e++) {
                    check(w[e], g[e], v[e], in, decay, momentum, nesterov, out, newW[e], newV[e]);
                }
            }
        }
    }

    private void check(
            float w,
            float g,
            float v,
            double in,
            double decay,
            double mu,
            boolean nesterov,
            double out,
            float newW,
            float newV) {
        BigDecimal p = exact(in).multiply(exact(g).add(exact(decay).multiply(exact(w))));
        BigDecimal moved = exact(mu).multiply(exact(v)).add(p);
        BigDecimal step = exact(out).multiply(nesterov ? p.add(exact(mu).multiply(moved)) : moved);
        BigDecimal expected = exact(w).subtract(step);

        double absW = Math.abs((double) w);
        double absG = Math.abs((double) g);
        double absV = Math.abs((double) v);
        double bigP = nesterov || mu == 0 ? out : 0;
        double bigV = mu == 0 ? 0 : nesterov ? out * mu : out;
        double s = in * (absG + decay * absW);
        double k = mu * absV + s;
        double e = (2 + absG + absW) * H;
        double eMoved = e + (1 + absV) * H;
        double eWeight = bigP * e + bigV * eMoved + (mu == 0 ? 1 + s : 2 + s + k) * H;
        double terms = absW + bigP * s + bigV * k;
        if (mu != 0) {
            worstMomentum = Math.max(worstMomentum, off(newV, moved) / bound(4, k, eMoved));
        }
        worstWeight = Math.max(worstWeight, off(newW, expected) / bound(mu == 0 ? 6 : 8, terms, eWeight));
        cases++;
    }

    /** Zeros where none is kept. */
    private static float[] momentum(Lars lars) {
        float[] momentum = Inside.momentum(lars.snapshot());
        return momentum == null ? new float[ELEMENTS] : momentum;
    }

    private static double off(float actual, BigDecimal expected) {
        return exact(actual).subtract(expected).abs().doubleValue();
    }

    private static double bound(int roundings, double terms, double underflows) {
        double gamma = roundings * U / (1 - roundings * U);
        return gamma * terms + underflows * (1 + gamma);
    }

    private static BigDecimal exact(double value) {
        return new BigDecimal(value);
    }

    private static float[] random(Random random, boolean subnormal) {
        float[] floats = new float[ELEMENTS];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = RandomFloats.near(random, subnormal ? random.nextInt(-149, -110) : random.nextInt(-12, 4));
        }
        return floats;
    }
}
