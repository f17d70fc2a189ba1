package io.github.lars4j.bench.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.command.CommandLineRun;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("locale")
class ReportCommandTest {

    @TempDir
    Path folder;

    private static CommandLineRun run(Object... args) throws Exception {
        return CommandLineRun.of(new ReportCommand(), args);
    }

    @Test
    void reportOfARecordedRunIsWrittenBesideIt() throws Exception {
        Path file = folder.resolve("run.json");
        try (var in = ReportCommandTest.class.getResourceAsStream("run.json")) {
            Files.copy(in, file);
        }
        CommandLineRun beside = run(file);
        assertEquals(0, beside.code(), beside.err());
        assertTrue(beside.out().contains("Written to " + folder), beside.out());
        assertTrue(Files.readString(folder.resolve("report.html")).contains("resnet50"));
        Path there = folder.resolve("there");
        assertEquals(0, run(file, "--out", there).code());
        assertTrue(Files.isRegularFile(there.resolve("table.md")));
    }

    @Test
    void reportsOfWhatIsNoRunAreRefused() throws Exception {
        Path bad = Files.writeString(folder.resolve("bad.json"), "{}");
        run().assertRefused("Missing required parameter: 'FILE.json'");
        run("a", "b").assertRefused("unexpected argument b");
        Path missing = folder.resolve("missing.json");
        run(missing).assertRefused("there is no file " + missing);
        run(bad).assertRefused("bad.json is no");
    }
}
