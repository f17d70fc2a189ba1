package io.github.lars4j.bench;

import io.github.lars4j.bench.arms.Layouts;
import io.github.lars4j.bench.report.Results;
import io.github.lars4j.bench.report.Table;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.Predicate;
import java.util.stream.DoubleStream;

/**
 * The ratios that the project has set itself as targets, from one run's JSON, in one file or several. {@code scan} and
 * {@code sgd} are each the fastest code of the run that does their job for their layout: {@code measure} is a scan too, and
 * {@code update} a step of SGD. {@code lars} runs on vector kernels and one thread unless said.
 */
final class Ratios {

    /** A uniform layout of as many elements as {@link #SMALL_LAYERS}, all in one layer. */
    private static final String ONE_LAYER = "160000x1";

    private static final String SMALL_LAYERS = "16x10000";
    private static final int SMALL_LAYER_COUNT = 10_000;

    private static final long LEAST_LARGE = 30_000_000;
    private static final long MOST_LARGE = 400_000_000;

    private final Results results;
    private final Table table = new Table(2, "what", "layout", "measured", "target", "");
    private int missed;
    private int measured;

    private Ratios(Results results) {
        this.results = results;
    }

    /** Prints the table; returns the exit code. */
    static int run(String[] args, PrintStream out, PrintStream err) throws IOException {
        if (args.length == 0) {
            err.println("lars-bench: ratios needs one FILE.json, or several of one run");
            return BenchMain.USAGE;
        }
        List<Results.Result> all = new ArrayList<>();
        for (String file : args) {
            try {
                all.addAll(Results.parse(Files.readString(Path.of(file))).all());
            } catch (NoSuchFileException e) {
                err.println("lars-bench: there is no file " + file);
                return BenchMain.USAGE;
            } catch (IllegalArgumentException e) {
                err.println("lars-bench: " + file + " " + e.getMessage());
                return BenchMain.USAGE;
            }
        }
        Ratios ratios = new Ratios(new Results(all));
        out.print(ratios.fill());
        out.printf("%d measured, %d missed; a dash is what the file does not have%n", ratios.measured, ratios.missed);
        return ratios.missed == 0 ? 0 : BenchMain.FAILED;
    }

    private Table fill() {
        for (String layout : List.of("4096x100", "16384x100")) {
            atMost("lars / sgd, bad layers skipped", layout, 1.10, toSgd(layout, "fresh", "skipLayer"));
        }
        atMost("lars / sgd, bad layers skipped", "resnet50", 1.48, toSgd("resnet50", "fresh", "skipLayer"));
        atMost("  the same, sums of weights carried", "resnet50", 1.25, toSgd("resnet50", "carried", "skipLayer"));
        atMost("  the same, those of gradients given", "resnet50", 1.05, toSgd("resnet50", "given", "skipLayer"));
        for (String layout : Layouts.NETWORKS) {
            OptionalDouble passes = sum(results.scan(layout), results.sgd(layout));
            atMost(
                    "lars / (scan + sgd), all sums first",
                    layout,
                    1.10,
                    ratio(lars(layout, "fresh", "refuse", 1), passes));
            atMost(
                    "lars / (scan + sgd), bad layers skipped",
                    layout,
                    1.00,
                    ratio(lars(layout, "fresh", "skipLayer", 1), passes));
        }
        for (String layout : List.of("4096x100", "16384x100", "resnet50")) {
            OptionalDouble passes =
                    sum(results.best("measure", "layout", layout), results.best("update", "layout", layout));
            note("  its ceiling: (measure + update) / sgd", layout, ratio(passes, results.sgd(layout)));
        }
        atLeast("vector / scalar, speed", "4096x100", 2.5, vectorToScalar("4096x100"));
        atLeast("vector / scalar, speed", "resnet50", 1.4, vectorToScalar("resnet50"));
        for (String policy : List.of("refuse", "skipLayer")) {
            atLeast(
                    "2 threads / 1, speed, " + policy,
                    "resnet50",
                    1.85,
                    ratio(lars("resnet50", "fresh", policy, 1), lars("resnet50", "fresh", policy, 2)));
        }
        for (String policy : List.of("refuse", "skipLayer")) {
            atMost("ns a layer beyond its elements, " + policy, SMALL_LAYERS, 60, perLayer(policy));
        }
        for (String policy : List.of("refuse", "skipLayer")) {
            atMost("lars / sgd, most to least, 30 M to 400 M, " + policy, "1000000x...", 1.10, flatness(policy));
        }
        for (String layout : List.of("4096x10", "4096x100", "16384x100")) {
            atMost("worst gap between arrays / best, lars", layout, 1.15, gaps(layout));
        }
        for (String threads : List.of("1", "2")) {
            atMost("bytes allocated in a step, threads=" + threads, "4096x10", 0.5, allocated("4096x10", threads));
        }
        return table;
    }

