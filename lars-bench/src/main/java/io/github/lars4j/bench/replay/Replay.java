package io.github.lars4j.bench.replay;

import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
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
 * What came of running a {@link Recording} with {@link Lars} on this JVM's kernels: the distance to the truth, the
 * recorded run in float64, of every layer after every step, as a share of what rounding errors can explain. {@code
 * docs/recording.md} describes the bound.
 *
 * @param recording name of the recording's file
 * @param dialect the implementation that was recorded
 * @param kernels the kernels that ran it
 * @param distances the distances of every layer after every step, in the order of steps, then layers
 */
public record Replay(String recording, String dialect, String kernels, List<Distance> distances) {

    /** Whether the step of a layer counts for {@link #holds}. */
    public enum Judgement {
        /** Its distance to the truth says whether the two runs do the same. */
        JUDGED,
        /** The layer had no gradient in the step, so that it must only stay as it is. */
        NO_GRADIENT,
        /**
         * Rounding the true weights to float already changes the layer's trust ratio by too much to tell anything: they
         * are smaller than the normal floats, or the gradient cancels the weight decay. The layer was set to the truth
         * after the step; all its distances but that of the recorded float32 run are 0.
         */
        UNDETERMINED
    }

    /**
     * How far a layer is from the truth after a step. An ulp is that of a float as large as the largest weight that
     * the layer has had so far, in truth.
     *
     * @param step index of the step
     * @param layer name of the layer
     * @param weights the most that a weight was off, as a share of its bound
     * @param momentum the most that an element of the momentum was off, as a share of its bound; 0 without momentum
     * @param ulps the most that a weight was off, in ulp
     * @param recorded the most that a weight of the recorded float32 run was off, in ulp
     * @param judgement whether the step counts
     */
    public record Distance(
            int step,
            String layer,
            double weights,
            double momentum,
            double ulps,
            double recorded,
            Judgement judgement) {

        /** Returns whether both shares are at most 1, so that rounding errors explain the distance; false for NaN. */
        public boolean holds() {
            return weights <= 1 && momentum <= 1;
        }
    }

