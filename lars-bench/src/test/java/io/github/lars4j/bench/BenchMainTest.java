package io.github.lars4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

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
        assertTrue(help.lines().count() <= 40, help);
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
