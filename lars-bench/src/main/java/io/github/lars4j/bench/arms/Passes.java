package io.github.lars4j.bench.arms;

import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.internal.passes.Crew;
import java.util.Arrays;

/**
 * The array work that every LARS with sums in double has to do, and nothing else: the three sums, in the fastest order,
 * and a step of SGD. There is no rule in between; all layers have the same rate.
 */
final class Passes implements AutoCloseable {

    /**
     * Elements per call. The JIT counts calls, so one call for everything would stay interpreted for long, and would be
     * no cheaper.
     */
    static final int CHUNK = 16_384;

    private final Layers layers;
    private final boolean readWeights;
    private final boolean readGradients;
    private final boolean allSumsFirst;
    private final Crew crew;
    private final int threads;
    /** Σw², Σg² and Σw·g by thread, each thread's apart from the next one's. */
    private final double[][] sums;

    private float[] weights;
    private float[] gradients;
    private float[] momentum;

    /**
     * Makes the passes.
     *
     * @param layers without gaps
     * @param known {@code fresh}, {@code carried} or {@code given}: which sums pass 1 need not take
     * @param allSumsFirst whether pass 1 covers all layers before pass 2 begins; otherwise both go layer by layer
     * @param threads number of threads, which take equal shares and do not wait for each other between the passes
     */
    Passes(Layers layers, String known, boolean allSumsFirst, int threads) {
        this.layers = layers;
        this.readWeights = known.equals("fresh");
        this.readGradients = !known.equals("given");
        this.allSumsFirst = allSumsFirst;
        this.threads = threads;
        this.sums = new double[threads][3 + Crew.APART / Double.BYTES];
        this.crew = new Crew(threads);
    }

    /** Takes a step with the hyperparameters of {@link StepBenchmark}; returns the total of all sums. */
    double run(float[] weights, float[] gradients, float[] momentum) {
        this.weights = weights;
        this.gradients = gradients;
        this.momentum = momentum;
        crew.run(this::share);
        double sum = 0;
        for (double[] own : sums) {
            sum += own[0] + own[1] + own[2];
        }
        return sum;
    }

    private void share(int thread) {
        double[] own = sums[thread];
        Arrays.fill(own, 0);
        int from = (int) (layers.end() * thread / threads);
        int to = (int) (layers.end() * (thread + 1) / threads);
        if (allSumsFirst) {
            measure(from, to, own);
            update(from, to, own);
            return;
        }
        for (int i = 0; i < layers.size(); i++) {
            Layer layer = layers.get(i);
            int first = Math.max(from, (int) layer.offset());
            int last = Math.min(to, (int) layer.end());
            if (first < last) {
                measure(first, last, own);
                update(first, last, own);
            }
        }
    }

    private void measure(int from, int to, double[] own) {
        for (int i = from; i < to && readGradients; i += CHUNK) {
            int end = Math.min(to, i + CHUNK);
            if (readWeights) {
                VectorArms.sums(weights, gradients, i, end, own);
            } else {
                own[1] += VectorArms.squares(gradients, i, end);
            }
        }
    }

    private void update(int from, int to, double[] own) {
        float rate = (float) StepBenchmark.RATE;
        float kept = (float) StepBenchmark.MOMENTUM;
        float decay = (float) StepBenchmark.DECAY;
        for (int i = from; i < to; i += CHUNK) {
            int end = Math.min(to, i + CHUNK);
            // If pass 1 does not read the weights, their squares are carried over from the previous step.
            if (!readWeights) {
                own[0] += VectorArms.sgdAndSquare(weights, gradients, momentum, i, end, rate, kept, decay);
            } else {
                VectorArms.sgd(weights, gradients, momentum, i, end, rate, kept, decay);
            }
        }
    }

    @Override
    public void close() {
        crew.close();
    }
}
