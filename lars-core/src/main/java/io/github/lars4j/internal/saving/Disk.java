package io.github.lars4j.internal.saving;

import java.io.IOException;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.List;

/** What saving needs of a file system, and what it may rely on when the machine dies. */
public interface Disk {

    /**
     * The file that is to be replaced where a name is saved to: behind symbolic links, absolute. It need not be there.
     *
     * @throws IOException if it is there and is not a regular file, or its folder is not there
     */
    Path target(Path file) throws IOException;

    /**
     * A new, empty file; an error if there is one of this name. Neither its name nor its bytes survive a crash as yet.
     *
     * @param like where this file is there, nobody but the owner may read the new one for now
     */
    Output create(Path file, Path like) throws IOException;

    /** Gives a file the permissions of another, if that is there and the file system has permissions. */
    void takePermissions(Path file, Path from) throws IOException;

    /** Gives a file another's name, in place of that one: after a crash the name means the one or the other. */
    void replace(Path file, Path by) throws IOException;

    /** Makes the names in a folder survive a crash from now on. */
    void forceFolder(Path folder) throws IOException;

    /** Deletes a file, if it is there. */
    void delete(Path file) throws IOException;

    /** What is in a folder. */
    List<Path> list(Path folder) throws IOException;

    /** Deletes a regular file if nobody holds it. It must not be one that this process is writing. */
    void deleteAbandoned(Path file) throws IOException;

    /** Whether a file is held. */
    enum Hold {
        HELD,
        /** It has been deleted by {@link #deleteAbandoned}, or is about to be. */
        LOST,
        /** The file system has no locks. */
        UNSUPPORTED
    }

    /** A file being written. */
    interface Output extends WritableByteChannel {
        /** Keeps {@link #deleteAbandoned} of all processes from deleting this file, until it is closed. */
        Hold hold();

        /** Makes the bytes written so far survive a crash from now on. */
        void force() throws IOException;
    }

    /** The machine's. */
    Disk REAL = new RealDisk();
}
