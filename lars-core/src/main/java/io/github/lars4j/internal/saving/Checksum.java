package io.github.lars4j.internal.saving;

import io.github.lars4j.safetensors.Dtype;
import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.SafeTensorsWriter;
import io.github.lars4j.safetensors.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.zip.CRC32;

/**
 * The sums that a checkpoint ends with: a tensor of two CRC-32, little-endian, the first over the file's bytes up to
 * the data, the second over all bytes before this tensor. At the end, so that they need not be known before the data is
 * written, and nothing is summed that holds them; two, so that a header can be trusted without reading the data.
 *
 * <p>They are there for files that were torn, cut or have rotted, and see every flipped bit and every burst of up to
 * 32; against forgery no sum without a key would help. CRC-32, because Python's {@code zlib} has it.
 */
public final class Checksum {

    public static final String TENSOR = "lars4j.checksum";

    private static final int BYTES = 2 * Integer.BYTES;

    private Checksum() {}

    /**
     * Writes a file, and its sums.
     *
     * @param dataBytes the size of all tensors that the writer has
     */
    public static void write(SafeTensorsWriter writer, long dataBytes, WritableByteChannel channel) throws IOException {
        // The smallest of dtypes, which the writer puts last. The channel puts the sums in these bytes' place.
        writer.bytes(TENSOR, Dtype.U8, List.of((long) BYTES), new byte[BYTES], 0);
        long end = writer.size() - BYTES;
        Summing summing = new Summing(channel, end - dataBytes, end);
        writer.writeTo(summing);
        ByteBuffer sums = summing.sums();
        while (sums.hasRemaining()) {
            if (channel.write(sums) <= 0) {
                throw new IOException("the channel took 0 of " + sums.remaining() + " bytes");
            }
        }
    }

    /**
     * Checks the first sum, and so the header.
     *
     * @param path the file's, for messages
     * @throws SafeTensorsException if it is not there or does not agree
     */
    public static void verifyHeader(Path path, SafeTensorsFile file) throws IOException {
        verify(path, file, false);
    }

    /**
     * Checks both sums, and so the whole file.
     *
     * @param path the file's, for messages
     * @throws SafeTensorsException if they are not there or do not agree
     */
    public static void verifyAll(Path path, SafeTensorsFile file) throws IOException {
        verify(path, file, true);
    }

    private static void verify(Path path, SafeTensorsFile file, boolean all) throws IOException {
        TensorInfo tensor = file.tensors().get(TENSOR);
        if (tensor == null) {
            throw new SafeTensorsException(path + ": tensor \"" + TENSOR + "\" is missing: the file cannot be checked");
        }
        long end = file.size() - BYTES;
        if (tensor.dtype() != Dtype.U8
                || !tensor.shape().equals(List.of((long) BYTES))
                || file.dataStart() + tensor.begin() != end) {
            throw new SafeTensorsException(path + ": tensor \"" + TENSOR + "\" is " + tensor.dtype() + " of "
                    + tensor.byteLength() + " bytes at " + tensor.begin() + "; it must be U8 of " + BYTES
                    + " at the end");
        }
        byte[] bytes = new byte[BYTES];
        file.readBytes(TENSOR, bytes, 0);
        ByteBuffer stored = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        CRC32 sum = new CRC32();
        file.copyTo(0, file.dataStart(), sum::update);
        require(path + ": the checksum of the header", stored.getInt(), sum);
        if (all) {
            file.copyTo(file.dataStart(), end, sum::update);
            require(path + ": the checksum of the file", stored.getInt(), sum);
        }
    }

    private static void require(String what, int stored, CRC32 sum) throws SafeTensorsException {
        if (stored != (int) sum.getValue()) {
            throw new SafeTensorsException(String.format(
                    Locale.ROOT, "%s is %08x, that of its content %08x: it is damaged", what, stored, (int)
                            sum.getValue()));
        }
    }

    /** Sums what passes through to another channel, and keeps back the last bytes, in whose place the sums come. */
    private static final class Summing implements WritableByteChannel {

        private final WritableByteChannel target;
        private final long headerEnd;
        private final long end;
        private final CRC32 sum = new CRC32();
        private int headerSum;
        private long at;

        Summing(WritableByteChannel target, long headerEnd, long end) {
            this.target = target;
            this.headerEnd = headerEnd;
            this.end = end;
        }

        ByteBuffer sums() {
            ByteBuffer sums = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
            return sums.putInt(headerSum).putInt((int) sum.getValue()).flip();
        }

        @Override
        public int write(ByteBuffer source) throws IOException {
            int count = source.remaining();
            if (at < end) {
                long most = (at < headerEnd ? headerEnd : end) - at;
                count = target.write(source.slice().limit((int) Math.min(count, most)));
                if (count <= 0) {
                    return count;
                }
                sum.update(source.slice().limit(count));
                at += count;
                if (at == headerEnd) {
                    headerSum = (int) sum.getValue();
                }
            }
            source.position(source.position() + count);
            return count;
        }

        @Override
        public boolean isOpen() {
            return target.isOpen();
        }

        @Override
        public void close() throws IOException {
            target.close();
        }
    }
}
