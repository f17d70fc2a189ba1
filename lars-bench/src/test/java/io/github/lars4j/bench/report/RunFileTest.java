package io.github.lars4j.bench.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("locale")
class RunFileTest {

    @TempDir
    Path folder;

    @Test
    void isReadAsItWasWritten() throws Exception {
        RunFile run = RunFile.parse(MadeUp.file());
        assertEquals("java -jar lars-bench.jar --out a&b", run.command());
        assertEquals(2, run.cores());
        assertEquals("L1d 32K, L1i 64K, L2 1024K, L3 32768K", run.environment().get("caches"));
        assertEquals(
                new RunFile.Layout("resnet50", 25_557_032, 161), run.layouts().getFirst());
        assertEquals(List.of(4.0, 8.0, 16.0), run.coldStarts().get(1).millis());
        assertEquals(
                150.0 * 25_557_000,
                run.results()
                        .best("lars", "layout", "resnet50", "kernels", "vector", "threads", "1")
                        .orElseThrow());
        Path file = folder.resolve("results.json");
        run.write(file);
        assertTrue(Files.readString(file).contains("\n\"cores\": 2,\n"), "a parser takes other digits too");
        assertEquals(run.json(), RunFile.parse(Files.readString(file)).json());
        try (var files = Files.list(folder)) {
            assertEquals(List.of(file), files.toList(), "nothing is left beside it");
        }
    }

    @Test
    void jmhsOwnFileHasItsLayoutsAndNoEnvironment() {
        RunFile run = RunFile.parse(MadeUp.jmh());
        assertEquals(2, run.cores());
        assertTrue(run.environment().isEmpty() && run.coldStarts().isEmpty());
        assertEquals(
                List.of(new RunFile.Layout("<mine>.txt", 0, 0), new RunFile.Layout("resnet50", 25_557_032, 161)),
                run.layouts());
    }

    @Test
    void hasNoFoldersOfTheMachine() {
        RunFile run = RunFile.parse(MadeUp.jmh().replace("\"<mine>.txt\"", "\"@/home/me/mine.txt\""));
        assertFalse(run.json().contains("/home") || run.json().contains("/opt"), run.json());
        assertTrue(run.json().contains("\"jvm\":\"java\"") && run.json().contains("\"-Dlib=lib\""), run.json());
        assertEquals("mine.txt", run.layouts().getFirst().name());
        assertEquals("-Dlib=lib -Xmx1g", RunFile.withoutFolders("-Dlib=/home/me/lib -Xmx1g"));
        assertEquals("-javaagent:a.jar=b,c", RunFile.withoutFolders("-javaagent:/x/a.jar=b,../y/c"));
        assertEquals("net.txt", RunFile.withoutFolders("@C:\\me\\net.txt"));
        assertEquals("4096x100", RunFile.withoutFolders("4096x100"));
    }

    @Test
    void whatIsNoRunIsRefused() {
        for (String json : List.of(
                "",
                "7",
                "{}",
                "{\"runs\":7}",
                "{\"runs\":[]}",
                "{\"runs\":[7]}",
                MadeUp.file().replace("\"cores\":2", "\"cores\":[]"),
                MadeUp.file().replace("\"layouts\":[", "\"layouts\":[7,"),
                MadeUp.file().replace("\"coldStarts\"", "\"other\""))) {
            Exception e = assertThrows(IllegalArgumentException.class, () -> RunFile.parse(json), json);
            assertTrue(e.getMessage().startsWith("is no"), e.getMessage());
        }
    }
}
