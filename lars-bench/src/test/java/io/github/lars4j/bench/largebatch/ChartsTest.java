package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.chart.Chart;
import io.github.lars4j.bench.largebatch.ExperimentPlan.Cell;
import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import io.github.lars4j.bench.largebatch.TrainingResult.History;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;

@Tag("locale")
class ChartsTest {

    private static final ExperimentPlan PLAN = new ExperimentPlan(
            List.of(8),
            List.of(Normalization.NONE, Normalization.GHOST),
            ExperimentPlan.COMPARED,
            List.of(256, ExperimentPlan.SHOWN_BATCH),
            2,
            3,
            60,
            9,
            Map.of(),
            List.of(1L, 2L));

    @TempDir
    Path folder;

    private ExperimentResults results;

    @BeforeEach
    void fill() throws Exception {
        results = results(PLAN);
    }

    private ExperimentResults results(ExperimentPlan plan) throws Exception {
        ExperimentResults results = new ExperimentResults(folder.resolve(plan.normalized() + ".json"), plan);
        for (Cell cell : plan.cells()) {
            SampledHyperparameters point = PLAN.searchOf(cell).get(1).hyperparameters();
            results.add(result(true, cell, point, 9, 0.5));
            results.add(result(true, cell, PLAN.searchOf(cell).get(2).hyperparameters(), 9, 0.4));
            for (long seed : PLAN.seeds()) {
                double accuracy = (cell.method() == Method.SGD ? 0.80 : 0.85)
                        + (cell.network() == Normalization.NONE ? 0 : 0.05)
                        + (cell.method() == Method.LARS && seed == 2 ? 0.02 : 0)
                        + 0.01 * seed
                        - cell.batch() / 1_000_000.0;
                results.add(result(false, cell, point, seed, accuracy));
            }
        }
        return results;
    }

    /** Where two lines have the same height. */
    private static List<Integer> common(List<double[]> one, List<double[]> other) {
        return IntStream.range(0, one.size())
                .filter(i -> one.get(i)[1] == other.get(i)[1])
                .boxed()
                .toList();
    }

    private static TrainingResult result(
            boolean search, Cell cell, SampledHyperparameters point, long seed, double accuracy) {
        boolean plain = cell.network() == Normalization.NONE;
        return new TrainingResult(
                search,
                new Settings(cell.network(), cell.method(), cell.batch(), 2, point, seed),
                accuracy,
                0.4,
                // The plain network's searches diverge after one epoch.
                search && plain ? List.of(2.0) : List.of(2.0, plain ? 2 : 0.5 * seed),
                3,
                plain ? 1000 : 10,
                cell.method() == Method.SGD ? 1 : 2,
                search || seed != 1
                        ? History.NONE
                        : new History(
                                List.of(2.0, plain ? 2.0 : 4.0, 1.0),
                                List.of(8.0, 5.0, 2.0),
                                Map.of(
                                        "fc1.weight",
                                        List.of(0.001, 0.01, 0.1),
                                        "fc2.weight",
                                        List.of(0.1, 0.01, 0.001)),
                                Map.of(
                                        "fc1.weight",
                                        List.of(1.0, 2.0, 4.0),
                                        "fc2.weight",
                                        List.of(16.0, 8.0, plain ? 8.0 : 4.0))));
    }

