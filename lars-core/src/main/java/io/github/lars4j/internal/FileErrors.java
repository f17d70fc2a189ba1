package io.github.lars4j.internal;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;

/**
 * Says of an I/O error which file it is about and what was being done, which those of the JDK often do not. Internal,
 * may change at any time.
 */
public final class FileErrors {

    private FileErrors() {}

    /**
     * Opens a regular file to read. Anything else is refused unopened: to open a pipe would wait for somebody who
     * writes to it.
     *
     * @return the channel, to be closed by the caller
     * @throws IOException if there is no such file, it is not a regular one, or it cannot be opened, saying which
     */
    public static FileChannel openToRead(Path file) throws IOException {
        BasicFileAttributes attributes;
        try {
            attributes = Files.readAttributes(file, BasicFileAttributes.class);
            if (attributes.isRegularFile()) {
                return FileChannel.open(file, StandardOpenOption.READ);
            }
        } catch (IOException e) {
            String doing = Files.isSymbolicLink(file)
                    ? "cannot be opened; it is a symbolic link, to " + Files.readSymbolicLink(file)
                    : "cannot be opened";
            throw of(file.toString(), doing, e);
        }
        throw new FileSystemException(
                file.toString(), null, "cannot be opened: it is " + kind(attributes) + "; it must be a file");
    }

    /** What something is that is not a regular file. */
    public static String kind(BasicFileAttributes attributes) {
        return attributes.isDirectory() ? "a folder" : "a pipe, a socket or a device";
    }

    /**
     * An error whose message names the file, what was being done, and the reason; of the same type where a caller may
     * want to tell by it.
     *
     * @param doing what was being done, as in {@code cannot be opened}
     * @return to be thrown; an {@link InterruptedIOException} if the thread was interrupted
     */
    public static IOException of(String file, String doing, IOException e) {
        IOException named = switch (e) {
            case ClosedByInterruptException interrupted ->
                new InterruptedIOException(file + ": " + doing + ": the thread was interrupted");
            case NoSuchFileException missing ->
                new NoSuchFileException(file, null, doing + ": " + reason(missing, "there is no such file"));
            case AccessDeniedException denied ->
                new AccessDeniedException(file, null, doing + ": " + reason(denied, "no permission"));
            case ClosedChannelException closed -> new FileSystemException(file, null, doing + ": it is closed");
            case FileSystemException other ->
                new FileSystemException(file, null, doing + ": " + reason(other, other.toString()));
            default -> new FileSystemException(file, null, doing + ": " + e.getMessage());
        };
        named.initCause(e);
        return named;
    }

    private static String reason(FileSystemException e, String otherwise) {
        return Objects.requireNonNullElse(e.getReason(), otherwise);
    }
}
