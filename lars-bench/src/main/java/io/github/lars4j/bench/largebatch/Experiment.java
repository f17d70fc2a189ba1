package io.github.lars4j.bench.largebatch;

import io.github.lars4j.Layers;
import io.github.lars4j.bench.largebatch.ExperimentPlan.Cell;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import io.github.lars4j.bench.largebatch.Trainer.StepRecord;
import io.github.lars4j.bench.largebatch.TrainingResult.History;
import java.io.IOException;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/**
 * Compares the optimizers. For each network, optimizer and batch size it searches the hyperparameters on held-out
 * examples, and then trains with the best ones on the whole training set. The results do not depend on the number of
 * parallel runs.
 */
final class Experiment {

    private final ExperimentPlan plan;
    private final DataSet training;
    private final DataSet test;
    private final DataSet.Split split;
    private final int classes;
    private final ExperimentResults results;
    private final Path checkpoints;
    private final Duration between;
    private final int jobs;
    private final PrintStream progress;

    private int expected;
    private int done;
    private int ran;
    private double ranSeconds;

    /**
     * Prepares an experiment.
     *
     * @param plan what to do
     * @param training all training examples
     * @param test the examples that the final runs are evaluated on
     * @param classes number of classes of the data
     * @param results receives the results; the runs it already has are not repeated
     * @param checkpoints folder for the checkpoints of unfinished runs, which are resumed
     * @param between minimum time between two checkpoints of a run
     * @param jobs number of parallel runs; with more than one, each has one thread, otherwise it has all
     * @param progress receives a line for each run
     */
    Experiment(
            ExperimentPlan plan,
            DataSet training,
            DataSet test,
            int classes,
            ExperimentResults results,
            Path checkpoints,
            Duration between,
            int jobs,
            PrintStream progress) {
        this.plan = plan;
        this.training = training;
        this.test = test;
        this.split = training.split(plan.heldOut(), plan.searchSeed());
        this.classes = classes;
        this.results = results;
        this.checkpoints = checkpoints;
        this.between = between;
        this.jobs = jobs;
        this.progress = progress;
    }

    /**
     * Runs the rest of the experiment.
     *
     * @throws InterruptedException if interrupted; {@link ExperimentResults} has all finished runs
     */
    void run() throws InterruptedException {
        List<Cell> cells = plan.cells();
        expected = cells.size()
                * ((plan.search() ? plan.points() : 0) + plan.seeds().size());
        done = results.size();
        List<Future<?>> searching = new ArrayList<>();
        ExecutorService runs = Executors.newFixedThreadPool(
                jobs, Thread.ofPlatform().daemon().name("run-", 0).factory());
        // A search waits only for its own runs, so no search delays another.
        ExecutorService waiting = Executors.newVirtualThreadPerTaskExecutor();
        try {
            for (Cell cell : cells) {
                searching.add(waiting.submit(() -> {
                    run(cell, runs);
                    return null;
                }));
            }
            for (Future<?> search : searching) {
                search.get();
            }
        } catch (ExecutionException e) {
            throw new IllegalStateException("a run failed", e.getCause());
        } finally {
            waiting.shutdownNow();
            runs.shutdownNow();
            // After a failure the other runs are interrupted, and have ended when this method returns.
            waiting.close();
            runs.close();
        }
    }

    /** Searches the hyperparameters of a cell, and then trains with the best. */
    private void run(Cell cell, ExecutorService runs) throws InterruptedException, ExecutionException {
        List<Settings> points = plan.searchOf(cell);
        SampledHyperparameters best = plan.search()
                ? Collections.min(results(true, points, runs), TrainingResult.BEST)
                        .settings()
                        .hyperparameters()
                : points.get(plan.chosen(cell.method())).hyperparameters();
        List<Settings> finals = plan.seeds().stream()
                .map(seed -> new Settings(cell.network(), cell.method(), cell.batch(), plan.epochs(), best, seed))
                .toList();
        results(false, finals, runs);
    }

    private List<TrainingResult> results(boolean search, List<Settings> all, ExecutorService runs)
            throws InterruptedException, ExecutionException {
        List<Future<TrainingResult>> running = new ArrayList<>();
        for (Settings settings : all) {
            running.add(runs.submit(() -> result(search, settings)));
        }
        List<TrainingResult> found = new ArrayList<>();
        for (Future<TrainingResult> run : running) {
            found.add(run.get());
        }
        return found;
    }

