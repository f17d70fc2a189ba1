package io.github.lars4j.bench.largebatch;

import com.google.common.jimfs.Configuration;
import com.google.common.jimfs.Jimfs;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.GZIPOutputStream;

/**
 * What holds of every sequence of bytes that is read as an IDX file. The profile {@code fuzz} searches for one of which
 * it does not; a test tries those that it kept.
 */
public final class IdxFileFuzz {

    private static final Path FILE = Jimfs.newFileSystem(Configuration.unix()).getPath("/set");

    private IdxFileFuzz() {}

    /** Reads the bytes as they are, which may be compressed, and compressed once more. */
    public static void fuzzerTestOneInput(byte[] input) throws IOException {
        IdxFile idx = read(input);
        ByteArrayOutputStream compressed = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(compressed)) {
            out.write(input);
        }
        IdxFile unpacked = read(compressed.toByteArray());
        if (idx == null || input[0] != 0) {
            // A file that is compressed twice is no IDX file.
            check(unpacked == null, "a damaged file is accepted if it is compressed");
            return;
        }
        requireSame(idx, unpacked);
        byte[] written = written(idx);
        check(Arrays.equals(written, input), "other bytes when written");
        requireSame(idx, read(written));
    }

    /** Reads a file; null if it is refused. */
    private static IdxFile read(byte[] content) throws IOException {
        Files.write(FILE, content);
        try {
            return IdxFile.read(FILE);
        } catch (IOException e) {
            String message = e.getMessage();
            check(message.startsWith(FILE + " is ") && message.length() < 1000, "message: " + message);
            check(message.chars().noneMatch(Character::isISOControl), "message: " + message);
            check(!message.endsWith("null"), "no reason: " + message);
            return null;
        }
    }

    private static byte[] written(IdxFile idx) {
        int[] dimensions = idx.dimensions();
        ByteBuffer file = ByteBuffer.allocate(4 + 4 * dimensions.length + idx.elements().length);
        file.putInt(0x800 | dimensions.length);
        long elements = 1;
        for (int dimension : dimensions) {
            check(dimension > 0, "dimension " + dimension);
            file.putInt(dimension);
            elements *= dimension;
        }
        check(elements == idx.elements().length, "dimensions of another number of elements");
        return file.put(idx.elements()).array();
    }

    private static void requireSame(IdxFile idx, IdxFile other) {
        check(
                other != null
                        && Arrays.equals(idx.dimensions(), other.dimensions())
                        && Arrays.equals(idx.elements(), other.elements())
                        && idx.sha256().equals(other.sha256()),
                "another content");
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }
}
