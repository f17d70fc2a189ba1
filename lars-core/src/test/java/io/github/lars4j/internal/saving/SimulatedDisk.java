package io.github.lars4j.internal.saving;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * A disk in memory that crashes or fails at a planned operation. After a crash, any part of each write that was not
 * forced may be lost, independently of other writes. Each change of a name that was not forced may be lost, but only as
 * a whole.
 */
public final class SimulatedDisk implements Disk {

    /** The machine has crashed: no later operation has an effect. */
    public static final class Crash extends Error {
        private static final long serialVersionUID = 1L;
    }

    public enum Fault {
        /** The machine crashes before, during or right after the operation. */
        CRASH,
        /** The operation fails after doing nothing or a part of its work. */
        ERROR,
        /** The disk is full: this write and all later writes fail after a part. */
        FULL
    }

    private static final class Inode {
        byte[] forced = {};
        byte[] now = {};
        /** The begin and end of each write that was not forced. */
        final List<int[]> unforced = new ArrayList<>();
    }

    /** A change of names: removes {@code removed}, and lets {@code name} refer to {@code inode}; either may be null. */
    private record Change(Path removed, Path name, Inode inode) {
        void apply(Map<Path, Inode> names) {
            names.remove(removed);
            if (name != null) {
                names.put(name, inode);
            }
        }
    }

    private static final int SECTOR = 64;

    private final Random random;
    private final Map<Path, Inode> forcedNames = new HashMap<>();
    private final Map<Path, Inode> names = new HashMap<>();
    private final List<Change> unforced = new ArrayList<>();
    private final Set<Path> held = new HashSet<>();
    private Fault fault;
    private int faultAt;
    private boolean full;
    private boolean dead;
    /** The number of operations so far. */
    public int operations;

    public SimulatedDisk(long seed) {
        random = new Random(seed);
    }

    /** Plans a fault at an operation; the first operation is 0. */
    public void plan(Fault fault, int operation) {
        this.fault = fault;
        this.faultAt = operation;
        operations = 0;
    }

    /** Returns the content of a file, or {@code null} if it does not exist. */
    public byte[] content(Path file) {
        Inode inode = names.get(file);
        return inode == null ? null : inode.now.clone();
    }

    public int files() {
        return names.size();
    }

    /** Crashes the machine and restarts it with what has survived. */
    public void crash() {
        held.clear();
        names.clear();
        names.putAll(forcedNames);
        for (Change change : unforced) {
            if (random.nextBoolean()) {
                change.apply(names);
            }
        }
        names.values().forEach(this::survive);
        dead = false;
        fault = null;
        full = false;
    }

    private void survive(Inode inode) {
        int length = inode.forced.length;
        for (int[] write : inode.unforced) {
            length = random.nextBoolean() ? Math.max(length, write[1]) : length;
        }
        byte[] survived = Arrays.copyOf(inode.forced, length);
        for (int[] write : inode.unforced) {
            int kind = random.nextInt(4);
            for (int begin = write[0]; begin < Math.min(length, write[1]); begin += SECTOR) {
                int end = Math.min(Math.min(length, write[1]), begin + SECTOR);
                if (kind == 0 || (kind == 1 && random.nextBoolean())) {
                    System.arraycopy(inode.now, begin, survived, begin, end - begin);
                } else if (kind == 2) {
                    // Blocks that were allocated but never written have any content.
                    for (int i = begin; i < end; i++) {
                        survived[i] = (byte) random.nextInt();
                    }
                }
            }
        }
        inode.now = survived;
        inode.forced = survived.clone();
        inode.unforced.clear();
    }

    /** Returns whether the operation fails part of the way; throws if it fails at its beginning. */
    private boolean fails() throws IOException {
        if (dead) {
            throw new Crash();
        }
        if (fault == null || operations++ != faultAt) {
            return false;
        }
        if (fault == Fault.FULL) {
            full = true;
            return false;
        }
        if (random.nextBoolean()) {
            die();
            throw new IOException("simulated");
        }
        return true;
    }

    private void finish(boolean failing) throws IOException {
        if (failing) {
            die();
            throw new IOException("simulated, at the end");
        }
    }

    private void die() {
        if (fault == Fault.CRASH) {
            dead = true;
            throw new Crash();
        }
    }

    private void change(Change change) {
        change.apply(names);
        unforced.add(change);
    }

    /** This disk has no links. */
    @Override
    public Path target(Path file) throws IOException {
        finish(fails());
        return file;
    }

    /** This disk has no permissions. */
    @Override
    public void takePermissions(Path file, Path from) throws IOException {
        finish(fails());
    }

    @Override
    public List<Path> list(Path folder) throws IOException {
        finish(fails());
        return List.copyOf(names.keySet());
    }

    @Override
    public void deleteAbandoned(Path file) throws IOException {
        if (held.contains(file)) {
            throw new AssertionError(file + " is held");
        }
        delete(file);
    }

    @Override
    public Output create(Path file, Path like) throws IOException {
        boolean failing = fails();
        if (names.containsKey(file)) {
            throw new IOException(file + " is there");
        }
        Inode inode = new Inode();
        change(new Change(null, file, inode));
        finish(failing);
        return new Output() {
            @Override
            public Hold hold() {
                held.add(file);
                return Hold.HELD;
            }

            @Override
            public int write(ByteBuffer source) throws IOException {
                boolean failing = fails();
                int count = failing || full || random.nextInt(4) == 0
                        ? random.nextInt(source.remaining() + 1)
                        : source.remaining();
                if (!full && !failing && count == 0) {
                    count = 1;
                }
                int begin = inode.now.length;
                inode.now = Arrays.copyOf(inode.now, begin + count);
                source.get(inode.now, begin, count);
                inode.unforced.add(new int[] {begin, begin + count});
                finish(failing);
                if (full) {
                    throw new IOException("No space left on device, simulated");
                }
                return count;
            }

            @Override
            public void force() throws IOException {
                boolean failing = fails();
                // A failed operation may have had its effect or not.
                if (!failing || random.nextBoolean()) {
                    inode.forced = inode.now.clone();
                    inode.unforced.clear();
                }
                finish(failing);
            }

            @Override
            public boolean isOpen() {
                return true;
            }

            @Override
            public void close() throws IOException {
                held.remove(file);
                finish(fails());
            }
        };
    }

    @Override
    public void replace(Path file, Path by) throws IOException {
        boolean failing = fails();
        if (!names.containsKey(by)) {
            throw new IOException(by + " does not exist");
        }
        if (failing && fault == Fault.ERROR) {
            // A move that fails has no effect.
            finish(true);
        }
        change(new Change(by, file, names.get(by)));
        finish(failing);
    }

    @Override
    public void forceFolder(Path folder) throws IOException {
        boolean failing = fails();
        if (!failing || random.nextBoolean()) {
            unforced.forEach(change -> change.apply(forcedNames));
            unforced.clear();
        }
        finish(failing);
    }

    @Override
    public void delete(Path file) throws IOException {
        boolean failing = fails();
        if (names.containsKey(file)) {
            change(new Change(file, null, null));
        }
        finish(failing);
    }
}
