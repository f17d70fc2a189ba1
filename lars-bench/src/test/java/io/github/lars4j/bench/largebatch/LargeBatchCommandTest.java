package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.command.CommandLineRun;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

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
        for (String option :
                new String[] {"--quick", "--formats", "--whole-batch", "--jobs=N", "--data=DIR", "--out=DIR"}) {
            assertTrue(help.out().contains(option), help.out());
        }
        assertTrue(help.out().replaceAll("\\s+", " ").contains("by default " + FashionMnist.DEBIAN), help.out());
    }

    @Test
    void everyPlanHasADefaultFolderOfItsOwn() {
        Set<Path> folders = new HashSet<>();
        for (int options = 0; options < 8; options++) {
            List<String> args = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                if ((options >> i & 1) == 1) {
                    args.add(List.of("--quick", "--formats", "--whole-batch").get(i));
                }
            }
            LargeBatchCommand command = new LargeBatchCommand();
            new CommandLine(command).parseArgs(args.toArray(String[]::new));
            assertTrue(folders.add(command.defaultFolder()), () -> args + " " + command.defaultFolder());
        }
        assertTrue(folders.contains(Path.of("large-batch-formats-whole-batch-quick")));
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
