package io.github.lars4j.internal.saving;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.common.jimfs.Configuration;
import com.google.common.jimfs.Jimfs;
import io.github.lars4j.ChildJvm;
import io.github.lars4j.Needs;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.charset.Charset;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How a save treats existing files: links, permissions, the remains of killed saves, and files of other saves. */
class AtomicSaveTest {

    private static final String TEMPORARY = ".01234567-89ab-cdef-0123-456789abcdef.lars4j.tmp";

    @TempDir
    Path folder;

    private Path file;
    /** Of what is saved next. */
    private int version;

    @BeforeEach
    void path() {
        file = folder.resolve("run.safetensors");
    }

    /** Enough for several writes, and other bytes for each version. */
    private static byte[] content(int version) {
        byte[] content = new byte[3000];
        Arrays.fill(content, (byte) version);
        return content;
    }

    private static void save(Disk disk, Path file, int version) throws IOException {
        ByteBuffer content = ByteBuffer.wrap(content(version));
        AtomicSave.save(disk, file, channel -> {
            for (int end = 1000; end <= 3000; end += 1000) {
                content.limit(end);
                while (content.hasRemaining()) {
                    channel.write(content);
                }
            }
        });
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(each -> each.getFileName().toString()).sorted().toList();
        }
    }

    private static void assertHolds(Path saved, int version) throws IOException {
        assertArrayEquals(content(version), Files.readAllBytes(saved));
    }

    @Test
    void writesThroughASymbolicLink() throws IOException {
        Path elsewhere = Files.createDirectory(folder.resolve("elsewhere"));
        Path target = elsewhere.resolve("target");
        Path between = Needs.symbolicLink(folder.resolve("between"), Path.of("elsewhere", "target"));
        Needs.symbolicLink(file, Path.of("between"));
        Path absolute = Needs.symbolicLink(folder.resolve("absolute"), target.toAbsolutePath());
        for (Path link : List.of(file, between, absolute)) {
            // The first time, the target does not exist yet.
            version++;
            save(Disk.REAL, link, version);
            assertTrue(Files.isSymbolicLink(link));
            assertHolds(target, version);
            assertHolds(link, version);
        }
        assertEquals(List.of("absolute", "between", "elsewhere", "run.safetensors"), names());
        try (Stream<Path> files = Files.list(elsewhere)) {
            assertEquals(List.of(target), files.toList());
        }
    }

    @Test
    void refusesALinkThatLeadsRoundInACircle() throws IOException {
        Needs.symbolicLink(file, Path.of("other"));
        Needs.symbolicLink(folder.resolve("other"), Path.of("run.safetensors"));
        assertRefused(FileSystemException.class, file, "more than 40 symbolic links");
    }

    @Test
    void keepsThePermissionsOfTheFileThatWasThere() throws IOException {
        Needs.posix(file);
        save(Disk.REAL, file, version);
        Files.createFile(folder.resolve("usual"));
        assertEquals(
                Files.getPosixFilePermissions(folder.resolve("usual")),
                Files.getPosixFilePermissions(file),
                "those of any new file");
        for (String mode : List.of("rw-rw-rw-", "rw-------", "r--r--r--", "rwxr-x--x")) {
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(mode));
            save(Disk.REAL, file, version);
            assertEquals(mode, PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
        }
    }

    @Test
    void keepsTheGroupOfTheFileThatWasThere() throws IOException {
        assumeTrue(
                file.getFileSystem().supportedFileAttributeViews().contains("unix"),
                "this file system has no numbers of groups");
        save(Disk.REAL, file, version);
        try {
            Files.setAttribute(file, "unix:gid", 12345);
        } catch (FileSystemException e) {
            assumeTrue(false, "only root may set any group");
        }
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-rw----"));
        save(Disk.REAL, file, version);
        assertEquals(12345, Files.getAttribute(file, "unix:gid"));
        assertEquals("rw-rw----", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
    }

    @Test
    void givesNobodyMoreAccessIfTheGroupIsLost() {
        Map.of(
                        "rw-rw----", "rw-------",
                        "rw-rw-r--", "rw-r--r--",
                        "rwxr-xr-x", "rwxr-xr-x",
                        "rw----rwx", "rw-------",
                        "rwxrwx-wx", "rwx-wx-wx",
                        "---------", "---------")
                .forEach((mode, reduced) -> assertEquals(
                        reduced,
                        PosixFilePermissions.toString(
                                RealDisk.forAnyGroup(Set.copyOf(PosixFilePermissions.fromString(mode))))));
    }

    @Test
    void aTemporaryFileThatIsDeletedIsAnError() throws IOException {
        Needs.posix(file);
        save(Disk.REAL, file, version);
        assertThrows(NoSuchFileException.class, () -> Disk.REAL.takePermissions(folder.resolve("deleted"), file));
    }

    @Test
    void letsNobodyElseReadAPrivateFileWhileItIsWritten() throws IOException {
        Needs.posix(file);
        save(Disk.REAL, file, version);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        atTheFirstWrite(temporary ->
                assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(temporary))));
    }

    /** A process that is killed while it forces the file leaves one that the next save may open. */
    @Test
    void givesTheFileItsPermissionsWhenItIsForced() throws IOException {
        Needs.posix(file);
        save(Disk.REAL, file, version);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r--r--r--"));
        List<String> modes = new ArrayList<>();
        Disk disk = new DelegatingDisk(Disk.REAL) {
            @Override
            public Output create(Path created, Path like) throws IOException {
                return new DelegatingOutput(super.create(created, like)) {
                    @Override
                    public void force() throws IOException {
                        super.force();
                        modes.add(PosixFilePermissions.toString(Files.getPosixFilePermissions(created)));
                    }
                };
            }

            @Override
            public void replace(Path replaced, Path by) throws IOException {
                modes.add(PosixFilePermissions.toString(Files.getPosixFilePermissions(by)));
                super.replace(replaced, by);
            }
        };
        save(disk, file, version);
        assertEquals(List.of("rw-------", "r--r--r--"), modes);
    }

    @Test
    void deletesWhatIsLeftReadOnly() throws IOException {
        Needs.posix(file);
        Path left = Files.createFile(folder.resolve("run.safetensors" + TEMPORARY));
        Files.setPosixFilePermissions(left, PosixFilePermissions.fromString("r--r--r--"));
        save(Disk.REAL, file, version);
        assertEquals(List.of("run.safetensors"), names());
    }

    private <T extends IOException> T assertRefused(Class<T> type, Path saved, String... parts) throws IOException {
        List<String> before = names();
        T e = assertThrows(type, () -> save(Disk.REAL, saved, version));
        assertTrue(e.getMessage().startsWith(saved + ": cannot be saved and is unchanged: "), e.getMessage());
        for (String part : parts) {
            assertTrue(e.getMessage().contains(part), e.getMessage());
        }
        assertEquals(before, names());
        return e;
    }

    @Test
    void refusesWhatIsNoFile() throws Exception {
        Files.createDirectory(file);
        assertRefused(FileSystemException.class, file, "it is a folder; it must be a file");
        assertRefused(FileSystemException.class, folder.resolve(".."), "it is a folder");
        assertRefused(FileSystemException.class, folder.getRoot(), "it is a folder");
        // This does not use a real device, which a save would replace if it were not refused.
        Path pipe = Needs.pipe(folder.resolve("pipe"));
        assertRefused(FileSystemException.class, pipe, "it is a pipe, a socket or a device; it must be a file");
        Path link = Needs.symbolicLink(folder.resolve("link"), pipe);
        assertRefused(FileSystemException.class, link, "it is a pipe, a socket or a device; it must be a file");
        assertFalse(Files.isRegularFile(pipe));
    }

    @Test
    void createsNoFolders() throws IOException {
        Path absent = folder.resolve("absent");
        assertRefused(
                NoSuchFileException.class,
                absent.resolve("f"),
                "folder " + absent + " does not exist; saving does not create it");
        Files.createFile(file);
        assertRefused(FileSystemException.class, file.resolve("f"), file + " is no folder");
        assertThrows(NotDirectoryException.class, () -> Disk.REAL.list(file));
    }

    /** A save of {@link #file} leaves these alone, because of their names or because they are not regular files. */
    private static final List<String> OTHERS = List.of(
            "run.safetensors.tmp",
            "run.safetensors.01234567-89ab-cdef-0123-456789abcdef.tmp",
            "run.safetensors.01234567-89ab-cdef-0123-456789abcdef.lars4j.tmp.bak",
            "run.safetensors.01234567-89ab-cdef-0123-456789abcdeg.lars4j.tmp",
            "other.safetensors" + TEMPORARY,
            "run" + TEMPORARY,
            "run.safetensors.bak" + TEMPORARY,
            "my-run.safetensors" + TEMPORARY);

    @Test
    void deletesWhatKilledSavesOfTheSameFileLeftAndNothingElse() throws IOException {
        for (String other : OTHERS) {
            Files.createFile(folder.resolve(other));
        }
        Files.createFile(folder.resolve("run.safetensors" + TEMPORARY));
        for (int i = 0; i < 10; i++) {
            Files.writeString(folder.resolve("run.safetensors." + UUID.randomUUID() + ".lars4j.tmp"), "half a file");
        }
        String thatIsAFolder = "run.safetensors." + UUID.randomUUID() + ".lars4j.tmp";
        Files.createDirectory(folder.resolve(thatIsAFolder));
        save(Disk.REAL, file, version);
        List<String> expected = Stream.concat(OTHERS.stream(), Stream.of("run.safetensors", thatIsAFolder))
                .sorted()
                .toList();
        assertEquals(expected, names());
        assertHolds(file, version);
    }

    /** Saves until the temporary file is complete, and leaves it. */
    private void leaveATemporaryFileOf(Path saved) throws IOException {
        Disk disk = new DelegatingDisk(Disk.REAL) {
            @Override
            public void replace(Path replaced, Path by) throws IOException {
                throw new IOException("killed");
            }

            @Override
            public void delete(Path deleted) {}
        };
        assertThrows(IOException.class, () -> save(disk, saved, version));
    }

    @Test
    void aNameMayBeAsLongAsTheFileSystemAllows() throws IOException {
        // 255 bytes, of characters of one, two, three and four bytes; the last name is short enough for its temporary
        // file.
        List<String> longNames = Stream.of(
                        "a".repeat(255),
                        "a".repeat(254) + "b",
                        "a".repeat(208),
                        "\u00e4".repeat(127) + "a",
                        "\u20ac".repeat(85),
                        "\ud83d\ude00".repeat(63) + "abc",
                        "a".repeat(207))
                .filter(Charset.forName(System.getProperty("sun.jnu.encoding")).newEncoder()::canEncode)
                .toList();
        int files = 0;
        for (String name : longNames) {
            leaveATemporaryFileOf(folder.resolve(name));
            files++;
            assertEquals(files, names().size());
        }
        for (String name : longNames) {
            version++;
            save(Disk.REAL, folder.resolve(name), version);
            assertHolds(folder.resolve(name), version);
            assertEquals(files, names().size(), "its own is deleted, and no other's");
        }
        assertEquals(longNames.stream().sorted().toList(), names());
        assertRefused(FileSystemException.class, folder.resolve("a".repeat(256)));
    }

    @Test
    void saysThatTheFolderAllowsNoNewFiles() {
        // The disk that denies is not real, because root is allowed everything.
        Disk disk = new DelegatingDisk(Disk.REAL) {
            @Override
            public Output create(Path created, Path like) throws IOException {
                throw new AccessDeniedException(created.toString());
            }
        };
        IOException e = assertThrows(AccessDeniedException.class, () -> save(disk, file, version));
        assertEquals(
                file + ": cannot be saved and is unchanged: folder " + folder
                        + " does not allow new files; saving writes a temporary file there",
                e.getMessage());
    }

    @Test
    void deletesWhatItCanAndDoesWithoutTheRest() throws IOException {
        Path stays = Files.createFile(folder.resolve("run.safetensors" + TEMPORARY));
        Files.createFile(folder.resolve("run.safetensors." + UUID.randomUUID() + ".lars4j.tmp"));
        Files.createFile(folder.resolve("run.safetensors." + UUID.randomUUID() + ".lars4j.tmp"));
        Disk disk = new DelegatingDisk(Disk.REAL) {
            @Override
            public void deleteAbandoned(Path abandoned) throws IOException {
                if (abandoned.equals(stays)) {
                    throw new IOException("not this one");
                }
                super.deleteAbandoned(abandoned);
            }
        };
        save(disk, file, version);
        assertEquals(List.of("run.safetensors", stays.getFileName().toString()), names());
        disk = new DelegatingDisk(Disk.REAL) {
            @Override
            public List<Path> list(Path listed) throws IOException {
                throw new IOException("no");
            }
        };
        save(disk, file, version);
        assertEquals(2, names().size());
    }

    @Test
    void withoutLocksNothingIsDeleted() throws IOException {
        Files.createFile(folder.resolve("run.safetensors" + TEMPORARY));
        Disk disk = new DelegatingDisk(Disk.REAL) {
            @Override
            public Output create(Path created, Path like) throws IOException {
                return new DelegatingOutput(super.create(created, like)) {
                    @Override
                    public Hold hold() {
                        return Hold.UNSUPPORTED;
                    }
                };
            }
        };
        save(disk, file, version);
        assertEquals(2, names().size());
        // If tryLock throws, the file system counts as having no locks.
        Disk.Output closed = Disk.REAL.create(folder.resolve("closed"), file);
        closed.close();
        assertEquals(Disk.Hold.UNSUPPORTED, closed.hold());
    }

    @Test
    void leavesAFileThatIsLocked() throws IOException {
        // This process holds the lock, but not through a save that this class knows of, as with two class loaders.
        Path held = Files.createFile(folder.resolve("run.safetensors" + TEMPORARY));
        try (FileChannel channel = FileChannel.open(held, StandardOpenOption.WRITE)) {
            channel.lock();
            save(Disk.REAL, file, version);
            assertTrue(Files.exists(held));
        }
        save(Disk.REAL, file, version);
        assertEquals(List.of("run.safetensors"), names());
    }

    /** An action in the middle of a save. */
    @FunctionalInterface
    private interface Act {
        void on(Path temporary) throws IOException;
    }

    /** Saves and runs an action in the middle of the save. */
    private void atTheFirstWrite(Act act) throws IOException {
        boolean[] done = {false};
        Disk disk = new DelegatingDisk(Disk.REAL) {
            @Override
            public Output create(Path created, Path like) throws IOException {
                return new DelegatingOutput(super.create(created, like)) {
                    @Override
                    public int write(ByteBuffer source) throws IOException {
                        if (!done[0]) {
                            done[0] = true;
                            act.on(created);
                        }
                        return super.write(source);
                    }
                };
            }
        };
        save(disk, file, version);
        assertTrue(done[0]);
    }

    @Test
    void twoSavesOfOneProcessDoEachOtherNoHarm() throws IOException {
        atTheFirstWrite(temporary -> {
            save(Disk.REAL, file, 7);
            assertHolds(file, 7);
            assertTrue(Files.exists(temporary));
        });
        assertHolds(file, version);
        assertEquals(List.of("run.safetensors"), names());
    }

    /** Fails to move a number of times, as Windows does while a program has the file open, and then moves. */
    private static final class InUse implements RealDisk.Move {
        private final int failures;
        private int tries;

        InUse(int failures) {
            this.failures = failures;
        }

        @Override
        public void move(Path from, Path to) throws IOException {
            if (tries++ < failures) {
                throw new FileSystemException(from.toString(), to.toString(), "used by another process");
            }
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        }
    }

    @Test
    void waitsForAFileThatIsOpenOnWindows() throws IOException {
        try (FileSystem windows = Jimfs.newFileSystem(Configuration.windows())) {
            Path open = windows.getPath("run.safetensors");
            save(Disk.REAL, open, 1);
            InUse moment = new InUse(3);
            save(new RealDisk(moment), open, 2);
            assertEquals(4, moment.tries);
            assertHolds(open, 2);
            InUse always = new InUse(Integer.MAX_VALUE);
            IOException e = assertThrows(AccessDeniedException.class, () -> save(new RealDisk(always), open, 3));
            assertEquals(
                    "run.safetensors: cannot be saved and is unchanged: the old file cannot be replaced; it must be"
                            + " neither read-only, nor open or mapped in this program or another",
                    e.getMessage());
            assertEquals(8, always.tries);
            assertHolds(open, 2);
            try (Stream<Path> files = Files.list(open.toAbsolutePath().getParent())) {
                assertEquals(List.of(open.toAbsolutePath()), files.toList());
            }
        }
    }

    @Test
    void doesNotWaitIfNoFileIsInTheWay() throws IOException {
        Needs.posix(file);
        save(Disk.REAL, file, 1);
        InUse posix = new InUse(1);
        assertThrows(FileSystemException.class, () -> save(new RealDisk(posix), file, 2));
        assertEquals(1, posix.tries);
        assertHolds(file, 1);
        try (FileSystem windows = Jimfs.newFileSystem(Configuration.windows())) {
            InUse absent = new InUse(1);
            assertThrows(
                    FileSystemException.class, () -> save(new RealDisk(absent), windows.getPath("run.safetensors"), 2));
            assertEquals(1, absent.tries);
            Path old = windows.getPath("old");
            save(Disk.REAL, old, 1);
            Disk deleting = new RealDisk((from, to) -> {
                Files.delete(from);
                throw new NoSuchFileException(from.toString());
            });
            assertThrows(NoSuchFileException.class, () -> save(deleting, old, 2));
            assertHolds(old, 1);
        }
    }

    /** Without the right to read, a folder cannot be forced, and who saves is told. */
    @Test
    void aFolderThatCannotBeForcedIsToldOf() throws IOException {
        Needs.posix(folder);
        assertThrows(NoSuchFileException.class, () -> Disk.REAL.forceFolder(folder.resolve("absent")));
        Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("-wx------"));
        try {
            assumeTrue(!Files.isReadable(folder), "root reads everything");
            IOException e = assertThrows(AccessDeniedException.class, () -> save(Disk.REAL, file, version));
            assertEquals(
                    file + ": has been saved, but may not survive a crash of the machine: no permission",
                    e.getMessage());
            assertHolds(file, version);
        } finally {
            Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx------"));
        }
    }

    /** As in a zip archive. */
    @Test
    void givesUpIfTheTemporaryFileHasNoName() throws IOException {
        List<Path> created = new ArrayList<>();
        Disk disk = new DelegatingDisk(Disk.REAL) {
            @Override
            public Output create(Path path, Path like) throws IOException {
                created.add(path);
                return new DelegatingOutput(super.create(path, like)) {
                    @Override
                    public Hold hold() {
                        return Hold.LOST;
                    }
                };
            }

            @Override
            public void delete(Path deleted) throws IOException {
                super.delete(deleted);
                throw new IOException("another process is faster");
            }
        };
        IOException e = assertThrows(IOException.class, () -> save(disk, file, version));
        assertTrue(
                e.getMessage()
                        .startsWith(
                                file + ": cannot be saved and is unchanged: its temporary file has no name while it"),
                e.getMessage());
        assertEquals(100, created.size());
        assertEquals(List.of(), names());
    }

    /** The reason for which the save failed is not replaced by that for which its temporary file stays. */
    @Test
    void aTemporaryFileThatCannotBeDeleted() {
        IOException stays = new IOException("not this one");
        Disk disk = new DelegatingDisk(Disk.REAL) {
            @Override
            public void replace(Path target, Path by) throws IOException {
                throw new IOException("no space");
            }

            @Override
            public void delete(Path deleted) throws IOException {
                throw stays;
            }
        };
        IOException e = assertThrows(IOException.class, () -> save(disk, file, version));
        assertEquals(file + ": cannot be saved and is unchanged: no space", e.getMessage());
        assertArrayEquals(new Throwable[] {stays}, e.getCause().getSuppressed());
    }

    /** Another process deletes the file as abandoned after it was created and before it is locked. */
    @Test
    void beginsAnewIfItsFileWasDeletedBeforeItWasLocked() throws IOException {
        int[] created = {0};
        Disk disk = new DelegatingDisk(Disk.REAL) {
            @Override
            public Output create(Path path, Path like) throws IOException {
                Output output = super.create(path, like);
                if (created[0]++ < 2) {
                    Files.delete(path);
                }
                return output;
            }
        };
        save(disk, file, version);
        assertEquals(3, created[0]);
        assertHolds(file, version);
        assertEquals(List.of("run.safetensors"), names());
    }

    /** The same a moment earlier: the other process has locked the file, but not yet deleted it. */
    @Test
    void beginsAnewIfItsFileIsLockedByAnother() throws IOException {
        int[] created = {0};
        FileChannel[] other = new FileChannel[1];
        Disk disk = new DelegatingDisk(Disk.REAL) {
            @Override
            public Output create(Path path, Path like) throws IOException {
                Output output = super.create(path, like);
                if (created[0]++ == 0) {
                    other[0] = FileChannel.open(path, StandardOpenOption.WRITE);
                    other[0].lock();
                }
                return output;
            }
        };
        save(disk, file, version);
        other[0].close();
        assertEquals(2, created[0]);
        assertHolds(file, version);
        save(Disk.REAL, file, version);
        assertEquals(List.of("run.safetensors"), names());
    }

    @Test
    void aThreadThatIsInterruptedKeepsTheOldFile() throws IOException {
        save(Disk.REAL, file, version);
        byte[] before = Files.readAllBytes(file);
        version++;
        Thread.currentThread().interrupt();
        InterruptedIOException early = assertThrows(InterruptedIOException.class, () -> save(Disk.REAL, file, version));
        assertTrue(Thread.interrupted(), "the thread stays interrupted");
        InterruptedIOException late = assertThrows(
                InterruptedIOException.class,
                () -> atTheFirstWrite(temporary -> Thread.currentThread().interrupt()));
        assertTrue(Thread.interrupted());
        for (InterruptedIOException e : List.of(early, late)) {
            assertEquals(file + ": cannot be saved and is unchanged: the thread was interrupted", e.getMessage());
            assertTrue(e.getCause() instanceof ClosedByInterruptException);
        }
        assertArrayEquals(before, Files.readAllBytes(file));
        assertEquals(List.of("run.safetensors"), names());
        version++;
        save(Disk.REAL, file, version);
        assertHolds(file, version);
    }

    @Test
    void anInterruptAfterTheMoveIsToldApart() throws IOException {
        // Where no folder can be forced, nothing comes after the move.
        Needs.posix(file);
        save(Disk.REAL, file, version);
        version++;
        Disk disk = new DelegatingDisk(Disk.REAL) {
            @Override
            public void forceFolder(Path forced) throws IOException {
                Thread.currentThread().interrupt();
                super.forceFolder(forced);
            }
        };
        InterruptedIOException e = assertThrows(InterruptedIOException.class, () -> save(disk, file, version));
        assertTrue(Thread.interrupted());
        assertEquals(
                file + ": has been saved, but may not survive a crash of the machine: the thread was interrupted",
                e.getMessage());
        assertHolds(file, version);
        assertEquals(List.of("run.safetensors"), names());
    }

    @Test
    void anErrorOfTheDiskNamesTheFile() throws IOException {
        Disk disk = new DelegatingDisk(Disk.REAL) {
            @Override
            public Output create(Path created, Path like) throws IOException {
                return new DelegatingOutput(super.create(created, like)) {
                    @Override
                    public void force() throws IOException {
                        throw new IOException("No space left on device");
                    }
                };
            }
        };
        IOException e = assertThrows(IOException.class, () -> save(disk, file, version));
        assertEquals(file + ": cannot be saved and is unchanged: No space left on device", e.getMessage());
        assertEquals(List.of(), names());
    }

    /** Runs a hundred saves of one file at once and stops all of them in the middle, until it is told to continue. */
    static final class Saving {

        private Saving() {}

        public static void main(String[] args) throws Exception {
            Path file = Path.of(args[0]);
            int saves = Integer.parseInt(args[1]);
            CountDownLatch inTheMiddle = new CountDownLatch(saves);
            CountDownLatch goOn = new CountDownLatch(1);
            Disk disk = new DelegatingDisk(Disk.REAL) {
                @Override
                public Output create(Path created, Path like) throws IOException {
                    return new DelegatingOutput(super.create(created, like)) {
                        @Override
                        public int write(ByteBuffer source) throws IOException {
                            inTheMiddle.countDown();
                            try {
                                goOn.await();
                            } catch (InterruptedException e) {
                                throw new InterruptedIOException();
                            }
                            return super.write(source);
                        }
                    };
                }
            };
            for (int i = 0; i < saves; i++) {
                Thread thread = new Thread(() -> {
                    try {
                        save(disk, file, 0);
                        System.out.println("saved");
                    } catch (IOException e) {
                        System.out.println(e);
                    }
                });
                thread.start();
            }
            inTheMiddle.await();
            System.out.println("in the middle");
            System.in.read();
            goOn.countDown();
        }
    }

    private Process saving(int saves) throws Exception {
        return new ProcessBuilder(ChildJvm.command(
                        List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
                        Saving.class,
                        file.toString(),
                        String.valueOf(saves)))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }

    @Test
    @Tag("no-mutants")
    void aHundredKillsThenOneSaveLeaveOneFile() throws Exception {
        Process process = saving(100);
        try (BufferedReader output = process.inputReader()) {
            assertEquals("in the middle", output.readLine());
            assertEquals(100, names().size());
            save(Disk.REAL, file, version);
            assertEquals(101, names().size(), "they are held");
            process.toHandle().destroyForcibly();
            process.waitFor();
        }
        assertEquals(101, names().size());
        version++;
        save(Disk.REAL, file, version);
        assertEquals(List.of("run.safetensors"), names());
        assertHolds(file, version);
    }

    @Test
    @Tag("no-mutants")
    void twoProcessesSaveAtOnce() throws Exception {
        Process process = saving(1);
        try (BufferedReader output = process.inputReader()) {
            assertEquals("in the middle", output.readLine());
            version = 3;
            save(Disk.REAL, file, version);
            assertHolds(file, 3);
            process.getOutputStream().close();
            assertEquals("saved", output.readLine());
        }
        assertEquals(0, process.waitFor());
        // The last to move is the one that is there.
        assertHolds(file, 0);
        assertEquals(List.of("run.safetensors"), names());
    }
}
