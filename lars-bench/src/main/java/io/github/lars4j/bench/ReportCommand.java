package io.github.lars4j.bench;

import io.github.lars4j.bench.report.Report;
import io.github.lars4j.bench.report.RunFile;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** {@code report FILE.json}: the page, the pictures and the table of a run that was recorded. */
final class ReportCommand {

    private ReportCommand() {}

    /** Writes them beside the file, or into the folder behind {@code --out}; returns the exit code. */
    static int run(String[] args, PrintStream out, PrintStream err) {
        boolean elsewhere = args.length == 3 && args[1].equals("--out");
        if (args.length != 1 && !elsewhere) {
            err.println("lars-bench: report needs one file, and may have a folder: report FILE.json --out DIR");
            return BenchMain.USAGE;
        }
        try {
            Path file = Path.of(args[0]).toAbsolutePath();
            RunFile run = RunFile.parse(InputFile.text(file));
            Path folder = elsewhere ? OutputFile.folder(Path.of(args[2])) : file.getParent();
            Report report = new Report(run);
            report.write(folder);
            out.print(report.text());
            out.println();
            out.println("Written to " + folder + ": "
                    + String.join(", ", report.files().keySet()));
            return 0;
        } catch (IllegalArgumentException e) {
            err.println("lars-bench: " + (e instanceof InvalidPathException ? "" : args[0] + " ") + e.getMessage());
        } catch (IOException e) {
            err.println("lars-bench: " + e.getMessage());
        }
        return BenchMain.USAGE;
    }
}
