package io.github.lars4j;

import io.github.lars4j.internal.memory.Bfloat16;
import io.github.lars4j.internal.saving.Checksum;
import io.github.lars4j.safetensors.Dtype;
import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.TensorInfo;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * Restores the state of a PyTorch optimizer from a safetensors file, which contains the momentum of each layer as a
 * tensor {@code <layer>.momentum_buffer} and its weights as a tensor {@code <layer>}.
 *
 * <pre>{@code
 * Lars lars = Lars.builder(layers).rule(Dialects.SNIPPET).momentum(0.9).learningRate(0.1).build();
 * Restored restored = PyTorchState.restore(Path.of("state.safetensors"), lars, params);
 * }</pre>
 *
 * <p>{@code docs/pytorch-state.md} contains the Python code that writes such a file, and the code that reads a {@link
 * Checkpoint} in PyTorch.
 *
 * <p>Only momentum, weights and the step number are restored. The optimizer keeps its rule, hyperparameters and
 * treatments. The meaning of the momentum depends on the rule, so the optimizer must be built with the rule of the
 * PyTorch optimizer (see {@link io.github.lars4j.rule.Dialects}).
 *
 * <p>Safe for use by several threads with different optimizers.
 */
public final class PyTorchState {

    private static final int CHUNK = 1 << 14;
    private static final String STEP = "step";
    private static final Set<Dtype> DTYPES = Set.of(Dtype.F32, Dtype.F16, Dtype.BF16, Dtype.F64);
    /**
     * The names of tensors that seem to be momentum, as {@link #restore(Path, Lars, float[])} describes them. The time
     * to match a name is linear in its length.
     */
    private static final Pattern MOMENTUM_LIKE = Pattern.compile(
            ".*momentum_buffer.*|.*momentum([./].*)?|.*_buffer|.*[./](mu|exp_avg)"
                    + "|(state|opt|optim|optimizer)(_states?)?[./].*",
            Pattern.CASE_INSENSITIVE | Pattern.DOTALL);

    private PyTorchState() {}

    /** Restores the momentum without the weights; otherwise as {@link #restore(Path, Lars, float[])}. */
    public static Restored restore(Path file, Lars lars) throws IOException {
        return take(file, lars, null, "");
    }

    /** As {@link #restore(Path, Lars)}, for a file in which the names of the layers have a prefix. */
    public static Restored restore(Path file, Lars lars, String prefix) throws IOException {
        return take(file, lars, null, Objects.requireNonNull(prefix, "prefix"));
    }

    /**
     * Restores the momentum and the weights. As in PyTorch, if the file has no {@code momentum_buffer} for a layer, its
     * momentum becomes 0, and its next step counts as its first and is not dampened. The step number is taken from the
     * file's metadata entry {@code step}; without that entry it does not change. If the file contains a checksum, it is
     * checked. Everything is checked before anything is changed.
     *
     * <p>Tensors may be F32, F16 or BF16, whose values a float represents exactly, or F64, whose values are rounded to
     * the nearest float; the {@linkplain Restored#notes notes} of the result name rounded tensors. An optimizer whose momentum
     * is in bfloat16 rounds it to nearest even unless it is BF16, which a note says, too; a value that would become infinite
     * is refused.
     *
     * <p>Tensors with other names are ignored, except those that seem to be momentum, if the optimizer has momentum: if
     * the file has no {@code momentum_buffer} for any layer, they are an error, and if it has one for some of the layers
     * only, a note names them. A tensor seems to be momentum if a part of its name ends with {@code momentum} or
     * contains {@code momentum_buffer}; if its last part ends with {@code _buffer}, or is {@code mu} or {@code exp_avg}
     * after another part; or if its first part, followed by another, is {@code state}, {@code opt}, {@code optim} or
     * {@code optimizer}, with or without {@code _state} or {@code _states}. Dots and slashes separate the parts, and
     * case is ignored. The weights of a layer never seem to be momentum.
     *
     * @param file the file
     * @param lars the optimizer; no other call may be in progress
     * @param params receives the weights, at least {@link Layers#end} elements. Elements outside the layers are not
     *     touched
     * @return the layers whose momentum was restored, the tensors that were not read, and the layers for which the file
     *     has no momentum
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if the weights of a layer are missing, or a tensor has an unsupported dtype, the
     *     wrong length, a value too large for a float, or a momentum that is not finite (the message lists all of
     *     these); if the file contains nothing to restore, or momentum only under other names (the message lists them);
     *     or if {@code params} is too short or is the momentum buffer. Nothing has changed then
     * @throws IllegalStateException if another call is in progress, or the optimizer is closed; nothing has changed
     *     then
     * @throws SafeTensorsException if the file is not a safetensors file, or is damaged; nothing has changed then
     * @throws IOException if reading fails. If the second reading fails, the state is half written and the optimizer
     *     must be restored again; otherwise nothing has changed
     */
    public static Restored restore(Path file, Lars lars, float[] params) throws IOException {
        return restore(file, lars, params, "");
    }

