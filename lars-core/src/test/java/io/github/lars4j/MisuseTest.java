package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleConsumer;
import java.util.function.DoubleSupplier;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Every public parameter's bad values: a specific exception that names the argument and the value, and nothing changed. */
class MisuseTest {

    private static final Layers LAYERS =
            Layers.builder().add("a", 5).add("b", 3).build();

    /** What is done, what it throws, and what the message says. */
    private record Row(Executable misuse, Class<? extends Exception> thrown, List<String> words) {}

    private final List<Row> rows = new ArrayList<>();

    private void row(Executable misuse, Class<? extends Exception> thrown, String... words) {
        rows.add(new Row(misuse, thrown, List.of(words)));
    }

    private void isNull(String name, Executable misuse) {
        row(misuse, NullPointerException.class, name);
    }

    private void bad(Executable misuse, String... words) {
        row(misuse, IllegalArgumentException.class, words);
    }

    private void badIndex(Executable misuse, String... words) {
        row(misuse, IndexOutOfBoundsException.class, words);
    }

    /** Refuses each of these values. */
    private void badNumbers(String name, DoubleConsumer misuse, double... values) {
        for (double value : values) {
            bad(() -> misuse.accept(value), name + " is " + value);
        }
    }

    private static final double NAN = Double.NaN;
    private static final double INF = Double.POSITIVE_INFINITY;

    /** Runs every row; {@code state} tells whether anything changed. */
    private void assertRefused(StateBits state) {
        assertTrue(rows.size() > 5);
        for (int i = 0; i < rows.size(); i++) {
            Row row = rows.get(i);
            String what = "row " + i + " " + row.words;
            String before = state.bits();
            Exception thrown = assertThrows(row.thrown, row.misuse, what);
            assertEquals(row.thrown, thrown.getClass(), what);
            for (String word : row.words) {
                assertTrue(String.valueOf(thrown.getMessage()).contains(word), () -> what + ": " + thrown.getMessage());
            }
            assertEquals(before, state.bits(), what);
        }
        System.out.println(rows.size() + " misuses, each refused by name, with nothing changed");
    }

    private interface StateBits {
        String bits();
    }

    private static Lars.Builder builder() {
        return Lars.builder(LAYERS).learningRate(0.5);
    }

    @Test
    void layersAndTreatments() {
        Treatment full = Treatment.FULL;
        isNull("name", () -> new Layer(null, 0, List.of(1L), 1, full));
        isNull("shape", () -> new Layer("a", 0, null, 1, full));
        isNull("treatment", () -> new Layer("a", 0, List.of(1L), 1, null));
        bad(() -> new Layer("a", -1, List.of(1L), 1, full), "offset of layer \"a\" is -1");
        bad(() -> new Layer("a", 0, List.of(2L, 3L), 5, full), "length of layer \"a\" is 5", "[2, 3]");
        bad(() -> new Layer("a", 0, List.of(-2L), -2, full), "shape of layer \"a\" is [-2]");
        bad(() -> new Layer("a", 0, List.of(1L << 32, 1L << 32), 0, full), "shape of layer \"a\" is [4294967296, ");
        bad(
                () -> new Layer("a", 1, List.of(Long.MAX_VALUE), Long.MAX_VALUE, full),
                "length of layer \"a\" is 92233",
                "at most 9223372036854775806");
        isNull("layers", () -> new Layers(null));
        bad(() -> new Layers(List.of()), "layers is empty");
        bad(() -> Layers.builder().build(), "layers is empty");
        bad(() -> Layers.builder().add("a", 1).add("a", 1).build(), "name \"a\"");
        bad(() -> Layers.builder().add("a", 2).at(1).add("b", 1).build(), "offset of layer \"b\" is 1", "\"a\"");
        isNull("name", () -> Layers.builder().add(null, 1));
        bad(() -> Layers.builder().add("a", -1), "shape of layer \"a\" is [-1]");
        isNull("treatment", () -> Layers.builder().add("a", 1, null));
        isNull("name", () -> Layers.builder().addTensor(null, 1));
        isNull("shape", () -> Layers.builder().addTensor("a", (long[]) null));
        bad(() -> Layers.builder().addTensor("a", 3, -1), "shape of layer \"a\" is [3, -1]");
        bad(() -> Layers.builder().at(-1), "offset is -1");
        isNull("pattern", () -> Layers.builder().treat(null, full));
        isNull("treatment", () -> Layers.builder().treat(Pattern.compile("a"), null));
        isNull("treatment", () -> Layers.builder().treatOneDimensional(null));
        badIndex(() -> LAYERS.get(-1), "index is -1");
        badIndex(() -> LAYERS.get(2), "index is 2", "[0, 2)");
        isNull("name", () -> LAYERS.index(null));
        bad(() -> LAYERS.index("c"), "name is \"c\"");
        badNumbers("rateFactor", value -> new Treatment(true, true, value), -1, NAN, INF, -INF);
        badNumbers("rateFactor", full::withRateFactor, -1, NAN, INF, -INF);
        assertRefused(LAYERS::toString);
    }

