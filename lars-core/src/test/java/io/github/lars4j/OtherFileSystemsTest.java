package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.jimfs.Configuration;
import com.google.common.jimfs.Jimfs;
import io.github.lars4j.safetensors.Dtype;
import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.SafeTensorsWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystem;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Saves, restores, reads and writes on file systems in memory that have the paths and the names of Windows, macOS and
 * Unix. They have no sharing of open files, no real locks and no crashes.
 */
class OtherFileSystemsTest {

    private static final String TEMPORARY = ".01234567-89ab-cdef-0123-456789abcdef.lars4j.tmp";

    /** A kind of file system. */
    enum Kind {
        /** Backslashes, a drive, names that differ in case are the same. */
        WINDOWS("C:\\runs\\of today", "..\\of today\\run.safetensors"),
        /** Names that differ in case, or in how their letters are composed, are the same. */
        MAC("/runs/of today", "../of today/run.safetensors"),
        /** A Unix without permissions. */
        UNIX("/runs/of today", "../of today/run.safetensors"),
        /** A Unix with permissions. */
        POSIX("/runs/of today", "../of today/run.safetensors");

        private final String folder;
        private final String relative;

        Kind(String folder, String relative) {
            this.folder = folder;
            this.relative = relative;
        }

        /** Makes an empty file system; relative paths begin in its {@link #folder}. */
        FileSystem create() {
            Configuration.Builder configuration = (switch (this) {
                        case WINDOWS -> Configuration.windows();
                        case MAC -> Configuration.osX();
                        case UNIX, POSIX -> Configuration.unix();
                    })
                    .toBuilder().setWorkingDirectory(folder);
            if (this == POSIX) {
                configuration.setAttributeViews("basic", "owner", "posix", "unix");
            }
            return Jimfs.newFileSystem(configuration.build());
        }
    }

    @TempDir
    private Path real;

    private final float[] params = SampleRun.params();

