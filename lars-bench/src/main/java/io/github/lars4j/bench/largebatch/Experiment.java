package io.github.lars4j.bench.largebatch;

import io.github.lars4j.Layers;
import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Compares the optimizers. For each optimizer and batch size it searches the learning rates on held-out examples, and
 * then trains with the best ones on the whole training set. The results do not depend on the number of parallel runs.
 */
final class Experiment {

    /** Maximum number of steps of a run whose trust ratios are kept; only runs with large batches have so few. */
    private static final int MOST_TRUST_RATIOS = 1000;

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
        int searches = plan.batches().size() * plan.methods().size();
        expected = searches
                * ((plan.search() ? plan.gridPoints() : 0) + plan.seeds().size());
        done = results.size();
        List<Future<?>> searching = new ArrayList<>();
        ExecutorService runs = Executors.newFixedThreadPool(
                jobs, Thread.ofPlatform().daemon().name("run-", 0).factory());
        // A search waits only for its own runs, so no search delays another.
        ExecutorService waiting = Executors.newVirtualThreadPerTaskExecutor();
        try {
            for (int batch : plan.batches()) {
                for (Method method : plan.methods()) {
                    searching.add(waiting.submit(() -> {
                        compare(method, batch, runs);
                        return null;
                    }));
                }
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

    /** Searches the rates of one optimizer at one batch size, and then trains with the best. */
    private void compare(Method method, int batch, ExecutorService runs)
            throws InterruptedException, ExecutionException {
        int rate = plan.chosen(batch).getFirst();
        int bias = plan.chosen(batch).getLast();
        if (plan.search()) {
            Grid grid = new Grid(plan);
            do {
                evaluate(grid, method, batch, runs);
            } while (grid.extend());
            rate = grid.bestRate;
            bias = grid.bestBias;
        }
        List<Future<TrainingResult>> finals = new ArrayList<>();
        for (long seed : plan.seeds()) {
            Settings settings = plan.settings(method, batch, rate, bias, seed);
            finals.add(runs.submit(() -> result(false, settings)));
        }
        for (Future<TrainingResult> run : finals) {
            run.get();
        }
    }

    /** Runs the new points of a grid, and finds the best of all points. */
    private void evaluate(Grid grid, Method method, int batch, ExecutorService runs)
            throws InterruptedException, ExecutionException {
        Map<List<Integer>, Future<TrainingResult>> points = new LinkedHashMap<>();
        for (int rate = grid.leastRate; rate <= grid.mostRate; rate++) {
            for (int bias = grid.leastBias; bias <= grid.mostBias; bias++) {
                Settings settings = plan.settings(method, batch, rate, bias, plan.searchSeed());
                points.put(List.of(rate, bias), runs.submit(() -> result(true, settings)));
            }
        }
        synchronized (this) {
            expected += points.size() - grid.points;
            grid.points = points.size();
        }
        Map<List<Integer>, TrainingResult> found = new LinkedHashMap<>();
        for (Map.Entry<List<Integer>, Future<TrainingResult>> point : points.entrySet()) {
            found.put(point.getKey(), point.getValue().get());
        }
        // The smaller loss decides between equal accuracies, and the order between equal losses.
        List<Integer> best = found.entrySet().stream()
                .min(Comparator.comparingDouble((Map.Entry<List<Integer>, TrainingResult> e) ->
                                -e.getValue().accuracy())
                        .thenComparingDouble(e -> e.getValue().loss()))
                .orElseThrow()
                .getKey();
        grid.bestRate = best.get(0);
        grid.bestBias = best.get(1);
    }

    /** The part of the plane of rates and bias factors that a search covers, in steps from its centre. */
    private static final class Grid {
        private final ExperimentPlan plan;
        int leastRate;
        int mostRate;
        int leastBias;
        int mostBias;
        int bestRate;
        int bestBias;
        int points;

        Grid(ExperimentPlan plan) {
            this.plan = plan;
            leastRate = -plan.rateReach();
            mostRate = plan.rateReach();
            leastBias = -plan.biasReach();
            mostBias = plan.biasReach();
            points = plan.gridPoints();
        }

        /**
         * Extends the grid beyond the edges on which the best point lies, as far as the plan allows; returns whether it
         * did.
         */
        boolean extend() {
            int rateLimit = plan.rateReach() + plan.extensions();
            int biasLimit = plan.biasReach() + plan.extensions();
            int rates = mostRate - leastRate;
            int biases = mostBias - leastBias;
            leastRate -= bestRate == leastRate && leastRate > -rateLimit ? 1 : 0;
            mostRate += bestRate == mostRate && mostRate < rateLimit ? 1 : 0;
            leastBias -= bestBias == leastBias && leastBias > -biasLimit ? 1 : 0;
            mostBias += bestBias == mostBias && mostBias < biasLimit ? 1 : 0;
            return mostRate - leastRate > rates || mostBias - leastBias > biases;
        }
    }

    private TrainingResult result(boolean search, Settings settings) throws IOException {
        TrainingResult known = results.find(search, settings);
        if (known != null) {
            return known;
        }
        int threads = jobs > 1 ? 1 : Runtime.getRuntime().availableProcessors();
        try (MatrixProduct product = new MatrixProduct(threads);
                Trainer trainer =
                        new Trainer(settings, search ? split.training() : training, plan.hidden(), classes, product)) {
            Path checkpoint = checkpoints.resolve(String.format(
                    Locale.ROOT,
                    "%s-%s-%d-%s-%s-%d.safetensors",
                    search ? "search" : "final",
                    settings.method(),
                    settings.batch(),
                    settings.rate(),
                    settings.biasFactor(),
                    settings.seed()));
            if (Files.exists(checkpoint)) {
                trainer.restore(checkpoint);
            }
            long saved = System.nanoTime();
            boolean finite = true;
            while (finite && trainer.losses().size() < settings.epochs()) {
                finite = trainer.epoch();
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
                    trainer.trustRatios().size(),
                    trainer.seconds(),
                    trainer.optimizerSeconds(),
                    search ? Map.of() : trustRatios(trainer));
            results.add(result);
            Trainer.delete(checkpoint);
            report(result);
            return result;
        }
    }

    /** The trust ratios of the adapted layers; empty if the run has too many steps. */
    private static Map<String, List<Double>> trustRatios(Trainer trainer) {
        Map<String, List<Double>> ratios = new LinkedHashMap<>();
        Layers layers = trainer.layers();
        for (int i = 0; i < layers.size(); i++) {
            int layer = i;
            if (layers.get(i).treatment().adapt() && trainer.trustRatios().size() <= MOST_TRUST_RATIOS) {
                ratios.put(
                        layers.get(i).name(),
                        trainer.trustRatios().stream().map(step -> step[layer]).toList());
            }
        }
        return ratios;
    }

    private synchronized void report(TrainingResult result) {
        done++;
        ran++;
        ranSeconds += result.seconds();
        Settings settings = result.settings();
        double left = (expected - done) * ranSeconds / ran / jobs;
        progress.printf(
                Locale.ROOT,
                "%3d of %d  %-6s %s batch %5d  rate %-9.4g biases x %-8.4g seed %-3d  %5.2f %%%s in %.1f s;  about %s left\n",
                done,
                expected,
                result.search() ? "search" : "final",
                settings.method(),
                settings.batch(),
                settings.rate(),
                settings.biasFactor(),
                settings.seed(),
                100 * result.accuracy(),
                result.losses().size() < settings.epochs() ? " (diverged)" : "",
                result.seconds(),
                left < 90
                        ? String.format(Locale.ROOT, "%.0f s", left)
                        : String.format(Locale.ROOT, "%.0f min", left / 60));
    }
}