    private static Document parse(String svg) throws Exception {
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new InputSource(new StringReader(svg)));
    }

    @Test
    void areWholeAloneAndForLightAndDark() throws Exception {
        for (String svg : List.of(
                Charts.accuracy(PLAN, results),
                Charts.loss(PLAN, results),
                Charts.trustRatios(PLAN, results),
                Charts.weightNorms(PLAN, results),
                Charts.rateAndLoss(PLAN, results))) {
            assertEquals("svg", parse(svg).getDocumentElement().getTagName());
            assertTrue(svg.contains("prefers-color-scheme: dark"));
            assertFalse(
                    svg.contains("href") || svg.contains("url(") || svg.contains("@import") || svg.contains("<script"));
            assertFalse(svg.contains("NaN") || svg.contains("Infinity"), svg);
        }
    }

    /** The layers' names come from the file of results, which may be anybody's. */
    @Test
    void namesOfLayersAreText() throws Exception {
        String name = "</script><img src=x onerror=alert(1)>";
        Path file = folder.resolve(PLAN.normalized() + ".json");
        Files.writeString(file, Files.readString(file).replace("fc1.weight", name));
        ExperimentResults hostile = new ExperimentResults(file, PLAN);
        for (String svg : List.of(Charts.trustRatios(PLAN, hostile), Charts.weightNorms(PLAN, hostile))) {
            Document picture = parse(svg);
            assertEquals(0, picture.getElementsByTagName("img").getLength());
            assertTrue(picture.getDocumentElement().getTextContent().contains(name), svg);
        }
    }

    @Test
    void placeTheirPointsInOrderWithinTheAxes() throws Exception {
        String svg = Charts.accuracy(PLAN, results);
        List<double[]> sgd = points(svg, 0);
        List<double[]> lars = points(svg, 1);
        assertEquals(2, sgd.size());
        assertEquals(2, lars.size());
        assertTrue(sgd.get(0)[0] < sgd.get(1)[0], "the greater batch further right");
        assertTrue(sgd.get(0)[1] < sgd.get(1)[1], "the lesser accuracy further down");
        assertTrue(lars.get(0)[1] < sgd.get(0)[1], "LARS above SGD");
        for (double[] point : List.of(sgd.get(0), sgd.get(1), lars.get(0), lars.get(1))) {
            assertTrue(point[0] > 68 && point[0] < 608 && point[1] > 48 && point[1] < 364, point[0] + ", " + point[1]);
        }
        assertTrue(lars.get(0)[1] > points(svg, 3).get(0)[1], "the normalised network above the plain one");
        for (String name : List.of("SGD", "LARS", "SGD + BN", "LARS + BN", "8192")) {
            assertTrue(svg.contains(">" + name + "<"), name);
        }
        assertTrue(svg.contains("class=\"spread s0\""));
    }

    private static List<double[]> points(String svg, int line) {
        Matcher path =
                Pattern.compile("class=\"line s" + line + "\" d=\"([^\"]*)\"").matcher(svg);
        assertTrue(path.find());
        List<double[]> points = new ArrayList<>();
        Matcher point = Pattern.compile("[ML]([0-9.]+) ([0-9.]+)").matcher(path.group(1));
        while (point.find()) {
            points.add(new double[] {Double.parseDouble(point.group(1)), Double.parseDouble(point.group(2))});
        }
        return points;
    }

    @Test
    void keepTheNamesOfLinesApart() throws Exception {
        Chart.Axis axis = Chart.Axis.around("x", List.of(0.0, 1.0));
        Chart chart = new Chart("t <&> \"t\"", axis, axis, true);
        chart.line("a", List.of(new Chart.Point(1, 0.5, 0.5, 0.5)));
        chart.line("b", List.of(new Chart.Point(1, 0.5, 0.5, 0.5)));
        chart.line("none", List.of());
        String svg = chart.svg();
        parse(svg);
        List<Double> heights = new ArrayList<>();
        Matcher label = Pattern.compile("y=\"([0-9.]+)\"><tspan").matcher(svg);
        while (label.find()) {
            heights.add(Double.valueOf(label.group(1)));
        }
        assertEquals(2, heights.size());
        assertTrue(Math.abs(heights.get(0) - heights.get(1)) >= 15, () -> "" + heights);
    }

    @Test
    void haveRoundTicks() {
        assertEquals(
                List.of(0.0, 2.0, 4.0, 6.0, 8.0, 10.0),
                Chart.Axis.around("", List.of(0.0, 10.0)).ticks());
        assertEquals(
                List.of(0.001, 0.002, 0.005, 0.01, 0.02),
                Chart.Axis.logarithmic("", List.of(0.001, 0.02)).ticks());
    }

    @Test
    void theCourseIsThatOfTheFirstSeed() {
        String svg = Charts.rateAndLoss(PLAN, results);
        List<double[]> rate = points(svg, 0);
        List<double[]> loss = points(svg, 1);
        assertEquals(3, rate.size());
        // The greatest values are both 1, and a quarter of the rate's and of the loss' are 0.25.
        assertEquals(rate.get(1)[1], loss.get(0)[1]);
        assertEquals(rate.get(2)[1], loss.get(2)[1]);
        assertTrue(rate.get(0)[1] > rate.get(1)[1], "further down");
        assertTrue(svg.contains("normalised network, LARS, batch 8192, seed 1"), svg);
        List<double[]> first = points(Charts.weightNorms(PLAN, results), 0);
        List<double[]> second = points(Charts.weightNorms(PLAN, results), 1);
        // The last norms are both 4, and the ratios in the middle both 0.01.
        assertEquals(List.of(2), common(first, second));
        assertEquals(
                List.of(1),
                common(points(Charts.trustRatios(PLAN, results), 0), points(Charts.trustRatios(PLAN, results), 1)));
    }

    @Test
    void theTableHasMeansSpreadsAndDifferences() throws Exception {
        List<String> table = Charts.table(PLAN, results).lines().toList();
        // Plain: SGD at 256 has 80.974 and 81.974, LARS 85.974 and 88.974; at 8192 all have 0.794 less.
        assertEquals(
                "| plain | 256 | 81.47 (80.97 to 81.97) | 87.47 (85.97 to 88.97) | +6.00 ± 1.00 | -6.00 | +0.00 |",
                table.get(2));
        assertEquals(
                "| plain | 8192 | 80.68 (80.18 to 81.18) | 86.68 (85.18 to 88.18) | +6.00 ± 1.00 | -6.79 | -0.79 |",
                table.get(3));
        assertTrue(table.get(5).startsWith("| normalised | 8192 | 85.68 "), table.get(5));
        assertTrue(table.getLast().contains("mean over 2 seeds"), table.getLast());
        assertTrue(table.getLast().contains("parts of at most 256 examples"), table.getLast());
        assertTrue(Charts.table(PLAN.wholeBatch(), results(PLAN.wholeBatch())).contains("the whole batch"));
    }

    @Test
    void theChoicesAreTheBestRunsOfTheSearches() {
        List<String> table = Charts.choices(PLAN, results).lines().toList();
        Cell cell = PLAN.cells().getLast();
        SampledHyperparameters chosen = PLAN.searchOf(cell).get(1).hyperparameters();
        assertEquals(8 + 4, table.size());
        assertEquals(
                4,
                table.stream()
                        .filter(line -> line.startsWith("| plain |") && line.endsWith("| 2 |"))
                        .count());
        assertEquals(
                String.format(
                        Locale.ROOT,
                        "| normalised | 8192 | LARS | %s | %s | %s | %s | %s | %s | 50.00 | 0 |",
                        chosen.rate(),
                        chosen.warmup(),
                        chosen.decayPower(),
                        chosen.momentum(),
                        chosen.weightDecay(),
                        chosen.oneDimensionalFactor()),
                table.get(9));
        assertEquals(
                "The best of 3 runs each by accuracy on 60 held-out training examples; how many of them diverged.",
                table.getLast());
    }

    @Test
    void theShareIsOfTheWholeTime() {
        // 20 s, of which 4 s for 6 steps, which would have taken 3 s.
        String table = OptimizerShare.table(PLAN, results, new double[] {0.125, 0.5});
        assertTrue(table.contains("| 256 | 3 | 10.00 | 20.00 | 666.667 | 15.79 |"), table);
        assertTrue(table.contains("125.000 ms with the library, 500.000 ms with a naive LARS."), table);
    }

    @Test
    void warmStepsAreTimed() {
        String table = OptimizerShare.table(PLAN, results);
        Pattern times = Pattern.compile("[0-9]\\.[0-9]{3} ms with the library, [0-9]+\\.[0-9]{3} ms with a naive LARS");
        assertTrue(times.matcher(table).find(), table);
    }

    @Test
    void formatsAreComparedSeedBySeed() throws Exception {
        ExperimentPlan plan = PLAN.withoutSearch(List.of(Method.LARS, Method.BF16_MOMENTUM));
        ExperimentResults runs = new ExperimentResults(folder.resolve("formats.json"), plan);
        double[][] accuracies = {{0.9, 0.92}, {0.89, 0.915}};
        for (Cell cell : plan.cells()) {
            for (int seed = 1; seed <= 2; seed++) {
                double accuracy = accuracies[cell.method() == Method.LARS ? 0 : 1][seed - 1];
                runs.add(result(false, cell, PLAN.searchOf(cell).getFirst().hyperparameters(), seed, accuracy));
            }
        }
        List<String> table = Charts.formats(plan, runs).lines().toList();
        assertEquals("| float32 | 91.00 (90.00 to 92.00) |  |", table.get(2));
        // Differences of -1 and -0.5.
        assertEquals("| bfloat16 momentum, to nearest | 90.25 (89.00 to 91.50) | -0.75 ± 0.25 |", table.get(3));

        ExperimentPlan quick = plan.quick();
        assertEquals(List.of(1L), quick.seeds());
        ExperimentResults one = new ExperimentResults(folder.resolve("quick.json"), quick);
        for (Cell cell : quick.cells()) {
            double accuracy = cell.method() == Method.LARS ? 0.9 : 0.89;
            one.add(result(false, cell, PLAN.searchOf(cell).getFirst().hyperparameters(), 1, accuracy));
        }
        assertEquals(
                "| bfloat16 momentum, to nearest | 89.00 (89.00 to 89.00) | -1.00 |",
                Charts.formats(quick, one).lines().toList().get(3));
    }

    @Test
    void plansWithoutASearchHaveWhatTheSearchFound() throws Exception {
        ExperimentPlan plan = ExperimentPlan.formats();
        assertEquals(Method.values().length - 1, plan.methods().size());
        assertEquals(Method.LARS, plan.methods().getFirst());
        assertEquals(5, plan.seeds().size());
        ExperimentPlan full = ExperimentPlan.full();
        ExperimentResults found =
                new ExperimentResults(Path.of("..", "docs", "results", "large-batch", "results.json"), full);
        for (ExperimentPlan chosen : List.of(plan, full.quick())) {
            for (Cell cell : chosen.cells()) {
                Cell searched =
                        new Cell(cell.network(), cell.method().isLars() ? Method.LARS : Method.SGD, cell.batch());
                assertEquals(
                        found.best(searched).settings().hyperparameters(),
                        chosen.searchOf(cell).get(chosen.chosen(cell.method())).hyperparameters(),
                        cell.toString());
            }
        }
    }
}
