package io.github.lars4j;

import static io.github.lars4j.Bits.assertSame;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.LayerwiseOracle.Numbers;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Runs in which hyperparameters, groups and layers change between steps at random. Each step must have the bits of the
 * oracle, which is told the numbers of each layer by a model of its own; each change that the model calls contradictory
 * must be refused and change nothing.
 */
class ChangesTest {

    private static final int ZERO = Integer.parseInt("0");

    private static final int MOST_LAYERS = 12;
    private static final int[] LENGTHS = {5000, 3, 130, 0, 700, 64, 9000, 1, 257, 40, 333, 12};
    private static final Treatment[] TREATMENTS = {
        Treatment.FULL,
        Treatment.FULL,
        Treatment.PLAIN,
        Treatment.PLAIN.withRateFactor(0.25),
        Treatment.FULL.withDecay(false),
        Treatment.FULL.withAdapt(false).withRateFactor(3)
    };
    private static final int N = 16_000;

    /** A value of the settings: a number, a boolean, a rule or a schedule. */
    private record Value(String key, Object value, UnaryOperator<Settings> set) {}

    private record ModelGroup(String name, Predicate<Layer> pattern, BitSet members, Map<String, Object> values) {}

    /** What the optimizer should be. */
    private static final class Model {
        Layers layers;
        Map<String, Object> own = new HashMap<>(Map.of(
                "rule", LarsTest.DIALECTS.getFirst(),
                "trustCoefficient", 0.02,
                "decay", 0.01,
                "momentum", 0.9,
                "dampening", 0.0,
                "nesterov", false,
                "correct", false,
                "rate", 0.5));
        List<ModelGroup> groups = new ArrayList<>();

        Model copy() {
            Model copy = new Model();
            copy.layers = layers;
            copy.own = new HashMap<>(own);
            for (ModelGroup group : groups) {
                copy.groups.add(new ModelGroup(
                        group.name, group.pattern, (BitSet) group.members.clone(), new HashMap<>(group.values)));
            }
            return copy;
        }

        Map<String, Object> of(int layer) {
            Map<String, Object> values = new HashMap<>(own);
            for (ModelGroup group : groups) {
                if (group.members.get(layer)) {
                    values.putAll(group.values);
                }
            }
            return values;
        }

        private static boolean consistent(Map<String, Object> values) {
            boolean without = values.get("momentum").equals(0.0);
            boolean nesterov = (boolean) values.get("nesterov");
            boolean correct = (boolean) values.get("correct");
            return !(nesterov && (without || (double) values.get("dampening") != 0))
                    && !(correct && ((Rule) values.get("rule")).entry() != Rule.Entry.VELOCITY);
        }

        boolean consistent() {
            boolean all = consistent(own);
            for (int i = 0; i < layers.size(); i++) {
                all &= consistent(of(i));
            }
            return all;
        }

        boolean mayHaveMomentum(int layer) {
            return !of(layer).get("momentum").equals(0.0);
        }

        private static double at(Object value, long step) {
            return value instanceof Schedule schedule ? schedule.rate(step) : (double) value;
        }

        Numbers numbers(int layer, long step) {
            Map<String, Object> values = of(layer);
            Treatment treatment = layers.get(layer).treatment();
            double factor = treatment.rateFactor() * (double) values.getOrDefault("factor", 1.0);
            return new Numbers(
                    (Rule) values.get("rule"),
                    treatment.adapt(),
                    at(values.get("trustCoefficient"), step),
                    treatment.decay() ? at(values.get("decay"), step) : 0,
                    factor * at(values.get("rate"), step),
                    at(values.get("momentum"), step),
                    (double) values.get("dampening"),
                    (boolean) values.get("nesterov"),
                    (boolean) values.get("correct"));
        }
    }

    private final Random random;

    ChangesTest() {
        this.random = new Random(1);
    }

    @SafeVarargs
    private <T> T any(T... from) {
        return from[random.nextInt(from.length)];
    }

    /** Returns a number or a schedule that takes some of the values in turn. */
    private Object numberOrSchedule(double... values) {
        if (random.nextInt(3) > 0) {
            return values[random.nextInt(values.length)];
        }
        long shift = random.nextInt(values.length);
        return (Schedule) step -> values[(int) ((step / 2 + shift) % values.length)];
    }

