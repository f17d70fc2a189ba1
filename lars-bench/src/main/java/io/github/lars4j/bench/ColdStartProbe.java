package io.github.lars4j.bench;

import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.bench.arms.Layouts;
import io.github.lars4j.bench.arms.StepBenchmark;
import java.util.Arrays;

/** Main class of the JVMs of {@link ColdStart}: takes steps and prints their times, in ms, a line each. */
public final class ColdStartProbe {

    private ColdStartProbe() {}

    /** Takes the steps. The arguments are a layout and the time in ms after which no further step is taken. */
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
            double[] times = new double[1 + ColdStart.STEPS.size()];
            int known = 0;
            times[known++] = millisSince(begun);
            long first = System.nanoTime();
            for (int step = 1; known < times.length && millisSince(first) < limitMillis; step++) {
                lars.step(weights, gradients);
                if (step == ColdStart.STEPS.get(known - 1)) {
                    times[known++] = millisSince(first);
                }
            }
            for (int i = 0; i < known; i++) {
                System.out.println(times[i]);
            }
            System.out.println(lars.kernels());
        }
    }

    private static double millisSince(long nanoTime) {
        return (System.nanoTime() - nanoTime) / 1e6;
    }
}
