package io.github.lars4j;

import com.google.common.jimfs.Configuration;
import com.google.common.jimfs.Jimfs;
import com.sun.management.ThreadMXBean;
import io.github.lars4j.internal.saving.Checksum;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.safetensors.Dtype;
import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.TensorInfo;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;

/**
 * What holds of every sequence of bytes that is read as a checkpoint. The profile {@code fuzz} searches for one of
 * which it does not; a test tries those that it kept.
 */
public final class CheckpointFuzz {

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final Path FILE = Jimfs.newFileSystem(Configuration.unix()).getPath("/f.safetensors");

    /** A restore logs what it changes, which would be most of the output. */
    private static final Logger LOG = Logger.getLogger("io.github.lars4j");

    /** Maximum length of the weights, wherever a checkpoint says that its layers are. */
    private static final int MOST_ELEMENTS = 1 << 12;

    private CheckpointFuzz() {}

    /**
     * Reads the bytes with a header length and checksums that match, restores what is accepted, and saves and reads
     * that again.
     */
    public static void fuzzerTestOneInput(byte[] input) throws IOException {
        byte[] content = HostileCheckpointTest.sealed(withLength(input));
        Files.write(FILE, content);
        Checkpoint checkpoint = load(content);
        if (checkpoint == null || checkpoint.layers().end() > MOST_ELEMENTS) {
            return;
        }
        Map<String, String> tensors = tensors();
        byte[] again = restoredAndSaved(checkpoint);
        if (again != null) {
            check(tensors().equals(tensors), "other tensors");
            Checkpoint second = Checkpoint.load(FILE);
            check(second.step() == checkpoint.step(), "another step");
            check(second.layers().equals(checkpoint.layers()), "other layers");
            check(second.hasWeights() == checkpoint.hasWeights(), "other weights");
            check(hyperparameters(second).equals(hyperparameters(checkpoint)), "other hyperparameters");
            check(Arrays.equals(restoredAndSaved(second), again), "other bytes when saved twice");
        }
    }

    /** Sets the length of the header to where its braces and the padding end, if they do. */
    private static byte[] withLength(byte[] input) {
        boolean quoted = false;
        int depth = 0;
        for (int i = Long.BYTES; i < input.length; i++) {
            if (quoted) {
                quoted = input[i] != '"';
                i += input[i] == '\\' ? 1 : 0;
            } else if (input[i] == '"') {
                quoted = true;
            } else {
                depth += input[i] == '{' ? 1 : input[i] == '}' ? -1 : 0;
                if (depth <= 0) {
                    int end = i + 1;
                    while (end < input.length && input[end] == ' ') {
                        end++;
                    }
                    byte[] fitting = input.clone();
                    ByteBuffer.wrap(fitting).order(ByteOrder.LITTLE_ENDIAN).putLong(0, end - Long.BYTES);
                    return fitting;
                }
            }
        }
        return input;
    }

    /** Reads the file; null if it is refused. */
    private static Checkpoint load(byte[] content) throws IOException {
        long most = (1 << 20) + 200L * content.length;
        long allocated = 0;
        Checkpoint checkpoint = null;
        // The first time may load classes.
        for (int time = 0; time == 0 || (time == 1 && allocated > most); time++) {
            allocated = -THREADS.getCurrentThreadAllocatedBytes();
            try {
                checkpoint = Checkpoint.load(FILE);
            } catch (SafeTensorsException e) {
                checkMessage(e);
            }
            allocated += THREADS.getCurrentThreadAllocatedBytes();
        }
        check(allocated <= most, allocated + " bytes allocated");
        return checkpoint;
    }

    /** Restores into an optimizer that has the checkpoint's groups; null if that is refused. */
    private static byte[] restoredAndSaved(Checkpoint checkpoint) throws IOException {
        Lars.Builder builder = Lars.builder(checkpoint.layers()).learningRate(0.5);
        try (SafeTensorsFile file = SafeTensorsFile.open(FILE)) {
            if (file.tensors().values().stream().anyMatch(tensor -> tensor.dtype() == Dtype.BF16)) {
                builder.momentumFormat(Format.BFLOAT16);
            }
            Map<String, String> metadata = file.metadata();
            for (int g = 0; metadata.containsKey("group." + g + ".name"); g++) {
                builder.group(metadata.get("group." + g + ".name"), layer -> true, group -> group.rateFactor(1));
            }
        }
        float[] weights =
                checkpoint.hasWeights() ? new float[(int) checkpoint.layers().end()] : null;
        Level level = LOG.getLevel();
        LOG.setLevel(Level.OFF);
        try (Lars lars = builder.build()) {
            if (weights == null) {
                checkpoint.restore(lars);
                Checkpoint.save(FILE, lars);
            } else {
                checkpoint.restore(lars, weights);
                Checkpoint.save(FILE, lars, weights);
            }
        } catch (IllegalArgumentException e) {
            checkMessage(e);
            return null;
        } finally {
            LOG.setLevel(level);
        }
        return Files.readAllBytes(FILE);
    }

    /** The tensors of the file, each with its dtype, shape and data, but for the checksum. */
    private static Map<String, String> tensors() throws IOException {
        Map<String, String> tensors = new HashMap<>();
        try (SafeTensorsFile file = SafeTensorsFile.open(FILE)) {
            for (TensorInfo tensor : file.tensors().values()) {
                String data;
                if (tensor.dtype() == Dtype.BF16) {
                    // Of these, every NaN becomes the one that a step writes, and an array of floats prints all the
                    // same.
                    float[] values = new float[(int) tensor.elementCount()];
                    file.readFloats(tensor.name(), values, 0);
                    data = Arrays.toString(values);
                } else {
                    byte[] bytes = new byte[(int) tensor.byteLength()];
                    file.readBytes(tensor.name(), bytes, 0);
                    data = HexFormat.of().formatHex(bytes);
                }
                tensors.put(tensor.name(), tensor.dtype() + " " + tensor.shape() + " " + data);
            }
        }
        tensors.remove(Checksum.TENSOR);
        return tensors;
    }

    private static String hyperparameters(Checkpoint checkpoint) {
        try {
            Hyperparameters values = checkpoint.hyperparameters();
            return values.toString();
        } catch (IllegalArgumentException e) {
            // A schedule had no value in the next step.
            return String.valueOf(e.getMessage());
        }
    }

    private static void checkMessage(Exception e) {
        String message = e.getMessage();
        check(message != null && message.length() < 2000, "message: " + message);
        check(!(e instanceof IOException) || message.startsWith(FILE.toString()), "message: " + message);
        check(message.lines().allMatch(line -> line.chars().noneMatch(Character::isISOControl)), "message: " + message);
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }
}
