package io.github.lars4j.bench;

import io.github.lars4j.bench.accuracy.AccuracyCommand;
import io.github.lars4j.bench.arms.Layouts;
import io.github.lars4j.bench.largebatch.LargeBatchCommand;
import java.io.PrintStream;
import java.util.Arrays;
import org.openjdk.jmh.runner.RunnerException;

/** The benchmarks' command line: a command, or JMH's own options, or nothing. */
public final class BenchMain {

    /** Exit code of a run that failed, or whose targets were missed. */
    static final int FAILED = 1;
    /** Exit code of a command line that makes no sense. */
    static final int USAGE = 2;

    private static final String HELP = """
            usage: java -jar lars-bench.jar [COMMAND | JMH OPTIONS]

            Without arguments: a selection that ends within five minutes, and a table of what it means.

            commands
              coldstart          the first 1 to 1000 steps of fresh JVMs, scalar kernels against automatic ones;
                                 exit 1 if those are slower by more than 10 %% and 20 ms
              ratios FILE...     the ratios that the project has set itself, from what -rf json wrote;
                                 exit 1 if one is missed
              replay FILE...     recordings of another optimizer on these kernels: how far off they are;
                                 exit 1 if one is off by more than its bar, 2 if one can't be read
              accuracy           norms in float and by this library: how far off they are, and how fast
              large-batch        Fashion-MNIST by LARS and by SGD, from batch 256 to 16384;
                                 --quick for one of them, --data DIR, --out DIR, --jobs N
              --help             this page

            JMH's options, of which -h shows all
              -l                 list the benchmarks: scan, sgd, measure, update, lars, scalarLars, naive, norms
              lars$              those whose name matches
              -p layout=resnet50,4096x100
                                 %s,
                                 or ELEMENTSxLAYERS, or @FILE: a list of names and shapes, or safetensors
              -p kernels=vector  scalar, vector, auto
              -p sums=carried    fresh, carried, given
              -p onBadGradient=skipLayer
                                 refuse (all sums before the first write), skipLayer (each layer by itself)
              -p threads=2       threads that share a step
              -p gap=1344        bytes between the arrays
              -f 1 -wi 5 -i 5    forks, warm-up iterations, iterations
              -prof gc           bytes allocated in a step
              -rf json -rff FILE result as JSON
            """.formatted(String.join(", ", Layouts.NETWORKS));

    private BenchMain() {}

    public static void main(String[] args) throws Exception {
        int code = run(args, System.out, System.err);
        if (code != 0) {
            System.exit(code);
        }
    }

    /** Runs a command line; returns the exit code. */
    static int run(String[] args, PrintStream out, PrintStream err) throws Exception {
        if (args.length == 0) {
            try {
                return DefaultRun.run(out);
            } catch (RunnerException e) {
                err.println("lars-bench: " + e.getMessage());
                return FAILED;
            }
        }
        String[] rest = Arrays.copyOfRange(args, 1, args.length);
        return switch (args[0]) {
            case "--help" -> {
                out.print(HELP);
                yield 0;
            }
            case "coldstart" -> ColdStart.run(rest, out, err);
            case "accuracy" -> AccuracyCommand.run(rest, out, err);
            case "ratios" -> Ratios.run(rest, out, err);
            case "large-batch" -> LargeBatchCommand.run(rest, out, err);
            case "replay" -> ReplayCommand.run(rest, out, err);
            default -> JmhCommand.run(args, out, err);
        };
    }
}
