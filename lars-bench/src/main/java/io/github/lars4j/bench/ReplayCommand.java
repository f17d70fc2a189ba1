package io.github.lars4j.bench;

import io.github.lars4j.NonFiniteException;
import io.github.lars4j.replay.Recording;
import io.github.lars4j.replay.Replay;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** {@code replay FILE…}: whether this library does what the recorded optimizers did. */
final class ReplayCommand {

    private static final int HELD = 0;
    private static final int FAILED = 1;
    private static final int UNREADABLE = 2;

    private ReplayCommand() {}

    /**
     * Replays recordings, each on a line of its own; goes on after one that fails or cannot be read.
     *
     * @param files names of the recordings' files
     * @param out takes a line for each file that was replayed
     * @param err takes a line for each file that was not
     * @return exit status: 0 where all hold the bar, 1 where one fails it, 2 where one cannot be read
     */
    static int run(String[] files, PrintStream out, PrintStream err) {
        if (files.length == 0) {
            err.println("replay needs the file of a recording, or several: replay FILE...");
            return UNREADABLE;
        }
        int status = HELD;
        for (String file : files) {
            status = Math.max(status, run(file, out, err));
        }
        return status;
    }

    private static int run(String file, PrintStream out, PrintStream err) {
        try (Recording recording = Recording.open(Path.of(file))) {
            Replay replay = Replay.of(recording);
            out.println(replay);
            return replay.holds() ? HELD : FAILED;
        } catch (NonFiniteException e) {
            out.println(file + ": FAILS, " + e.getMessage());
            return FAILED;
        } catch (IOException | InvalidPathException e) {
            String message = String.valueOf(e.getMessage());
            err.println(message.startsWith(file) ? message : file + ": " + message);
            return UNREADABLE;
        }
    }
}
