package io.github.lars4j.bench.largebatch;

import io.github.lars4j.Layers;
import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.rule.Treatment;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.BiConsumer;
import java.util.function.IntFunction;

/** How much of the final runs' time the optimizer took, and would have taken written naively. */
final class OptimizerShare {

    /** For the JIT compiler to be done, and for a median. */
    private static final int NAIVE_STEPS = 400;

    private OptimizerShare() {}

    /**
     * A table in Markdown.
     *
     * @param naive makes, for a number of tensors, a step of weights and gradients that have an array for each tensor;
     *     {@code null} to leave it out
     */
    static String table(Plan plan, Results results, IntFunction<BiConsumer<float[][], float[][]>> naive) {
        double naiveSeconds = naive == null ? Double.NaN : naiveStepSeconds(plan, naive);
        StringBuilder out = new StringBuilder("""
                | batch | steps | SGD's share of the time, % | LARS' share, % | LARS, ms a step | with a naive LARS, % |
                |------:|------:|---------------------------:|---------------:|----------------:|---------------------:|
                """);
        for (int batch : plan.batches()) {
            List<Result> lars = results.finals(Method.LARS, batch);
            double seconds = lars.stream().mapToDouble(Result::seconds).sum();
            double own = lars.stream().mapToDouble(Result::optimizerSeconds).sum();
            double steps = lars.stream().mapToDouble(Result::steps).sum();
            double instead = naiveSeconds * steps;
            out.append(String.format(
                    Locale.ROOT,
                    "| %d | %.0f | %.2f | %.2f | %.3f | %s |\n",
                    batch,
                    steps / lars.size(),
                    100 * share(results.finals(Method.SGD, batch)),
                    100 * share(lars),
                    1000 * own / steps,
                    naive == null
                            ? "-"
                            : String.format(Locale.ROOT, "%.2f", 100 * instead / (seconds - own + instead))));
        }
        if (naive != null) {
            out.append(String.format(
                    Locale.ROOT,
                    "\nA naive LARS step of these layers took %.3f ms on one thread, when nothing else ran.\n",
                    1000 * naiveSeconds));
        }
        return out.toString();
    }

    private static double share(List<Result> results) {
        return results.stream().mapToDouble(Result::optimizerSeconds).sum()
                / results.stream().mapToDouble(Result::seconds).sum();
    }

    private static double naiveStepSeconds(Plan plan, IntFunction<BiConsumer<float[][], float[][]>> naive) {
        Layers layers;
        float[] initial;
        try (MatrixProduct product = new MatrixProduct(1)) {
            Network network = new Network(
                    product,
                    Treatment.PLAIN,
                    Trainer.widths(FashionMnist.features(), plan.hidden(), FashionMnist.CLASSES));
            layers = network.layers();
            initial = network.initialWeights(1);
        }
        float[][] weights = new float[layers.size()][];
        float[][] gradients = new float[layers.size()][];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = Arrays.copyOfRange(
                    initial, (int) layers.get(i).offset(), (int) layers.get(i).end());
            gradients[i] = new float[weights[i].length];
            Arrays.fill(gradients[i], 1e-4f);
        }
        BiConsumer<float[][], float[][]> step = naive.apply(layers.size());
        double[] seconds = new double[NAIVE_STEPS];
        for (int i = 0; i < NAIVE_STEPS; i++) {
            long start = System.nanoTime();
            step.accept(weights, gradients);
            seconds[i] = (System.nanoTime() - start) / 1e9;
        }
        double[] warm = Arrays.copyOfRange(seconds, NAIVE_STEPS / 2, NAIVE_STEPS);
        Arrays.sort(warm);
        return warm[warm.length / 2];
    }
}
