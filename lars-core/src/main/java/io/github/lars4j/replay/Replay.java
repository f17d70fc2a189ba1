package io.github.lars4j.replay;

import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Layer;
import io.github.lars4j.NonFiniteException;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.safetensors.SafeTensorsException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/**
 * What came of running a {@link Recording} on this JVM's kernels: the distance to the truth of every layer after every
 * step.
 *
 * @param recording name of the recording's file
 * @param dialect the implementation that was recorded
 * @param kernels the kernels that ran it
 * @param distances of every layer after every step, in the order of steps, then layers
 */
public record Replay(String recording, String dialect, String kernels, List<Distance> distances) {

    /** The most that weights may be off, in ulp of their layer's largest. */
    static final double MOST_ULPS = 8;
    /** The most that they may be off as a multiple of what the recorded implementation itself was in float32 … */
    static final double MOST_OF_RECORDED = 2;
    /** … and this many ulp. */
    static final double BEYOND_RECORDED = 2;
    /** The most that momentum may be off, relative to the largest that its layer has had. */
    static final double MOST_OF_MOMENTUM = 1e-5;

    /**
     * Where a layer stood after a step, against the truth. An ulp is that of a float as large as the truth's largest in
     * the layer: after this step for weights, up to this step for momentum.
     *
     * @param step index of the step
     * @param layer name of the layer
     * @param weights the most that a weight was off, in ulp
     * @param recorded the most that a weight of the recorded float32 run was off, in ulp
     * @param momentum the most that a momentum was off, in ulp; 0 without momentum
     * @param momentumRelative the same, relative to the largest magnitude that the layer's momentum has had
     */
    public record Distance(
            int step, String layer, double weights, double recorded, double momentum, double momentumRelative) {

        /** Whether the step was as good as the recorded one; false for NaN. */
        public boolean holds() {
            return weights <= MOST_ULPS
                    && weights <= MOST_OF_RECORDED * recorded + BEYOND_RECORDED
                    && momentumRelative <= MOST_OF_MOMENTUM;
        }
    }

    /**
     * Runs a recording.
     *
     * @throws SafeTensorsException if it does not begin where it says that it begins
     * @throws IOException if it cannot be read
     * @throws NonFiniteException if a step met anything that is not finite
     */
    public static Replay of(Recording recording) throws IOException {
        float[] params = recording.initialParams();
        float[] momentum = recording.hyperparameters().momentum() == 0 ? null : new float[recording.elements()];
        float[] gradient = new float[recording.elements()];
        Gradients gradients = Gradients.of(gradient);
        Comparison comparison = new Comparison(recording);
        comparison.requireStart(params);
        List<Distance> distances = new ArrayList<>();
        try (Lars lars = optimizer(recording, momentum)) {
            for (int step = 0; step < recording.steps(); step++) {
                recording.gradients(step, gradient);
                for (int i = 0; i < recording.layers().size(); i++) {
                    gradients.missing(i, recording.isMissing(step, i));
                }
                lars.step(params, gradients);
                comparison.after(step, params, momentum, distances);
            }
            return new Replay(recording.name(), recording.dialect(), lars.kernels(), List.copyOf(distances));
        }
    }

    private static Lars optimizer(Recording recording, float[] momentum) {
        Hyperparameters hyper = recording.hyperparameters();
        Lars.Builder builder = Lars.builder(recording.layers())
                .learningRate(step -> recording.learningRate((int) step))
                .rule(hyper.rule())
                .trustCoefficient(hyper.trustCoefficient())
                .weightDecay(hyper.weightDecay())
                .momentum(hyper.momentum())
                .dampening(hyper.dampening())
                .nesterov(hyper.nesterov());
        if (momentum == null) {
            return builder.build();
        }
        // The momentum is to be seen, so it is handed in; but as of an optimizer that has not begun.
        try (Lars fresh = builder.build()) {
            Lars lars = builder.momentumBuffer(momentum).build();
            lars.restore(fresh.snapshot());
            return lars;
        }
    }

    /** Whether every layer held the bar after every step. */
    public boolean holds() {
        return distances.stream().allMatch(Distance::holds);
    }

    /** Where weights were farthest off, in ulp. */
    public Distance worstWeights() {
        return worst(Distance::weights);
    }

    /** Where momentum was farthest off, relative to its bar. */
    public Distance worstMomentum() {
        return worst(Distance::momentumRelative);
    }

