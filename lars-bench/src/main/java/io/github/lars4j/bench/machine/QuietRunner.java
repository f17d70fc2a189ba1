package io.github.lars4j.bench.machine;

import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.Options;

/**
 * Runs benchmarks without any output of JMH or of its forks on the terminal. Replaces the JVM's standard streams during
 * the run.
 */
public final class QuietRunner {

    private QuietRunner() {}

    /**
     * Runs the benchmarks.
     *
     * @param log receives the output; is not closed
     * @return the results; empty if the forks failed
     */
    public static Collection<RunResult> run(Options options, OutputStream log) throws RunnerException {
        PrintStream out = System.out;
        PrintStream err = System.err;
        PrintStream said = new PrintStream(log, true, StandardCharsets.UTF_8);
        try {
            System.setOut(said);
            System.setErr(said);
            return new Runner(options).run();
        } finally {
            System.setOut(out);
            System.setErr(err);
            said.flush();
        }
    }
}
