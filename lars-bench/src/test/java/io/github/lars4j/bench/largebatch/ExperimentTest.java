package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExperimentTest {

    private static final DataSet TRAINING = Blobs.of(300, 1);
    private static final DataSet TEST = Blobs.of(100, 2);

    /** Two batches, grids of 3 by 3, two seeds. */
    private static final ExperimentPlan PLAN = new ExperimentPlan(
            List.of(8),
            List.of(32, 128),
            2,
            true,
            60,
            1,
            4,
            1,
            4,
            1,
            9,
            List.of(1L, 2L),
            ExperimentPlan.COMPARED,
            Map.of());

    @TempDir
    Path folder;

    private final ByteArrayOutputStream progress = new ByteArrayOutputStream();

    private ExperimentResults run(Path file, DataSet test, Path checkpoints, int jobs)
            throws IOException, InterruptedException {
        ExperimentResults results = new ExperimentResults(file, PLAN);
        new Experiment(
                        PLAN,
                        TRAINING,
                        test,
                        Blobs.CLASSES,
                        results,
                        checkpoints,
                        Duration.ZERO,
                        jobs,
                        new PrintStream(progress, true, StandardCharsets.UTF_8))
                .run();
        return results;
    }

    private ExperimentResults run(Path file, int jobs) throws IOException, InterruptedException {
        return run(file, TEST, folder, jobs);
    }

    /** All results of a file by their settings, without the times. */
    private static Map<String, List<Object>> values(Path file) throws IOException {
        Map<String, List<Object>> values = new HashMap<>();
        Map<?, ?> json = ExperimentResults.GSON.fromJson(Files.readString(file), Map.class);
        for (Object element : (List<?>) json.get("results")) {
            TrainingResult result = TrainingResult.of((Map<?, ?>) element);
            List<Object> value =
                    List.of(result.accuracy(), result.loss(), result.losses(), result.steps(), result.trustRatios());
            assertEquals(null, values.put(result.search() + " " + result.settings(), value), "run twice");
        }
        return values;
    }

    @Test
    void doesNotDependOnTheNumberOfJobs() throws Exception {
        run(folder.resolve("one.json"), 1);
        run(folder.resolve("three.json"), 3);
        Map<String, List<Object>> one = values(folder.resolve("one.json"));
        assertEquals(one, values(folder.resolve("three.json")));
        assertTrue(one.size() >= 4 * (9 + 2), one.size() + " results");
    }

    @Test
    void searchesGridsOfOneSpacingAndGrowsThemWhereTheBestLiesOnAnEdge() throws Exception {
        ExperimentResults results = run(folder.resolve("results.json"), 2);
        for (Method method : PLAN.methods()) {
            for (int batch : PLAN.batches()) {
                List<int[]> points = new ArrayList<>();
                TrainingResult best = null;
                int[] bestPoint = {0, 0};
                for (int rate = -3; rate <= 3; rate++) {
                    for (int bias = -3; bias <= 3; bias++) {
                        TrainingResult result = results.find(true, PLAN.settings(method, batch, rate, bias, 9));
                        if (result != null) {
                            points.add(new int[] {rate, bias});
                            if (best == null
                                    || result.accuracy() > best.accuracy()
                                    || (result.accuracy() == best.accuracy() && result.loss() < best.loss())) {
                                best = result;
                                bestPoint = new int[] {rate, bias};
                            }
                        }
                    }
                }
                assertEquals(results.searched(method, batch), points.size(), "all on the grid");
                // Not on an edge, but for those that may not grow any more.
                for (int axis = 0; axis < 2; axis++) {
                    int along = axis;
                    int least = points.stream().mapToInt(p -> p[along]).min().orElseThrow();
                    int most = points.stream().mapToInt(p -> p[along]).max().orElseThrow();
                    assertTrue(least == -1 || least == -2, "from " + least);
                    assertTrue(most == 1 || most == 2, "to " + most);
                    assertTrue(bestPoint[axis] > least || least == -2, "best at " + bestPoint[axis]);
                    assertTrue(bestPoint[axis] < most || most == 2, "best at " + bestPoint[axis]);
                }
                for (TrainingResult last : results.finals(method, batch)) {
                    assertEquals(best.settings().rate(), last.settings().rate());
                    assertEquals(best.settings().biasFactor(), last.settings().biasFactor());
                }
                assertEquals(2, results.finals(method, batch).size());
            }
        }
        assertEquals(
                4,
                PLAN.settings(Method.LARS, 32, 1, 0, 9).rate()
                        / PLAN.settings(Method.LARS, 32, 0, 0, 9).rate());
        assertEquals(
                PLAN.settings(Method.SGD, 32, 0, 1, 9).biasFactor(),
                4 * PLAN.settings(Method.SGD, 32, 0, 0, 9).biasFactor());
    }

    @Test
    @Tag("locale")
    void choosesWithoutTheTestSet() throws Exception {
        run(folder.resolve("a.json"), TEST, folder, 2);
        run(folder.resolve("b.json"), Blobs.of(100, 77), folder, 2);
        Map<String, List<Object>> a = values(folder.resolve("a.json"));
        Map<String, List<Object>> b = values(folder.resolve("b.json"));
        assertEquals(a.keySet(), b.keySet(), "the same choices");
        assertNotEquals(a, b);
        a.keySet().removeIf(run -> run.startsWith("false"));
        b.keySet().removeIf(run -> run.startsWith("false"));
        assertEquals(a, b, "the same search");
    }

    @Test
    void goesOnFromTheResultsOfAStoppedRun() throws Exception {
        Path file = folder.resolve("results.json");
        run(file, 2);
        Map<String, List<Object>> whole = values(file);
        String text = Files.readString(file);
        // As it was after the first 20 results.
        Map<?, ?> json = ExperimentResults.GSON.fromJson(text, Map.class);
        Map<String, Object> stopped = new HashMap<>();
        json.forEach((key, value) -> stopped.put((String) key, value));
        stopped.put("results", ((List<?>) json.get("results")).subList(0, 20));
        Files.writeString(file, ExperimentResults.GSON.toJson(stopped));
        progress.reset();
        run(file, 2);
        assertEquals(whole, values(file));
        assertEquals(
                whole.size() - 20,
                progress.toString(StandardCharsets.UTF_8).lines().count());
        progress.reset();
        run(file, 2);
        assertEquals(0, progress.size(), "nothing is left");
    }

    @Test
    void goesOnWithRunsUnderWayFromTheirCheckpoints() throws Exception {
        run(folder.resolve("whole.json"), 1);
        Map<String, List<Object>> whole = values(folder.resolve("whole.json"));
        for (Method method : PLAN.methods()) {
            Settings settings = PLAN.settings(method, 32, 0, 0, 9);
            Path file = folder.resolve(
                    "search-" + method + "-32-" + settings.rate() + "-" + settings.biasFactor() + "-9.safetensors");
            // Of the run itself, after one epoch: the results are those of a run that was not stopped.
            interrupt(settings, file);
            run(folder.resolve(method + "-same.json"), 1);
            assertEquals(whole, values(folder.resolve(method + "-same.json")));
            assertFalse(Files.exists(file), "the checkpoint of an ended run");
            // Of other weights: the result is another, so it really is where the run goes on.
            interrupt(new Settings(method, 32, 2, settings.rate(), settings.biasFactor(), 10), file);
            run(folder.resolve(method + "-other.json"), 1);
            String run = "true " + settings;
            assertNotEquals(
                    whole.get(run),
                    values(folder.resolve(method + "-other.json")).get(run));
        }
    }

    private static void interrupt(Settings settings, Path file) throws IOException {
        try (MatrixProduct product = new MatrixProduct(1);
                Trainer trainer = new Trainer(
                        settings, TRAINING.split(60, 9).training(), PLAN.hidden(), Blobs.CLASSES, product)) {
            trainer.epoch();
            trainer.save(file);
        }
    }

    @Test
    @Tag("locale")
    void savesCheckpointsAsItGoes() {
        Path file = folder.resolve("results.json");
        IllegalStateException failure =
                assertThrows(IllegalStateException.class, () -> run(file, TEST, folder.resolve("no such folder"), 2));
        assertTrue(failure.getCause().toString().contains("no such folder"), () -> "" + failure.getCause());
    }

    /** Any JSON will do: other white space, other order, whole numbers with or without a point. */
    @Test
    @Tag("locale")
    void readsResultsHoweverTheyAreWritten() throws Exception {
        Path file = Files.writeString(folder.resolve("results.json"), """
                {
                  "results": [
                    {
                      "seed": 9.0, "batch": 32, "phase": "search", "method": "SGD", "epochs": 2, "rate": %s,
                      "biasFactor": 1, "accuracy": 0.5, "loss": null, "losses": [2.5E0, null],
                      "trustRatios": {"fc1.weight": [1, 0.25]}, "steps": 4, "seconds": 3, "optimizerSeconds": 1.5e-1
                    }
                  ],
                  "machine": {"cpu": "\\u0041\\\"", "processors": 2},
                  "plan": %s
                }
                """.formatted(
                PLAN.settings(Method.SGD, 32, 0, 0, 9).rate(),
                ExperimentResults.GSON.toJson(PLAN.json()).replace(".0,", ",").replace(",", " ,\t")));
        ExperimentResults results = new ExperimentResults(file, PLAN);
        assertEquals(1, results.size());
        TrainingResult result = results.find(true, PLAN.settings(Method.SGD, 32, 0, 0, 9));
        assertEquals(List.of(2.5, Double.NaN), result.losses());
        assertEquals(Map.of("fc1.weight", List.of(1.0, 0.25)), result.trustRatios());
        assertTrue(Double.isNaN(result.loss()));
        assertEquals(0.15, result.optimizerSeconds());

        // What it writes has a line for each result, and says where it was measured.
        results.add(result);
        List<String> lines = Files.readAllLines(file);
        assertEquals(
                2, lines.stream().filter(line -> line.contains("\"phase\"")).count());
        Map<?, ?> machine = (Map<?, ?>) ExperimentResults.GSON
                .fromJson(Files.readString(file), Map.class)
                .get("machine");
        assertEquals(Set.of("cpu", "processors", "vectorBits", "java", "os"), machine.keySet());
        assertEquals(2, new ExperimentResults(file, PLAN).size());
    }

    @Test
    void refusesResultsOfAnotherPlanOrDamagedOnes() throws Exception {
        Path file = folder.resolve("results.json");
        ExperimentResults results = new ExperimentResults(file, PLAN);
        results.add(new TrainingResult(
                true, PLAN.settings(Method.SGD, 32, 0, 0, 9), 0.5, Double.NaN, List.of(), 0, 1, 1, Map.of()));
        assertTrue(Double.isNaN(new ExperimentResults(file, PLAN)
                .find(true, PLAN.settings(Method.SGD, 32, 0, 0, 9))
                .loss()));
        IOException other = assertThrows(
                IOException.class,
                () -> new ExperimentResults(file, ExperimentPlan.full().quick()));
        assertTrue(other.getMessage().contains("another plan"), other.getMessage());
        String text = Files.readString(file);
        Set<String> reasons = new HashSet<>();
        for (String damaged : List.of(text.substring(0, text.length() - 3), "[]", text.replace("0.5", "\"x\""))) {
            Files.writeString(file, damaged);
            IOException refusal = assertThrows(IOException.class, () -> new ExperimentResults(file, PLAN));
            assertTrue(refusal.getMessage().startsWith(file + " is damaged: "), refusal.getMessage());
            reasons.add(refusal.getMessage());
        }
        assertEquals(3, reasons.size(), () -> "" + reasons);
    }
}
