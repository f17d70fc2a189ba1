package io.github.lars4j.bench.measure;

import io.github.lars4j.bench.arms.Layouts;
import io.github.lars4j.bench.arms.StepBenchmark;
import io.github.lars4j.bench.command.CommandException;
import io.github.lars4j.bench.command.Commands;
import io.github.lars4j.bench.machine.Forks;
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
import picocli.CommandLine.ExitCode;

/**
 * Runs JMH's own command line, with the flags that the forks need added, and without the layouts that do not fit into
 * this machine's memory.
 */
public final class JmhCommand implements Commands.Fallback {

    private static final List<String> HELP = List.of(
            "some of JMH's options; -h shows all",
            "  lars$              by name: scan, copy, sgd, measure, update, lars, larsOwnRule, passes,",
            "                     scalarLars, naive, norms",
            "  -p layout=resnet50,@net.txt    -p kernels=scalar,vector,auto      -p threads=2",
            "  -p sums=fresh,carried,given   -p onBadGradient=refuse,skipLayer  -p gap=1344 (bytes)",
            "  -p gradientFormat=bfloat16,float16                               -p halfWeights=on,after",
            "  -p momentumFormat=bfloat16,bfloat16-stochastic;  for sgd and passes also linear8,dynamic8",
            "  -f 1 -wi 5 -i 5 -prof gc      forks, warm-up iterations, iterations, bytes allocated",
            "  -rf json -rff FILE            result as JSON");

    @Override
    public List<String> help() {
        return HELP;
    }

    @Override
    public int run(String[] args, String hint, PrintStream out, PrintStream err) throws CommandException, IOException {
        CommandLineOptions line;
        try {
            line = new CommandLineOptions(args);
        } catch (CommandLineOptionException e) {
            throw CommandException.usage(e.getMessage() + hint + "; --help lists the commands, -h JMH's options", e);
        }
        if (line.shouldHelp()) {
            line.showHelp();
            return ExitCode.OK;
        }
        if (line.shouldListProfilers()) {
            line.listProfilers();
            return ExitCode.OK;
        }
        if (line.shouldListResultFormats()) {
            line.listResultFormats();
            return ExitCode.OK;
        }
        if (line.getForkCount().hasValue() && line.getForkCount().get() == 0) {
            throw CommandException.usage(
                    "-f 0 would measure all kernels in this one JVM, where the flags of forks are"
                            + " missing and each benchmark spoils the compiled code of the next; use -f 1 or more",
                    null);
        }
        Set<BenchmarkListEntry> benchmarks = BenchmarkList.defaultList()
                .find(
                        OutputFormatFactory.createFormatInstance(out, VerboseMode.SILENT),
                        line.getIncludes(),
                        line.getExcludes());
        if (benchmarks.isEmpty()) {
            throw CommandException.usage(
                    String.join(" ", line.getIncludes()) + " is no command and no benchmark" + hint
                            + "; --help lists the commands, -l the benchmarks",
                    null);
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
                throw CommandException.usage(e.getMessage(), e);
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
            throw CommandException.failed("no layout is left to measure", null);
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
                throw CommandException.failed("no benchmark produced a result", null);
            }
            return ExitCode.OK;
        } catch (RunnerException e) {
            throw CommandException.failed(e.getMessage(), e);
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