    private Distance worst(ToDoubleFunction<Distance> by) {
        return distances.stream().max(Comparator.comparingDouble(by)).orElseThrow();
    }

    /** One line: the file, the worst distances and where they were, and the verdict, with a layer that failed. */
    @Override
    public String toString() {
        Distance w = worstWeights();
        Distance m = worstMomentum();
        String line = String.format(
                Locale.ROOT,
                "%s (%s): weights %.2f ulp (%s, step %d), buffer %.2f ulp, %.1e of its largest (%s, step %d): %s",
                recording,
                dialect,
                w.weights,
                w.layer,
                w.step,
                m.momentum,
                m.momentumRelative,
                m.layer,
                m.step,
                holds() ? "holds" : "FAILS");
        return line
                + distances.stream()
                        .filter(distance -> !distance.holds())
                        .findFirst()
                        .map(Replay::explain)
                        .orElse("");
    }

    private static String explain(Distance d) {
        return String.format(
                Locale.ROOT,
                ", first at step %d in layer %s: weights %.2f ulp, the recorded float32 run %.2f ulp, buffer %.1e",
                d.step,
                d.layer,
                d.weights,
                d.recorded,
                d.momentumRelative);
    }

    /** The truth of one step at a time. */
    private static final class Comparison {

        private final Recording recording;
        private final double[] trueParams;
        private final double[] trueMomentum;
        private final float[] recordedParams;
        /** Largest magnitude that each layer's momentum has had. */
        private final double[] largestMomentum;

        Comparison(Recording recording) {
            this.recording = recording;
            this.trueParams = new double[recording.elements()];
            this.trueMomentum = new double[recording.elements()];
            this.recordedParams = new float[recording.elements()];
            this.largestMomentum = new double[recording.layers().size()];
        }

        /** Runs that began elsewhere, or with momentum, would only seem to differ. */
        void requireStart(float[] params) throws IOException {
            read(0, recording.hyperparameters().momentum() != 0);
            for (Layer layer : recording.layers()) {
                for (int i = (int) layer.offset(); i < layer.end(); i++) {
                    if (trueParams[i] != params[i] || recordedParams[i] != params[i] || trueMomentum[i] != 0) {
                        throw new SafeTensorsException(recording.name() + ": at element " + i + " params_initial is "
                                + params[i] + ", but the runs begin with params_f64 " + trueParams[i] + ", params_f32 "
                                + recordedParams[i] + " and momentum_f64 " + trueMomentum[i]);
                    }
                }
            }
        }

        void after(int step, float[] params, float[] momentum, List<Distance> distances) throws IOException {
            read(step + 1, momentum != null);
            for (int i = 0; i < recording.layers().size(); i++) {
                distances.add(distance(step, i, params, momentum));
            }
        }

        private void read(int stepsTaken, boolean momentum) throws IOException {
            recording.trueParams(stepsTaken, trueParams);
            recording.recordedParams(stepsTaken, recordedParams);
            if (momentum) {
                recording.trueMomentum(stepsTaken, trueMomentum);
            }
        }

        private Distance distance(int step, int index, float[] params, float[] momentum) {
            Layer layer = recording.layers().get(index);
            int from = (int) layer.offset();
            double largest = 0;
            double off = 0;
            double recordedOff = 0;
            double momentumOff = 0;
            for (int i = from; i < layer.end(); i++) {
                largest = Math.max(largest, Math.abs(trueParams[i]));
                off = Math.max(off, Math.abs(params[i] - trueParams[i]));
                recordedOff = Math.max(recordedOff, Math.abs(recordedParams[i] - trueParams[i]));
                if (momentum != null) {
                    double truth = recording.momentumNegated() ? -trueMomentum[i] : trueMomentum[i];
                    largestMomentum[index] = Math.max(largestMomentum[index], Math.abs(truth));
                    momentumOff = Math.max(momentumOff, Math.abs(momentum[i] - truth));
                }
            }
            double ulp = Math.ulp((float) largest);
            return new Distance(
                    step,
                    layer.name(),
                    off / ulp,
                    recordedOff / ulp,
                    momentumOff / Math.ulp((float) largestMomentum[index]),
                    // A buffer that stays at zero is 0 of 0 off.
                    momentumOff == 0 ? 0 : momentumOff / largestMomentum[index]);
        }
    }
}
