package io.github.lars4j.bench.report;

import io.github.lars4j.bench.chart.Bars;
import io.github.lars4j.bench.chart.Chart;
import io.github.lars4j.bench.chart.Svg;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The pictures of a report; a picture without data is left out. */
final class Pictures {

    /** Bytes of the three arrays for each parameter. */
    private static final int BYTES = 3 * Float.BYTES;

    /** A cache in the environment's list, except instruction caches. */
    private static final Pattern CACHE = Pattern.compile("(L[0-9])d? ([0-9]+) ?([KM])");

    /**
     * A picture.
     *
     * @param file name of its file
     * @param caption how to read it
     * @param svg draws it
     */
    record Picture(String file, String caption, Function<Svg.Size, String> svg) {}

    private Pictures() {}

    /** All pictures. */
    static List<Picture> of(RunFile run, StepTimes results, List<Figures> figures) {
        List<Picture> pictures = new ArrayList<>();
        sweep(run, results, pictures);
        speedups(run, figures, pictures);
        coldStart(run, pictures);
        return pictures;
    }

    private static void sweep(RunFile run, StepTimes results, List<Picture> pictures) {
        TreeMap<Long, String> layouts = new TreeMap<>();
        for (String layout : results.layouts()) {
            Matcher one = RunFile.ONE_LAYER.matcher(layout);
            if (one.matches() && Double.isFinite(Arm.LARS.nanos(results, layout))) {
                layouts.put(Long.valueOf(one.group(1)), layout);
            }
        }
        if (layouts.size() < 2) {
            return;
        }
        ToDoubleFunction<String> scan = layout -> results.scan(layout).orElse(Double.NaN);
        ToDoubleFunction<String> sgd = layout -> results.sgd(layout).orElse(Double.NaN);
        Map<String, List<Chart.Point>> lines = new LinkedHashMap<>();
        lines.put("LARS scalar", perParameter(layouts, layout -> Arm.SCALAR_LARS.nanos(results, layout)));
        lines.put("LARS SIMD", perParameter(layouts, layout -> Arm.LARS.nanos(results, layout)));
        lines.put("SGD", perParameter(layouts, sgd));
        lines.put(
                "scan + SGD", perParameter(layouts, layout -> scan.applyAsDouble(layout) + sgd.applyAsDouble(layout)));
        Chart chart = new Chart(
                "Time per parameter by the size of a layer",
                Chart.Axis.at(
                        "elements of one layer, K = 1024",
                        layouts.keySet().stream().map(Long::doubleValue).toList(),
                        layouts.keySet().stream().map(Pictures::binary).toList()),
                Chart.Axis.logarithmic("ns per parameter", heights(lines)),
                true);
        lines.forEach(chart::line);
        Matcher cache = CACHE.matcher(run.environment().getOrDefault("caches", ""));
        while (cache.find()) {
            long kibibytes = Long.parseLong(cache.group(2)) * (cache.group(3).equals("M") ? 1024 : 1);
            chart.mark(
                    kibibytes * 1024.0 / BYTES,
                    cache.group(1) + " " + (kibibytes % 1024 == 0 ? kibibytes / 1024 + " MiB" : kibibytes + " KiB"));
        }
        pictures.add(new Picture(
                "sweep.svg",
                "A step on one thread over one layer. Both axes are logarithmic: on the left each step's fixed cost is"
                        + " shared by few elements. SGD is one pass over memory, scan + SGD are the two that LARS needs."
                        + " Dotted lines: where weights, gradients and momentum together fill a cache.",
                chart::svg));
    }

    private static List<Chart.Point> perParameter(Map<Long, String> layouts, ToDoubleFunction<String> nanos) {
        List<Chart.Point> points = new ArrayList<>();
        layouts.forEach((parameters, layout) -> add(parameters, nanos.applyAsDouble(layout) / parameters, points));
        return points;
    }

