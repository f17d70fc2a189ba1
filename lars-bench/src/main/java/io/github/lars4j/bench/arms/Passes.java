package io.github.lars4j.bench.arms;

import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.passes.Crew;
import java.util.Arrays;

/**
 * What a LARS whose sums are in double has to do to its arrays, and no more: the three sums in whatever order is
 * fastest, and a step of SGD. There is no rule between them; all layers get the same rate.
 */
final class Passes implements AutoCloseable {

    /**
     * Elements of one call. One call for everything would wait long for its compiled code, which counts calls, and
     * costs are no less.
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
     * @param known {@code fresh}, {@code carried} or {@code given}: what pass 1 need not read
     * @param allSumsFirst whether pass 1 goes over everything before pass 2 begins; otherwise layer by layer
     * @param threads that take as many elements each, and do not wait for each other in between
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

    /** Takes a step with the numbers of {@link StepBenchmark}; returns the sum of all sums that were taken. */
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
            // Who does not read the weights in pass 1 has their squares from the step before.
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
