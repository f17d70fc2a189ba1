package io.github.lars4j.bench.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringReader;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;

/** The report of a made-up run. */
@Tag("locale")
class BenchmarkReportTest {

    private final RunFile run = RunFile.parse(MadeUp.file());
    private final Map<String, String> files = new BenchmarkReport(run).files();

    private static Document parse(String xml) throws Exception {
        String body = xml.replaceFirst("<!DOCTYPE html>\n", "");
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new InputSource(new StringReader(body)));
    }

    private static List<double[]> points(String svg, int line) {
        Matcher path =
                Pattern.compile("class=\"line s" + line + "\" d=\"([^\"]*)\"").matcher(svg);
        assertTrue(path.find(), "line " + line);
        List<double[]> points = new ArrayList<>();
        Matcher point = Pattern.compile("[ML]([0-9.]+) ([0-9.]+)").matcher(path.group(1));
        while (point.find()) {
            points.add(new double[] {Double.parseDouble(point.group(1)), Double.parseDouble(point.group(2))});
        }
        return points;
    }

    @Test
    void hasPagePicturesAndTable() {
        assertEquals(
                List.of("report.html", "table.md", "sweep.svg", "speedups.svg", "coldstart.svg"),
                List.copyOf(files.keySet()));
    }

    @Test
    void needsNothingFromElsewhere() throws Exception {
        for (Map.Entry<String, String> file : files.entrySet()) {
            String text = file.getValue();
            String rest = text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
            for (String foreign : List.of("://", "<script", "url(", "@import", "href", "src=", "NaN", "Infinity")) {
                assertFalse(rest.contains(foreign), file.getKey() + " has " + foreign);
            }
            if (!file.getKey().endsWith(".md")) {
                parse(text);
                assertTrue(text.contains("prefers-color-scheme: dark"), file.getKey());
            }
        }
        assertEquals(
                6, parse(files.get("report.html")).getElementsByTagName("svg").getLength());
    }

    @Test
    void pageSaysEverything() throws Exception {
        String page = parse(files.get("report.html")).getDocumentElement().getTextContent();
        for (String said : List.of(
                "resnet50",
                "<mine>.txt",
                "Made-up <1> & co, 2 cores",
                "L1d 32K, L1i 64K, L2 1024K, L3 32768K",
                "java -jar lars-bench.jar --out a&b",
                "25,557,032 parameters in 161 tensors, 99,832 KiB")) {
            assertTrue(page.contains(said), said);
        }
        Sentences.of(
                        run,
                        run.layouts().stream()
                                .map(l -> Figures.of(run, run.results(), l))
                                .toList())
                .forEach(sentence -> assertTrue(page.contains(sentence), sentence));
    }

    @Test
    void tableHasTheFiguresOfEachLayout() {
        String table = files.get("table.md");
        // 150 µs a thousand against 100, 40 + 100, the best scalar 180, naive 1200, and 100 on two threads.
        assertTrue(
                table.contains("| <mine>.txt | 1,000 | 0.150 | 150.00 | 0.2 | 1.50 | 1.07 | 1.20 | 8.00 | 1.50 |"),
                table);
        assertTrue(table.contains("| layout | parameters | ms/step |") && table.contains("|---|---:|---:|"), table);
        assertTrue(table.contains("Made-up <1> & co, 2 cores; L1d 32K"), table);
        assertEquals(3, table.lines().filter(line -> line.startsWith("- ")).count());
    }

    @Test
    void textHasEveryArmAndADashForWhatFailed() {
        List<String> runs = new ArrayList<>(MadeUp.runs());
        assertTrue(runs.removeIf(r -> r.contains("<mine>") && r.contains("naive")));
        String text = new BenchmarkReport(RunFile.parse(MadeUp.file(runs.toString()))).text();
        assertTrue(text.lines().anyMatch(l -> l.matches("naive +- +- +- +-")), text);
        assertTrue(text.lines().anyMatch(l -> l.matches("lars vector +0\\.150 +150\\.000 +0\\.2 +93")), text);
        assertTrue(text.lines().anyMatch(l -> l.matches("<mine>.txt +1.20 +1.50 +1.07 +- +1.50")), text);
        assertTrue(text.contains("A LARS step takes 1.50 times as long as a step of SGD"), text);
    }

    @Test
    void sweepRunsOverTheSizesWithTheCaches() {
        String svg = files.get("sweep.svg");
        List<double[]> scalar = points(svg, 0);
        List<double[]> simd = points(svg, 1);
        List<double[]> sgd = points(svg, 2);
        List<double[]> passes = points(svg, 3);
        for (List<double[]> line : List.of(scalar, simd, sgd, passes)) {
            assertEquals(4, line.size());
        }
        assertTrue(simd.get(0)[1] < simd.get(3)[1] - 50, "a parameter of a small layer costs more: it is further up");
        assertEquals(sgd.get(0)[1], sgd.get(3)[1], 0.2, "and one of SGD does not, in this run");
        // From 65536 to 1M is a factor of 16, as from 1024 to 16384: equal distances for equal factors.
        assertEquals(
                (simd.get(1)[0] - simd.get(0)[0]) / 3, (simd.get(2)[0] - simd.get(1)[0]) / 3, 0.2, "64 and 64 times");
        for (int i = 0; i < 4; i++) {
            assertTrue(
                    scalar.get(i)[1] <= simd.get(i)[1] && simd.get(i)[1] <= passes.get(i)[1], "slower is further up");
        }
        for (String cache :
                List.of(">L1 32 KiB<", ">L2 1 MiB<", ">16<", ">64K<", ">1M<", ">LARS SIMD<", ">scan + SGD<")) {
            assertTrue(svg.contains(cache), cache);
        }
        assertFalse(svg.contains("L1 64"), "the instructions' cache");
        assertFalse(svg.contains("L3"), "32 MiB are 2.8 million elements, beyond this axis");
    }

    @Test
    void barsHaveTheSpreadOverForks() {
        String svg = files.get("speedups.svg");
        Collection<Figures.Speed> speeds = run.layouts().stream()
                .map(layout -> Figures.of(run, run.results(), layout).scalar())
                .toList();
        for (Figures.Speed speed : speeds) {
            assertEquals(1.2, speed.value(), 1e-9);
            assertEquals(180.0 / 160, speed.low(), 1e-9);
            assertEquals(180.0 / 140, speed.high(), 1e-9);
        }
        assertEquals(
                6, Pattern.compile("<rect class=\"f").matcher(svg).results().count());
        assertEquals(
                6,
                Pattern.compile("class=\"spread over\"").matcher(svg).results().count());
        assertTrue(svg.contains(">1.20<") && svg.contains(">8.00<") && svg.contains(">1.50<"), svg);
        assertTrue(svg.contains(">&lt;mine&gt;.txt<") && svg.contains(">2 threads / 1<"), svg);
    }

    @Test
    void coldStartIsTheMedianTimeOfAStep() {
        // scalar: 2, 4, 3 for the first step; 1, 4, 2 for the second; 4, 8, 8 for eight more: 3, 2, 1.
        List<double[]> scalar = points(files.get("coldstart.svg"), 0);
        List<double[]> auto = points(files.get("coldstart.svg"), 1);
        assertEquals(3, scalar.size());
        for (int i = 0; i < 3; i++) {
            assertEquals(auto.get(i)[1], scalar.get(i)[1], 0.11, "auto has the times 3, 2 and 1");
        }
        assertTrue(files.get("coldstart.svg").contains("fresh JVM, 4096x10"));
    }

    @Test
    void jmhsOwnFileGivesAReportWithoutEnvironment() throws Exception {
        Map<String, String> plain = new BenchmarkReport(RunFile.parse(MadeUp.jmh())).files();
        assertEquals(List.of("report.html", "table.md", "sweep.svg", "speedups.svg"), List.copyOf(plain.keySet()));
        parse(plain.get("report.html"));
        assertFalse(plain.get("report.html").contains("<h2>Where"));
        assertEquals(
                "| <mine>.txt | - | 0.150 | - | - | 1.50 | 1.07 | 1.20 | 8.00 | 1.50 |",
                plain.get("table.md").lines().skip(2).findFirst().orElseThrow());
    }

    @Test
    void nothingMeasuredIsStillAReport() throws Exception {
        Map<String, String> empty = new BenchmarkReport(RunFile.parse("[]")).files();
        assertEquals(List.of("report.html", "table.md"), List.copyOf(empty.keySet()));
        parse(empty.get("report.html"));
    }
}
