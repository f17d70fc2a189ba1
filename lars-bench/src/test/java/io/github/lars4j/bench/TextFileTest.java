package io.github.lars4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Files that cannot be read or written: each is named, with what was being done and why it was not. */
class TextFileTest {

    @TempDir
    Path folder;

    private static void assertSays(Path file, String what, Executable act) {
        IOException e = assertThrows(IOException.class, act);
        assertTrue(e.getMessage().startsWith(file + ": " + what), e.getMessage());
    }

    @Test
    void readsWhatItWrote() throws IOException {
        Path file = TextFile.folder(folder.resolve("a").resolve("b")).resolve("text");
        TextFile.write(file, "\u00e9\n");
        assertEquals("\u00e9\n", TextFile.read(file));
        TextFile.replace(file, "");
        assertEquals("", TextFile.read(file));
    }

    @Test
    void saysWhatCannotBeRead() throws IOException {
        Path none = folder.resolve("none");
        assertSays(none, "cannot be opened: there is no such file", () -> TextFile.read(none));
        assertSays(folder, "cannot be opened: it is a folder; it must be a file", () -> TextFile.read(folder));
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("none"));
        assertSays(link, "cannot be opened; it is a symbolic link, to none: there is no", () -> TextFile.read(link));
        Path binary = Files.write(folder.resolve("binary"), new byte[] {(byte) 0xff});
        assertSays(binary, "cannot be read: it is not text in UTF-8", () -> TextFile.read(binary));
        Path huge = folder.resolve("huge");
        try (RandomAccessFile sparse = new RandomAccessFile(huge.toFile(), "rw")) {
            sparse.setLength(3L << 30);
        }
        assertSays(
                huge, "cannot be read: it has 3221225472 bytes; text has at most 268435456", () -> TextFile.read(huge));
    }

    @Test
    void saysWhatCannotBeWritten() throws IOException {
        Path file = Files.createFile(folder.resolve("file"));
        assertSays(folder, "cannot be written: Is a directory", () -> TextFile.write(folder, ""));
        Files.createDirectories(folder.resolve("taken").resolve("in it"));
        Path taken = folder.resolve("taken");
        assertSays(taken, "cannot be replaced: ", () -> TextFile.replace(taken, ""));
        assertSays(file, "is no folder, and cannot be made one: ", () -> TextFile.folder(file));
    }
}