    private Lars trained(long steps) {
        Lars lars = SampleRun.builder(SampleRun.Kind.PAPER).build();
        SampleRun.run(lars, params, steps);
        return lars;
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private static void assertMessage(String expected, Throwable thrown) {
        assertEquals(expected, thrown.getMessage());
    }

    @ParameterizedTest
    @EnumSource
    void aRunGoesOnFromItsCheckpoint(Kind kind) throws IOException {
        try (FileSystem system = kind.create()) {
            Path absolute = system.getPath(kind.folder).resolve("run.safetensors");
            for (Path file : List.of(absolute, system.getPath("run.safetensors"), system.getPath(kind.relative))) {
                try (Lars lars = SampleRun.builder(SampleRun.Kind.PAPER).build();
                        Lars other = SampleRun.builder(SampleRun.Kind.PAPER).build()) {
                    float[] weights = SampleRun.params();
                    SampleRun.run(lars, weights, 20);
                    Checkpoint.save(file, lars, weights);
                    assertEquals(List.of("run.safetensors"), names(absolute.getParent()), "where " + file + " leads");
                    Checkpoint.save(real.resolve("same"), lars, weights);
                    assertArrayEquals(Files.readAllBytes(real.resolve("same")), Files.readAllBytes(absolute));
                    float[] restored = new float[weights.length];
                    Checkpoint.load(file).restore(other, restored);
                    SampleRun.run(lars, weights, 30);
                    SampleRun.run(other, restored, 30);
                    for (Layer layer : SampleRun.LAYERS) {
                        for (int i = (int) layer.offset(); i < layer.end(); i++) {
                            assertEquals(
                                    Float.floatToRawIntBits(weights[i]), Float.floatToRawIntBits(restored[i]), "" + i);
                        }
                    }
                }
                Files.delete(absolute);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void aFileIsReplaced(Kind kind) throws IOException {
        try (FileSystem system = kind.create();
                Lars lars = trained(3)) {
            Path file = system.getPath("run.safetensors");
            Files.writeString(file, "something else");
            Checkpoint.save(file, lars);
            assertEquals(3, Checkpoint.load(file).step());
            SampleRun.run(lars, params, 4);
            Checkpoint.save(file, lars);
            assertEquals(4, Checkpoint.load(file).step());
            assertEquals(List.of("run.safetensors"), names(file.toAbsolutePath().getParent()));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"WINDOWS", "MAC"})
    void aNameInCapitalsIsTheSameFile(Kind kind) throws IOException {
        try (FileSystem system = kind.create();
                Lars lars = trained(3)) {
            Path file = system.getPath("run.safetensors");
            Path capitals = system.getPath("RUN.safetensors");
            Checkpoint.save(file, lars);
            SampleRun.run(lars, params, 4);
            Checkpoint.save(capitals, lars);
            assertEquals(1, names(file.toAbsolutePath().getParent()).size());
            assertEquals(4, Checkpoint.load(file).step());
        }
    }

    /** In one file system, "\u00e4" as one character and as an "a" with a mark. */
    @Test
    void aNameInAnotherFormOfUnicodeIsTheSameFile() throws IOException {
        try (FileSystem system = Kind.MAC.create();
                Lars lars = trained(3)) {
            Path composed = system.getPath("l\u00e4uft.safetensors");
            Path decomposed = system.getPath("la\u0308uft.safetensors");
            Checkpoint.save(composed, lars);
            SampleRun.run(lars, params, 4);
            Checkpoint.save(decomposed, lars);
            assertEquals(1, names(composed.toAbsolutePath().getParent()).size());
            assertEquals(4, Checkpoint.load(composed).step());
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatAKilledSaveLeftIsDeleted(Kind kind) throws IOException {
        try (FileSystem system = kind.create();
                Lars lars = trained(3)) {
            Path file = system.getPath("run.safetensors");
            Files.writeString(system.getPath("run.safetensors" + TEMPORARY), "half a file");
            Files.writeString(system.getPath("other.safetensors" + TEMPORARY), "half of another");
            Checkpoint.save(file, lars);
            assertEquals(
                    List.of("other.safetensors" + TEMPORARY, "run.safetensors"),
                    names(file.toAbsolutePath().getParent()));
        }
    }

    @ParameterizedTest
    @EnumSource
    void aFolderThatIsMissingIsNamed(Kind kind) throws IOException {
        try (FileSystem system = kind.create();
                Lars lars = trained(3)) {
            Path folder = system.getPath(kind.folder).resolve("missing");
            Path file = folder.resolve("run.safetensors");
            assertMessage(
                    file + ": cannot be saved and is unchanged: folder " + folder
                            + " does not exist; saving does not create it",
                    assertThrows(NoSuchFileException.class, () -> Checkpoint.save(file, lars)));
            assertMessage(
                    file + ": cannot be opened: there is no such file",
                    assertThrows(NoSuchFileException.class, () -> Checkpoint.load(file)));
            Files.createFile(folder);
            assertMessage(
                    file + ": cannot be saved and is unchanged: " + folder + " is no folder",
                    assertThrows(FileSystemException.class, () -> Checkpoint.save(file, lars)));
            assertEquals(List.of("missing"), names(folder.getParent()));
        }
    }

    @Test
    void aDriveThatIsMissingIsNamed() throws IOException {
        try (FileSystem system = Kind.WINDOWS.create();
                Lars lars = trained(3)) {
            for (String name : List.of("Z:\\runs\\run.safetensors", "Z:\\run.safetensors")) {
                Path file = system.getPath(name);
                assertMessage(
                        name + ": cannot be saved and is unchanged: folder " + file.getParent()
                                + " does not exist; saving does not create it",
                        assertThrows(NoSuchFileException.class, () -> Checkpoint.save(file, lars)));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void aFolderIsRefused(Kind kind) throws IOException {
        try (FileSystem system = kind.create();
                Lars lars = trained(3)) {
            Path folder = Files.createDirectory(system.getPath("folder"));
            assertMessage(
                    folder + ": cannot be saved and is unchanged: it is a folder; it must be a file",
                    assertThrows(FileSystemException.class, () -> Checkpoint.save(folder, lars)));
            assertMessage(
                    folder + ": cannot be opened: it is a folder; it must be a file",
                    assertThrows(FileSystemException.class, () -> Checkpoint.load(folder)));
        }
    }

    @ParameterizedTest
    @EnumSource
    void aLinkIsFollowed(Kind kind) throws IOException {
        try (FileSystem system = kind.create();
                Lars lars = trained(3)) {
            Path target = Files.createDirectory(system.getPath("elsewhere")).resolve("run.safetensors");
            Path link = Files.createSymbolicLink(system.getPath("link"), target);
            for (int step = 3; step <= 4; step++) {
                SampleRun.run(lars, params, step);
                Checkpoint.save(link, lars);
                assertTrue(Files.isSymbolicLink(link));
                assertEquals(step, Checkpoint.load(target).step());
                assertEquals(step, Checkpoint.load(link).step());
            }
        }
    }

    @Test
    void permissionsAreKept() throws IOException {
        try (FileSystem system = Kind.POSIX.create();
                Lars lars = trained(3)) {
            Path file = system.getPath("run.safetensors");
            Checkpoint.save(file, lars);
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
            Checkpoint.save(file, lars);
            assertEquals("rw-r-----", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
        }
    }

    private static Path write(Path file) throws IOException {
        SafeTensorsWriter writer = new SafeTensorsWriter()
                .metadata("k", "v")
                .floats("w", List.of(2L, 2L), new float[] {1, -2, 3, -4}, 0)
                .bytes("u", Dtype.U8, List.of(3L), new byte[] {5, 6, 7}, 0);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            writer.writeTo(channel);
        }
        return file;
    }

    @ParameterizedTest
    @EnumSource
    void tensorsAreWrittenAndRead(Kind kind) throws IOException {
        byte[] expected = Files.readAllBytes(write(real.resolve("w")));
        try (FileSystem system = kind.create();
                Arena arena = Arena.ofConfined()) {
            Path path = write(system.getPath("w"));
            assertArrayEquals(expected, Files.readAllBytes(path));
            try (SafeTensorsFile file = SafeTensorsFile.open(path)) {
                assertEquals(Map.of("k", "v"), file.metadata());
                float[] floats = new float[4];
                file.readFloats("w", floats, 0);
                assertArrayEquals(new float[] {1, -2, 3, -4}, floats);
                MemorySegment outside = arena.allocate(8, 4);
                file.readFloats("w", 2, outside);
                assertArrayEquals(new float[] {3, -4}, outside.toArray(ValueLayout.JAVA_FLOAT));
                byte[] bytes = new byte[3];
                file.readBytes("u", bytes, 0);
                assertArrayEquals(new byte[] {5, 6, 7}, bytes);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void aStateOfPyTorchIsRestored(Kind kind) throws IOException {
        try (FileSystem system = kind.create();
                Lars lars = trained(3);
                Lars other = SampleRun.builder(SampleRun.Kind.PAPER).build()) {
            Path file = system.getPath("run.safetensors");
            Checkpoint.save(file, lars, params);
            float[] restored = new float[params.length];
            assertEquals(
                    SampleRun.LAYERS.size(),
                    PyTorchState.restore(file, other, restored).taken().size());
            assertEquals(params[0], restored[0]);
        }
    }

    /** What cannot be mapped is refused with the name of the file, and can be read. */
    @ParameterizedTest
    @EnumSource
    void whatCannotBeMappedIsNamed(Kind kind) throws IOException {
        Needs.littleEndian();
        try (FileSystem system = kind.create();
                Arena arena = Arena.ofConfined()) {
            Path path = write(system.getPath("w"));
            byte[] before = Files.readAllBytes(path);
            UnsupportedOperationException refused =
                    assertThrows(UnsupportedOperationException.class, () -> SafeTensorsFile.mapFloats(path, arena));
            assertMessage(
                    "w: cannot be mapped: its file system maps no files. Read the file with readFloats instead",
                    refused);
            assertArrayEquals(before, Files.readAllBytes(path));
            Path absent = system.getPath(kind.folder).resolve("absent");
            assertMessage(
                    absent + ": cannot be opened for reading and writing: there is no such file",
                    assertThrows(NoSuchFileException.class, () -> SafeTensorsFile.mapFloats(absent, arena)));
            Path text = Files.writeString(system.getPath("text"), "neither a checkpoint nor anything else");
            assertThrows(SafeTensorsException.class, () -> SafeTensorsFile.mapFloats(text, arena));
        }
    }

    /** A zip archive gives its files their names when they are closed, and a save renames an open one. */
    @Test
    void aZipArchiveIsReadAndNotSavedTo() throws IOException {
        try (Lars lars = trained(3)) {
            Path file = real.resolve("run.safetensors");
            Checkpoint.save(file, lars);
            Path archive = real.resolve("runs.zip");
            try (FileSystem zip = FileSystems.newFileSystem(archive, Map.of("create", "true"))) {
                Files.copy(file, zip.getPath("run.safetensors"));
            }
            try (FileSystem zip = FileSystems.newFileSystem(archive)) {
                Path zipped = zip.getPath("run.safetensors");
                assertEquals(3, Checkpoint.load(zipped).step());
                IOException refused = assertThrows(IOException.class, () -> Checkpoint.save(zipped, lars));
                assertTrue(
                        refused.getMessage().startsWith("run.safetensors: cannot be saved and is unchanged: "),
                        refused::getMessage);
                assertEquals(List.of("run.safetensors"), names(zip.getPath("/")));
                assertEquals(3, Checkpoint.load(zipped).step());
            }
        }
    }
}
