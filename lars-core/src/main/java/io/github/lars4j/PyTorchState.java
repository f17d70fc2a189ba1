package io.github.lars4j;

import io.github.lars4j.internal.Turns;
import io.github.lars4j.internal.saving.Checksum;
import io.github.lars4j.safetensors.Dtype;
import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.TensorInfo;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/**
 * The state of a PyTorch optimizer, from a safetensors file: for each layer a tensor {@code <layer>.momentum_buffer},
 * and the weights as a tensor {@code <layer>}. {@code docs/pytorch-state.md} has the lines of Python that write such a
 * file, and those that read a {@link Checkpoint}, which has the same names.
 *
 * <p>Only numbers are taken. What a momentum means depends on the optimizer that gathered it, so the rule that is built
 * here must be that one's; hyperparameters and treatments stay those of the optimizer.
 */
public final class PyTorchState {

    private static final int CHUNK = 1 << 14;
    private static final String STEP = "step";

    private PyTorchState() {}

    /** Takes the momentum and leaves the weights to the trainer; otherwise as {@link #restore(Path, Lars, float[])}. */
    public static Restored restore(Path file, Lars lars) throws IOException {
        return read(file, lars, null);
    }

    /**
     * Takes the momentum and the weights. As in PyTorch, a layer without {@code momentum_buffer} has not begun: its
     * momentum is 0 and its first step undampened. The step number is that of the file's metadata {@code step}, or
     * stays. A checksum is checked if the file has one. Everything is checked before anything is changed.
     *
     * @param file the file; tensors of other names are left in it
     * @param lars the optimizer; no other call may be under way
     * @param params takes the weights, at least {@link Layers#end} elements; written in the layers alone
     * @return taken: the layers that had a {@code momentum_buffer}; left in the file: tensors, by name; left without:
     *     layers that had none
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if a layer's weights are missing, a tensor is not F32, has another length or a
     *     momentum that is not finite, with all of these in the message, or {@code params} is too short or the
     *     momentum's array; nothing has changed then
     * @throws IllegalStateException if the call may not come now: during another; nothing has changed then
     * @throws SafeTensorsException if the file is not a safetensors file, or damaged; nothing has changed then
     * @throws IOException if reading fails. Nothing has changed then, or, if it failed at the second reading, the
     *     optimizer asks for another restore
     */
    public static Restored restore(Path file, Lars lars, float[] params) throws IOException {
        return read(file, lars, Objects.requireNonNull(params, "params"));
    }

    private static Restored read(Path file, Lars lars, float[] params) throws IOException {
        Objects.requireNonNull(file, "file");
        Objects.requireNonNull(lars, "lars");
        Turns.Phase before = lars.turns().enter("restore", true, true);
        boolean writing = false;
        try {
            State live = lars.state();
            Arguments.requireParams(params, live);
            Restored restored;
            try (SafeTensorsFile open = SafeTensorsFile.open(file)) {
                if (open.tensors().containsKey(Checksum.TENSOR)) {
                    Checksum.verifyAll(file, open);
                }
                long step = step(file, open.metadata().get(STEP), live.step);
                restored = match(open, live, params != null);
                writing = true;
                take(open, live, params);
                live.step = step;
                lars.forgetCarried();
            }
            lars.turns().leave(Turns.Phase.IDLE);
            return restored;
        } catch (Throwable t) {
            Checkpoint.leave(lars, t, writing, before);
            throw t;
        }
    }

    private static long step(Path file, String text, long otherwise) throws SafeTensorsException {
        if (text == null) {
            return otherwise;
        }
        // Digits that fit a long; parseLong would take a sign, and the digits of other scripts.
        if (!text.matches("[0-9]{1,18}")) {
            throw new SafeTensorsException(file + ": metadata \"" + STEP + "\" is " + SafeTensorsException.quote(text)
                    + "; it must be a whole number, 0 or more");
        }
        return Long.parseLong(text);
    }

    private static Restored match(SafeTensorsFile open, State live, boolean weights) throws IOException {
        List<String> taken = new ArrayList<>();
        Map<String, String> leftInFile = new TreeMap<>();
        for (String name : open.tensors().keySet()) {
            leftInFile.put(name, "not asked for");
        }
        leftInFile.remove(Checksum.TENSOR);
        List<String> leftWithout = new ArrayList<>();
        StringBuilder differences = new StringBuilder();
        for (Layer layer : live.layers) {
            String buffer = layer.name() + Checkpoint.MOMENTUM_SUFFIX;
            if (live.hasMomentum() && open.tensors().containsKey(buffer)) {
                String why = difference(open.tensors().get(buffer), layer);
                differences.append(why == null ? nonFinite(open, buffer) : Checkpoint.differences(buffer, why));
                leftInFile.remove(buffer);
                taken.add(layer.name());
            } else {
                leftWithout.add(layer.name());
            }
            if (weights) {
                String why = difference(open.tensors().get(layer.name()), layer);
                differences.append(why == null ? "" : Checkpoint.differences(layer.name(), why));
                leftInFile.remove(layer.name());
            }
        }
        if (!differences.isEmpty()) {
            throw new IllegalArgumentException("the file does not fit the layers:" + differences);
        }
        return new Restored(taken, leftInFile, leftWithout);
    }

    private static String difference(TensorInfo tensor, Layer layer) {
        if (tensor == null) {
            return "the file has no such tensor";
        }
        if (tensor.dtype() != Dtype.F32) {
            return "its dtype is " + tensor.dtype() + "; it must be F32";
        }
        return tensor.elementCount() == layer.length()
                ? null
                : "its length is " + tensor.elementCount() + ", the optimizer's " + layer.length();
    }

    /**
     * What is not finite in a momentum. Weights that are not are seen by the next step; a momentum would spoil them.
     */
    private static String nonFinite(SafeTensorsFile open, String name) throws IOException {
        long length = open.tensors().get(name).elementCount();
        float[] chunk = new float[(int) Math.min(CHUNK, length)];
        for (long first = 0; first < length; first += CHUNK) {
            int count = (int) Math.min(CHUNK, length - first);
            open.readFloats(name, first, chunk, 0, count);
            for (int i = 0; i < count; i++) {
                if (!Float.isFinite(chunk[i])) {
                    return Checkpoint.differences(name, "it is " + chunk[i] + " at " + (first + i));
                }
            }
        }
        return "";
    }

    private static void take(SafeTensorsFile open, State live, float[] params) throws IOException {
        for (int i = 0; i < live.layers.size(); i++) {
            Layer layer = live.layers.get(i);
            live.begun[i] = open.tensors().containsKey(layer.name() + Checkpoint.MOMENTUM_SUFFIX);
            if (live.hasMomentum() && live.begun[i]) {
                Checkpoint.read(open, layer, Checkpoint.MOMENTUM_SUFFIX, live.momentum);
            } else if (live.hasMomentum()) {
                Arrays.fill(live.momentum, (int) layer.offset(), (int) layer.end(), 0);
            }
            if (params != null) {
                Checkpoint.read(open, layer, "", params);
            }
        }
        // Not known of another's steps; 0 corrects nothing and converts to no other rule.
        Arrays.fill(live.learningRates, 0);
        Arrays.fill(live.trustRatios, 0);
    }
}
