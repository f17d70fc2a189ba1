package io.github.lars4j.bench.largebatch;

import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.bench.arms.NaiveLars;
import io.github.lars4j.bench.largebatch.ExperimentPlan.Cell;
import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.rule.Treatment;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** The optimizer's share of the time of the normalised network's final runs, with the library and with a naive LARS. */
final class OptimizerShare {

    /** Number of steps: enough to finish JIT compilation and to take a median. */
    private static final int STEPS = 1000;

    // None of them affects the time of a step.
    private static final float RATE = 0.01f;
    private static final float MOMENTUM = 0.9f;
    private static final float WEIGHT_DECAY = 1e-4f;

    private OptimizerShare() {}

    /** A table in Markdown, from the results and from steps that this method times. */
    static String table(ExperimentPlan plan, ExperimentResults results) {
        return table(plan, results, warmSeconds(plan));
    }

    /**
     * A table in Markdown.
     *
     * @param warm time of a warm step in seconds, with the library and with a naive LARS
     */
    static String table(ExperimentPlan plan, ExperimentResults results, double[] warm) {
        StringBuilder out = new StringBuilder("""
                | batch | steps | SGD's share of the time, % | LARS' share, % | LARS, ms a step | with a naive LARS, % |
                |------:|------:|---------------------------:|---------------:|----------------:|---------------------:|
                """);
        for (int batch : plan.batches()) {
            List<TrainingResult> lars = results.finals(new Cell(plan.normalized(), Method.LARS, batch));
            double seconds = lars.stream().mapToDouble(TrainingResult::seconds).sum();
            double own =
                    lars.stream().mapToDouble(TrainingResult::optimizerSeconds).sum();
            double steps = lars.stream().mapToDouble(TrainingResult::steps).sum();
            double instead = warm[1] * steps;
            out.append(String.format(
                    Locale.ROOT,
                    "| %d | %.0f | %.2f | %.2f | %.3f | %.2f |\n",
                    batch,
                    steps / lars.size(),
                    100 * share(results.finals(new Cell(plan.normalized(), Method.SGD, batch))),
                    100 * share(lars),
                    1000 * own / steps,
                    100 * instead / (seconds - own + instead)));
        }
        out.append(String.format(
                Locale.ROOT,
                "\nA step of these layers, warm, on one thread with nothing else to do: %.3f ms with the library,"
                        + " %.3f ms with a naive LARS.\n",
                1000 * warm[0],
                1000 * warm[1]));
        return out.toString();
    }

    private static double share(List<TrainingResult> results) {
        return results.stream().mapToDouble(TrainingResult::optimizerSeconds).sum()
                / results.stream().mapToDouble(TrainingResult::seconds).sum();
    }

    /** Times a warm step on the network's layers in seconds, with the library and with a naive LARS. */
    private static double[] warmSeconds(ExperimentPlan plan) {
        Layers layers;
        float[] weights;
        int[] widths = Trainer.widths(FashionMnist.features(), plan.hidden(), FashionMnist.CLASSES);
        try (MatrixProduct product = new MatrixProduct(1)) {
            Network network = new Network(product, plan.normalized(), Treatment.PLAIN, widths);
            layers = network.layers();
            weights = network.initialWeights(1);
        }
        float[] gradients = new float[weights.length];
        Arrays.fill(gradients, 1e-4f);
        float[][] parts = parts(layers, weights);
        float[][] gradientParts = parts(layers, gradients);
        NaiveLars naive =
                new NaiveLars(layers.size(), RATE, MOMENTUM, WEIGHT_DECAY, true, (float) Trainer.TRUST_COEFFICIENT);
        try (Lars lars = Lars.builder(layers)
                .learningRate(RATE)
                .momentum(MOMENTUM)
                .nesterov(true)
                .weightDecay(WEIGHT_DECAY)
                .build()) {
            return new double[] {
                seconds(() -> lars.step(weights, gradients)), seconds(() -> naive.step(parts, gradientParts))
            };
        }
    }

    private static float[][] parts(Layers layers, float[] values) {
        float[][] parts = new float[layers.size()][];
        for (int i = 0; i < parts.length; i++) {
            parts[i] = Arrays.copyOfRange(
                    values, (int) layers.get(i).offset(), (int) layers.get(i).end());
        }
        return parts;
    }

    private static double seconds(Runnable step) {
        double[] seconds = new double[STEPS];
        for (int i = 0; i < STEPS; i++) {
            long start = System.nanoTime();
            step.run();
            seconds[i] = (System.nanoTime() - start) / 1e9;
        }
        double[] warm = Arrays.copyOfRange(seconds, STEPS / 2, STEPS);
        Arrays.sort(warm);
        return warm[warm.length / 2];
    }
}
