package io.github.lars4j.safetensors;

import io.github.lars4j.internal.Checks;
import io.github.lars4j.internal.FileErrors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A safetensors file that is open for reading.
 *
 * <pre>{@code
 * try (SafeTensorsFile file = SafeTensorsFile.open(Path.of("model.safetensors"))) {
 *     TensorInfo tensor = file.tensors().get("fc1.weight");
 *     float[] weights = new float[Math.toIntExact(tensor.elementCount())];
 *     file.readFloats("fc1.weight", weights, 0);
 * }
 * }</pre>
 *
 * <p>{@link #open} reads and checks the header only, so its time depends on the number of tensors and not on their
 * size. The read methods read data through a buffer of 64 KiB into the destination. Values are preserved to the bit,
 * including NaNs. {@link #mapFloats} does not read the data but maps it into memory, also for writing.
 *
 * <p>The file must not change while it is open. A read fails if the file has become too short; other changes are not
 * detected.
 *
 * <p>The message of every {@link IOException} names the file.
 *
 * <p>Safe for use by several threads, which can read at the same time. As with every {@link FileChannel}, interrupting
 * a thread that reads closes the file, and the read throws an {@link java.io.InterruptedIOException}.
 */
public final class SafeTensorsFile implements AutoCloseable {
    // A multiple of every whole element size, so that no element is split between two chunks.
    private static final int CHUNK_BYTES = 1 << 16;
    private static final int MIN_HEADER_BYTES = 2;
    private static final ValueLayout.OfFloat LITTLE_ENDIAN_FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final String description;
    private final FileChannel channel;
    private final long size;
    private final long dataStart;
    private final Header header;

    private SafeTensorsFile(String description, FileChannel channel) throws IOException {
        this.description = description;
        this.channel = channel;
        this.size = size(description, channel);
        int headerLength = readHeaderLength();
        this.dataStart = (long) Header.LENGTH_BYTES + headerLength;
        byte[] json = new byte[headerLength];
        ByteBuffer target = ByteBuffer.wrap(json);
        copyTo(Header.LENGTH_BYTES, dataStart, target::put);
        try {
            this.header = HeaderJson.parse(json).inDataOrder(size - dataStart);
        } catch (SafeTensorsException e) {
            throw new SafeTensorsException(description + ": " + e.getMessage(), e);
        }
    }

    /**
     * Opens a file and checks its header. It does not read any tensor.
     *
     * @param file the file
     * @return the open file, which the caller must close
     * @throws NullPointerException if {@code file} is {@code null}
     * @throws SafeTensorsException if the file is not a valid safetensors file. If it was written by PyTorch, NumPy or
     *     HDF5, the message contains Python code that converts it
     * @throws IOException if the file cannot be opened or read, or is not a regular file
     */
    public static SafeTensorsFile open(Path file) throws IOException {
        return open(Objects.requireNonNull(file, "file").toString(), FileErrors.openToRead(file));
    }

    /** Opens a channel, and closes it if that fails. */
    static SafeTensorsFile open(String description, FileChannel channel) throws IOException {
        try {
            return new SafeTensorsFile(description, channel);
        } catch (Throwable e) {
            try {
                channel.close();
            } catch (IOException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
    }

    /**
     * Maps a file into memory, for reading and writing, and returns its tensors of dtype F32, so that weights can be
     * trained in place. What is written to a segment is written to the file. The header is checked as by {@link #open};
     * the data are not read. Tensors of other dtypes are left out of the result. A file that is refused is not
     * mapped.
     *
     * <p>The mapping exists until the arena is closed. This method closes the file itself before it returns. The file
     * must not become shorter while it is mapped (Windows refuses to shorten, delete or replace it), and the disk must
     * not be full if the file has holes: an access to bytes that the disk does not have throws an {@link InternalError}
     * or, in compiled code, may end the JVM. Programs that read the file meanwhile may see old and new values.
     *
     * <p><b>This promises nothing about crashes.</b> The operating system writes the changed values to the disk at times
     * and in an order of its own. After a crash, the file may contain any mixture of old and new values, also within one
     * tensor. {@link MemorySegment#force} returns when the values of a segment are on the disk, but a crash before it
     * returns leaves a mixture too. To be able to continue after a crash, save a {@link io.github.lars4j.Checkpoint} to
     * another file.
     *
     * <p>Do not train a checkpoint in place: its checksum would then be wrong, and {@code Checkpoint} would refuse to
     * restore from it. Write the weights to a file of their own with {@link SafeTensorsWriter}, and map that.
     *
     * @param file the file, which must be writable
     * @param arena the arena of the segments; it determines how long the file is mapped, and which threads can access
     *     the segments
     * @return the tensors of dtype F32 by name, in the order of their data, unmodifiable; empty if there are none. Each
     *     segment has exactly the length of its tensor, is aligned to 4 bytes and holds the elements in C order, in the
     *     machine's byte order
     * @throws NullPointerException if an argument is {@code null}
     * @throws UnsupportedOperationException if the machine is big-endian, because the file is little-endian, or if the
     *     file system of {@code file} cannot map files
     * @throws IllegalStateException if the arena is closed
     * @throws IllegalArgumentException if the arena is confined to another thread
     * @throws SafeTensorsException if the file is not a valid safetensors file, or if a tensor of dtype F32 does not
     *     begin at a multiple of 4 bytes in it; a file that {@link SafeTensorsWriter} writes is aligned
     * @throws IOException if the file cannot be opened for reading and writing, is not a regular file, or cannot be
     *     mapped
     */
    public static Map<String, MemorySegment> mapFloats(Path file, Arena arena) throws IOException {
        return mapFloats(file, arena, ByteOrder.nativeOrder());
    }

    /** Maps a file on a machine of the given byte order. */
    static Map<String, MemorySegment> mapFloats(Path file, Arena arena, ByteOrder machine) throws IOException {
        Objects.requireNonNull(file, "file");
        Objects.requireNonNull(arena, "arena");
        if (machine != ByteOrder.LITTLE_ENDIAN) {
            throw new UnsupportedOperationException(file + ": cannot be mapped: the machine is " + machine
                    + "; it must be LITTLE_ENDIAN, as the file is. Read the file with readFloats instead");
        }
        if (!arena.scope().isAlive()) {
            throw new IllegalStateException("arena is closed");
        }
        try (SafeTensorsFile open = open(file.toString(), FileErrors.openToReadAndWrite(file))) {
            return open.mapFloats(arena);
        }
    }

    /** Maps this file, which must be open for reading and writing. */
    Map<String, MemorySegment> mapFloats(Arena arena) throws IOException {
        List<TensorInfo> floats = tensors().values().stream()
                .filter(tensor -> tensor.dtype() == Dtype.F32)
                .toList();
        for (TensorInfo tensor : floats) {
            long begin = dataStart + tensor.begin();
            if (begin % Float.BYTES != 0) {
                throw new SafeTensorsException(description + ": tensor " + SafeTensorsException.quote(tensor.name())
                        + " begins at byte " + begin + "; it must begin at a multiple of " + Float.BYTES
                        + " to be mapped: write the file again with SafeTensorsWriter, which aligns it");
            }
        }
        MemorySegment whole;
        try {
            whole = channel.map(FileChannel.MapMode.READ_WRITE, 0, size, arena);
        } catch (IOException e) {
            throw FileErrors.of(description, "cannot be mapped", e);
        } catch (UnsupportedOperationException e) {
            throw new UnsupportedOperationException(
                    description + ": cannot be mapped: its file system maps no files. Read the file with readFloats"
                            + " instead",
                    e);
        } catch (WrongThreadException e) {
            throw new IllegalArgumentException("arena is confined to another thread", e);
        }
        Map<String, MemorySegment> byName = LinkedHashMap.newLinkedHashMap(floats.size());
        for (TensorInfo tensor : floats) {
            byName.put(tensor.name(), whole.asSlice(dataStart + tensor.begin(), tensor.byteLength()));
        }
        return Collections.unmodifiableMap(byName);
    }

    /**
     * Returns the metadata of the file.
     *
     * @return the strings under {@code __metadata__} in the order of the header, unmodifiable; empty if there are none
     */
    public Map<String, String> metadata() {
        return header.metadata();
    }

    /**
     * Returns the descriptions of the tensors.
     *
     * @return the tensors by name, in the order of their data, unmodifiable
     */
    public Map<String, TensorInfo> tensors() {
        return header.tensors();
    }

    /**
     * Returns the size that the file had when it was opened.
     *
     * @return the size in bytes, including the header
     */
    public long size() {
        return size;
    }

    /**
     * Returns the position of the data section, which extends to the end of the file.
     *
     * @return the position of its first byte in the file, at least 10
     */
    public long dataStart() {
        return dataStart;
    }

    /**
     * Reads a whole tensor of dtype F32, F16 or BF16. A float represents all values of F16 and BF16 exactly.
     *
     * @param name the name of the tensor
     * @param destination receives the elements in C order; its content is undefined after an exception
     * @param offset the index in {@code destination} of the first element, 0 to {@code destination.length} minus the
     *     number of elements
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if there is no such tensor, its dtype is another, or it does not fit
     * @throws SafeTensorsException if the file has become shorter since it was opened
     * @throws IOException if reading fails
     */
    public void readFloats(String name, float[] destination, int offset) throws IOException {
        Objects.requireNonNull(destination, "destination");
        TensorInfo tensor = tensor(name, Dtype.F32, Dtype.F16, Dtype.BF16);
        int count = countThatFits(tensor, tensor.elementCount(), destination.length, offset);
        readFloats(tensor, 0, segment(destination, offset, count));
    }

    /**
     * Reads consecutive elements of a tensor of dtype F32, F16 or BF16; otherwise as {@link #readFloats(String,
     * float[], int)}.
     *
     * @param name the name of the tensor
     * @param first the index of the first element to read, in C order, 0 to the number of elements
     * @param destination receives the elements; its content is undefined after an exception
     * @param offset the index in {@code destination} of the first element, 0 to {@code destination.length - count}
     * @param count the number of elements to read, 0 to the number of elements minus {@code first}
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if there is no such tensor, its dtype is another, or an argument is out of its
     *     range
     * @throws SafeTensorsException if the file has become shorter since it was opened
     * @throws IOException if reading fails
     */
    public void readFloats(String name, long first, float[] destination, int offset, int count) throws IOException {
        Objects.requireNonNull(destination, "destination");
        TensorInfo tensor = tensor(name, Dtype.F32, Dtype.F16, Dtype.BF16);
        checkRange(tensor, first, count);
        countThatFits(tensor, count, destination.length, offset);
        readFloats(tensor, first, segment(destination, offset, count));
    }

    /**
     * Reads consecutive elements of a tensor of dtype F32, F16 or BF16 into a memory segment, on the heap or outside it,
     * with any number of elements. A float represents all values of F16 and BF16 exactly.
     *
     * @param name the name of the tensor
     * @param first the index of the first element to read, in C order, 0 to the number of elements
     * @param destination receives {@code destination.byteSize() / 4} elements as floats, in the machine's byte order
     *     ({@link ByteOrder#nativeOrder}). Its address need not be aligned. Its content is undefined after an exception
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if there is no such tensor, its dtype is another, {@code first} is out of its
     *     range, or {@code destination} is read-only, is confined to another thread, or has a size that is not a
     *     multiple of 4 bytes or exceeds the elements from {@code first} on
     * @throws IllegalStateException if the arena of {@code destination} is closed, before or during the call
     * @throws SafeTensorsException if the file has become shorter since it was opened
     * @throws IOException if reading fails
     */
    public void readFloats(String name, long first, MemorySegment destination) throws IOException {
        TensorInfo tensor = tensor(name, Dtype.F32, Dtype.F16, Dtype.BF16);
        Checks.accessible("destination", destination);
        if (destination.isReadOnly()) {
            throw new IllegalArgumentException("destination is read-only; it must be writable");
        }
        long most = elementsFrom(tensor, first);
        long bytes = destination.byteSize();
        if (bytes % Float.BYTES != 0 || bytes / Float.BYTES > most) {
            throw new IllegalArgumentException("destination.byteSize() is " + bytes + "; it must be " + Float.BYTES
                    + " times a number of elements in [0, " + most + "] for tensor "
                    + SafeTensorsException.quote(name) + " and first " + first);
        }
        readFloats(tensor, first, destination);
    }

    private static MemorySegment segment(float[] array, int offset, int count) {
        return MemorySegment.ofArray(array).asSlice((long) offset * Float.BYTES, (long) count * Float.BYTES);
    }

    private void readFloats(TensorInfo tensor, long first, MemorySegment destination) throws IOException {
        int bytes = tensor.dtype().bitSize() / Byte.SIZE;
        long count = destination.byteSize() / Float.BYTES;
        long begin = dataStart + tensor.begin() + first * bytes;
        // Empty for F32. A loop over an array and then one copy is faster than a loop over a segment.
        float[] widened = new float[bytes == Float.BYTES ? 0 : (int) Math.min(CHUNK_BYTES / bytes, count)];
        forEachChunk(begin, begin + count * bytes, (at, chunk) -> {
            int elements = chunk.remaining() / bytes;
            MemorySegment source = MemorySegment.ofArray(widened);
            ValueLayout.OfFloat order = ValueLayout.JAVA_FLOAT_UNALIGNED;
            switch (tensor.dtype()) {
                case F16 -> widenHalves(chunk, elements, widened);
                case BF16 -> widenBrains(chunk, elements, widened);
                default -> {
                    source = MemorySegment.ofBuffer(chunk);
                    order = LITTLE_ENDIAN_FLOAT;
                }
            }
            long to = (at - begin) / bytes * Float.BYTES;
            MemorySegment.copy(source, order, 0, destination, ValueLayout.JAVA_FLOAT_UNALIGNED, to, elements);
        });
    }

    private static void widenHalves(ByteBuffer chunk, int elements, float[] widened) {
        for (int i = 0; i < elements; i++) {
            widened[i] = Float.float16ToFloat(chunk.getShort(Short.BYTES * i));
        }
    }

    private static void widenBrains(ByteBuffer chunk, int elements, float[] widened) {
        for (int i = 0; i < elements; i++) {
            widened[i] = Float.intBitsToFloat(chunk.getShort(Short.BYTES * i) << Short.SIZE);
        }
    }

    /**
     * Reads a whole tensor of dtype F64.
     *
     * @param name the name of the tensor
     * @param destination receives the elements in C order; its content is undefined after an exception
     * @param offset the index in {@code destination} of the first element, 0 to {@code destination.length} minus the
     *     number of elements
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if there is no such tensor, its dtype is another, or it does not fit
     * @throws SafeTensorsException if the file has become shorter since it was opened
     * @throws IOException if reading fails
     */
    public void readDoubles(String name, double[] destination, int offset) throws IOException {
        Objects.requireNonNull(destination, "destination");
        TensorInfo tensor = tensor(name, Dtype.F64);
        int count = countThatFits(tensor, tensor.elementCount(), destination.length, offset);
        readDoubles(tensor, 0, DoubleBuffer.wrap(destination, offset, count));
    }

    /**
     * Reads consecutive elements of a tensor of dtype F64.
     *
     * @param name the name of the tensor
     * @param first the index of the first element to read, in C order, 0 to the number of elements
     * @param destination receives the elements; its content is undefined after an exception
     * @param offset the index in {@code destination} of the first element, 0 to {@code destination.length - count}
     * @param count the number of elements to read, 0 to the number of elements minus {@code first}
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if there is no such tensor, its dtype is another, or an argument is out of its
     *     range
     * @throws SafeTensorsException if the file has become shorter since it was opened
     * @throws IOException if reading fails
     */
    public void readDoubles(String name, long first, double[] destination, int offset, int count) throws IOException {
        Objects.requireNonNull(destination, "destination");
        TensorInfo tensor = tensor(name, Dtype.F64);
        checkRange(tensor, first, count);
        countThatFits(tensor, count, destination.length, offset);
        readDoubles(tensor, first, DoubleBuffer.wrap(destination, offset, count));
    }

    private void readDoubles(TensorInfo tensor, long first, DoubleBuffer destination) throws IOException {
        long begin = dataStart + tensor.begin() + first * Double.BYTES;
        copyTo(
                begin,
                begin + (long) destination.remaining() * Double.BYTES,
                chunk -> destination.put(chunk.asDoubleBuffer()));
    }

    /**
     * Reads the bytes of a whole tensor of any dtype. They are little-endian, as in the file. Values of dtype BOOL are
     * not checked to be 0 or 1.
     *
     * @param name the name of the tensor
     * @param destination receives the bytes; its content is undefined after an exception
     * @param offset the index in {@code destination} of the first byte, 0 to {@code destination.length} minus the
     *     length of the tensor in bytes
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if there is no such tensor or it does not fit
     * @throws SafeTensorsException if the file has become shorter since it was opened
     * @throws IOException if reading fails
     */
    public void readBytes(String name, byte[] destination, int offset) throws IOException {
        Objects.requireNonNull(destination, "destination");
        TensorInfo tensor = tensor(name);
        int count = countThatFits(tensor, tensor.byteLength(), destination.length, offset);
        ByteBuffer target = ByteBuffer.wrap(destination, offset, count);
        copyTo(dataStart + tensor.begin(), dataStart + tensor.end(), target::put);
    }

    /**
     * Passes all bytes of the data section to a sink, in order.
     *
     * @param sink receives the bytes
     * @throws NullPointerException if {@code sink} is {@code null}
     * @throws SafeTensorsException if the file has become shorter since it was opened
     * @throws IOException if reading fails or the sink throws it
     */
    public void copyDataTo(ByteSink sink) throws IOException {
        copyTo(dataStart, size, sink);
    }

    /**
     * Passes the bytes of a part of the file to a sink, in order. The range from 0 to {@link #size()} is the whole
     * file, including the header.
     *
     * @param begin the position of the first byte in the file, 0 to {@code end}
     * @param end the position after the last byte, {@code begin} to {@link #size()}
     * @param sink receives the bytes
     * @throws NullPointerException if {@code sink} is {@code null}
     * @throws IllegalArgumentException if {@code begin} or {@code end} is out of its range
     * @throws SafeTensorsException if the file has become shorter since it was opened
     * @throws IOException if reading fails or the sink throws it
     */
    public void copyTo(long begin, long end, ByteSink sink) throws IOException {
        Objects.requireNonNull(sink, "sink");
        if (begin < 0 || begin > end || end > size) {
            throw new IllegalArgumentException(
                    "begin is " + begin + " and end is " + end + "; they must satisfy 0 <= begin <= end <= " + size);
        }
        forEachChunk(begin, end, (at, chunk) -> sink.accept(chunk));
    }

    private void forEachChunk(long begin, long end, ChunkSink sink) throws IOException {
        // Each call has its own buffer, so that threads can read at the same time.
        ByteBuffer chunk = ByteBuffer.allocate((int) Math.min(CHUNK_BYTES, end - begin));
        for (long at = begin; at < end; at += CHUNK_BYTES) {
            chunk.clear().limit((int) Math.min(CHUNK_BYTES, end - at));
            readFully(chunk, at);
            sink.accept(at, chunk.flip().order(ByteOrder.LITTLE_ENDIAN));
        }
    }

    /** Receives the bytes of a part of the file, each chunk with its position in the file. */
    @FunctionalInterface
    private interface ChunkSink {
        void accept(long at, ByteBuffer chunk) throws IOException;
    }

    /** Closes the file. Later reads fail. Closing it again does nothing. */
    @Override
    public void close() throws IOException {
        channel.close();
    }

    private static long size(String description, FileChannel channel) throws IOException {
        try {
            return channel.size();
        } catch (IOException e) {
            throw FileErrors.of(description, "cannot be read", e);
        }
    }

    private int readHeaderLength() throws IOException {
        if (size < Header.LENGTH_BYTES + MIN_HEADER_BYTES) {
            throw new SafeTensorsException(description + ": the file has " + size + " bytes; it must have "
                    + (Header.LENGTH_BYTES + MIN_HEADER_BYTES) + " or more");
        }
        ByteBuffer bytes = ByteBuffer.allocate(Header.LENGTH_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        readFully(bytes, 0);
        long length = bytes.getLong(0);
        // Checked before a buffer of this length is allocated. A length of 2^63 or more is negative here.
        long max = Math.min(Header.MAX_BYTES, size - Header.LENGTH_BYTES);
        if (length < MIN_HEADER_BYTES || length > Header.MAX_BYTES) {
            // The first bytes of the other known formats are out of range as a header length.
            ByteBuffer first = ByteBuffer.allocate((int) Math.min(ForeignFormat.BYTES, size));
            readFully(first, 0);
            String foreign = ForeignFormat.describe(first.array());
            if (foreign != null) {
                throw new SafeTensorsException(description + ": " + foreign);
            }
        }
        if (length < MIN_HEADER_BYTES || length > max) {
            throw new SafeTensorsException(description + ": the header length at byte 0 is "
                    + Long.toUnsignedString(length) + "; it must be in [" + MIN_HEADER_BYTES + ", " + max
                    + "] in a file of " + size + " bytes");
        }
        return (int) length;
    }

    private void readFully(ByteBuffer buffer, long position) throws IOException {
        long at = position;
        while (buffer.hasRemaining()) {
            int count;
            try {
                count = channel.read(buffer, at);
            } catch (IOException e) {
                throw FileErrors.of(description, "cannot be read at byte " + at, e);
            }
            if (count <= 0) {
                throw new SafeTensorsException(description + ": the file ends at byte " + at + "; it had " + size
                        + " bytes when it was opened");
            }
            at += count;
        }
    }

    private TensorInfo tensor(String name) {
        TensorInfo tensor = tensors().get(Objects.requireNonNull(name, "name"));
        if (tensor == null) {
            throw new IllegalArgumentException("name is " + SafeTensorsException.quote(name)
                    + "; it must be the name of one of the file's " + tensors().size() + " tensors");
        }
        return tensor;
    }

    private TensorInfo tensor(String name, Dtype... allowed) {
        TensorInfo tensor = tensor(name);
        if (!List.of(allowed).contains(tensor.dtype())) {
            throw new IllegalArgumentException("name is " + SafeTensorsException.quote(name) + ", a tensor of dtype "
                    + tensor.dtype() + "; its dtype must be one of " + List.of(allowed));
        }
        return tensor;
    }

    private static void checkRange(TensorInfo tensor, long first, int count) {
        long most = elementsFrom(tensor, first);
        if (count < 0 || count > most) {
            throw new IllegalArgumentException("count is " + count + "; it must be in [0, " + most + "] for tensor "
                    + SafeTensorsException.quote(tensor.name()) + " and first " + first);
        }
    }

    /** Checks the index of the first element, and returns the number of elements from it on. */
    private static long elementsFrom(TensorInfo tensor, long first) {
        long elements = tensor.elementCount();
        if (first < 0 || first > elements) {
            throw new IllegalArgumentException("first is " + first + "; it must be in [0, " + elements + "] for tensor "
                    + SafeTensorsException.quote(tensor.name()));
        }
        return elements - first;
    }

    private static int countThatFits(TensorInfo tensor, long count, int length, int offset) {
        if (count > length) {
            throw new IllegalArgumentException("destination.length is " + length + "; it must be " + count
                    + " or more for tensor " + SafeTensorsException.quote(tensor.name()));
        }
        if (offset < 0 || offset > length - count) {
            throw new IllegalArgumentException("offset is " + offset + "; it must be in [0, " + (length - count)
                    + "] for tensor " + SafeTensorsException.quote(tensor.name()) + " and destination.length "
                    + length);
        }
        return (int) count;
    }
}
