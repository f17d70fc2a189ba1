package io.github.lars4j.bench;

import io.github.lars4j.bench.accuracy.AccuracyCommand;
import io.github.lars4j.bench.arms.Layouts;
import io.github.lars4j.bench.largebatch.LargeBatchCommand;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Stream;
import org.openjdk.jmh.runner.RunnerException;

/** The benchmarks' command line: a command, or JMH's own options, or nothing. */
public final class BenchMain {

    /** Exit code of a run that failed, or whose targets were missed. */
    static final int FAILED = 1;
    /** Exit code of a command line that makes no sense. */
    static final int USAGE = 2;

    private static final String HELP = """
            usage: java -jar lars-bench.jar [--out DIR] [--layout LAYOUT] | COMMAND | JMH OPTIONS

            Without a command: three networks in five minutes at most, tables, and what they mean here.
              --out DIR        also pictures, in eight minutes at most: DIR/report.html, results.json, table.md;
                               the results are written after each arm, and stay if you press Ctrl-C
              --layout LAYOUT  your own network instead: a file with a tensor's name and shape a line,
                               or %s, ELEMENTSxLAYERS
            commands
              report FILE.json   the page again, from results.json or from what -rf json wrote; --out DIR
              coldstart          first steps of fresh JVMs; exit 1 if automatic kernels cost 10 %% and 20 ms more
              ratios FILE...     the ratios that the project has set itself; exit 1 if one is missed
              replay FILE...     recordings of another optimizer on these kernels; exit 1 if one is off
              accuracy           norms in float and by this library: how far off they are, and how fast
              large-batch        Fashion-MNIST by LARS and by SGD; --quick, --data DIR, --out DIR, --jobs N
            JMH's options, of which -h shows all
              lars$              by name: scan, sgd, measure, update, lars, passes, scalarLars, naive, norms
              -p layout=resnet50,@net.txt    -p kernels=scalar,vector,auto      -p threads=2
              -p sums=fresh,carried,given   -p onBadGradient=refuse,skipLayer  -p gap=1344 (bytes)
              -f 1 -wi 5 -i 5 -prof gc      forks, warm-up iterations, iterations, bytes allocated
              -rf json -rff FILE            result as JSON
            """.formatted(String.join(", ", Layouts.NETWORKS));

    private BenchMain() {}

    public static void main(String[] args) throws Exception {
        // JMH prints its tables in the default locale; a table must read the same everywhere.
        Locale.setDefault(Locale.Category.FORMAT, Locale.ROOT);
        int code = run(args, System.out, System.err);
        if (code != 0) {
            System.exit(code);
        }
    }

    /** Runs a command line; returns the exit code. */
    static int run(String[] args, PrintStream out, PrintStream err) throws Exception {
        if (args.length == 0 || Stream.of(args).anyMatch(arg -> arg.equals("--layout"))) {
            return measure(args, out, err);
        }
        String[] rest = Arrays.copyOfRange(args, 1, args.length);
        return switch (args[0]) {
            case "--help" -> {
                out.print(HELP);
                yield 0;
            }
            case "--out" -> measure(args, out, err);
            case "coldstart" -> ColdStart.run(rest, out, err);
            case "accuracy" -> AccuracyCommand.run(rest, out, err);
            case "ratios" -> Ratios.run(rest, out, err);
            case "large-batch" -> LargeBatchCommand.run(rest, out, err);
            case "report" -> ReportCommand.run(rest, out, err);
            case "replay" -> ReplayCommand.run(rest, out, err);
            default -> JmhCommand.run(args, out, err);
        };
    }

    private static int measure(String[] args, PrintStream out, PrintStream err) throws Exception {
        try {
            return DefaultRun.run(args, out, err);
        } catch (RunnerException e) {
            err.println("lars-bench: " + e.getMessage());
            return FAILED;
        }
    }
}
