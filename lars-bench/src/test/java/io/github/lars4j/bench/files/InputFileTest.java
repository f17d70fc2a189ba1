package io.github.lars4j.bench.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InputFileTest {

    @TempDir
    Path folder;

    @Test
    void saysWhatAFileIs() {
        Map<String, String> kinds = new LinkedHashMap<>();
        kinds.put("", "an empty file");
        kinds.put("\u001f\u008b\b", "a gzip file");
        kinds.put("PK\3\4\0\0\b\b\0", "a zip archive, as files of PyTorch (.pt, .pth, .bin) and NumPy (.npz) are");
        kinds.put("\u0080\2\u008a\n", "a Python pickle, as older files of PyTorch (.pt, .pth, .bin) are");
        kinds.put("\u0093NUMPY\1\0", "an array of NumPy (.npy)");
        kinds.put("\u0089HDF\r\n\u001a\n", "an HDF5 file (.h5)");
        kinds.put("X\0\0\0\0\0\0\0{\"", "a safetensors file");
        kinds.put("\0\0\b\3\0\0", "an IDX file");
        kinds.put("\n<html>", "a page of HTML or XML, such as a server sends instead of a file");
        kinds.put(" [{", "JSON");
        kinds.put("%PDF-1.4", "a file that begins with the bytes 25 50 44 46");
        kinds.put("\u0080", "a file that begins with the bytes 80");
        kinds.forEach((content, kind) ->
                assertEquals(kind, InputFile.kind(content.getBytes(StandardCharsets.ISO_8859_1)), kind));
    }

    @Test
    void readsText() throws IOException {
        Path file = Files.writeString(folder.resolve("text"), "\u00e9t\u00e9\n");
        assertEquals("\u00e9t\u00e9\n", InputFile.text(file));
        Files.writeString(file, "a\0b");
        refused(file, IOException.class, file + " is no text: it is a file that begins with the bytes 61 00 62");
        Files.write(file, new byte[] {(byte) 0x80, 2, (byte) 0x8a});
        refused(
                file,
                IOException.class,
                file + " is no text: it is a Python pickle, as older files of PyTorch (.pt, .pth, .bin) are");
    }

    @Test
    void namesWhatCannotBeRead() throws IOException {
        refused(folder, IOException.class, folder + ": cannot be opened: it is a folder; it must be a file");
        Path missing = folder.resolve("missing");
        refused(missing, NoSuchFileException.class, missing + ": cannot be opened: there is no such file");
        Path huge = folder.resolve("huge");
        try (FileChannel sparse = FileChannel.open(
                huge, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, StandardOpenOption.SPARSE)) {
            sparse.write(ByteBuffer.allocate(1), (3L << 30) - 1);
        }
        refused(huge, IOException.class, huge + ": cannot be read: it has more than 268435456 bytes, and text has not");
        Path device = Path.of("/dev/null");
        if (Files.exists(device)) {
            refused(
                    device,
                    IOException.class,
                    "/dev/null: cannot be opened: it is a pipe, a socket or a device; it must be a file");
        }
    }

    @Test
    void namesWhereALinkLeads() throws IOException {
        Path link = folder.resolve("link");
        try {
            Files.createSymbolicLink(link, Path.of("missing"));
        } catch (UnsupportedOperationException | FileSystemException e) {
            Assumptions.abort("this process may not make symbolic links: " + e);
        }
        refused(
                link,
                NoSuchFileException.class,
                link + ": cannot be opened; it is a symbolic link, to missing: there is no such file");
    }

    private static void refused(Path file, Class<? extends IOException> type, String message) {
        assertEquals(message, assertThrows(type, () -> InputFile.text(file)).getMessage());
    }
}
