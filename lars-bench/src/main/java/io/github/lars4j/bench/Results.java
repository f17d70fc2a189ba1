package io.github.lars4j.bench;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import io.github.lars4j.bench.arms.StepBenchmark;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeSet;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.results.format.ResultFormatFactory;
import org.openjdk.jmh.results.format.ResultFormatType;

/** Measured times of {@link StepBenchmark}, from the JSON that JMH writes. */
final class Results {

    private static final Map<String, Double> NANOSECONDS =
            Map.of("ns/op", 1.0, "us/op", 1e3, "ms/op", 1e6, "s/op", 1e9);

    /** Before the method's name. The package is left out: files of before it had its present name are read too. */
    private static final String BENCHMARK = "." + StepBenchmark.class.getSimpleName() + ".";

    /**
     * One benchmark with one set of parameters.
     *
     * @param method the benchmark's method
     * @param params the parameters that it has
     * @param nanos time of one step in ns
     * @param error half of the time's confidence interval of 99.9 %, in ns; NaN where there are too few iterations
     * @param allocated bytes allocated in one step; NaN where this was not measured
     */
    record Result(String method, Map<String, String> params, double nanos, double error, double allocated) {

        /** Whether each parameter that this has is as wished; given as names and values in turn. */
        private boolean matches(String wishedMethod, String... wishes) {
            boolean matches = method.equals(wishedMethod);
            for (int i = 0; i < wishes.length; i += 2) {
                matches &= params.getOrDefault(wishes[i], wishes[i + 1]).equals(wishes[i + 1]);
            }
            return matches;
        }
    }

    private final List<Result> results;

    Results(List<Result> results) {
        this.results = results;
    }

    /**
     * Reads what {@code -rf json} wrote. Benchmarks of other classes, and other modes than the average time, are left out.
     *
     * @throws IllegalArgumentException if it is not such a file
     */
    static Results parse(String json) {
        List<Result> results = new ArrayList<>();
        try {
            JsonArray runs = JsonParser.parseString(json).getAsJsonArray();
            for (JsonElement run : runs) {
                JsonObject object = run.getAsJsonObject();
                String name = object.get("benchmark").getAsString();
                int method = name.lastIndexOf('.') + 1;
                JsonObject metric = object.getAsJsonObject("primaryMetric");
                Double unit = NANOSECONDS.get(metric.get("scoreUnit").getAsString());
                if (name.substring(0, method).endsWith(BENCHMARK) && unit != null) {
                    results.add(new Result(
                            name.substring(method),
                            params(object),
                            metric.get("score").getAsDouble() * unit,
                            metric.get("scoreError").getAsDouble() * unit,
                            allocated(object)));
                }
            }
        } catch (JsonParseException
                | IllegalStateException
                | NullPointerException
                | NumberFormatException
                | UnsupportedOperationException e) {
            throw new IllegalArgumentException("is not a JSON result of JMH: " + e.getMessage(), e);
        }
        return new Results(results);
    }

    /** The results of runs in this JVM. */
    static Results of(Collection<RunResult> runs) {
        ByteArrayOutputStream json = new ByteArrayOutputStream();
        try (PrintStream out = new PrintStream(json, false, StandardCharsets.UTF_8)) {
            ResultFormatFactory.getInstance(ResultFormatType.JSON, out).writeOut(runs);
        }
        return parse(json.toString(StandardCharsets.UTF_8));
    }

    private static Map<String, String> params(JsonObject run) {
        Map<String, String> params = new HashMap<>();
        if (run.has("params")) {
            run.getAsJsonObject("params")
                    .entrySet()
                    .forEach(p -> params.put(p.getKey(), p.getValue().getAsString()));
        }
        return params;
    }

    private static double allocated(JsonObject run) {
        if (run.has("secondaryMetrics")) {
            for (Map.Entry<String, JsonElement> metric :
                    run.getAsJsonObject("secondaryMetrics").entrySet()) {
                if (metric.getKey().endsWith("gc.alloc.rate.norm")) {
                    return metric.getValue().getAsJsonObject().get("score").getAsDouble();
                }
            }
        }
        return Double.NaN;
    }

    /** All of them, in the order in which they were measured. */
    List<Result> all() {
        return results;
    }

    /** The layouts that were measured. */
    List<String> layouts() {
        TreeSet<String> layouts = new TreeSet<>();
        results.forEach(result -> layouts.add(result.params().get("layout")));
        return List.copyOf(layouts);
    }

    /**
     * The time of a method in ns, the best where several results fit.
     *
     * @param wishes names and values of parameters in turn; one that a result does not have fits any value
     */
    OptionalDouble best(String method, String... wishes) {
        return results.stream()
                .filter(result -> result.matches(method, wishes))
                .mapToDouble(Result::nanos)
                .min();
    }

    /** The fastest read of weights and gradients, in ns: the library's own pass 1 is one too. */
    OptionalDouble scan(String layout) {
        return faster(best("scan", "layout", layout), best("measure", "layout", layout));
    }

    /** The fastest step of SGD, in ns: the library's own pass 2 is one too. */
    OptionalDouble sgd(String layout) {
        return faster(best("sgd", "layout", layout), best("update", "layout", layout));
    }

    private static OptionalDouble faster(OptionalDouble ceiling, OptionalDouble pass) {
        return ceiling.isEmpty() || pass.isEmpty()
                ? ceiling
                : OptionalDouble.of(Math.min(ceiling.getAsDouble(), pass.getAsDouble()));
    }
}
