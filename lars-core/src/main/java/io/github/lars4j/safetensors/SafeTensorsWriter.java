package io.github.lars4j.safetensors;

import io.github.lars4j.internal.Checks;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Writes safetensors files in one canonical form: the same tensors in the same order and the same metadata give the
 * same bytes, whatever the order in which the metadata was set.
 *
 * <p>The metadata comes first, sorted by key (by UTF-16 code units); then the tensors by descending element size, and
 * those of one size in the order in which they were added. With the header padded to a multiple of 8 bytes this aligns
 * every tensor of whole-byte elements to its element size, as the reference implementation does and as readers that map
 * the file need. The header has no other white space.
 *
 * <p>Arrays are not copied, but read while writing: they must not change before {@link #writeTo} has returned. The bits
 * of NaNs are kept. Not safe for use by several threads at once.
 */
public final class SafeTensorsWriter {
    // A multiple of every whole element size, so that no element is split between two chunks.
    private static final int CHUNK_BYTES = 1 << 16;
    private static final int ALIGNMENT = 8;

    private final SortedMap<String, String> metadata = new TreeMap<>();
    private final Map<String, Entry> entries = new LinkedHashMap<>();

    /** Creates a writer of a file with no tensors and no metadata. */
    public SafeTensorsWriter() {}

    /**
     * Sets a metadata entry, in place of one with the same key.
     *
     * @param key the key
     * @param value the value
     * @return this writer
     * @throws IllegalArgumentException if the key or the value has a surrogate without its pair, which UTF-8 cannot
     *     hold
     */
    public SafeTensorsWriter metadata(String key, String value) {
        metadata.put(requireEncodable("key", key), requireEncodable("value", value));
        return this;
    }

    /**
     * Adds a tensor of dtype F32.
     *
     * @param name its name, one that no other tensor has and not {@code __metadata__}
     * @param shape the length of each dimension, outermost first, each at least 0; empty for a scalar
     * @param data holds the elements in C order; as many as the product of the dimensions are written
     * @param offset index in {@code data} of the first element, 0 to {@code data.length} less the element count
     * @return this writer
     * @throws IllegalArgumentException if the name is taken or cannot be written, a dimension is negative, or the data
     *     does not hold as many elements
     */
    public SafeTensorsWriter floats(String name, List<Long> shape, float[] data, int offset) {
        return add(
                name,
                Dtype.F32,
                shape,
                Float.BYTES,
                Objects.requireNonNull(data, "data").length,
                offset,
                (first, chunk) -> chunk.asFloatBuffer()
                        .put(data, offset + Math.toIntExact(first / Float.BYTES), chunk.remaining() / Float.BYTES));
    }

    /**
     * Adds a tensor of dtype F64.
     *
     * @param name its name, one that no other tensor has and not {@code __metadata__}
     * @param shape the length of each dimension, outermost first, each at least 0; empty for a scalar
     * @param data holds the elements in C order; as many as the product of the dimensions are written
     * @param offset index in {@code data} of the first element, 0 to {@code data.length} less the element count
     * @return this writer
     * @throws IllegalArgumentException if the name is taken or cannot be written, a dimension is negative, or the data
     *     does not hold as many elements
     */
    public SafeTensorsWriter doubles(String name, List<Long> shape, double[] data, int offset) {
        return add(
                name,
                Dtype.F64,
                shape,
                Double.BYTES,
                Objects.requireNonNull(data, "data").length,
                offset,
                (first, chunk) -> chunk.asDoubleBuffer()
                        .put(data, offset + Math.toIntExact(first / Double.BYTES), chunk.remaining() / Double.BYTES));
    }

    /**
     * Adds a tensor of any dtype from its bytes as they are to be in the file: little-endian, in C order.
     *
     * @param name its name, one that no other tensor has and not {@code __metadata__}
     * @param dtype the elements' type
     * @param shape the length of each dimension, outermost first, each at least 0; empty for a scalar
     * @param data holds the bytes; as many as shape and dtype take are written
     * @param offset index in {@code data} of the first byte, 0 to {@code data.length} less the length in bytes
     * @return this writer
     * @throws IllegalArgumentException if the name is taken or cannot be written, a dimension is negative, the shape
     *     takes no whole number of bytes, or the data does not hold as many
     */
    public SafeTensorsWriter bytes(String name, Dtype dtype, List<Long> shape, byte[] data, int offset) {
        return add(
                name,
                dtype,
                shape,
                Byte.BYTES,
                Objects.requireNonNull(data, "data").length,
                offset,
                (first, chunk) -> chunk.duplicate().put(data, offset + Math.toIntExact(first), chunk.remaining()));
    }

    /**
     * The length of the file.
     *
     * @return how many bytes {@link #writeTo} writes, at least 16
     * @throws IllegalStateException if the header is longer than the 100 000 000 bytes that readers accept
     */
    public long size() {
        List<Entry> ordered = inDataOrder();
        long size = (long) Header.LENGTH_BYTES + header(ordered).length;
        for (Entry entry : ordered) {
            size += entry.byteLength();
        }
        return size;
    }

    /**
     * Writes the file, from the channel's position on. What the channel has taken is undefined after an exception from
     * it. The writer can write the same file again, or more tensors can be added.
     *
     * @param channel takes the bytes, as many at a time as it likes; must be in blocking mode. It stays open
     * @throws IllegalStateException if the header is longer than the 100 000 000 bytes that readers accept; nothing has
     *     been written then
     * @throws IOException if the channel fails, or takes no bytes at all
     */
    public void writeTo(WritableByteChannel channel) throws IOException {
        Objects.requireNonNull(channel, "channel");
        List<Entry> ordered = inDataOrder();
        byte[] header = header(ordered);
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        writeFully(channel, chunk.putLong(header.length).flip());
        stream(
                channel,
                chunk,
                header.length,
                (first, target) -> target.duplicate().put(header, Math.toIntExact(first), target.remaining()));
        for (Entry entry : ordered) {
            stream(channel, chunk, entry.byteLength(), entry.source());
        }
    }

    private SafeTensorsWriter add(
            String name, Dtype dtype, List<Long> shape, int unitBytes, int length, int offset, Source source) {
        requireEncodable("name", name);
        if (name.equals(Header.METADATA_KEY) || entries.containsKey(name)) {
            throw new IllegalArgumentException("name is " + SafeTensorsException.quote(name)
                    + ", allowed is one that no tensor has yet, and not \"" + Header.METADATA_KEY + "\"");
        }
        Objects.requireNonNull(dtype, "dtype");
        List<Long> copy = Checks.copyOf("shape", shape);
        long bytes = TensorInfo.byteLength(name, dtype, copy);
        long count = bytes / unitBytes;
        if (count > length) {
            throw new IllegalArgumentException("data.length is " + length + ", allowed is " + count
                    + " or more for tensor " + SafeTensorsException.quote(name));
        }
        if (offset < 0 || offset > length - count) {
            throw new IllegalArgumentException("offset is " + offset + ", allowed is 0 to " + (length - count)
                    + " for tensor " + SafeTensorsException.quote(name) + " and data.length " + length);
        }
        entries.put(name, new Entry(name, dtype, copy, bytes, source));
        return this;
    }

    private List<Entry> inDataOrder() {
        List<Entry> ordered = new ArrayList<>(entries.values());
        ordered.sort(Comparator.comparingInt((Entry entry) -> entry.dtype().bitSize())
                .reversed());
        return ordered;
    }

    private byte[] header(List<Entry> ordered) {
        StringBuilder json = new StringBuilder("{");
        if (!metadata.isEmpty()) {
            appendString(json, Header.METADATA_KEY).append(":{");
            metadata.forEach((key, value) -> {
                appendString(json, key).append(':');
                appendString(json, value).append(',');
            });
            json.setCharAt(json.length() - 1, '}');
            json.append(',');
        }
        long begin = 0;
        for (Entry entry : ordered) {
            long end = Math.addExact(begin, entry.byteLength());
            appendString(json, entry.name()).append(":{\"dtype\":\"").append(entry.dtype());
            json.append("\",\"shape\":[");
            for (int i = 0; i < entry.shape().size(); i++) {
                json.append(i == 0 ? "" : ",").append(entry.shape().get(i));
            }
            json.append("],\"data_offsets\":[")
                    .append(begin)
                    .append(',')
                    .append(end)
                    .append("]},");
            begin = end;
        }
        if (json.length() == 1) {
            json.append('}');
        } else {
            json.setCharAt(json.length() - 1, '}');
        }
        byte[] compact = json.toString().getBytes(StandardCharsets.UTF_8);
        if (compact.length > Header.MAX_BYTES) {
            throw new IllegalStateException("the header has " + compact.length + " bytes, allowed is 2 to "
                    + Header.MAX_BYTES + ": fewer tensors, shorter names or less metadata");
        }
        // The limit is a multiple of the alignment, so padding does not pass it.
        byte[] header = Arrays.copyOf(compact, Math.ceilDiv(compact.length, ALIGNMENT) * ALIGNMENT);
        Arrays.fill(header, compact.length, header.length, (byte) ' ');
        return header;
    }

    /** Quotes a string with the shortest escapes, and only where JSON demands one. */
    private static StringBuilder appendString(StringBuilder json, String text) {
        json.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"', '\\' -> json.append('\\').append(c);
                case '\b' -> json.append("\\b");
                case '\f' -> json.append("\\f");
                case '\n' -> json.append("\\n");
                case '\r' -> json.append("\\r");
                case '\t' -> json.append("\\t");
                default -> {
                    if (c < 0x20) {
                        json.append("\\u00").append(HexFormat.of().toHexDigits((byte) c));
                    } else {
                        json.append(c);
                    }
                }
            }
        }
        return json.append('"');
    }

    private static void stream(WritableByteChannel channel, ByteBuffer chunk, long length, Source source)
            throws IOException {
        for (long first = 0; first < length; first += CHUNK_BYTES) {
            chunk.clear().limit((int) Math.min(CHUNK_BYTES, length - first));
            source.copy(first, chunk);
            writeFully(channel, chunk);
        }
    }

    private static void writeFully(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            // Without this a channel that is full, or not blocking, would be asked for ever.
            if (channel.write(bytes) <= 0) {
                throw new IOException("the channel took 0 of " + bytes.remaining()
                        + " bytes, allowed is 1 or more: it must be in blocking mode");
            }
        }
    }

    private static String requireEncodable(String argument, String text) {
        // An encoder refuses surrogates without their pair; String.getBytes would write '?' in their place.
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(Objects.requireNonNull(text, argument))) {
            throw new IllegalArgumentException(argument + " is " + SafeTensorsException.quote(text)
                    + ", allowed are strings without lone surrogates");
        }
        return text;
    }

    /**
     * A tensor to be written.
     *
     * @param byteLength the bytes that {@code shape} and {@code dtype} take
     */
    private record Entry(String name, Dtype dtype, List<Long> shape, long byteLength, Source source) {}

    /** Where a tensor's bytes come from. */
    @FunctionalInterface
    private interface Source {
        /** Fills the chunk, whose position stays, with the bytes from {@code firstByte} of the tensor on. */
        void copy(long firstByte, ByteBuffer chunk);
    }
}