    /** Restores the momentum and the weights, wherever they lie; otherwise as {@link #restore(Path, Lars, float[])}. */
    public static Restored restore(Path file, Lars lars, Tensors params) throws IOException {
        return restore(file, lars, params, "");
    }

    /**
     * As {@link #restore(Path, Lars, float[])}, for a file in which the names of the layers have a prefix.
     *
     * @param prefix the prefix of the names in the file, for example {@code "_orig_mod."} if the model was compiled or
     *     {@code "module."} if it was distributed. A prefix with which the file has no layer is an error
     */
    public static Restored restore(Path file, Lars lars, float[] params, String prefix) throws IOException {
        return restore(file, lars, Tensors.flat(Objects.requireNonNull(params, "params")), prefix);
    }

    /** As {@link #restore(Path, Lars, float[], String)}, with weights wherever they lie. */
    public static Restored restore(Path file, Lars lars, Tensors params, String prefix) throws IOException {
        return take(file, lars, Objects.requireNonNull(params, "params"), Objects.requireNonNull(prefix, "prefix"));
    }

    private static Restored take(Path file, Lars lars, Tensors params, String prefix) throws IOException {
        Objects.requireNonNull(file, "file");
        Objects.requireNonNull(lars, "lars");
        Restored restored = lars.lendToRestore(live -> take(file, live, params, prefix));
        restored.log(file);
        return restored;
    }