    private TrainingResult result(boolean search, Settings settings) throws IOException {
        TrainingResult known = results.find(search, settings);
        if (known != null) {
            // The process may have ended before the checkpoint was deleted.
            Trainer.delete(checkpoints.resolve(checkpoint(search, settings)));
            return known;
        }
        int threads = jobs > 1 ? 1 : Runtime.getRuntime().availableProcessors();
        try (MatrixProduct product = new MatrixProduct(threads);
                Trainer trainer =
                        new Trainer(settings, search ? split.training() : training, plan.hidden(), classes, product)) {
            Path checkpoint = checkpoints.resolve(checkpoint(search, settings));
            if (Files.exists(checkpoint)) {
                trainer.restore(checkpoint);
            }
            long saved = System.nanoTime();
            boolean finite = true;
            while (finite && trainer.losses().size() < settings.epochs()) {
                finite = trainer.epoch();
                if (finite && !plan.search()) {
                    reportEpoch(settings, trainer);
                }
                if (Thread.currentThread().isInterrupted()) {
                    throw new IllegalStateException("interrupted in a run");
                }
                if (finite && System.nanoTime() - saved >= between.toNanos()) {
                    trainer.save(checkpoint);
                    saved = System.nanoTime();
                }
            }
            Network.Evaluation evaluation = trainer.evaluate(search ? split.heldOut() : test);
            TrainingResult result = new TrainingResult(
                    search,
                    settings,
                    evaluation.accuracy(),
                    evaluation.loss(),
                    List.copyOf(trainer.losses()),
                    trainer.steps(),
                    trainer.seconds(),
                    trainer.optimizerSeconds(),
                    search || settings.seed() != plan.seeds().getFirst() ? History.NONE : history(trainer));
            results.add(result);
            Trainer.delete(checkpoint);
            report(result);
            return result;
        }
    }

    /** The name of a run's checkpoint. */
    static String checkpoint(boolean search, Settings settings) {
        return String.format(
                Locale.ROOT,
                "%s-%s-%s-%d-%s-%d.safetensors",
                search ? "search" : "final",
                settings.network(),
                settings.method(),
                settings.batch(),
                settings.hyperparameters().json().values().stream()
                        .map(Object::toString)
                        .collect(Collectors.joining("-")),
                settings.seed());
    }

    /** The steps of a run, with the norms and trust ratios of the adapted layers. */
    private static History history(Trainer trainer) {
        List<StepRecord> steps = trainer.history();
        Map<String, List<Double>> ratios = new LinkedHashMap<>();
        Map<String, List<Double>> norms = new LinkedHashMap<>();
        Layers layers = trainer.layers();
        for (int i = 0; i < layers.size() && !steps.isEmpty(); i++) {
            int layer = i;
            if (layers.get(i).treatment().adapt()) {
                ratios.put(
                        layers.get(i).name(),
                        column(steps, step -> step.trustRatios().get(layer)));
                norms.put(
                        layers.get(i).name(),
                        column(steps, step -> step.weightNorms().get(layer)));
            }
        }
        return new History(column(steps, StepRecord::rate), column(steps, StepRecord::loss), ratios, norms);
    }

    /** A value of each step, with the five digits that a chart can show. */
    private static List<Double> column(List<StepRecord> steps, ToDoubleFunction<StepRecord> value) {
        return steps.stream().map(step -> rounded(value.applyAsDouble(step))).toList();
    }

    private static double rounded(double value) {
        return Double.isFinite(value)
                ? new BigDecimal(value).round(new MathContext(5)).doubleValue()
                : value;
    }

    private synchronized void reportEpoch(Settings settings, Trainer trainer) {
        progress.printf(
                Locale.ROOT,
                "            %s, seed %d: epoch %d of %d, training loss %.3f\n",
                settings.method(),
                settings.seed(),
                trainer.losses().size(),
                settings.epochs(),
                trainer.losses().getLast());
    }

    private synchronized void report(TrainingResult result) {
        done++;
        ran++;
        ranSeconds += result.seconds();
        Settings settings = result.settings();
        double left = (expected - done) * ranSeconds / ran / jobs;
        progress.printf(
                Locale.ROOT,
                "%3d of %d  %-6s %-10s %-4s batch %5d  rate %-7.4g 1-D x %-8.4g seed %-3d  %5.2f %%%s in %.1f s;  about %s left\n",
                done,
                expected,
                result.search() ? "search" : "final",
                settings.network().words(),
                settings.method(),
                settings.batch(),
                settings.hyperparameters().rate(),
                settings.hyperparameters().oneDimensionalFactor(),
                settings.seed(),
                100 * result.accuracy(),
                result.losses().size() < settings.epochs() ? " (diverged)" : "",
                result.seconds(),
                left < 90
                        ? String.format(Locale.ROOT, "%.0f s", left)
                        : String.format(Locale.ROOT, "%.0f min", left / 60));
    }
}