    private static String binary(long count) {
        return count >= 1 << 20 && count % (1 << 20) == 0
                ? (count >> 20) + "M"
                : count >= 1024 && count % 1024 == 0 ? (count >> 10) + "K" : "" + count;
    }

    private static void speedups(RunFile run, List<Figures> all, List<Picture> pictures) {
        Bars bars = new Bars("How many times as fast", "times as fast");
        boolean any = false;
        for (Figures figures : all) {
            List<Bars.Bar> group = new ArrayList<>();
            add("SIMD / best scalar", 1, figures.scalar(), group);
            add("SIMD / naive", 0, figures.naive(), group);
            add(run.cores() + " threads / 1", 2, figures.threads(), group);
            bars.group(figures.layout().name(), group);
            any |= !group.isEmpty();
        }
        if (any) {
            pictures.add(new Picture(
                    "speedups.svg",
                    "A LARS step on SIMD kernels against the fastest scalar code, and against one array operation after"
                            + " another; all threads against one. Bars begin at 1, which is no gain. The whiskers reach"
                            + " over all pairs of JVMs of either side.",
                    bars::svg));
        }
    }

    private static void add(String name, int style, Figures.Speed speed, List<Bars.Bar> bars) {
        if (Double.isFinite(speed.value())) {
            bars.add(new Bars.Bar(name, style, speed.value(), speed.low(), speed.high()));
        }
    }

    private static void coldStart(RunFile run, List<Picture> pictures) {
        Map<String, List<RunFile.FirstSteps>> byKernels = new LinkedHashMap<>();
        for (RunFile.FirstSteps jvm : run.coldStarts()) {
            byKernels.computeIfAbsent(jvm.kernels(), k -> new ArrayList<>()).add(jvm);
        }
        Map<String, List<Chart.Point>> lines = new LinkedHashMap<>();
        byKernels.forEach((kernels, jvms) -> lines.put(kernels, perStep(jvms)));
        List<Double> steps = lines.values().stream()
                .flatMap(List::stream)
                .map(Chart.Point::x)
                .toList();
        if (steps.isEmpty()) {
            return;
        }
        String layout = run.coldStarts().getFirst().layout();
        Chart chart = new Chart(
                "The first steps of a fresh JVM, " + layout,
                Chart.Axis.logarithmic("step", steps),
                Chart.Axis.logarithmic("ms per step", heights(lines)),
                false);
        lines.forEach(chart::line);
        pictures.add(new Picture(
                "coldstart.svg",
                "Mean time of the steps since the point before; medians of the JVMs. The vector kernels are slow until"
                        + " they have been compiled. By default (auto) steps begin on the scalar kernels, and go over"
                        + " when a trial beside them has seen the others to be faster.",
                chart::svg));
    }

    /** The median over JVMs of the mean time of the steps between the marked ones. */
    private static List<Chart.Point> perStep(List<RunFile.FirstSteps> jvms) {
        List<Integer> steps = jvms.getFirst().steps();
        int shared = jvms.stream().mapToInt(jvm -> jvm.millis().size()).min().orElse(0);
        List<Chart.Point> points = new ArrayList<>();
        for (int i = 0; i < shared; i++) {
            int at = i;
            int from = i == 0 ? 0 : steps.get(i - 1);
            double[] sorted = jvms.stream()
                    .mapToDouble(jvm ->
                            jvm.millis().get(at) - (at == 0 ? 0 : jvm.millis().get(at - 1)))
                    .sorted()
                    .toArray();
            add(steps.get(i), sorted[sorted.length / 2] / (steps.get(i) - from), points);
        }
        return points;
    }

    private static void add(double x, double y, List<Chart.Point> points) {
        if (y > 0 && y < Double.POSITIVE_INFINITY) {
            points.add(new Chart.Point(x, y, y, y));
        }
    }

    private static List<Double> heights(Map<String, List<Chart.Point>> lines) {
        return lines.values().stream().flatMap(List::stream).map(Chart.Point::y).toList();
    }
}
