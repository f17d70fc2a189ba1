package io.github.lars4j.safetensors;

import com.google.common.jimfs.Configuration;
import com.google.common.jimfs.Jimfs;
import com.sun.management.ThreadMXBean;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * What holds of every sequence of bytes that is read as a safetensors file. The profile {@code fuzz} searches for one
 * of which it does not; a test tries those that it kept.
 */
public final class SafeTensorsFuzz {

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final Path FILE = Jimfs.newFileSystem(Configuration.unix()).getPath("/f.safetensors");
    private static final int MOST_DATA = 1 << 16;

    private SafeTensorsFuzz() {}

    /** Reads the bytes as a file, and as the header of a file whose length and data fit it. */
    public static void fuzzerTestOneInput(byte[] input) throws IOException {
        asFile(input);
        checkAllocated(input, () -> HeaderJson.parse(input));
        Header header;
        try {
            header = HeaderJson.parse(input);
        } catch (SafeTensorsException e) {
            checkMessage(e, "header, at byte ");
            return;
        }
        long end = header.tensors().values().stream()
                .mapToLong(TensorInfo::end)
                .max()
                .orElse(0);
        if (end <= MOST_DATA) {
            byte[] data = new byte[(int) end];
            for (int i = 0; i < data.length; i++) {
                data[i] = (byte) (37 * i);
            }
            ByteBuffer file = ByteBuffer.allocate(Header.LENGTH_BYTES + input.length + data.length)
                    .order(ByteOrder.LITTLE_ENDIAN);
            asFile(file.putLong(input.length).put(input).put(data).array());
        }
    }

    private static void asFile(byte[] content) throws IOException {
        Files.write(FILE, content);
        checkAllocated(content, () -> SafeTensorsFile.open(FILE).close());
        byte[] rewritten;
        Header header;
        try (SafeTensorsFile file = SafeTensorsFile.open(FILE)) {
            header = new Header(file.metadata(), file.tensors());
            rewritten = written(file);
        } catch (SafeTensorsException e) {
            checkMessage(e, FILE + ": ");
            return;
        }
        Files.write(FILE, rewritten);
        try (SafeTensorsFile again = SafeTensorsFile.open(FILE)) {
            check(again.metadata().equals(header.metadata()), "other metadata");
            check(described(again.tensors()).equals(described(header.tensors())), "other tensors");
            check(Arrays.equals(written(again), rewritten), "other bytes when written twice");
            for (TensorInfo tensor : header.tensors().values()) {
                int begin = (int) (content.length
                        - header.tensors().values().stream()
                                .mapToLong(TensorInfo::byteLength)
                                .sum()
                        + tensor.begin());
                byte[] original = Arrays.copyOfRange(content, begin, begin + (int) tensor.byteLength());
                check(Arrays.equals(bytes(again, tensor), original), "other data of " + tensor.name());
                readNumbers(again, tensor);
            }
        }
    }

    /** Reads the elements by the methods for their type. */
    private static void readNumbers(SafeTensorsFile file, TensorInfo tensor) throws IOException {
        switch (tensor.dtype()) {
            case F16, BF16, F32 -> file.readFloats(tensor.name(), new float[(int) tensor.elementCount()], 0);
            case F64 -> file.readDoubles(tensor.name(), new double[(int) tensor.elementCount()], 0);
            default -> {}
        }
    }

    private static byte[] bytes(SafeTensorsFile file, TensorInfo tensor) throws IOException {
        byte[] bytes = new byte[(int) tensor.byteLength()];
        file.readBytes(tensor.name(), bytes, 0);
        return bytes;
    }

    private static byte[] written(SafeTensorsFile file) throws IOException {
        SafeTensorsWriter writer = new SafeTensorsWriter();
        file.metadata().forEach(writer::metadata);
        for (TensorInfo tensor : file.tensors().values()) {
            writer.bytes(tensor.name(), tensor.dtype(), tensor.shape(), bytes(file, tensor), 0);
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        writer.writeTo(Channels.newChannel(out));
        return out.toByteArray();
    }

    /** What stays the same when tensors are written in another order. */
    private static List<String> described(Map<String, TensorInfo> tensors) {
        List<String> described = new ArrayList<>();
        tensors.forEach((key, tensor) -> {
            check(key.equals(tensor.name()), "a tensor under another name");
            described.add(tensor.name() + " " + tensor.dtype() + " " + tensor.shape());
        });
        described.sort(null);
        return described;
    }

    private static void checkMessage(SafeTensorsException e, String start) {
        String message = e.getMessage();
        // Two quotes of 80 characters, of which each may be escaped.
        check(message != null && message.startsWith(start) && message.length() < 1500, "message: " + message);
        check(message.lines().allMatch(line -> line.chars().noneMatch(Character::isISOControl)), "message: " + message);
    }

    /** The bound that SECURITY.md states, and what a stack trace and a buffer take. */
    private static void checkAllocated(byte[] input, Parser parser) throws IOException {
        long most = (1 << 20) + 200L * input.length;
        // The first time may load classes.
        long allocated = allocated(parser);
        check(allocated <= most || allocated(parser) <= most, allocated + " bytes allocated");
    }

    private static long allocated(Parser parser) throws IOException {
        long before = THREADS.getCurrentThreadAllocatedBytes();
        try {
            parser.parse();
        } catch (SafeTensorsException e) {
            check(e.getMessage() != null, "no message");
        }
        return THREADS.getCurrentThreadAllocatedBytes() - before;
    }

    @FunctionalInterface
    private interface Parser {
        void parse() throws IOException;
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }
}
