package io.github.lars4j.internal.saving;

import io.github.lars4j.internal.FileErrors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** The file systems of this machine, and those that a program or a library provides. */
final class RealDisk implements Disk {

    /** Moves a file. */
    @FunctionalInterface
    interface Move {
        /** Moves {@code from} to {@code to} in one piece, and replaces a file that is there. */
        void move(Path from, Path to) throws IOException;
    }

    /** The maximum number of symbolic links to follow, the same as Linux has. */
    private static final int MOST_LINKS = 40;

    /** The pauses between tries to replace a file that is in use, in ms. Together they take a second. */
    private static final int[] PAUSES = {10, 20, 40, 80, 160, 320, 370};

    private static final List<PosixFilePermission> GROUP =
            List.of(PosixFilePermission.GROUP_READ, PosixFilePermission.GROUP_WRITE, PosixFilePermission.GROUP_EXECUTE);
    private static final List<PosixFilePermission> OTHERS = List.of(
            PosixFilePermission.OTHERS_READ, PosixFilePermission.OTHERS_WRITE, PosixFilePermission.OTHERS_EXECUTE);

    private final Move mover;

    RealDisk() {
        this((from, to) -> Files.move(from, to, StandardCopyOption.ATOMIC_MOVE));
    }

    RealDisk(Move mover) {
        this.mover = mover;
    }

    /** Returns whether a file system has the semantics of POSIX; of the usual ones only those of Windows have not. */
    private static boolean isPosix(Path file) {
        return file.getFileSystem().supportedFileAttributeViews().contains("posix");
    }

    @Override
    public Path target(Path file) throws IOException {
        Path target = file.toAbsolutePath();
        for (int links = 0; Files.isSymbolicLink(target); links++) {
            if (links == MOST_LINKS) {
                throw new FileSystemException(file.toString(), null, "more than " + MOST_LINKS + " symbolic links");
            }
            target = target.resolveSibling(Files.readSymbolicLink(target));
        }
        BasicFileAttributes attributes;
        try {
            attributes = Files.readAttributes(target, BasicFileAttributes.class);
        } catch (NoSuchFileException e) {
            Path folder = target.getParent();
            if (Files.notExists(folder)) {
                throw new NoSuchFileException(
                        target.toString(), null, "folder " + folder + " does not exist; saving does not create it");
            }
            if (!Files.isDirectory(folder)) {
                throw new FileSystemException(target.toString(), null, folder + " is no folder");
            }
            return target;
        }
        if (!attributes.isRegularFile()) {
            throw new FileSystemException(
                    target.toString(), null, "it is " + FileErrors.kind(attributes) + "; it must be a file");
        }
        return target;
    }

