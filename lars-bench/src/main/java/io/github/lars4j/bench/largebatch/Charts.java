package io.github.lars4j.bench.largebatch;

import io.github.lars4j.bench.chart.Chart;
import io.github.lars4j.bench.largebatch.ExperimentPlan.Cell;
import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.TrainingResult.History;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;

/** The results of an experiment as charts and as a table. */
final class Charts {

    private Charts() {}

    /** The test accuracy of every network and optimizer by batch size: the mean, minimum and maximum over the seeds. */
    static String accuracy(ExperimentPlan plan, ExperimentResults results) {
        Map<String, List<Chart.Point>> lines = new LinkedHashMap<>();
        for (Normalization network : plan.networks()) {
            for (Method method : plan.methods()) {
                List<Chart.Point> points = new ArrayList<>();
                for (int batch : plan.batches()) {
                    List<TrainingResult> finals = results.finals(new Cell(network, method, batch));
                    points.add(point(batch, finals, result -> 100 * result.accuracy()));
                }
                lines.put(method + (network == Normalization.NONE ? "" : " + BN"), points);
            }
        }
        Chart chart = new Chart(
                "Test accuracy after " + plan.epochs() + " epochs, with batch normalisation (BN) and without",
                Chart.Axis.at(
                        "batch size",
                        plan.batches().stream().map(Integer::doubleValue).toList()),
                Chart.Axis.around("% of the test set (the axis does not start at 0)", ranges(lines.values())),
                true);
        lines.forEach(chart::line);
        return chart.svg();
    }

    /** The training loss of both optimizers by epoch, of the normalised network at the batch size that is shown. */
    static String loss(ExperimentPlan plan, ExperimentResults results) {
        Map<String, List<Chart.Point>> lines = new LinkedHashMap<>();
        for (Method method : ExperimentPlan.COMPARED) {
            List<Chart.Point> points = new ArrayList<>();
            List<TrainingResult> finals = results.finals(shown(plan, method));
            int shared = finals.stream()
                    .mapToInt(result -> result.losses().size())
                    .min()
                    .orElse(0);
            for (int e = 0; e < shared; e++) {
                int epoch = e;
                points.add(point(e + 1, finals, result -> result.losses().get(epoch)));
            }
            lines.put(method.name(), points);
        }
        int epochs = lines.values().stream().mapToInt(List::size).max().orElse(1);
        Chart chart = new Chart(
                "Training loss at batch " + ExperimentPlan.SHOWN_BATCH + ", normalised network",
                steps("epoch", epochs),
                Chart.Axis.logarithmic("mean cross-entropy", ranges(lines.values())),
                true);
        lines.forEach(chart::line);
        return chart.svg();
    }

    /** The trust ratio of each adapted layer by step, in the LARS run that is shown. */
    static String trustRatios(ExperimentPlan plan, ExperimentResults results) {
        return byStep(plan, results, "Trust ratio of each layer", "trust ratio", history -> history.trustRatios());
    }

    /** The norm of the weights of each adapted layer by step, in the LARS run that is shown. */
    static String weightNorms(ExperimentPlan plan, ExperimentResults results) {
        return byStep(plan, results, "Norm of each layer's weights", "norm", history -> history.weightNorms());
    }

    /** The learning rate and the loss by step, in the LARS run that is shown. */
    static String rateAndLoss(ExperimentPlan plan, ExperimentResults results) {
        History history = shownRun(plan, results).history();
        Chart chart = new Chart(
                "Learning rate and training loss" + ofShownRun(plan, results),
                steps("step", history.rates().size()),
                Chart.Axis.around("relative to its greatest value", List.of(0.0, 1.0)),
                false);
        chart.line("rate", relative(history.rates()));
        chart.line("loss", relative(history.losses()));
        return chart.svg();
    }

