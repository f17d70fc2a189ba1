package io.github.lars4j.internal.saving;

import io.github.lars4j.internal.FileErrors;
import java.io.IOException;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;

/**
 * Replaces a file atomically: if the process or the machine dies, the path names either the old file or the new file,
 * both complete. Once {@link #save} has returned, it names the new file.
 *
 * <p>The new file is written under a temporary name in the same directory, and is locked until it is renamed. A process
 * that is killed leaves its temporary file behind but loses the lock; the next save of the same file deletes a
 * temporary file that nobody locks. Several threads and processes may save the same file at the same time.
 */
public final class AtomicSave {

    /** The content of a file. */
    @FunctionalInterface
    public interface Content {
        /**
         * Writes the whole content.
         *
         * @throws IOException if the channel throws it
         */
        void writeTo(WritableByteChannel channel) throws IOException;
    }

    /** The part of a temporary file's name that follows {@link #prefix}. */
    private static final Pattern TEMPORARY =
            Pattern.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\.lars4j\\.tmp");

    /** The most bytes of a name that a temporary file's name contains: file systems allow 255, and the rest has 48. */
    private static final int LONGEST = 207;

    /** The code points, each of at most 4 bytes, that a temporary file's name contains of a longer name. */
    private static final int BEGINNING = 40;

    /** The most temporary files that a save begins: other processes do not delete so many before they are locked. */
    private static final int MOST_TRIES = 100;

    /**
     * The names of the temporary files that this process is writing. The process must not even open such a file to test
     * its lock: with POSIX locks, closing the file would release the lock.
     */
    private static final Set<String> OWN = ConcurrentHashMap.newKeySet();

    private final Disk disk;
    private final Path target;
    private final Content content;
    /** The first part of the names of the temporary files of all saves of this file, and of no other file. */
    private final String prefix;

    private boolean replaced;

    private AtomicSave(Disk disk, Path target, Content content) {
        this.disk = disk;
        this.target = target;
        this.content = content;
        this.prefix = prefix(String.valueOf(target.getFileName()));
    }

    private static String prefix(String name) {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        if (bytes.length <= LONGEST) {
            return name + ".";
        }
        // The beginning is for the reader. The hash distinguishes names that begin alike.
        return name.substring(0, name.offsetByCodePoints(0, BEGINNING)) + "." + UUID.nameUUIDFromBytes(bytes) + ".";
    }

    /**
     * Saves a file. If the path is a symbolic link, the file that it points to is replaced.
     *
     * @param disk the file system
     * @param file the file to create or replace; its directory must exist
     * @param content the content of the new file
     * @throws IOException if the file cannot be saved, with a message that names the file. The old file is then
     *     unchanged, unless the message says that the file has been saved but may not survive a crash
     */
    public static void save(Disk disk, Path file, Content content) throws IOException {
        AtomicSave save = null;
        try {
            save = new AtomicSave(disk, disk.target(file), content);
            for (int tries = 0; !save.replaced; tries++) {
                if (tries == MOST_TRIES) {
                    throw new IOException("its temporary file has no name while it is open, in " + MOST_TRIES
                            + " tries, as in a zip archive; save to another file system, and copy the file");
                }
                save.replace();
            }
            disk.forceFolder(save.target.getParent());
        } catch (IOException e) {
            String doing = save != null && save.replaced
                    ? "has been saved, but may not survive a crash of the machine"
                    : "cannot be saved and is unchanged";
            throw FileErrors.of(file.toString(), doing, e);
        }
    }

    /** Replaces the file, unless another process deletes the temporary file as abandoned before it is locked. */
    private void replace() throws IOException {
        // The name is unique, so that two saves at the same time each rename a complete file.
        String name = prefix + UUID.randomUUID() + ".lars4j.tmp";
        Path temporary = target.resolveSibling(name);
        OWN.add(name);
        try {
            try (Disk.Output output = create(temporary)) {
                Disk.Hold hold = output.hold();
                if (hold == Disk.Hold.HELD) {
                    deleteAbandoned();
                }
                if (hold != Disk.Hold.LOST) {
                    content.writeTo(output);
                    // The content must be on the disk before the rename is.
                    output.force();
                    // Not earlier: forcing takes long, and nobody else may open the file if this process is killed.
                    disk.takePermissions(temporary, target);
                    disk.replace(target, temporary);
                    replaced = true;
                }
            }
            if (!replaced) {
                deleteIfPossible(temporary);
            }
        } catch (Throwable t) {
            try {
                disk.delete(temporary);
            } catch (IOException e) {
                t.addSuppressed(e);
            }
            throw t;
        } finally {
            OWN.remove(name);
        }
    }

    /** Deletes a file that another process is deleting, or that gets its name when it is closed. */
    private void deleteIfPossible(Path temporary) {
        try {
            disk.delete(temporary);
        } catch (IOException e) {
            // The other process deletes it.
        }
    }

    private Disk.Output create(Path temporary) throws IOException {
        try {
            return disk.create(temporary, target);
        } catch (AccessDeniedException e) {
            AccessDeniedException denied = new AccessDeniedException(
                    e.getFile(),
                    null,
                    "folder " + target.getParent() + " does not allow new files; saving writes a temporary file there");
            denied.initCause(e);
            throw denied;
        }
    }

    /**
     * Deletes the temporary files that killed saves of this file have left. A failure to delete does not fail this
     * save.
     */
    private void deleteAbandoned() {
        List<Path> files;
        try {
            files = disk.list(target.getParent());
        } catch (IOException e) {
            return;
        }
        for (Path file : files) {
            String name = file.getFileName().toString();
            if (name.startsWith(prefix)
                    && TEMPORARY.matcher(name.substring(prefix.length())).matches()
                    && !OWN.contains(name)) {
                try {
                    disk.deleteAbandoned(file);
                } catch (IOException e) {
                    // The next save tries again.
                }
            }
        }
    }
}
