package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.largebatch.ExperimentPlan.Cell;
import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import io.github.lars4j.bench.largebatch.TrainingResult.History;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExperimentTest {

    private static final DataSet TRAINING = Blobs.of(300, 1);
    private static final DataSet TEST = Blobs.of(100, 2);

    /** Two networks, two batches, three points, two seeds. */
    private static final ExperimentPlan PLAN = new ExperimentPlan(
            List.of(8),
            List.of(Normalization.NONE, Normalization.GHOST),
            ExperimentPlan.COMPARED,
            List.of(32, 128),
            2,
            3,
            60,
            10,
            Map.of(),
            List.of(1L, 2L));

    private static final Cell CELL = new Cell(Normalization.GHOST, Method.LARS, 32);

    @TempDir
    Path folder;

    private final ByteArrayOutputStream progress = new ByteArrayOutputStream();

    private ExperimentResults run(Path file, DataSet test, Path checkpoints, int jobs)
            throws IOException, InterruptedException {
        return run(PLAN, file, test, checkpoints, jobs);
    }

    private ExperimentResults run(ExperimentPlan plan, Path file, DataSet test, Path checkpoints, int jobs)
            throws IOException, InterruptedException {
        ExperimentResults results = new ExperimentResults(file, plan);
        new Experiment(
                        plan,
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
                    List.of(result.accuracy(), result.loss(), result.losses(), result.steps(), result.history());
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
        assertEquals(8 * (3 + 2), one.size());
    }

    @Test
    void finalRunsHaveTheHyperparametersOfTheBestRunOfTheSearch() throws Exception {
        ExperimentResults results = run(folder.resolve("results.json"), 2);
        int others = 0;
        for (Cell cell : PLAN.cells()) {
            List<Settings> points = PLAN.searchOf(cell);
            assertEquals(
                    RandomSearch.points(cell.method(), cell.batch(), 3, 10),
                    points.stream().map(Settings::hyperparameters).toList());
            TrainingResult best = null;
            for (Settings point : points) {
                TrainingResult result = results.find(true, point);
                if (best == null
                        || result.accuracy() > best.accuracy()
                        || (result.accuracy() == best.accuracy() && result.loss() < best.loss())) {
                    best = result;
                }
            }
            assertEquals(best, results.best(cell));
            others += best.settings().equals(points.getFirst()) ? 0 : 1;
            List<TrainingResult> finals = results.finals(cell);
            assertEquals(
                    PLAN.seeds(),
                    finals.stream().map(result -> result.settings().seed()).toList());
            for (TrainingResult result : finals) {
                assertEquals(
                        best.settings().hyperparameters(), result.settings().hyperparameters());
            }
        }
        assertTrue(others > 0, "the best is not always the first");
    }

    @Test
    void keepsTheCourseOfTheFirstSeedOnly() throws Exception {
        ExperimentResults results = run(folder.resolve("results.json"), 2);
        List<TrainingResult> finals = results.finals(CELL);
        History history = finals.getFirst().history();
        // 300 examples are ten batches of 32, in two epochs.
        assertEquals(20, history.rates().size());
        assertEquals(20, history.losses().size());
        assertEquals(
                List.of("fc1.weight", "fc2.weight"),
                List.copyOf(history.trustRatios().keySet()));
        assertEquals(20, history.trustRatios().get("fc2.weight").size());
        assertEquals(20, history.weightNorms().get("fc1.weight").size());
        for (double norm : history.weightNorms().get("fc1.weight")) {
            assertEquals(norm, new BigDecimal(norm).round(new MathContext(5)).doubleValue());
        }
        assertEquals(History.NONE, finals.getLast().history());
        assertEquals(History.NONE, results.best(CELL).history());
    }

    @Test
    void withoutASearchTakesTheChosenPoints() throws Exception {
        ExperimentPlan plan = new ExperimentPlan(
                PLAN.hidden(),
                PLAN.networks(),
                List.of(Method.SGD, Method.LARS, Method.BF16_MOMENTUM),
                List.of(32),
                2,
                3,
                60,
                9,
                Map.of(Method.SGD, 1, Method.LARS, 2),
                List.of(1L));
        ExperimentResults results = run(plan, folder.resolve("results.json"), TEST, folder, 1);
        assertEquals(6, results.size());
        for (Cell cell : plan.cells()) {
            assertEquals(
                    plan.searchOf(cell).get(cell.method() == Method.SGD ? 1 : 2).hyperparameters(),
                    results.finals(cell).getFirst().settings().hyperparameters());
        }
        // The few runs of such a plan show their epochs as they go.
        assertTrue(progress.toString(StandardCharsets.UTF_8).contains("LARS, seed 1: epoch 2 of 2, training loss "));
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
            Settings settings =
                    PLAN.searchOf(new Cell(Normalization.GHOST, method, 32)).get(1);
            Path file = folder.resolve(Experiment.checkpoint(true, settings));
            // Of the run itself, after one epoch: the results are those of a run that was not stopped.
            interrupt(settings, file);
            run(folder.resolve(method + "-same.json"), 1);
            assertEquals(whole, values(folder.resolve(method + "-same.json")));
            assertFalse(Files.exists(file), "the checkpoint of an ended run");
            // Of other weights: the result is another, so it really is where the run goes on.
            interrupt(new Settings(settings.network(), method, 32, 2, settings.hyperparameters(), 11), file);
            run(folder.resolve(method + "-other.json"), 1);
            String run = "true " + settings;
            assertNotEquals(
                    whole.get(run),
                    values(folder.resolve(method + "-other.json")).get(run));
        }
    }

    @Test
    void plansOfTheWholeBatchDifferInTheNormalisedNetworkOnly() {
        ExperimentPlan whole = PLAN.wholeBatch();
        assertEquals(List.of(Normalization.NONE, Normalization.BATCH), whole.networks());
        assertEquals(Normalization.BATCH, whole.normalized());
        assertEquals(List.of(Normalization.BATCH), whole.quick().networks());
        assertEquals(
                PLAN.searchOf(CELL).getFirst().hyperparameters(),
                whole.searchOf(CELL).getFirst().hyperparameters());
        assertNotEquals(PLAN.json(), whole.json());
    }

    @Test
    void everyRunHasACheckpointOfItsOwn() {
        Set<String> names = new HashSet<>();
        for (Cell cell : ExperimentPlan.full().cells()) {
            for (Settings settings : ExperimentPlan.full().searchOf(cell)) {
                assertTrue(names.add(Experiment.checkpoint(true, settings)), settings.toString());
                assertTrue(names.add(Experiment.checkpoint(false, settings)), settings.toString());
            }
        }
    }

    private static void interrupt(Settings settings, Path file) throws IOException {
        try (MatrixProduct product = new MatrixProduct(1);
                Trainer trainer = new Trainer(
                        settings, TRAINING.split(60, 10).training(), PLAN.hidden(), Blobs.CLASSES, product)) {
            trainer.epoch();
            trainer.save(file);
        }
    }

    @Test
    @Tag("locale")
    void savesCheckpointsAsItGoes() throws IOException {
        // What the first save of the first run would write is taken by a folder that cannot be replaced. It has 240
        // training examples, eight batches an epoch.
        Settings first = PLAN.searchOf(PLAN.cells().getFirst()).getFirst();
        String records = Experiment.checkpoint(true, first) + ".8.json";
        Files.createFile(
                Files.createDirectories(folder.resolve("runs").resolve(records)).resolve("file"));
        IllegalStateException failure = assertThrows(
                IllegalStateException.class,
                () -> run(folder.resolve("results.json"), TEST, folder.resolve("runs"), 1));
        assertTrue(failure.getCause().toString().contains(records), () -> "" + failure.getCause());
        assertTrue(
                Stream.iterate((Throwable) failure, Objects::nonNull, Throwable::getCause)
                        .flatMap(cause -> Arrays.stream(cause.getStackTrace()))
                        .anyMatch(frame -> frame.getMethodName().equals("save")),
                "in a save");
    }

    @Test
    void deletesTheCheckpointOfARunThatHasEnded() throws Exception {
        run(folder.resolve("results.json"), 1);
        Path left =
                folder.resolve(Experiment.checkpoint(true, PLAN.searchOf(CELL).getFirst()));
        Files.createFile(left);
        run(folder.resolve("results.json"), 1);
        assertFalse(Files.exists(left));
    }

    /** Any JSON will do: other white space, other order, whole numbers with or without a point. */
    @Test
    @Tag("locale")
    void readsResultsHoweverTheyAreWritten() throws Exception {
        Settings settings = PLAN.searchOf(CELL).getFirst();
        Path file = Files.writeString(folder.resolve("results.json"), """
                {
                  "results": [
                    {
                      "seed": 10.0, "batch": 32, "phase": "search", "method": "LARS", "network": "GHOST", "epochs": 2,
                      %s, "accuracy": 0.5, "loss": null, "losses": [2.5E0, null],
                      "rates": [1, 2.0], "stepLosses": [3, 0.5], "weightNorms": {"fc1.weight": [7e0, 8]},
                      "trustRatios": {"fc1.weight": [1, 0.25]}, "steps": 4, "seconds": 3, "optimizerSeconds": 1.5e-1
                    }
                  ],
                  "machine": {"cpu": "\\u0041\\\"", "processors": 2},
                  "plan": %s
                }
                """.formatted(
                ExperimentResults.GSON.toJson(settings.hyperparameters().json()).replaceAll("[{}]", ""),
                ExperimentResults.GSON.toJson(PLAN.json()).replace(".0,", ",").replace(",", " ,\t")));
        ExperimentResults results = new ExperimentResults(file, PLAN);
        assertEquals(1, results.size());
        TrainingResult result = results.find(true, settings);
        assertEquals(List.of(2.5, Double.NaN), result.losses());
        assertEquals(
                new History(
                        List.of(1.0, 2.0),
                        List.of(3.0, 0.5),
                        Map.of("fc1.weight", List.of(1.0, 0.25)),
                        Map.of("fc1.weight", List.of(7.0, 8.0))),
                result.history());
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
        Settings settings = PLAN.searchOf(CELL).getFirst();
        results.add(new TrainingResult(true, settings, 0.5, Double.NaN, List.of(), 0, 1, 1, History.NONE));
        assertTrue(Double.isNaN(
                new ExperimentResults(file, PLAN).find(true, settings).loss()));
        IOException other = assertThrows(
                IOException.class,
                () -> new ExperimentResults(file, ExperimentPlan.full().quick()));
        assertTrue(other.getMessage().contains("another plan"), other.getMessage());
        String text = Files.readString(file);
        Set<String> reasons = new HashSet<>();
        for (String damaged : List.of(
                text.substring(0, text.length() - 3), "[]", text.replace("\"accuracy\":0.5", "\"accuracy\":\"x\""))) {
            Files.writeString(file, damaged);
            IOException refusal = assertThrows(IOException.class, () -> new ExperimentResults(file, PLAN));
            assertTrue(refusal.getMessage().startsWith(file + " is damaged: "), refusal.getMessage());
            reasons.add(refusal.getMessage());
        }
        assertEquals(3, reasons.size(), () -> "" + reasons);
    }
}
