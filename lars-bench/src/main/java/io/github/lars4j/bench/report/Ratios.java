package io.github.lars4j.bench.report;

import io.github.lars4j.bench.arms.Layouts;
import io.github.lars4j.bench.chart.Table;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.function.Predicate;
import java.util.stream.DoubleStream;

/**
 * The ratios of times that the project has set itself as targets, computed from one run. {@code scan} and {@code sgd}
 * stand for the fastest code in the run that does their job on the layout: {@code measure} is a scan too, and
 * {@code update} is a step of SGD. Unless stated otherwise, {@code lars} runs on vector kernels and one thread.
 *
 * <p>The ceiling of a ratio is its value if a step were {@code passes}: its sums in any order, and no rule. A ratio
 * that misses its target but is close to its ceiling has nothing more to gain.
 */
final class Ratios {

    /** A uniform layout of as many elements as {@link #SMALL_LAYERS}, all in one layer. */
    private static final String ONE_LAYER = "160000x1";

    private static final String SMALL_LAYERS = "16x10000";
    private static final int SMALL_LAYER_COUNT = 10_000;

    /** How far from its ceiling a ratio may be to count as there. */
    private static final double CLOSE = 1.05;

    private static final long LEAST_LARGE = 30_000_000;
    private static final long MOST_LARGE = 400_000_000;

    private static final OptionalDouble NONE = OptionalDouble.empty();

    private final StepTimes results;
    private final Table table = new Table(2, "what", "layout", "measured", "target", "ceiling", "");
    private int measured;
    private int atCeiling;
    private int missed;

    private Ratios(StepTimes times) {
        this.results = times;
    }

    /** Compares a run with the targets. */
    static Ratios of(StepTimes times) {
        Ratios ratios = new Ratios(times);
        ratios.fill();
        return ratios;
    }

    /** Number of targets that the run misses by more than the ceiling explains. */
    int missed() {
        return missed;
    }

    /** A table with a row for each target, and a line that counts them. */
    @Override
    public String toString() {
        return table
                + String.format(
                        Locale.ROOT,
                        "%d measured, %d missed, %d more within 5 %% of their ceiling; a dash is what the file does not have%n",
                        measured,
                        missed,
                        atCeiling);
    }

    private void fill() {
        for (String layout : List.of("4096x100", "16384x100")) {
            toSgd("lars / sgd, bad layers skipped", layout, 1.10, "fresh");
        }
        toSgd("lars / sgd, bad layers skipped", "resnet50", 1.48, "fresh");
        toSgd("  the same, sums of weights carried", "resnet50", 1.25, "carried");
        toSgd("  the same, those of gradients given", "resnet50", 1.05, "given");
        for (String layout : Layouts.NETWORKS) {
            toScanAndSgd("lars / (scan + sgd), all sums first", layout, 1.10, "refuse");
            toScanAndSgd("lars / (scan + sgd), bad layers skipped", layout, 1.00, "skipLayer");
        }
        toScalar("vector / scalar, speed", "4096x100", 2.5);
        toScalar("vector / scalar, speed", "resnet50", 1.4);
        for (String policy : List.of("refuse", "skipLayer")) {
            toOneThread("2 threads / 1, speed, " + policy, "resnet50", 1.85, policy);
        }
        for (String policy : List.of("refuse", "skipLayer")) {
            atMost("ns a layer beyond its elements, " + policy, SMALL_LAYERS, 60, perLayer(policy), NONE);
        }
        for (String policy : List.of("refuse", "skipLayer")) {
            atMost("lars / sgd, most to least, 30 M to 400 M, " + policy, "1000000x...", 1.10, flatness(policy), NONE);
        }
        for (String layout : List.of("4096x10", "4096x100", "16384x100")) {
            atMost("worst gap between arrays / best, lars", layout, 1.15, gaps("lars", layout), gaps("passes", layout));
        }
        for (String threads : List.of("1", "2")) {
            atMost(
                    "bytes allocated in a step, threads=" + threads,
                    "4096x10",
                    0.5,
                    allocated("4096x10", threads),
                    NONE);
        }
        for (String layout : List.of("resnet50", "vit_b_16")) {
            formats(layout);
        }
    }