    @Test
    void rulesAndHyperparameters() {
        Rule paper = Dialects.PAPER;
        isNull("ratio", () -> new Rule(null, paper.entry(), paper.zeroNorm(), false, true, 0));
        isNull("entry", () -> new Rule(paper.ratio(), null, paper.zeroNorm(), false, true, 0));
        isNull("zeroNorm", () -> new Rule(paper.ratio(), paper.entry(), null, false, true, 0));
        badNumbers("epsilon", paper::withEpsilon, -1e-30, NAN, INF, -INF);
        isNull("rule", () -> new Hyperparameters(null, 1, 0, 0, 0, false, false));
        isNull("rule", () -> Hyperparameters.DEFAULT.withRule(null));
        assertRefused(paper::toString);
    }

    @Test
    void schedules() {
        Schedule one = Schedule.constant(1);
        badNumbers("rate", Schedule::constant, -1, NAN, INF, -INF);
        badNumbers("rate", value -> Schedule.polynomial(value, 2, 5), -1, NAN, INF);
        badNumbers("power", value -> Schedule.polynomial(1, value, 5), 0, -1, NAN, INF);
        bad(() -> Schedule.polynomial(1, 2, 0), "steps is 0");
        badNumbers("rate", value -> Schedule.cosine(value, 5), -1, NAN, INF);
        bad(() -> Schedule.cosine(1, -1), "steps is -1");
        badNumbers("rate", value -> Schedule.steps(value, 1, 5), -1, NAN, INF);
        badNumbers("factor", value -> Schedule.steps(1, value, 5), -1, NAN, INF);
        isNull("milestones", () -> Schedule.steps(1, 1, (long[]) null));
        bad(() -> Schedule.steps(1, 1, 3, -2), "milestones is -2");
        bad(() -> one.warmup(-1), "warmup is -1");
        bad(() -> one.then(-1, one), "steps is -1");
        isNull("next", () -> one.then(1, null));
        assertRefused(() -> "");
    }

    @Test
    void theBuilder() {
        isNull("layers", () -> Lars.builder(null));
        row(() -> Lars.builder(LAYERS).build(), IllegalStateException.class, "learningRate");
        badNumbers("rate", value -> builder().learningRate(value), -1, NAN, INF, -INF);
        isNull("schedule", () -> builder().learningRate(null));
        isNull("rule", () -> builder().rule(null));
        badNumbers(
                "trustCoefficient", value -> builder().trustCoefficient(value).build(), 0, -1, NAN, INF, -INF);
        badNumbers("weightDecay", value -> builder().weightDecay(value).build(), -1, NAN, INF, -INF);
        badNumbers("momentum", value -> builder().momentum(value).build(), -1, NAN, INF, -INF);
        badNumbers("dampening", value -> builder().momentum(1).dampening(value).build(), NAN, INF, -INF);
        bad(() -> builder().nesterov(true).build(), "nesterov is true", "momentum 0.0");
        bad(() -> builder().momentum(0.9).dampening(0.1).nesterov(true).build(), "nesterov", "dampening 0.1");
        bad(
                () -> builder().rule(Dialects.BOLTS).momentumCorrection(true).build(),
                "momentumCorrection is true",
                "GRADIENT");
        badNumbers("maxGradientNorm", value -> builder().maxGradientNorm(value).build(), 0, -1, NAN, -INF);
        isNull("onBadGradient", () -> builder().onBadGradient(null));
        isNull("momentumBuffer", () -> builder().momentumBuffer(null));
        bad(() -> builder().momentumBuffer(new float[8]).build(), "momentumBuffer", "momentum 0");
        bad(() -> builder().momentum(0.9).momentumBuffer(new float[7]).build(), "momentumBuffer has length 7");
        bad(
                () -> builder()
                        .momentum(0.9)
                        .momentumBuffer(new float[] {0, 0, 0, 0, 0, 0, Float.NaN, 0})
                        .build(),
                "momentumBuffer is NaN at 6");
        for (int threads : new int[] {0, -1, 1025, Integer.MIN_VALUE}) {
            bad(() -> builder().parallelism(threads).build(), "parallelism is " + threads);
        }
        assertRefused(() -> "");
    }

