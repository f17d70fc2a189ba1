package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.UnixOperatingSystemMXBean;
import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.lang.management.OperatingSystemMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** No save, load or refusal leaves a file open. The test counts open files, which needs a Unix system. */
class OpenFilesTest {

    private static final int TIMES = 100;

    private static final OperatingSystemMXBean SYSTEM = ManagementFactory.getOperatingSystemMXBean();

    @TempDir
    Path folder;

    private final Lars lars = SampleRun.builder(SampleRun.Kind.PAPER).build();
    private final float[] params = SampleRun.params();

    @BeforeEach
    void canCount() {
        assumeTrue(SYSTEM instanceof UnixOperatingSystemMXBean, "this system does not count open files");
    }

    @AfterEach
    void close() {
        lars.close();
    }

    private static long open() {
        return ((UnixOperatingSystemMXBean) SYSTEM).getOpenFileDescriptorCount();
    }

    /** Runs {@code act} many times; other threads of the JVM may open a few files meanwhile. */
    private static void leavesNoneOpen(Executable act) throws Throwable {
        act.execute();
        long before = open();
        for (int i = 0; i < TIMES; i++) {
            act.execute();
        }
        long left = open() - before;
        assertTrue(left < TIMES / 2, () -> left + " files are left open");
    }

    @Test
    void savingAndRestoring() throws Throwable {
        Path file = folder.resolve("run.safetensors");
        leavesNoneOpen(() -> Checkpoint.save(file, lars, params));
        leavesNoneOpen(() -> Checkpoint.load(file).restore(lars, params));
        leavesNoneOpen(() -> PyTorchState.restore(file, lars, params));
    }

    @Test
    void mapping() throws Throwable {
        Needs.littleEndian();
        Path file = folder.resolve("run.safetensors");
        Checkpoint.save(file, lars, params);
        leavesNoneOpen(() -> {
            try (Arena arena = Arena.ofConfined()) {
                SafeTensorsFile.mapFloats(file, arena);
            }
        });
    }

    @Test
    void failingToSave() throws Throwable {
        Path taken = Files.createDirectories(folder.resolve("run.safetensors").resolve("not empty"));
        leavesNoneOpen(() -> assertThrows(IOException.class, () -> Checkpoint.save(taken.getParent(), lars, params)));
    }

    @Test
    void refusing() throws Throwable {
        Path file = Files.writeString(folder.resolve("no.safetensors"), "not one of ours");
        leavesNoneOpen(() -> assertThrows(SafeTensorsException.class, () -> Checkpoint.load(file)));
        Needs.littleEndian();
        leavesNoneOpen(
                () -> assertThrows(SafeTensorsException.class, () -> SafeTensorsFile.mapFloats(file, Arena.global())));
    }
}
