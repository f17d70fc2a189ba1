package io.github.lars4j.safetensors;

import io.github.lars4j.internal.FileErrors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A safetensors file open for reading. Opening reads and checks the header alone, so its cost depends on the number of
 * tensors and not on their size; data is read when asked for, through a buffer of 64 KiB, and needs no memory but the
 * destination.
 *
 * <p>The bytes of a tensor are read as they are: the bits of NaNs are kept. The file must not change while it is open:
 * that it has become shorter is noticed where bytes are missing, that it was overwritten is not.
 *
 * <p>Safe for use by several threads at once, which may read at the same time. As with every {@link FileChannel},
 * interrupting a thread that reads closes the file; the read throws an {@link java.io.InterruptedIOException} then. The message of every {@link IOException} names the file.
 */
public final class SafeTensorsFile implements AutoCloseable {
    // A multiple of every whole element size, so that no element is split between two chunks.
    private static final int CHUNK_BYTES = 1 << 16;
    private static final int MIN_HEADER_BYTES = 2;

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
     * Opens a file and checks its whole header, but reads none of its data.
     *
     * @param file the file
     * @return the open file, to be closed by the caller
     * @throws SafeTensorsException if the file is not a valid safetensors file. Of one that PyTorch, NumPy or HDF5
     *     wrote the message says so, and which lines of Python convert it
     * @throws IOException if the file cannot be opened or read, or is not a regular file
     */
    public static SafeTensorsFile open(Path file) throws IOException {
        return open(Objects.requireNonNull(file, "file").toString(), FileErrors.openToRead(file));
    }

    /** Takes over the channel: closes it if the file is refused. */
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
     * The file's free-form metadata.
     *
     * @return the strings under {@code __metadata__} in the header's order, unmodifiable; empty if there are none
     */
    public Map<String, String> metadata() {
        return header.metadata();
    }

    /**
     * The file's tensors.
     *
     * @return the tensors by name in the order of their data, unmodifiable
     */
    public Map<String, TensorInfo> tensors() {
        return header.tensors();
    }

    /**
     * The size of the file when it was opened.
     *
     * @return bytes, the header and its length included
     */
    public long size() {
        return size;
    }

    /**
     * Where the data section begins.
     *
     * @return the position of its first byte in the file, at least 10; it ends where the file ends
     */
    public long dataStart() {
        return dataStart;
    }

    /**
     * Reads a whole tensor of dtype F32, F16 or BF16. A float holds every number of the two narrower types exactly.
     *
     * @param name the tensor's name
     * @param destination takes the elements in C order; what it holds is undefined after an exception
     * @param offset index in {@code destination} of the first element, 0 to {@code destination.length} less the
     *     tensor's element count
     * @throws IllegalArgumentException if there is no such tensor, its dtype is another, or it does not fit
     * @throws SafeTensorsException if the file has become shorter since it was opened
     * @throws IOException if reading fails
     */
    public void readFloats(String name, float[] destination, int offset) throws IOException {
        Objects.requireNonNull(destination, "destination");
        TensorInfo tensor = tensor(name, Dtype.F32, Dtype.F16, Dtype.BF16);
        int count = countThatFits(tensor, tensor.elementCount(), destination.length, offset);
        readFloats(tensor, 0, FloatBuffer.wrap(destination, offset, count));
    }

    /**
     * Reads consecutive elements of a tensor of dtype F32, F16 or BF16; otherwise as {@link #readFloats(String,
     * float[], int)}.
     *
     * @param name the tensor's name
     * @param first index in the tensor, flat and in C order, of the first element to read, 0 to its element count
     * @param destination takes the elements; what it holds is undefined after an exception
     * @param offset index in {@code destination} of the first element, 0 to {@code destination.length - count}
     * @param count how many elements to read, 0 to the tensor's element count less {@code first}
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
        readFloats(tensor, first, FloatBuffer.wrap(destination, offset, count));
    }

    private void readFloats(TensorInfo tensor, long first, FloatBuffer destination) throws IOException {
        int bytes = tensor.dtype().bitSize() / Byte.SIZE;
        long begin = dataStart + tensor.begin() + first * bytes;
        copyTo(begin, begin + (long) destination.remaining() * bytes, chunk -> {
            switch (tensor.dtype()) {
                case F16 -> widen(chunk.asShortBuffer(), destination, Float::float16ToFloat);
                case BF16 -> widen(chunk.asShortBuffer(), destination, bits -> Float.intBitsToFloat(bits << 16));
                default -> destination.put(chunk.asFloatBuffer());
            }
        });
    }

    private static void widen(ShortBuffer source, FloatBuffer destination, Widening widening) {
        while (source.hasRemaining()) {
            destination.put(widening.widened(source.get()));
        }
    }

    /** Makes a float of the bits of a narrower number. */
    @FunctionalInterface
    private interface Widening {
        float widened(short bits);
    }

