package io.github.lars4j.bench.command;

import java.io.Serial;
import picocli.CommandLine.ExitCode;

/** Ends a command with a message for the user and an exit code. */
public final class CommandException extends Exception {

    @Serial
    private static final long serialVersionUID = 1;

    private final int exitCode;

    private CommandException(int exitCode, String message, Throwable cause) {
        super(message, cause);
        this.exitCode = exitCode;
    }

    /** An exception for arguments or files that the command cannot use: exit code 2. */
    public static CommandException usage(String message, Throwable cause) {
        return new CommandException(ExitCode.USAGE, message, cause);
    }

    /** An exception for work that failed: exit code 1. */
    public static CommandException failed(String message, Throwable cause) {
        return new CommandException(ExitCode.SOFTWARE, message, cause);
    }

    int exitCode() {
        return exitCode;
    }
}
