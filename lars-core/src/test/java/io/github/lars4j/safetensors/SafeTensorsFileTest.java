package io.github.lars4j.safetensors;

import static io.github.lars4j.safetensors.RawFiles.bytes;
import static io.github.lars4j.safetensors.RawFiles.entry;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.lars4j.Needs;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class SafeTensorsFileTest {
    /**
     * A metadata entry, tensors of three dtypes in another order than their data, an empty one, a scalar, and padding.
     */
    private static final byte[] SMALL = bytes(
            "{\"__metadata__\":{\"k\":\"v\\u00e9\"}," + entry("b", "BOOL", "[3]", "[24,27]") + ","
                    + entry("f", "F32", "[2,2]", "[8,24]") + "," + entry("d", "F64", "[]", "[0,8]") + ","
                    + entry("e", "I16", "[4,0]", "[24,24]") + "}   ",
            // 1.0
            0,
            0,
            0,
            0,
            0,
            0,
            0xf0,
            0x3f,
            // 1.0f, -2.0f, a signalling NaN with payload 1, the smallest subnormal
            0,
            0,
            0x80,
            0x3f,
            0,
            0,
            0,
            0xc0,
            1,
            0,
            0x80,
            0x7f,
            1,
            0,
            0,
            0,
            // true, false, true
            1,
            0,
            1);

    @TempDir
    Path directory;

    private SafeTensorsFile open(byte[] content) throws IOException {
        return RawFiles.open(directory, content);
    }

    @Test
    void readsTheHeader() throws Exception {
        try (SafeTensorsFile file = open(SMALL)) {
            assertEquals(Map.of("k", "v\u00e9"), file.metadata());
            assertEquals(
                    List.of(
                            new TensorInfo("d", Dtype.F64, List.of(), 0, 8),
                            new TensorInfo("f", Dtype.F32, List.of(2L, 2L), 8, 24),
                            new TensorInfo("e", Dtype.I16, List.of(4L, 0L), 24, 24),
                            new TensorInfo("b", Dtype.BOOL, List.of(3L), 24, 27)),
                    List.copyOf(file.tensors().values()));
            assertEquals(List.of("d", "f", "e", "b"), List.copyOf(file.tensors().keySet()));
            assertEquals(SMALL.length, file.size());
            assertEquals(SMALL.length - 27, file.dataStart());
            assertThrows(
                    UnsupportedOperationException.class, () -> file.tensors().clear());
            assertThrows(
                    UnsupportedOperationException.class, () -> file.metadata().clear());
        }
    }

    @Test
    void readsTheDataBitByBit() throws Exception {
        try (SafeTensorsFile file = open(SMALL)) {
            float[] floats = {9, 9, 9, 9, 9, 9};
            file.readFloats("f", floats, 1);
            assertArrayEquals(
                    new int[] {0x41100000, 0x3f800000, 0xc0000000, 0x7f800001, 1, 0x41100000}, rawBits(floats));
            double[] doubles = {9, 9};
            file.readDoubles("d", doubles, 1);
            assertArrayEquals(new double[] {9, 1}, doubles);
            byte[] booleans = {9, 9, 9, 9, 9};
            file.readBytes("b", booleans, 1);
            assertArrayEquals(new byte[] {9, 1, 0, 1, 9}, booleans);
            file.readBytes("e", new byte[0], 0);
            byte[] raw = new byte[8];
            file.readBytes("d", raw, 0);
            assertArrayEquals(new byte[] {0, 0, 0, 0, 0, 0, (byte) 0xf0, 0x3f}, raw);
        }
    }

    private static int[] rawBits(float[] floats) {
        int[] bits = new int[floats.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = Float.floatToRawIntBits(floats[i]);
        }
        return bits;
    }

    @Test
    void readsParts() throws Exception {
        byte[] content = bytes(
                "{" + entry("d", "F64", "[3]", "[0,24]") + "," + entry("f", "F32", "[3]", "[24,36]") + "}",
                0,
                0,
                0,
                0,
                0,
                0,
                0xf0,
                0x3f,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0x40,
                0,
                0,
                0,
                0,
                0,
                0,
                0x08,
                0x40,
                0,
                0,
                0x80,
                0x3f,
                0,
                0,
                0,
                0x40,
                0,
                0,
                0x40,
                0x40);
        try (SafeTensorsFile file = open(content)) {
            for (int first = 0; first <= 3; first++) {
                for (int count = 0; count <= 3 - first; count++) {
                    float[] floats = new float[4];
                    double[] doubles = new double[4];
                    file.readFloats("f", first, floats, 1, count);
                    file.readDoubles("d", first, doubles, 1, count);
                    for (int i = 0; i < 4; i++) {
                        int expected = i >= 1 && i <= count ? first + i : 0;
                        assertEquals(expected, floats[i]);
                        assertEquals(expected, doubles[i]);
                    }
                }
            }
        }
    }

    @Test
    void readsTensorsLargerThanItsBuffer() throws Exception {
        // A little more than 3 chunks, and not aligned to the element size.
        int count = 3 * (1 << 14) + 7;
        int[] data = new int[1 + 4 * count];
        for (int i = 0; i < count; i++) {
            int bits = Float.floatToRawIntBits(i);
            for (int b = 0; b < 4; b++) {
                data[1 + 4 * i + b] = bits >>> 8 * b;
            }
        }
        String header = "{" + entry("one", "U8", "[1]", "[0,1]") + ","
                + entry("f", "F32", "[" + count + "]", "[1," + data.length + "]") + "}";
        try (SafeTensorsFile file = open(bytes(header, data))) {
            float[] floats = new float[count];
            file.readFloats("f", floats, 0);
            for (int i = 0; i < count; i++) {
                assertEquals(i, floats[i]);
            }
        }
    }

    @Test
    void readsAFileThatComesInSmallPieces() throws Exception {
        for (int most = 1; most <= 5; most++) {
            TricklingChannel channel = new TricklingChannel(SMALL, most);
            try (SafeTensorsFile file = SafeTensorsFile.open("f", channel)) {
                float[] floats = new float[4];
                file.readFloats("f", floats, 0);
                assertArrayEquals(new int[] {0x3f800000, 0xc0000000, 0x7f800001, 1}, rawBits(floats));
            }
            assertEquals(1, channel.closed);
        }
    }

    @Test
    void givesUpOnAChannelThatGivesNothing() {
        TricklingChannel channel = new TricklingChannel(SMALL, 0);
        SafeTensorsException thrown =
                assertThrows(SafeTensorsException.class, () -> SafeTensorsFile.open("f", channel));
        assertEquals(
                "f: the file ends at byte 0; it had " + SMALL.length + " bytes when it was opened",
                thrown.getMessage());
        assertEquals(1, channel.closed);
    }

    @Test
    void readsDoublesThatAreNotTheFirst() throws Exception {
        String header = "{" + entry("before", "F64", "[1]", "[0,8]") + "," + entry("d", "F64", "[2]", "[8,24]") + "}";
        // 2.0, 1.0, -0.0
        int[] data = {0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0x80};
        try (SafeTensorsFile file = open(bytes(header, data))) {
            double[] doubles = {9, 9, 9};
            file.readDoubles("d", doubles, 0);
            assertArrayEquals(new double[] {1, -0.0, 9}, doubles);
            file.readDoubles("d", 1, doubles, 0, 1);
            assertArrayEquals(new double[] {-0.0, -0.0, 9}, doubles);
            file.readDoubles("before", doubles, 2);
            assertArrayEquals(new double[] {-0.0, -0.0, 2}, doubles);
        }
    }

    @Test
    void handsOnTheBytes() throws Exception {
        try (SafeTensorsFile file = open(SMALL)) {
            ByteArrayOutputStream whole = new ByteArrayOutputStream();
            file.copyTo(0, file.size(), Channels.newChannel(whole)::write);
            assertArrayEquals(SMALL, whole.toByteArray());
            ByteArrayOutputStream data = new ByteArrayOutputStream();
            file.copyDataTo(Channels.newChannel(data)::write);
            assertArrayEquals(Arrays.copyOfRange(SMALL, SMALL.length - 27, SMALL.length), data.toByteArray());
            file.copyTo(5, 5, chunk -> {
                throw new AssertionError();
            });
            IOException failure = new IOException("full");
            assertEquals(
                    failure,
                    assertThrows(
                            IOException.class,
                            () -> file.copyDataTo(chunk -> {
                                throw failure;
                            })));
            assertThrows(IllegalArgumentException.class, () -> file.copyTo(-1, 5, chunk -> {}));
            assertThrows(IllegalArgumentException.class, () -> file.copyTo(6, 5, chunk -> {}));
            assertThrows(IllegalArgumentException.class, () -> file.copyTo(0, file.size() + 1, chunk -> {}));
        }
    }

    @Test
    void readsFromSeveralThreadsAtOnce() throws Exception {
        int count = 1 << 16;
        int[] data = new int[2 * 4 * count];
        Arrays.fill(data, 4 * count, data.length, 0x3f);
        String header = "{" + entry("zeros", "F32", "[" + count + "]", "[0," + 4 * count + "]") + ","
                + entry("others", "F32", "[" + count + "]", "[" + 4 * count + "," + 8 * count + "]") + "}";
        try (SafeTensorsFile file = open(bytes(header, data));
                ExecutorService threads = Executors.newFixedThreadPool(4)) {
            List<Future<Void>> reads = new ArrayList<>();
            for (int i = 0; i < 64; i++) {
                boolean zeros = i % 2 == 0;
                Callable<Void> read = () -> {
                    float[] floats = new float[count];
                    file.readFloats(zeros ? "zeros" : "others", floats, 0);
                    for (float f : floats) {
                        assertEquals(zeros ? 0 : 0x3f3f3f3f, Float.floatToRawIntBits(f));
                    }
                    return null;
                };
                reads.add(threads.submit(read));
            }
            for (Future<Void> read : reads) {
                read.get();
            }
        }
    }

    /** Checks the value of every 16-bit number against its format. They fill more than one chunk. */
    @Test
    void widensExactly() throws Exception {
        int count = 1 << 16;
        int[] data = new int[4 * count];
        for (int i = 0; i < count; i++) {
            data[2 * i] = i & 0xff;
            data[2 * i + 1] = i >> 8;
        }
        System.arraycopy(data, 0, data, 2 * count, 2 * count);
        String header = "{" + entry("h", "F16", "[65536]", "[0,131072]") + ","
                + entry("b", "BF16", "[65536]", "[131072,262144]") + "}";
        try (SafeTensorsFile file = open(bytes(header, data))) {
            float[] half = new float[count + 1];
            float[] brain = new float[count];
            file.readFloats("h", half, 1);
            file.readFloats("b", brain, 0);
            for (int i = 0; i < count; i++) {
                int exponent = i >> 10 & 31;
                int fraction = i & 1023;
                double magnitude = exponent == 31
                        ? fraction == 0 ? Double.POSITIVE_INFINITY : Double.NaN
                        : (exponent == 0 ? fraction : 1024 + fraction) * Math.scalb(1.0, Math.max(exponent, 1) - 25);
                double expected = i >> 15 == 0 ? magnitude : -magnitude;
                assertEquals(expected, (double) half[i + 1], "F16 " + i);
                assertEquals(i << 16, Float.floatToRawIntBits(brain[i]), "BF16 " + i);
            }
            float[] part = {9, 9, 9, 9};
            file.readFloats("h", 0x3c00, part, 1, 2);
            assertArrayEquals(new float[] {9, 1, 1 + 1 / 1024f, 9}, part);
            file.readFloats("b", 0x3f80, part, 2, 2);
            assertArrayEquals(new float[] {9, 1, 1, 1 + 1 / 128f}, part);
        }
    }

    @Test
    void refusesBadArguments() throws Exception {
        try (SafeTensorsFile file = open(SMALL)) {
            refuses("name is \"x\"; it must be the name", () -> file.readFloats("x", new float[4], 0));
            refuses(
                    "tensor of dtype F64; its dtype must be one of [F32, F16, BF16]",
                    () -> file.readFloats("d", new float[4], 0));
            refuses(
                    "tensor of dtype F32; its dtype must be one of [F64]",
                    () -> file.readDoubles("f", new double[4], 0));
            refuses("destination.length is 3; it must be 4", () -> file.readFloats("f", new float[3], 0));
            refuses("offset is 1; it must be in [0, 0]", () -> file.readFloats("f", new float[4], 1));
            refuses("offset is -1; it must be in [0, 1]", () -> file.readFloats("f", new float[5], -1));
            refuses("destination.length is 0; it must be 1", () -> file.readDoubles("d", new double[0], 0));
            refuses("offset is 2147483647; it must be", () -> file.readDoubles("d", new double[1], Integer.MAX_VALUE));
            refuses("destination.length is 2; it must be 3", () -> file.readBytes("b", new byte[2], 0));
            refuses("first is -1; it must be in [0, 4]", () -> file.readFloats("f", -1, new float[4], 0, 0));
            refuses("first is 5; it must be in [0, 4]", () -> file.readFloats("f", 5, new float[4], 0, 0));
            refuses("count is -1; it must be in [0, 3]", () -> file.readFloats("f", 1, new float[4], 0, -1));
            refuses("count is 4; it must be in [0, 3]", () -> file.readFloats("f", 1, new float[4], 0, 4));
            refuses("offset is 4; it must be in [0, 3]", () -> file.readFloats("f", 1, new float[4], 4, 1));
            refuses("count is 2; it must be in [0, 1]", () -> file.readDoubles("d", 0, new double[4], 0, 2));
            assertThrows(NullPointerException.class, () -> file.readFloats(null, new float[4], 0));
        }
    }

    private static void refuses(String message, Executable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call);
        assertTrue(e.getMessage().contains(message), e.getMessage());
    }

    @Test
    void noticesThatTheFileShrank() throws Exception {
        Path path = directory.resolve("f.safetensors");
        Files.write(path, SMALL);
        try (SafeTensorsFile file = SafeTensorsFile.open(path);
                FileChannel other = FileChannel.open(path, StandardOpenOption.WRITE)) {
            other.truncate(SMALL.length - 4);
            SafeTensorsException e =
                    assertThrows(SafeTensorsException.class, () -> file.readFloats("f", new float[4], 0));
            assertTrue(e.getMessage().contains("f.safetensors: the file ends at byte " + (SMALL.length - 4)));
            assertThrows(SafeTensorsException.class, () -> file.readBytes("b", new byte[3], 0));
            assertThrows(SafeTensorsException.class, () -> file.copyDataTo(chunk -> {}));
            file.readDoubles("d", new double[1], 0);
        }
    }

    @Test
    void readsNothingAfterClosing() throws Exception {
        SafeTensorsFile file = open(SMALL);
        file.close();
        file.close();
        IOException e = assertThrows(IOException.class, () -> file.readFloats("f", new float[4], 0));
        assertTrue(
                e.getMessage().matches(".*f\\.safetensors: cannot be read at byte [0-9]+: it is closed"),
                e.getMessage());
        assertTrue(e.getCause() instanceof ClosedChannelException);
    }

    @Test
    void closesTheChannelOfAFileThatItRefuses() {
        TricklingChannel channel = new TricklingChannel(new byte[20], 20);
        assertThrows(SafeTensorsException.class, () -> SafeTensorsFile.open("f", channel));
        assertEquals(1, channel.closed);
    }

    @Test
    void tellsOfAChannelThatCannotEvenBeClosed() {
        IOException onClose = new IOException("cannot be closed");
        TricklingChannel channel = new TricklingChannel(new byte[20], 20);
        channel.onClose = onClose;
        SafeTensorsException refused =
                assertThrows(SafeTensorsException.class, () -> SafeTensorsFile.open("f", channel));
        assertArrayEquals(new Throwable[] {onClose}, refused.getSuppressed());
    }

    private static void cannotBeOpened(Class<? extends IOException> type, Path file, String why) {
        IOException e = assertThrows(type, () -> SafeTensorsFile.open(file));
        assertEquals(file + ": cannot be opened" + why, e.getMessage());
    }

    @Test
    void saysOfWhichFileItIsNoneAndWhy() throws IOException {
        Path none = directory.resolve("none");
        cannotBeOpened(NoSuchFileException.class, none, ": there is no such file");
        cannotBeOpened(FileSystemException.class, directory, ": it is a folder; it must be a file");
        Path file = Files.write(directory.resolve("file"), SMALL);
        cannotBeOpened(FileSystemException.class, file.resolve("below"), ": there is no such file");
        Path broken = Needs.symbolicLink(directory.resolve("broken"), Path.of("none"));
        cannotBeOpened(NoSuchFileException.class, broken, "; it is a symbolic link, to none: there is no such file");
        Path good = Needs.symbolicLink(directory.resolve("good"), Path.of("file"));
        SafeTensorsFile.open(good).close();
    }

    /** Opening a pipe would block until another process writes to it. */
    @Test
    void refusesAPipeAndADeviceUnopened() throws Exception {
        Path pipe = Needs.pipe(directory.resolve("pipe"));
        String why = ": it is a pipe, a socket or a device; it must be a file";
        Assertions.assertTimeoutPreemptively(
                Duration.ofSeconds(60), () -> cannotBeOpened(FileSystemException.class, pipe, why));
        cannotBeOpened(FileSystemException.class, Path.of("/dev/null"), why);
    }

    @Test
    void refusesAFileThatItMayNotRead() throws IOException {
        Path secret = Files.write(directory.resolve("secret"), SMALL);
        Needs.posix(secret);
        Files.setPosixFilePermissions(secret, Set.of());
        assumeTrue(!Files.isReadable(secret), "root reads everything");
        cannotBeOpened(AccessDeniedException.class, secret, ": no permission");
    }

    @Test
    void saysOfAnInterruptedReadThatItWas() throws Exception {
        SafeTensorsFile file = open(SMALL);
        Thread.currentThread().interrupt();
        InterruptedIOException reading =
                assertThrows(InterruptedIOException.class, () -> file.readFloats("f", new float[4], 0));
        InterruptedIOException opening = assertThrows(
                InterruptedIOException.class, () -> SafeTensorsFile.open(directory.resolve("f.safetensors")));
        assertTrue(Thread.interrupted(), "the thread stays interrupted");
        assertTrue(reading.getMessage().contains("f.safetensors: cannot be read at byte "), reading.getMessage());
        assertTrue(reading.getMessage().endsWith(": the thread was interrupted"), reading.getMessage());
        assertTrue(opening.getMessage().contains("f.safetensors: cannot be read"), opening.getMessage());
    }

    /** Writes a file of zeros but for its beginning. They take no disk space; on Windows only if that is asked for. */
    private static void writeSparse(Path path, byte[] beginning, long size) throws IOException {
        try (FileChannel sparse = FileChannel.open(
                path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, StandardOpenOption.SPARSE)) {
            sparse.write(ByteBuffer.wrap(beginning));
            sparse.write(ByteBuffer.allocate(1), size - 1);
        }
    }

    @Test
    void opensAHugeFileWithoutReadingItsData() throws Exception {
        Path path = directory.resolve("huge.safetensors");
        long length = 1L << 36;
        byte[] header = ("{" + entry("t", "F32", "[" + (length >> 2) + "]", "[0," + length + "]") + "}")
                .getBytes(StandardCharsets.UTF_8);
        writeSparse(path, bytes(header), 8 + header.length + length);
        try (SafeTensorsFile file = SafeTensorsFile.open(path)) {
            assertEquals(length >> 2, file.tensors().get("t").elementCount());
            float[] last = {1, 1};
            file.readFloats("t", (length >> 2) - 1, last, 0, 1);
            assertArrayEquals(new float[] {0, 1}, last);
            refuses(
                    "destination.length is 1; it must be " + (length >> 2),
                    () -> file.readFloats("t", new float[1], 0));
        }
    }

    @TestFactory
    Stream<DynamicTest> refusesHostileFiles() {
        byte[] empty = "{}".getBytes(StandardCharsets.UTF_8);
        Map<String, byte[]> hostile = new LinkedHashMap<>();
        hostile.put("has 0 bytes; it must have 10 or more", new byte[0]);
        hostile.put("has 8 bytes; it must have 10 or more", new byte[8]);
        hostile.put("has 9 bytes; it must have 10 or more", bytes(1, new byte[] {'{'}));
        hostile.put("length at byte 0 is 0; it must be in [2, 2] ", bytes(0, empty));
        hostile.put("length at byte 0 is 1; it must be in [2, 2] ", bytes(1, empty));
        hostile.put("length at byte 0 is 3; it must be in [2, 2] ", bytes(3, empty));
        hostile.put("length at byte 0 is 2147483648; ", bytes(1L << 31, empty));
        hostile.put("length at byte 0 is 4294967298; ", bytes((1L << 32) + 2, empty));
        hostile.put("length at byte 0 is 9223372036854775807; ", bytes(Long.MAX_VALUE, empty));
        hostile.put("length at byte 0 is 9223372036854775808; ", bytes(1L << 63, empty));
        hostile.put("length at byte 0 is 18446744073709551615; ", bytes(-1, empty));
        hostile.put("length at byte 0 is 18446744073709551608; ", bytes(-8, empty));
        hostile.put("has 1 bytes; it must have exactly the 0 bytes", bytes("{}", 0));
        hostile.put("at byte 8 of the file", bytes("[]"));
        String a = entry("a", "U8", "[2]", "[0,2]");
        hostile.put("has 3 bytes; it must have exactly the 2 bytes", bytes("{" + a + "}", 1, 2, 3));
        hostile.put("it must end at or before 1", bytes("{" + a + "}", 1));
        hostile.put(
                "\"b\": data_offsets is [1, 3]; it must begin at 2, where the tensors before it end (overlap)",
                bytes("{" + a + "," + entry("b", "U8", "[2]", "[1,3]") + "}", 1, 2, 3));
        hostile.put(
                "\"b\": data_offsets is [0, 2]; it must begin at 2,",
                bytes("{" + a + "," + entry("b", "U8", "[2]", "[0,2]") + "}", 1, 2));
        hostile.put(
                "\"b\": data_offsets is [3, 4]; it must begin at 2, where the tensors before it end (gap)",
                bytes("{" + a + "," + entry("b", "U8", "[1]", "[3,4]") + "}", 1, 2, 3, 4));
        hostile.put(
                "\"c\": data_offsets is [1, 2]; it must begin at 0, where the tensors before it end (gap)",
                bytes("{" + entry("c", "U8", "[1]", "[1,2]") + "}", 1, 2));
        hostile.put(
                "\"e\": data_offsets is [1, 1]; it must begin at 2, where the tensors before it end (overlap)",
                bytes("{" + a + "," + entry("e", "U8", "[0]", "[1,1]") + "}", 1, 2));
        hostile.put(
                "data_offsets is [5, 5]; it must end at or before 2",
                bytes("{" + a + "," + entry("e", "U8", "[0]", "[5,5]") + "}", 1, 2));
        hostile.put("data_offsets is [2, 0]", bytes("{" + entry("a", "U8", "[2]", "[2,0]") + "}", 1, 2));
        hostile.put("span 2 bytes", bytes("{" + entry("a", "U8", "[3]", "[0,2]") + "}", 1, 2));
        hostile.put("overflows", bytes("{" + entry("a", "F32", "[9223372036854775807,3]", "[0,4]") + "}", 1, 2, 3, 4));
        hostile.put("dtype is \"X\"", bytes("{" + entry("a", "X", "[2]", "[0,2]") + "}", 1, 2));
        hostile.put("occurs twice", bytes("{" + a + "," + a + "}", 1, 2));
        List<DynamicTest> tests = new ArrayList<>();
        hostile.forEach((message, content) -> tests.add(DynamicTest.dynamicTest(message, () -> {
            SafeTensorsException e = assertThrows(SafeTensorsException.class, () -> open(content));
            assertTrue(e.getMessage().contains(message), e.getMessage());
            assertTrue(e.getMessage().contains("f.safetensors: "), e.getMessage());
        })));
        return tests.stream();
    }

    @Test
    void refusesALongHeaderBeforeAllocatingIt() throws Exception {
        Path path = directory.resolve("long.safetensors");
        writeSparse(path, bytes(100_000_001, new byte[] {'{', '}'}), 1L << 32);
        SafeTensorsException e = assertThrows(SafeTensorsException.class, () -> SafeTensorsFile.open(path));
        assertTrue(e.getMessage().contains("is 100000001; it must be in [2, 100000000]"), e.getMessage());
    }

    @Test
    void refusesEveryTruncation() {
        for (int length = 0; length < SMALL.length; length++) {
            byte[] content = Arrays.copyOf(SMALL, length);
            assertThrows(SafeTensorsException.class, () -> open(content), () -> content.length + " bytes");
        }
    }

    @Test
    void everyFlippedBitGivesAValidFileOrTheOneException() throws Exception {
        int accepted = 0;
        for (int bit = 0; bit < 8 * SMALL.length; bit++) {
            byte[] content = SMALL.clone();
            content[bit / 8] ^= (byte) (1 << bit % 8);
            // The 3000 files are kept in memory, not on the disk.
            try (SafeTensorsFile file = SafeTensorsFile.open("f", new TricklingChannel(content, 1 << 20))) {
                long covered = 0;
                for (TensorInfo tensor : file.tensors().values()) {
                    assertEquals(covered, tensor.begin());
                    long elements = tensor.shape().stream().reduce(1L, Math::multiplyExact);
                    assertEquals(tensor.byteLength(), elements * tensor.dtype().bitSize() / 8);
                    covered = tensor.end();
                    byte[] bytes = new byte[(int) tensor.byteLength()];
                    file.readBytes(tensor.name(), bytes, 0);
                }
                assertEquals(file.size() - file.dataStart(), covered);
                accepted++;
            } catch (SafeTensorsException e) {
                assertTrue(bit < 8 * (SMALL.length - 27), "a flipped bit of the data is not the header's concern");
            }
        }
        assertTrue(accepted >= 8 * 27, accepted + " files were valid");
    }
}
