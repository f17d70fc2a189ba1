package io.github.lars4j.bench.command;

import java.io.PrintStream;

/**
 * A command of the benchmark program. Its options and arguments are fields with picocli's annotations, which
 * {@link Commands} sets before it calls {@link #run}. Not safe for use by several threads.
 */
public interface Command {

    /** The word that selects this command on the command line; empty for the run without a command. */
    String name();

    /** What this command does, in one line of the program's help. */
    String summary();

    /**
     * Runs this command.
     *
     * @param out receives the results
     * @param err receives errors and progress
     * @return the exit code: 0 for success, another one as {@link picocli.CommandLine.ExitCode} defines it
     * @throws CommandException to end the program with a message and an exit code
     * @throws Exception if something unexpected fails
     */
    int run(PrintStream out, PrintStream err) throws Exception;
}
