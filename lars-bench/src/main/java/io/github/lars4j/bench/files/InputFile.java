package io.github.lars4j.bench.files;

import io.github.lars4j.internal.FileErrors;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;

/** Reads files that a user names. What is not what it should be is refused in a sentence that says what it is. */
public final class InputFile {

    /** Bytes of a file's beginning by which {@link #kind} tells what it is. */
    private static final int BEGINNING = 9;

    private static final int SHOWN_BYTES = 4;

    /** More than any text here has. */
    private static final int MOST_TEXT_BYTES = 1 << 28;

    private InputFile() {}

    /**
     * Opens a file.
     *
     * @return its content, which can be marked and reset; to be closed by the caller
     * @throws IOException if it is not there, is no regular file or cannot be opened; the message names it
     */
    public static InputStream open(Path file) throws IOException {
        return new BufferedInputStream(Channels.newInputStream(FileErrors.openToRead(file)));
    }

    /**
     * Reads a text file, in UTF-8.
     *
     * @throws IOException if it is not there, is no regular file, cannot be read, has more than 256 MiB or is no
     *     such text; the message names it
     */
    public static String text(Path file) throws IOException {
        try (InputStream in = open(file)) {
            byte[] bytes = in.readNBytes(MOST_TEXT_BYTES + 1);
            if (bytes.length > MOST_TEXT_BYTES) {
                throw new IOException(
                        file + ": cannot be read: it has more than " + MOST_TEXT_BYTES + " bytes, and text has not");
            }
            return decoded(bytes).orElseThrow(() -> new IOException(file + " is no text: it is " + kind(bytes)));
        }
    }

    /** Bytes as a text in UTF-8; empty if they are none, or one of them is 0, which a text has not. */
    public static Optional<String> decoded(byte[] bytes) {
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
            return text.indexOf(0) < 0 ? Optional.of(text) : Optional.empty();
        } catch (CharacterCodingException e) {
            return Optional.empty();
        }
    }

    /**
     * What a file is, told by its first bytes.
     *
     * @return a noun, such as {@code a gzip file}
     * @throws IOException if it is not there, is no regular file or cannot be read; the message names it
     */
    public static String kind(Path file) throws IOException {
        try (InputStream in = open(file)) {
            return kind(in.readNBytes(BEGINNING));
        }
    }

    /**
     * What bytes are, told by the first of them.
     *
     * @return a noun, such as {@code a gzip file}
     */
    public static String kind(byte[] content) {
        byte[] first = Arrays.copyOf(content, Math.min(content.length, BEGINNING));
        String text = new String(first, StandardCharsets.ISO_8859_1);
        if (text.isEmpty()) {
            return "an empty file";
        }
        if (text.startsWith("\u001f\u008b")) {
            return "a gzip file";
        }
        if (text.startsWith("PK\3\4")) {
            return "a zip archive, as files of PyTorch (.pt, .pth, .bin) and NumPy (.npz) are";
        }
        if (text.matches("(?s)\u0080[\2-\5].*")) {
            return "a Python pickle, as older files of PyTorch (.pt, .pth, .bin) are";
        }
        if (text.startsWith("\u0093NUMPY")) {
            return "an array of NumPy (.npy)";
        }
        if (text.startsWith("\u0089HDF")) {
            return "an HDF5 file (.h5)";
        }
        if (text.matches("(?s).{4}\0{4}[{].*")) {
            return "a safetensors file";
        }
        if (text.matches("(?s)\0\0[\b-\u000e][\1-\u00ff].*")) {
            return "an IDX file";
        }
        if (text.matches("(?s)\\s*<.*")) {
            return "a page of HTML or XML, such as a server sends instead of a file";
        }
        if (text.matches("(?s)\\s*[\\[{].*")) {
            return "JSON";
        }
        return "a file that begins with the bytes "
                + HexFormat.ofDelimiter(" ").formatHex(first, 0, Math.min(first.length, SHOWN_BYTES));
    }
}
