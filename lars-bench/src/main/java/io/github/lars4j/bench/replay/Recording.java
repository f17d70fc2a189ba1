package io.github.lars4j.bench.replay;

import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.safetensors.Dtype;
import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.TensorInfo;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * A run of some LARS implementation, recorded in a safetensors file: the gradients that went in, the weights and the
 * momentum that came out of it in float64 (the truth), and the weights that came out in float32 (how far that
 * implementation itself strays). {@code docs/recording.md} describes the format and how to record one's own.
 *
 * <p>Opening checks everything but the numbers in the tensors, which {@link Replay#of} reads a step at a time. Not safe for
 * use by several threads.
 */
public final class Recording implements AutoCloseable {

    private final SafeTensorsFile file;
    private final String name;
    private final String dialect;
    private final int steps;
    private final Layers layers;
    /** What each layer was run with. */
    private final List<Regime> regimes;

    private final Regime common;
    private final List<RecordedGroup> groups;
    private final Set<List<Integer>> missing;
    private final int elements;

    /** Layers that were run with something else than the others. */
    record RecordedGroup(String name, Set<String> layers, Regime regime) {}

    private Recording(String name, SafeTensorsFile file) throws SafeTensorsException {
        this.file = file;
        this.name = name;
        this.dialect = metadata("dialect");
        List<Double> rates = readRates("learning_rates", json("learning_rates"));
        this.steps = rates.size();
        this.layers = readLayers();
        Members hyperparameters = new Members("hyperparameters", json("hyperparameters"));
        this.common = readRegime(hyperparameters, rates);
        this.groups = readGroups(hyperparameters, rates);
        this.regimes = regimes();
        this.missing = readMissing();
        this.elements = readElements();
        requireTensor("params_initial", Dtype.F32, elements);
        requireTensor("params_f64", Dtype.F64, steps() + 1, elements);
        requireTensor("params_f32", Dtype.F32, steps() + 1, elements);
        if (hasMomentum()) {
            requireTensor("momentum_f64", Dtype.F64, steps() + 1, elements);
        }
    }

    /**
     * Opens a recording.
     *
     * @param path its file
     * @return the recording, to be closed by the caller
     * @throws SafeTensorsException if the file is not a safetensors file, or not one of a recording; the message names
     *     the file, and the key or tensor that is missing or wrong
     * @throws IOException if the file cannot be opened or read, or is not a regular file; the message names it
     */
    public static Recording open(Path path) throws IOException {
        SafeTensorsFile file = SafeTensorsFile.open(path);
        try {
            return new Recording(path.toString(), file);
        } catch (Throwable t) {
            file.close();
            throw t;
        }
    }

    private Regime readRegime(Members members, List<Double> rates) throws SafeTensorsException {
        try {
            Rule rule = rule(members);
            List<Double> trustCoefficients = numbers(members, "trust_coefficient");
            List<Double> decays = numbers(members, "weight_decay");
            List<Double> momenta = numbers(members, "momentum");
            double dampening = members.number("dampening", 0);
            boolean nesterov = members.flag("nesterov");
            boolean ever = momenta.stream().anyMatch(momentum -> momentum != 0);
            List<Hyperparameters> read = new ArrayList<>();
            for (int step = 0; step < steps; step++) {
                double momentum = momenta.get(step);
                read.add(new Hyperparameters(
                        rule,
                        trustCoefficients.get(step),
                        decays.get(step),
                        momentum,
                        dampening,
                        nesterov && (momentum != 0 || !ever),
                        false));
            }
            members.requireAllRead();
            return new Regime(List.copyOf(read), rates);
        } catch (IllegalArgumentException e) {
            throw malformed(members.key, e.getMessage());
        }
    }

    /** Reads a number for each step, or one for all steps. */
    private List<Double> numbers(Members members, String member) throws SafeTensorsException {
        return members.get(member) instanceof List<?> list
                ? eachStep(members.key, "\"" + member + "\"", list)
                : Collections.nCopies(steps, members.number(member));
    }

    private List<Double> eachStep(String key, String what, List<?> list) throws SafeTensorsException {
        if (list.size() != steps) {
            throw malformed(
                    key, what + " has " + list.size() + " numbers; it must have one for each of " + steps + " steps");
        }
        List<Double> numbers = new ArrayList<>();
        for (Object element : list) {
            numbers.add(number(key, element));
        }
        return List.copyOf(numbers);
    }

    private Rule rule(Members members) throws SafeTensorsException {
        Rule rule = dialect(members).withEpsilon(members.number("eps"));
        if (members.has("ratio_min") || members.has("ratio_max")) {
            rule = rule.withRatioBounds(
                    members.number("ratio_min", 0), members.number("ratio_max", Double.POSITIVE_INFINITY));
        }
        if (members.has("weight_norm_min") || members.has("weight_norm_max")) {
            rule = rule.withWeightNormBounds(
                    members.number("weight_norm_min", 0), members.number("weight_norm_max", Double.POSITIVE_INFINITY));
        }
        if (members.has("gradient_norm_min")) {
            rule = rule.withGradientNormFloor(members.number("gradient_norm_min"));
        }
        if (members.has("gradient_clip")) {
            rule = rule.withGradientClip(members.number("gradient_clip"), members.number("gradient_clip_min"));
        }
        return members.has("decay") ? rule.withDecay(members.choice("decay", Rule.Decay.class)) : rule;
    }

    private Rule dialect(Members members) throws SafeTensorsException {
        return switch (dialect) {
            case "paper" -> Dialects.PAPER;
            case "seed" -> Dialects.SNIPPET;
            case "timm.optim.Lars" -> Dialects.timm(members.flag("trust_clip"), members.flag("always_adapt"));
            case "pl_bolts.optimizers.LARS" -> Dialects.BOLTS;
            case "apex.parallel.LARC over torch.optim.SGD" -> Dialects.apexLarc(members.flag("clip"));
            case "optax.lars" -> Dialects.OPTAX;
            case "Barlow Twins LARS" -> Dialects.BARLOW_TWINS;
            case "rule" ->
                new Rule(
                        members.choice("ratio", Rule.Ratio.class),
                        members.choice("entry", Rule.Entry.class),
                        members.choice("zero_norm", Rule.ZeroNorm.class),
                        members.flag("clip"),
                        members.flag("always_adapt"),
                        0);
            default ->
                throw malformed(
                        "dialect",
                        "it is \"" + dialect + "\"; it must be paper, seed, timm.optim.Lars, pl_bolts.optimizers.LARS,"
                                + " apex.parallel.LARC over torch.optim.SGD, optax.lars, Barlow Twins LARS or rule");
        };
    }

    private List<Double> readRates(String key, Object value) throws SafeTensorsException {
        List<?> list = list(key, value);
        List<Double> rates = new ArrayList<>();
        for (Object element : list) {
            double rate = number(key, element);
            if (rate < 0) {
                throw malformed(key, "rate of step " + rates.size() + " is " + rate + "; it must be 0 or more");
            }
            rates.add(rate);
        }
        if (rates.isEmpty()) {
            throw malformed(key, "there are none; at least one step is needed");
        }
        return List.copyOf(rates);
    }

    /** Reads the groups. What a group does not have is that of all layers. */
    private List<RecordedGroup> readGroups(Members hyperparameters, List<Double> rates) throws SafeTensorsException {
        List<RecordedGroup> read = new ArrayList<>();
        Set<String> free = new HashSet<>();
        layers.forEach(layer -> free.add(layer.name()));
        for (Object element : file.metadata().containsKey("groups") ? list("groups", json("groups")) : List.of()) {
            Members own = new Members("groups", element);
            String group = own.string("name");
            Set<String> names = new LinkedHashSet<>();
            for (Object layer : list("groups", own.get("layers"))) {
                if (!(layer instanceof String of) || !free.remove(of)) {
                    throw malformed(
                            "groups",
                            "group \"" + group + "\" has layer " + layer
                                    + "; it must be the name of a layer that is in no other group");
                }
                names.add(of);
            }
            if (names.isEmpty() || read.stream().anyMatch(other -> other.name.equals(group))) {
                throw malformed(
                        "groups", "group \"" + group + "\" must have layers, and a name that no other group has");
            }
            List<Double> ofGroup = rates;
            if (own.has("learning_rates")) {
                ofGroup = readRates("groups", own.get("learning_rates"));
                eachStep("groups", "\"learning_rates\"", ofGroup);
            }
            read.add(new RecordedGroup(group, names, readRegime(own.over(hyperparameters), ofGroup)));
        }
        return List.copyOf(read);
    }

    private List<Regime> regimes() {
        List<Regime> ofLayers = new ArrayList<>();
        for (Layer layer : layers) {
            ofLayers.add(groups.stream()
                    .filter(group -> group.layers.contains(layer.name()))
                    .map(RecordedGroup::regime)
                    .findFirst()
                    .orElse(common));
        }
        return List.copyOf(ofLayers);
    }

    private Layers readLayers() throws SafeTensorsException {
        List<Layer> read = new ArrayList<>();
        try {
            for (Object element : list("layers", json("layers"))) {
                Members members = new Members("layers", element);
                List<Long> shape = new ArrayList<>();
                for (Object dimension : list("layers", members.get("shape"))) {
                    shape.add(integer("layers", dimension));
                }
                read.add(new Layer(
                        members.string("name"),
                        members.integer("offset"),
                        shape,
                        members.integer("length"),
                        members.flag("plain") ? Treatment.PLAIN : Treatment.FULL));
                members.requireAllRead();
            }
            return new Layers(read);
        } catch (IllegalArgumentException e) {
            throw malformed("layers", e.getMessage());
        }
    }

    private Set<List<Integer>> readMissing() throws SafeTensorsException {
        Set<List<Integer>> read = new HashSet<>();
        for (Object element : list("missing_gradients", json("missing_gradients"))) {
            List<?> pair = list("missing_gradients", element);
            if (pair.size() != 2) {
                throw malformed(
                        "missing_gradients", "a pair has " + pair.size() + " elements; it must be [step, layer]");
            }
            long step = integer("missing_gradients", pair.get(0));
            long layer = integer("missing_gradients", pair.get(1));
            if (step < 0 || step >= steps() || layer < 0 || layer >= layers.size()) {
                throw malformed(
                        "missing_gradients",
                        "[" + step + ", " + layer + "] is not among " + steps() + " steps and " + layers.size()
                                + " layers");
            }
            read.add(List.of((int) step, (int) layer));
        }
        return read;
    }

    private int readElements() throws SafeTensorsException {
        TensorInfo gradients = file.tensors().get("gradients");
        List<Long> shape = gradients == null ? List.of() : gradients.shape();
        if (shape.size() != 2) {
            throw new SafeTensorsException(name + ": tensor \"gradients\" has shape " + shape
                    + "; it must be there with shape [steps, elements]");
        }
        long n = shape.get(1);
        if (n < layers.end() || n > Integer.MAX_VALUE - 8) {
            throw new SafeTensorsException(name + ": tensor \"gradients\" has " + n
                    + " elements a step; it must have at least " + layers.end()
                    + ", the end of the layers, and fit an array");
        }
        requireTensor("gradients", Dtype.F32, steps(), n);
        return (int) n;
    }

    private void requireTensor(String tensor, Dtype dtype, long... shape) throws SafeTensorsException {
        List<Long> dimensions = new ArrayList<>();
        for (long dimension : shape) {
            dimensions.add(dimension);
        }
        TensorInfo info = file.tensors().get(tensor);
        if (info == null || info.dtype() != dtype || !info.shape().equals(dimensions)) {
            throw new SafeTensorsException(name + ": tensor \"" + tensor + "\" is "
                    + (info == null ? "not there" : info.dtype() + " " + info.shape()) + "; it must be " + dtype + " "
                    + dimensions);
        }
    }

    /** Returns the path of the file, as it was given to {@link #open}. */
    public String name() {
        return name;
    }

    /** Returns the name of the implementation that was recorded, such as {@code timm.optim.Lars}. */
    public String dialect() {
        return dialect;
    }

    /** What the layers outside the groups were run with; the rule is the one that does as the recorded one does. */
    Regime common() {
        return common;
    }

    List<RecordedGroup> groups() {
        return groups;
    }

    /** What a layer was run with. */
    Regime regime(int layer) {
        return regimes.get(layer);
    }

    /** Whether any layer has momentum in any step. */
    boolean hasMomentum() {
        return regimes.stream().anyMatch(Regime::hasMomentum);
    }

    /** Whether the recorded momentum has the opposite sign: optax keeps what is added to the weights. */
    boolean momentumNegated() {
        return dialect.equals("optax.lars");
    }

    /** Returns the number of steps that were recorded, at least 1. */
    public int steps() {
        return steps;
    }

    /** Returns the layers of the recorded model. */
    public Layers layers() {
        return layers;
    }

    /** Whether a layer had no gradient in a step. */
    boolean isMissing(int step, int layer) {
        return missing.contains(List.of(step, layer));
    }

    /** Elements of the flat arrays. */
    int elements() {
        return elements;
    }

    /** Weights before the first step. */
    float[] initialParams() throws IOException {
        float[] initial = new float[elements];
        file.readFloats("params_initial", initial, 0);
        return initial;
    }

    /** Reads the gradients of a step into an array of {@link #elements}. */
    void gradients(int step, float[] destination) throws IOException {
        file.readFloats("gradients", (long) step * elements, destination, 0, elements);
    }

    /** Reads the weights after so many steps, run in float64. */
    void trueParams(int stepsTaken, double[] destination) throws IOException {
        file.readDoubles("params_f64", (long) stepsTaken * elements, destination, 0, elements);
    }

    /** Reads the weights after so many steps, run in float32. */
    void recordedParams(int stepsTaken, float[] destination) throws IOException {
        file.readFloats("params_f32", (long) stepsTaken * elements, destination, 0, elements);
    }

    /** Reads the momentum after so many steps, run in float64; not there without momentum. */
    void trueMomentum(int stepsTaken, double[] destination) throws IOException {
        file.readDoubles("momentum_f64", (long) stepsTaken * elements, destination, 0, elements);
    }

    /** Closes the file. It cannot be replayed any more then. */
    @Override
    public void close() throws IOException {
        file.close();
    }

    private String metadata(String key) throws SafeTensorsException {
        String value = file.metadata().get(key);
        if (value == null) {
            throw malformed(key, "it is not there");
        }
        return value;
    }

    private Object json(String key) throws SafeTensorsException {
        return StrictJson.parse(name + ": metadata \"" + key + "\"", metadata(key));
    }

    private SafeTensorsException malformed(String key, String problem) {
        return new SafeTensorsException(name + ": metadata \"" + key + "\": " + problem);
    }

    private List<?> list(String key, Object value) throws SafeTensorsException {
        if (value instanceof List<?> list) {
            return list;
        }
        throw malformed(key, "found " + value + " where an array must be");
    }

    private double number(String key, Object value) throws SafeTensorsException {
        if (value instanceof Double number) {
            return number;
        }
        throw malformed(key, "found " + value + " where a number must be");
    }

    private long integer(String key, Object value) throws SafeTensorsException {
        double number = number(key, value);
        if (number != Math.rint(number) || Math.abs(number) > 1L << 53) {
            throw malformed(key, "found " + number + " where an integer must be");
        }
        return (long) number;
    }

    /** The members of a JSON object, each of which must be asked for, except what a group takes from all layers. */
    private final class Members {

        private final String key;
        private final Map<?, ?> members;
        private final Set<Object> read = new HashSet<>();

        Members(String key, Object value) throws SafeTensorsException {
            if (!(value instanceof Map<?, ?> map)) {
                throw malformed(key, "found " + value + " where an object must be");
            }
            this.key = key;
            this.members = map;
        }

        private Members(String key, Map<?, ?> members) {
            this.key = key;
            this.members = members;
        }

        /** These members, without those that have been read, and others, which these replace. */
        Members over(Members others) {
            Map<Object, Object> both = new LinkedHashMap<>(others.members);
            both.putAll(members);
            both.keySet().removeAll(read);
            return new Members(key, both);
        }

        boolean has(String member) {
            return members.containsKey(member);
        }

        Object get(String member) throws SafeTensorsException {
            read.add(member);
            Object value = members.get(member);
            if (value == null) {
                throw malformed(key, "\"" + member + "\" is not there");
            }
            return value;
        }

        double number(String member) throws SafeTensorsException {
            return Recording.this.number(key, get(member));
        }

        double number(String member, double otherwise) throws SafeTensorsException {
            return has(member) ? number(member) : otherwise;
        }

        <E extends Enum<E>> E choice(String member, Class<E> of) throws SafeTensorsException {
            String text = string(member);
            for (E constant : of.getEnumConstants()) {
                if (constant.name().toLowerCase(Locale.ROOT).equals(text)) {
                    return constant;
                }
            }
            throw malformed(
                    key,
                    "\"" + member + "\" is \"" + text + "\"; it must be one of "
                            + Arrays.toString(of.getEnumConstants()).toLowerCase(Locale.ROOT));
        }

        long integer(String member) throws SafeTensorsException {
            return Recording.this.integer(key, get(member));
        }

        String string(String member) throws SafeTensorsException {
            if (get(member) instanceof String string) {
                return string;
            }
            throw malformed(key, "\"" + member + "\" must be a string");
        }

        boolean flag(String member) throws SafeTensorsException {
            if (get(member) instanceof Boolean flag) {
                return flag;
            }
            throw malformed(key, "\"" + member + "\" must be true or false");
        }

        void requireAllRead() throws SafeTensorsException {
            for (Object member : members.keySet()) {
                if (!read.contains(member)) {
                    throw malformed(key, "\"" + member + "\" is not known for dialect \"" + dialect + "\"");
                }
            }
        }
    }
}
