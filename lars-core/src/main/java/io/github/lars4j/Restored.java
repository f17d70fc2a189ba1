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
 * The result of restoring an optimizer from a file: what was restored and what was not. Immutable and safe for use by
 * several threads.
 *
 * @param taken the names of the layers that were restored, in the optimizer's order
 * @param leftInFile the content of the file that was not restored, with the reason: by layer name for a {@link
 *     Checkpoint}, by tensor name for a {@link PyTorchState}
 * @param leftWithout the names of the layers for which the file has no state, in the optimizer's order
 * @param notes further remarks, which are also logged: hyperparameters and treatments that the file's replaced, momentum
 *     that was missing or not used, and tensors whose values were rounded
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

    /** Logs all notes in one line, if there are any. */
    void log(Path file) {
        if (!notes.isEmpty()) {
            LOGGER.log(Level.INFO, "restored from " + file + ": " + String.join("; ", notes));
        }
    }

    /** Returns whether everything in the file was restored and the file had state for every layer. */
    public boolean complete() {
        return leftInFile.isEmpty() && leftWithout.isEmpty();
    }
}
