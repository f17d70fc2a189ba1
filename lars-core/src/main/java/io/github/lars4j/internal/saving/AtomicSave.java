package io.github.lars4j.internal.saving;

import java.io.IOException;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.UUID;

/**
 * Replaces a file as a whole: whenever the machine dies, the file is afterwards the one before or the new one, and the
 * new one if the call had returned.
 */
public final class AtomicSave {

    /** Writes what is to be in the file. */
    @FunctionalInterface
    public interface Content {
        void writeTo(WritableByteChannel channel) throws IOException;
    }

    private AtomicSave() {}

    /**
     * Saves.
     *
     * @throws IOException if anything fails; the file is the one before then, or, where only {@link Disk#forceFolder}
     *     failed, the new one
     */
    public static void save(Disk disk, Path file, Content content) throws IOException {
        Path target = file.toAbsolutePath();
        // A name of its own, in the same folder: two that save at once each move a whole file.
        Path temporary = target.resolveSibling(target.getFileName() + "." + UUID.randomUUID() + ".tmp");
        try {
            try (Disk.Output output = disk.create(temporary)) {
                content.writeTo(output);
                // Before the move, which could otherwise reach the disk ahead of the bytes.
                output.force();
            }
            disk.replace(target, temporary);
        } catch (Throwable t) {
            try {
                disk.delete(temporary);
            } catch (IOException e) {
                t.addSuppressed(e);
            }
            throw t;
        }
        disk.forceFolder(target.getParent());
    }
}