    private OptionalDouble lars(String layout, String sums, String policy, int threads) {
        return results.best(
                "lars",
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

    private OptionalDouble toSgd(String layout, String sums, String policy) {
        return ratio(lars(layout, sums, policy, 1), results.sgd(layout));
    }

    /** The best scalar code, whichever order it works in, against the best vector code. */
    private OptionalDouble vectorToScalar(String layout) {
        String[] fresh = {"layout", layout, "kernels", "scalar", "sums", "fresh", "threads", "1"};
        OptionalDouble contract = results.best("lars", fresh);
        OptionalDouble free = results.best("scalarLars", fresh);
        fresh[3] = "vector";
        OptionalDouble vector = results.best("lars", fresh);
        return contract.isEmpty() || free.isEmpty()
                ? OptionalDouble.empty()
                : ratio(OptionalDouble.of(Math.min(contract.getAsDouble(), free.getAsDouble())), vector);
    }

    private OptionalDouble perLayer(String policy) {
        OptionalDouble small = lars(SMALL_LAYERS, "fresh", policy, 1);
        OptionalDouble one = lars(ONE_LAYER, "fresh", policy, 1);
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
                toSgd(layout, "fresh", policy).ifPresent(ratios::add);
            }
        }
        return spread(ratios.stream().mapToDouble(r -> r));
    }

    private OptionalDouble gaps(String layout) {
        return spread(results.all().stream()
                .filter(fits(layout, "1").and(r -> r.params().get("kernels").equals("vector")))
                .filter(r -> r.params().get("sums").equals("fresh")
                        && r.params().get("onBadGradient").equals("skipLayer"))
                .mapToDouble(Results.Result::nanos));
    }

    private OptionalDouble allocated(String layout, String threads) {
        return results.all().stream()
                .filter(fits(layout, threads))
                .mapToDouble(Results.Result::allocated)
                .filter(bytes -> !Double.isNaN(bytes))
                .max();
    }

    private static Predicate<Results.Result> fits(String layout, String threads) {
        return r -> r.method().equals("lars")
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

    private static OptionalDouble ratio(OptionalDouble a, OptionalDouble b) {
        return a.isEmpty() || b.isEmpty()
                ? OptionalDouble.empty()
                : OptionalDouble.of(a.getAsDouble() / b.getAsDouble());
    }

    private void atMost(String what, String layout, double target, OptionalDouble value) {
        add(what, layout, "<= ", target, value, value.isPresent() && value.getAsDouble() <= target);
    }

    private void atLeast(String what, String layout, double target, OptionalDouble value) {
        add(what, layout, ">= ", target, value, value.isPresent() && value.getAsDouble() >= target);
    }

    /** A figure without a target. */
    private void note(String what, String layout, OptionalDouble value) {
        table.add(what, layout, Table.number(value.orElse(Double.NaN), 2), "", "");
    }

    private void add(String what, String layout, String sign, double target, OptionalDouble value, boolean met) {
        if (value.isPresent()) {
            measured++;
            missed += met ? 0 : 1;
        }
        table.add(
                what,
                layout,
                Table.number(value.orElse(Double.NaN), 2),
                sign + Table.number(target, 2),
                value.isEmpty() ? "" : met ? "pass" : "MISSED");
    }
}
