package io.github.lars4j.safetensors;

import io.github.lars4j.internal.Checks;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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
 * Writes safetensors files in a canonical form: the same tensors in the same order and the same metadata give the same
 * bytes. The order in which metadata is set does not matter.
 *
 * <pre>{@code
 * SafeTensorsWriter writer = new SafeTensorsWriter();
 * writer.metadata("format", "pt").floats("fc1.weight", List.of(512L, 784L), weights, 0);
 * try (FileChannel channel = FileChannel.open(file, CREATE, WRITE, TRUNCATE_EXISTING)) {
 *     writer.writeTo(channel);
 * }
 * }</pre>
 *
 * <p>The header contains the metadata first, sorted by key (by UTF-16 code units), and then the tensors, sorted by
 * descending element size; tensors with the same element size stay in the order in which they were added. The header is
 * padded with spaces to a multiple of 8 bytes and has no other white space. This aligns every tensor of whole-byte
 * elements to its element size, which readers that map the file need, and which the reference implementation does too.
 *
 * <p>Arrays and memory segments are not copied. They are read by {@link #writeTo} and must not change before it returns.
 * The bits of NaNs are preserved.
 *
 * <p>Not safe for use by several threads.
 */
public final class SafeTensorsWriter {
    // A multiple of every whole element size, so that no element is split between two chunks.
    private static final int CHUNK_BYTES = 1 << 16;
    private static final int ALIGNMENT = 8;

    private final SortedMap<String, String> metadata = new TreeMap<>();
    private final Map<String, Entry> entries = new LinkedHashMap<>();

    /** Creates a writer without tensors and metadata. */
    public SafeTensorsWriter() {}

    /**
     * Sets a metadata entry. It replaces an entry with the same key.
     *
     * @param key the key
     * @param value the value
     * @return this writer
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if the key or the value contains an unpaired surrogate, which UTF-8 cannot
     *     encode
     */
    public SafeTensorsWriter metadata(String key, String value) {
        metadata.put(requireEncodable("key", key), requireEncodable("value", value));
        return this;
    }

    /**
     * Adds a tensor of dtype F32.
     *
     * @param name the name, unique in the file and not {@code __metadata__}
     * @param shape the dimensions, outermost first, each 0 or more; empty for a scalar
     * @param data the array that contains the elements in C order
     * @param offset the index in {@code data} of the first element, 0 to {@code data.length} minus the number of
     *     elements
     * @return this writer
     * @throws NullPointerException if an argument or a dimension is {@code null}
     * @throws IllegalArgumentException if the name is in use or contains an unpaired surrogate, if a dimension is
     *     negative, or if {@code data} is too short
     */
    public SafeTensorsWriter floats(String name, List<Long> shape, float[] data, int offset) {
        return addArray(
                checked(name, Dtype.F32, shape),
                ValueLayout.JAVA_INT_UNALIGNED,
                MemorySegment.ofArray(Objects.requireNonNull(data, "data")),
                offset);
    }

    /**
     * Adds a tensor of dtype F32 from a memory segment, on the heap or outside it, with any number of elements. Its
     * address need not be aligned.
     *
     * @param name the name, unique in the file and not {@code __metadata__}
     * @param shape the dimensions, outermost first, each 0 or more; empty for a scalar
     * @param data the segment that begins with the elements in C order, in the machine's byte order
     *     ({@link ByteOrder#nativeOrder}); it may be longer. Its arena must stay open until {@link #writeTo} returns
     * @return this writer
     * @throws NullPointerException if an argument or a dimension is {@code null}
     * @throws IllegalArgumentException if the name is in use or contains an unpaired surrogate, if a dimension is
     *     negative, or if {@code data} is too short or confined to another thread
     * @throws IllegalStateException if the arena of {@code data} is closed
     */
    public SafeTensorsWriter floats(String name, List<Long> shape, MemorySegment data) {
        return elements(name, Dtype.F32, shape, data);
    }

    /**
     * Adds a tensor of dtype F32, F16 or BF16 from a memory segment; otherwise as {@link #floats(String, List,
     * MemorySegment)}.
     *
     * @param dtype the elements' type, F32, F16 or BF16
     * @throws IllegalArgumentException if {@code dtype} is another one; otherwise as {@link #floats(String, List,
     *     MemorySegment)}
     */
    public SafeTensorsWriter elements(String name, Dtype dtype, List<Long> shape, MemorySegment data) {
        TensorInfo tensor = checked(name, dtype, shape);
        ValueLayout unit = switch (dtype) {
            case F32 -> ValueLayout.JAVA_INT_UNALIGNED;
            case F16, BF16 -> ValueLayout.JAVA_SHORT_UNALIGNED;
            default -> throw new IllegalArgumentException("dtype is " + dtype + "; it must be F32, F16 or BF16");
        };
        Checks.accessible("data", data);
        if (data.byteSize() < tensor.byteLength()) {
            throw new IllegalArgumentException("data.byteSize() is " + data.byteSize() + "; it must be "
                    + tensor.byteLength() + " or more for tensor " + SafeTensorsException.quote(name));
        }
        return add(tensor, unit, data);
    }

    /**
     * Adds a tensor of dtype F64.
     *
     * @param name the name, unique in the file and not {@code __metadata__}
     * @param shape the dimensions, outermost first, each 0 or more; empty for a scalar
     * @param data the array that contains the elements in C order
     * @param offset the index in {@code data} of the first element, 0 to {@code data.length} minus the number of
     *     elements
     * @return this writer
     * @throws NullPointerException if an argument or a dimension is {@code null}
     * @throws IllegalArgumentException if the name is in use or contains an unpaired surrogate, if a dimension is
     *     negative, or if {@code data} is too short
     */
    public SafeTensorsWriter doubles(String name, List<Long> shape, double[] data, int offset) {
        return addArray(
                checked(name, Dtype.F64, shape),
                ValueLayout.JAVA_LONG_UNALIGNED,
                MemorySegment.ofArray(Objects.requireNonNull(data, "data")),
                offset);
    }

    /**
     * Adds a tensor of any dtype from its bytes: little-endian, in C order, as they will be in the file.
     *
     * @param name the name, unique in the file and not {@code __metadata__}
     * @param dtype the elements' type
     * @param shape the dimensions, outermost first, each 0 or more; empty for a scalar
     * @param data the array that contains the bytes of the tensor
     * @param offset the index in {@code data} of the first byte, 0 to {@code data.length} minus the length in bytes
     * @return this writer
     * @throws NullPointerException if an argument or a dimension is {@code null}
     * @throws IllegalArgumentException if the name is in use or contains an unpaired surrogate, if a dimension is
     *     negative, if the size of the tensor is not a whole number of bytes, or if {@code data} is too short
     */
    public SafeTensorsWriter bytes(String name, Dtype dtype, List<Long> shape, byte[] data, int offset) {
        return addArray(
                checked(name, dtype, shape),
                ValueLayout.JAVA_BYTE,
                MemorySegment.ofArray(Objects.requireNonNull(data, "data")),
                offset);
    }

    /**
     * Returns the size of the file.
     *
     * @return the number of bytes that {@link #writeTo} writes, at least 16
     * @throws IllegalStateException if the header is longer than 100,000,000 bytes, the maximum of the format
     */
    public long size() {
        List<Entry> ordered = inDataOrder();
        long size = (long) Header.LENGTH_BYTES + header(ordered).length;
        for (Entry entry : ordered) {
            size += entry.tensor().byteLength();
        }
        return size;
    }

    /**
     * Writes the file to a channel, from the channel's current position on. After an exception from the channel it is
     * undefined how much was written. The writer can be used again afterwards, also with more tensors.
     *
     * @param channel receives the bytes; must be in blocking mode. It stays open
     * @throws NullPointerException if {@code channel} is {@code null}
     * @throws IllegalStateException if the header is longer than 100,000,000 bytes, the maximum of the format, or if the
     *     arena of a memory segment has been closed since it was added; nothing has been written then. Also if such an
     *     arena is closed during the call; it is undefined how much was written then
     * @throws IllegalArgumentException if a memory segment is confined to another thread; nothing has been written then
     * @throws IOException if the channel fails, or a write to it writes no bytes
     */
    public void writeTo(WritableByteChannel channel) throws IOException {
        Objects.requireNonNull(channel, "channel");
        List<Entry> ordered = inDataOrder();
        byte[] header = header(ordered);
        for (Entry entry : ordered) {
            Checks.accessible(
                    "data of tensor "
                            + SafeTensorsException.quote(entry.tensor().name()),
                    entry.data());
        }
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        writeFully(channel, chunk.putLong(header.length).flip());
        stream(channel, chunk, ValueLayout.JAVA_BYTE, MemorySegment.ofArray(header), header.length);
        for (Entry entry : ordered) {
            stream(channel, chunk, entry.unit(), entry.data(), entry.tensor().byteLength());
        }
    }

    /** Checks everything about a tensor but its data. It begins at 0 until all tensors are known. */
    private TensorInfo checked(String name, Dtype dtype, List<Long> shape) {
        requireEncodable("name", name);
        if (name.equals(Header.METADATA_KEY) || entries.containsKey(name)) {
            throw new IllegalArgumentException("name is " + SafeTensorsException.quote(name)
                    + "; it must be a name that no other tensor has, and not \"" + Header.METADATA_KEY + "\"");
        }
        Objects.requireNonNull(dtype, "dtype");
        List<Long> copy = Checks.copyOf("shape", shape);
        return new TensorInfo(name, dtype, copy, 0, TensorInfo.byteLength(name, dtype, copy));
    }

    private SafeTensorsWriter addArray(TensorInfo tensor, ValueLayout unit, MemorySegment array, int offset) {
        long length = array.byteSize() / unit.byteSize();
        long count = tensor.byteLength() / unit.byteSize();
        if (count > length) {
            throw new IllegalArgumentException("data.length is " + length + "; it must be " + count
                    + " or more for tensor " + SafeTensorsException.quote(tensor.name()));
        }
        if (offset < 0 || offset > length - count) {
            throw new IllegalArgumentException("offset is " + offset + "; it must be in [0, " + (length - count)
                    + "] for tensor " + SafeTensorsException.quote(tensor.name()) + " and data.length " + length);
        }
        return add(tensor, unit, array.asSlice(offset * unit.byteSize()));
    }

    private SafeTensorsWriter add(TensorInfo tensor, ValueLayout unit, MemorySegment data) {
        entries.put(tensor.name(), new Entry(tensor, unit, data));
        return this;
    }

    private List<Entry> inDataOrder() {
        List<Entry> ordered = new ArrayList<>(entries.values());
        ordered.sort(
                Comparator.comparingInt((Entry entry) -> entry.tensor().dtype().bitSize())
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
            TensorInfo tensor = entry.tensor();
            long end = Math.addExact(begin, tensor.byteLength());
            appendString(json, tensor.name()).append(":{\"dtype\":\"").append(tensor.dtype());
            json.append("\",\"shape\":[");
            for (int i = 0; i < tensor.shape().size(); i++) {
                json.append(i == 0 ? "" : ",").append(tensor.shape().get(i));
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
            throw new IllegalStateException("the header has " + compact.length + " bytes; it must have at most "
                    + Header.MAX_BYTES + ": use fewer tensors, shorter names or less metadata");
        }
        // The limit is a multiple of the alignment, so padding cannot exceed it.
        byte[] header = Arrays.copyOf(compact, Math.ceilDiv(compact.length, ALIGNMENT) * ALIGNMENT);
        Arrays.fill(header, compact.length, header.length, (byte) ' ');
        return header;
    }

    /** Appends a string in quotes. Escapes only the characters that JSON requires, in the shortest form. */
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

    /** Writes the first bytes of a segment. Its units become little-endian. */
    private static void stream(
            WritableByteChannel channel, ByteBuffer chunk, ValueLayout unit, MemorySegment data, long length)
            throws IOException {
        MemorySegment target = MemorySegment.ofBuffer(chunk.clear());
        ValueLayout littleEndian = unit.withOrder(ByteOrder.LITTLE_ENDIAN);
        for (long first = 0; first < length; first += CHUNK_BYTES) {
            int bytes = (int) Math.min(CHUNK_BYTES, length - first);
            MemorySegment.copy(data, unit, first, target, littleEndian, 0, bytes / unit.byteSize());
            writeFully(channel, chunk.clear().limit(bytes));
        }
    }

    private static void writeFully(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            // Otherwise this would loop forever on a channel that is not in blocking mode.
            if (channel.write(bytes) <= 0) {
                throw new IOException("the channel took 0 of " + bytes.remaining()
                        + " bytes; it must take 1 or more, that is, be in blocking mode");
            }
        }
    }

    private static String requireEncodable(String argument, String text) {
        // An encoder refuses unpaired surrogates; String.getBytes would replace them by '?'.
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(Objects.requireNonNull(text, argument))) {
            throw new IllegalArgumentException(argument + " is " + SafeTensorsException.quote(text)
                    + "; it must not contain an unpaired surrogate");
        }
        return text;
    }

    /**
     * A tensor to write.
     *
     * @param tensor its description; its position is not known yet
     * @param unit the type whose byte order the data have
     * @param data a segment that begins with the elements
     */
    private record Entry(TensorInfo tensor, ValueLayout unit, MemorySegment data) {}
}