    private Value value(boolean ofGroup) {
        String key = any(
                "rule",
                "trustCoefficient",
                "decay",
                "momentum",
                "momentum",
                "dampening",
                "nesterov",
                "correct",
                "rate",
                "factor");
        return switch (key) {
            case "rule" -> {
                Rule rule = LarsTest.DIALECTS.get(random.nextInt(LarsTest.DIALECTS.size()));
                yield new Value(key, rule, s -> s.rule(rule));
            }
            case "trustCoefficient" -> {
                Object value = numberOrSchedule(0.02, 0.01, 0.03);
                yield new Value(
                        key,
                        value,
                        s -> value instanceof Schedule schedule
                                ? s.trustCoefficient(schedule)
                                : s.trustCoefficient((double) value));
            }
            case "decay" -> {
                Object value = numberOrSchedule(0, 0.01, 0.03);
                yield new Value(
                        key,
                        value,
                        s -> value instanceof Schedule schedule
                                ? s.weightDecay(schedule)
                                : s.weightDecay((double) value));
            }
            case "momentum" -> {
                Object value = numberOrSchedule(0, 0.9, 0.5);
                yield new Value(
                        key,
                        value,
                        s -> value instanceof Schedule schedule ? s.momentum(schedule) : s.momentum((double) value));
            }
            case "dampening" -> {
                double value = any(0.0, 0.0, 0.3);
                yield new Value(key, value, s -> s.dampening(value));
            }
            case "nesterov" -> {
                boolean value = random.nextBoolean();
                yield new Value(key, value, s -> s.nesterov(value));
            }
            case "correct" -> {
                boolean value = random.nextBoolean();
                yield new Value(key, value, s -> s.momentumCorrection(value));
            }
            case "factor" -> {
                if (!ofGroup) {
                    yield value(false);
                }
                double value = any(0.0, 0.5, 2.0);
                yield new Value(key, value, s -> s.rateFactor(value));
            }
            default -> {
                Object value = numberOrSchedule(0.5, 0.1, 0, 0.7);
                yield new Value(
                        key,
                        value,
                        s -> value instanceof Schedule schedule
                                ? s.learningRate(schedule)
                                : s.learningRate((double) value));
            }
        };
    }

    private List<Value> values(boolean ofGroup) {
        List<Value> values = new ArrayList<>();
        for (int k = random.nextInt(4); k > 0; k--) {
            values.add(value(ofGroup));
        }
        return values;
    }

    private static UnaryOperator<Settings> settings(List<Value> values) {
        return settings -> {
            Settings changed = settings;
            for (Value value : values) {
                changed = value.set.apply(changed);
            }
            return changed;
        };
    }

    private static void put(List<Value> values, Map<String, Object> into) {
        values.forEach(value -> into.put(value.key, value.value));
    }

    private Layers layers(int count, Layers before) {
        List<Layer> layers = new ArrayList<>();
        long offset = 0;
        for (int i = 0; i < count; i++) {
            offset += i % 3 == 1 ? 7 : 0;
            Treatment treatment = before != null && i < before.size() && random.nextInt(3) > 0
                    ? before.get(i).treatment()
                    : any(TREATMENTS);
            layers.add(new Layer("layer " + i, offset, List.of((long) LENGTHS[i]), LENGTHS[i], treatment));
            offset += LENGTHS[i];
        }
        return new Layers(layers);
    }

    private Predicate<Layer> pattern() {
        int bits = random.nextInt(1 << MOST_LAYERS);
        return layer -> (bits >> Integer.parseInt(layer.name().substring("layer ".length())) & 1) != 0;
    }

    private static BitSet members(Predicate<Layer> pattern, Layers layers) {
        BitSet members = new BitSet();
        for (int i = 0; i < layers.size(); i++) {
            members.set(i, pattern.test(layers.get(i)));
        }
        return members;
    }

    @Test
    @Tag("bits")
    void randomChangesGiveTheBitsOfTheOracle() {
        int[] counts = new int[3];
        for (int seed = 0; seed < 60; seed++) {
            if (usesVectors(seed) || !Kernel.ONE_WIDTH) {
                random.setSeed(seed);
                run(seed, counts);
            }
        }
        System.out.printf(
                "%d steps with the bits of the oracle, between %d changes; %d others refused, which changed nothing%n",
                counts[0], counts[1], counts[2]);
        int least = Kernel.ONE_WIDTH ? 100 : 1000;
        assertTrue(counts[0] > least && counts[1] > least && counts[2] > least / 20);
    }

    private static boolean usesVectors(int seed) {
        return seed % 8 == 7;
    }

    private void run(int seed, int[] counts) {
        Model model = new Model();
        model.layers = layers(4 + random.nextInt(4), null);
        boolean skip = random.nextBoolean();
        float[] params = Random32.normal(seed, N, 1);
        LayerwiseOracle oracle = new LayerwiseOracle(params.clone(), MOST_LAYERS);
        Lars.Builder builder = Lars.builder(model.layers)
                .learningRate(0.5)
                .trustCoefficient(0.02)
                .weightDecay(0.01)
                .momentum(0.9)
                .simd(usesVectors(seed) ? Simd.REQUIRED : Simd.OFF)
                .parallelism(seed % 3 == 0 ? 4 : 1)
                .carrySums(random.nextBoolean())
                .onBadGradient(skip ? OnBadGradient.SKIP_LAYER : OnBadGradient.THROW);
        try (Lars lars = Inside.fineGrain(builder).build()) {
            for (int k = 0; k < 60; k++) {
                String what = "seed " + seed + ", call " + k;
                if (random.nextInt(5) < 2) {
                    change(lars, model, oracle, params, what, counts);
                } else {
                    step(lars, model, oracle, params, skip, seed * 1000L + k, what);
                    counts[0]++;
                }
            }
        }
    }

