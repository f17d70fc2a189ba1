package io.github.lars4j;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.safetensors.SafeTensorsFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A run of some LARS implementation, from a file among the test data; {@code docs/recording.md} describes the format. Reads
 * the metadata only as these files are written, and fails where they are written otherwise.
 */
final class RecordedRun implements AutoCloseable {

    private static final Pattern LAYER = Pattern.compile("\\{\"name\": \"([^\"]*)\", \"shape\": \\[([0-9, ]*)],"
            + " \"offset\": ([0-9]+), \"length\": ([0-9]+), \"plain\": (true|false)}");
    private static final Pattern PAIR = Pattern.compile("\\[([0-9]+), ([0-9]+)]");

    private final SafeTensorsFile file;
    final String dialect;
    final Rule rule;
    final double trustCoefficient;
    final double decay;
    final double momentum;
    final double dampening;
    final boolean nesterov;
    final double[] rates;
    final Layers layers;
    /** Length of the flat arrays. */
    final int elements;

    private final Set<List<Integer>> missing = new HashSet<>();

    RecordedRun(Path path) throws IOException {
        this.file = SafeTensorsFile.open(path);
        this.dialect = metadata("dialect");
        this.rule = rule().withEpsilon(number("eps"));
        this.trustCoefficient = number("trust_coefficient");
        this.decay = number("weight_decay");
        this.momentum = number("momentum");
        this.dampening = metadata("hyperparameters").contains("\"dampening\"") ? number("dampening") : 0;
        this.nesterov = flag("nesterov");
        this.rates = Stream.of(
                        metadata("learning_rates").replaceAll("^\\[|]$", "").split(", ", -1))
                .mapToDouble(Double::parseDouble)
                .toArray();
        this.layers =
                new Layers(all("layers", LAYER).stream().map(RecordedRun::layer).toList());
        all("missing_gradients", PAIR).forEach(pair -> missing.add(List.of(integer(pair, 1), integer(pair, 2))));
        this.elements = Math.toIntExact(file.tensors().get("gradients").shape().get(1));
    }

    private Rule rule() {
        return switch (dialect) {
            case "seed" -> Dialects.SNIPPET;
            case "timm.optim.Lars" -> Dialects.timm(flag("trust_clip"), flag("always_adapt"));
            case "pl_bolts.optimizers.LARS" -> Dialects.BOLTS;
            case "apex.parallel.LARC over torch.optim.SGD" -> Dialects.apexLarc(flag("clip"));
            case "optax.lars" -> Dialects.OPTAX;
            case "Barlow Twins LARS" -> Dialects.BARLOW_TWINS;
            default -> throw new AssertionError(dialect);
        };
    }

    private static Layer layer(MatchResult layer) {
        List<Long> shape =
                Stream.of(layer.group(2).split(", ", -1)).map(Long::valueOf).toList();
        return new Layer(
                layer.group(1),
                integer(layer, 3),
                shape,
                integer(layer, 4),
                Boolean.parseBoolean(layer.group(5)) ? Treatment.PLAIN : Treatment.FULL);
    }

    private static int integer(MatchResult match, int group) {
        return Integer.parseInt(match.group(group));
    }

    /** The elements of an array, all of which are of one form. */
    private List<MatchResult> all(String key, Pattern form) {
        List<MatchResult> elements = new ArrayList<>();
        Matcher matcher = form.matcher(metadata(key));
        while (matcher.find()) {
            elements.add(matcher.toMatchResult());
        }
        String written = "["
                + String.join(", ", elements.stream().map(MatchResult::group).toList()) + "]";
        require(written.equals(metadata(key)), key);
        return elements;
    }

    private double number(String name) {
        return Double.parseDouble(hyperparameter(name, "[-+.0-9e]+"));
    }

    private boolean flag(String name) {
        return Boolean.parseBoolean(hyperparameter(name, "true|false"));
    }

    private String hyperparameter(String name, String form) {
        Matcher value = Pattern.compile("\"" + name + "\": (" + form + ")[,}]").matcher(metadata("hyperparameters"));
        require(value.find(), name);
        return value.group(1);
    }

    private String metadata(String key) {
        String value = file.metadata().get(key);
        require(value != null, key);
        return value;
    }

    private static void require(boolean read, String what) {
        if (!read) {
            throw new AssertionError("cannot read " + what);
        }
    }

    int steps() {
        return rates.length;
    }

    /** Whether a layer had no gradient in a step. */
    boolean isMissing(int step, int layer) {
        return missing.contains(List.of(step, layer));
    }

    float[] initialParams() throws IOException {
        float[] initial = new float[elements];
        file.readFloats("params_initial", initial, 0);
        return initial;
    }

    float[] gradients(int step) throws IOException {
        float[] gradients = new float[elements];
        file.readFloats("gradients", (long) step * elements, gradients, 0, elements);
        return gradients;
    }

    /** The weights after so many steps, in float64. */
    double[] params(int stepsTaken) throws IOException {
        return doubles("params_f64", stepsTaken);
    }

    /** The momentum after so many steps, in float64, with the sign that it has here; zeros without momentum. */
    double[] momentum(int stepsTaken) throws IOException {
        if (momentum == 0) {
            return new double[elements];
        }
        double[] values = doubles("momentum_f64", stepsTaken);
        // optax keeps what is added to the weights. From 0, so that none becomes -0.
        for (int i = 0; dialect.equals("optax.lars") && i < elements; i++) {
            values[i] = 0 - values[i];
        }
        return values;
    }

    private double[] doubles(String tensor, int stepsTaken) throws IOException {
        double[] values = new double[elements];
        file.readDoubles(tensor, (long) stepsTaken * elements, values, 0, elements);
        return values;
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
