package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.safetensors.SafeTensorsException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Converts a state, except its momentum, to the metadata of a checkpoint and back. Each state has exactly one metadata
 * text; text that differs from what {@link #write} would produce is refused.
 *
 * <p>Entry {@code layer.7} describes layer 7 by these fields, separated by one space: offset, shape as {@code [64,3]},
 * decay, adapt, rate factor, begun, last learning rate, last trust ratio, name. Doubles are written by {@link
 * Double#toString}, which preserves their bits.
 */
final class Manifest {

    private static final String FORMAT = "lars4j.checkpoint";
    /** The first format, which is written whenever it suffices. */
    private static final String VERSION = "1";

    /** The format of rules with more values than format 1 has; see {@link RuleText}. */
    private static final String VERSION_TWO = "2";

    private static final String WEIGHTS = "weights";
    private static final String NESTEROV = "nesterov";
    private static final int LAYER_FIELDS = 9;

    private Manifest() {}

    /** Returns the metadata of a state; {@code weights} says whether the file contains the weights. */
    static Map<String, String> write(State state, boolean weights) {
        Hyperparameters hyper = state.hyperparameters;
        Map<String, String> text = new TreeMap<>();
        text.put(FORMAT, RuleText.needsFormatTwo(hyper.rule()) ? VERSION_TWO : VERSION);
        text.put(WEIGHTS, String.valueOf(weights));
        text.put("step", String.valueOf(state.step));
        text.put("refusals", String.valueOf(state.refusals));
        RuleText.write(hyper.rule(), text);
        text.put("trustCoefficient", String.valueOf(hyper.trustCoefficient()));
        text.put("weightDecay", String.valueOf(hyper.weightDecay()));
        text.put("momentum", String.valueOf(hyper.momentum()));
        text.put("dampening", String.valueOf(hyper.dampening()));
        text.put(NESTEROV, String.valueOf(hyper.nesterov()));
        text.put("momentumCorrection", String.valueOf(hyper.momentumCorrection()));
        for (int i = 0; i < state.layers.size(); i++) {
            Layer layer = state.layers.get(i);
            Treatment treatment = layer.treatment();
            String shape = layer.shape().stream().map(String::valueOf).collect(Collectors.joining(",", "[", "]"));
            text.put(
                    "layer." + i,
                    layer.offset() + " " + shape + " " + treatment.decay() + " " + treatment.adapt() + " "
                            + treatment.rateFactor() + " " + state.begun[i] + " " + state.learningRates[i] + " "
                            + state.trustRatios[i] + " " + layer.name());
        }
        return text;
    }

    /**
     * Refuses a file of a later format. This must be the first check, because everything else may differ in a later
     * format.
     *
     * @param path the path of the file, for messages
     */
    static void requireNotNewer(Path path, Map<String, String> text) throws SafeTensorsException {
        String version = text.getOrDefault(FORMAT, VERSION);
        if (version.matches("[1-9][0-9]{0,8}") && !isKnown(version)) {
            throw new SafeTensorsException(path + ": metadata \"" + FORMAT + "\" is \"" + version
                    + "\": a newer version of lars4j has written this checkpoint, in format " + version
                    + "; this version reads formats " + VERSION + " and " + VERSION_TWO);
        }
    }

    /**
     * Reads the metadata that {@link #write} has written. If {@code nesterov} is missing, as in old files, it is false.
     *
     * @return the state, without momentum
     * @throws SafeTensorsException if {@link #write} cannot have written this metadata
     */
    static State read(Map<String, String> text) throws SafeTensorsException {
        String version = text.get(FORMAT);
        if (!isKnown(version)) {
            throw new SafeTensorsException("metadata \"" + FORMAT + "\" is "
                    + (version == null ? "missing" : SafeTensorsException.quote(version)) + "; it must be \"" + VERSION
                    + "\" or \"" + VERSION_TWO + "\" in a checkpoint");
        }
        State state;
        try {
            state = parse(text);
        } catch (IllegalArgumentException e) {
            // Not as the cause: its message quotes the bad value in full, which could flood a log.
            throw new SafeTensorsException("the metadata is not that of a checkpoint: "
                    + SafeTensorsException.quote(String.valueOf(e.getMessage())));
        }
        requireSame(text, write(state, hasWeights(text)));
        return state;
    }

    private static boolean isKnown(String version) {
        return VERSION.equals(version) || VERSION_TWO.equals(version);
    }

    static boolean hasWeights(Map<String, String> text) {
        return Boolean.parseBoolean(text.get(WEIGHTS));
    }

    private static State parse(Map<String, String> text) {
        Hyperparameters hyper = new Hyperparameters(
                RuleText.read(text, RuleText.UNKNOWN, false),
                Double.parseDouble(value(text, "trustCoefficient")),
                Double.parseDouble(value(text, "weightDecay")),
                Double.parseDouble(value(text, "momentum")),
                Double.parseDouble(value(text, "dampening")),
                Boolean.parseBoolean(text.get(NESTEROV)),
                Boolean.parseBoolean(value(text, "momentumCorrection")));
        List<String[]> lines = new ArrayList<>();
        List<Layer> layers = new ArrayList<>();
        while (text.containsKey("layer." + layers.size())) {
            String[] fields = value(text, "layer." + layers.size()).split(" ", LAYER_FIELDS);
            if (fields.length < LAYER_FIELDS) {
                throw new IllegalArgumentException("layer." + layers.size() + " has " + fields.length + " fields");
            }
            Treatment treatment = new Treatment(
                    Boolean.parseBoolean(fields[2]), Boolean.parseBoolean(fields[3]), Double.parseDouble(fields[4]));
            List<Long> shape = shape(fields[1]);
            layers.add(new Layer(
                    fields[8], Long.parseLong(fields[0]), shape, Layer.elements(fields[8], shape), treatment));
            lines.add(fields);
        }
        State state = new State(new Layers(layers), hyper, null);
        value(text, WEIGHTS);
        state.step = Checks.atLeast(0, "step", Long.parseLong(value(text, "step")));
        state.refusals = Checks.atLeast(0, "refusals", Long.parseLong(value(text, "refusals")));
        for (int i = 0; i < lines.size(); i++) {
            String[] fields = lines.get(i);
            state.begun[i] = Boolean.parseBoolean(fields[5]);
            state.learningRates[i] = Checks.atLeastZero("last learning rate", Double.parseDouble(fields[6]));
            state.trustRatios[i] = Checks.atLeastZero("last trust ratio", Double.parseDouble(fields[7]));
        }
        return state;
    }

    /** Returns the value of an entry that must be there. */
    static String value(Map<String, String> text, String key) {
        String value = text.get(key);
        if (value == null) {
            throw new IllegalArgumentException(key + " is missing");
        }
        return value;
    }

    /** Parses a shape. It is lenient about brackets, because {@link #requireSame} checks every character later. */
    private static List<Long> shape(String text) {
        String inner = text.replace("[", "").replace("]", "");
        return inner.isEmpty()
                ? List.of()
                : Arrays.stream(inner.split(",", -1)).map(Long::valueOf).toList();
    }

    private static void requireSame(Map<String, String> text, Map<String, String> canonical)
            throws SafeTensorsException {
        if (!text.containsKey(NESTEROV)) {
            canonical.remove(NESTEROV);
        }
        for (Map.Entry<String, String> entry : text.entrySet()) {
            String expected = canonical.get(entry.getKey());
            if (!entry.getValue().equals(expected)) {
                throw new SafeTensorsException("metadata " + SafeTensorsException.quote(entry.getKey()) + " is "
                        + SafeTensorsException.quote(entry.getValue()) + "; it must be "
                        + (expected == null ? "absent" : SafeTensorsException.quote(expected)));
            }
        }
    }
}