    private void change(Lars lars, Model model, LayerwiseOracle oracle, float[] params, String what, int[] counts) {
        Model changed = model.copy();
        Runnable call;
        boolean allowed = true;
        switch (random.nextInt(5)) {
            case 0, 1 -> {
                List<Value> values = values(false);
                put(values, changed.own);
                call = () -> lars.change(settings(values));
            }
            case 2, 3 -> {
                if (changed.groups.isEmpty() || random.nextInt(4) == 0) {
                    List<Value> values = values(true);
                    Predicate<Layer> pattern = pattern();
                    BitSet members = members(pattern, changed.layers);
                    String name = "group " + random.nextInt(6);
                    allowed = !members.isEmpty() && changed.groups.stream().noneMatch(group -> group.name.equals(name));
                    ModelGroup group = new ModelGroup(name, pattern, members, new HashMap<>());
                    put(values, group.values);
                    changed.groups.add(group);
                    call = () -> lars.addGroup(name, pattern, settings(values));
                } else {
                    ModelGroup group = changed.groups.get(random.nextInt(changed.groups.size()));
                    List<Value> values = values(true);
                    put(values, group.values);
                    call = () -> lars.change(group.name, settings(values));
                }
            }
            default -> {
                int size = changed.layers.size();
                int count = Math.min(MOST_LAYERS, size + random.nextInt(3));
                Layers all = layers(count, changed.layers);
                for (ModelGroup group : changed.groups) {
                    for (int i = size; i < count; i++) {
                        group.members.set(i, group.pattern.test(all.get(i)));
                    }
                }
                changed.layers = all;
                call = () -> lars.addLayers(all);
            }
        }
        if (allowed && changed.consistent()) {
            call.run();
            for (int i = 0; i < model.layers.size(); i++) {
                if (!model.mayHaveMomentum(i) && changed.mayHaveMomentum(i)) {
                    oracle.loseMomentum(i, model.layers.get(i));
                }
            }
            model.layers = changed.layers;
            model.own = changed.own;
            model.groups = changed.groups;
            counts[1]++;
        } else {
            String before = Inside.everything(lars, params);
            assertThrows(IllegalArgumentException.class, call::run, what);
            assertEquals(before, Inside.everything(lars, params), what);
            counts[2]++;
        }
    }

    private void step(
            Lars lars, Model model, LayerwiseOracle oracle, float[] params, boolean skip, long seed, String what) {
        float[] g = Random32.normal(seed, N, 0.3);
        double scale = any(1.0, 0.125);
        Gradients gradients = Gradients.of(g).scale(scale);
        BitSet left = new BitSet();
        int size = model.layers.size();
        for (int i = 0; i < size; i++) {
            boolean missing = random.nextInt(5) == 0;
            gradients.missing(i, missing);
            left.set(i, missing);
        }
        int bad = random.nextInt(size);
        if (random.nextInt(4) == 0 && !left.get(bad) && model.layers.get(bad).length() > 0) {
            int at = (int) model.layers.get(bad).offset();
            float good = g[at];
            g[at] = Float.NaN;
            if (skip) {
                left.set(bad);
            } else {
                String before = Inside.everything(lars, params);
                assertThrows(NonFiniteException.class, () -> lars.step(params, gradients), what);
                assertEquals(before, Inside.everything(lars, params), what);
                g[at] = good;
            }
        }
        Numbers[] numbers = new Numbers[size];
        for (int i = 0; i < size; i++) {
            numbers[i] = model.numbers(i, lars.steps());
        }
        oracle.step(model.layers, numbers, g, scale, left);
        StepReport report = random.nextInt(3) == 0
                ? lars.update(params, gradients, lars.measure(params, gradients))
                : lars.step(params, gradients);
        float[] momentum = Inside.momentum(lars);
        for (int i = 0; i < size; i++) {
            String layer = what + ", " + model.layers.get(i) + " " + numbers[i];
            assertEquals(oracle.ratios[i], report.trustRatio(i), layer);
            if (!left.get(i)) {
                assertEquals(numbers[i].rate() * oracle.ratios[i], report.effectiveRate(i), layer);
            }
            if (model.mayHaveMomentum(i)) {
                for (int e = (int) model.layers.get(i).offset();
                        e < model.layers.get(i).end();
                        e++) {
                    if (Float.floatToIntBits(oracle.v[e]) != Float.floatToIntBits(momentum[e])) {
                        assertEquals(oracle.v[e], momentum[e], layer + ", momentum at " + e);
                    }
                }
            }
        }
        assertSame(oracle.w, params, what);
    }

