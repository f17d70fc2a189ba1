package io.github.lars4j.bench.accuracy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class ExactNormTest {

    private static final MathContext DIGITS = new MathContext(80);

    @Test
    void errorsByHand() {
        ExactNorm five = ExactNorm.of(new float[] {3, 0, -4});
        assertEquals(5, five.value());
        assertEquals(0, five.ulps(5));
        assertEquals(1, five.ulps(Math.nextUp(5f)));
        assertEquals(3, five.ulps(Math.nextDown(Math.nextDown(Math.nextDown(5f)))));
        assertEquals(5 / 0x1p-21, five.ulps(0));
        assertEquals(Double.POSITIVE_INFINITY, five.ulps(Float.POSITIVE_INFINITY));
        assertEquals(Double.POSITIVE_INFINITY, five.ulps(Float.NaN));

        // A norm just above 2^24, halfway to the next float: sqrt(2^48 + 2^25 + 1) is 2^24 + 1.
        ExactNorm half = ExactNorm.of(new float[] {0x1p24f, 5792.618f, 1});
        assertEquals(0x1p24 + 1, half.value(), 1e-3);
        assertEquals(0.5, half.ulps(0x1p24f), 1e-3);
        assertEquals(0.5, half.ulps(0x1p24f + 2), 1e-3);

        ExactNorm least = ExactNorm.of(new float[] {Float.MIN_VALUE});
        assertEquals(Float.MIN_VALUE, least.value());
        assertEquals(1, least.ulps(0));
        assertEquals(2, least.ulps(3 * Float.MIN_VALUE));
        ExactNorm most = ExactNorm.of(new float[] {Float.MAX_VALUE});
        assertEquals(0, most.ulps(Float.MAX_VALUE));
        assertEquals(1, most.ulps(Math.nextDown(Float.MAX_VALUE)));
    }

    /** Decimal arithmetic is exact for sums of squares, and has 80 digits of the root. */
    @Test
    void agreesWithDecimalArithmetic() {
        SplittableRandom random = new SplittableRandom(1);
        for (int trial = 0; trial < 300; trial++) {
            float[] values = new float[random.nextInt(1, 60)];
            int lowest = random.nextInt(0, 200);
            int span = random.nextInt(1, 255 - lowest - 20);
            BigDecimal sum = BigDecimal.ZERO;
            for (int i = 0; i < values.length; i++) {
                int exponent = lowest + random.nextInt(span);
                values[i] = Float.intBitsToFloat(random.nextInt(2) << 31 | exponent << 23 | random.nextInt(1 << 23));
                sum = sum.add(new BigDecimal(values[i]).pow(2));
            }
            BigDecimal root = sum.sqrt(DIGITS);
            ExactNorm exact = ExactNorm.of(values);
            assertEquals(1, exact.value() / root.doubleValue(), 1e-15);
            float below = root.floatValue();
            if (new BigDecimal(below).compareTo(root) > 0) {
                below = Math.nextDown(below);
            }
            for (float given : new float[] {below, Math.nextUp(below), below * 1.5f, below / 3, 0}) {
                double expected = new BigDecimal(given)
                        .subtract(root)
                        .abs()
                        .divide(new BigDecimal(Math.ulp(below)), DIGITS)
                        .doubleValue();
                assertEquals(expected, exact.ulps(given), 1e-12 * expected + 1e-15, "trial " + trial);
            }
        }
    }

    @Test
    void manyLargeSquaresDoNotOverflow() {
        float value = Math.nextDown(2f);
        float[] values = HardVector.equal(1 << 18, value);
        assertEquals(512.0 * value, ExactNorm.of(values).value());
    }

    @Test
    void valuesThatAreNotFiniteAreRefused() {
        for (float value : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
            assertThrows(IllegalArgumentException.class, () -> ExactNorm.of(new float[] {1, value}));
        }
    }
}
