package io.github.lars4j.bench.replay;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.command.CommandLineRun;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.TensorInfo;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("locale")
class ReplayCommandTest {

    @TempDir
    Path folder;

    private CommandLineRun run;

    private int replay(Path... files) throws Exception {
        run = CommandLineRun.of(new ReplayCommand(), (Object[]) files);
        return run.code();
    }

    private String out() {
        return run.out();
    }

    private String err() {
        return run.err();
    }

    /** A recording with one element of a tensor changed. */
    private Path changed(String name, String tensor, int element, float value) throws IOException {
        Path copy = Files.copy(Recordings.FOLDER.resolve(name), folder.resolve("changed-" + name));
        long at;
        try (SafeTensorsFile file = SafeTensorsFile.open(copy)) {
            TensorInfo info = file.tensors().get(tensor);
            at = file.dataStart() + info.begin() + (long) Float.BYTES * element;
        }
        try (RandomAccessFile file = new RandomAccessFile(copy.toFile(), "rw")) {
            file.seek(at);
            file.writeInt(Integer.reverseBytes(Float.floatToIntBits(value)));
        }
        return copy;
    }

    @Test
    void recordingsThatHoldGiveALineEachAndZero() throws Exception {
        assertEquals(
                0,
                replay(
                        Recordings.FOLDER.resolve("optax-12.safetensors"),
                        Recordings.FOLDER.resolve("seed-1.safetensors")));
        assertEquals(2, out().lines().count());
        assertTrue(
                out().lines()
                        .allMatch(line ->
                                line.matches(".*weights off by 0[.][0-9]+ of .*buffer by 0[.][0-9]+ of .*: holds")),
                out());
        assertEquals("", err());
    }

    @Test
    void oneThatFailsGivesOneAndTheRestIsReplayedAllTheSame() throws Exception {
        Path failing = changed("seed-4.safetensors", "gradients", 300, 7);
        assertEquals(1, replay(failing, Recordings.FOLDER.resolve("seed-1.safetensors")));
        assertEquals(2, out().lines().count());
        assertTrue(out().contains("FAILS, first at step 0 in layer fc1.weight"), out());
        assertTrue(out().lines().toList().get(1).endsWith("holds"), out());
    }

    @Test
    void aGradientThatIsNotFiniteFails() throws Exception {
        assertEquals(1, replay(changed("seed-4.safetensors", "gradients", 300, Float.NaN)));
        assertTrue(out().contains("FAILS, layer \"fc1.weight\""), out());
    }

    @Test
    void oneThatCannotBeReadGivesTwoAndTheRestIsReplayedAllTheSame() throws Exception {
        Path malformed = Files.writeString(folder.resolve("malformed.safetensors"), "no safetensors at all");
        assertEquals(2, replay(folder.resolve("absent"), malformed, Recordings.FOLDER.resolve("seed-1.safetensors")));
        assertTrue(err().contains("absent: cannot be opened: there is no such file"), err());
        assertTrue(err().contains("malformed.safetensors: the header length"), err());
        assertEquals(1, out().lines().count());
        assertTrue(out().strip().endsWith("holds"), out());
    }

    @Test
    void aFolderAndAFileOfPyTorchAreNamed() throws Exception {
        byte[] zip = Arrays.copyOf(new byte[] {'P', 'K', 3, 4, 0, 0, 8, 8}, 200);
        Path torch = Files.write(folder.resolve("model.pt"), zip);
        assertEquals(2, replay(folder, torch));
        assertTrue(err().contains(folder + ": cannot be opened: it is a folder; it must be a file"), err());
        assertTrue(err().contains("model.pt: it is a zip archive, as torch.save writes"), err());
        assertTrue(err().contains("  import torch; "), err());
    }

    @Test
    void otherStartingPointsAreSaid() throws Exception {
        assertEquals(2, replay(changed("seed-4.safetensors", "params_initial", 1, 7)));
        assertTrue(err().contains("at element 1 params_initial is 7.0"), err());
    }

    @Test
    void noFilesGiveTwo() throws Exception {
        assertEquals(2, replay());
        assertTrue(err().contains("Missing required parameter: 'FILE'"), err());
    }
}