    private static final Layers FEW = Layers.builder()
            .add("fc.weight", 300)
            .at(310)
            .add("fc.bias", 20, Treatment.PLAIN)
            .add("head", 77)
            .build();

    private static final int END = (int) FEW.end() + 100;

    private static Lars.Builder few() {
        return Lars.builder(FEW).learningRate(0.5).trustCoefficient(0.02).weightDecay(0.01);
    }

    private static float[] gradients(int step) {
        return Random32.normal(500 + step, END, 0.3);
    }

    /** A value that changes in every step, by schedule or by a call before the step. */
    private record Sequence(String name, List<Double> values) {

        UnaryOperator<Settings> schedule() {
            Schedule schedule = step -> values.get((int) (step % values.size()));
            return settings -> set(settings, schedule);
        }

        UnaryOperator<Settings> at(long step) {
            return settings -> set(settings, Schedule.constant(values.get((int) (step % values.size()))));
        }

        private Settings set(Settings settings, Schedule value) {
            return switch (name) {
                case "momentum" -> settings.momentum(value);
                case "weightDecay" -> settings.weightDecay(value);
                case "trustCoefficient" -> settings.trustCoefficient(value);
                default -> settings.learningRate(value);
            };
        }
    }

    /** Also for layers without a gradient and with a bad one in steps whose momentum is 0. */
    @Test
    void aScheduleGivesTheBitsOfACallBeforeEachStep() {
        List<Sequence> sequences = List.of(
                new Sequence("momentum", List.of(0.0, 0.9, 0.8, 0.0, 0.0, 0.9)),
                new Sequence("momentum", List.of(0.9, 0.9, 0.0, 0.7)),
                new Sequence("weightDecay", List.of(0.0, 0.01, 0.1)),
                new Sequence("trustCoefficient", List.of(0.02, 0.03, 0.001)),
                new Sequence("learningRate", List.of(0.5, 0.0, 0.1, 0.7)));
        for (Sequence sequence : sequences) {
            for (boolean ofGroup : new boolean[] {false, true}) {
                Lars.Builder builder = few().onBadGradient(OnBadGradient.SKIP_LAYER)
                        .momentum(sequence.name.equals("momentum") ? 0 : 0.9)
                        .dampening(0.25)
                        .momentumCorrection(true)
                        .group("fc", layer -> layer.name().startsWith("fc"), s -> s);
                Lars byCall = builder.build();
                Lars bySchedule = builder.build();
                change(bySchedule, ofGroup, sequence.schedule());
                float[] expected = Random32.normal(1, END, 1);
                float[] params = expected.clone();
                for (int step = 0; step < 24; step++) {
                    change(byCall, ofGroup, sequence.at(step));
                    float[] g = gradients(step);
                    g[312] = step % 5 == 2 ? Float.NaN : g[312];
                    Gradients gradients = Gradients.of(g).missing(0, step % 7 % 3 == 2);
                    String report = byCall.step(expected, gradients).toString();
                    assertEquals(report, bySchedule.step(params, gradients).toString());
                    assertSame(expected, params, sequence.name + ", step " + step);
                    for (int i = 0; i < FEW.size(); i++) {
                        String what = sequence.name + ", step " + step + ", layer " + i;
                        assertEquals(Inside.learningRates(byCall)[i], Inside.learningRates(bySchedule)[i], what);
                    }
                }
            }
        }
    }

    private static void change(Lars lars, boolean group, UnaryOperator<Settings> change) {
        if (group) {
            lars.change("fc", change);
        } else {
            lars.change(change);
        }
    }

    @Test
    void momentumFromZeroIsAllocatedByTheChangeAndItsFirstStepIsNotDampened() {
        Lars lars = few().dampening(0.75)
                .group("fc", layer -> layer.name().startsWith("fc"), s -> s)
                .group("bias", layer -> layer.name().equals("fc.bias"), s -> s.learningRate(1))
                .build();
        float[] params = Random32.normal(1, END, 1);
        float[] ones = new float[END];
        Arrays.fill(ones, 1);
        lars.step(params, ones);
        assertEquals(null, Inside.momentum(lars));
        lars.change("fc", s -> s.momentum(0.5));
        float[] momentum = Inside.momentum(lars);
        assertEquals((int) FEW.end(), momentum.length);
        float expected = 0;
        for (int step = 0; step < 12; step++) {
            boolean first = step == 0 || step == 7 || step == 9;
            switch (step) {
                case 3 -> {
                    // Changes of other values, and of other layers' momentum, do not make the layer start anew.
                    lars.change("fc", s -> s.momentum(0.5).weightDecay(0));
                    lars.change(s -> s.momentum(0.1));
                    lars.change(s -> s.momentum(0));
                }
                case 5 -> lars.change("fc", s -> s.momentum(at -> 0.5));
                case 7 -> {
                    lars.change("fc", s -> s.momentum(0));
                    lars.step(params, ones);
                    lars.change("fc", s -> s.momentum(0.5));
                }
                case 9 -> {
                    lars.change("fc", s -> s.momentum(0));
                    lars.change("fc", s -> s.momentum(0.5));
                }
                default -> {}
            }
            lars.step(params, ones);
            expected = first ? 1 : 0.5f * expected + 0.25f;
            assertEquals(expected, momentum[315], "step " + step);
            assertEquals(0, momentum[340], "a layer without momentum");
        }
        Assertions.assertSame(momentum, Inside.momentum(lars));
    }