    /** The targets of narrow formats, all sums first. */
    private void formats(String layout) {
        String bf16 = "bfloat16";
        String f32 = "float32";
        OptionalDouble sgd = results.sgd(layout);
        OptionalDouble lars = inFormats("lars", layout, "fresh", f32, f32);
        OptionalDouble momentum = inFormats("lars", layout, "fresh", f32, bf16);
        atMost(
                "bfloat16, sums of weights carried / sgd",
                layout,
                1.05,
                ratio(inFormats("lars", layout, "carried", bf16, bf16), sgd),
                ratio(inFormats("copy", layout, "carried", bf16, bf16), sgd));
        atMost(
                "  the same, layer by layer, gradients included",
                layout,
                0.95,
                ratio(
                        inFormats("layerByLayer", layout, "carried", bf16, bf16),
                        inFormats("gradientsFirstSgd", layout, "fresh", f32, f32)),
                NONE);
        OptionalDouble copy = inFormats("copy", layout, "fresh", f32, bf16);
        atMost("bfloat16 momentum / float32", layout, 0.92, ratio(momentum, lars), ratio(copy, lars));
        copy = inFormats("copy", layout, "fresh", bf16, f32);
        OptionalDouble gradients = inFormats("lars", layout, "fresh", bf16, f32);
        atMost("bfloat16 gradients / float32", layout, 0.90, ratio(gradients, lars), ratio(copy, lars));
        gradients = inFormats("lars", layout, "fresh", "float16", f32);
        atMost("float16 gradients / float32", layout, 0.95, ratio(gradients, lars), ratio(copy, lars));
        OptionalDouble stochastic = inFormats("lars", layout, "fresh", f32, "bfloat16-stochastic");
        atMost("stochastic rounding / to nearest", layout, 1.08, ratio(stochastic, momentum), NONE);
        OptionalDouble inStep = difference(inFormats("lars", layout, "fresh", f32, f32, "halfWeights", "on"), lars);
        OptionalDouble after = difference(inFormats("lars", layout, "fresh", f32, f32, "halfWeights", "after"), lars);
        atMost("bfloat16 copy in the step / in a pass", layout, 0.6, ratio(inStep, after), NONE);
        atMost(
                "scalar kernels: bfloat16 / float32",
                layout,
                2,
                ratio(
                        inFormats("lars", layout, "fresh", bf16, bf16, "kernels", "scalar"),
                        inFormats("lars", layout, "fresh", f32, f32, "kernels", "scalar")),
                NONE);
    }

    /** The time of a method on vector kernels and one thread, all sums first, or with other wishes. */
    private OptionalDouble inFormats(
            String method, String layout, String sums, String gradients, String momentum, String... others) {
        List<String> wishes = new ArrayList<>(List.of(
                "layout", layout, "kernels", "vector", "sums", sums, "onBadGradient", "refuse", "threads", "1"));
        wishes.addAll(List.of("gradientFormat", gradients, "momentumFormat", momentum));
        wishes.addAll(List.of(others));
        return results.best(method, wishes.toArray(String[]::new));
    }

    private void toSgd(String what, String layout, double target, String sums) {
        OptionalDouble sgd = results.sgd(layout);
        atMost(
                what,
                layout,
                target,
                ratio(step("lars", layout, sums, "skipLayer", 1), sgd),
                ratio(step("passes", layout, sums, "skipLayer", 1), sgd));
    }

    private void toScanAndSgd(String what, String layout, double target, String policy) {
        OptionalDouble both = sum(results.scan(layout), results.sgd(layout));
        atMost(
                what,
                layout,
                target,
                ratio(step("lars", layout, "fresh", policy, 1), both),
                ratio(step("passes", layout, "fresh", policy, 1), both));
    }

    private void toOneThread(String what, String layout, double target, String policy) {
        atLeast(
                what,
                layout,
                target,
                ratio(step("lars", layout, "fresh", policy, 1), step("lars", layout, "fresh", policy, 2)),
                ratio(step("passes", layout, "fresh", policy, 1), step("passes", layout, "fresh", policy, 2)));
    }

    /** The best scalar code, whichever order it works in, against the best vector code. */
    private void toScalar(String what, String layout, double target) {
        OptionalDouble own =
                results.best("lars", "layout", layout, "kernels", "scalar", "sums", "fresh", "threads", "1");
        OptionalDouble free = results.best("scalarLars", "layout", layout);
        OptionalDouble scalar = own.isEmpty() || free.isEmpty()
                ? NONE
                : OptionalDouble.of(Math.min(own.getAsDouble(), free.getAsDouble()));
        String[] vector = {"layout", layout, "kernels", "vector", "sums", "fresh", "threads", "1"};
        atLeast(
                what,
                layout,
                target,
                ratio(scalar, results.best("lars", vector)),
                ratio(scalar, results.best("passes", vector)));
    }

