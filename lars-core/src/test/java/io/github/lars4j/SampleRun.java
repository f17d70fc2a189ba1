package io.github.lars4j;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Treatment;
import java.util.List;
import java.util.Random;

/** A small reproducible training run: its state depends only on the dialect and the step. */
final class SampleRun {

    static final long LAST_STEP = 201;

    /** Kinds of optimizers, whose states differ in some way. */
    enum Kind {
        PAPER,
        CORRECTED,
        SNIPPET,
        DAMPENED,
        OPTAX,
        NO_MOMENTUM,
        CARRIED
    }

    static final Layers LAYERS = new Layers(List.of(
            new Layer("conv.weight", 0, List.of(3L, 2L, 4L), 24, Treatment.FULL),
            new Layer("conv.bias", 24, List.of(3L), 3, Treatment.PLAIN),
            new Layer("nothing", 27, List.of(0L), 0, Treatment.FULL),
            // There is a gap, and the layers are not in the order of the array.
            new Layer("scale \u00e9\"\\\n", 60, List.of(), 1, new Treatment(true, false, 0.3)),
            new Layer("head", 30, List.of(29L), 29, new Treatment(false, true, 1.5))));

    private SampleRun() {}

    static Lars.Builder builder(Kind kind) {
        return builder(kind, LAYERS);
    }

    static Lars.Builder builder(Kind kind, Layers layers) {
        Lars.Builder builder = Lars.builder(layers)
                .learningRate(Schedule.polynomial(3, 2, LAST_STEP))
                .weightDecay(1e-2)
                .onBadGradient(OnBadGradient.REFUSE);
        return switch (kind) {
            case PAPER -> builder.momentum(0.9).nesterov(true);
            case CORRECTED -> builder.momentum(0.8).momentumCorrection(true).trustCoefficient(0.1 + 0.2);
            case SNIPPET -> builder.rule(Dialects.SNIPPET).momentum(0.9);
            case DAMPENED ->
                builder.rule(Dialects.timm(true, false)).momentum(0.7).dampening(0.25);
            case OPTAX -> builder.rule(Dialects.OPTAX).momentum(0.9);
            case NO_MOMENTUM -> builder.rule(Dialects.BOLTS);
            case CARRIED -> builder.momentum(0.9).carrySums(true).maxGradientNorm(20);
        };
    }

    static float[] params() {
        Random random = new Random(99);
        float[] params = new float[64];
        for (int i = 0; i < params.length; i++) {
            params[i] = random.nextFloat() - 0.5f;
        }
        return params;
    }

    /** Takes the next step. Some layers have no gradient, and every 13th step is refused once before it succeeds. */
    static void step(Lars lars, float[] params) {
        long step = lars.steps();
        Random random = new Random(step);
        float[] array = new float[params.length];
        for (int i = 0; i < array.length; i++) {
            array[i] = 2 * random.nextFloat() - 1;
        }
        Gradients gradients = Gradients.of(array)
                .missing(1, step % 5 == 2)
                .missing(4, step < 40)
                .missing(0, step == 0);
        if (step % 13 == 7) {
            array[1] = Float.NaN;
            lars.step(params, gradients);
            array[1] = 0.5f;
        }
        lars.step(params, gradients);
    }

    static void run(Lars lars, float[] params, long until) {
        while (lars.steps() < until) {
            step(lars, params);
        }
    }

    /** Returns the state of the optimizer and the weights as text, with the bits of every number. */
    static String bits(Lars lars, float[] params) {
        State state = Inside.state(lars);
        float[] momentum = Inside.flat(state);
        StringBuilder text = new StringBuilder()
                .append(state.step)
                .append(' ')
                .append(state.refusals)
                .append(' ')
                .append(state.hyperparameters())
                .append(' ')
                .append(state.layers());
        for (int i = 0; i < state.begun.length; i++) {
            text.append(state.begun[i])
                    .append(' ')
                    .append(Double.doubleToLongBits(state.learningRates[i]))
                    .append(' ')
                    .append(Double.doubleToLongBits(state.trustRatios[i]))
                    .append(' ')
                    .append(Double.doubleToLongBits(state.trustCoefficients[i]))
                    .append('\n');
            for (int e = (int) state.layers().get(i).offset();
                    e < state.layers().get(i).end();
                    e++) {
                text.append(Float.floatToIntBits(params[e]))
                        .append(' ')
                        .append(!state.hasMomentum() ? 0 : Float.floatToIntBits(momentum[e]))
                        .append('\n');
            }
        }
        return text.toString();
    }
}
