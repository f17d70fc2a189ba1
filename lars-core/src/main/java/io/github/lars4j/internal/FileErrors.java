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
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;

/**
 * Opens files and rewords I/O errors, so that every message names the file, the operation that failed and the reason.
 * The JDK's messages often leave out one of them.
 */
public final class FileErrors {

    private FileErrors() {}

    /**
     * Opens a regular file for reading. Directories, pipes and devices are refused without opening them, because
     * opening a pipe blocks until another process writes to it.
     *
     * @return the channel, which the caller closes
     * @throws IOException if the file does not exist, is not a regular file, or cannot be opened; the message says
     *     which
     */
    public static FileChannel openToRead(Path file) throws IOException {
        return open(file, "cannot be opened", StandardOpenOption.READ);
    }

    /**
     * Opens a regular file, which must exist, for reading and writing; otherwise as {@link #openToRead}.
     *
     * @return the channel, which the caller closes
     * @throws IOException if the file does not exist, is not a regular file, or cannot be opened; the message says
     *     which
     */
    public static FileChannel openToReadAndWrite(Path file) throws IOException {
        return open(
                file, "cannot be opened for reading and writing", StandardOpenOption.READ, StandardOpenOption.WRITE);
    }

    private static FileChannel open(Path file, String failed, OpenOption... options) throws IOException {
        BasicFileAttributes attributes;
        try {
            attributes = Files.readAttributes(file, BasicFileAttributes.class);
            if (attributes.isRegularFile()) {
                return FileChannel.open(file, options);
            }
        } catch (IOException e) {
            String doing = Files.isSymbolicLink(file)
                    ? failed + "; it is a symbolic link, to " + Files.readSymbolicLink(file)
                    : failed;
            throw of(file.toString(), doing, e);
        }
        throw new FileSystemException(
                file.toString(), null, failed + ": it is " + kind(attributes) + "; it must be a file");
    }

    /** Describes, for a message, a path that is not a regular file. */
    public static String kind(BasicFileAttributes attributes) {
        return attributes.isDirectory() ? "a folder" : "a pipe, a socket or a device";
    }

    /**
     * Returns an exception whose message names the file, the operation that failed and the reason, and whose cause is
     * the given exception. A missing file and a denied access keep their exception types.
     *
     * @param file the file's name as the message gives it
     * @param doing what failed, for example {@code cannot be opened}
     * @param e the exception to reword
     * @return the exception for the caller to throw; an {@link InterruptedIOException} if the thread was interrupted
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
