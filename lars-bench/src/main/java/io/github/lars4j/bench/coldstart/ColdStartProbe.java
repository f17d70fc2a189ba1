package io.github.lars4j.bench.coldstart;

import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.bench.arms.Layouts;
import io.github.lars4j.bench.arms.StepBenchmark;
import java.util.Arrays;

/**
 * Main class of the JVMs of {@link ColdStart}. Prints the time to build the optimizer and the time at the end of each
 * step, in ms and one a line, and then the kernels.
 */
public final class ColdStartProbe {

    private ColdStartProbe() {}

    /** Takes the steps. The arguments are a layout and a time limit in ms, after which no further step begins. */
    public static void main(String[] args) {
        Layers layers = Layouts.named(args[0]);
        double limitMillis = Double.parseDouble(args[1]);
        float[] weights = new float[(int) layers.end()];
        float[] gradients = new float[weights.length];
        Arrays.fill(weights, 0.1f);
        Arrays.fill(gradients, 0.01f);
        long begun = System.nanoTime();
        try (Lars lars = Lars.builder(layers)
                .learningRate(StepBenchmark.RATE)
                .momentum(StepBenchmark.MOMENTUM)
                .nesterov(true)
                .weightDecay(StepBenchmark.DECAY)
                .build()) {
            double built = millisSince(begun);
            double[] ends = new double[ColdStart.STEPS.getLast()];
            int taken = 0;
            long first = System.nanoTime();
            while (taken < ends.length && millisSince(first) < limitMillis) {
                lars.step(weights, gradients);
                ends[taken++] = millisSince(first);
            }
            System.out.println(built);
            for (int i = 0; i < taken; i++) {
                System.out.println(ends[i]);
            }
            System.out.println(lars.kernels());
        }
    }

    private static double millisSince(long nanoTime) {
        return (System.nanoTime() - nanoTime) / 1e6;
    }
}
