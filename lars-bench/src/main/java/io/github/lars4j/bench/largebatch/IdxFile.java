package io.github.lars4j.bench.largebatch;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
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
     * @param file the file; decompressed where its name ends in {@code .gz}
     * @throws IOException if it cannot be read, or is damaged, with the reason
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
        InputStream in = new BufferedInputStream(Files.newInputStream(file));
        if (!file.toString().endsWith(".gz")) {
            return in;
        }
        try {
            return new GZIPInputStream(in, 1 << 16);
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
     * @throws IOException if the content is damaged
     */
    static IdxFile parse(String name, byte[] bytes) throws IOException {
        require(name, bytes.length <= MOST_BYTES, "it has more than " + MOST_BYTES + " bytes");
        require(name, bytes.length >= 4, "it has " + bytes.length + " bytes, less than its magic number");
        ByteBuffer in = ByteBuffer.wrap(bytes);
        int magic = in.getInt();
        require(
                name,
                magic >>> 16 == 0,
                String.format(Locale.ROOT, "its magic number is 0x%08x, not one of an IDX file", magic));
        int type = magic >>> 8 & 0xff;
        require(
                name,
                type == UNSIGNED_BYTE,
                String.format(Locale.ROOT, "its element type is 0x%02x, not 0x08, unsigned bytes", type));
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
