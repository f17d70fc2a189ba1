package io.github.lars4j.bench.report;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import io.github.lars4j.bench.arms.LayerByLayerBenchmark;
import io.github.lars4j.bench.arms.StepBenchmark;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Measured times of {@link StepBenchmark} and {@link LayerByLayerBenchmark}, from the JSON that JMH writes. Immutable. */
public final class StepTimes {

    private static final Map<String, Double> NANOSECONDS =
            Map.of("ns/op", 1.0, "us/op", 1e3, "ms/op", 1e6, "s/op", 1e9);

    private static final String NO_RESULT = "is not a JSON result of JMH: ";

    /** What precedes the method's name. Without the package, because it differs in older files. */
    private static final List<String> BENCHMARKS = Stream.of(StepBenchmark.class, LayerByLayerBenchmark.class)
            .map(type -> "." + type.getSimpleName() + ".")
            .toList();

    /** Parameters that results without them have, and that are wished for if none is named. */
    private static final Map<String, String> USUAL =
            Map.of("gradientFormat", "float32", "momentumFormat", "float32", "halfWeights", "off");

    /**
     * One benchmark with one set of parameters.
     *
     * @param method the benchmark's method
     * @param params the benchmark's parameters
     * @param nanos time of one step in ns
     * @param error half of the time's confidence interval of 99.9 %, in ns; NaN if there are too few iterations
     * @param allocated bytes allocated in one step; NaN if not measured
     * @param forks mean time of each JVM in ns; empty if unknown
     * @param unrest ratio of the longest iteration's time to the shortest's; 1 if unknown
     */
    public record StepTime(
            String method,
            Map<String, String> params,
            double nanos,
            double error,
            double allocated,
            List<Double> forks,
            double unrest) {

        /**
         * Returns whether the parameters that are present have the wished values, names and values in turn; and formats,
         * present or not, the wished ones or else the usual ones.
         */
        private boolean matches(String wishedMethod, String... wishes) {
            Map<String, String> all = new HashMap<>(USUAL);
            for (int i = 0; i < wishes.length; i += 2) {
                all.put(wishes[i], wishes[i + 1]);
            }
            return method.equals(wishedMethod)
                    && all.entrySet().stream()
                            .allMatch(wish -> wish.getValue()
                                    .equals(params.getOrDefault(
                                            wish.getKey(), USUAL.getOrDefault(wish.getKey(), wish.getValue()))));
        }
    }

    private final List<StepTime> results;

    /** Results in the order in which they were measured. */
    public StepTimes(List<StepTime> results) {
        this.results = List.copyOf(results);
    }

    /**
     * Parses the output of {@code -rf json}, or a {@link RunFile}. Benchmarks of other classes and of other modes than
     * the average time are ignored.
     *
     * @throws IllegalArgumentException if the text is neither
     */
    public static StepTimes parse(String json) {
        try {
            JsonElement whole = JsonParser.parseString(json);
            boolean file = whole.isJsonObject() && whole.getAsJsonObject().has(RunFile.RUNS);
            return of((file ? whole.getAsJsonObject().get(RunFile.RUNS) : whole).getAsJsonArray());
        } catch (JsonParseException | IllegalStateException e) {
            throw new IllegalArgumentException(NO_RESULT + e.getMessage(), e);
        }
    }

