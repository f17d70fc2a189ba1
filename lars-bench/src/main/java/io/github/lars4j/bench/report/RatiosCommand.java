package io.github.lars4j.bench.report;

import io.github.lars4j.bench.command.Command;
import io.github.lars4j.bench.command.CommandException;
import io.github.lars4j.bench.files.InputFile;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Parameters;

/** The command {@code ratios}: compares one run, in one file or several, with the project's targets. */
public final class RatiosCommand implements Command {

    @Parameters(
            arity = "1..*",
            paramLabel = "FILE.json",
            description = "the results of one run, as -rf json writes them")
    private List<Path> files;

    @Override
    public String name() {
        return "ratios";
    }

    @Override
    public String summary() {
        return "compare a run with the project's targets; exit 1 if one is missed";
    }

    @Override
    public int run(PrintStream out, PrintStream err) throws CommandException {
        List<StepTimes.StepTime> times = new ArrayList<>();
        for (Path file : files) {
            try {
                times.addAll(StepTimes.parse(InputFile.text(file)).all());
            } catch (IOException e) {
                throw CommandException.usage(e.getMessage(), e);
            } catch (IllegalArgumentException e) {
                throw CommandException.usage(file + " " + e.getMessage(), e);
            }
        }
        Ratios ratios = Ratios.of(new StepTimes(times));
        out.print(ratios);
        return ratios.missed() == 0 ? ExitCode.OK : ExitCode.SOFTWARE;
    }
}
