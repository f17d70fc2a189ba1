package io.github.lars4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("locale")
class BenchMainTest {

    @TempDir
    Path folder;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    private int run(String... args) throws Exception {
        return BenchMain.commands()
                .run(
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
    void helpListsTheOptionsTheCommandsAndThoseOfJmh() throws Exception {
        assertEquals(0, run("--help"));
        String help = out.toString(StandardCharsets.UTF_8);
        assertTrue(
                help.startsWith(
                        "usage: java -jar lars-bench.jar [--out DIR] [--layout LAYOUT] | COMMAND | JMH OPTIONS"),
                help);
        for (String name : new String[] {
            "--out=DIR",
            "--layout=LAYOUT",
            "report",
            "coldstart",
            "ratios",
            "replay",
            "formats",
            "accuracy",
            "large-batch",
            "lars\\$",
            "-rf json -rff FILE"
        }) {
            assertTrue(help.lines().anyMatch(line -> line.matches(" +" + name + " .*")), name + " in\n" + help);
        }
        assertTrue(help.contains("resnet50, alexnet, vgg16, vit_b_16, mobilenet_v2, or ELEMENTSxLAYERS"), help);
        assertTrue(help.contains("cost 10 % and 20 ms more"), help);
    }

    @ParameterizedTest
    @ValueSource(strings = {"report", "coldstart", "ratios", "replay", "formats", "accuracy", "large-batch"})
    void everyCommandShowsItsHelp(String command) throws Exception {
        assertEquals(0, run(command, "--help"));
        String help = out.toString(StandardCharsets.UTF_8);
        assertTrue(help.startsWith("usage: java -jar lars-bench.jar " + command + " ["), help);
        assertTrue(help.contains(" [--help]"), help);
        assertTrue(help.lines().allMatch(line -> line.length() <= 100), help);
        assertEquals("", err.toString(StandardCharsets.UTF_8));
    }

    @ParameterizedTest
    @ValueSource(strings = {"report", "coldstart", "ratios", "replay", "formats", "accuracy", "large-batch"})
    void everyCommandNamesTheNearestOption(String command) throws Exception {
        assertRefused("unknown option --hlep, the nearest is --help; " + command + " --help tells", command, "--hlep");
    }

    @Test
    void theNearestNameIsNamed() throws Exception {
        assertRefused("unknown option --job, the nearest is --jobs;", "large-batch", "--job", "2");
        assertRefused("unknown option --ot=here, the nearest is --out;", "report", "a", "--ot=here");
        assertRefused("unknown option --layuot, the nearest is --layout;", "--out", folder.toString(), "--layuot", "x");
        assertRefused("the nearest name that lars-bench knows is report;", "repot");
        assertRefused("the nearest name that lars-bench knows is large-batch;", "largebatch", "--quick");
        assertRefused("the nearest name that lars-bench knows is --layout;", "--layot=resnet50");
    }

    @Test
    void unknownCommandsAndOptionsAreRefusedInOneLine() throws Exception {
        assertRefused("nonsense is no command and no benchmark", "nonsense");
        assertRefused("zzz", "--zzz");
        assertRefused("no-such", "--no-such");
        assertRefused("\"resnet51\"", "-p", "layout=resnet51", "lars");
        assertRefused("unexpected argument now; coldstart --help tells more", "coldstart", "now");
        assertRefused("unexpected argument all", "accuracy", "all");
        assertRefused("Missing required parameter: 'FILE.json'", "ratios");
        assertRefused("Missing required parameter: 'FILE'; replay --help tells more", "replay");
        assertRefused("a: cannot be opened: there is no such file", "ratios", "a", "b");
    }

    @Test
    void theDefaultRunRefusesWhatItCannotDoBeforeItStarts() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "");
        assertRefused("\"nonsense\"", "--layout", "nonsense");
        assertRefused("there is no such file either", "--layout", "nonsense");
        assertRefused("what has that name here is no file", "--layout", folder.toString());
        assertRefused(file.toString(), "--layout", file.toString());
        assertRefused("Missing required parameter for option '--layout'", "--layout");
        assertRefused("Missing required parameter for option '--out'", "--out");
        assertRefused("-f does not go together with --out", "--out", folder.toString(), "-f", "3");
        assertRefused("-f does not go together with --out", "-f", "3", "--layout", "resnet50");
        assertRefused("report does not go together with --out", "--out", folder.toString(), "report", file.toString());
        assertRefused("which is no folder", "--out", file.toString());
        assertRefused("which is no folder", "--out", file.resolve("below").toString());
        assertEquals("", out.toString(StandardCharsets.UTF_8));
    }

    @Test
    void benchmarksInThisJvmAreRefusedWithTheReason() throws Exception {
        assertRefused("-f 0 would measure all kernels in this one JVM", "-f", "0", "lars");
    }
}