    @Override
    public Output create(Path file, Path like) throws IOException {
        FileAttribute<?>[] attributes = attributes(like) == null
                ? new FileAttribute<?>[0]
                : new FileAttribute<?>[] {
                    PosixFilePermissions.asFileAttribute(
                            Set.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE))
                };
        FileChannel channel =
                FileChannel.open(file, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), attributes);
        return new Output() {
            @Override
            public Hold hold() {
                try {
                    // A file that was deleted before it was locked can still be locked.
                    return lock(channel, false) != null && Files.exists(file) ? Hold.HELD : Hold.LOST;
                } catch (IOException e) {
                    return Hold.UNSUPPORTED;
                }
            }

            @Override
            public int write(ByteBuffer source) throws IOException {
                return channel.write(source);
            }

            @Override
            public void force() throws IOException {
                channel.force(true);
            }

            @Override
            public boolean isOpen() {
                return channel.isOpen();
            }

            @Override
            public void close() throws IOException {
                channel.close();
            }
        };
    }

    /** Locks a file; returns {@code null} if it is locked already. */
    private static FileLock lock(FileChannel channel, boolean shared) throws IOException {
        try {
            // This byte lies beyond the end of any file: on Windows, other processes cannot read locked bytes.
            return channel.tryLock(Long.MAX_VALUE - 1, 1, shared);
        } catch (OverlappingFileLockException e) {
            // This process holds it, through a copy of this class from another class loader.
            return null;
        }
    }

    /** Returns the group and permissions of a file, or {@code null} if it does not exist or has none. */
    private static PosixFileAttributes attributes(Path file) throws IOException {
        PosixFileAttributeView view = Files.getFileAttributeView(file, PosixFileAttributeView.class);
        try {
            return view == null ? null : view.readAttributes();
        } catch (NoSuchFileException e) {
            return null;
        }
    }

    @Override
    public void takePermissions(Path file, Path from) throws IOException {
        PosixFileAttributes wanted = attributes(from);
        if (wanted == null) {
            return;
        }
        PosixFileAttributeView view = Files.getFileAttributeView(file, PosixFileAttributeView.class);
        PosixFileAttributes present = view.readAttributes();
        Set<PosixFilePermission> permissions = wanted.permissions();
        if (!wanted.group().equals(present.group())) {
            try {
                view.setGroup(wanted.group());
            } catch (IOException e) {
                permissions = forAnyGroup(permissions);
            }
        }
        // Some file systems give all files the same permissions and refuse to set them.
        if (!permissions.equals(present.permissions())) {
            view.setPermissions(permissions);
        }
    }

    /**
     * Reduces the permissions of the group and of all others to those that both have. With another group, the members
     * of the old one are others, and some others are members of the new one.
     */
    static Set<PosixFilePermission> forAnyGroup(Set<PosixFilePermission> permissions) {
        Set<PosixFilePermission> reduced = new HashSet<>(permissions);
        for (int i = 0; i < GROUP.size(); i++) {
            if (!permissions.contains(GROUP.get(i)) || !permissions.contains(OTHERS.get(i))) {
                reduced.remove(GROUP.get(i));
                reduced.remove(OTHERS.get(i));
            }
        }
        return reduced;
    }

    /**
     * {@inheritDoc}
     *
     * <p>Windows refuses while any program has the old file open. Virus scanners and programs that load a checkpoint
     * have it open for a moment, so this tries again for a second.
     */
    @Override
    public void replace(Path file, Path by) throws IOException {
        for (int tries = 0; ; tries++) {
            try {
                mover.move(by, file);
                return;
            } catch (FileSystemException e) {
                boolean inUse = !isPosix(file) && Files.exists(file) && Files.exists(by);
                if (!inUse) {
                    throw e;
                }
                if (tries == PAUSES.length) {
                    AccessDeniedException denied = new AccessDeniedException(
                            file.toString(),
                            null,
                            "the old file cannot be replaced; it must be neither read-only, nor open or mapped in this"
                                    + " program or another");
                    denied.initCause(e);
                    throw denied;
                }
            }
            // An interrupt, which stays set, ends the pauses.
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(PAUSES[tries]));
        }
    }

    @Override
    public void forceFolder(Path folder) throws IOException {
        FileChannel channel;
        try {
            channel = FileChannel.open(folder, StandardOpenOption.READ);
        } catch (FileSystemException e) {
            if (isPosix(folder) && folder.getFileSystem().equals(FileSystems.getDefault())) {
                throw e;
            }
            // Windows and most other providers cannot open a directory as a file, and have no other way to force one.
            return;
        }
        try (channel) {
            channel.force(true);
        }
    }

    @Override
    public void delete(Path file) throws IOException {
        Files.deleteIfExists(file);
    }

    @Override
    public List<Path> list(Path folder) throws IOException {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder)) {
            stream.forEach(files::add);
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
        return files;
    }

    @Override
    public void deleteAbandoned(Path file) throws IOException {
        if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        // The file may be read-only, and a shared lock needs no more than reading. It is refused if the file is held.
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            if (lock(channel, true) != null) {
                Files.deleteIfExists(file);
            }
        }
    }
}
