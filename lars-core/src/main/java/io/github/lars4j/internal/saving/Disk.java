package io.github.lars4j.internal.saving;

import java.io.IOException;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.List;

/**
 * The file system operations that saving needs, and what each of them guarantees if the machine crashes. A method
 * throws an {@link IOException} if its operation fails.
 */
public interface Disk {

    /**
     * Returns the absolute path of the file to replace when saving to a path, after following symbolic links. The file
     * need not exist.
     *
     * @throws IOException if the file exists and is not a regular file, or its directory does not exist
     */
    Path target(Path file) throws IOException;

    /**
     * Creates an empty file and opens it for writing. Until they are forced, neither its name nor its content is
     * guaranteed to survive a crash.
     *
     * @param like if this file exists and has permissions, only the owner may read and write the new file until {@link
     *     #takePermissions}
     * @throws IOException if the file exists already or cannot be created
     */
    Output create(Path file, Path like) throws IOException;

    /**
     * Gives {@code file} the group and the permissions of {@code from}, if that exists and the file system has
     * permissions. If this process may not give it the group, the group and all others get only the permissions that
     * both have, so that nobody gains access.
     */
    void takePermissions(Path file, Path from) throws IOException;

    /** Renames {@code by} to {@code file}, replacing it. After a crash the name refers to one of the two files. */
    void replace(Path file, Path by) throws IOException;

    /** Forces the names in a directory to the disk: they survive a later crash. */
    void forceFolder(Path folder) throws IOException;

    /** Deletes a file if it exists. */
    void delete(Path file) throws IOException;

    /** Returns the entries of a directory. */
    List<Path> list(Path folder) throws IOException;

    /** Deletes a regular file if no process holds it. This process must not be writing that file. */
    void deleteAbandoned(Path file) throws IOException;

    /** The result of {@link Output#hold}. */
    enum Hold {
        /** The file is held. */
        HELD,
        /** {@link #deleteAbandoned} has deleted the file, or is about to delete it. */
        LOST,
        /** The file system does not support locks. */
        UNSUPPORTED
    }

    /** A file that is open for writing. */
    interface Output extends WritableByteChannel {
        /** Holds the file until it is closed, so that no process deletes it with {@link #deleteAbandoned}. */
        Hold hold();

        /** Forces the bytes written so far to the disk: they survive a later crash. */
        void force() throws IOException;
    }

    /** The file systems of this machine. */
    Disk REAL = new RealDisk();
}
