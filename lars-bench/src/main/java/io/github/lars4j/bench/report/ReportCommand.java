package io.github.lars4j.bench.report;

import io.github.lars4j.bench.command.Command;
import io.github.lars4j.bench.command.CommandException;
import io.github.lars4j.bench.files.InputFile;
import io.github.lars4j.bench.files.OutputFile;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command {@code report}: writes the page, the pictures and the table of a recorded run. */
public final class ReportCommand implements Command {

    @Parameters(paramLabel = "FILE.json", description = "results.json, or the file that JMH's -rf json wrote")
    private Path file;

    @Option(names = "--out", paramLabel = "DIR", description = "folder to write to; by default the folder of the file")
    private Path out;

    @Override
    public String name() {
        return "report";
    }

    @Override
    public String summary() {
        return "write the page again, from results.json or from the file that -rf json wrote";
    }

    @Override
    public int run(PrintStream output, PrintStream err) throws CommandException {
        try {
            RunFile run = RunFile.parse(InputFile.text(file));
            Path folder = out == null ? file.toAbsolutePath().getParent() : OutputFile.folder(out);
            BenchmarkReport report = new BenchmarkReport(run);
            report.write(folder);
            output.print(report.text());
            output.println();
            output.println("Written to " + folder + ": "
                    + String.join(", ", report.files().keySet()));
            return ExitCode.OK;
        } catch (IllegalArgumentException e) {
            throw CommandException.usage(file + " " + e.getMessage(), e);
        } catch (IOException e) {
            throw CommandException.usage(e.getMessage(), e);
        }
    }
}
