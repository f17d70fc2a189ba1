package io.github.lars4j.bench.largebatch;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonNull;
import com.google.gson.JsonParseException;
import com.google.gson.JsonPrimitive;
import com.google.gson.JsonSerializer;
import com.google.gson.stream.JsonWriter;
import io.github.lars4j.bench.files.InputFile;
import io.github.lars4j.bench.files.OutputFile;
import io.github.lars4j.bench.largebatch.ExperimentPlan.Cell;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import io.github.lars4j.bench.machine.Machine;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** The results of an experiment so far, in a file that is replaced atomically. Safe for use by several threads. */
final class ExperimentResults {

    /**
     * Reads JSON as maps, lists, strings, booleans, doubles and {@code null}; writes numbers that JSON cannot represent
     * as null.
     */
    static final Gson GSON = new GsonBuilder()
            .serializeNulls()
            .registerTypeAdapter(Double.class, (JsonSerializer<Double>)
                    (number, type, context) -> Double.isFinite(number) ? new JsonPrimitive(number) : JsonNull.INSTANCE)
            .create();

    private final Path file;
    private final ExperimentPlan plan;
    private final List<TrainingResult> results = new ArrayList<>();

    /**
     * Opens the results of a plan, and reads those that the file already has.
     *
     * @throws IOException if the file cannot be read, is damaged, or belongs to another plan
     */
    ExperimentResults(Path file, ExperimentPlan plan) throws IOException {
        this.file = file;
        this.plan = plan;
        if (!Files.exists(file)) {
            return;
        }
        try {
            if (!(GSON.fromJson(InputFile.text(file), Object.class) instanceof Map<?, ?> json)
                    || !(json.get("results") instanceof List<?> list)) {
                throw new IllegalArgumentException("it has no list of results");
            }
            if (!GSON.fromJson(GSON.toJson(plan.json()), Object.class).equals(json.get("plan"))) {
                throw new IOException(file + " has results of another plan; give another folder by --out DIR");
            }
            for (Object result : list) {
                if (!(result instanceof Map<?, ?> map)) {
                    throw new IllegalArgumentException("a result is no object");
                }
                results.add(TrainingResult.of(map));
            }
        } catch (IllegalArgumentException | JsonParseException e) {
            throw new IOException(file + " is damaged: " + e.getMessage(), e);
        }
    }

    /** The result of a run; {@code null} if there is none yet. */
    synchronized TrainingResult find(boolean search, Settings settings) {
        for (TrainingResult result : results) {
            if (result.search() == search && result.settings().equals(settings)) {
                return result;
            }
        }
        return null;
    }

    /** Number of results. */
    synchronized int size() {
        return results.size();
    }

    /** The final runs of a cell, by seed. */
    synchronized List<TrainingResult> finals(Cell cell) {
        return results.stream()
                .filter(r -> !r.search() && of(cell, r))
                .sorted(Comparator.comparingLong(r -> r.settings().seed()))
                .toList();
    }

    /** The searching run of a cell that its final runs follow. */
    synchronized TrainingResult best(Cell cell) {
        return results.stream()
                .filter(r -> r.search() && of(cell, r))
                .min(TrainingResult.BEST)
                .orElseThrow();
    }

    /** Number of runs of a cell's search in which the loss did not stay finite. */
    synchronized long diverged(Cell cell) {
        return results.stream()
                .filter(r -> r.search() && of(cell, r))
                .filter(r -> r.losses().size() < r.settings().epochs())
                .count();
    }

    private static boolean of(Cell cell, TrainingResult result) {
        Settings settings = result.settings();
        return settings.network() == cell.network()
                && settings.method() == cell.method()
                && settings.batch() == cell.batch();
    }

    /**
     * Adds a result and rewrites the file.
     *
     * @throws IOException if it cannot be written; the message names it
     */
    synchronized void add(TrainingResult result) throws IOException {
        results.add(result);
        StringWriter text = new StringWriter();
        try (JsonWriter json = new JsonWriter(text)) {
            json.setIndent("  ");
            json.beginObject();
            json.name("what").value("lars4j large-batch: SGD with Nesterov momentum and LARS on Fashion-MNIST");
            json.name("plan").jsonValue(GSON.toJson(plan.json()));
            json.name("machine").jsonValue(GSON.toJson(Machine.json()));
            json.name("results").beginArray();
            for (TrainingResult each : results) {
                json.jsonValue(GSON.toJson(each.json()));
            }
            json.endArray();
            json.endObject();
        }
        OutputFile.write(file, text.append('\n').toString());
    }
}
