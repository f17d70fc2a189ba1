package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.safetensors.SafeTensorsException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Converts a state, except its momentum, to the metadata of a checkpoint and back. Each state has exactly one metadata
 * text; text that differs from what {@link #write} would produce is refused.
 *
 * <p>Entry {@code layer.7} describes layer 7 by these fields, separated by one space: offset, shape as {@code [64,3]},
 * decay, adapt, rate factor, begun, last learning rate, last trust ratio, name. Doubles are written by {@link
 * Double#toString}, which preserves their bits.
 *
 * <p>In format 2, two more fields precede the name: the trust coefficient that momentum correction needs, and the
 * indices of the layer's groups as {@code 0,2}, or {@code -}. The entries of group 2 begin with {@code group.2.}: its
 * name, and the values that it gives. Entry {@code schedules} lists the values that are schedules, whose entries have
 * the value of the next step.
 *
 * <p>Format 3 is format 2 with the entry {@code momentumFormat}, {@code bfloat16}, and, if the momentum is rounded
 * stochastically, {@code momentumSeed}.
 */
final class Manifest {

    private static final String FORMAT = "lars4j.checkpoint";
    /** The first format, which is written whenever it suffices. */
    private static final String VERSION = "1";

    /** The format of groups, of schedules of other values than the rate, and of rules that {@link RuleText} describes. */
    private static final String VERSION_TWO = "2";

    /** Format 2 with a momentum in bfloat16. */
    private static final String VERSION_THREE = "3";

    private static final String MOMENTUM_FORMAT = "momentumFormat";
    private static final String MOMENTUM_SEED = "momentumSeed";
    private static final String WEIGHTS = "weights";
    private static final String NESTEROV = "nesterov";
    private static final String GROUP = "group.";
    private static final String NAME = ".name";
    private static final String SCHEDULES = "schedules";
    private static final int LAYER_FIELDS = 9;
    /** The entries that every optimizer has, of those that a group need not have. */
    private static final List<String> OF_EVERY_OPTIMIZER =
            List.of("rule.ratio", "trustCoefficient", "weightDecay", "momentum", "dampening", "momentumCorrection");

    private Manifest() {}

    /** Returns the metadata of a state; {@code weights} says whether the file contains the weights. */
    static Map<String, String> write(State state, boolean weights) {
        boolean narrow = state.storage.format() != Format.FLOAT32 && state.hasMomentum();
        boolean formatTwo = narrow || needsFormatTwo(state);
        Map<String, String> text = new TreeMap<>();
        text.put(FORMAT, narrow ? VERSION_THREE : formatTwo ? VERSION_TWO : VERSION);
        if (narrow) {
            text.put(MOMENTUM_FORMAT, state.storage.format().name().toLowerCase(Locale.ROOT));
            put(text, MOMENTUM_SEED, state.storage.seed());
        }
        text.put(WEIGHTS, String.valueOf(weights));
        text.put("step", String.valueOf(state.step));
        text.put("refusals", String.valueOf(state.refusals));
        write(state.setup.settings, state.step, "", text);
        List<Group> groups = state.setup.groups;
        for (int g = 0; g < groups.size(); g++) {
            text.put(GROUP + g + NAME, groups.get(g).name());
            write(groups.get(g).settings(), state.step, GROUP + g + ".", text);
        }
        for (int i = 0; i < state.layers().size(); i++) {
            Layer layer = state.layers().get(i);
            Treatment treatment = layer.treatment();
            String shape = layer.shape().stream().map(String::valueOf).collect(Collectors.joining(",", "[", "]"));
            text.put(
                    "layer." + i,
                    layer.offset() + " " + shape + " " + treatment.decay() + " " + treatment.adapt() + " "
                            + treatment.rateFactor() + " " + state.begun[i] + " " + state.learningRates[i] + " "
                            + state.trustRatios[i] + " "
                            + (formatTwo ? state.trustCoefficients[i] + " " + groupsOf(i, groups) + " " : "")
                            + layer.name());
        }
        return text;
    }

    private static boolean needsFormatTwo(State state) {
        Settings settings = state.setup.settings;
        if (!state.setup.groups.isEmpty()
                || RuleText.needsFormatTwo(settings.rule())
                || !schedules(settings).isEmpty()) {
            return true;
        }
        for (int i = 0; i < state.begun.length; i++) {
            Profile profile = state.setup.profileOf(i);
            if (profile.momentumCorrection
                    && state.trustCoefficients[i] != profile.coefficientToCorrect(state.learningRates[i])) {
                return true;
            }
        }
        return false;
    }

    /** Adds the values that settings give, except learning rates and maximum norms, which are not saved. */
    private static void write(Settings settings, long step, String prefix, Map<String, String> text) {
        if (settings.rule() != null) {
            Map<String, String> rule = new TreeMap<>();
            RuleText.write(settings.rule(), rule);
            rule.forEach((key, value) -> text.put(prefix + key, value));
        }
        put(text, prefix + "trustCoefficient", at(settings.trustCoefficient(), step));
        put(text, prefix + "weightDecay", at(settings.weightDecay(), step));
        put(text, prefix + "momentum", at(settings.momentum(), step));
        put(text, prefix + "dampening", settings.dampening());
        put(text, prefix + NESTEROV, settings.nesterov());
        put(text, prefix + "momentumCorrection", settings.momentumCorrection());
        put(text, prefix + "rateFactor", settings.rateFactor());
        List<String> schedules = schedules(settings);
        if (!schedules.isEmpty()) {
            text.put(prefix + SCHEDULES, String.join(",", schedules));
        }
    }

    private static void put(Map<String, String> text, String key, Object value) {
        if (value != null) {
            text.put(key, String.valueOf(value));
        }
    }

    /** Returns a value at a step; NaN if its schedule throws an exception, which must not prevent a save. */
    private static Double at(Schedule value, long step) {
        try {
            return value == null ? null : value.rate(step);
        } catch (RuntimeException e) {
            return Double.NaN;
        }
    }

    /** Returns the names of the values that are schedules. A checkpoint contains their values in the next step. */
    private static List<String> schedules(Settings settings) {
        List<String> names = new ArrayList<>();
        addSchedule(names, "trustCoefficient", settings.trustCoefficient());
        addSchedule(names, "weightDecay", settings.weightDecay());
        addSchedule(names, "momentum", settings.momentum());
        return names;
    }

    private static void addSchedule(List<String> names, String name, Schedule value) {
        if (Settings.isSchedule(value)) {
            names.add(name);
        }
    }

    private static String groupsOf(int layer, List<Group> groups) {
        String indices = IntStream.range(0, groups.size())
                .filter(g -> groups.get(g).has(layer))
                .mapToObj(String::valueOf)
                .collect(Collectors.joining(","));
        return indices.isEmpty() ? "-" : indices;
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
                    + "; this version reads formats " + VERSION + " to " + VERSION_THREE);
        }
    }

    /**
     * Reads the metadata that {@link #write} has written. If {@code nesterov} is missing, as in old files, it is false.
     *
     * @param ownRules returns a rule with the trust ratio of one's own that has this name
     * @return the state, without momentum
     * @throws SafeTensorsException if {@link #write} cannot have written this metadata
     */
    static State read(Map<String, String> text, Function<String, Rule> ownRules) throws SafeTensorsException {
        String version = text.get(FORMAT);
        if (!isKnown(version)) {
            throw new SafeTensorsException("metadata \"" + FORMAT + "\" is "
                    + inWords("missing", version) + "; it must be \"" + VERSION + "\", \"" + VERSION_TWO + "\" or \""
                    + VERSION_THREE + "\" in a checkpoint");
        }
        State state;
        try {
            state = parse(text, !VERSION.equals(version), ownRules);
        } catch (IllegalArgumentException e) {
            // Not as the cause: its message quotes the bad value in full, which could flood a log.
            throw new SafeTensorsException("the metadata is not that of a checkpoint: "
                    + SafeTensorsException.quote(String.valueOf(e.getMessage())));
        }
        requireSame(text, write(state, hasWeights(text)));
        return state;
    }

    private static boolean isKnown(String version) {
        return VERSION.equals(version) || VERSION_TWO.equals(version) || VERSION_THREE.equals(version);
    }

    static boolean hasWeights(Map<String, String> text) {
        return Boolean.parseBoolean(text.get(WEIGHTS));
    }

    private static State parse(Map<String, String> text, boolean formatTwo, Function<String, Rule> ownRules) {
        int fieldsOfLayer = formatTwo ? LAYER_FIELDS + 2 : LAYER_FIELDS;
        List<String[]> lines = new ArrayList<>();
        List<Layer> ofLines = new ArrayList<>();
        while (text.containsKey("layer." + ofLines.size())) {
            String[] fields = value(text, "layer." + ofLines.size()).split(" ", fieldsOfLayer);
            if (fields.length < fieldsOfLayer) {
                throw new IllegalArgumentException("layer." + ofLines.size() + " has " + fields.length + " fields");
            }
            Treatment treatment = new Treatment(
                    Boolean.parseBoolean(fields[2]), Boolean.parseBoolean(fields[3]), Double.parseDouble(fields[4]));
            List<Long> shape = shape(fields[1]);
            String name = fields[fieldsOfLayer - 1];
            ofLines.add(new Layer(name, Long.parseLong(fields[0]), shape, Layer.elements(name, shape), treatment));
            lines.add(fields);
        }
        Layers layers = new Layers(ofLines);
        for (String name : OF_EVERY_OPTIMIZER) {
            value(text, name);
        }
        Settings settings = settings(text, ownRules).nesterov(Boolean.parseBoolean(text.get(NESTEROV)));
        settings.requireForOptimizer();
        List<Group> groups = formatTwo ? groups(text, layers, lines, ownRules) : List.of();
        State state = new State(new Setup(layers, settings, groups), null, storage(text));
        value(text, WEIGHTS);
        state.step = Checks.atLeast(0, "step", Long.parseLong(value(text, "step")));
        state.refusals = Checks.atLeast(0, "refusals", Long.parseLong(value(text, "refusals")));
        for (int i = 0; i < lines.size(); i++) {
            String[] fields = lines.get(i);
            state.begun[i] = Boolean.parseBoolean(fields[5]);
            state.learningRates[i] = Checks.atLeastZero("last learning rate", Double.parseDouble(fields[6]));
            state.trustRatios[i] = Checks.atLeastZero("last trust ratio", Double.parseDouble(fields[7]));
            state.trustCoefficients[i] = formatTwo
                    ? Checks.atLeastZero("last trust coefficient", Double.parseDouble(fields[8]))
                    : state.setup.profileOf(i).coefficientToCorrect(state.learningRates[i]);
        }
        return state;
    }

    private static MomentumStorage storage(Map<String, String> text) {
        String seed = text.get(MOMENTUM_SEED);
        return text.containsKey(MOMENTUM_FORMAT)
                ? new MomentumStorage(Format.BFLOAT16, false, seed == null ? null : Long.valueOf(seed))
                : MomentumStorage.FLOAT32;
    }

    private static Rule rule(Map<String, String> text, Function<String, Rule> ownRules) {
        String own = text.get("rule.own");
        return RuleText.read(text, own == null ? null : ownRules.apply(own));
    }

    private static List<Group> groups(
            Map<String, String> text, Layers layers, List<String[]> lines, Function<String, Rule> ownRules) {
        NavigableMap<String, String> sorted = new TreeMap<>(text);
        List<BitSet> members = members(text, lines);
        List<Group> groups = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (BitSet ofGroup : members) {
            String prefix = GROUP + groups.size() + ".";
            Map<String, String> own = new TreeMap<>();
            // '/' is the character after '.'.
            sorted.subMap(prefix, GROUP + groups.size() + "/")
                    .forEach((key, value) -> own.put(key.substring(prefix.length()), value));
            String name = own.get("name");
            if (!names.add(name)) {
                throw new IllegalArgumentException("two groups have the name " + name);
            }
            groups.add(new Group(name, null, settings(own, ownRules), layers, ofGroup));
        }
        return groups;
    }

    /** Returns the indices of the layers of each group. A restore may have left a group without layers. */
    private static List<BitSet> members(Map<String, String> text, List<String[]> lines) {
        List<BitSet> members = new ArrayList<>();
        while (text.containsKey(GROUP + members.size() + NAME)) {
            members.add(new BitSet());
        }
        for (int i = 0; i < lines.size(); i++) {
            String indices = lines.get(i)[LAYER_FIELDS];
            if (!indices.equals("-")) {
                for (String index : indices.split(",", -1)) {
                    int group = Integer.parseInt(index);
                    if (group < 0 || group >= members.size()) {
                        throw new IllegalArgumentException(
                                "layer." + i + " is in group " + index + " of " + members.size());
                    }
                    members.get(group).set(i);
                }
            }
        }
        return members;
    }

    private static Settings settings(Map<String, String> text, Function<String, Rule> ownRules) {
        Settings settings = Settings.NONE;
        for (Map.Entry<String, String> entry : text.entrySet()) {
            String value = entry.getValue();
            settings = switch (entry.getKey()) {
                case "rule.ratio" -> settings.rule(rule(text, ownRules));
                case "trustCoefficient" -> settings.trustCoefficient(Double.parseDouble(value));
                case "weightDecay" -> settings.weightDecay(Double.parseDouble(value));
                case "momentum" -> settings.momentum(Double.parseDouble(value));
                case "dampening" -> settings.dampening(Double.parseDouble(value));
                case NESTEROV -> settings.nesterov(Boolean.parseBoolean(value));
                case "momentumCorrection" -> settings.momentumCorrection(Boolean.parseBoolean(value));
                case "rateFactor" -> settings.rateFactor(Double.parseDouble(value));
                default -> settings;
            };
        }
        Settings marked = withSchedules(settings, text);
        marked.requireRanges();
        return marked;
    }

    /** Returns settings in which the values that were schedules are marked as such. */
    private static Settings withSchedules(Settings settings, Map<String, String> text) {
        Settings marked = settings;
        for (String name : text.getOrDefault(SCHEDULES, "").split(",", -1)) {
            marked = switch (name) {
                case "trustCoefficient" -> marked.trustCoefficient(unknown(text, name));
                case "weightDecay" -> marked.weightDecay(unknown(text, name));
                case "momentum" -> marked.momentum(unknown(text, name));
                default -> marked;
            };
        }
        return marked;
    }

    private static Schedule unknown(Map<String, String> text, String name) {
        return new Schedules.Unknown(Double.parseDouble(value(text, name)));
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
        Set<String> keys = new TreeSet<>(text.keySet());
        keys.addAll(canonical.keySet());
        if (VERSION.equals(text.get(FORMAT)) && !text.containsKey(NESTEROV)) {
            keys.remove(NESTEROV);
        }
        for (String key : keys) {
            String actual = text.get(key);
            String expected = canonical.get(key);
            if (!Objects.equals(actual, expected)) {
                throw new SafeTensorsException("metadata " + SafeTensorsException.quote(key) + " is "
                        + inWords("missing", actual) + "; it must be " + inWords("absent", expected));
            }
        }
    }

    private static String inWords(String none, String value) {
        return value == null ? none : SafeTensorsException.quote(value);
    }
}
