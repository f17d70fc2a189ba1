package io.github.lars4j.bench.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.report.Figures.Speed;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The sentences about made-up figures. */
@Tag("locale")
class SentencesTest {

    private static final RunFile TWO_CORES = new RunFile("", 2, Map.of(), List.of());
    private static final RunFile ONE_CORE =
            new RunFile("", 1, Map.of("CPU", "X, 1 core of the machine's 4, why"), List.of());

    /** A layout whose scan takes 40 and SGD 100. */
    private static Figures figures(String name, double lars, double update, double scalar, double threads) {
        return new Figures(
                new RunFile.Layout(name, 1000, 1),
                lars,
                40,
                100,
                speed(update),
                speed(scalar),
                speed(8),
                speed(threads));
    }

    private static Speed speed(double value) {
        return new Speed(value, value, value);
    }

    private static String sentence(int index, Figures... figures) {
        List<String> sentences = Sentences.of(TWO_CORES, List.of(figures));
        assertEquals(3, sentences.size());
        return sentences.get(index);
    }

    private static void assertSays(String part, String sentence) {
        assertTrue(sentence.contains(part), sentence);
    }

    @Test
    void costIsToldAgainstSgdAndTheTwoPasses() {
        assertEquals(
                "A LARS step takes 1.40 (big) to 2.10 (small) times as long as a step of SGD, and 1.00 to 1.50 times as long"
                        + " as its two passes must, a scan and a step of SGD: up to 50 % are lost beyond them.",
                sentence(0, figures("small", 210, 1, 1, 1), figures("big", 140, 1, 1, 1)));
        assertSays(
                "and 1.00 times as long as its two passes must, a scan and a step of SGD: nothing is lost beyond them.",
                sentence(0, figures("a", 140, 1, 1, 1)));
        assertSays("of SGD: 10 % are lost beyond them.", sentence(0, figures("a", 154, 1, 1, 1)));
    }

    @Test
    void theUpdateGainsNothingWhereTheJitVectorisesIt() {
        assertEquals(
                "By hand-written SIMD the update alone (a step of SGD) gains nothing over plain Java (0.99 to"
                        + " 1.03 times as fast), because the JIT vectorises that loop by itself; the whole step is 1.20"
                        + " (b) to 1.40 (a) times as fast as the best scalar one.",
                sentence(1, figures("a", 140, 1.03, 1.4, 1), figures("b", 140, 0.99, 1.2, 1)));
    }

    @Test
    void gainsAndLossesAreCalledSo() {
        String gain = sentence(1, figures("a", 140, 2, 1.4, 1));
        assertSays("the update alone (a step of SGD) is 2.00 times as fast as plain Java; the", gain);
        String loss = sentence(1, figures("a", 140, 0.8, 0.9, 1));
        assertSays("is slower than plain Java, 0.80 times as fast, because the JIT", loss);
        assertSays("the whole step is slower than the best scalar one, 0.90 times as fast.", loss);
        assertSays(
                "the whole step gains on c, gains nothing on b and is slower on a (0.80 to 1.50 times as fast as the best"
                        + " scalar one).",
                sentence(1, figures("a", 140, 1, 0.8, 1), figures("b", 140, 1, 1.01, 1), figures("c", 140, 1, 1.5, 1)));
    }

    @Test
    void threadsAreToldAgainstTheIdeal() {
        assertEquals(
                "A step on 2 threads is 1.80 times as fast as one on a single thread, where 2 times would be ideal.",
                sentence(2, figures("a", 140, 1, 1, 1.8)));
        assertSays(
                "is slower than one on a single thread, 0.50 times as fast", sentence(2, figures("a", 140, 1, 1, 0.5)));
        assertSays(
                "gains on b and is slower on a (0.50 to 1.80 times as fast as one on a single thread)",
                sentence(2, figures("a", 140, 1, 1, 0.5), figures("b", 140, 1, 1, 1.8)));
        assertEquals(
                "The JVM could use one core alone (X, 1 core of the machine's 4, why), so what threads bring was not measured.",
                Sentences.of(ONE_CORE, List.of(figures("a", 140, 1, 1, 1))).get(2));
        RunFile unknown = new RunFile("", 1, Map.of(), List.of());
        assertEquals(
                "What threads bring was not measured.",
                Sentences.of(unknown, List.of(figures("a", 140, 1, 1, Double.NaN)))
                        .get(2),
                "a file of JMH does not say how many cores there were");
    }

    @Test
    void whatWasNotMeasuredIsSaid() {
        double nan = Double.NaN;
        for (List<Figures> figures : List.of(List.<Figures>of(), List.of(figures("a", nan, nan, nan, nan)))) {
            List<String> sentences = Sentences.of(TWO_CORES, figures);
            assertEquals(3, sentences.size());
            assertTrue(sentences.stream().allMatch(s -> s.endsWith("was not measured.")), sentences.toString());
        }
        assertSays(
                "is 1.80 times as fast", sentence(2, figures("a", nan, nan, nan, nan), figures("b", 140, 1, 1, 1.8)));
    }

    @Test
    void timesThatDifferTwofoldAreWarnedOf() {
        String quiet = "[" + MadeUp.run("lars", "a", "vector", 1, 10, 19) + ","
                + MadeUp.run("sgd", "a", "vector", 1, 10) + "]";
        assertTrue(Sentences.warning(StepTimes.parse(quiet)).isEmpty());
        String busy = quiet.replace("[19.0,19.0]", "[19.0,21.0]");
        assertSays(
                "of 2 times 1 differ more than twofold",
                Sentences.warning(StepTimes.parse(busy)).orElseThrow());
    }
}
