package io.github.lars4j.safetensors;

import static io.github.lars4j.safetensors.RawFiles.bytes;
import static io.github.lars4j.safetensors.RawFiles.entry;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Writes tensors from memory segments and reads them into memory segments. */
class SegmentsTest {

    private static final ValueLayout.OfInt BITS = ValueLayout.JAVA_INT_UNALIGNED;

    /** The number of floats that the reader and the writer move at a time. */
    private static final int CHUNK = 1 << 14;

    @TempDir
    Path directory;

    /** Returns random bits, with NaNs of either kind among the first. */
    private static int[] randomBits(int count) {
        int[] bits = new Random(count).ints(count).toArray();
        int[] special = {0x7f800001, 0xffc12345, 0x7fc00000, 0x80000000, 0xff800000, 1};
        System.arraycopy(special, 0, bits, 0, Math.min(count, special.length));
        return bits;
    }

    private static byte[] littleEndian(int[] bits) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * bits.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(bits);
        return bytes.array();
    }

    private static byte[] write(SafeTensorsWriter writer) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        writer.writeTo(Channels.newChannel(out));
        assertEquals(out.size(), writer.size());
        return out.toByteArray();
    }

    private static SafeTensorsFile open(byte[] content) throws IOException {
        return SafeTensorsFile.open("f", new TricklingChannel(content, 1 << 20));
    }

    @Test
    void writesTheBitsOfAnySegment() throws Exception {
        for (int count : new int[] {0, 1, 5, CHUNK, 3 * CHUNK + 7}) {
            int[] bits = randomBits(count);
            try (Arena arena = Arena.ofConfined()) {
                // 3 bytes more than the elements take.
                for (var place : new Places(4 * count + 3, arena).byName().entrySet()) {
                    MemorySegment data = place.getValue().segment();
                    SafeTensorsWriter writer = new SafeTensorsWriter()
                            .floats("before", List.of(2L), new float[] {1, 2}, 0)
                            .floats("t", List.of((long) count), data.asReadOnly())
                            .floats("behind", List.of(2L), new float[] {3, 4}, 0);
                    // After it was added, since it is not copied.
                    MemorySegment.copy(bits, 0, data, BITS, 0, count);
                    byte[] content = write(writer);
                    String what = count + " floats, " + place.getKey();
                    int begin = content.length - 4 * (count + 2);
                    assertArrayEquals(littleEndian(bits), Arrays.copyOfRange(content, begin, begin + 4 * count), what);
                    try (SafeTensorsFile file = open(content)) {
                        float[] neighbours = new float[4];
                        file.readFloats("before", neighbours, 0);
                        file.readFloats("behind", neighbours, 2);
                        assertArrayEquals(new float[] {1, 2, 3, 4}, neighbours, what);
                    }
                }
            }
        }
    }

    @Test
    void writesTheSameFileFromAnArrayAndFromASegment() throws Exception {
        float[] floats = {1, -2, Float.intBitsToFloat(0x7f800001)};
        List<Long> shape = List.of(1L, 3L);
        assertArrayEquals(
                write(new SafeTensorsWriter().floats("t", shape, floats, 0)),
                write(new SafeTensorsWriter().floats("t", shape, MemorySegment.ofArray(floats))));
    }

    /** A tensor of each dtype, its elements behind another tensor and before one. */
    private static byte[] three(int[] bits) {
        int count = bits.length;
        int[] data = new int[1 + 8 * count + 4];
        byte[] f32 = littleEndian(bits);
        for (int i = 0; i < 4 * count; i++) {
            data[1 + i] = f32[i];
        }
        for (int i = 0; i < 4 * count; i++) {
            data[1 + 4 * count + i] = f32[i / 2 * 2 + i % 2];
        }
        return bytes(
                "{" + entry("one", "U8", "[1]", "[0,1]") + ","
                        + entry("F32", "F32", "[" + count + "]", "[1," + (1 + 4 * count) + "]") + ","
                        + entry("F16", "F16", "[" + count + "]", "[" + (1 + 4 * count) + "," + (1 + 6 * count) + "]")
                        + ","
                        + entry("BF16", "BF16", "[" + count + "]", "[" + (1 + 6 * count) + "," + (1 + 8 * count) + "]")
                        + "," + entry("last", "F32", "[1]", "[" + (1 + 8 * count) + "," + (5 + 8 * count) + "]") + "}",
                data);
    }

    /** Returns the bits that element {@code i} has as a float. */
    private static int expected(String dtype, int[] bits, int i) {
        if (dtype.equals("F32")) {
            return bits[i];
        }
        int at = dtype.equals("F16") ? i : bits.length + i;
        short half = (short) (bits[at / 2] >>> 16 * (at % 2));
        return dtype.equals("F16") ? Float.floatToRawIntBits(Float.float16ToFloat(half)) : half << 16;
    }

    @Test
    void readsTheBitsOfAnyPartIntoAnySegment() throws Exception {
        int[] bits = randomBits(5 * CHUNK + 3);
        int count = bits.length;
        int[][] parts = {
            {0, count},
            {0, 0},
            {count, 0},
            {3, 0},
            {0, 1},
            {1, 5},
            {count - 1, 1},
            {count - CHUNK, CHUNK},
            {7, CHUNK + 1},
            {1, 2 * CHUNK},
            {2 * CHUNK - 1, 2 * CHUNK + 2}
        };
        try (SafeTensorsFile file = open(three(bits))) {
            for (int[] part : parts) {
                for (String dtype : List.of("F32", "F16", "BF16")) {
                    try (Arena arena = Arena.ofConfined()) {
                        for (var place : new Places(4 * part[1], arena).byName().entrySet()) {
                            MemorySegment destination = place.getValue().segment();
                            file.readFloats(dtype, part[0], destination);
                            String what = dtype + " " + Arrays.toString(part) + ", " + place.getKey();
                            place.getValue().assertCanaries(what);
                            for (int i = 0; i < part[1]; i++) {
                                int at = i;
                                assertEquals(
                                        expected(dtype, bits, part[0] + i),
                                        destination.get(BITS, 4L * i),
                                        () -> what + " at " + at);
                            }
                        }
                    }
                }
            }
        }
    }

    @Test
    void readsIntoASegmentWhatComesInSmallPieces() throws Exception {
        int[] bits = randomBits(9);
        for (int most = 1; most <= 5; most++) {
            try (SafeTensorsFile file = SafeTensorsFile.open("f", new TricklingChannel(three(bits), most))) {
                for (String dtype : List.of("F32", "F16", "BF16")) {
                    int[] read = new int[bits.length];
                    file.readFloats(dtype, 0, MemorySegment.ofArray(read));
                    for (int i = 0; i < read.length; i++) {
                        assertEquals(expected(dtype, bits, i), read[i], dtype + " at " + i);
                    }
                }
            }
        }
    }

    private static <T extends Exception> void refuses(Class<T> type, String message, Executable call) {
        assertEquals(message, assertThrows(type, call).getMessage());
    }

    private static void refuses(String message, Executable call) {
        refuses(IllegalArgumentException.class, message, call);
    }

    /** Calls on another thread, to which confined segments are not accessible. */
    private static void onAnotherThread(Executable call) throws Exception {
        Callable<Void> callable = () -> {
            try {
                call.execute();
            } catch (Exception | Error e) {
                throw e;
            } catch (Throwable e) {
                throw new AssertionError(e);
            }
            return null;
        };
        try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
            try {
                thread.submit(callable).get();
            } catch (ExecutionException e) {
                throw new AssertionError(e.getCause());
            }
        }
    }

    /** Returns a segment of 12 bytes that can no longer be accessed. */
    private static MemorySegment closed() {
        try (Arena arena = Arena.ofConfined()) {
            return arena.allocate(12);
        }
    }

    @Test
    void refusesToAddABadSegment() throws Exception {
        SafeTensorsWriter writer = new SafeTensorsWriter();
        long empty = writer.size();
        List<Long> three = List.of(3L);
        refuses(NullPointerException.class, "data", () -> writer.floats("t", three, null));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment data = arena.allocate(12);
            refuses(
                    "data.byteSize() is 11; it must be 12 or more for tensor \"t\"",
                    () -> writer.floats("t", three, data.asSlice(1)));
            onAnotherThread(() -> refuses(
                    "data lies in an arena that is confined to another thread", () -> writer.floats("t", three, data)));
        }
        refuses(
                IllegalStateException.class,
                "data lies in an arena that is closed",
                () -> writer.floats("t", three, closed()));
        assertEquals(empty, writer.size(), "a refused tensor is not added");
    }

    @Test
    void writesNothingIfASegmentCannotBeRead() throws Exception {
        try (Arena arena = Arena.ofConfined()) {
            SafeTensorsWriter writer = new SafeTensorsWriter().floats("a", List.of(3L), arena.allocate(12));
            TricklingChannel channel = new TricklingChannel(new byte[0], 100);
            onAnotherThread(() -> refuses(
                    "data of tensor \"a\" lies in an arena that is confined to another thread",
                    () -> writer.writeTo(channel)));
            try (Arena closing = Arena.ofConfined()) {
                writer.floats("b", List.of(3L), closing.allocate(12));
            }
            refuses(
                    IllegalStateException.class,
                    "data of tensor \"b\" lies in an arena that is closed",
                    () -> writer.writeTo(channel));
            assertEquals(0, channel.size());
        }
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // the channel closes the arena
    void breaksOffWhenAnArenaIsClosedDuringTheWrite() throws Exception {
        Arena arena = Arena.ofConfined();
        SafeTensorsWriter writer = new SafeTensorsWriter().floats("t", List.of(3L), arena.allocate(12));
        WritableByteChannel closing = new WritableByteChannel() {
            @Override
            public int write(ByteBuffer source) {
                if (arena.scope().isAlive()) {
                    arena.close();
                }
                int count = source.remaining();
                source.position(source.limit());
                return count;
            }

            @Override
            public boolean isOpen() {
                return true;
            }

            @Override
            public void close() {}
        };
        assertThrows(IllegalStateException.class, () -> writer.writeTo(closing));
        assertFalse(arena.scope().isAlive());
    }

    @Test
    void refusesToReadIntoABadSegment() throws Exception {
        int[] bits = randomBits(3);
        try (SafeTensorsFile file = open(three(bits));
                Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(16);
            segment.fill((byte) 7);
            MemorySegment whole = segment.asSlice(0, 12);
            refuses(NullPointerException.class, "destination", () -> file.readFloats("F32", 0, null));
            refuses(NullPointerException.class, "name", () -> file.readFloats(null, 0, whole));
            refuses(
                    "name is \"x\"; it must be the name of one of the file's 5 tensors",
                    () -> file.readFloats("x", 0, whole));
            refuses(
                    "name is \"one\", a tensor of dtype U8; its dtype must be one of [F32, F16, BF16]",
                    () -> file.readFloats("one", 0, segment.asSlice(0, 4)));
            refuses(
                    "first is -1; it must be in [0, 3] for tensor \"F16\"",
                    () -> file.readFloats("F16", -1, segment.asSlice(0, 4)));
            refuses(
                    "first is 4; it must be in [0, 3] for tensor \"F16\"",
                    () -> file.readFloats("F16", 4, segment.asSlice(0, 0)));
            for (int bad : new int[] {1, 2, 3, 7, 12, 16}) {
                refuses(
                        "destination.byteSize() is " + bad
                                + "; it must be 4 times a number of elements in [0, 2] for tensor \"BF16\" and first 1",
                        () -> file.readFloats("BF16", 1, segment.asSlice(0, bad)));
            }
            refuses(
                    "destination is read-only; it must be writable",
                    () -> file.readFloats("F32", 0, whole.asReadOnly()));
            onAnotherThread(() -> refuses(
                    "destination lies in an arena that is confined to another thread",
                    () -> file.readFloats("F32", 0, whole)));
            for (int at = 0; at < 16; at++) {
                assertEquals(7, segment.get(ValueLayout.JAVA_BYTE, at), "a refused destination is not written");
            }
            refuses(
                    IllegalStateException.class,
                    "destination lies in an arena that is closed",
                    () -> file.readFloats("F32", 0, closed()));
        }
    }

    /** Writes the header of a file with one F32 tensor of 2<sup>31</sup> + 8 zeros, which take no disk space. */
    private Path moreThanAnIntCounts() throws IOException {
        Path path = directory.resolve("huge.safetensors");
        long count = (1L << 31) + 8;
        String header = "{" + entry("t", "F32", "[" + count + "]", "[0," + 4 * count + "]") + "}";
        // A multiple of 8 bytes, so that the data is aligned.
        byte[] padded = (header + " ".repeat(Math.floorMod(-header.length(), 8))).getBytes(StandardCharsets.UTF_8);
        try (FileChannel sparse = FileChannel.open(
                path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, StandardOpenOption.SPARSE)) {
            sparse.write(ByteBuffer.wrap(bytes(padded)));
            sparse.write(ByteBuffer.allocate(1), 8 + padded.length + 4 * count - 1);
        }
        return path;
    }

    @Test
    @Tag("slow")
    void beyondTheElementsThatAnIntCounts() throws Exception {
        Path path = moreThanAnIntCounts();
        long far = (1L << 31) + 2;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment mapped = SafeTensorsFile.mapFloats(path, arena).get("t");
            assertEquals(4 * ((1L << 31) + 8), mapped.byteSize());
            int[] bits = randomBits(3);
            MemorySegment.copy(bits, 0, mapped, BITS, 4 * far, 3);
            mapped.asSlice(4 * far, 12).force();
            MemorySegment part = arena.allocate(4 * 5);
            try (SafeTensorsFile file = SafeTensorsFile.open(path)) {
                part.fill((byte) 7);
                file.readFloats("t", far - 1, part);
                assertArrayEquals(
                        new int[] {0, bits[0], bits[1], bits[2], 0}, part.toArray(BITS), "read from far inside");
                file.readFloats("t", 2, part);
                assertArrayEquals(new int[5], part.toArray(BITS), "the element 2^31 before");
            }
            LastBytes last = new LastBytes(4 * 6);
            new SafeTensorsWriter()
                    .floats("t", List.of((1L << 31) + 8), mapped.asReadOnly())
                    .writeTo(last);
            assertArrayEquals(
                    littleEndian(new int[] {bits[0], bits[1], bits[2], 0, 0, 0}),
                    last.bytes,
                    "written from far inside");
            assertTrue(last.count > 4 * ((1L << 31) + 8), "all is written");
        }
    }

    /** Keeps the last bytes only. */
    private static final class LastBytes implements WritableByteChannel {
        final byte[] bytes;
        long count;

        LastBytes(int length) {
            bytes = new byte[length];
        }

        @Override
        public int write(ByteBuffer source) {
            int length = source.remaining();
            int kept = Math.min(length, bytes.length);
            System.arraycopy(bytes, kept, bytes, 0, bytes.length - kept);
            source.position(source.limit() - kept).get(bytes, bytes.length - kept, kept);
            count += length;
            return length;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }
}
