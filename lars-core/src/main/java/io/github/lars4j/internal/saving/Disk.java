package io.github.lars4j.internal.saving;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/** What saving needs of a file system, and what it may rely on when the machine dies. */
public interface Disk {

    /**
     * A new, empty file; an error if there is one of this name. Neither its name nor its bytes survive a crash as yet.
     */
    Output create(Path file) throws IOException;

    /** Gives a file another's name, in place of that one: after a crash the name means the one or the other. */
    void replace(Path file, Path by) throws IOException;

    /** Makes the names in a folder survive a crash from now on. */
    void forceFolder(Path folder) throws IOException;

    /** Deletes a file, if it is there. */
    void delete(Path file) throws IOException;

    /** A file being written. */
    interface Output extends WritableByteChannel {
        /** Makes the bytes written so far survive a crash from now on. */
        void force() throws IOException;
    }

    /** The machine's. */
    Disk REAL = new Disk() {
        @Override
        public Output create(Path file) throws IOException {
            FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            return new Output() {
                @Override
                public int write(ByteBuffer source) throws IOException {
                    return channel.write(source);
                }

                @Override
                public void force() throws IOException {
                    channel.force(true);
                }

                @Override
                public boolean isOpen() {
                    return channel.isOpen();
                }

                @Override
                public void close() throws IOException {
                    channel.close();
                }
            };
        }

        @Override
        public void replace(Path file, Path by) throws IOException {
            Files.move(by, file, StandardCopyOption.ATOMIC_MOVE);
        }

        @Override
        public void forceFolder(Path folder) throws IOException {
            FileChannel channel;
            try {
                channel = FileChannel.open(folder, StandardOpenOption.READ);
            } catch (AccessDeniedException e) {
                // Windows opens no folders; what its moves need is up to it.
                return;
            }
            try (channel) {
                channel.force(true);
            }
        }

        @Override
        public void delete(Path file) throws IOException {
            Files.deleteIfExists(file);
        }
    };
}
