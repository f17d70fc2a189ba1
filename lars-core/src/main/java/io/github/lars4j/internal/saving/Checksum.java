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
 * The checksums of a checkpoint. The last tensor of the file holds two CRC-32 values, little-endian: the first covers
 * the bytes of the file up to the data section, the second covers all bytes before this tensor. The tensor comes last,
 * so that the file can be written in one go and neither value covers itself. There are two values, so that the header
 * can be checked without reading the data.
 *
 * <p>The checksums detect truncated and damaged files: every flipped bit, and every burst of up to 32 bits. They do not
 * protect against forgery, which no checksum without a key does. Python can compute CRC-32 with {@code zlib}.
 */
public final class Checksum {

    /** The name of the tensor that holds the checksums. */
    public static final String TENSOR = "lars4j.checksum";

    private static final int BYTES = 2 * Integer.BYTES;

    private Checksum() {}

    /**
     * Writes a file and its checksums.
     *
     * @param writer the tensors of the file, to which this adds {@link #TENSOR}
     * @param dataBytes the total size in bytes of the tensors of the writer, without {@link #TENSOR}
     * @param channel the channel to write to
     * @throws IOException if the channel throws it, or accepts no bytes
     */
    public static void write(SafeTensorsWriter writer, long dataBytes, WritableByteChannel channel) throws IOException {
        // The writer puts the smallest dtype last. The channel replaces these bytes with the checksums.
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
     * Checks the header against its checksum.
     *
     * @param path the path of the file, for messages
     * @throws SafeTensorsException if the checksum is missing or wrong
     * @throws IOException if the file cannot be read
     */
    public static void verifyHeader(Path path, SafeTensorsFile file) throws IOException {
        verify(path, file, false);
    }

    /**
     * Checks the whole file against both checksums.
     *
     * @param path the path of the file, for messages
     * @throws SafeTensorsException if the checksums are missing or one of them is wrong
     * @throws IOException if the file cannot be read
     */
    public static void verifyAll(Path path, SafeTensorsFile file) throws IOException {
        verify(path, file, true);
    }

    private static void verify(Path path, SafeTensorsFile file, boolean all) throws IOException {
        TensorInfo tensor = file.tensors().get(TENSOR);
        if (tensor == null) {
            throw new SafeTensorsException(path + ": tensor \"" + TENSOR + "\" is missing, so this is not a file of"
                    + " Checkpoint.save; for a file from Python use PyTorchState.restore");
        }
        long end = file.size() - BYTES;
        if (tensor.dtype() != Dtype.U8
                || !tensor.shape().equals(List.of((long) BYTES))
                || file.dataStart() + tensor.begin() != end) {
            throw new SafeTensorsException(path + ": tensor \"" + TENSOR + "\" is " + tensor.dtype() + " of "
                    + tensor.byteLength() + " bytes at " + tensor.begin() + "; it must be U8 of " + BYTES
                    + " bytes at the end of the file");
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
                    Locale.ROOT,
                    "%s is %08x, but its content has %08x: the file is damaged, or was changed after it had been saved",
                    what,
                    stored,
                    (int) sum.getValue()));
        }
    }

    /**
     * Computes the checksums of the bytes that it passes on to another channel. It does not pass on the last bytes,
     * which the caller replaces with the checksums.
     */
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
