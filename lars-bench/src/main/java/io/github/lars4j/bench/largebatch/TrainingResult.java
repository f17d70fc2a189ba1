package io.github.lars4j.bench.largebatch;

import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What came of one run.
 *
 * @param search whether it was one of the search: trained without the held-out examples and judged on them; on the
 *     whole training set and on the test set otherwise
 * @param settings of the run
 * @param accuracy at its end, 0 to 1
 * @param loss at its end, on the same examples
 * @param losses mean training loss of each epoch; fewer than there are epochs if training broke down
 * @param steps taken
 * @param seconds that training took
 * @param optimizerSeconds that the optimizer took of them
 * @param trustRatios of each layer, at each step; empty where they were not kept
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
     * Reads what {@link #json} wrote.
     *
     * @throws IllegalArgumentException if something is missing or of another kind
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

    /** JSON has no NaN: it was written as null. */
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
