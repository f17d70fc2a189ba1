package io.github.lars4j.bench.largebatch;

import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import java.util.ArrayList;
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
 * @param trustRatios trust ratios by layer and step; empty if they were not kept
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
        Map<String, List<Double>> trustRatios) {

    Map<String, Object> json() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("phase", search ? "search" : "final");
        json.put("method", settings.method().name());
        json.put("batch", settings.batch());
        json.put("epochs", settings.epochs());
        json.put("rate", settings.rate());
        json.put("biasFactor", settings.biasFactor());
        json.put("seed", settings.seed());
        json.put("accuracy", accuracy);
        json.put("loss", loss);
        json.put("losses", losses);
        json.put("steps", steps);
        json.put("seconds", seconds);
        json.put("optimizerSeconds", optimizerSeconds);
        if (!trustRatios.isEmpty()) {
            json.put("trustRatios", trustRatios);
        }
        return json;
    }

    /**
     * Parses the output of {@link #json}.
     *
     * @throws IllegalArgumentException if a value is missing or has another type
     */
    static TrainingResult of(Map<?, ?> json) {
        Map<String, List<Double>> ratios = new LinkedHashMap<>();
        if (json.get("trustRatios") instanceof Map<?, ?> layers) {
            layers.forEach((layer, list) -> ratios.put((String) layer, numbers(list)));
        }
        return new TrainingResult(
                "search".equals(json.get("phase")),
                new Settings(
                        Method.valueOf(String.valueOf(json.get("method"))),
                        (int) number(json, "batch"),
                        (int) number(json, "epochs"),
                        number(json, "rate"),
                        number(json, "biasFactor"),
                        (long) number(json, "seed")),
                number(json, "accuracy"),
                number(json, "loss"),
                numbers(json.get("losses")),
                (int) number(json, "steps"),
                number(json, "seconds"),
                number(json, "optimizerSeconds"),
                ratios);
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
