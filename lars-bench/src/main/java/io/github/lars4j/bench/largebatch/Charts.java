package io.github.lars4j.bench.largebatch;

import io.github.lars4j.bench.chart.Chart;
import io.github.lars4j.bench.largebatch.Trainer.Method;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** The results of an experiment as charts and as a table. */
final class Charts {

    private Charts() {}

    /**
     * The test accuracy of both optimizers by batch size: the mean, minimum and maximum over the seeds.
     */
    static String accuracy(ExperimentPlan plan, ExperimentResults results) {
        Map<Method, List<Chart.Point>> lines = new LinkedHashMap<>();
        List<Double> all = new ArrayList<>();
        for (Method method : plan.methods()) {
            List<Chart.Point> points = new ArrayList<>();
            for (int batch : plan.batches()) {
                List<TrainingResult> finals = results.finals(method, batch);
                if (!finals.isEmpty()) {
                    points.add(point(batch, finals, result -> 100 * result.accuracy()));
                    all.add(points.getLast().low());
                    all.add(points.getLast().high());
                }
            }
            lines.put(method, points);
        }
        Chart chart = new Chart(
                "Test accuracy after " + plan.epochs() + " epochs",
                Chart.Axis.at(
                        "batch size",
                        plan.batches().stream().map(Integer::doubleValue).toList()),
                Chart.Axis.around("% of the test set (the axis does not start at 0)", all),
                true);
        lines.forEach((method, points) -> chart.line(method.name(), points));
        return chart.svg();
    }

    /** The training loss of both optimizers by epoch, at one batch size. */
    static String loss(ExperimentResults results, int batch) {
        Map<Method, List<Chart.Point>> lines = new LinkedHashMap<>();
        List<Double> all = new ArrayList<>();
        int epochs = 1;
        for (Method method : ExperimentPlan.COMPARED) {
            List<Chart.Point> points = new ArrayList<>();
            List<TrainingResult> finals = results.finals(method, batch);
            int shared = finals.stream()
                    .mapToInt(result -> result.losses().size())
                    .min()
                    .orElse(0);
            for (int e = 0; e < shared; e++) {
                int epoch = e;
                points.add(point(e + 1, finals, result -> result.losses().get(epoch)));
                all.add(points.getLast().low());
                all.add(points.getLast().high());
            }
            epochs = Math.max(epochs, shared);
            lines.put(method, points);
        }
        Chart chart = new Chart(
                "Training loss at batch " + batch,
                steps("epoch", epochs),
                Chart.Axis.logarithmic("mean cross-entropy", all),
                true);
        lines.forEach((method, points) -> chart.line(method.name(), points));
        return chart.svg();
    }

    /** The trust ratio of each adapted layer by step, in the LARS run of the first seed. */
    static String trustRatios(ExperimentResults results, int batch) {
        TrainingResult run = results.finals(Method.LARS, batch).getFirst();
        List<Double> all = new ArrayList<>();
        run.trustRatios().values().forEach(all::addAll);
        Chart chart = new Chart(
                "Trust ratio of each layer at batch " + batch + ", seed "
                        + run.settings().seed(),
                steps("step", run.steps()),
                Chart.Axis.logarithmic("trust ratio", all),
                false);
        run.trustRatios().forEach((layer, ratios) -> {
            List<Chart.Point> points = new ArrayList<>();
            for (int i = 0; i < ratios.size(); i++) {
                points.add(new Chart.Point(i + 1, ratios.get(i), ratios.get(i), ratios.get(i)));
            }
            chart.line(layer, points);
        });
        return chart.svg();
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

    /** The test accuracy by batch size and optimizer, with the rates that the search chose, in Markdown. */
    static String table(ExperimentPlan plan, ExperimentResults results) {
        StringBuilder out = new StringBuilder("""
                | batch | SGD, % | LARS, % | LARS - SGD | SGD's rate, biases | LARS' rate, biases | runs searched |
                |------:|-------:|--------:|-----------:|-------------------:|-------------------:|--------------:|
                """);
        for (int batch : plan.batches()) {
            List<TrainingResult> sgd = results.finals(Method.SGD, batch);
            List<TrainingResult> lars = results.finals(Method.LARS, batch);
            out.append(String.format(
                    Locale.ROOT,
                    "| %d | %s | %s | %+.2f | %s | %s | %d + %d |\n",
                    batch,
                    accuracies(sgd),
                    accuracies(lars),
                    100 * (mean(lars) - mean(sgd)),
                    rates(sgd),
                    rates(lars),
                    results.searched(Method.SGD, batch),
                    results.searched(Method.LARS, batch)));
        }
        out.append(String.format(
                Locale.ROOT,
                "\nTest accuracy after %d epochs: mean over %d seed%s (least to greatest).\n",
                plan.epochs(),
                plan.seeds().size(),
                plan.seeds().size() == 1 ? "" : "s"));
        return out.toString();
    }

    /** The test accuracy by batch size and format, beside that of float32, in Markdown. */
    static String formats(ExperimentPlan plan, ExperimentResults results) {
        StringBuilder out = new StringBuilder("""
                | batch | LARS with | accuracy, % | difference to float32, points |
                |------:|-----------|------------:|------------------------------:|
                """);
        for (int batch : plan.batches()) {
            List<TrainingResult> float32 = results.finals(Method.LARS, batch);
            for (Method method : plan.methods()) {
                List<TrainingResult> finals = results.finals(method, batch);
                out.append(String.format(
                        Locale.ROOT,
                        "| %d | %s | %s | %s |\n",
                        batch,
                        method.words(),
                        accuracies(finals),
                        method == Method.LARS ? "" : difference(float32, finals)));
            }
        }
        out.append(String.format(
                Locale.ROOT,
                "\nTest accuracy after %d epochs: mean over %d seed%s (least to greatest); difference of the mean to float32,"
                        + " ± its standard error over the seeds.\n",
                plan.epochs(),
                plan.seeds().size(),
                plan.seeds().size() == 1 ? "" : "s"));
        return out.toString();
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

    private static String rates(List<TrainingResult> results) {
        Trainer.Settings settings = results.getFirst().settings();
        return String.format(Locale.ROOT, "%.3g, x %.3g", settings.rate(), settings.biasFactor());
    }
}
