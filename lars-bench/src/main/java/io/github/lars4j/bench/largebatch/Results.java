package io.github.lars4j.bench.largebatch;

import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The results of an experiment so far, in a file that is whole at every moment. Safe for use by several threads. */
final class Results {

    private final Path file;
    private final Plan plan;
    private final List<Result> results = new ArrayList<>();

    /**
     * Opens the results of a plan, with those that the file has already.
     *
     * @throws IOException if the file cannot be read, is damaged, or is of another plan
     */
    Results(Path file, Plan plan) throws IOException {
        this.file = file;
        this.plan = plan;
        if (!Files.exists(file)) {
            return;
        }
        try {
            if (!(Json.parse(Files.readString(file)) instanceof Map<?, ?> json)
                    || !(json.get("results") instanceof List<?> list)) {
                throw new IllegalArgumentException("it has no list of results");
            }
            if (!Json.write(json.get("plan")).equals(Json.write(Json.parse(Json.write(plan.json()))))) {
                throw new IOException(file + " has results of another plan; give another folder by --out DIR");
            }
            for (Object result : list) {
                if (!(result instanceof Map<?, ?> map)) {
                    throw new IllegalArgumentException("a result is no object");
                }
                results.add(Result.of(map));
            }
        } catch (IllegalArgumentException e) {
            throw new IOException(file + " is damaged: " + e.getMessage(), e);
        }
    }

    /** The result of a run; {@code null} if there is none yet. */
    synchronized Result find(boolean search, Settings settings) {
        for (Result result : results) {
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

    /** The final runs of a method at a batch, by seed. */
    synchronized List<Result> finals(Method method, int batch) {
        return results.stream()
                .filter(r -> !r.search()
                        && r.settings().method() == method
                        && r.settings().batch() == batch)
                .sorted(Comparator.comparingLong(r -> r.settings().seed()))
                .toList();
    }

    /** Number of runs that a search took. */
    synchronized long searched(Method method, int batch) {
        return results.stream()
                .filter(r -> r.search()
                        && r.settings().method() == method
                        && r.settings().batch() == batch)
                .count();
    }

    /** Adds a result and writes the file anew. */
    synchronized void add(Result result) {
        results.add(result);
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("what", "lars4j large-batch: SGD with momentum and LARS on Fashion-MNIST");
        json.put("plan", plan.json());
        json.put("machine", Machine.json());
        json.put("results", results.stream().map(Result::json).toList());
        try {
            Path next = file.resolveSibling(file.getFileName() + ".next");
            Files.writeString(next, Json.write(json));
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