    @Test
    void steps() {
        float[] buffer = Random32.normal(9, 8, 1);
        Lars lars = builder()
                .momentum(0.9)
                .rule(Dialects.OPTAX)
                .weightDecay(0.1)
                .momentumBuffer(buffer)
                .build();
        float[] w = Random32.normal(1, 8, 1);
        float[] g = Random32.normal(2, 8, 1);
        float[] shorter = new float[7];
        Gradients gradients = Gradients.of(g);
        DoubleSupplier none = () -> 0;
        LayerSums absent = new LayerSums(LAYERS);
        LayerSums others =
                new LayerSums(Layers.builder().add("a", 5).add("c", 3).build());
        lars.step(w, g);

        isNull("params", () -> lars.step(null, g));
        isNull("gradients", () -> lars.step(w, (float[]) null));
        isNull("gradients", () -> lars.step(w, (Gradients) null));
        isNull("params", () -> lars.step(null, g, none));
        isNull("gradients", () -> lars.step(w, (float[]) null, none));
        isNull("closure", () -> lars.step(w, g, null));
        isNull("closure", () -> lars.step(w, gradients, null));
        isNull("gradients", () -> lars.step(w, (Gradients) null, none));
        isNull("params", () -> lars.measure(null, gradients));
        isNull("gradients", () -> lars.measure(w, (Gradients) null));
        isNull("gradients", () -> lars.measure(w, (float[]) null));
        isNull("sums", () -> lars.update(w, gradients, null));
        isNull("params", () -> lars.update(null, gradients, absent));
        isNull("gradients", () -> lars.update(w, (Gradients) null, absent));
        isNull("gradients", () -> lars.update(w, (float[]) null, absent));
        isNull("gradients", () -> Gradients.of(null));

        bad(() -> lars.step(shorter, g), "params has length 7", "8");
        bad(() -> lars.step(w, shorter), "gradients has length 7", "8");
        bad(() -> lars.step(w, w), "gradients is the same array as params");
        bad(() -> lars.step(buffer, g), "params is the same array as the momentum buffer");
        bad(() -> lars.step(w, buffer), "gradients is the same array as the momentum buffer");
        bad(() -> lars.measure(shorter, g), "params has length 7");
        bad(() -> lars.measure(w, shorter), "gradients has length 7");
        bad(() -> lars.measure(w, w), "gradients is the same array as params");
        bad(() -> lars.update(w, g, absent), "sums", "\"a\"");
        bad(() -> lars.update(w, g, others), "sums has layer \"c\" at index 1");
        bad(() -> lars.update(shorter, g, absent), "params has length 7");

        badNumbers("scale", value -> Gradients.of(g).scale(value), 0, -1, NAN, INF, -INF);
        badIndex(() -> Gradients.of(g).missing(-1, true), "layer is -1");
        bad(() -> lars.step(w, Gradients.of(g).missing(2, true)), "missing has layer 2", "[0, 2)");
        bad(() -> lars.step(w, Gradients.of(g).squares(new double[3])), "squares has length 3", "2");
        bad(() -> lars.step(w, Gradients.of(g).squares(new double[] {1, -2})), "squares is -2.0", "\"b\"");

        badNumbers("rate", lars::learningRate, -1, NAN, INF, -INF);
        isNull("schedule", () -> lars.learningRate(null));
        isNull("snapshot", () -> lars.restore(null));
        isNull("rule", () -> lars.snapshot().convertedTo(null));
        Snapshot other = Lars.builder(others.layers()).learningRate(1).build().snapshot();
        bad(() -> lars.restore(other), "snapshot has layer \"c\" at index 1");
        assertRefused(() -> Bits.of(lars, w, g, buffer));
        lars.step(w, g);
        assertEquals(2, lars.steps(), "and none of it was in the way of the next step");
    }

    @Test
    void schedulesThatGiveNoRate() {
        for (double rate : new double[] {-1, NAN, INF}) {
            Lars lars = builder().learningRate(step -> rate).build();
            float[] w = {1, 2, 3, 4, 5, 6, 7, 8};
            String before = Bits.of(lars, w);
            IllegalArgumentException thrown =
                    assertThrows(IllegalArgumentException.class, () -> lars.step(w, new float[8]));
            assertTrue(thrown.getMessage().contains("rate of step 0 is " + rate), thrown::getMessage);
            assertEquals(before, Bits.of(lars, w));
        }
    }

    @Test
    void sumsAndReports() {
        LayerSums sums = new LayerSums(LAYERS);
        StepReport report = builder().build().step(new float[8], new float[8]);
        isNull("layers", () -> new LayerSums(null));
        isNull("other", () -> sums.add(null));
        bad(() -> sums.setWeights(1, -1), "sum of layer \"b\" is -1.0");
        bad(() -> sums.setGradients(1, -1), "sum of layer \"b\" is -1.0");
        for (int layer : new int[] {-1, 2}) {
            String named = "layer is " + layer;
            badIndex(() -> sums.setWeights(layer, 1), named);
            badIndex(() -> sums.setGradients(layer, 1), named);
            badIndex(() -> sums.setProducts(layer, 1), named);
            badIndex(() -> sums.weights(layer), named);
            badIndex(() -> sums.gradients(layer), named);
            badIndex(() -> sums.products(layer), named);
            badIndex(() -> sums.hasWeights(layer), named);
            badIndex(() -> sums.hasGradients(layer), named);
            badIndex(() -> sums.hasProducts(layer), named);
            badIndex(() -> report.outcome(layer), named);
            badIndex(() -> report.weightNorm(layer), named);
            badIndex(() -> report.gradientNorm(layer), named);
            badIndex(() -> report.trustRatio(layer), named);
            badIndex(() -> report.effectiveRate(layer), named);
        }
        assertRefused(() -> report.toString() + sums.hasWeights(1) + sums.hasGradients(1));
    }
}
