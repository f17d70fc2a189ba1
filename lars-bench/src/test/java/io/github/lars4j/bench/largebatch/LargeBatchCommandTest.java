package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.command.CommandLineRun;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("locale")
class LargeBatchCommandTest {

    @TempDir
    Path folder;

    private static CommandLineRun run(Object... args) throws Exception {
        return CommandLineRun.of(new LargeBatchCommand(), args);
    }

    @Test
    void refusesWhatItDoesNotKnow() throws Exception {
        run("--quikc").assertRefused("unknown option --quikc, the nearest is --quick; large-batch --help tells more");
        run("--quick", "--data").assertRefused("Missing required parameter for option '--data' (DIR)");
        run("--jobs", "0").assertRefused("--jobs is 0; it must be in [1, 1024]");
        run("--jobs", "1025").assertRefused("--jobs is 1025; it must be in [1, 1024]");
        run("--jobs", "many").assertRefused("Invalid value for option '--jobs': 'many' is not an int");
    }

    @Test
    void helpHasTheOptionsAndTheirDefaults() throws Exception {
        CommandLineRun help = run("--help");
        assertEquals(0, help.code());
        for (String option : new String[] {"--quick", "--formats", "--jobs=N", "--data=DIR", "--out=DIR"}) {
            assertTrue(help.out().contains(option), help.out());
        }
        assertTrue(help.out().replaceAll("\\s+", " ").contains("by default " + FashionMnist.DEBIAN), help.out());
    }

    @Test
    void saysHowToGetTheDataAndWritesNothing() throws Exception {
        Path results = folder.resolve("results");
        CommandLineRun run = run("--quick", "--data", folder, "--out", results);
        run.assertRefused("train-images-idx3-ubyte: not there");
        assertTrue(run.err().contains("dataset-fashion-mnist"), run.err());
        assertFalse(Files.exists(results));
    }
}
