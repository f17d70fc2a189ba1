package io.github.lars4j.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Compares the update of one element with exact arithmetic.
 *
 * <p><b>The bound.</b> With u, h and γₖ as in {@link Rounding}, and S = |Ag| + |Bw|, the errors are at most:
 *
 * <ul>
 *   <li>p = Ag + Bw, with two roundings and two products: γ₂S + 2h(1 + u);
 *   <li>v' = Mv + p, with one more rounding and one more product: γ₃(|Mv| + S) + 3h(1 + γ₃);
 *   <li>w' = w - (Pp + Vv'), where Pp has four roundings after the addition, Vv' has five, and the subtraction adds
 *       one: γ₆(|w| + |P|S + |V|(|Mv| + S)) + (2 + 2|P| + 3|V|)h(1 + γ₆);
 *   <li>w' = w - Pp, without momentum: γ₄(|w| + |P|S) + (1 + 2|P|)h(1 + γ₄).
 * </ul>
 *
 * <p>The test prints the largest error as a share of its bound.
 */
class UpdateAccuracyTest {

    /** The number of elements that share coefficients. */
    private static final int ELEMENTS = 20;

    /** The number of binary digits after the point that hold any float; a product of k floats has k times as many. */
    private static final int DIGITS = 149;

    private double worstWeight;
    private double worstMomentum;
    private double worstWithout;
    private int skipped;

    @Test
    void withinTheBound() {
        check(100_000);
    }

    @Test
    @Tag("slow")
    void withinTheBoundInAMillionCasesOfEachKind() {
        check(4_000_000);
    }

    private void check(int cases) {
        Random random = new Random(7);
        for (int i = 0; i < cases / ELEMENTS; i++) {
            check(random, i % 4);
        }
        System.out.printf(
                "%d updates, worst error as a share of its bound: weights %.3f, momentum %.3f, without momentum %.3f%n",
                cases - skipped, worstWeight, worstMomentum, worstWithout);
        assertTrue(skipped < cases / 10, () -> skipped + " of " + cases + " cases overflow");
        assertTrue(worstWeight <= 1 && worstMomentum <= 1 && worstWithout <= 1);
    }

    private void check(Random random, int kind) {
        float a = 1;
        float b = 0.0005f;
        float m = 0.9f;
        float p = 0;
        float v = 1;
        switch (kind) {
            case 0 -> { // The trust ratio and the rate enter the velocity.
                a = Math.abs(RandomFloats.near(random, -random.nextInt(20)));
                b = a * 0.0005f;
            }
            case 1 -> { // They enter the update, with Nesterov.
                p = Math.abs(RandomFloats.near(random, -random.nextInt(20)));
                v = p * 0.9f;
            }
            default -> {
                int most = kind == 2 ? 4 : 30;
                int least = kind == 2 ? -4 : -149;
                a = coefficient(random, least, most);
                b = coefficient(random, least, most);
                m = coefficient(random, least, most);
                p = coefficient(random, least, most);
                v = coefficient(random, least, most);
            }
        }
        float[] weights = new float[ELEMENTS];
        float[] gradients = new float[ELEMENTS];
        float[] momentum = new float[ELEMENTS];
        for (int i = 0; i < ELEMENTS; i++) {
            int least = kind == 3 ? -149 : -12;
            int most = kind == 3 ? 60 : 3;
            weights[i] = RandomFloats.near(random, random.nextInt(least, most));
            gradients[i] = RandomFloats.near(random, random.nextInt(least, most));
            momentum[i] = RandomFloats.near(random, random.nextInt(least, most));
        }
        float[] w = weights.clone();
        float[] moved = momentum.clone();
        ScalarKernels.INSTANCE.update(w, gradients, moved, 0, ELEMENTS, a, b, m, p, v);
        float[] without = weights.clone();
        ScalarKernels.INSTANCE.update(without, gradients, 0, ELEMENTS, a, b, p);
        for (int i = 0; i < ELEMENTS; i++) {
            check(weights[i], gradients[i], momentum[i], a, b, m, p, v, w[i], moved[i], without[i]);
        }
    }

    private static float coefficient(Random random, int least, int most) {
        return random.nextInt(10) == 0 ? 0 : RandomFloats.near(random, random.nextInt(least, most));
    }

    private void check(
            float w,
            float g,
            float mo,
            float a,
            float b,
            float m,
            float p,
            float v,
            float newW,
            float newMo,
            float without) {
        BigInteger ag = fixed(a).multiply(fixed(g)); // two factors
        BigInteger bw = fixed(b).multiply(fixed(w));
        BigInteger in = ag.add(bw);
        BigInteger kept = fixed(m).multiply(fixed(mo));
        BigInteger moved = kept.add(in);
        BigInteger pIn = fixed(p).multiply(in); // three factors
        BigInteger vMoved = fixed(v).multiply(moved);
        BigInteger old = fixed(w).shiftLeft(2 * DIGITS);

        double s = value(ag.abs().add(bw.abs()), 2);
        double kS = value(kept.abs(), 2) + s;
        double terms = Math.abs((double) w) + Math.abs((double) p) * s + Math.abs((double) v) * kS;
        if (Math.max(Math.max(s, kS), terms) > 0x1p126) {
            skipped++;
            return;
        }
        BigInteger offW = fixed(newW).shiftLeft(2 * DIGITS).subtract(old.subtract(pIn.add(vMoved)));
        BigInteger offMo = fixed(newMo).shiftLeft(DIGITS).subtract(moved);
        BigInteger offWithout = fixed(without).shiftLeft(2 * DIGITS).subtract(old.subtract(pIn));
        double absP = Math.abs((double) p);
        double absV = Math.abs((double) v);
        worstWeight = Math.max(worstWeight, share(offW, 3, bound(6, terms, 2 + 2 * absP + 3 * absV)));
        worstMomentum = Math.max(worstMomentum, share(offMo, 2, bound(3, kS, 3)));
        worstWithout =
                Math.max(worstWithout, share(offWithout, 3, bound(4, Math.abs((double) w) + absP * s, 1 + 2 * absP)));
    }

    private static double bound(int roundings, double terms, double underflows) {
        return Rounding.bound(Rounding.U, roundings, terms, underflows * Rounding.H);
    }

    private static double share(BigInteger off, int factors, double bound) {
        return Math.abs(value(off, factors)) / bound;
    }

    /** Returns a float times 2¹⁴⁹, which is an integer. */
    private static BigInteger fixed(float value) {
        int bits = Float.floatToRawIntBits(value);
        int exponent = bits >>> 23 & 0xff;
        if (exponent == 0xff) {
            throw new AssertionError("not finite: " + value);
        }
        int mantissa = bits & 0x7fffff | (exponent == 0 ? 0 : 0x800000);
        return BigInteger.valueOf(value < 0 ? -mantissa : mantissa).shiftLeft(Math.max(exponent - 1, 0));
    }

    /** Returns the value of a fixed-point product of so many floats, rounded to double. */
    private static double value(BigInteger fixed, int factors) {
        return Math.scalb(fixed.doubleValue(), -DIGITS * factors);
    }
}