    private static Restored take(Path file, LiveState live, Tensors params, String prefix) throws IOException {
        State before = live.read();
        Arguments.requireParams(params, true, before);
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
        // At most 18 ASCII digits fit a long. Long.parseLong would accept a sign and the digits of other scripts.
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
            leftInFile.put(name, "not requested");
        }
        leftInFile.remove(Checksum.TENSOR);
        List<String> leftWithout = new ArrayList<>();
        List<String> rounded = new ArrayList<>();
        StringBuilder differences = new StringBuilder();
        for (int i = 0; i < live.layers().size(); i++) {
            Layer layer = live.layers().get(i);
            String name = prefix + layer.name();
            String buffer = name + Checkpoint.MOMENTUM_SUFFIX;
            if (live.hasMomentum(i) && open.tensors().containsKey(buffer)) {
                differences.append(difference(open, buffer, layer, live.storage.format(), rounded));
                leftInFile.remove(buffer);
                taken.add(layer.name());
            } else if (live.hasMomentum(i) || !live.hasMomentum()) {
                leftWithout.add(layer.name());
            }
            if (weights) {
                differences.append(difference(open, name, layer, null, rounded));
                leftInFile.remove(name);
            }
        }
        List<String> ignored = live.hasMomentum() ? ignoredMomentum(open, live.layers(), prefix) : List.of();
        if (!differences.isEmpty()) {
            throw new IllegalArgumentException("the file does not fit the layers"
                    + hint(open, live.layers(), weights, prefix, taken.isEmpty() ? ignored : List.of()) + ":"
                    + differences);
        }
        requireSomething(open, live, weights, prefix, taken, ignored);
        List<String> notes = new ArrayList<>();
        if (live.hasMomentum() && !leftWithout.isEmpty()) {
            notes.add("the file has no momentum for " + Prefixes.some(leftWithout)
                    + (ignored.isEmpty() ? ", so it starts from 0" : otherwiseNamed(ignored, prefix)));
        }
        if (!rounded.isEmpty()) {
            notes.add("rounded from F64 to float: " + Prefixes.some(rounded));
        }
        Format format = live.storage.format();
        if (format != Format.FLOAT32
                && taken.stream()
                        .anyMatch(name -> open.tensors()
                                        .get(prefix + name + Checkpoint.MOMENTUM_SUFFIX)
                                        .dtype()
                                != Dtype.BF16)) {
            notes.add("the momentum was rounded to " + format + ", to nearest even");
        }
        return new Restored(taken, leftInFile, leftWithout, notes);
    }

    /** Checks that there is something to restore, and that no momentum is ignored because of its name. */
    private static void requireSomething(
            SafeTensorsFile open,
            State live,
            boolean weights,
            String prefix,
            List<String> taken,
            List<String> ignored) {
        boolean step = open.metadata().containsKey(STEP);
        boolean wrongPrefix = !prefix.isEmpty()
                && open.tensors().keySet().stream().noneMatch(ofLayers(live.layers(), prefix)::contains);
        if (!live.hasMomentum() && (weights || step) && !wrongPrefix) {
            return;
        }
        if (!taken.isEmpty() || (weights && ignored.isEmpty())) {
            return;
        }
        String hint = hint(open, live.layers(), weights, prefix, ignored);
        throw new IllegalArgumentException("the file has "
                + (live.hasMomentum()
                        ? "no momentum for any layer"
                        : step
                                ? "no layer with the prefix " + SafeTensorsException.quote(prefix)
                                : "neither momentum nor a step number to restore")
                + (hint.isEmpty()
                        ? "; its tensors are " + Prefixes.some(open.tensors().keySet())
                        : hint));
    }

    /** Suggests other names of the wanted tensors, as a part of a message; empty if there are no similar names. */
    private static String hint(
            SafeTensorsFile open, Layers layers, boolean weights, String prefix, List<String> ignored) {
        Set<String> names = new HashSet<>(open.tensors().keySet());
        for (String name : weights ? Set.<String>of() : open.tensors().keySet()) {
            names.add(withoutSuffix(name, Checkpoint.MOMENTUM_SUFFIX));
        }
        String hint = Prefixes.hint(layers, names, prefix, "restore(file, lars, params, prefix)");
        return hint.isEmpty() && !ignored.isEmpty() ? otherwiseNamed(ignored, prefix) : hint;
    }

    private static String otherwiseNamed(List<String> ignored, String prefix) {
        return "; it has " + Prefixes.some(ignored) + ", but momentum must be named \"" + prefix + "<layer>"
                + Checkpoint.MOMENTUM_SUFFIX + "\"";
    }

    /** Returns the tensors that seem to be momentum, but are neither the momentum nor the weights of a layer. */
    private static List<String> ignoredMomentum(SafeTensorsFile open, Layers layers, String prefix) {
        Set<String> ofLayers = ofLayers(layers, prefix);
        List<String> ignored = new ArrayList<>();
        for (String name : open.tensors().keySet()) {
            if (!ofLayers.contains(name) && MOMENTUM_LIKE.matcher(name).matches()) {
                ignored.add(name);
            }
        }
        return ignored;
    }

    /** Returns the names that the weights and the momentum of all layers have in a file. */
    private static Set<String> ofLayers(Layers layers, String prefix) {
        Set<String> names = new HashSet<>();
        for (Layer layer : layers) {
            names.add(prefix + layer.name());
            names.add(prefix + layer.name() + Checkpoint.MOMENTUM_SUFFIX);
        }
        return names;
    }

    private static String withoutSuffix(String name, String suffix) {
        return name.endsWith(suffix) ? name.substring(0, name.length() - suffix.length()) : name;
    }

    /**
     * Says why a tensor cannot be read, as a line of a message; empty if it can be read. Momentum must be finite,
     * because it would make the weights non-finite. Weights need not be, because the next step reports them.
     *
     * @param momentum the format of the optimizer's momentum; {@code null} if the tensor contains weights
     * @param rounded receives the tensor's name if its values must be rounded to a float
     */
    private static String difference(
            SafeTensorsFile open, String name, Layer layer, Format momentum, List<String> rounded) throws IOException {
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
                    name, "its length is " + tensor.elementCount() + ", the optimizer's is " + layer.length());
        }
        if (tensor.dtype() == Dtype.F64) {
            rounded.add(name);
        }
        return momentum != null || tensor.dtype() == Dtype.F64 ? bad(open, tensor, momentum) : "";
    }

    /** Describes the first value that is not allowed, as a line of a message; empty if there is none. */
    private static String bad(SafeTensorsFile open, TensorInfo tensor, Format momentum) throws IOException {
        long length = tensor.elementCount();
        float[] floats = new float[(int) Math.min(CHUNK, length)];
        double[] doubles = new double[tensor.dtype() == Dtype.F64 ? floats.length : 0];
        for (long first = 0; first < length; first += CHUNK) {
            int count = (int) Math.min(CHUNK, length - first);
            read(open, tensor, first, floats, doubles, count);
            for (int i = 0; i < count; i++) {
                boolean tooLarge = doubles.length > 0 && Double.isFinite(doubles[i]);
                if (!Float.isFinite(floats[i]) && (momentum != null || tooLarge)) {
                    return Checkpoint.differences(
                            tensor.name(),
                            tooLarge
                                    ? "it is " + doubles[i] + " at " + (first + i) + "; a float is at most "
                                            + Float.MAX_VALUE
                                    : "it is " + floats[i] + " at " + (first + i) + "; it must be finite");
                }
                if (momentum == Format.BFLOAT16 && !Bfloat16.isFinite(Bfloat16.of(floats[i]))) {
                    return Checkpoint.differences(
                            tensor.name(),
                            "it is " + floats[i] + " at " + (first + i)
                                    + "; it must not become infinite when it is rounded to BFLOAT16");
                }
            }
        }
        return "";
    }

    /** Reads a part of a tensor into the first elements of an array. F64 values are read into {@code doubles} and rounded. */
    private static void read(
            SafeTensorsFile open, TensorInfo tensor, long first, float[] target, double[] doubles, int count)
            throws IOException {
        if (tensor.dtype() != Dtype.F64) {
            open.readFloats(tensor.name(), first, target, 0, count);
            return;
        }
        open.readDoubles(tensor.name(), first, doubles, 0, count);
        for (int i = 0; i < count; i++) {
            target[i] = (float) doubles[i];
        }
    }

    private static void take(SafeTensorsFile open, State live, Tensors params, String prefix) throws IOException {
        for (int i = 0; i < live.layers().size(); i++) {
            Layer layer = live.layers().get(i);
            String name = prefix + layer.name();
            String buffer = name + Checkpoint.MOMENTUM_SUFFIX;
            // The rate and ratio of PyTorch's last step are not known. With 0 there is no momentum correction, and a
            // snapshot cannot be converted to another rule.
            live.forget(i);
            if (live.hasMomentum(i) && open.tensors().containsKey(buffer)) {
                live.begun[i] = true;
                read(open, buffer, live.momentumOf(i), live.momentum.tensors.format());
            }
            if (params != null) {
                read(open, name, params.segment(live.layers(), i), Format.FLOAT32);
            }
        }
    }

    private static void read(SafeTensorsFile open, String name, MemorySegment target, Format format)
            throws IOException {
        TensorInfo tensor = open.tensors().get(name);
        if (tensor.dtype() != Dtype.F64 && format == Format.FLOAT32) {
            open.readFloats(name, 0, target);
            return;
        }
        long length = tensor.elementCount();
        double[] doubles = new double[(int) Math.min(CHUNK, length)];
        float[] rounded = new float[doubles.length];
        for (long first = 0; first < length; first += CHUNK) {
            int count = (int) Math.min(CHUNK, length - first);
            read(open, tensor, first, rounded, doubles, count);
            for (int i = 0; i < count; i++) {
                format.set(target, first + i, rounded[i]);
            }
        }
    }
}