    private static String byStep(
            ExperimentPlan plan,
            ExperimentResults results,
            String title,
            String label,
            Function<History, Map<String, List<Double>>> valuesOf) {
        Map<String, List<Double>> values =
                valuesOf.apply(shownRun(plan, results).history());
        Map<String, List<Chart.Point>> lines = new LinkedHashMap<>();
        values.forEach((layer, list) -> lines.put(layer, line(list, 1)));
        Chart chart = new Chart(
                title + ofShownRun(plan, results),
                steps("step", values.values().iterator().next().size()),
                Chart.Axis.logarithmic(label, ranges(lines.values())),
                false);
        lines.forEach(chart::line);
        return chart.svg();
    }

    /** The cell of an optimizer of which the charts show the history. */
    private static Cell shown(ExperimentPlan plan, Method method) {
        return new Cell(plan.normalized(), method, ExperimentPlan.SHOWN_BATCH);
    }

    /** LARS' run of the first seed. */
    private static TrainingResult shownRun(ExperimentPlan plan, ExperimentResults results) {
        return results.finals(shown(plan, Method.LARS)).getFirst();
    }

    private static String ofShownRun(ExperimentPlan plan, ExperimentResults results) {
        return ", normalised network, LARS, batch " + ExperimentPlan.SHOWN_BATCH + ", seed "
                + shownRun(plan, results).settings().seed();
    }

    private static List<Chart.Point> relative(List<Double> values) {
        return line(values, Collections.max(values));
    }

    private static List<Chart.Point> line(List<Double> values, double unit) {
        List<Chart.Point> points = new ArrayList<>();
        for (double value : values) {
            points.add(new Chart.Point(points.size() + 1, value / unit, value / unit, value / unit));
        }
        return points;
    }

    private static List<Double> ranges(Collection<List<Chart.Point>> lines) {
        return lines.stream()
                .flatMap(List::stream)
                .flatMap(point -> Stream.of(point.low(), point.high()))
                .toList();
    }

    private static Chart.Axis steps(String label, int count) {
        return Chart.Axis.around(label, List.of(0.0, (double) count));
    }

    private static Chart.Point point(double x, List<TrainingResult> results, ToDoubleFunction<TrainingResult> value) {
        return new Chart.Point(
                x,
                results.stream().mapToDouble(value).average().orElseThrow(),
                results.stream().mapToDouble(value).min().orElseThrow(),
                results.stream().mapToDouble(value).max().orElseThrow());
    }

    /** The test accuracy by network, batch size and optimizer, in Markdown. */
    static String table(ExperimentPlan plan, ExperimentResults results) {
        int least = plan.batches().getFirst();
        StringBuilder out = new StringBuilder(String.format(Locale.ROOT, """
                | network | batch | SGD, %% | LARS, %% | LARS - SGD | SGD - best at %1$d | LARS - best at %1$d |
                |---------|------:|-------:|--------:|-----------:|------------------:|-------------------:|
                """, least));
        for (Normalization network : plan.networks()) {
            double best = plan.methods().stream()
                    .mapToDouble(method -> mean(results.finals(new Cell(network, method, least))))
                    .max()
                    .orElseThrow();
            for (int batch : plan.batches()) {
                List<TrainingResult> sgd = results.finals(new Cell(network, Method.SGD, batch));
                List<TrainingResult> lars = results.finals(new Cell(network, Method.LARS, batch));
                out.append(String.format(
                        Locale.ROOT,
                        "| %s | %d | %s | %s | %s | %+.2f | %+.2f |\n",
                        network.words(),
                        batch,
                        accuracies(sgd),
                        accuracies(lars),
                        difference(sgd, lars),
                        100 * (mean(sgd) - best),
                        100 * (mean(lars) - best)));
            }
        }
        out.append(String.format(
                Locale.ROOT,
                "\nTest accuracy after %d epochs: mean over %s (least to greatest); differences in points. LARS - SGD has the"
                        + " standard error over the seeds. \"Best at %d\" is the mean of the better optimizer there, with the"
                        + " same network. The statistics of the normalised network are those of %s.\n",
                plan.epochs(),
                seeds(plan),
                least,
                plan.normalized() == Normalization.BATCH
                        ? "the whole batch"
                        : "parts of at most " + Normalization.GHOST_BATCH + " examples"));
        return out.toString();
    }

