package io.github.lars4j.bench.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.command.Command;
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

    private Path json() throws Exception {
        Path file = folder.resolve("run.json");
        try (var in = ReportCommandTest.class.getResourceAsStream("run.json")) {
            Files.copy(in, file);
        }
        return file;
    }

    @Test
    void reportOfARecordedRunIsWrittenBesideIt() throws Exception {
        Path file = json();
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
        run(missing).assertRefused(missing + ": cannot be opened: there is no such file");
        run(bad).assertRefused("bad.json is no");
        run(json(), "--out", bad).assertRefused(bad + ": cannot be made a folder");
    }

    @Test
    void whatIsNoTextIsNamed() throws Exception {
        Path pickle = Files.write(folder.resolve("run.pt"), new byte[] {(byte) 0x80, 2, (byte) 0x8a});
        for (Command command : new Command[] {new ReportCommand(), new RatiosCommand()}) {
            CommandLineRun.of(command, pickle).assertRefused(pickle + " is no text: it is a Python pickle");
            CommandLineRun.of(command, folder).assertRefused(folder + ": cannot be opened: it is a folder");
            CommandLineRun.of(command, "no-file\0").assertRefused("no-file");
        }
    }
}
