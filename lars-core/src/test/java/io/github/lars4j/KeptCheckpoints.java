package io.github.lars4j;

import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.rule.TrustRatio;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Checkpoint files of every format, which are kept for ever in the test resources. Beside each is a text: the state that
 * it holds, and the state after one further step, with the bits of every number. Neither is ever written again. A new
 * format gets files of its own, which {@link #main} makes.
 */
final class KeptCheckpoints {

    static final Path FOLDER = Path.of("src/test/resources/io/github/lars4j/checkpoints");

    /** The first two were written when there was only format 1. */
    static final List<String> NAMES = List.of(
            "format-1-with-weights",
            "format-1-without-momentum",
            "format-1-nesterov",
            "format-1-dampening",
            "format-2-groups",
            "format-3-nearest",
            "format-3-stochastic");

    private static final int PER_LINE = 8;

    /** Every field of a layer differs from layer to layer, and the layers are not in the order of the arrays. */
    private static final Layers LAYERS = new Layers(List.of(
            new Layer("conv.weight", 7, List.of(3L, 2L, 2L), 12, Treatment.FULL),
            new Layer("conv bias", 0, List.of(3L), 3, new Treatment(false, false, 0.25)),
            new Layer("empty", 19, List.of(0L, 4L), 0, Treatment.FULL),
            new Layer("scale \u00e9\"\\", 40, List.of(), 1, new Treatment(true, false, 0.3)),
            new Layer("head", 21, List.of(5L), 5, new Treatment(false, true, 1.5))));

    private static final TrustRatio HALF = (weightNorm, gradientNorm, products, eta, decay, rate, layer, step) ->
            eta * weightNorm / (gradientNorm + 0.5);

    private static final Rule OWN =
            Rule.of("half", Rule.Entry.GRADIENT, false, HALF).withRatioBounds(0.01, 4);

    private static final Rule REFINED = new Rule(
                    Rule.Ratio.NORMALIZED, Rule.Entry.VELOCITY, Rule.ZeroNorm.ONE, false, true, 1e-6)
            .withRatioBounds(1e-3, 0.5)
            .withWeightNormBounds(0.01, 10)
            .withGradientNormFloor(1e-4)
            .withDecay(Rule.Decay.BESIDE_RATIO)
            .withGradientClip(0.25, 1e-3);

    private KeptCheckpoints() {}

    /** Returns the optimizer whose state a file is to hold. */
    private static Lars.Builder saving(String name) {
        Lars.Builder builder =
                Lars.builder(LAYERS).learningRate(Schedule.polynomial(1, 1, 8)).onBadGradient(OnBadGradient.REFUSE);
        return switch (name) {
            case "format-1-nesterov" ->
                builder.rule(new Rule(Rule.Ratio.DECAYED, Rule.Entry.VELOCITY, Rule.ZeroNorm.SKIP, false, true, 1e-7))
                        .trustCoefficient(0.01)
                        .weightDecay(0.03125)
                        .momentum(0.9)
                        .nesterov(true)
                        .momentumCorrection(true);
            case "format-1-dampening" ->
                builder.rule(new Rule(Rule.Ratio.RAW, Rule.Entry.UPDATE, Rule.ZeroNorm.FORMULA, true, false, 0.5))
                        .trustCoefficient(0.75)
                        .weightDecay(0.125)
                        .momentum(0.8)
                        .dampening(0.25);
            case "format-2-groups" ->
                builder.rule(REFINED)
                        .trustCoefficient(0.02)
                        .weightDecay(decay())
                        .momentum(0.7)
                        .momentumCorrection(true)
                        .group(
                                "convs",
                                of("conv"),
                                g -> g.weightDecay(0.5)
                                        .trustCoefficient(0.3)
                                        .rateFactor(0.125)
                                        .rule(new Rule(
                                                Rule.Ratio.SUM,
                                                Rule.Entry.VELOCITY,
                                                Rule.ZeroNorm.ONE,
                                                false,
                                                true,
                                                0)))
                        .group(
                                "dampened \"1\"",
                                of("conv.weight"),
                                g -> g.momentum(momentum()).dampening(0.375))
                        .group(
                                "shrunk",
                                of("conv bias"),
                                g -> g.momentum(0).rule(REFINED.withShrink(true).withDecay(Rule.Decay.RATIO_ONLY)))
                        .group(
                                "own",
                                of("head"),
                                g -> g.rule(OWN)
                                        .momentumCorrection(false)
                                        .trustCoefficient(Schedule.cosine(0.25, 100))
                                        .nesterov(true));
            case "format-3-nearest" ->
                builder.momentumFormat(Format.BFLOAT16)
                        .momentum(0.95)
                        .trustCoefficient(0.05)
                        .weightDecay(0.0625);
            case "format-3-stochastic" ->
                builder.momentumFormat(Format.BFLOAT16)
                        .stochasticRounding(42)
                        .momentum(0.95)
                        .trustCoefficient(0.05)
                        .weightDecay(0.0625)
                        .group("head", of("head"), g -> g.momentum(0.5));
            default -> throw new IllegalArgumentException(name + " cannot be made any more");
        };
    }

    /** Returns an optimizer that can take the state of a file, and has nothing of it that a file can hold. */
    private static Lars.Builder restoring(String name, Layers layers) {
        Lars.Builder builder = Lars.builder(layers).learningRate(0.5);
        return switch (name) {
            case "format-2-groups" ->
                builder.weightDecay(decay())
                        .group(
                                "own",
                                of(""),
                                g -> g.rule(OWN.withRatioBounds(0, 1)).trustCoefficient(Schedule.cosine(0.25, 100)))
                        .group("convs", of("head"), g -> g.rateFactor(9))
                        .group("dampened \"1\"", of(""), g -> g.momentum(momentum()))
                        .group("shrunk", of("scale"), g -> g.weightDecay(9));
            case "format-3-nearest" -> builder.momentumFormat(Format.BFLOAT16);
            case "format-3-stochastic" ->
                builder.momentum(0.1)
                        .momentumFormat(Format.BFLOAT16)
                        .stochasticRounding(7)
                        .group("head", of(""), g -> g.rateFactor(9));
            default -> builder;
        };
    }

    private static Predicate<Layer> of(String prefix) {
        return layer -> layer.name().startsWith(prefix);
    }

    private static Schedule decay() {
        return Schedule.polynomial(0.25, 1, 16);
    }

    private static Schedule momentum() {
        return Schedule.piecewiseLinear(new long[] {0, 8}, new double[] {0.5, 0.9});
    }

    static Path file(String name) {
        return FOLDER.resolve(name + ".safetensors");
    }

    static Path text(String name) {
        return FOLDER.resolve(name + ".txt");
    }

    /**
     * Restores a file, saves it again, takes one step and returns all that was seen.
     *
     * @param again where it is saved again
     */
    static String read(String name, Path again) throws IOException {
        Checkpoint checkpoint = Checkpoint.load(file(name));
        float[] weights = new float[(int) checkpoint.layers().end()];
        try (Lars lars = restoring(name, checkpoint.layers()).build()) {
            if (checkpoint.hasWeights()) {
                checkpoint.restore(lars, weights);
                Checkpoint.save(again, lars, weights);
            } else {
                checkpoint.restore(lars);
                Checkpoint.save(again, lars);
                fill(weights, 3);
            }
            String restored = "step of the checkpoint " + checkpoint.step() + "\n"
                    + hyperparameters(checkpoint.hyperparameters()) + "\n" + text(lars, weights);
            float[] gradients = new float[weights.length];
            fill(gradients, 4);
            lars.step(weights, gradients);
            return restored + "\nafter one step\n" + text(lars, weights);
        }
    }

    /** Fills an array with numbers whose least bits are not 0. */
    private static void fill(float[] array, int seed) {
        for (int i = 0; i < array.length; i++) {
            array[i] = (float) ((7 * i + seed) % 11 - 4) / (3 + seed);
        }
    }

    /** Returns the state and the weights, written out: it must not change when the words of {@code toString} do. */
    private static String text(Lars lars, float[] weights) {
        State state = Inside.state(lars);
        StringBuilder text = new StringBuilder();
        text.append("steps ").append(state.step).append(", refusals ").append(state.refusals);
        text.append("\nmomentum in ").append(state.storage.format());
        text.append(", seed ").append(state.storage.seed()).append('\n');
        text.append(settings(state.setup.settings, state.step));
        for (Group group : state.setup.groups) {
            text.append("group ").append(group.name()).append(": ").append(group.layers());
            text.append('\n').append(settings(group.settings(), state.step));
        }
        for (int i = 0; i < state.layers().size(); i++) {
            Layer layer = state.layers().get(i);
            text.append("layer ").append(layer.name()).append(": at ").append(layer.offset());
            text.append(", shape ").append(layer.shape());
            Treatment treatment = layer.treatment();
            text.append(", decay ").append(treatment.decay()).append(", adapt ").append(treatment.adapt());
            text.append(", rate factor ").append(treatment.rateFactor());
            text.append("\n  begun ").append(state.begun[i]);
            text.append(", last rate ").append(state.learningRates[i]);
            text.append(", last ratio ").append(state.trustRatios[i]);
            text.append(", last coefficient ")
                    .append(state.trustCoefficients[i])
                    .append('\n');
            text.append(hex("weights", (int) layer.length(), e -> bits(weights[(int) layer.offset() + e])));
            if (state.hasMomentum(i)) {
                Format format = state.momentum.tensors.format();
                MemorySegment momentum = state.momentumOf(i);
                text.append(hex("momentum", (int) layer.length(), e -> bits(format.get(momentum, e))));
            }
        }
        return text.toString();
    }

    private static String bits(float value) {
        return HexFormat.of().toHexDigits(Float.floatToRawIntBits(value));
    }

    private static String hex(String what, int length, Function<Integer, String> bits) {
        StringBuilder text = new StringBuilder();
        for (int e = 0; e < length; e += PER_LINE) {
            text.append("  ").append(what).append(' ');
            text.append(IntStream.range(e, Math.min(length, e + PER_LINE))
                    .mapToObj(bits::apply)
                    .collect(Collectors.joining(" ")));
            text.append('\n');
        }
        return text.toString();
    }

    private static String settings(Settings settings, long step) {
        return "  trust coefficient " + number(settings.trustCoefficient(), step)
                + ", weight decay " + number(settings.weightDecay(), step)
                + ", momentum " + number(settings.momentum(), step)
                + "\n  dampening " + settings.dampening()
                + ", nesterov " + settings.nesterov()
                + ", momentum correction " + settings.momentumCorrection()
                + ", rate factor " + settings.rateFactor()
                + "\n" + (settings.rule() == null ? "" : rule(settings.rule()));
    }

    private static String number(Schedule value, long step) {
        return value == null ? "null" : value.rate(step) + (Settings.isNumber(value) ? "" : " by schedule");
    }

    private static String hyperparameters(Hyperparameters values) {
        return "  trust coefficient " + values.trustCoefficient()
                + ", weight decay " + values.weightDecay()
                + ", momentum " + values.momentum()
                + "\n  dampening " + values.dampening()
                + ", nesterov " + values.nesterov()
                + ", momentum correction " + values.momentumCorrection()
                + "\n" + rule(values.rule());
    }

    private static String rule(Rule rule) {
        return "  ratio " + rule.ratio()
                + rule.ownName().map(name -> " " + name).orElse("")
                + ", entry " + rule.entry()
                + ", zero norm " + rule.zeroNorm()
                + ", clip " + rule.clip()
                + ", adapt without decay " + rule.adaptWithoutDecay()
                + ", epsilon " + rule.epsilon()
                + "\n  ratio in " + rule.ratioBounds().least() + " to "
                + rule.ratioBounds().most()
                + ", weight norm in " + rule.weightNormBounds().least() + " to "
                + rule.weightNormBounds().most()
                + ", gradient norm from " + rule.gradientNormFloor()
                + "\n  decay " + rule.decay()
                + ", shrink " + rule.shrink()
                + ", gradient clip " + rule.gradientClip() + " from " + rule.gradientClipFloor() + "\n";
    }

    /** Makes the files and the texts that are missing. */
    public static void main(String[] args) throws IOException {
        for (String name : NAMES) {
            if (!Files.exists(file(name))) {
                make(name);
            }
            if (!Files.exists(text(name))) {
                Path again = Files.createTempFile("again", ".safetensors");
                Files.writeString(text(name), read(name, again));
                Files.delete(again);
            }
        }
    }

    private static void make(String name) throws IOException {
        float[] weights = new float[(int) LAYERS.end()];
        float[] gradients = new float[weights.length];
        fill(weights, 1);
        try (Lars lars = saving(name).build()) {
            Gradients some = Gradients.of(gradients);
            for (int step = 0; step < 3; step++) {
                fill(gradients, 5 + step);
                // So that the layers differ in their last step: one never has a gradient, and one not in the last step.
                lars.step(weights, some.missing(4, true).missing(1, step == 2));
            }
            gradients[40] = Float.NaN;
            lars.step(weights, some);
            if (name.equals("format-3-nearest")) {
                Checkpoint.save(file(name), lars);
            } else {
                Checkpoint.save(file(name), lars, weights);
            }
        }
    }
}