    /** The momentum contains γη for adapted layers and γ for others, with the factors of their groups. */
    @Test
    void momentumCorrectionKnowsOfEveryChange() {
        Lars lars = few().weightDecay(0)
                .momentum(0.5)
                .momentumCorrection(true)
                .group("fc", layer -> layer.name().startsWith("fc"), s -> s.rateFactor(2))
                .build();
        float[] params = Random32.normal(1, END, 1);
        lars.step(params, gradients(0));
        float[] zeros = new float[END];
        // Without a gradient each step only multiplies the momentum.
        double[] factors = new double[3];
        float[] before = Inside.momentum(lars).clone();
        lars.change("fc", s -> s.rateFactor(3).trustCoefficient(0.01));
        lars.step(params, zeros);
        factors[0] = 0.5 * 1.5 * 0.5;
        factors[1] = 0.5 * 1.5;
        factors[2] = 0.5;
        assertFactors(before, Inside.momentum(lars), factors);
        before = Inside.momentum(lars).clone();
        lars.change("fc", s -> s.learningRate(Schedule.steps(0.25, 4, 3)));
        lars.change(s -> s.trustCoefficient(0.06).learningRate(1));
        lars.step(params, zeros);
        factors[0] = 0.5 * 0.5;
        factors[1] = 0.5 * 0.5;
        factors[2] = 0.5 * 2 * 3;
        assertFactors(before, Inside.momentum(lars), factors);
        before = Inside.momentum(lars).clone();
        lars.step(params, zeros);
        factors[0] = 0.5 * 4;
        factors[1] = 0.5 * 4;
        factors[2] = 0.5;
        assertFactors(before, Inside.momentum(lars), factors);
    }

    /** The momentum that a given ratio has made does not contain η. */
    @Test
    void momentumCorrectionKnowsOfGivenRatios() {
        Lars lars = few().momentum(0.5).momentumCorrection(true).build();
        float[] params = Random32.normal(1, END, 1);
        Gradients given = Gradients.of(gradients(0)).trustRatios(new double[] {1, 1, 1});
        Gradients zeros = Gradients.of(new float[END]);
        double[] factors = {0.5, 0.5, 0.5};
        lars.step(params, given);
        lars.change(s -> s.trustCoefficient(0.04).weightDecay(0));
        float[] before = Inside.momentum(lars).clone();
        lars.step(params, zeros.trustRatios(new double[] {1, 1, 1})); // given, then given
        assertFactors(before, Inside.momentum(lars), factors);
        before = Inside.momentum(lars).clone();
        lars.change(s -> s.trustCoefficient(0.08));
        lars.step(params, zeros.trustRatios(null)); // given, then the rule's
        assertFactors(before, Inside.momentum(lars), factors);
        before = Inside.momentum(lars).clone();
        lars.change(s -> s.trustCoefficient(0.16));
        lars.step(params, zeros.trustRatios(new double[] {1, 1, 1})); // the rule's, then given
        assertFactors(before, Inside.momentum(lars), factors);
    }

    private static void assertFactors(float[] before, float[] after, double[] factors) {
        for (int i = 0; i < FEW.size(); i++) {
            for (int e = (int) FEW.get(i).offset(); e < FEW.get(i).end(); e++) {
                assertEquals(factors[i], (double) after[e] / before[e], 1e-6, FEW.get(i) + " at " + e);
            }
        }
    }

    @Test
    void nesterovRestsWhileTheMomentumIsZeroBySchedule() {
        Lars lars =
                few().momentum(step -> step % 2 == 0 ? 0 : 0.9).nesterov(true).build();
        Lars without = few().build();
        float[] params = Random32.normal(1, END, 1);
        float[] expected = params.clone();
        assertEquals(false, lars.hyperparameters().nesterov());
        assertEquals(0, lars.hyperparameters().momentum());
        lars.step(params, gradients(0));
        without.step(expected, gradients(0));
        assertSame(expected, params, "weights");
        assertEquals(true, lars.hyperparameters().nesterov());
        assertEquals(0.9, lars.hyperparameters().momentum());
    }

