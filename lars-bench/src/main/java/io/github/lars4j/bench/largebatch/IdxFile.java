package io.github.lars4j.bench.largebatch;

import io.github.lars4j.bench.files.InputFile;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Locale;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/** A file of unsigned bytes in the IDX format of the MNIST data sets: magic, dimensions, elements. */
final class IdxFile {

    /** Maximum size of a decompressed file, so that a damaged file cannot fill the memory. */
    private static final int MOST_BYTES = 1 << 28;

    private static final int UNSIGNED_BYTE = 0x08;

    /** What a gzip file begins with. */
    private static final byte[] GZIP = {0x1f, (byte) 0x8b};

    private final int[] dimensions;
    private final byte[] elements;
    private final String sha256;

    private IdxFile(int[] dimensions, byte[] elements, String sha256) {
        this.dimensions = dimensions;
        this.elements = elements;
        this.sha256 = sha256;
    }

    /**
     * Reads a file.
     *
     * @param file the file; decompressed where its first bytes are those of gzip, whatever its name
     * @throws IOException if it cannot be read, is damaged or is some other file, with its name and the reason
     */
    static IdxFile read(Path file) throws IOException {
        try (InputStream in = open(file)) {
            return parse(file.toString(), in.readNBytes(MOST_BYTES + 1));
        } catch (EOFException e) {
            throw new IOException(file + " is damaged: its compressed data ends too early", e);
        } catch (ZipException e) {
            throw new IOException(file + " is damaged: " + e.getMessage(), e);
        }
    }

    private static InputStream open(Path file) throws IOException {
        InputStream in = InputFile.open(file);
        try {
            in.mark(GZIP.length);
            boolean compressed = Arrays.equals(in.readNBytes(GZIP.length), GZIP);
            in.reset();
            return compressed ? new GZIPInputStream(in, 1 << 16) : in;
        } catch (IOException e) {
            in.close();
            throw e;
        }
    }

    /**
     * Parses the content of a file.
     *
     * @param name the file's name, for messages
     * @param bytes the content, decompressed
     * @throws IOException if the content is damaged, or some other file's
     */
    static IdxFile parse(String name, byte[] bytes) throws IOException {
        require(name, bytes.length <= MOST_BYTES, "it has more than " + MOST_BYTES + " bytes");
        require(name, bytes.length >= 4, "it has " + bytes.length + " bytes, less than its magic number");
        ByteBuffer in = ByteBuffer.wrap(bytes);
        int magic = in.getInt();
        if (magic >>> 16 != 0) {
            throw new IOException(name + " is no IDX file: it is " + InputFile.kind(bytes));
        }
        int type = magic >>> 8 & 0xff;
        if (type != UNSIGNED_BYTE) {
            throw new IOException(name + " is an IDX file, but not of unsigned bytes: its element type is "
                    + String.format(Locale.ROOT, "0x%02x", type) + "; it must be 0x08");
        }
        int count = magic & 0xff;
        require(name, count >= 1, "it has no dimensions");
        require(name, in.remaining() >= 4 * count, "it ends within its " + count + " dimensions");
        int[] dimensions = new int[count];
        long elements = 1;
        for (int i = 0; i < count; i++) {
            dimensions[i] = in.getInt();
            require(name, dimensions[i] > 0, "dimension " + i + " is " + dimensions[i]);
            elements *= dimensions[i];
            require(name, elements <= MOST_BYTES, "its dimensions make it more than " + MOST_BYTES + " bytes");
        }
        require(
                name,
                in.remaining() == elements,
                "its dimensions " + Arrays.toString(dimensions) + " make " + elements + " elements, but there are "
                        + in.remaining());
        return new IdxFile(dimensions, Arrays.copyOfRange(bytes, in.position(), bytes.length), sha256(bytes));
    }

    private static void require(String name, boolean holds, String reason) throws IOException {
        if (!holds) {
            throw new IOException(name + " is damaged: " + reason);
        }
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    /** The dimensions, the outermost first; each more than 0. */
    int[] dimensions() {
        return dimensions.clone();
    }

    /** The elements, row-major, each an unsigned byte; not a copy. */
    byte[] elements() {
        return elements;
    }

    /** SHA-256 of the decompressed file, in hexadecimal digits. */
    String sha256() {
        return sha256;
    }
}
