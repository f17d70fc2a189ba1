package io.github.lars4j.bench.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.command.CommandLineRun;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The ratios of a made-up run, in {@code run.json}, whose times are round. */
@Tag("locale")
class RatiosCommandTest {

    @TempDir
    Path folder;

    private String table;
    private int code;

    @BeforeEach
    void fill() throws Exception {
        Path file = folder.resolve("run.json");
        Files.writeString(file, json());
        CommandLineRun run = CommandLineRun.of(new RatiosCommand(), file);
        code = run.code();
        table = run.out();
    }

    private static String json() throws Exception {
        try (var in = RatiosCommandTest.class.getResourceAsStream("run.json")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private void assertLine(String start, String... cells) {
        String pattern = Pattern.quote(start) + "\\s+"
                + String.join("\\s+", Arrays.stream(cells).map(Pattern::quote).toList());
        assertTrue(table.lines().anyMatch(line -> line.matches(pattern)), pattern + " in\n" + table);
    }

    @Test
    void larsIsComparedWithTheFastestScanAndSgd() {
        assertLine("lars / sgd, bad layers skipped", "resnet50", "1.48", "<= 1.48", "-", "pass");
        assertLine(
                "the same, sums of weights carried".indent(2).stripTrailing(),
                "resnet50",
                "1.26",
                "<= 1.25",
                "1.15",
                "MISSED");
        assertLine(
                "the same, those of gradients given".indent(2).stripTrailing(),
                "resnet50",
                "1.00",
                "<= 1.05",
                "-",
                "pass");
        assertLine("lars / (scan + sgd), all sums first", "resnet50", "1.10", "<= 1.10", "1.00", "pass");
        assertLine("lars / (scan + sgd), bad layers skipped", "resnet50", "0.82", "<= 1.00", "-", "pass");
    }

    @Test
    void vectorIsComparedWithTheBestScalarCode() {
        assertLine("vector / scalar, speed", "resnet50", "1.50", ">= 1.40", "1.23", "pass");
    }

    @Test
    void threadsLayersSizesGapsAndAllocationAreCompared() {
        assertLine("2 threads / 1, speed, refuse", "resnet50", "1.80", ">= 1.85", "1.80", "ceiling");
        assertLine("ns a layer beyond its elements, refuse", "16x10000", "60.00", "<= 60.00", "-", "pass");
        assertLine("lars / sgd, most to least, 30 M to 400 M, refuse", "1000000x...", "1.07", "<= 1.10", "-", "pass");
        assertLine("worst gap between arrays / best, lars", "4096x10", "1.20", "<= 1.15", "-", "MISSED");
        assertLine("bytes allocated in a step, threads=1", "4096x10", "3.00", "<= 0.50", "-", "MISSED");
    }

    @Test
    void whatTheRunDoesNotHaveIsADash() {
        assertLine("lars / sgd, bad layers skipped", "4096x100", "-", "<= 1.10", "-");
        assertLine("vector / scalar, speed", "4096x100", "-", ">= 2.50", "-");
        assertLine("bytes allocated in a step, threads=2", "4096x10", "-", "<= 0.50", "-");
    }

    @Test
    void whatIsNoResultIsRefused() throws Exception {
        Path missing = folder.resolve("missing.json");
        CommandLineRun.of(new RatiosCommand(), missing)
                .assertRefused(missing + ": cannot be opened: there is no such file");
        for (String json : new String[] {"", "{}", "[1]", "[{}]", "[{\"benchmark\": 1}]", "["}) {
            Path file = Files.writeString(folder.resolve("bad.json"), json);
            CommandLineRun.of(new RatiosCommand(), file).assertRefused("is not a JSON result of JMH");
        }
    }

    @Test
    void missedTargetsFailTheCommand() {
        assertEquals(1, code);
        assertTrue(table.contains("11 measured, 3 missed, 1 more within 5 %"), table);
    }

    @Test
    void errorsThatJmhDoesNotKnowAreNotANumber() throws Exception {
        StepTimes results = StepTimes.parse(json());
        assertEquals(8e6, results.best("scan", "layout", "resnet50").orElseThrow());
        assertTrue(results.all().stream()
                .filter(result -> result.method().equals("scan"))
                .allMatch(result -> Double.isNaN(result.error())));
    }

    @Test
    void medianOfRepeatedTimesCounts() throws Exception {
        StepTimes once = StepTimes.parse(json());
        List<StepTimes.StepTime> repeated = new ArrayList<>(once.all());
        for (double nanos : new double[] {7e6, 7.4e6}) {
            repeated.add(new StepTimes.StepTime(
                    "scan", Map.of("layout", "resnet50", "gap", "0", "kernels", "vector"), nanos, 0, 0, List.of(), 1));
        }
        assertEquals(
                7.4e6,
                new StepTimes(repeated).best("scan", "layout", "resnet50").orElseThrow());
    }
}