    @Test
    void refusedChangesChangeNothing() {
        Lars lars = few().momentum(0.9)
                .group("fc", layer -> layer.name().startsWith("fc"), s -> s.nesterov(true))
                .group(
                        "head",
                        layer -> layer.name().equals("head"),
                        s -> s.momentum(0).learningRate(0.1))
                .build();
        float[] params = Random32.normal(1, END, 1);
        lars.step(params, gradients(0));
        String before = Inside.everything(lars, params);
        Map<String, UnaryOperator<Settings>> ofOptimizer = new HashMap<>();
        ofOptimizer.put("weightDecay is -1.0", s -> s.momentum(0.1).weightDecay(-1));
        ofOptimizer.put("momentum is NaN", s -> s.momentum(Double.NaN));
        ofOptimizer.put("trustCoefficient is 0.0", s -> s.trustCoefficient(0));
        ofOptimizer.put("dampening is Infinity", s -> s.dampening(Double.POSITIVE_INFINITY));
        ofOptimizer.put(
                "rate is -1.0",
                s -> s.learningRate(1).learningRate(Schedule.constant(0)).learningRate(-1));
        ofOptimizer.put("rateFactor is 2.0", s -> s.rateFactor(2));
        ofOptimizer.put("maxGradientNorm is 2.0", s -> s.maxGradientNorm(2));
        ofOptimizer.put("nesterov is true with momentum 0.0", s -> s.momentum(0).nesterov(true));
        ofOptimizer.put(
                "layer \"fc.weight\", with group \"fc\": nesterov is true",
                s -> s.learningRate(9).momentum(0));
        ofOptimizer.put("layer \"head\", with group \"head\": nesterov is true", s -> s.nesterov(true));
        ofOptimizer.forEach((message, change) -> {
            IllegalArgumentException thrown =
                    assertThrows(IllegalArgumentException.class, () -> lars.change(change), message);
            assertTrue(thrown.getMessage().startsWith(message), thrown::getMessage);
            assertEquals(before, Inside.everything(lars, params), message);
        });
        Map<String, Runnable> ofGroups = Map.of(
                "group is \"fcc\"; it must be the name of a group, one of [fc, head]",
                () -> lars.change("fcc", s -> s),
                "rateFactor is -1.0",
                () -> lars.change("fc", s -> s.rateFactor(-1)),
                "maxGradientNorm is 0.0",
                () -> lars.change("fc", s -> s.maxGradientNorm(0)),
                "layer \"fc.weight\", with group \"fc\": nesterov is true with momentum 0.9 and dampening 0.1",
                () -> lars.change("fc", s -> s.dampening(0.1)),
                "name is \"fc\"; there is such a group already",
                () -> lars.addGroup("fc", layer -> true, s -> s),
                "group \"none\" has no layers; at least one must be in it",
                () -> lars.addGroup("none", layer -> false, s -> s),
                "layer \"fc.weight\", with group \"fc\", \"new\": nesterov is true with momentum 0.0",
                () -> lars.addGroup("new", layer -> true, s -> s.momentum(0)));
        ofGroups.forEach((message, call) -> {
            IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class, call::run, message);
            assertTrue(thrown.getMessage().startsWith(message), thrown::getMessage);
            assertEquals(before, Inside.everything(lars, params), message);
        });
        Lars shrinking = few().group("fc", layer -> true, s -> s.rule(Dialects.PAPER.withShrink(true)))
                .build();
        String unchanged = Inside.everything(shrinking);
        IllegalArgumentException never =
                assertThrows(IllegalArgumentException.class, () -> shrinking.change("fc", s -> s.momentum(step -> 0)));
        assertEquals(
                "layer \"fc.weight\", with group \"fc\": momentum is a schedule with rule.shrink true; it must be 0",
                never.getMessage());
        assertEquals(unchanged, Inside.everything(shrinking));
        Schedule bad = step -> step == 1 ? -0.5 : 0.5;
        Map<String, UnaryOperator<Settings>> bySchedule = Map.of(
                "weightDecay of step 1 is -0.5", s -> s.weightDecay(bad),
                "momentum of step 1 is -0.5", s -> s.momentum(bad),
                "trustCoefficient of step 1 is -0.5", s -> s.trustCoefficient(bad),
                "rate of step 1 is -0.5", s -> s.learningRate(bad));
        bySchedule.forEach((message, change) -> {
            Lars other = few().momentum(0.9)
                    .group("head", layer -> layer.name().equals("head"), s -> s)
                    .build();
            float[] w = params.clone();
            other.step(w, gradients(0));
            Snapshot good = other.snapshot();
            other.change("head", change);
            String changed = Inside.everything(other, w);
            for (Runnable call : List.<Runnable>of(
                    () -> other.step(w, gradients(1)),
                    () -> other.update(w, gradients(1), other.measure(w, gradients(1))))) {
                IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class, call::run, message);
                assertTrue(thrown.getMessage().startsWith(message), thrown::getMessage);
                other.discard();
                assertEquals(changed, Inside.everything(other, w), message);
            }
            assertEquals(1, good.step());
        });
    }

    /** A refused step is no step: the schedules do not go on, and momentum that a step without it would lose stays. */
    @Test
    void aRefusedStepLosesNoMomentum() {
        Lars lars = few().onBadGradient(OnBadGradient.REFUSE)
                .group("fc", layer -> layer.name().startsWith("fc"), s -> s.momentum(step -> step == 1 ? 0 : 0.9))
                .build();
        float[] params = Random32.normal(1, END, 1);
        lars.step(params, gradients(0));
        float[] momentum = Inside.momentum(lars).clone();
        float[] before = params.clone();
        float[] bad = gradients(1);
        bad[345] = Float.NaN;
        assertTrue(lars.step(params, bad).refused());
        assertSame(momentum, Inside.momentum(lars), "momentum");
        assertSame(before, params, "weights");
        assertTrue(Inside.begun(lars)[0]);
        assertTrue(momentum[0] != 0);
        lars.step(params, gradients(1));
        assertEquals(0, Inside.momentum(lars)[0]);
        assertEquals("[false, false, true]", Arrays.toString(Inside.begun(lars)));
        lars.step(params, gradients(2));
        assertEquals("[true, true, true]", Arrays.toString(Inside.begun(lars)));
    }

    /** The caller's functions may fail, or call the optimizer, and change nothing. */
    @Test
    void aPatternThatFailsChangesNothing() {
        Lars lars = few().momentum(0.9)
                .group(
                        "fc",
                        layer -> {
                            if (layer.name().equals("fc3.weight")) {
                                throw new ArithmeticException(layer.name());
                            }
                            return true;
                        },
                        s -> s)
                .build();
        float[] params = Random32.normal(1, END, 1);
        lars.step(params, gradients(0));
        String before = Inside.everything(lars, params);
        assertThrows(ArithmeticException.class, () -> lars.addLayers(MORE));
        assertThrows(ArithmeticException.class, () -> lars.addGroup("g", layer -> 1 / ZERO > 0, s -> s));
        assertThrows(ArithmeticException.class, () -> lars.change(s -> s.nesterov(1 / ZERO > 0)));
        assertThrows(
                IllegalStateException.class,
                () -> lars.addGroup(
                        "g", layer -> lars.step(params, gradients(1)).refused(), s -> s));
        assertThrows(IllegalStateException.class, () -> {
            lars.change(
                    s -> s.weightDecay(step -> lars.step(params, gradients(1)).loss()));
            lars.step(params, gradients(1));
        });
        lars.change(s -> s.weightDecay(0.01));
        assertEquals(before.substring(before.indexOf("[group")), after(lars, params));
        lars.step(params, gradients(1));
    }

    private static String after(Lars lars, float[] params) {
        String text = Inside.everything(lars, params);
        return text.substring(text.indexOf("[group"));
    }

    // Layers that are added

    private static final Layers MORE = new Layers(List.of(
            FEW.get(0),
            FEW.get(1),
            FEW.get(2),
            new Layer("fc3.weight", FEW.end() + 3, List.of(90L), 90, Treatment.FULL),
            // In the gap of the present layers.
            new Layer("gap", 301, List.of(5L), 5, Treatment.PLAIN)));

    /** The bits are those of an optimizer with all layers, of which the new ones had no gradient until then. */
    @Test
    void addedLayersStartAndThePresentOnesGoOn() {
        for (int way = 0; way < 8; way++) {
            UnaryOperator<Lars.Builder> with = builder -> builder.learningRate(Schedule.cosine(1, 12))
                    .trustCoefficient(0.02)
                    .weightDecay(0.01)
                    .dampening(0.25)
                    .group("fc", layer -> layer.name().startsWith("fc"), s -> s.momentum(0.9))
                    .group("small", layer -> layer.length() < 50, s -> s.rateFactor(0.1));
            boolean carry = (way & 1) != 0;
            int threads = (way & 2) != 0 ? 4 : 1;
            OnBadGradient policy = (way & 4) != 0 ? OnBadGradient.SKIP_LAYER : OnBadGradient.THROW;
            int idle = lars4jThreads();
            try (Lars all = with.apply(Lars.builder(MORE)).build();
                    Lars lars = Inside.fineGrain(with.apply(Lars.builder(FEW))
                                    .carrySums(carry)
                                    .parallelism(threads)
                                    .onBadGradient(policy))
                            .build()) {
                float[] params = Random32.normal(1, END, 1);
                float[] expected = params.clone();
                for (int step = 0; step < 8; step++) {
                    Gradients gradients = Gradients.of(gradients(step)).scale(0.5);
                    Gradients some = Gradients.of(gradients(step))
                            .scale(0.5)
                            .missing(3, step < 4)
                            .missing(4, step < 4);
                    if (step == 4) {
                        lars.addLayers(MORE);
                        assertEquals(MORE, lars.layers());
                        assertEquals(
                                List.of("fc.weight", "fc.bias", "fc3.weight"),
                                lars.groups().get(0).layers());
                        assertEquals(
                                List.of("fc.bias", "gap"), lars.groups().get(1).layers());
                        assertEquals(idle + threads - 1, lars4jThreads());
                    }
                    StepReport report = lars.step(params, gradients);
                    StepReport ofAll = all.step(expected, some);
                    assertSame(expected, params, "way " + way + ", step " + step);
                    assertEquals(step < 4 ? FEW : MORE, report.layers());
                    if (step >= 4) {
                        assertEquals(ofAll.toString(), report.toString());
                        assertEquals(Bits.of(all), Bits.of(lars));
                    }
                }
            }
            assertEquals(idle, lars4jThreads());
        }
    }

    /** Counts the threads of optimizers, except those that have been told to end. */
    private static int lars4jThreads() {
        int count = 0;
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            count += thread.getName().matches("lars4j-\\d+") ? 1 : 0;
        }
        return count;
    }

    @Test
    void changesThatPlanAnewLeaveNoThreadsBehind() {
        int idle = lars4jThreads();
        try (Lars lars =
                few().parallelism(3).onBadGradient(OnBadGradient.SKIP_LAYER).build()) {
            for (int k = 0; k < 5; k++) {
                lars.addGroup("g" + k, layer -> true, s -> s);
                lars.addLayers(FEW);
            }
            lars.change("g0", s -> s.maxGradientNorm(1));
            assertEquals(idle + 2, lars4jThreads());
            assertThrows(IllegalArgumentException.class, () -> lars.addGroup("g0", layer -> true, s -> s));
            assertEquals(idle + 2, lars4jThreads());
        }
        assertEquals(idle, lars4jThreads());
    }

    @Test
    void layersAreAddedToACallersBufferOnlyIfItIsLongEnough() {
        float[] buffer = Random32.normal(3, (int) MORE.end(), 1);
        float[] exact = Arrays.copyOf(buffer, (int) FEW.end());
        Lars tooShort = few().momentum(0.9).momentumBuffer(exact).build();
        String before = Inside.everything(tooShort);
        IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class, () -> tooShort.addLayers(MORE));
        assertEquals(
                "momentumBuffer has length " + FEW.end() + "; it must be at least " + MORE.end()
                        + ", the end of the layers",
                thrown.getMessage());
        assertEquals(before, Inside.everything(tooShort));
        Lars lars = few().momentum(0.9).momentumBuffer(buffer).build();
        lars.addLayers(MORE);
        Assertions.assertSame(buffer, Inside.momentum(lars));
        assertEquals(0, buffer[303]);
        assertEquals(0, buffer[(int) MORE.end() - 1]);
        assertEquals(exact[0], buffer[0]);
        // The gap before the new layer belongs to no layer.
        assertTrue(buffer[(int) FEW.end()] != 0);
    }

    @Test
    void layersThatDoNotBeginWithThePresentOnesAreRefused() {
        Lars lars = few().momentum(0.9).build();
        float[] params = Random32.normal(1, END, 1);
        lars.step(params, gradients(0));
        String before = Inside.everything(lars, params);
        Layer moved = new Layer("head", 400, List.of(77L), 77, Treatment.FULL);
        List<Layers> bad = List.of(
                new Layers(List.of(FEW.get(0), FEW.get(1))),
                new Layers(List.of(FEW.get(1), FEW.get(0), FEW.get(2))),
                new Layers(List.of(FEW.get(0), FEW.get(1), moved, MORE.get(4))),
                new Layers(List.of(
                        FEW.get(0),
                        FEW.get(1),
                        FEW.get(2),
                        new Layer("head.momentum_buffer", 500, List.of(), 1, Treatment.FULL))),
                new Layers(List.of(
                        FEW.get(0),
                        FEW.get(1),
                        FEW.get(2),
                        new Layer("far", 500, List.of(1L << 42), 1L << 42, Treatment.FULL))));
        List<String> messages = List.of(
                "all has 2 layers; it must have at least 3",
                "all has layer \"fc.bias\" at index 0, offset 310, with shape [20]; it must be \"fc.weight\", offset 0",
                "all has layer \"head\" at index 2, offset 400",
                "layers has a layer \"head.momentum_buffer\"",
                "layers have 4398046");
        for (int k = 0; k < bad.size(); k++) {
            Layers all = bad.get(k);
            IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class, () -> lars.addLayers(all));
            assertTrue(thrown.getMessage().startsWith(messages.get(k)), thrown::getMessage);
            assertEquals(before, Inside.everything(lars, params));
        }
    }
}
