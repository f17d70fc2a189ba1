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
import java.util.HashSet;
import java.util.List;
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
    private final Hyperparameters hyperparameters;
    private final double[] learningRates;
    private final Layers layers;
    private final Set<List<Integer>> missing;
    private final int elements;

    private Recording(String name, SafeTensorsFile file) throws SafeTensorsException {
        this.file = file;
        this.name = name;
        this.dialect = metadata("dialect");
        this.hyperparameters = readHyperparameters();
        this.learningRates = readLearningRates();
        this.layers = readLayers();
        this.missing = readMissing();
        this.elements = readElements();
        requireTensor("params_initial", Dtype.F32, elements);
        requireTensor("params_f64", Dtype.F64, steps() + 1, elements);
        requireTensor("params_f32", Dtype.F32, steps() + 1, elements);
        if (hyperparameters.momentum() != 0) {
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

    private Hyperparameters readHyperparameters() throws SafeTensorsException {
        Members members = new Members("hyperparameters", json("hyperparameters"));
        try {
            Hyperparameters read = new Hyperparameters(
                    rule(members).withEpsilon(members.number("eps")),
                    members.number("trust_coefficient"),
                    members.number("weight_decay"),
                    members.number("momentum"),
                    members.has("dampening") ? members.number("dampening") : 0,
                    members.flag("nesterov"),
                    false);
            members.requireAllRead();
            return read;
        } catch (IllegalArgumentException e) {
            throw malformed("hyperparameters", e.getMessage());
        }
    }

    private Rule rule(Members members) throws SafeTensorsException {
        return switch (dialect) {
            case "paper" -> Dialects.PAPER;
            case "seed" -> Dialects.SNIPPET;
            case "timm.optim.Lars" -> Dialects.timm(members.flag("trust_clip"), members.flag("always_adapt"));
            case "pl_bolts.optimizers.LARS" -> Dialects.BOLTS;
            case "apex.parallel.LARC over torch.optim.SGD" -> Dialects.apexLarc(members.flag("clip"));
            case "optax.lars" -> Dialects.OPTAX;
            case "Barlow Twins LARS" -> Dialects.BARLOW_TWINS;
            default ->
                throw malformed(
                        "dialect",
                        "it is \"" + dialect + "\"; it must be paper, seed, timm.optim.Lars, pl_bolts.optimizers.LARS,"
                                + " apex.parallel.LARC over torch.optim.SGD, optax.lars or Barlow Twins LARS");
        };
    }

    private double[] readLearningRates() throws SafeTensorsException {
        List<?> list = list("learning_rates", json("learning_rates"));
        double[] rates = new double[list.size()];
        for (int i = 0; i < rates.length; i++) {
            rates[i] = number("learning_rates", list.get(i));
            if (rates[i] < 0) {
                throw malformed("learning_rates", "rate of step " + i + " is " + rates[i] + "; it must be 0 or more");
            }
        }
        if (rates.length == 0) {
            throw malformed("learning_rates", "there are none; at least one step is needed");
        }
        return rates;
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

    /** What it was run with; the rule among them is the one that does as it does. */
    Hyperparameters hyperparameters() {
        return hyperparameters;
    }

    /** Whether the recorded momentum has the opposite sign: optax keeps what is added to the weights. */
    boolean momentumNegated() {
        return dialect.equals("optax.lars");
    }

    /** Returns the number of steps that were recorded, at least 1. */
    public int steps() {
        return learningRates.length;
    }

    /** γ of a step. */
    double learningRate(int step) {
        return learningRates[step];
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

    /** The members of a JSON object, each of which must be asked for. */
    private final class Members {

        private final String key;
        private final Map<?, ?> members;
        private final Set<Object> read = new HashSet<>();

        Members(String key, Object value) throws SafeTensorsException {
            this.key = key;
            if (!(value instanceof Map<?, ?> map)) {
                throw malformed(key, "found " + value + " where an object must be");
            }
            members = map;
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
