package io.github.lars4j.bench;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.Options;

/** Runs benchmarks without a word of JMH's or of the forks'. Takes the JVM's streams for that time. */
public final class QuietRunner {

    private QuietRunner() {}

    /**
     * Runs them.
     *
     * @throws RunnerException if one fails, with all that was printed in the message
     */
    public static Collection<RunResult> run(Options options) throws RunnerException {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        Collection<RunResult> results;
        try (PrintStream said = new PrintStream(printed, true, StandardCharsets.UTF_8)) {
            System.setOut(said);
            System.setErr(said);
            results = new Runner(options).run();
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
        if (results.isEmpty()) {
            throw new RunnerException("no benchmark came to a result:" + System.lineSeparator()
                    + printed.toString(StandardCharsets.UTF_8));
        }
        return results;
    }
}
