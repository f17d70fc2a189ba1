package io.github.lars4j.internal.saving;

import io.github.lars4j.internal.FileErrors;
import java.io.IOException;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;

/**
 * Replaces a file as a whole: whenever the machine dies, the file is afterwards the one before or the new one, and the
 * new one if the call had returned.
 *
 * <p>The new one is written under a temporary name beside it and locked until it has the file's name. A process that is
 * killed leaves the temporary file and loses the lock, by which the next save of the same file knows that it may delete
 * it.
 */
public final class AtomicSave {

    /** Writes what is to be in the file. */
    @FunctionalInterface
    public interface Content {
        void writeTo(WritableByteChannel channel) throws IOException;
    }

    /** What the name of a temporary file has behind that of the file and a dot. */
    private static final Pattern TEMPORARY =
            Pattern.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\.lars4j\\.tmp");

    /**
     * The names of temporary files that this process writes. Their locks say nothing to the process itself, and where
     * locks are POSIX's it must not even open them: it would lose the lock when it closes them.
     */
    private static final Set<String> OWN = ConcurrentHashMap.newKeySet();

    private final Disk disk;
    private final Path target;
    private final Content content;
    private boolean replaced;

    private AtomicSave(Disk disk, Path target, Content content) {
        this.disk = disk;
        this.target = target;
        this.content = content;
    }

    /**
     * Saves. Where the file is a symbolic link, what it points to is replaced.
     *
     * @throws IOException if anything fails, naming the file; it is the one before then, or, where the message says so,
     *     the new one
     */
    public static void save(Disk disk, Path file, Content content) throws IOException {
        AtomicSave save = null;
        try {
            save = new AtomicSave(disk, disk.target(file), content);
            while (!save.replaced) {
                save.replace();
            }
            disk.forceFolder(save.target.getParent());
        } catch (IOException e) {
            String doing = save != null && save.replaced
                    ? "has been saved, but may not survive a crash of the machine"
                    : "cannot be saved, and is as it was";
            throw FileErrors.of(file.toString(), doing, e);
        }
    }

    /** Replaces the file, unless another process takes the temporary one for abandoned before it is locked. */
    private void replace() throws IOException {
        // A name of its own, in the same folder: two that save at once each move a whole file.
        String name = target.getFileName() + "." + UUID.randomUUID() + ".lars4j.tmp";
        Path temporary = target.resolveSibling(name);
        OWN.add(name);
        try {
            try (Disk.Output output = disk.create(temporary, target)) {
                Disk.Hold hold = output.hold();
                if (hold == Disk.Hold.HELD) {
                    deleteAbandoned();
                }
                if (hold != Disk.Hold.LOST) {
                    content.writeTo(output);
                    disk.takePermissions(temporary, target);
                    // Before the move, which could otherwise reach the disk ahead of the bytes.
                    output.force();
                    disk.replace(target, temporary);
                    replaced = true;
                }
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

    /** Deletes what saves of this file have left that were killed. What cannot be deleted does no harm to this save. */
    private void deleteAbandoned() {
        List<Path> files;
        try {
            files = disk.list(target.getParent());
        } catch (IOException e) {
            return;
        }
        String prefix = target.getFileName() + ".";
        for (Path file : files) {
            String name = file.getFileName().toString();
            if (name.startsWith(prefix)
                    && TEMPORARY.matcher(name.substring(prefix.length())).matches()
                    && !OWN.contains(name)) {
                try {
                    disk.deleteAbandoned(file);
                } catch (IOException e) {
                    // For the next save to try.
                }
            }
        }
    }
}
