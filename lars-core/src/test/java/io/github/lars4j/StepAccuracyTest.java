package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.kernel.RandomFloats;
import io.github.lars4j.internal.kernel.Rounding;
import io.github.lars4j.rule.Rule;
import java.math.BigDecimal;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Compares every element after a step of every dialect with its formula in exact arithmetic. The formula uses the
 * weights, the gradient and the momentum in memory, the given hyperparameters, and the reported trust ratio.
 *
 * <p><b>The bound.</b> It is derived as in {@code UpdateAccuracyTest}, with one more rounding for each coefficient,
 * which is computed in double and rounded to float; u = 2⁻²⁴(1 + 2⁻²⁰) includes the errors in double. With h and γₖ as
 * in {@link Rounding}, the exact coefficients A, B, M, P and V, S = |Ag| + |Bw| and K = |Mv| + S, the errors are at
 * most:
 *
 * <ul>
 *   <li>p = Ag + Bw, with three roundings, where every coefficient adds h times its element and every product adds h:
 *       γ₃S + e(1 + γ₃) with e = (2 + |g| + |w|)h;
 *   <li>v' = Mv + p: γ₄K + e'(1 + γ₄) with e' = e + (1 + |v|)h;
 *   <li>w' = w - (Pp + Vv'): γ₈(|w| + |P|S + |V|K) + e''(1 + γ₈) with e'' = |P|e + |V|e' + (2 + S + K)h;
 *   <li>w' = w - Pp, without momentum: γ₆(|w| + |P|S) + e''(1 + γ₆) with e'' = |P|e + (1 + S)h.
 * </ul>
 *
 * <p><b>Narrow formats.</b> Every bfloat16 and float16 is a float, so that a narrow gradient has the same bounds: g is what
 * its bits mean. A bfloat16 momentum is a float that was rounded once more when it was stored, and v is what was stored by
 * the step before. The weights use the momentum before it is rounded, so that their bound is the same, too. A float x has
 * 24 bits and a bfloat16 has 8, so that x and either bfloat16 next to it differ by less than 2⁻⁷|x|, or if that is
 * subnormal, 2⁻¹³³; x and the nearest one by at most half of that. With r as this share and s as this distance, and F as
 * the bound above of the error of the float, the error of the stored v' is at most:
 *
 * <ul>
 *   <li>F + r(|v'| + F) + s, where r = 2⁻⁸ and s = 2⁻¹³⁴ for rounding to nearest, 2⁻⁷ and 2⁻¹³³ for stochastic rounding.
 * </ul>
 *
 * <p>The test prints the largest error as a share of its bound. Half of the bound is what stochastic rounding must exceed:
 * else it would be rounding to nearest.
 */
class StepAccuracyTest {

    /** The number of elements in a step. */
    private static final int ELEMENTS = 500;

    /** The number of steps in a run; the first step has no momentum and is not dampened. */
    private static final int STEPS = 4;

    private static final double U = Rounding.U * (1 + 0x1p-20);
    private static final double H = Rounding.H;

    /**
     * How gradients and momentum are stored.
     *
     * @param stochastic whether a bfloat16 momentum is rounded stochastically
     */
    private record Formats(Format gradients, Format momentum, boolean stochastic) {

        private static final Formats FLOAT32 = new Formats(Format.FLOAT32, Format.FLOAT32, false);

        private static final List<Formats> NARROW = List.of(
                new Formats(Format.BFLOAT16, Format.FLOAT32, false),
                new Formats(Format.FLOAT16, Format.FLOAT32, false),
                new Formats(Format.FLOAT32, Format.BFLOAT16, false),
                new Formats(Format.FLOAT32, Format.BFLOAT16, true),
                new Formats(Format.BFLOAT16, Format.BFLOAT16, false),
                new Formats(Format.FLOAT16, Format.BFLOAT16, true));

        /** Returns r, the bound of the relative error of storing a momentum. */
        double share() {
            return momentum == Format.FLOAT32 ? 0 : stochastic ? 0x1p-7 : 0x1p-8;
        }

        /** Returns s, the bound of the error of storing a subnormal momentum. */
        double distance() {
            return momentum == Format.FLOAT32 ? 0 : stochastic ? 0x1p-133 : 0x1p-134;
        }

        /** Returns the share of the bound that the largest error of many elements exceeds. */
        double least() {
            return stochastic ? 0.6 : 0.3;
        }
    }

    private double worstWeight;
    private double worstMomentum;
    private int cases;

    @Test
    void withinTheBound() {
        checkDialects(40_000);
    }

    @Test
    @Tag("slow")
    void withinTheBoundInAMillionCasesOfEachDialect() {
        checkDialects(1_000_000);
    }

    @Test
    void narrowFormatsAreWithinTheirBounds() {
        checkFormats(20_000);
    }

    @Test
    @Tag("slow")
    void narrowFormatsAreWithinTheirBoundsInAMillionCasesOfEach() {
        checkFormats(1_000_000);
    }

    private void checkDialects(int casesOfEach) {
        for (Rule rule : LarsTest.DIALECTS) {
            check(List.of(rule), Formats.FLOAT32, casesOfEach);
        }
    }

    private void checkFormats(int casesOfEach) {
        for (Formats formats : Formats.NARROW) {
            check(LarsTest.DIALECTS, formats, casesOfEach);
        }
    }

    /** Checks the rules in turn. */
    private void check(List<Rule> rules, Formats formats, int least) {
        Random random = new Random(11);
        worstWeight = 0;
        worstMomentum = 0;
        cases = 0;
        for (int run = 0; cases < least; run++) {
            steps(rules.get(run % rules.size()), formats, random);
        }
        System.out.printf(
                "%d elements after a step, worst error as a share of its bound: weights %.3f, momentum %.3f; %s%n",
                cases, worstWeight, worstMomentum, rules.size() == 1 ? rules.getFirst() : formats);
        assertTrue(worstWeight <= 1 && worstMomentum <= 1);
        assertTrue(worstWeight > 0.3 && worstMomentum > formats.least(), "the bound is too loose");
    }

    private void steps(Rule rule, Formats formats, Random random) {
        double rate = Math.scalb(1 + random.nextDouble(), -random.nextInt(12));
        double decay = random.nextInt(4) == 0 ? 0 : 0.1 * random.nextDouble();
        double momentum = random.nextInt(4) == 0 ? 0 : random.nextDouble();
        boolean nesterov = momentum != 0 && random.nextBoolean();
        double dampening = nesterov || random.nextBoolean() ? 0 : random.nextDouble();
        boolean subnormal = random.nextInt(4) == 0;
        Lars.Builder builder = Lars.builder(Layers.builder().add("w", ELEMENTS).build())
                .rule(rule)
                .learningRate(rate)
                .trustCoefficient(random.nextDouble())
                .weightDecay(decay)
                .momentum(momentum)
                .dampening(dampening)
                .nesterov(nesterov)
                .momentumFormat(formats.momentum);
        if (formats.stochastic) {
            builder.stochasticRounding(random.nextLong());
        }
        try (Lars lars = builder.build()) {
            for (int step = 0; step < STEPS; step++) {
                float[] w = random(random, subnormal, Format.FLOAT32);
                float[] g = random(random, subnormal, formats.gradients);
                float[] newW = w.clone();
                float[] v = momentum(lars, formats, momentum != 0);
                Tensors given = Tensors.flat(g);
                if (formats.gradients != Format.FLOAT32) {
                    short[] bits = narrow(formats.gradients, g);
                    g = widened(formats.gradients, bits);
                    given = Tensors.flat(formats.gradients, bits);
                }
                double ratio = lars.step(Tensors.flat(newW), given).trustRatio(0);
                float[] newV = momentum(lars, formats, momentum != 0);
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
                    check(formats, w[e], g[e], v[e], in, decay, momentum, nesterov, out, newW[e], newV[e]);
                }
            }
        }
    }

    private void check(
            Formats formats,
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
            double ofFloat = Rounding.bound(U, 4, k, eMoved);
            double bound = ofFloat + formats.share() * (moved.abs().doubleValue() + ofFloat) + formats.distance();
            worstMomentum = Math.max(worstMomentum, off(newV, moved) / bound);
        }
        worstWeight = Math.max(worstWeight, off(newW, expected) / Rounding.bound(U, mu == 0 ? 6 : 8, terms, eWeight));
        cases++;
    }

    /** Returns the momentum, or zeros if the optimizer keeps none. */
    private static float[] momentum(Lars lars, Formats formats, boolean kept) {
        if (!kept) {
            return new float[ELEMENTS];
        }
        return formats.momentum == Format.FLOAT32
                ? Inside.momentum(lars).clone()
                : widened(Format.BFLOAT16, Inside.momentumBits(lars, 0));
    }

    /** Rounds floats somehow; what a trainer does to get narrow gradients is not tested here. */
    private static short[] narrow(Format format, float[] values) {
        short[] bits = new short[values.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = format == Format.FLOAT16
                    ? Float.floatToFloat16(values[i])
                    : (short) (Float.floatToIntBits(values[i]) >>> 16);
        }
        return bits;
    }

    /** Returns the values of narrow elements, by the definition of their formats. */
    private static float[] widened(Format format, short[] bits) {
        float[] values = new float[bits.length];
        for (int i = 0; i < values.length; i++) {
            int exponentBits = format == Format.FLOAT16 ? 5 : 8;
            int fractionBits = 15 - exponentBits;
            int exponent = (bits[i] >>> fractionBits) & ((1 << exponentBits) - 1);
            int fraction = bits[i] & ((1 << fractionBits) - 1);
            int significand = exponent == 0 ? fraction : fraction + (1 << fractionBits);
            int bias = (1 << (exponentBits - 1)) - 1;
            double magnitude = Math.scalb((double) significand, Math.max(exponent, 1) - bias - fractionBits);
            values[i] = (float) (bits[i] < 0 ? -magnitude : magnitude);
        }
        return values;
    }

    private static double off(float actual, BigDecimal expected) {
        return exact(actual).subtract(expected).abs().doubleValue();
    }

    private static BigDecimal exact(double value) {
        return new BigDecimal(value);
    }

    private static float[] random(Random random, boolean subnormal, Format format) {
        int least = format == Format.FLOAT16 ? -24 : -149;
        int most = format == Format.FLOAT16 ? -14 : -110;
        float[] floats = new float[ELEMENTS];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = RandomFloats.near(random, subnormal ? random.nextInt(least, most) : random.nextInt(-12, 4));
        }
        return floats;
    }
}
