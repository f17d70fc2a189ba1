package io.github.lars4j.bench;

import java.io.Console;
import java.io.PrintStream;
import java.util.Optional;

/** Where a long run stands: lines, or on a terminal one line that is written anew. */
final class Progress {

    private static final String ERASE_TO_END = "\u001b[K";

    private final PrintStream out;
    private final boolean inPlace;
    private boolean begun;

    Progress(PrintStream out, boolean inPlace) {
        this.out = out;
        this.inPlace = inPlace;
    }

    /** Whether what this JVM prints goes to a terminal. */
    static boolean terminal() {
        return Optional.ofNullable(System.console()).filter(Console::isTerminal).isPresent();
    }

    /** Says where it stands. */
    void show(String line) {
        if (inPlace) {
            out.print("\r" + line + ERASE_TO_END);
            out.flush();
        } else {
            out.println(line);
        }
        begun = true;
    }

    /** Ends, so that what is printed now begins on a line of its own. */
    void end() {
        if (inPlace && begun) {
            out.println();
        }
        begun = false;
    }
}
