package io.github.lars4j.internal.passes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.kernel.RandomFloats;
import io.github.lars4j.internal.memory.ElementType;
import io.github.lars4j.internal.memory.Operand;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Compares the sums of pass 1 with exact sums. The error of Σw² and Σg² is relative to the sum, the error of Σwg is
 * relative to Σ|wg|. This uses the scalar kernels; the vector kernels give the same bits.
 */
class SumAccuracyTest {

    private static final double MOST = 1e-14;

    private final ExactSum weightSquares = new ExactSum();
    private final ExactSum gradientSquares = new ExactSum();
    private final ExactSum products = new ExactSum();
    private double worst;

    private record Sums(double ww, double gg, double wg) {}

    /** Returns the sums of pass 1 for one layer, which is the first {@code length} elements of two arrays. */
    private static Sums measure(float[] weights, float[] gradients, int length) {
        Plan plan = Plan.of(new long[] {length}, Plan.Rounds.ONE, 1, Plan.Grain.USUAL);
        try (Crew crew = new Crew(1)) {
            MeasurePass pass = new MeasurePass(plan);
            byte[] reads = {MeasurePass.ALL};
            Operand w = operand(weights);
            Operand g = operand(gradients);
            pass.run(crew, ScalarBlocks.of(1, w, g), w, g, reads, 0);
            return new Sums(pass.weights(0), pass.gradients(0), pass.products(0));
        }
    }

    private static Operand operand(float[] array) {
        return Operand.flat(ElementType.FLOAT32, array, new long[1]);
    }

    private void check(float[] weights, float[] gradients, int length) {
        weightSquares.clear();
        gradientSquares.clear();
        products.clear();
        for (int i = 0; i < length; i++) {
            weightSquares.add(weights[i], weights[i]);
            gradientSquares.add(gradients[i], gradients[i]);
            products.add(weights[i], gradients[i]);
        }
        Sums sums = measure(weights, gradients, length);
        worst = Math.max(worst, weightSquares.relativeError(sums.ww));
        worst = Math.max(worst, gradientSquares.relativeError(sums.gg));
        worst = Math.max(worst, products.relativeError(sums.wg));
    }

    private void passed(String what) {
        System.out.printf("%s: worst relative error %.3g, at most %.0e is allowed%n", what, worst, MOST);
        assertTrue(worst <= MOST, () -> what + ": worst relative error " + worst);
    }

    @Test
    void randomVectors() {
        randomVectors(10_000);
    }

    @Test
    @Tag("slow")
    void aMillionRandomVectors() {
        randomVectors(1_000_000);
    }

    private void randomVectors(int vectors) {
        Random random = new Random(11);
        float[] weights = new float[5000];
        float[] gradients = new float[5000];
        for (int i = 0; i < vectors; i++) {
            int length = random.nextInt(5001);
            fill(weights, length, i % 4, random);
            fill(gradients, length, random.nextInt(4), random);
            if (i % 5 == 0) {
                cancel(weights, gradients, length);
            }
            check(weights, gradients, length);
        }
        passed(vectors + " vectors of 0 to 5000");
    }

    static void fill(float[] values, int length, int kind, Random random) {
        int center = random.nextInt(-149, 128);
        float constant = RandomFloats.near(random, center);
        for (int i = 0; i < length; i++) {
            values[i] = switch (kind) {
                case 0 -> RandomFloats.anyFinite(random);
                case 1 -> RandomFloats.near(random, Math.clamp(center + random.nextInt(-3, 4), -149, 127));
                case 2 -> constant;
                default -> Float.intBitsToFloat(random.nextInt() & 0x807f_ffff); // subnormal
            };
        }
    }

    /** Makes the products of the second half the negatives of those of the first half. */
    private static void cancel(float[] weights, float[] gradients, int length) {
        for (int i = 0; i + length / 2 < length; i++) {
            weights[i + length / 2] = weights[i];
            gradients[i + length / 2] = -gradients[i];
        }
    }

    @Test
    void longLayersOfEqualElements() {
        for (int length : new int[] {1_000_000, 1_048_576, 1_048_577}) {
            allEqual(length, 0.1f);
            allEqual(length, Float.MAX_VALUE);
            allEqual(length, Float.MIN_VALUE);
        }
        passed("a million equal elements");
    }

    /** A float accumulator would stop growing here, because 2^24 + 1 is not a float. */
    @Test
    @Tag("slow")
    void layersWhereFloatsGetStuck() {
        for (int length : new int[] {(1 << 24) - 1, 1 << 24, (1 << 24) + 1}) {
            for (float value : new float[] {1, 0.1f, 1 / 3f, Float.MAX_VALUE, Float.MIN_VALUE, 1e-20f}) {
                allEqual(length, value);
            }
        }
        passed("16 million equal elements");
    }

    private void allEqual(int length, float value) {
        float[] weights = new float[length];
        float[] gradients = new float[length];
        Arrays.fill(weights, value);
        Arrays.fill(gradients, -value);
        check(weights, gradients, length);
    }

    @Test
    void whatFloatsOverflowAndLose() {
        float[] large = new float[1000];
        float[] small = new float[1000];
        Arrays.fill(large, 3e38f);
        Arrays.fill(small, Float.MIN_VALUE);
        float squares = 0;
        float lost = 0;
        for (int i = 0; i < 1000; i++) {
            squares += large[i] * large[i];
            lost += small[i] * small[i];
        }
        assertEquals(Float.POSITIVE_INFINITY, squares);
        assertEquals(0, lost);
        Sums sums = measure(large, small, 1000);
        assertEquals(1000 * ((double) 3e38f * (double) 3e38f), sums.ww, 1e62);
        assertEquals(1000 * 0x1p-298, sums.gg);
        check(large, small, 1000);
        passed("3e38 and 1.4e-45");
    }

    /** Tests the oracle itself, on sums that are easy to compute by hand. */
    @Test
    void theOracleIsExact() {
        ExactSum sum = new ExactSum();
        assertEquals(0, sum.relativeError(0));
        sum.add(Float.MAX_VALUE, Float.MAX_VALUE);
        sum.add(Float.MIN_VALUE, -Float.MIN_VALUE);
        sum.add(-Float.MAX_VALUE, Float.MAX_VALUE);
        sum.add(3, 5);
        sum.add(Float.MIN_VALUE, Float.MIN_VALUE);
        assertEquals(0, sum.relativeError(15));
        assertTrue(sum.relativeError(Math.nextUp(15.0)) > 0);
        assertTrue(sum.relativeError(-15) > 0);
        sum.clear();
        sum.add(0.5f, 3);
        sum.add(-1.5f, 1);
        sum.add(1, 1);
        assertEquals(0, sum.relativeError(1));
        assertEquals(0x1p-52 / 4, sum.relativeError(1 + 0x1p-52));
        assertEquals(0, sum.ulpsFromRoot(1));
        assertEquals(1, sum.ulpsFromRoot(Math.nextUp(1f)));
        sum.add(3, 5);
        assertEquals(0, sum.ulpsFromRoot(4));
        assertEquals(1, sum.ulpsFromRoot(Math.nextDown(4f)));
        sum.clear();
        assertEquals(0, sum.ulpsFromRoot(0));
        sum.add(Float.MIN_VALUE, Float.MIN_VALUE);
        assertEquals(1, sum.ulpsFromRoot(0));
        sum.add(Float.MIN_VALUE, Float.MIN_VALUE);
        assertEquals(Math.sqrt(2) - 1, sum.ulpsFromRoot(Float.MIN_VALUE), 1e-15);
    }
}