    /**
     * Runs a recording from its first step to its last.
     *
     * @param recording the recording, which stays open
     * @return the distances between the two runs
     * @throws SafeTensorsException if the recorded runs do not begin with {@code params_initial} and a momentum of 0, or
     *     the one in float64 has a weight or momentum that is not in the range of a float
     * @throws IOException if the recording cannot be read, or is closed
     * @throws NonFiniteException if a weight, a gradient or what follows from them is not finite
     */
    public static Replay of(Recording recording) throws IOException {
        float[] params = recording.initialParams();
        float[] momentum = recording.hasMomentum() ? new float[recording.elements()] : null;
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
                comparison.before(step, gradient, params, momentum);
                lars.step(params, gradients);
                comparison.after(step, params, momentum, distances);
            }
            return new Replay(recording.name(), recording.dialect(), lars.kernels(), List.copyOf(distances));
        }
    }

    /** Returns a builder of an optimizer for a recording. */
    static Lars.Builder builder(Recording recording) {
        Regime common = recording.common();
        Lars.Builder builder = Lars.builder(recording.layers())
                .learningRate(common.learningRate())
                .rule(common.rule())
                .trustCoefficient(common.schedule(Hyperparameters::trustCoefficient))
                .weightDecay(common.schedule(Hyperparameters::weightDecay))
                .momentum(common.schedule(Hyperparameters::momentum))
                .dampening(common.steps().get(0).dampening())
                .nesterov(common.nesterov());
        for (Recording.RecordedGroup group : recording.groups()) {
            builder.group(group.name(), layer -> group.layers().contains(layer.name()), group.regime()::settings);
        }
        return builder;
    }

    /**
     * Returns an optimizer for a recording.
     *
     * @param momentum its momentum; {@code null} if it has its own
     */
    static Lars optimizer(Recording recording, float[] momentum) {
        Lars.Builder builder = builder(recording);
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

    /**
     * Returns whether rounding errors explain every distance, {@link Distance#holds} for all, and at least one is
     * {@link Judgement#JUDGED}.
     */
    public boolean holds() {
        return count(Judgement.JUDGED) > 0 && distances.stream().allMatch(Distance::holds);
    }

    private long count(Judgement judgement) {
        return distances.stream().filter(d -> d.judgement == judgement).count();
    }

    /** Returns the distance whose {@link Distance#weights} is the greatest. */
    public Distance worstWeights() {
        return worst(Distance::weights);
    }

    /** Returns the distance whose {@link Distance#momentum} is the greatest. */
    public Distance worstMomentum() {
        return worst(Distance::momentum);
    }

    private Distance worst(ToDoubleFunction<Distance> by) {
        return distances.stream().max(Comparator.comparingDouble(by)).orElseThrow();
    }

    /**
     * Returns one line that says the recording, the greatest distances and where they are, and {@code holds} or {@code
     * FAILS}, with the first distance that does not hold. It also says how many steps of layers were not judged, if any.
     */
    @Override
    public String toString() {
        Distance w = worstWeights();
        Distance m = worstMomentum();
        String line = String.format(
                Locale.ROOT,
                "%s (%s): weights off by %.2f of their bound (%s, step %d), buffer by %.2f of its bound (%s, step %d): %s",
                recording,
                dialect,
                w.weights,
                w.layer,
                w.step,
                m.momentum,
                m.layer,
                m.step,
                holds() ? "holds" : "FAILS");
        return line
                + distances.stream()
                        .filter(distance -> !distance.holds())
                        .findFirst()
                        .map(Replay::explain)
                        .orElse("")
                + notJudged();
    }

    private String notJudged() {
        if (count(Judgement.JUDGED) == 0) {
            return "; no step of any layer could be judged";
        }
        long count = count(Judgement.UNDETERMINED);
        return distances.stream()
                .filter(d -> d.judgement == Judgement.UNDETERMINED)
                .findFirst()
                .map(d -> String.format(
                        Locale.ROOT,
                        "; %d of %d steps of layers could not be judged, first step %d of layer %s",
                        count,
                        count + count(Judgement.JUDGED),
                        d.step,
                        d.layer))
                .orElse("");
    }

    private static String explain(Distance d) {
        return String.format(
                Locale.ROOT,
                ", first at step %d in layer %s: weights %.2f of their bound, buffer %.2f; weights %.2f ulp of the largest"
                        + " so far, those of the recorded float32 run %.2f ulp",
                d.step,
                d.layer,
                d.weights,
                d.momentum,
                d.ulps,
                d.recorded);
    }

    /** How much of a bound a value is off; NaN, which does not hold, if the bound is not finite. */
    static double share(double value, double truth, double bound) {
        double off = Math.abs(value - truth);
        // What never moved is 0 of 0 off.
        return off == 0 ? 0 : Double.isFinite(bound) ? off / bound : Double.NaN;
    }

    /** The truth of one step at a time. */
    private static final class Comparison {

        private final Recording recording;
        private final ErrorBound bound;
        private final float[] recordedParams;
        /** Largest magnitude of a weight that each layer has had. */
        private final double[] largest;

        Comparison(Recording recording) throws IOException {
            this.recording = recording;
            this.bound = new ErrorBound(recording);
            this.recordedParams = new float[recording.elements()];
            this.largest = new double[recording.layers().size()];
        }

        /** Runs that began elsewhere, or with momentum, would only seem to differ. */
        void requireStart(float[] params) throws IOException {
            double[] trueParams = bound.trueParams();
            double[] trueMomentum = bound.trueMomentum();
            recording.recordedParams(0, recordedParams);
            for (int layer = 0; layer < largest.length; layer++) {
                for (int i = from(layer); i < to(layer); i++) {
                    if (trueParams[i] != params[i] || recordedParams[i] != params[i] || trueMomentum[i] != 0) {
                        throw new SafeTensorsException(recording.name() + ": at element " + i + " params_initial is "
                                + params[i] + ", but the runs begin with params_f64 " + trueParams[i] + ", params_f32 "
                                + recordedParams[i] + " and momentum_f64 " + trueMomentum[i]);
                    }
                    largest[layer] = Math.max(largest[layer], Math.abs(params[i]));
                }
            }
        }

        void before(int step, float[] gradient, float[] params, float[] momentum) throws IOException {
            bound.step(step, gradient, params, momentum);
        }

        void after(int step, float[] params, float[] momentum, List<Distance> distances) throws IOException {
            recording.recordedParams(step + 1, recordedParams);
            for (int i = 0; i < largest.length; i++) {
                distances.add(distance(step, i, params, momentum));
            }
        }

        private Distance distance(int step, int layer, float[] params, float[] momentum) {
            boolean missing = recording.isMissing(step, layer);
            boolean undetermined = !missing && bound.undetermined(layer);
            if (undetermined) {
                bound.hold(layer, params, momentum);
            }
            double weights = 0;
            double buffer = 0;
            double off = 0;
            double recordedOff = 0;
            for (int i = from(layer); i < to(layer); i++) {
                double truth = bound.trueParams()[i];
                largest[layer] = Math.max(largest[layer], Math.abs(truth));
                off = Math.max(off, Math.abs(params[i] - truth));
                recordedOff = Math.max(recordedOff, Math.abs(recordedParams[i] - truth));
                weights = Math.max(weights, share(params[i], truth, bound.params()[i]));
                if (momentum != null) {
                    buffer = Math.max(buffer, share(momentum[i], bound.trueMomentum()[i], bound.momentum()[i]));
                }
            }
            double ulp = Math.ulp((float) largest[layer]);
            String name = recording.layers().get(layer).name();
            if (undetermined) {
                return new Distance(step, name, 0, 0, 0, recordedOff / ulp, Judgement.UNDETERMINED);
            }
            Judgement judgement = missing ? Judgement.NO_GRADIENT : Judgement.JUDGED;
            return new Distance(step, name, weights, buffer, off / ulp, recordedOff / ulp, judgement);
        }

        private int from(int layer) {
            return (int) recording.layers().get(layer).offset();
        }

        private int to(int layer) {
            return (int) recording.layers().get(layer).end();
        }
    }
}
