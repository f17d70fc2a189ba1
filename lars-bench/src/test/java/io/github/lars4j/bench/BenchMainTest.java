package io.github.lars4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("locale")
class BenchMainTest {

    @TempDir
    Path folder;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    private int run(String... args) throws Exception {
        return BenchMain.run(
                args,
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8));
    }

    private void assertRefused(String reason, String... args) throws Exception {
        err.reset();
        assertEquals(2, run(args), String.join(" ", args));
        String said = err.toString(StandardCharsets.UTF_8);
        assertEquals(1, said.lines().count(), said);
        assertTrue(said.startsWith("lars-bench: ") && said.contains(reason), said);
    }

    @Test
    void helpFitsOneScreen() throws Exception {
        assertEquals(0, run("--help"));
        String help = out.toString(StandardCharsets.UTF_8);
        assertTrue(help.lines().count() <= 24, help);
        assertTrue(
                help.lines().allMatch(line -> line.length() <= 100 && !line.contains("%") || line.contains("10 %")),
                help);
        assertEquals("", err.toString(StandardCharsets.UTF_8));
    }

    @Test
    void unknownCommandsAndOptionsAreRefusedInOneLine() throws Exception {
        assertRefused("nonsense is no command and no benchmark", "nonsense");
        assertRefused("zzz", "--zzz");
        assertRefused("no-such", "--no-such");
        assertRefused("\"resnet51\"", "-p", "layout=resnet51", "lars");
        assertRefused("coldstart", "coldstart", "now");
        assertRefused("accuracy takes no arguments, and was given --help", "accuracy", "--help");
        assertRefused("ratios", "ratios");
        assertRefused("there is no file a", "ratios", "a", "b");
    }

    @Test
    void theDefaultRunRefusesWhatItCannotDoBeforeItStarts() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "");
        assertRefused("\"nonsense\"", "--layout", "nonsense");
        assertRefused("there is no such file either", "--layout", "nonsense");
        assertRefused(file.toString(), "--layout", file.toString());
        assertRefused("--layout needs a value", "--layout");
        assertRefused("--out needs a value", "--out");
        assertRefused("-f does not go together with --out", "--out", folder.toString(), "-f", "3");
        assertRefused("which is no folder", "--out", file.toString());
        assertRefused("which is no folder", "--out", file.resolve("below").toString());
        assertEquals("", out.toString(StandardCharsets.UTF_8));
    }

    @Test
    void reportOfARecordedRunIsWrittenBesideIt() throws Exception {
        Path file = folder.resolve("run.json");
        try (var in = BenchMainTest.class.getResourceAsStream("run.json")) {
            Files.copy(in, file);
        }
        assertEquals(0, run("report", file.toString()));
        assertTrue(out.toString(StandardCharsets.UTF_8).contains("Written to " + folder));
        assertTrue(Files.readString(folder.resolve("report.html")).contains("resnet50"));
        assertEquals(
                0,
                run("report", file.toString(), "--out", folder.resolve("there").toString()));
        assertTrue(Files.isRegularFile(folder.resolve("there").resolve("table.md")));
    }

    @Test
    void reportsOfWhatIsNoRunAreRefused() throws Exception {
        Path bad = Files.writeString(folder.resolve("bad.json"), "{}");
        assertRefused("report needs one file", "report");
        assertRefused("report needs one file", "report", "a", "b");
        assertRefused(
                "there is no file", "report", folder.resolve("missing.json").toString());
        assertRefused("bad.json is no", "report", bad.toString());
    }

    @Test
    void benchmarksInThisJvmAreRefusedWithTheReason() throws Exception {
        assertRefused("-f 0 would measure all kernels in this one JVM", "-f", "0", "lars");
    }

    @Test
    void ratiosOfWhatIsNoResultAreRefused() throws Exception {
        assertRefused(
                "there is no file", "ratios", folder.resolve("missing.json").toString());
        for (String json : new String[] {"", "{}", "[1]", "[{}]", "[{\"benchmark\": 1}]", "["}) {
            Path file = Files.writeString(folder.resolve("bad.json"), json);
            assertRefused("is not a JSON result of JMH", "ratios", file.toString());
        }
    }

    @Test
    void layoutsThatDoNotFitAreExplained() {
        String reason = Forks.obstacle(138_357_544, 2L << 30);
        assertTrue(reason != null && reason.contains("of this machine's 2,048 MiB"), reason);
        assertEquals(null, Forks.obstacle(138_357_544, 8L << 30));
        assertTrue(Forks.obstacle(3_000_000_000L, 1L << 40).contains("more than an array holds"));
    }

    @Test
    void forksGetTheModuleWhateverIsChosen() {
        for (var chosen : List.of(List.<String>of(), List.of("-Xmx1g", "-XX:+UseSerialGC", "--add-modules=x"))) {
            var flags = Forks.flags(1000, chosen);
            assertTrue(flags.contains("--add-modules=jdk.incubator.vector"), flags.toString());
            assertEquals(chosen.isEmpty(), flags.stream().anyMatch(f -> f.startsWith("-Xmx")), flags.toString());
            assertEquals(chosen.isEmpty(), flags.contains("-XX:+UseParallelGC"), flags.toString());
        }
    }
}