    /** What the searches chose, in Markdown. */
    static String choices(ExperimentPlan plan, ExperimentResults results) {
        StringBuilder out = new StringBuilder("""
                | network | batch | optimizer | rate | warm-up | decay power | momentum | weight decay | 1-D factor | held-out, % | diverged |
                |---------|------:|-----------|-----:|--------:|------------:|---------:|-------------:|-----------:|------------:|---------:|
                """);
        for (Cell cell : plan.cells()) {
            TrainingResult best = results.best(cell);
            SampledHyperparameters values = best.settings().hyperparameters();
            out.append(String.format(
                    Locale.ROOT,
                    "| %s | %d | %s | %s | %s | %s | %s | %s | %s | %.2f | %d |\n",
                    cell.network().words(),
                    cell.batch(),
                    cell.method(),
                    values.rate(),
                    values.warmup(),
                    values.decayPower(),
                    values.momentum(),
                    values.weightDecay(),
                    values.oneDimensionalFactor(),
                    100 * best.accuracy(),
                    results.diverged(cell)));
        }
        return out.append(String.format(
                        Locale.ROOT,
                        "\nThe best of %d runs each by accuracy on %d held-out training examples; how many of them diverged.\n",
                        plan.points(),
                        plan.heldOut()))
                .toString();
    }

    /** The test accuracy by format, beside that of float32, in Markdown. */
    static String formats(ExperimentPlan plan, ExperimentResults results) {
        StringBuilder out = new StringBuilder("""
                | LARS with | accuracy, % | difference to float32, points |
                |-----------|------------:|------------------------------:|
                """);
        List<TrainingResult> float32 = results.finals(shown(plan, Method.LARS));
        for (Method method : plan.methods()) {
            List<TrainingResult> finals = results.finals(shown(plan, method));
            out.append(String.format(
                    Locale.ROOT,
                    "| %s | %s | %s |\n",
                    method.words(),
                    accuracies(finals),
                    method == Method.LARS ? "" : difference(float32, finals)));
        }
        out.append(String.format(
                Locale.ROOT,
                "\nTest accuracy after %d epochs at batch %d: mean over %s (least to greatest); difference of the mean to"
                        + " float32, ± its standard error over the seeds.\n",
                plan.epochs(),
                ExperimentPlan.SHOWN_BATCH,
                seeds(plan)));
        return out.toString();
    }

    private static String seeds(ExperimentPlan plan) {
        int seeds = plan.seeds().size();
        return seeds == 1 ? "1 seed" : seeds + " seeds";
    }

    /** The mean difference of runs with the same seeds, and its standard error. */
    private static String difference(List<TrainingResult> from, List<TrainingResult> to) {
        double mean = 100 * (mean(to) - mean(from));
        double squares = 0;
        for (int i = 0; i < to.size(); i++) {
            double difference = 100 * (to.get(i).accuracy() - from.get(i).accuracy());
            squares += (difference - mean) * (difference - mean);
        }
        return to.size() == 1
                ? String.format(Locale.ROOT, "%+.2f", mean)
                : String.format(Locale.ROOT, "%+.2f ± %.2f", mean, Math.sqrt(squares / (to.size() - 1) / to.size()));
    }

    private static double mean(List<TrainingResult> results) {
        return results.stream().mapToDouble(TrainingResult::accuracy).average().orElse(Double.NaN);
    }

    private static String accuracies(List<TrainingResult> results) {
        Chart.Point point = point(0, results, result -> 100 * result.accuracy());
        return String.format(Locale.ROOT, "%.2f (%.2f to %.2f)", point.y(), point.low(), point.high());
    }
}
