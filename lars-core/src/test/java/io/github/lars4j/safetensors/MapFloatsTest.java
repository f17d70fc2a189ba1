package io.github.lars4j.safetensors;

import static io.github.lars4j.safetensors.RawFiles.bytes;
import static io.github.lars4j.safetensors.RawFiles.entry;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.lars4j.Needs;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Maps the tensors of a file into memory, on machines that are little-endian. */
class MapFloatsTest {

    private static final ValueLayout.OfInt BITS = ValueLayout.JAVA_INT;

    /** Where Linux lists what the process has mapped. */
    private static final Path MAPS = Path.of("/proc/self/maps");

    @TempDir
    Path directory;

    @BeforeEach
    void littleEndian() {
        Needs.littleEndian();
    }

    private Path write(SafeTensorsWriter writer) throws IOException {
        Path path = directory.resolve("weights.safetensors");
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            writer.writeTo(channel);
        }
        return path;
    }

    private static SafeTensorsWriter weights() {
        return new SafeTensorsWriter()
                .floats("empty", List.of(0L, 3L), new float[0], 0)
                .bytes("halves", Dtype.BF16, List.of(3L), new byte[] {1, 2, 3, 4, 5, 6}, 0)
                .floats("w", List.of(2L, 2L), new float[] {1, -2, Float.intBitsToFloat(0x7f800001), 4}, 0)
                .doubles("d", List.of(1L), new double[] {5}, 0)
                .floats("scalar", List.of(), new float[] {6}, 0)
                .bytes("last", Dtype.U8, List.of(3L), new byte[] {7, 8, 9}, 0);
    }

    private static boolean isMapped(Path file) throws IOException {
        String name = file.toRealPath().toString();
        try (var lines = Files.lines(MAPS, StandardCharsets.ISO_8859_1)) {
            return lines.anyMatch(line -> line.endsWith(name));
        }
    }

    @Test
    void mapsTheFloatsAndNothingElse() throws Exception {
        Path path = write(weights());
        byte[] before = Files.readAllBytes(path);
        Map<String, MemorySegment> mapped;
        try (Arena arena = Arena.ofConfined()) {
            mapped = SafeTensorsFile.mapFloats(path, arena);
            assertEquals(List.of("empty", "w", "scalar"), List.copyOf(mapped.keySet()));
            assertArrayEquals(new int[0], mapped.get("empty").toArray(BITS));
            assertArrayEquals(
                    new int[] {0x3f800000, 0xc0000000, 0x7f800001, 0x40800000},
                    mapped.get("w").toArray(BITS));
            assertArrayEquals(new int[] {0x40c00000}, mapped.get("scalar").toArray(BITS));
            for (MemorySegment segment : mapped.values()) {
                assertTrue(segment.isMapped());
                assertFalse(segment.isReadOnly());
                assertEquals(0, segment.address() % 4);
            }
            assertThrows(UnsupportedOperationException.class, mapped::clear);
            if (Files.exists(MAPS)) {
                assertTrue(isMapped(path), "the other tests see in the same way that nothing is mapped");
            }
        }
        assertFalse(mapped.get("w").scope().isAlive());
        if (Files.exists(MAPS)) {
            assertFalse(isMapped(path));
        }
        assertArrayEquals(before, Files.readAllBytes(path));
    }

    @Test
    void givesThemInTheOrderOfTheData() throws Exception {
        String header = "{" + entry("b", "F32", "[1]", "[4,8]") + "," + entry("c", "F32", "[1]", "[8,12]") + ","
                + entry("a", "F32", "[1]", "[0,4]") + "}";
        byte[] padded = (header + " ".repeat(Math.floorMod(-header.length(), 4))).getBytes(StandardCharsets.UTF_8);
        Path path = Files.write(directory.resolve("f"), bytes(padded, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0));
        try (Arena arena = Arena.ofConfined()) {
            Map<String, MemorySegment> mapped = SafeTensorsFile.mapFloats(path, arena);
            assertEquals(List.of("a", "b", "c"), List.copyOf(mapped.keySet()));
            int expected = 1;
            for (MemorySegment segment : mapped.values()) {
                assertArrayEquals(new int[] {expected++}, segment.toArray(BITS));
            }
        }
    }

    @Test
    void givesNothingIfThereAreNoFloats() throws Exception {
        Path path = write(new SafeTensorsWriter().bytes("u", Dtype.U8, List.of(1L), new byte[1], 0));
        try (Arena arena = Arena.ofConfined()) {
            assertEquals(Map.of(), SafeTensorsFile.mapFloats(path, arena));
        }
    }

    @Test
    void whatIsWrittenToASegmentIsInTheFile() throws Exception {
        Path path = write(weights());
        byte[] expected = Files.readAllBytes(path);
        int[] bits = {0xffc12345, 0x7f800001, 0x80000000, 1};
        try (Arena arena = Arena.ofShared()) {
            Map<String, MemorySegment> mapped = SafeTensorsFile.mapFloats(path, arena);
            MemorySegment w = mapped.get("w");
            MemorySegment.copy(bits, 0, w, BITS, 0, 4);
            try (ExecutorService other = Executors.newSingleThreadExecutor()) {
                other.submit(() -> mapped.get("scalar").set(BITS, 0, 0xff800003))
                        .get();
            }
            mapped.values().forEach(MemorySegment::force);
            try (SafeTensorsFile file = SafeTensorsFile.open(path)) {
                int[] read = new int[5];
                file.readFloats("w", 0, MemorySegment.ofArray(read).asSlice(0, 16));
                file.readFloats("scalar", 0, MemorySegment.ofArray(read).asSlice(16));
                assertArrayEquals(new int[] {0xffc12345, 0x7f800001, 0x80000000, 1, 0xff800003}, read);
                int begin = (int) (file.dataStart() + file.tensors().get("w").begin());
                byte[] changed = {0x45, 0x23, (byte) 0xc1, -1, 1, 0, (byte) 0x80, 0x7f, 0, 0, 0, (byte) 0x80, 1, 0, 0, 0
                };
                System.arraycopy(changed, 0, expected, begin, changed.length);
                int scalar =
                        (int) (file.dataStart() + file.tensors().get("scalar").begin());
                System.arraycopy(new byte[] {3, 0, (byte) 0x80, -1}, 0, expected, scalar, 4);
            }
        }
        assertArrayEquals(expected, Files.readAllBytes(path), "no other byte has changed");
    }

    /** Asserts that a file is refused, is not mapped and is not changed. */
    private static <T extends Exception> void refuses(Class<T> type, String message, Path file, Executable call)
            throws IOException {
        byte[] before = Files.isRegularFile(file) ? Files.readAllBytes(file) : null;
        T thrown = assertThrows(type, call);
        assertEquals(type, thrown.getClass());
        assertEquals(message, thrown.getMessage());
        if (before != null) {
            assertArrayEquals(before, Files.readAllBytes(file));
            assertFalse(Files.exists(MAPS) && isMapped(file), "nothing is mapped");
        }
    }

    @Test
    void refusesABigEndianMachine() throws Exception {
        Path path = write(weights());
        try (Arena arena = Arena.ofConfined()) {
            refuses(
                    UnsupportedOperationException.class,
                    path + ": cannot be mapped: the machine is BIG_ENDIAN; it must be LITTLE_ENDIAN, as the file is."
                            + " Read the file with readFloats instead",
                    path,
                    () -> SafeTensorsFile.mapFloats(path, arena, ByteOrder.BIG_ENDIAN));
        }
    }

    @Test
    void refusesDataThatIsNotAligned() throws Exception {
        for (int shift = 0; shift < 4; shift++) {
            // The first tensor would be aligned, the second is not, the third is none of floats.
            String header = "{" + entry("a", "F32", "[1]", "[0,4]") + ","
                    + entry("u", "U8", "[" + shift + "]", "[4," + (4 + shift) + "]") + ","
                    + entry("b", "F32", "[1]", "[" + (4 + shift) + "," + (8 + shift) + "]") + "}";
            byte[] padded = (header + " ".repeat(Math.floorMod(-header.length(), 4))).getBytes(StandardCharsets.UTF_8);
            Path path = Files.write(directory.resolve("f" + shift), bytes(padded, new int[8 + shift]));
            try (Arena arena = Arena.ofConfined()) {
                if (shift == 0) {
                    assertEquals(2, SafeTensorsFile.mapFloats(path, arena).size());
                } else {
                    refuses(
                            SafeTensorsException.class,
                            path + ": tensor \"b\" begins at byte " + (8 + padded.length + 4 + shift)
                                    + "; it must begin at a multiple of 4 to be mapped: write the file again with"
                                    + " SafeTensorsWriter, which aligns it",
                            path,
                            () -> SafeTensorsFile.mapFloats(path, arena));
                }
            }
        }
    }

    /** The header's length counts too. */
    @Test
    void refusesAHeaderOfAnyOtherLength() throws Exception {
        String header = "{" + entry("a", "F32", "[1]", "[0,4]") + "}";
        for (int padding = 0; padding < 4; padding++) {
            byte[] padded = (header + " ".repeat(padding)).getBytes(StandardCharsets.UTF_8);
            Path path = Files.write(directory.resolve("f" + padding), bytes(padded, 1, 2, 3, 4));
            try (Arena arena = Arena.ofConfined()) {
                if (padded.length % 4 == 0) {
                    assertEquals(
                            0x04030201,
                            SafeTensorsFile.mapFloats(path, arena).get("a").get(BITS, 0));
                } else {
                    refuses(
                            SafeTensorsException.class,
                            path + ": tensor \"a\" begins at byte " + (8 + padded.length)
                                    + "; it must begin at a multiple of 4 to be mapped: write the file again with"
                                    + " SafeTensorsWriter, which aligns it",
                            path,
                            () -> SafeTensorsFile.mapFloats(path, arena));
                }
            }
        }
    }

    @Test
    void refusesABadHeader() throws Exception {
        byte[] content = Files.readAllBytes(write(weights()));
        Path path = Files.write(directory.resolve("short"), Arrays.copyOf(content, content.length - 1));
        try (Arena arena = Arena.ofConfined()) {
            String opened = assertThrows(SafeTensorsException.class, () -> SafeTensorsFile.open(path))
                    .getMessage();
            refuses(SafeTensorsException.class, opened, path, () -> SafeTensorsFile.mapFloats(path, arena));
        }
    }

    @Test
    void refusesWhatIsNoFile() throws Exception {
        Path none = directory.resolve("none");
        try (Arena arena = Arena.ofConfined()) {
            refuses(
                    NoSuchFileException.class,
                    none + ": cannot be opened for reading and writing: there is no such file",
                    none,
                    () -> SafeTensorsFile.mapFloats(none, arena));
            assertFalse(Files.exists(none));
            refuses(
                    FileSystemException.class,
                    directory + ": cannot be opened for reading and writing: it is a folder; it must be a file",
                    directory,
                    () -> SafeTensorsFile.mapFloats(directory, arena));
            Path link = Needs.symbolicLink(directory.resolve("link"), Path.of("none"));
            refuses(
                    NoSuchFileException.class,
                    link + ": cannot be opened for reading and writing; it is a symbolic link, to none: there is no"
                            + " such file",
                    link,
                    () -> SafeTensorsFile.mapFloats(link, arena));
        }
    }

    @Test
    void refusesAFileThatItMayNotWrite() throws Exception {
        Path path = write(weights());
        Needs.posix(path);
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("r--r--r--"));
        assumeTrue(!Files.isWritable(path), "root writes everything");
        try (Arena arena = Arena.ofConfined()) {
            refuses(
                    AccessDeniedException.class,
                    path + ": cannot be opened for reading and writing: no permission",
                    path,
                    () -> SafeTensorsFile.mapFloats(path, arena));
        }
    }

    private static Arena closedArena() {
        try (Arena arena = Arena.ofConfined()) {
            return arena;
        }
    }

    @Test
    void refusesAnArenaThatCannotHoldIt() throws Exception {
        Path path = write(weights());
        try (Arena arena = Arena.ofConfined();
                ExecutorService other = Executors.newSingleThreadExecutor()) {
            other.submit(() -> {
                        refuses(
                                IllegalArgumentException.class,
                                "arena is confined to another thread",
                                path,
                                () -> SafeTensorsFile.mapFloats(path, arena));
                        return null;
                    })
                    .get();
        }
        refuses(
                IllegalStateException.class,
                "arena is closed",
                path,
                () -> SafeTensorsFile.mapFloats(path, closedArena()));
        refuses(NullPointerException.class, "arena", path, () -> SafeTensorsFile.mapFloats(path, null));
        refuses(NullPointerException.class, "file", path, () -> SafeTensorsFile.mapFloats(null, Arena.global()));
    }

    @Test
    void saysOfWhichFileMappingFails() throws Exception {
        byte[] content = Files.readAllBytes(write(weights()));
        TricklingChannel channel = new TricklingChannel(content, 1 << 20);
        channel.onMap = new IOException("Map failed");
        try (SafeTensorsFile file = SafeTensorsFile.open("f", channel);
                Arena arena = Arena.ofConfined()) {
            IOException thrown = assertThrows(IOException.class, () -> file.mapFloats(arena));
            assertEquals("f: cannot be mapped: Map failed", thrown.getMessage());
            assertEquals(channel.onMap, thrown.getCause());
        }
    }
}
