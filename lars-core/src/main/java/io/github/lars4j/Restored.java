package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/**
 * What a restore took of a file and what it did not. Immutable.
 *
 * @param taken the layers that were taken from the file, in the optimizer's order
 * @param leftInFile what of the file was not taken, and why: by the name of its layer, or of its tensor where the file
 *     has no layers
 * @param leftWithout the layers that the file had nothing for, in the optimizer's order
 * @param notes what else there is to know, a sentence each, and logged: hyperparameters and treatments that the
 *     optimizer had and that became the file's, numbers that were rounded. Empty for an optimizer that was built as the
 *     one that was saved
 */
public record Restored(
        List<String> taken, Map<String, String> leftInFile, List<String> leftWithout, List<String> notes) {

    private static final Logger LOGGER = System.getLogger("io.github.lars4j");

    /**
     * Copies the lists and the map.
     *
     * @throws NullPointerException if an argument, an element, a key or a value is {@code null}
     */
    public Restored {
        taken = Checks.copyOf("taken", taken);
        Map<String, String> left = new TreeMap<>();
        Objects.requireNonNull(leftInFile, "leftInFile").forEach((name, why) -> {
            Objects.requireNonNull(name, "leftInFile has the name null; no name may be null");
            left.put(name, Objects.requireNonNull(why, () -> "leftInFile is null for \"" + name + "\"; none may be"));
        });
        leftInFile = Collections.unmodifiableMap(left);
        leftWithout = Checks.copyOf("leftWithout", leftWithout);
        notes = Checks.copyOf("notes", notes);
    }

    /** Logs the notes, one line for all, if there are any. */
    void log(Path file) {
        if (!notes.isEmpty()) {
            LOGGER.log(Level.INFO, "restored from " + file + ": " + String.join("; ", notes));
        }
    }

    /** Whether the whole file was taken, and every layer had something in it. */
    public boolean complete() {
        return leftInFile.isEmpty() && leftWithout.isEmpty();
    }
}
