package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The table and the charts of the README are those of the committed experiment. */
@Tag("locale")
class CommittedExperimentTest {

    private static final Path RESULTS = Path.of("..", "docs", "results");
    private static final Path FOLDER = RESULTS.resolve("large-batch");
    private static final ExperimentPlan PLAN = ExperimentPlan.full();

    @Test
    void readmeShowsTheTableOfTheCommittedResults() throws IOException {
        String readme = Files.readString(Path.of("..", "README.md"));
        String start = "<!-- large-batch -->\n";
        String table =
                readme.substring(readme.indexOf(start) + start.length(), readme.indexOf("<!-- /large-batch -->"));
        assertEquals(Charts.table(PLAN, results()), table);
        assertTrue(
                Files.readString(FOLDER.resolve("table.md")).startsWith(table + "\n" + Charts.choices(PLAN, results())),
                "table.md");
    }

    @Test
    void chartsAreThoseOfTheCommittedResults() throws IOException {
        ExperimentResults results = results();
        Map<String, String> charts = Map.of(
                "accuracy.svg", Charts.accuracy(PLAN, results),
                "loss.svg", Charts.loss(PLAN, results),
                "trust-ratios.svg", Charts.trustRatios(PLAN, results),
                "weight-norms.svg", Charts.weightNorms(PLAN, results),
                "rate-and-loss.svg", Charts.rateAndLoss(PLAN, results));
        for (Map.Entry<String, String> chart : charts.entrySet()) {
            assertEquals(chart.getValue(), Files.readString(FOLDER.resolve(chart.getKey())), chart.getKey());
        }
    }

    @Test
    void thePageOnPerformanceShowsTheTableOfTheCommittedFormats() throws IOException {
        Path folder = RESULTS.resolve("large-batch-formats");
        ExperimentPlan plan = ExperimentPlan.formats();
        String table = Charts.formats(plan, new ExperimentResults(folder.resolve("results.json"), plan));
        assertEquals(table, Files.readString(folder.resolve("table.md")));
        String page = Files.readString(Path.of("..", "docs", "performance.md"));
        String start = "<!-- large-batch-formats -->\n";
        assertEquals(
                table.substring(0, table.indexOf("\nTest accuracy")),
                page.substring(page.indexOf(start) + start.length(), page.indexOf("<!-- /large-batch-formats -->")));
    }

    private static ExperimentResults results() throws IOException {
        return new ExperimentResults(FOLDER.resolve("results.json"), PLAN);
    }
}
