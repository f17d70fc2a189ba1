package io.github.lars4j.bench.measure;

import io.github.lars4j.bench.arms.Layouts;
import io.github.lars4j.bench.command.Command;
import io.github.lars4j.bench.command.CommandException;
import io.github.lars4j.bench.files.OutputFile;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import org.openjdk.jmh.runner.RunnerException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The run without a command: measures a selection of layouts, and says what the times mean. */
public final class MeasureCommand implements Command {

    private static final List<String> LAYOUTS = List.of("4096x100", "mobilenet_v2", "resnet50");

    private final DefaultRun.Timing timing;
    private final DefaultRun.Timing sweep;

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = {
                "also write report.html, its pictures, table.md and results.json into DIR,",
                "in at most eight minutes; Ctrl-C keeps what is measured by then"
            })
    private Path out;

    @Option(
            names = "--layout",
            paramLabel = "LAYOUT",
            completionCandidates = Networks.class,
            description = {
                "measure one network instead: a file with a tensor's name and shape a line,",
                "${COMPLETION-CANDIDATES}, or ELEMENTSxLAYERS"
            })
    private String layout;

    private static final class Networks implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return Layouts.NETWORKS.iterator();
        }
    }

    /** The command, with the timing of a usual run. */
    public MeasureCommand() {
        this(DefaultRun.TABLES, DefaultRun.SWEEP);
    }

    /** The command, with the timing of the tables and of the sweep over sizes. */
    MeasureCommand(DefaultRun.Timing timing, DefaultRun.Timing sweep) {
        this.timing = timing;
        this.sweep = sweep;
    }

    @Override
    public String name() {
        return "";
    }

    @Override
    public String summary() {
        return "Without a command: measures three networks in five minutes at most and says what the times mean.";
    }

    @Override
    public int run(PrintStream output, PrintStream err) throws CommandException, InterruptedException {
        List<String> layouts = layout == null ? LAYOUTS : List.of(layoutName());
        createFolder();
        List<String> args = spec.commandLine().getParseResult().originalArgs();
        String command = ("java -jar lars-bench.jar " + String.join(" ", args)).trim();
        try {
            return new DefaultRun(command, layouts, out, timing, sweep, output).run();
        } catch (IOException | RunnerException e) {
            throw CommandException.failed(e.getMessage(), e);
        }
    }

    private void createFolder() throws CommandException {
        if (out == null) {
            return;
        }
        try {
            OutputFile.folder(out);
        } catch (IOException e) {
            throw CommandException.usage("--out is \"" + out + "\", which is no folder and can't be made one", e);
        }
    }

    /** The name of the layout; a file is named by its absolute path, so that forks find it too. */
    private String layoutName() throws CommandException {
        boolean file = false;
        try {
            file = Files.isRegularFile(Path.of(layout));
            String name = file ? "@" + Path.of(layout).toAbsolutePath() : layout;
            Layouts.named(name);
            return name;
        } catch (IllegalArgumentException e) {
            throw CommandException.usage(file ? e.getMessage() : e.getMessage() + noFile(), e);
        }
    }

    private String noFile() {
        return new File(layout).exists() ? "; what has that name here is no file" : "; there is no such file either";
    }
}
