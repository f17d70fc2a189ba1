package io.github.lars4j.bench;

import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.Options;

/** Runs benchmarks without a word of JMH's or of the forks' on the terminal. Takes the JVM's streams for that time. */
public final class QuietRunner {

    private QuietRunner() {}

    /**
     * Runs them.
     *
     * @param log gets what would have been printed; left open
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
