package io.github.lars4j;

import io.github.lars4j.internal.saving.Checksum;
import io.github.lars4j.safetensors.Dtype;
import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.TensorInfo;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
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
    private static final Set<Dtype> DTYPES = Set.of(Dtype.F32, Dtype.F16, Dtype.BF16, Dtype.F64);
    /** How the momentum of another optimizer, Barlow Twins', is called. */
    private static final String MU_SUFFIX = ".mu";
    /** What the names of a whole optimizer's state begin with. */
    private static final String STATE_PREFIX = "state.";
    /** So many parts of a name are looked at; a hostile one could have millions. */
    private static final int MOST_PARTS = 16;

    private PyTorchState() {}

    /** Takes the momentum and leaves the weights to the trainer; otherwise as {@link #restore(Path, Lars, float[])}. */
    public static Restored restore(Path file, Lars lars) throws IOException {
        return take(file, lars, null, "");
    }

    /** As {@link #restore(Path, Lars)}, of tensors whose names have a prefix. */
    public static Restored restore(Path file, Lars lars, String prefix) throws IOException {
        return take(file, lars, null, Objects.requireNonNull(prefix, "prefix"));
    }

    /**
     * Takes the momentum and the weights. As in PyTorch, a layer without {@code momentum_buffer} has not begun: its
     * momentum is 0 and its first step undampened. The step number is that of the file's metadata {@code step}, or
     * stays. A checksum is checked if the file has one. Everything is checked before anything is changed.
     *
     * <p>Tensors may be F32, F16 or BF16, which are taken exactly, or F64, which is rounded to the nearest float; the
     * {@link Restored#notes notes} say so.
     *
     * @param file the file; tensors of other names are left in it
     * @param lars the optimizer; no other call may be under way
     * @param params takes the weights, at least {@link Layers#end} elements; written in the layers alone
     * @return taken: the layers that had a {@code momentum_buffer}; left in the file: tensors, by name; left without:
     *     layers that had none
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if a layer's weights are missing, a tensor has another dtype, another length, a
     *     number that is too large for a float or a momentum that is not finite, with all of these in the message; if
     *     there is nothing to take, or momentum under other names alone, with these names in the message; or if {@code
     *     params} is too short or the momentum's array; nothing has changed then
     * @throws IllegalStateException if the call may not come now: during another; nothing has changed then
     * @throws SafeTensorsException if the file is not a safetensors file, or damaged; nothing has changed then
     * @throws IOException if reading fails. Nothing has changed then, or, if it failed at the second reading, the
     *     optimizer asks for another restore
     */
    public static Restored restore(Path file, Lars lars, float[] params) throws IOException {
        return take(file, lars, Objects.requireNonNull(params, "params"), "");
    }

    /**
     * As {@link #restore(Path, Lars, float[])}, of tensors whose names have a prefix.
     *
     * @param prefix what the names of the layers' tensors have before them in the file: {@code "_orig_mod."} of a
     *     compiled model, {@code "module."} of a distributed one, say
     */
    public static Restored restore(Path file, Lars lars, float[] params, String prefix) throws IOException {
        return take(file, lars, Objects.requireNonNull(params, "params"), Objects.requireNonNull(prefix, "prefix"));
    }

    private static Restored take(Path file, Lars lars, float[] params, String prefix) throws IOException {
        Objects.requireNonNull(file, "file");
        Objects.requireNonNull(lars, "lars");
        Restored restored = lars.lendToRestore(live -> take(file, live, params, prefix));
        restored.log(file);
        return restored;
    }

    private static Restored take(Path file, LiveState live, float[] params, String prefix) throws IOException {
        State before = live.read();
        Arguments.requireParams(params, before);
        try (SafeTensorsFile open = SafeTensorsFile.open(file)) {
            if (open.tensors().containsKey(Checksum.TENSOR)) {
                Checksum.verifyAll(file, open);
            }
            long step = step(file, open.metadata().get(STEP), before.step);
            Restored restored = match(open, before, params != null, prefix);
            State changed = live.change();
            take(open, changed, params, prefix);
            changed.step = step;
            return restored;
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

    private static Restored match(SafeTensorsFile open, State live, boolean weights, String prefix) throws IOException {
        List<String> taken = new ArrayList<>();
        Map<String, String> leftInFile = new TreeMap<>();
        for (String name : open.tensors().keySet()) {
            leftInFile.put(name, "not asked for");
        }
        leftInFile.remove(Checksum.TENSOR);
        List<String> leftWithout = new ArrayList<>();
        List<String> rounded = new ArrayList<>();
        StringBuilder differences = new StringBuilder();
        for (Layer layer : live.layers) {
            String name = prefix + layer.name();
            String buffer = name + Checkpoint.MOMENTUM_SUFFIX;
            if (live.hasMomentum() && open.tensors().containsKey(buffer)) {
                differences.append(difference(open, buffer, layer, true, rounded));
                leftInFile.remove(buffer);
                taken.add(layer.name());
            } else {
                leftWithout.add(layer.name());
            }
            if (weights) {
                differences.append(difference(open, name, layer, false, rounded));
                leftInFile.remove(name);
            }
        }
        if (!differences.isEmpty()) {
            throw new IllegalArgumentException("the file does not fit the layers"
                    + hint(open, live.layers, weights, prefix, taken.isEmpty()) + ":" + differences);
        }
        requireSomething(open, live, weights, prefix, taken);
        return new Restored(
                taken,
                leftInFile,
                leftWithout,
                rounded.isEmpty() ? List.of() : List.of("rounded from F64 to float: " + Prefixes.some(rounded)));
    }

    /** Checks that something is taken, and that no momentum is lost because it has another name. */
    private static void requireSomething(
            SafeTensorsFile open, State live, boolean weights, String prefix, List<String> taken) {
        if (!live.hasMomentum() && (weights || open.metadata().containsKey(STEP))) {
            return;
        }
        if (!taken.isEmpty() || (weights && otherwiseNamed(open, live.layers).isEmpty())) {
            return;
        }
        String hint = hint(open, live.layers, weights, prefix, true);
        throw new IllegalArgumentException("the file has "
                + (live.hasMomentum() ? "no momentum of any of the layers" : "neither momentum nor a step to take")
                + (hint.isEmpty()
                        ? "; its tensors are " + Prefixes.some(open.tensors().keySet())
                        : hint));
    }

    /** What else the tensors sought may be called, as a part of a message; empty if nothing is like them. */
    private static String hint(
            SafeTensorsFile open, Layers layers, boolean weights, String prefix, boolean noMomentum) {
        Set<String> names = new HashSet<>(open.tensors().keySet());
        for (String name : weights ? Set.<String>of() : open.tensors().keySet()) {
            names.add(withoutSuffix(name, Checkpoint.MOMENTUM_SUFFIX));
        }
        String hint = Prefixes.hint(layers, names, prefix, "restore(file, lars, params, prefix)");
        List<String> momenta = noMomentum ? otherwiseNamed(open, layers) : List.of();
        return hint.isEmpty() && !momenta.isEmpty()
                ? "; it has " + Prefixes.some(momenta) + ", where momentum must be called \"" + prefix + "<layer>"
                        + Checkpoint.MOMENTUM_SUFFIX + "\""
                : hint;
    }

    /** Tensors that seem to be momentum, but are not called so. */
    private static List<String> otherwiseNamed(SafeTensorsFile open, Layers layers) {
        List<String> momenta = new ArrayList<>();
        for (String name : open.tensors().keySet()) {
            boolean buffer = name.endsWith(Checkpoint.MOMENTUM_SUFFIX);
            String of = withoutSuffix(name, buffer ? Checkpoint.MOMENTUM_SUFFIX : MU_SUFFIX);
            if (!of.equals(name) && ((buffer && of.startsWith(STATE_PREFIX)) || endsWithALayer(of, layers))) {
                momenta.add(name);
            }
        }
        return momenta;
    }

    private static String withoutSuffix(String name, String suffix) {
        return name.endsWith(suffix) ? name.substring(0, name.length() - suffix.length()) : name;
    }

    private static boolean endsWithALayer(String name, Layers layers) {
        int from = 0;
        for (int part = 0; part < MOST_PARTS; part++) {
            if (layers.has(name.substring(from))) {
                return true;
            }
            from = name.indexOf('.', from) + 1;
            if (from == 0) {
                return false;
            }
        }
        return false;
    }

    /**
     * Why a tensor cannot be taken, as lines of a message; empty if it can be. Weights that are not finite are seen by
     * the next step; a momentum would spoil them.
     *
     * @param rounded takes the name if it must be rounded
     */
    private static String difference(
            SafeTensorsFile open, String name, Layer layer, boolean momentum, List<String> rounded) throws IOException {
        TensorInfo tensor = open.tensors().get(name);
        if (tensor == null) {
            return Checkpoint.differences(name, "the file has no such tensor");
        }
        if (!DTYPES.contains(tensor.dtype())) {
            return Checkpoint.differences(
                    name, "its dtype is " + tensor.dtype() + "; it must be F32, F16, BF16 or F64");
        }
        if (tensor.elementCount() != layer.length()) {
            return Checkpoint.differences(
                    name, "its length is " + tensor.elementCount() + ", the optimizer's " + layer.length());
        }
        if (tensor.dtype() == Dtype.F64) {
            rounded.add(name);
        }
        return momentum || tensor.dtype() == Dtype.F64 ? bad(open, tensor, momentum) : "";
    }

    /** The first number that a tensor may not have, as a line of a message; empty if there is none. */
    private static String bad(SafeTensorsFile open, TensorInfo tensor, boolean momentum) throws IOException {
        long length = tensor.elementCount();
        float[] floats = new float[(int) Math.min(CHUNK, length)];
        double[] doubles = new double[tensor.dtype() == Dtype.F64 ? floats.length : 0];
        for (long first = 0; first < length; first += CHUNK) {
            int count = (int) Math.min(CHUNK, length - first);
            read(open, tensor, first, floats, 0, doubles, count);
            for (int i = 0; i < count; i++) {
                boolean tooLarge = doubles.length > 0 && Double.isFinite(doubles[i]);
                if (!Float.isFinite(floats[i]) && (momentum || tooLarge)) {
                    return Checkpoint.differences(
                            tensor.name(),
                            tooLarge
                                    ? "it is " + doubles[i] + " at " + (first + i) + "; a float is at most "
                                            + Float.MAX_VALUE
                                    : "it is " + floats[i] + " at " + (first + i));
                }
            }
        }
        return "";
    }

    /** Reads a part of a tensor; one of F64 by way of {@code doubles}, which has room for it. */
    private static void read(
            SafeTensorsFile open,
            TensorInfo tensor,
            long first,
            float[] target,
            int offset,
            double[] doubles,
            int count)
            throws IOException {
        if (tensor.dtype() != Dtype.F64) {
            open.readFloats(tensor.name(), first, target, offset, count);
            return;
        }
        open.readDoubles(tensor.name(), first, doubles, 0, count);
        for (int i = 0; i < count; i++) {
            target[offset + i] = (float) doubles[i];
        }
    }

    private static void take(SafeTensorsFile open, State live, float[] params, String prefix) throws IOException {
        for (int i = 0; i < live.layers.size(); i++) {
            Layer layer = live.layers.get(i);
            String name = prefix + layer.name();
            String buffer = name + Checkpoint.MOMENTUM_SUFFIX;
            // Rate and ratio are not known of another's steps; 0 corrects nothing and converts to no other rule.
            live.forget(i);
            if (live.hasMomentum() && open.tensors().containsKey(buffer)) {
                live.begun[i] = true;
                read(open, buffer, live.momentum, layer);
            }
            if (params != null) {
                read(open, name, params, layer);
            }
        }
    }

    private static void read(SafeTensorsFile open, String name, float[] target, Layer layer) throws IOException {
        TensorInfo tensor = open.tensors().get(name);
        int length = (int) layer.length();
        // Of F64 a part at a time, for which there is room; of others all at once.
        int most = tensor.dtype() == Dtype.F64 ? Math.min(CHUNK, length) : length;
        double[] doubles = new double[tensor.dtype() == Dtype.F64 ? most : 0];
        for (int first = 0; first < length; first += most) {
            int count = Math.min(most, length - first);
            read(open, tensor, first, target, (int) layer.offset() + first, doubles, count);
        }
    }
}
