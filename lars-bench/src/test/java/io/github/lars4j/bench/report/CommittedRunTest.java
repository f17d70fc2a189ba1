package io.github.lars4j.bench.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The run in {@code docs/results/benchmark}: what is shown of it is what {@code report} makes from its {@code
 * results.json}.
 */
@Tag("locale")
class CommittedRunTest {

    private static final Path ROOT = Path.of("").toAbsolutePath().getParent();
    private static final Path FOLDER = ROOT.resolve("docs/results/benchmark");

    private static final String BEGIN = "<!-- results -->\n";
    private static final String END = "<!-- /results -->\n";

    @Test
    void readmeShowsItsTableAndItsPicture() throws Exception {
        String readme = Files.readString(ROOT.resolve("README.md"));
        int begin = readme.indexOf(BEGIN);
        int end = readme.indexOf(END);
        assertTrue(begin >= 0 && end > begin, "the README marks where the table is");
        assertEquals(made().get("table.md"), readme.substring(begin + BEGIN.length(), end));
        assertTrue(readme.contains("](docs/results/benchmark/sweep.svg)"), "the README shows the picture");
    }

    @Test
    void picturesAreThoseThatTheReportMakes() throws Exception {
        for (Map.Entry<String, String> file : made().entrySet()) {
            if (file.getKey().endsWith(".svg")) {
                assertEquals(file.getValue(), Files.readString(FOLDER.resolve(file.getKey())), file.getKey());
            }
        }
    }

    @Test
    void isWholeAndTellsNothingOfFolders() throws Exception {
        String json = Files.readString(FOLDER.resolve("results.json"));
        assertTrue(json.length() < 300_000, "it is " + json.length() + " long");
        assertFalse(json.contains("/usr/") || json.contains("/home/") || json.contains("/tmp"), "absolute paths");
        assertEquals(5, made().size(), "all pictures");
        assertFalse(made().get("table.md").contains("| - |"), "every figure of the table was measured");
    }

    private static Map<String, String> made() throws Exception {
        return new BenchmarkReport(RunFile.parse(Files.readString(FOLDER.resolve("results.json")))).files();
    }
}
