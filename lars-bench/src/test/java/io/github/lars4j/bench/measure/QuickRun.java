package io.github.lars4j.bench.measure;

import io.github.lars4j.bench.command.Commands;
import java.util.List;

/**
 * Main class of a JVM that does the default run with little time for each arm, for a test to watch from outside. The
 * property {@code forks} is the number of JVMs of each arm.
 */
public final class QuickRun {

    private static final DefaultRun.Timing HURRY = new DefaultRun.Timing(Integer.getInteger("forks", 1), 1, 20, 1, 20);

    private QuickRun() {}

    public static void main(String[] args) throws Exception {
        Commands commands = new Commands(new MeasureCommand(HURRY, HURRY), new JmhCommand(), List.of());
        System.exit(commands.run(args, System.out, System.err));
    }
}
