package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.chart.Chart;
import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import java.io.StringReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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
            List.of(256, 1024),
            2,
            false,
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

    private ExperimentResults results;

    @BeforeEach
    void fill() throws Exception {
        results = new ExperimentResults(folder.resolve("results.json"), PLAN);
        for (Method method : PLAN.methods()) {
            for (int batch : PLAN.batches()) {
                for (long seed : PLAN.seeds()) {
                    double accuracy = (method == Method.SGD ? 0.80 : 0.85) + 0.01 * seed - batch / 100_000.0;
                    results.add(new TrainingResult(
                            false,
                            PLAN.settings(method, batch, 0, 0, seed),
                            accuracy,
                            0.4,
                            List.of(2.0, 0.5 * seed),
                            3,
                            10,
                            method == Method.SGD ? 1 : 2,
                            Map.of("fc1.weight", List.of(0.001, 0.01, 0.1), "fc2.weight", List.of(0.1, 0.01, 0.001))));
                }
            }
        }
    }

    private static Document parse(String svg) throws Exception {
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new InputSource(new StringReader(svg)));
    }

    @Test
    void areWholeAloneAndForLightAndDark() throws Exception {
        for (String svg :
                List.of(Charts.accuracy(PLAN, results), Charts.loss(results, 256), Charts.trustRatios(results, 1024))) {
            assertEquals("svg", parse(svg).getDocumentElement().getTagName());
            assertTrue(svg.contains("prefers-color-scheme: dark"));
            assertFalse(
                    svg.contains("href") || svg.contains("url(") || svg.contains("@import") || svg.contains("<script"));
            assertFalse(svg.contains("NaN") || svg.contains("Infinity"), svg);
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
        assertTrue(svg.contains(">SGD<") && svg.contains(">LARS<") && svg.contains(">1024<"));
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
    void theTableHasMeansAndSpreads() {
        String table = Charts.table(PLAN, results);
        // SGD at 256: 80.744 and 81.744; LARS five points above.
        assertTrue(table.contains("| 256 | 81.24 (80.74 to 81.74) | 86.24 (85.74 to 86.74) | +5.00 |"), table);
        assertTrue(table.contains("mean over 2 seeds"), table);
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
        ExperimentPlan formats = new ExperimentPlan(
                PLAN.hidden(),
                List.of(256),
                2,
                false,
                60,
                1,
                4,
                1,
                4,
                1,
                9,
                List.of(1L, 2L),
                List.of(Method.LARS, Method.BF16_MOMENTUM),
                Map.of(256, List.of(-1, 1)));
        assertEquals(List.of(-1, 1), formats.chosen(256));
        assertEquals(List.of(0, 0), formats.chosen(512));
        ExperimentResults runs = new ExperimentResults(folder.resolve("formats.json"), formats);
        double[][] accuracies = {{0.9, 0.92}, {0.89, 0.915}};
        for (int m = 0; m < 2; m++) {
            for (int seed = 1; seed <= 2; seed++) {
                runs.add(new TrainingResult(
                        false,
                        formats.settings(formats.methods().get(m), 256, -1, 1, seed),
                        accuracies[m][seed - 1],
                        0.4,
                        List.of(),
                        3,
                        10,
                        1,
                        Map.of()));
            }
        }
        List<String> table = Charts.formats(formats, runs).lines().toList();
        assertEquals("| 256 | float32 | 91.00 (90.00 to 92.00) |  |", table.get(2));
        // Differences of -1 and -0.5.
        assertEquals("| 256 | bfloat16 momentum, to nearest | 90.25 (89.00 to 91.50) | -0.75 ± 0.25 |", table.get(3));
        assertEquals(
                "| 256 | bfloat16 momentum, to nearest | 89.00 (89.00 to 89.00) | -1.00 |",
                Charts.formats(formats.quick(), quickly(formats))
                        .lines()
                        .toList()
                        .get(3)
                        .replace("8192", "256"));
    }

    /** One seed at the batch of the quick plan. */
    private ExperimentResults quickly(ExperimentPlan formats) throws Exception {
        ExperimentPlan quick = formats.quick();
        ExperimentResults runs = new ExperimentResults(folder.resolve("quick.json"), quick);
        for (Method method : quick.methods()) {
            runs.add(new TrainingResult(
                    false,
                    quick.settings(method, quick.batches().getFirst(), 0, 0, 1),
                    method == Method.LARS ? 0.9 : 0.89,
                    0.4,
                    List.of(),
                    3,
                    10,
                    1,
                    Map.of()));
        }
        return runs;
    }

    @Test
    void thePlanOfFormatsHasEachFormatAtTheRatesThatTheSearchFound() throws Exception {
        ExperimentPlan plan = ExperimentPlan.formats();
        assertEquals(Method.values().length - 1, plan.methods().size());
        assertEquals(Method.LARS, plan.methods().getFirst());
        assertEquals(5, plan.seeds().size());
        ExperimentResults found = new ExperimentResults(
                Path.of("..", "docs", "results", "large-batch", "results.json"), ExperimentPlan.full());
        for (int batch : plan.batches()) {
            Settings settings = found.finals(Method.LARS, batch).getFirst().settings();
            List<Integer> chosen = plan.chosen(batch);
            assertEquals(
                    settings,
                    plan.settings(Method.LARS, batch, chosen.getFirst(), chosen.getLast(), settings.seed()),
                    "batch " + batch);
        }
    }
}
