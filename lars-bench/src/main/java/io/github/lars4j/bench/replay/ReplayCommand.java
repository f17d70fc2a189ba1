package io.github.lars4j.bench.replay;

import io.github.lars4j.NonFiniteException;
import io.github.lars4j.bench.command.Command;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Parameters;

/**
 * The command {@code replay}: replays recordings and prints a line for each, going on after one that fails or cannot be
 * read. The exit code is 0 if all hold the bar, 1 if one fails it, and 2 if one cannot be read.
 */
public final class ReplayCommand implements Command {

    @Parameters(arity = "1..*", paramLabel = "FILE", description = "a recording, as docs/recording.md describes it")
    private List<String> files;

    @Override
    public String name() {
        return "replay";
    }

    @Override
    public String summary() {
        return "run recordings of another optimizer on these kernels; exit 1 if one differs too much";
    }

    @Override
    public int run(PrintStream out, PrintStream err) {
        int code = ExitCode.OK;
        for (String file : files) {
            code = Math.max(code, run(file, out, err));
        }
        return code;
    }

    private static int run(String file, PrintStream out, PrintStream err) {
        try (Recording recording = Recording.open(Path.of(file))) {
            Replay replay = Replay.of(recording);
            out.println(replay);
            return replay.holds() ? ExitCode.OK : ExitCode.SOFTWARE;
        } catch (NonFiniteException e) {
            out.println(file + ": FAILS, " + e.getMessage());
            return ExitCode.SOFTWARE;
        } catch (IOException | InvalidPathException e) {
            String message = String.valueOf(e.getMessage());
            err.println(message.startsWith(file) ? message : file + ": " + message);
            return ExitCode.USAGE;
        }
    }
}
