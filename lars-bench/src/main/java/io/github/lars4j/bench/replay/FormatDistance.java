package io.github.lars4j.bench.replay;

import io.github.lars4j.Format;
import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Layer;
import io.github.lars4j.NonFiniteException;
import io.github.lars4j.Tensors;
import io.github.lars4j.bench.arms.EightBit;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * How far the weights are from those of a run in float32, after a number of steps with the gradients of a recording, which
 * are repeated.
 *
 * @param ofNorm the norm of the difference, as a share of the norm of the weights
 * @param ofWay the norm of the difference, as a share of the distance of the weights from their initial values
 * @param largest the largest element of the difference, as a share of the largest weight
 */
record FormatDistance(double ofNorm, double ofWay, double largest) {

    private static final long SEED = 1;

    /**
     * The formats of gradient and momentum of a run.
     *
     * @param name the name in tables
     * @param stochastic whether the momentum is rounded stochastically
     * @param eightBit the code of a momentum in 8 bits; {@code null} if {@code momentum} is the format
     */
    record Variant(String name, Format gradients, Format momentum, boolean stochastic, EightBit eightBit) {

        static final Variant FLOAT32 = new Variant("float32", Format.FLOAT32, Format.FLOAT32, false, null);

        /** Those to compare with {@link #FLOAT32}. */
        static List<Variant> all() {
            List<Variant> all = new ArrayList<>();
            all.add(new Variant("gradient bfloat16", Format.BFLOAT16, Format.FLOAT32, false, null));
            all.add(new Variant("gradient float16", Format.FLOAT16, Format.FLOAT32, false, null));
            for (boolean stochastic : new boolean[] {false, true}) {
                String rounded = stochastic ? ", stochastic" : ", to nearest";
                all.add(new Variant("momentum bfloat16" + rounded, Format.FLOAT32, Format.BFLOAT16, stochastic, null));
                all.add(new Variant("both bfloat16" + rounded, Format.BFLOAT16, Format.BFLOAT16, stochastic, null));
                for (EightBit code : EightBit.values()) {
                    all.add(new Variant(
                            "momentum " + code.format() + rounded, Format.FLOAT32, Format.FLOAT32, stochastic, code));
                }
            }
            return List.copyOf(all);
        }

        boolean narrowsMomentum() {
            return momentum != Format.FLOAT32 || eightBit != null;
        }
    }

    /** Compares a run with one in float32; infinite if it does not stay finite. */
    static FormatDistance of(Recording recording, float[] float32, Variant variant, int steps) throws IOException {
        try {
            return of(recording, float32, run(recording, variant, steps));
        } catch (NonFiniteException e) {
            double infinite = Double.POSITIVE_INFINITY;
            return new FormatDistance(infinite, infinite, infinite);
        }
    }

    /** Compares two runs of a recording. */
    static FormatDistance of(Recording recording, float[] float32, float[] other) throws IOException {
        float[] start = recording.initialParams();
        double squares = 0;
        double way = 0;
        double off = 0;
        double largest = 0;
        double largestOff = 0;
        for (int i = 0; i < start.length; i++) {
            double difference = (double) other[i] - float32[i];
            double moved = (double) float32[i] - start[i];
            squares += (double) float32[i] * float32[i];
            way += moved * moved;
            off += difference * difference;
            largest = Math.max(largest, Math.abs(float32[i]));
            largestOff = Math.max(largestOff, Math.abs(difference));
        }
        return new FormatDistance(Math.sqrt(off / squares), Math.sqrt(off / way), largestOff / largest);
    }

    /**
     * Takes steps with the gradients of a recording, which begin again after the last one, as do the hyperparameters.
     *
     * @return the weights
     * @throws NonFiniteException if something does not stay finite
     */
    static float[] run(Recording recording, Variant variant, int steps) throws IOException {
        float[] params = recording.initialParams();
        float[] gradient = new float[recording.elements()];
        short[] narrow = new short[gradient.length];
        float[] momentum = variant.eightBit == null ? null : new float[gradient.length];
        SplittableRandom random = variant.stochastic ? new SplittableRandom(SEED) : null;
        Tensors weights = Tensors.flat(params);
        Gradients gradients = Gradients.of(
                variant.gradients == Format.FLOAT32 ? Tensors.flat(gradient) : Tensors.flat(variant.gradients, narrow));
        try (Lars lars = optimizer(recording, variant, momentum)) {
            for (int step = 0; step < steps; step++) {
                int recorded = step % recording.steps();
                recording.gradients(recorded, gradient);
                for (int i = 0; i < narrow.length && variant.gradients != Format.FLOAT32; i++) {
                    narrow[i] = variant.gradients.toShort(gradient[i]);
                }
                for (int i = 0; i < recording.layers().size(); i++) {
                    gradients.missing(i, recording.isMissing(recorded, i));
                }
                lars.step(weights, gradients);
                for (Layer layer : momentum == null ? List.<Layer>of() : recording.layers()) {
                    variant.eightBit.round(momentum, (int) layer.offset(), (int) layer.end(), random);
                }
            }
        }
        return params;
    }

    private static Lars optimizer(Recording recording, Variant variant, float[] momentum) {
        if (variant.momentum == Format.FLOAT32) {
            return Replay.optimizer(recording, momentum);
        }
        Lars.Builder builder = Replay.builder(recording).momentumFormat(variant.momentum);
        return (variant.stochastic ? builder.stochasticRounding(SEED) : builder).build();
    }
}
