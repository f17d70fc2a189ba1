package io.github.lars4j;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/** What a test needs that not every system has. Without it, the test is skipped, and the report has the reason. */
public final class Needs {

    private Needs() {}

    /** Needs POSIX permissions, which Windows has not. */
    public static void posix(Path file) {
        assumeTrue(
                file.getFileSystem().supportedFileAttributeViews().contains("posix"),
                "this file system has no POSIX permissions");
    }

    /** Needs a little-endian machine, because others cannot map safetensors files. */
    public static void littleEndian() {
        assumeTrue(
                ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN, "this machine is big-endian, and the file is not");
    }

    /** Makes a symbolic link, which needs a privilege on Windows. */
    public static Path symbolicLink(Path link, Path target) throws IOException {
        try {
            return Files.createSymbolicLink(link, target);
        } catch (UnsupportedOperationException | FileSystemException e) {
            return Assumptions.abort("this process may not make symbolic links: " + e);
        }
    }

    /** Makes a named pipe, which needs the POSIX program {@code mkfifo}. */
    public static Path pipe(Path pipe) throws InterruptedException {
        posix(pipe);
        try {
            assumeTrue(
                    new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor() == 0,
                    "this system makes no named pipes");
        } catch (IOException e) {
            Assumptions.abort("this system starts no mkfifo: " + e.getMessage());
        }
        return pipe;
    }
}
