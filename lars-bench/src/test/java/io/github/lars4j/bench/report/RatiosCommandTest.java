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
import java.util.Locale;
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
    void formatsAreComparedWithFloat32() throws Exception {
        List<String> runs = new ArrayList<>();
        runs.add(run("StepBenchmark.sgd", 10, "float32", "float32"));
        runs.add(run("StepBenchmark.sgd", 1, "bfloat16", "bfloat16"));
        runs.add(run("StepBenchmark.lars", 20, "float32", "float32", "sums", "fresh"));
        runs.add(run("StepBenchmark.lars", 18, "float32", "bfloat16", "sums", "fresh"));
        runs.add(run("StepBenchmark.lars", 18.5, "bfloat16", "float32", "sums", "fresh"));
        runs.add(run("StepBenchmark.copy", 18.2, "bfloat16", "float32", "sums", "fresh"));
        runs.add(run("StepBenchmark.lars", 21.6, "float32", "bfloat16-stochastic", "sums", "fresh"));
        runs.add(run("StepBenchmark.lars", 11, "bfloat16", "bfloat16", "sums", "carried"));
        runs.add(run("StepBenchmark.copy", 8, "bfloat16", "bfloat16", "sums", "carried"));
        runs.add(run("StepBenchmark.lars", 21, "float32", "float32", "sums", "fresh", "halfWeights", "on"));
        runs.add(run("StepBenchmark.lars", 24, "float32", "float32", "sums", "fresh", "halfWeights", "after"));
        runs.add(run("LayerByLayerBenchmark.layerByLayer", 9, "bfloat16", "bfloat16", "sums", "carried"));
        runs.add(run("LayerByLayerBenchmark.gradientsFirstSgd", 12, "float32", "float32", "sums", "fresh"));
        Path file = Files.writeString(folder.resolve("formats.json"), runs.toString());
        table = CommandLineRun.of(new RatiosCommand(), file).out();
        assertLine("bfloat16, sums of weights carried / sgd", "resnet50", "1.10", "<= 1.05", "0.80", "MISSED");
        assertLine(
                "the same, layer by layer, gradients included".indent(2).stripTrailing(),
                "resnet50",
                "0.75",
                "<= 0.95",
                "-",
                "pass");
        assertLine("bfloat16 momentum / float32", "resnet50", "0.90", "<= 0.92", "-", "pass");
        assertLine("bfloat16 gradients / float32", "resnet50", "0.93", "<= 0.90", "0.91", "ceiling");
        assertLine("float16 gradients / float32", "resnet50", "-", "<= 0.95", "0.91");
        assertLine("stochastic rounding / to nearest", "resnet50", "1.20", "<= 1.08", "-", "MISSED");
        assertLine("bfloat16 copy in the step / in a pass", "resnet50", "0.25", "<= 0.60", "-", "pass");
        // A run without formats has float32, and is nothing to compare with.
        assertLine("lars / sgd, bad layers skipped", "resnet50", "2.00", "<= 1.48", "-", "MISSED");
        assertTrue(table.lines().noneMatch(line -> line.startsWith("scalar kernels") && !line.contains(" - ")), table);
    }

    private static String run(String method, double micros, String gradients, String momentum, String... others) {
        StringBuilder params = new StringBuilder();
        for (int i = 0; i < others.length; i += 2) {
            params.append(",\"")
                    .append(others[i])
                    .append("\":\"")
                    .append(others[i + 1])
                    .append('"');
        }
        return String.format(Locale.ROOT, """
                {"benchmark":"io.github.lars4j.bench.arms.%s","params":{"layout":"resnet50","kernels":"vector","threads":"1",
                "gradientFormat":"%s","momentumFormat":"%s"%s},
                "primaryMetric":{"score":%f,"scoreError":"NaN","scoreUnit":"us/op"}}""", method, gradients, momentum, params, micros);
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
