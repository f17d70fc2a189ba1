package io.github.lars4j;

import io.github.lars4j.internal.saving.Disk;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/** The machine's, without its forces: for tests that save thousands of files and survive no crash. */
final class UnforcedDisk implements Disk {

    @Override
    public Output create(Path file) throws IOException {
        Output output = REAL.create(file);
        return new Output() {
            @Override
            public int write(ByteBuffer source) throws IOException {
                return output.write(source);
            }

            @Override
            public void force() {}

            @Override
            public boolean isOpen() {
                return output.isOpen();
            }

            @Override
            public void close() throws IOException {
                output.close();
            }
        };
    }

    @Override
    public void replace(Path file, Path by) throws IOException {
        REAL.replace(file, by);
    }

    @Override
    public void forceFolder(Path folder) {}

    @Override
    public void delete(Path file) throws IOException {
        REAL.delete(file);
    }
}
