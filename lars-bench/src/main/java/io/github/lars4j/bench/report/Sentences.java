package io.github.lars4j.bench.report;

import io.github.lars4j.bench.chart.Table;
import io.github.lars4j.bench.report.Figures.Speed;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/** Three sentences that say what the figures of a run mean, whether flattering or not. */
final class Sentences {

    /** Relative difference below which two times count as equal. */
    private static final double NOTHING = 0.05;

    /** Ratio of the times of two iterations above which something disturbed them. */
    private static final double UNREST = 2;

    /** A figure of a layout. */
    private record Value(String layout, double value) {}

    private Sentences() {}

    /** The cost of a step, the gain from SIMD, and the gain from threads. */
    static List<String> of(RunFile run, List<Figures> all) {
        return List.of(cost(all), simd(all), threads(run, all));
    }

    /** A warning of unreliable times; empty if there are none. */
    static Optional<String> warning(StepTimes results) {
        long unrestful = results.all().stream().filter(r -> r.unrest() > UNREST).count();
        return unrestful == 0
                ? Optional.empty()
                : Optional.of("Do not trust this: of " + results.all().size() + " times " + unrestful
                        + " differ more than twofold from iteration to iteration. Something else ran, or code was not"
                        + " compiled in time. Run it again while the machine has nothing else to do.");
    }

    private static String cost(List<Figures> all) {
        List<Value> sgd = values(all, Figures::toSgd);
        List<Value> passes = values(all, Figures::toPasses);
        if (sgd.isEmpty() || passes.isEmpty()) {
            return "What a LARS step costs against SGD was not measured.";
        }
        double lost = passes.getLast().value() - 1;
        return "A LARS step takes " + named(sgd) + " times as long as a step of SGD, and " + range(passes)
                + " times as long as its two passes must, a scan and a step of SGD: "
                + (lost > NOTHING
                        ? (passes.size() > 1 ? "up to " : "") + Table.number(100 * lost, 0) + " % are lost beyond them."
                        : "nothing is lost beyond them.");
    }

    private static String simd(List<Figures> all) {
        List<Value> update = speeds(all, Figures::update);
        List<Value> step = speeds(all, Figures::scalar);
        if (update.isEmpty() || step.isEmpty()) {
            return "What hand-written SIMD brings was not measured.";
        }
        boolean vectorised = update.getLast().value() <= 1 + NOTHING;
        return "By hand-written SIMD the update alone (a step of SGD) " + compared(update, "plain Java")
                + (vectorised ? ", because the JIT vectorises that loop by itself" : "") + "; the whole step "
                + compared(step, "the best scalar one") + ".";
    }

    private static String threads(RunFile run, List<Figures> all) {
        int cores = run.cores();
        String cpu = run.environment().get("CPU");
        if (cores == 1 && cpu != null) {
            return "The JVM could use one core alone (" + cpu + "), so what threads bring was not measured.";
        }
        List<Value> threads = speeds(all, Figures::threads);
        return threads.isEmpty()
                ? "What threads bring was not measured."
                : "A step on " + cores + " threads " + compared(threads, "one on a single thread") + ", where " + cores
                        + " times would be ideal.";
    }

    /** A clause that compares the speed of a step with that of another. */
    private static String compared(List<Value> speeds, String other) {
        List<Value> gains = speeds.stream().filter(v -> v.value() > 1 + NOTHING).toList();
        List<Value> losses =
                speeds.stream().filter(v -> v.value() < 1 - NOTHING).toList();
        if (gains.size() == speeds.size()) {
            return "is " + named(speeds) + " times as fast as " + other;
        }
        if (losses.size() == speeds.size()) {
            return "is slower than " + other + ", " + named(speeds) + " times as fast";
        }
        if (gains.isEmpty() && losses.isEmpty()) {
            return "gains nothing over " + other + " (" + range(speeds) + " times as fast)";
        }
        List<String> parts = new ArrayList<>();
        if (!gains.isEmpty()) {
            parts.add("gains on " + layouts(gains));
        }
        if (gains.size() + losses.size() < speeds.size()) {
            parts.add("gains nothing on "
                    + layouts(speeds.stream()
                            .filter(v -> !gains.contains(v) && !losses.contains(v))
                            .toList()));
        }
        if (!losses.isEmpty()) {
            parts.add("is slower on " + layouts(losses));
        }
        String last = parts.removeLast();
        return String.join(", ", parts) + " and " + last + " (" + range(speeds) + " times as fast as " + other + ")";
    }

    private static List<Value> speeds(List<Figures> all, Function<Figures, Speed> speed) {
        return values(all, figures -> speed.apply(figures).value());
    }

    /** The figures that were measured, in ascending order. */
    private static List<Value> values(List<Figures> all, ToDoubleFunction<Figures> value) {
        return all.stream()
                .map(figures -> new Value(figures.layout().name(), value.applyAsDouble(figures)))
                .filter(v -> Double.isFinite(v.value()))
                .sorted(Comparator.comparingDouble(Value::value))
                .toList();
    }

    private static String layouts(List<Value> values) {
        return String.join(", ", values.stream().map(Value::layout).toList());
    }

    private static String range(List<Value> rising) {
        String least = Table.number(rising.getFirst().value(), 2);
        String most = Table.number(rising.getLast().value(), 2);
        return least.equals(most) ? least : least + " to " + most;
    }

    /** A range with the layouts of its ends. */
    private static String named(List<Value> rising) {
        String least = Table.number(rising.getFirst().value(), 2);
        String most = Table.number(rising.getLast().value(), 2);
        return least.equals(most)
                ? least
                : least + " (" + rising.getFirst().layout() + ") to " + most + " ("
                        + rising.getLast().layout() + ")";
    }
}
