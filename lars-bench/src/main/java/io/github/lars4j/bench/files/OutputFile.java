package io.github.lars4j.bench.files;

import io.github.lars4j.internal.FileErrors;
import io.github.lars4j.internal.saving.Disk;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Writes files that are whole at every moment, the old one or the new one, and that survive a crash of the machine once
 * they are written.
 */
public final class OutputFile {

    /** Writes a file's content. */
    public interface Content {
        void writeTo(FileChannel file) throws IOException;
    }

    /** Makes the names in a folder survive a crash. */
    interface Forcing {
        void force(Path folder) throws IOException;
    }

    private OutputFile() {}

    /**
     * Makes a folder, with those that it lies in, where they are not there. Those that are made survive a crash.
     *
     * @return the folder
     * @throws IOException if it cannot be made; the message names it
     */
    public static Path folder(Path folder) throws IOException {
        return folder(folder, Disk.REAL::forceFolder);
    }

    static Path folder(Path folder, Forcing forcing) throws IOException {
        Deque<Path> missing = new ArrayDeque<>();
        // The parent of a drive that is not there is null.
        for (Path each = folder.toAbsolutePath(); each != null && Files.notExists(each); each = each.getParent()) {
            missing.push(each);
        }
        try {
            Files.createDirectories(folder);
            for (Path each : missing) {
                forcing.force(each.getParent());
            }
        } catch (IOException e) {
            throw FileErrors.of(folder.toString(), "cannot be made a folder", e);
        }
        return folder;
    }

    /**
     * Writes a text file, in UTF-8, in place of one that is there.
     *
     * @throws IOException if it cannot be written, naming it; one that was there is left as it was
     */
    public static void write(Path file, String text) throws IOException {
        ByteBuffer bytes = StandardCharsets.UTF_8.encode(text);
        write(file, channel -> {
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        });
    }

    /**
     * Writes a file in place of one that is there.
     *
     * @throws IOException if it cannot be written, naming it; one that was there is left as it was
     */
    public static void write(Path file, Content content) throws IOException {
        write(file, content, Disk.REAL::forceFolder);
    }

    static void write(Path file, Content content, Forcing forcing) throws IOException {
        Path next = file.resolveSibling(file.getFileName() + ".next");
        try {
            try (FileChannel channel = FileChannel.open(
                    next, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
                content.writeTo(channel);
                channel.force(true);
            }
            Disk.REAL.replace(file, next);
            forcing.force(file.toAbsolutePath().getParent());
        } catch (IOException e) {
            throw FileErrors.of(file.toString(), "cannot be written", e);
        }
    }
}