    /**
     * Reads a whole tensor of dtype F64.
     *
     * @param name the tensor's name
     * @param destination takes the elements in C order; what it holds is undefined after an exception
     * @param offset index in {@code destination} of the first element, 0 to {@code destination.length} less the
     *     tensor's element count
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
     * @param name the tensor's name
     * @param first index in the tensor, flat and in C order, of the first element to read, 0 to its element count
     * @param destination takes the elements; what it holds is undefined after an exception
     * @param offset index in {@code destination} of the first element, 0 to {@code destination.length - count}
     * @param count how many elements to read, 0 to the tensor's element count less {@code first}
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
     * Reads the bytes of a whole tensor as they are in the file: little-endian, and of any dtype. For a dtype of one
     * byte (BOOL, U8, I8) they are the elements; that a BOOL is 0 or 1 is not checked.
     *
     * @param name the tensor's name
     * @param destination takes the bytes; what it holds is undefined after an exception
     * @param offset index in {@code destination} of the first byte, 0 to {@code destination.length} less the tensor's
     *     length in bytes
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
     * Hands on all bytes of the data section, in order.
     *
     * @param sink takes the bytes
     * @throws SafeTensorsException if the file has become shorter since it was opened
     * @throws IOException if reading fails, or the sink does
     */
    public void copyDataTo(ByteSink sink) throws IOException {
        copyTo(dataStart, size, sink);
    }

    /**
     * Hands on the bytes of a part of the file, in order. From 0 to {@link #size()} is the whole file, with the header
     * and its length.
     *
     * @param begin position of the first byte in the file, 0 to {@code end}
     * @param end position after the last byte, {@code begin} to {@link #size()}
     * @param sink takes the bytes
     * @throws IllegalArgumentException if {@code begin} or {@code end} is out of its range
     * @throws SafeTensorsException if the file has become shorter since it was opened
     * @throws IOException if reading fails, or the sink does
     */
    public void copyTo(long begin, long end, ByteSink sink) throws IOException {
        Objects.requireNonNull(sink, "sink");
        if (begin < 0 || begin > end || end > size) {
            throw new IllegalArgumentException(
                    "begin is " + begin + " and end is " + end + ", allowed is 0 <= begin <= end <= " + size);
        }
        // One buffer for each call, rather than one for the file, lets threads read at the same time.
        ByteBuffer chunk = ByteBuffer.allocate((int) Math.min(CHUNK_BYTES, end - begin));
        for (long at = begin; at < end; at += CHUNK_BYTES) {
            chunk.clear().limit((int) Math.min(CHUNK_BYTES, end - at));
            readFully(chunk, at);
            sink.accept(chunk.flip().order(ByteOrder.LITTLE_ENDIAN));
        }
    }

    /** Closes the file; a read after that fails. Closing twice does nothing. */
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
            throw new SafeTensorsException(description + ": the file has " + size + " bytes, allowed is "
                    + (Header.LENGTH_BYTES + MIN_HEADER_BYTES) + " or more");
        }
        ByteBuffer bytes = ByteBuffer.allocate(Header.LENGTH_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        readFully(bytes, 0);
        long length = bytes.getLong(0);
        // Before anything of this length is allocated. A length from 2^63 up is negative here.
        long max = Math.min(Header.MAX_BYTES, size - Header.LENGTH_BYTES);
        if (length < MIN_HEADER_BYTES || length > Header.MAX_BYTES) {
            // The first bytes of other formats are no length that a header may have.
            ByteBuffer first = ByteBuffer.allocate((int) Math.min(ForeignFormat.BYTES, size));
            readFully(first, 0);
            String foreign = ForeignFormat.describe(first.array());
            if (foreign != null) {
                throw new SafeTensorsException(description + ": " + foreign);
            }
        }
        if (length < MIN_HEADER_BYTES || length > max) {
            throw new SafeTensorsException(description + ": the header length at byte 0 is "
                    + Long.toUnsignedString(length) + ", allowed is " + MIN_HEADER_BYTES + " to " + max
                    + " in a file of " + size + " bytes");
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
                throw new SafeTensorsException(description + ": the file ends at byte " + at + ", it had " + size
                        + " bytes when it was opened");
            }
            at += count;
        }
    }

    private TensorInfo tensor(String name) {
        TensorInfo tensor = tensors().get(Objects.requireNonNull(name, "name"));
        if (tensor == null) {
            throw new IllegalArgumentException("name is " + SafeTensorsException.quote(name)
                    + ", allowed are the names of the file's " + tensors().size() + " tensors");
        }
        return tensor;
    }

    private TensorInfo tensor(String name, Dtype... allowed) {
        TensorInfo tensor = tensor(name);
        if (!List.of(allowed).contains(tensor.dtype())) {
            throw new IllegalArgumentException("name is " + SafeTensorsException.quote(name) + ", a tensor of dtype "
                    + tensor.dtype() + ", allowed are " + List.of(allowed));
        }
        return tensor;
    }

    private static void checkRange(TensorInfo tensor, long first, int count) {
        long elements = tensor.elementCount();
        if (first < 0 || first > elements) {
            throw new IllegalArgumentException("first is " + first + ", allowed is 0 to " + elements
                    + ", the element count of tensor " + SafeTensorsException.quote(tensor.name()));
        }
        if (count < 0 || count > elements - first) {
            throw new IllegalArgumentException("count is " + count + ", allowed is 0 to " + (elements - first)
                    + ", the elements of tensor " + SafeTensorsException.quote(tensor.name()) + " from " + first
                    + " on");
        }
    }

    private static int countThatFits(TensorInfo tensor, long count, int length, int offset) {
        if (count > length) {
            throw new IllegalArgumentException("destination.length is " + length + ", allowed is " + count
                    + " or more for tensor " + SafeTensorsException.quote(tensor.name()));
        }
        if (offset < 0 || offset > length - count) {
            throw new IllegalArgumentException("offset is " + offset + ", allowed is 0 to " + (length - count)
                    + " for tensor " + SafeTensorsException.quote(tensor.name()) + " and destination.length "
                    + length);
        }
        return (int) count;
    }
}