    /** The time of {@code lars} on vector kernels, or of {@code passes}. */
    private OptionalDouble step(String method, String layout, String sums, String policy, int threads) {
        return results.best(
                method,
                "layout",
                layout,
                "kernels",
                "vector",
                "sums",
                sums,
                "onBadGradient",
                policy,
                "threads",
                "" + threads);
    }

    private OptionalDouble perLayer(String policy) {
        OptionalDouble small = step("lars", SMALL_LAYERS, "fresh", policy, 1);
        OptionalDouble one = step("lars", ONE_LAYER, "fresh", policy, 1);
        return small.isEmpty() || one.isEmpty()
                ? OptionalDouble.empty()
                : OptionalDouble.of((small.getAsDouble() - one.getAsDouble()) / SMALL_LAYER_COUNT);
    }

    private OptionalDouble flatness(String policy) {
        List<Double> ratios = new ArrayList<>();
        for (String layout : results.layouts()) {
            long parameters =
                    layout.startsWith("1000000x") ? Layouts.named(layout).end() : 0;
            if (parameters >= LEAST_LARGE && parameters <= MOST_LARGE) {
                ratio(step("lars", layout, "fresh", policy, 1), results.sgd(layout))
                        .ifPresent(ratios::add);
            }
        }
        return spread(ratios.stream().mapToDouble(r -> r));
    }

    private OptionalDouble gaps(String method, String layout) {
        return spread(results.all().stream()
                .filter(fits(method, layout, "1"))
                .map(r -> r.params().get("gap"))
                .distinct()
                .map(gap -> results.best(
                        method,
                        "layout",
                        layout,
                        "kernels",
                        "vector",
                        "sums",
                        "fresh",
                        "onBadGradient",
                        "skipLayer",
                        "threads",
                        "1",
                        "gap",
                        gap))
                .flatMapToDouble(OptionalDouble::stream));
    }

    private OptionalDouble allocated(String layout, String threads) {
        return results.all().stream()
                .filter(fits("lars", layout, threads))
                .mapToDouble(StepTimes.StepTime::allocated)
                .filter(bytes -> !Double.isNaN(bytes))
                .max();
    }

    private static Predicate<StepTimes.StepTime> fits(String method, String layout, String threads) {
        return r -> r.method().equals(method)
                && r.params().get("layout").equals(layout)
                && r.params().get("threads").equals(threads);
    }

    /** The largest to the smallest, of two at least. */
    private static OptionalDouble spread(DoubleStream values) {
        var statistics = values.summaryStatistics();
        return statistics.getCount() < 2
                ? OptionalDouble.empty()
                : OptionalDouble.of(statistics.getMax() / statistics.getMin());
    }

    private static OptionalDouble sum(OptionalDouble a, OptionalDouble b) {
        return a.isEmpty() || b.isEmpty()
                ? OptionalDouble.empty()
                : OptionalDouble.of(a.getAsDouble() + b.getAsDouble());
    }

    private static OptionalDouble difference(OptionalDouble a, OptionalDouble b) {
        return a.isEmpty() || b.isEmpty()
                ? OptionalDouble.empty()
                : OptionalDouble.of(a.getAsDouble() - b.getAsDouble());
    }

    private static OptionalDouble ratio(OptionalDouble a, OptionalDouble b) {
        return a.isEmpty() || b.isEmpty()
                ? OptionalDouble.empty()
                : OptionalDouble.of(a.getAsDouble() / b.getAsDouble());
    }

    private void atMost(String what, String layout, double target, OptionalDouble value, OptionalDouble ceiling) {
        add(what, layout, "<= ", target, value, ceiling, 1);
    }

    private void atLeast(String what, String layout, double target, OptionalDouble value, OptionalDouble ceiling) {
        add(what, layout, ">= ", target, value, ceiling, -1);
    }

    /** Adds a row; {@code sign} is 1 where less is better and -1 where more is. */
    private void add(
            String what,
            String layout,
            String relation,
            double target,
            OptionalDouble value,
            OptionalDouble ceiling,
            int sign) {
        String verdict = "";
        if (value.isPresent()) {
            double v = value.getAsDouble();
            measured++;
            if (sign * v <= sign * target) {
                verdict = "pass";
            } else if (ceiling.isPresent() && Math.pow(v / ceiling.getAsDouble(), sign) <= CLOSE) {
                verdict = "ceiling";
                atCeiling++;
            } else {
                verdict = "MISSED";
                missed++;
            }
        }
        table.add(
                what,
                layout,
                Table.number(value.orElse(Double.NaN), 2),
                relation + Table.number(target, 2),
                Table.number(ceiling.orElse(Double.NaN), 2),
                verdict);
    }
}
