package io.github.lars4j.bench.accuracy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.openjdk.jmh.annotations.Param;

/** Every norm is what it is called: right where it can be, and wrong where its sort must be. */
class NormTest {

    private static final Norm LOOP = Norm.named("float loop");
    private static final Norm SIMD = Norm.named("float SIMD");
    private static final Norm PAIRWISE = Norm.named("pairwise");
    private static final Norm KAHAN = Norm.named("Kahan");
    private static final List<Norm> FLOATS = List.of(LOOP, SIMD, PAIRWISE, KAHAN);

    /** Sums of small whole numbers are exact in float in any order, so every norm is the float nearest to the root. */
    @Test
    void allAreRightOnSmallWholeNumbersOfAnyLength() {
        SplittableRandom random = new SplittableRandom(1);
        for (int length = 0; length <= 5000; length += length < 300 ? 1 : 193) {
            float[] values = new float[length];
            int squares = 0;
            for (int i = 0; i < length; i++) {
                values[i] = random.nextInt(-30, 31);
                squares += (int) (values[i] * values[i]);
            }
            assertTrue(squares < 1 << 24);
            for (Norm norm : Norm.all()) {
                assertEquals((float) Math.sqrt(squares), norm.of(values), norm.name() + ", length " + length);
            }
        }
    }

    @Test
    void everyElementCounts() {
        float[] values = new float[1037];
        for (Norm norm : Norm.all()) {
            for (int i = 0; i < values.length; i++) {
                values[i] = -3;
                assertEquals(3f, norm.of(values), norm.name() + " at " + i);
                values[i] = 0;
            }
        }
    }

    @Test
    void floatLoopIsStuckAt4096() {
        assertEquals(4096f, LOOP.of(HardVector.equal(1 << 24, 1)));
        assertEquals(4096f, LOOP.of(HardVector.equal((1 << 24) + 1, 1)));
        float[] values = HardVector.equal(20 << 20, 1);
        ExactNorm exact = ExactNorm.of(values);
        assertEquals(4096f, LOOP.of(values));
        assertEquals("stuck", verdict(LOOP, values));
        for (Norm norm : Norm.all()) {
            if (!norm.equals(LOOP)) {
                assertTrue(exact.ulps(norm.of(values)) <= 0.5, norm.name());
            }
        }
    }

    @Test
    void squaresThatNoFloatHoldsAreLostInFloat() {
        float[] huge = HardVector.gaussians(1000, 1e25, 1);
        float[] tiny = HardVector.gaussians(1000, 1e-24, 1);
        for (Norm norm : FLOATS) {
            assertEquals(norm.equals(KAHAN) ? "NaN" : "inf", verdict(norm, huge), norm.name());
            assertEquals("zero", verdict(norm, tiny), norm.name());
        }
    }

    /** What tells the ways of summing in float apart: the growth of their errors. */
    @Test
    void pairwiseAndKahanKeepWhatTheLoopLoses() {
        float[] values = HardVector.equal(1 << 20, 0.1f);
        ExactNorm exact = ExactNorm.of(values);
        assertTrue(exact.ulps(LOOP.of(values)) > 1000);
        assertTrue(exact.ulps(SIMD.of(values)) < exact.ulps(LOOP.of(values)) / 4);
        assertTrue(exact.ulps(PAIRWISE.of(values)) < 1);
        assertTrue(exact.ulps(KAHAN.of(values)) < 1);
        // One large element swallows a leaf of pairwise summation, and nothing of Kahan's.
        float[] oneLarge = HardVector.equal(1 << 12, 0.75f);
        oneLarge[0] = 4096;
        ExactNorm of = ExactNorm.of(oneLarge);
        assertEquals("stuck", verdict(LOOP, oneLarge));
        assertTrue(of.ulps(PAIRWISE.of(oneLarge)) < of.ulps(LOOP.of(oneLarge)) / 100);
        assertTrue(of.ulps(KAHAN.of(oneLarge)) < 1);
    }

    @Test
    void stripesRoundTheExactNormOnEveryVectorWithEitherKernels() {
        Norm scalar = Norm.named("scalar stripes");
        Norm vector = Norm.named("vector stripes");
        String before = System.getProperty("lars4j.kernels");
        for (HardVector hard : HardVector.ALL) {
            float[] values = hard.elements().get();
            float[] copy = values.clone();
            float norm = scalar.of(values);
            assertTrue(ExactNorm.of(values).ulps(norm) <= 0.5000002, hard.label());
            assertEquals(norm, vector.of(values), hard.label());
            assertArrayEquals(copy, values, 0, hard.label());
        }
        assertSame(before, System.getProperty("lars4j.kernels"));
    }

    @Test
    void vectorsAreTheSameEveryTime() {
        for (HardVector hard : HardVector.ALL) {
            assertArrayEquals(hard.elements().get(), hard.elements().get(), 0, hard.label());
        }
    }

    @Test
    void benchmarkMeasuresTheNormsThatAreJudged() throws Exception {
        String[] names = NormBenchmark.Values.class
                .getField("norm")
                .getAnnotation(Param.class)
                .value();
        assertEquals(Norm.all().stream().map(Norm::name).toList(), List.of(names));
        for (String name : names) {
            NormBenchmark.Values state = new NormBenchmark.Values();
            state.norm = name;
            state.elements = 1003;
            state.prepare();
            assertEquals(1003, state.values.length);
            assertSame(Norm.named(name).getClass(), state.method.getClass());
            assertEquals(name, state.method.name());
            float norm = new NormBenchmark().norms(state);
            assertEquals(Norm.named(name).of(state.values), norm, name);
            assertTrue(ExactNorm.of(state.values).ulps(norm) < 100, name);
        }
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> Norm.named("max"));
        assertTrue(e.getMessage().contains("\"max\"") && e.getMessage().contains("float SIMD"), e.getMessage());
    }

    private static String verdict(Norm norm, float[] values) {
        return AccuracyCommand.Verdict.of(norm, values, ExactNorm.of(values)).toString();
    }
}
