package io.github.lars4j.bench.command;

import java.io.Console;
import java.io.PrintStream;
import java.util.Optional;

/** Shows the progress of a long run: one line that is overwritten on a terminal, a new line each time elsewhere. */
public final class Progress {

    private final PrintStream out;
    private final boolean inPlace;
    /** The length of the line that is shown in place. */
    private int shown;

    private boolean begun;

    /** Shows progress on {@code out}; {@code inPlace} overwrites the line that was shown before. */
    public Progress(PrintStream out, boolean inPlace) {
        this.out = out;
        this.inPlace = inPlace;
    }

    /** Returns whether this JVM prints to a terminal. */
    public static boolean terminal() {
        return Optional.ofNullable(System.console()).filter(Console::isTerminal).isPresent();
    }

    /** Shows a line. */
    public void show(String line) {
        if (inPlace) {
            // Spaces overwrite the rest of a longer line: consoles of Windows print a sequence that would erase it.
            out.print("\r" + line + " ".repeat(Math.max(0, shown - line.length())));
            out.flush();
            shown = line.length();
        } else {
            out.println(line);
        }
        begun = true;
    }

    /** Ends the line that is shown, so that the next output starts on a new line. */
    public void end() {
        if (inPlace && begun) {
            out.println();
        }
        begun = false;
        shown = 0;
    }
}
