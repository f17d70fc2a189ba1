package io.github.lars4j.bench.measure;

import io.github.lars4j.bench.command.Commands;
import java.util.List;

/** Main class of a JVM that does the default run with little time for each arm, for a test to watch from outside. */
public final class QuickRun {

    private static final DefaultRun.Timing HURRY = new DefaultRun.Timing(1, 1, 20, 1, 20);

    private QuickRun() {}

    public static void main(String[] args) throws Exception {
        Commands commands = new Commands(new MeasureCommand(HURRY, HURRY), new JmhCommand(), List.of());
        System.exit(commands.run(args, System.out, System.err));
    }
}
