package io.github.lars4j.bench;

import io.github.lars4j.bench.arms.Layouts;
import io.github.lars4j.bench.arms.StepBenchmark;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.runner.BenchmarkList;
import org.openjdk.jmh.runner.BenchmarkListEntry;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.format.OutputFormatFactory;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.VerboseMode;

/** JMH's own command line, with what its forks need and layouts that do not fit left out. */
final class JmhCommand {

    private JmhCommand() {}

    /** Runs it; returns the exit code. */
    static int run(String[] args, PrintStream out, PrintStream err) throws IOException {
        CommandLineOptions line;
        try {
            line = new CommandLineOptions(args);
        } catch (CommandLineOptionException e) {
            err.println("lars-bench: " + e.getMessage() + "; --help lists the commands, -h JMH's options");
            return BenchMain.USAGE;
        }
        if (line.shouldHelp()) {
            line.showHelp();
            return 0;
        }
        if (line.shouldListProfilers()) {
            line.listProfilers();
            return 0;
        }
        if (line.shouldListResultFormats()) {
            line.listResultFormats();
            return 0;
        }
        if (line.getForkCount().hasValue() && line.getForkCount().get() == 0) {
            err.println("lars-bench: -f 0 would measure all kernels in this one JVM, where the flags of forks are"
                    + " missing and each benchmark spoils the compiled code of the next; use -f 1 or more");
            return BenchMain.USAGE;
        }
        Set<BenchmarkListEntry> benchmarks = BenchmarkList.defaultList()
                .find(
                        OutputFormatFactory.createFormatInstance(out, VerboseMode.SILENT),
                        line.getIncludes(),
                        line.getExcludes());
        if (benchmarks.isEmpty()) {
            err.println("lars-bench: " + String.join(" ", line.getIncludes())
                    + " is no command and no benchmark; --help lists the commands, -l the benchmarks");
            return BenchMain.USAGE;
        }
        List<String> chosen = chosenFlags(line);
        List<String> layouts = new ArrayList<>();
        long most = 0;
        boolean laidOut =
                benchmarks.stream().anyMatch(b -> b.getParams().orElse(Map.of()).containsKey("layout"));
        for (String layout : laidOut ? layouts(line) : List.<String>of()) {
            long parameters;
            try {
                parameters = Layouts.named(layout, out::println).end();
            } catch (IllegalArgumentException e) {
                err.println("lars-bench: " + e.getMessage());
                return BenchMain.USAGE;
            }
            String obstacle = Forks.choosesHeap(chosen) ? null : Forks.obstacle(parameters, Forks.physicalBytes());
            if (obstacle != null) {
                out.println("layout " + layout + " is skipped: " + obstacle);
            } else {
                layouts.add(layout);
                most = Math.max(most, parameters);
            }
        }
        if (laidOut && layouts.isEmpty()) {
            err.println("lars-bench: no layout is left to measure");
            return BenchMain.FAILED;
        }
        List<String> flags = new ArrayList<>(line.getJvmArgsAppend().orElse(List.of()));
        flags.addAll(Forks.flags(most, chosen));
        ChainedOptionsBuilder options = new OptionsBuilder().parent(line).jvmArgsAppend(flags.toArray(String[]::new));
        if (laidOut) {
            options.param("layout", layouts.toArray(String[]::new));
        }
        Runner runner = new Runner(options.build());
        try {
            if (line.shouldList()) {
                runner.list();
            } else if (line.shouldListWithParams()) {
                runner.listWithParams(line);
            } else if (runner.run().isEmpty()) {
                err.println("lars-bench: no benchmark came to a result");
                return BenchMain.FAILED;
            }
            return 0;
        } catch (RunnerException e) {
            err.println("lars-bench: " + e.getMessage());
            return BenchMain.FAILED;
        }
    }

    private static Collection<String> layouts(CommandLineOptions line) {
        try {
            String[] usual = StepBenchmark.Network.class
                    .getField("layout")
                    .getAnnotation(Param.class)
                    .value();
            return line.getParameter("layout").orElse(List.of(usual));
        } catch (NoSuchFieldException e) {
            throw new LinkageError("the benchmark has no layout", e);
        }
    }

    /** The flags that the user gave to the forks, or to this JVM, whose flags forks inherit. */
    private static List<String> chosenFlags(CommandLineOptions line) {
        List<String> flags = new ArrayList<>(
                line.getJvmArgs().orElse(ManagementFactory.getRuntimeMXBean().getInputArguments()));
        flags.addAll(line.getJvmArgsPrepend().orElse(List.of()));
        flags.addAll(line.getJvmArgsAppend().orElse(List.of()));
        return flags;
    }
}
