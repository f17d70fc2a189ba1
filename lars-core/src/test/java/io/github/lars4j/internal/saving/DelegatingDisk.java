package io.github.lars4j.internal.saving;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;

/** Forwards every operation to another disk; tests override single operations. */
class DelegatingDisk implements Disk {

    private final Disk disk;

    DelegatingDisk(Disk disk) {
        this.disk = disk;
    }

    @Override
    public Path target(Path file) throws IOException {
        return disk.target(file);
    }

    @Override
    public Output create(Path file, Path like) throws IOException {
        return disk.create(file, like);
    }

    @Override
    public void takePermissions(Path file, Path from) throws IOException {
        disk.takePermissions(file, from);
    }

    @Override
    public void replace(Path file, Path by) throws IOException {
        disk.replace(file, by);
    }

    @Override
    public void forceFolder(Path folder) throws IOException {
        disk.forceFolder(folder);
    }

    @Override
    public void delete(Path file) throws IOException {
        disk.delete(file);
    }

    @Override
    public List<Path> list(Path folder) throws IOException {
        return disk.list(folder);
    }

    @Override
    public void deleteAbandoned(Path file) throws IOException {
        disk.deleteAbandoned(file);
    }

    /** Forwards every operation to another output. */
    static class DelegatingOutput implements Output {

        private final Output output;

        DelegatingOutput(Output output) {
            this.output = output;
        }

        @Override
        public Hold hold() {
            return output.hold();
        }

        @Override
        public int write(ByteBuffer source) throws IOException {
            return output.write(source);
        }

        @Override
        public void force() throws IOException {
            output.force();
        }

        @Override
        public boolean isOpen() {
            return output.isOpen();
        }

        @Override
        public void close() throws IOException {
            output.close();
        }
    }
}