    /**
     * Reads an array of runs as JMH writes them.
     *
     * @throws IllegalArgumentException if an element is no such run
     */
    static StepTimes of(JsonArray runs) {
        List<StepTime> results = new ArrayList<>();
        try {
            for (JsonElement run : runs) {
                JsonObject object = run.getAsJsonObject();
                String name = object.get("benchmark").getAsString();
                int method = name.lastIndexOf('.') + 1;
                JsonObject metric = object.getAsJsonObject("primaryMetric");
                Double unit = NANOSECONDS.get(metric.get("scoreUnit").getAsString());
                if (BENCHMARKS.stream().anyMatch(name.substring(0, method)::endsWith) && unit != null) {
                    results.add(new StepTime(
                            name.substring(method),
                            params(object),
                            metric.get("score").getAsDouble() * unit,
                            metric.get("scoreError").getAsDouble() * unit,
                            allocated(object),
                            forks(metric, unit),
                            unrest(metric)));
                }
            }
        } catch (ClassCastException
                | IllegalStateException
                | NullPointerException
                | NumberFormatException
                | UnsupportedOperationException e) {
            throw new IllegalArgumentException(NO_RESULT + e.getMessage(), e);
        }
        return new StepTimes(results);
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

    private static List<Double> forks(JsonObject metric, double unit) {
        return iterations(metric).stream()
                .map(fork -> fork.stream().mapToDouble(time -> time * unit).average())
                .filter(OptionalDouble::isPresent)
                .map(OptionalDouble::getAsDouble)
                .toList();
    }

    private static double unrest(JsonObject metric) {
        var times = iterations(metric).stream()
                .flatMap(List::stream)
                .mapToDouble(time -> time)
                .summaryStatistics();
        return times.getCount() == 0 ? 1 : times.getMax() / times.getMin();
    }

    /** The times of each fork, in the file's unit. */
    private static List<List<Double>> iterations(JsonObject metric) {
        List<List<Double>> forks = new ArrayList<>();
        if (metric.has("rawData")) {
            for (JsonElement fork : metric.getAsJsonArray("rawData")) {
                List<Double> times = new ArrayList<>();
                fork.getAsJsonArray().forEach(time -> times.add(time.getAsDouble()));
                forks.add(times);
            }
        }
        return forks;
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

    /** All results, in the order in which they were measured. */
    public List<StepTime> all() {
        return results;
    }

    /** The layouts that were measured. */
    public List<String> layouts() {
        TreeSet<String> layouts = new TreeSet<>();
        results.forEach(result -> layouts.add(result.params().get("layout")));
        return List.copyOf(layouts);
    }

    /**
     * The time of a method in ns: the shortest among all sets of parameters that match the wishes. If a set was measured
     * repeatedly, its median counts.
     *
     * @param wishes names and values of parameters in turn; a parameter that a result does not have matches any value.
     *     Formats that are not named are float32
     */
    public OptionalDouble best(String method, String... wishes) {
        return results.stream()
                .filter(result -> result.matches(method, wishes))
                .collect(Collectors.groupingBy(StepTime::params))
                .values()
                .stream()
                .mapToDouble(StepTimes::median)
                .min();
    }

    private static double median(List<StepTime> repeated) {
        double[] nanos = repeated.stream().mapToDouble(StepTime::nanos).sorted().toArray();
        return (nanos[nanos.length / 2] + nanos[(nanos.length - 1) / 2]) / 2;
    }

    /** The result of a method with the shortest time; the wishes are as for {@link #best}. */
    Optional<StepTime> fastest(String method, String... wishes) {
        return results.stream()
                .filter(result -> result.matches(method, wishes))
                .min(Comparator.comparingDouble(StepTime::nanos));
    }

    /** The time in ns of the fastest read of weights and gradients, the library's own pass 1 included. */
    public OptionalDouble scan(String layout) {
        return faster(best("scan", "layout", layout), best("measure", "layout", layout));
    }

    /** The time in ns of the fastest step of SGD, the library's own pass 2 included. */
    public OptionalDouble sgd(String layout) {
        return faster(best("sgd", "layout", layout, "threads", "1"), best("update", "layout", layout));
    }

    private static OptionalDouble faster(OptionalDouble ceiling, OptionalDouble pass) {
        return ceiling.isEmpty() || pass.isEmpty()
                ? ceiling
                : OptionalDouble.of(Math.min(ceiling.getAsDouble(), pass.getAsDouble()));
    }
}
