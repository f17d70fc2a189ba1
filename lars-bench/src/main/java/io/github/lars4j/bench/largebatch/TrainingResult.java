package io.github.lars4j.bench.largebatch;

import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The result of one run.
 *
 * @param search whether the run belongs to the search, which trains without the held-out examples and is evaluated on
 *     them; a final run trains on the whole training set and is evaluated on the test set
 * @param settings the settings of the run
 * @param accuracy accuracy at the end, 0 to 1
 * @param loss loss at the end, on the same examples
 * @param losses mean training loss of each epoch; fewer than the epochs if training diverged
 * @param steps number of steps
 * @param seconds time of training
 * @param optimizerSeconds part of that time spent in the optimizer
 * @param history what each step did; empty if it was not kept
 */
record TrainingResult(
        boolean search,
        Settings settings,
        double accuracy,
        double loss,
        List<Double> losses,
        int steps,
        double seconds,
        double optimizerSeconds,
        History history) {

    /** The greatest accuracy first; the smaller loss decides between equal ones, and then the learning rate. */
    static final Comparator<TrainingResult> BEST = Comparator.comparingDouble(TrainingResult::accuracy)
            .reversed()
            .thenComparingDouble(TrainingResult::loss)
            .thenComparingDouble(result -> result.settings().hyperparameters().rate());

    /**
     * The steps of a run, in lists with an element for each.
     *
     * @param rates learning rates
     * @param losses mean loss over the batch before the step
     * @param trustRatios by adapted layer
     * @param weightNorms by adapted layer, before the step
     */
    record History(
            List<Double> rates,
            List<Double> losses,
            Map<String, List<Double>> trustRatios,
            Map<String, List<Double>> weightNorms) {

        static final History NONE = new History(List.of(), List.of(), Map.of(), Map.of());
    }

    Map<String, Object> json() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("phase", search ? "search" : "final");
        json.put("network", settings.network().name());
        json.put("method", settings.method().name());
        json.put("batch", settings.batch());
        json.put("epochs", settings.epochs());
        json.putAll(settings.hyperparameters().json());
        json.put("seed", settings.seed());
        json.put("accuracy", accuracy);
        json.put("loss", loss);
        json.put("losses", losses);
        json.put("steps", steps);
        json.put("seconds", seconds);
        json.put("optimizerSeconds", optimizerSeconds);
        if (!history.equals(History.NONE)) {
            json.put("rates", history.rates);
            json.put("stepLosses", history.losses);
            json.put("trustRatios", history.trustRatios);
            json.put("weightNorms", history.weightNorms);
        }
        return json;
    }

    /**
     * Parses the output of {@link #json}.
     *
     * @throws IllegalArgumentException if a value is missing or has another type
     */
    static TrainingResult of(Map<?, ?> json) {
        return new TrainingResult(
                "search".equals(json.get("phase")),
                new Settings(
                        Normalization.valueOf(String.valueOf(json.get("network"))),
                        Method.valueOf(String.valueOf(json.get("method"))),
                        (int) number(json, "batch"),
                        (int) number(json, "epochs"),
                        new SampledHyperparameters(
                                number(json, "rate"),
                                number(json, "warmup"),
                                number(json, "decayPower"),
                                number(json, "momentum"),
                                number(json, "weightDecay"),
                                number(json, "oneDimensionalFactor")),
                        (long) number(json, "seed")),
                number(json, "accuracy"),
                number(json, "loss"),
                numbers(json.get("losses")),
                (int) number(json, "steps"),
                number(json, "seconds"),
                number(json, "optimizerSeconds"),
                json.containsKey("rates")
                        ? new History(
                                numbers(json.get("rates")),
                                numbers(json.get("stepLosses")),
                                byLayer(json.get("trustRatios")),
                                byLayer(json.get("weightNorms")))
                        : History.NONE);
    }

    private static Map<String, List<Double>> byLayer(Object json) {
        if (!(json instanceof Map<?, ?> layers)) {
            throw new IllegalArgumentException("\"" + json + "\" is no list of numbers by layer");
        }
        Map<String, List<Double>> lists = new LinkedHashMap<>();
        layers.forEach((layer, list) -> lists.put((String) layer, numbers(list)));
        return lists;
    }

    private static double number(Map<?, ?> json, String key) {
        return number(json.get(key), key);
    }

    /** Reads a number; JSON has no NaN, which is written as null. */
    private static double number(Object value, String key) {
        return switch (value) {
            case Double number -> number;
            case null -> Double.NaN;
            default -> throw new IllegalArgumentException(key + " is \"" + value + "\"; it must be a number");
        };
    }

    private static List<Double> numbers(Object list) {
        if (!(list instanceof List<?> values)) {
            throw new IllegalArgumentException("\"" + list + "\" is no list of numbers");
        }
        List<Double> numbers = new ArrayList<>();
        values.forEach(value -> numbers.add(number(value, "an element of a list")));
        return List.copyOf(numbers);
    }
}
