package io.github.lars4j.bench;

import io.github.lars4j.bench.accuracy.AccuracyCommand;
import io.github.lars4j.bench.coldstart.ColdStartCommand;
import io.github.lars4j.bench.command.Commands;
import io.github.lars4j.bench.largebatch.LargeBatchCommand;
import io.github.lars4j.bench.measure.JmhCommand;
import io.github.lars4j.bench.measure.MeasureCommand;
import io.github.lars4j.bench.replay.FormatsCommand;
import io.github.lars4j.bench.replay.ReplayCommand;
import io.github.lars4j.bench.report.RatiosCommand;
import io.github.lars4j.bench.report.ReportCommand;
import java.util.List;
import java.util.Locale;

/** Main class of the benchmark program: the list of its commands. */
public final class BenchMain {

    private BenchMain() {}

    /** Runs a command line; ends the JVM if the exit code is not 0. */
    public static void main(String[] args) throws Exception {
        // JMH prints its tables in the default locale; a table must read the same everywhere.
        Locale.setDefault(Locale.Category.FORMAT, Locale.ROOT);
        int code = commands().run(args, System.out, System.err);
        if (code != 0) {
            System.exit(code);
        }
    }

    static Commands commands() {
        return new Commands(
                new MeasureCommand(),
                new JmhCommand(),
                List.of(
                        new ReportCommand(),
                        new ColdStartCommand(),
                        new RatiosCommand(),
                        new ReplayCommand(),
                        new FormatsCommand(),
                        new AccuracyCommand(),
                        new LargeBatchCommand()));
    }
}
