package io.github.lars4j.bench;

import io.github.lars4j.safetensors.FileErrors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Reads and writes files of text whole. Whatever is thrown names the file and says what was being done. */
public final class TextFile {

    /** More than any text here has. */
    private static final int MOST_BYTES = 1 << 28;

    private TextFile() {}

    /**
     * Reads a file.
     *
     * @throws IOException if it cannot be read, is not a regular file, has more than 256 MiB, or is not text in UTF-8
     */
    public static String read(Path file) throws IOException {
        try (FileChannel channel = FileErrors.openToRead(file)) {
            if (channel.size() > MOST_BYTES) {
                throw new FileSystemException(
                        file.toString(),
                        null,
                        "cannot be read: it has " + channel.size() + " bytes; text has at most " + MOST_BYTES);
            }
            ByteBuffer bytes = ByteBuffer.allocate((int) channel.size());
            while (bytes.hasRemaining() && channel.read(bytes) > 0) {
                // The rest of it.
            }
            return StandardCharsets.UTF_8.newDecoder().decode(bytes.flip()).toString();
        } catch (CharacterCodingException e) {
            throw new IOException(file + ": cannot be read: it is not text in UTF-8", e);
        }
    }

    /** Writes a file. */
    public static void write(Path file, String text) throws IOException {
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw FileErrors.of(file.toString(), "cannot be written", e);
        }
    }

    /** Writes a file, which is the old one or the new one at every moment. */
    public static void replace(Path file, String text) throws IOException {
        Path next = file.resolveSibling(file.getFileName() + ".next");
        write(next, text);
        try {
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw FileErrors.of(file.toString(), "cannot be replaced", e);
        }
    }

    /** Makes a folder, and those above it, where they are not there. */
    public static Path folder(Path folder) throws IOException {
        try {
            return Files.createDirectories(folder);
        } catch (IOException e) {
            throw FileErrors.of(folder.toString(), "is no folder, and cannot be made one", e);
        }
    }
}
