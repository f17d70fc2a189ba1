package io.github.lars4j;

import static io.github.lars4j.Bits.assertSame;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.LayerwiseOracle.Numbers;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Runs in which hyperparameters, groups and layers change between steps at random. Each step must have the bits of the
 * oracle, which is told the numbers of each layer by a model of its own; each change that the model calls contradictory
 * must be refused and change nothing.
 */
class ChangesTest {

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
        for (int seed = 0; seed < 120; seed++) {
            random.setSeed(seed);
            run(seed, counts);
        }
        System.out.printf(
                "%d steps with the bits of the oracle, between %d changes; %d others refused, which changed nothing%n",
                counts[0], counts[1], counts[2]);
        assertTrue(counts[0] > 1000 && counts[1] > 1000 && counts[2] > 100);
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
                .simd(seed % 8 == 7 ? Simd.REQUIRED : Simd.OFF)
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
                    if (Float.floatToIntBits(oracle.v[e]) != Float.floatToIntBits(Inside.momentum(lars)[e])) {
                        assertEquals(oracle.v[e], Inside.momentum(lars)[e], layer + ", momentum at " + e);
                    }
                }
            }
        }
        assertSame(oracle.w, params, what);
    }
}
