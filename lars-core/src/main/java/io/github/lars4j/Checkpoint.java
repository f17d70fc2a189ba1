package io.github.lars4j;

import io.github.lars4j.internal.saving.AtomicSave;
import io.github.lars4j.internal.saving.Checksum;
import io.github.lars4j.internal.saving.Disk;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.safetensors.Dtype;
import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.SafeTensorsWriter;
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
 * The state of an optimizer in a file, to resume from: momentum, which layers have begun, step number, hyperparameters,
 * rule, layout and treatments, and the weights if they are handed in. Not the schedule, which is a function of the
 * step. A resumed run goes on with the bits of one that was never stopped.
 *
 * <pre>{@code
 * Path file = Path.of("run.safetensors");
 * if (Files.exists(file)) Checkpoint.load(file).restore(lars, params);
 * while (lars.steps() < steps) {
 *     lars.step(params, gradients(lars.steps(), params));
 *     if (lars.steps() % 1000 == 0) Checkpoint.save(file, lars, params);
 * }
 * }</pre>
 *
 * <p>Saving replaces the file as a whole: if the process or the machine dies meanwhile, the file is the one before or
 * the new one, and the new one once {@code save} has returned. It keeps the permissions of a file that was there (POSIX;
 * not its owner), and where the file is a symbolic link it replaces what the link points to. Arrays are streamed, not
 * copied. The same state gives the same bytes.
 *
 * <p>What is written has the name {@code <file>.<uuid>.lars4j.tmp} until it is whole. A process that is killed leaves
 * that behind, and the next save of the same file deletes it. It deletes none that is being written, by this process or
 * by another: those are locked. Where the file system has no locks it deletes none at all.
 *
 * <p>To save when the process is asked to end (Ctrl-C, SIGTERM), let a shutdown hook ask the thread that trains, and
 * wait for it; a hook that saves by itself is refused while a step is under way:
 *
 * <pre>{@code
 * AtomicBoolean stop = new AtomicBoolean();
 * CountDownLatch saved = new CountDownLatch(1);
 * Runtime.getRuntime().addShutdownHook(new Thread(() -> {
 *     stop.set(true);
 *     try {
 *         saved.await();
 *     } catch (InterruptedException e) {
 *         Thread.currentThread().interrupt();
 *     }
 * }));
 * try {
 *     while (lars.steps() < steps && !stop.get()) {
 *         lars.step(params, gradients(lars.steps(), params));
 *     }
 *     Checkpoint.save(file, lars, params);
 * } finally {
 *     saved.countDown();
 * }
 * }</pre>
 *
 * <p>The file is a safetensors file that any safetensors library reads, with the names that PyTorch users expect (see
 * {@link PyTorchState} for the other direction):
 *
 * <ul>
 *   <li>a tensor {@code <layer>.momentum_buffer} for each layer, F32 and of the layer's shape, if there is momentum,
 *   <li>a tensor {@code <layer>} for each layer, F32 and of the layer's shape, if weights were handed in,
 *   <li>a tensor {@code lars4j.checksum}, U8 of 8 bytes, at the end: two CRC-32, little-endian, the first over the
 *       file's bytes up to the data, the second over all bytes before this tensor,
 *   <li>metadata: step number, refusals, whether weights are there, rule and hyperparameters by their names, and {@code
 *       layer.<index>} for each layer (offset, shape, decay, adapt, rate factor, begun, last learning rate, last trust
 *       ratio, name).
 * </ul>
 *
 * <p>What is between layers in the arrays is neither saved nor restored.
 *
 * <p>A checkpoint is immutable, holds no file open, and is safe for use by several threads.
 */
public final class Checkpoint {

    static final String MOMENTUM_SUFFIX = ".momentum_buffer";

    private final Path file;
    private final Map<String, String> metadata;
    private final Map<String, TensorInfo> tensors;
    /** Without its momentum. */
    private final State state;

    private final boolean weights;
    /** Whether a restore takes rule, hyperparameters and treatments. */
    private final boolean settings;

    private Checkpoint(Path file, SafeTensorsFile open) throws IOException {
        Manifest.requireNotNewer(file, open.metadata());
        Checksum.verifyHeader(file, open);
        this.settings = true;
        this.file = file;
        this.metadata = open.metadata();
        this.tensors = open.tensors();
        try {
            this.state = Manifest.read(metadata);
            this.weights = Manifest.hasWeights(metadata);
            requireTensors();
        } catch (SafeTensorsException e) {
            throw new SafeTensorsException(file + ": " + e.getMessage(), e);
        }
    }

    /** The same checkpoint without its settings. */
    private Checkpoint(Checkpoint whole) {
        this.file = whole.file;
        this.metadata = whole.metadata;
        this.tensors = whole.tensors;
        this.state = whole.state;
        this.weights = whole.weights;
        this.settings = false;
    }

    /**
     * Saves the state without the weights; otherwise as {@link #save(Path, Lars, float[])}.
     *
     * @param file the file to replace; its folder must exist, for none is created
     * @param lars the optimizer; no other call may be under way
     */
    public static void save(Path file, Lars lars) throws IOException {
        save(Disk.REAL, file, lars, null);
    }

    /**
     * Saves the state and the weights.
     *
     * @param file the file to replace. Its folder must exist: none is created, for a new folder may not survive a crash
     *     of the machine, and the file in it would not either
     * @param lars the optimizer; no other call may be under way
     * @param params the weights, at least {@link Layers#end} elements; only read, and not to be changed meanwhile
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if {@code params} is too short or the momentum's array, the names of two tensors
     *     would be the same (layers {@code a} and {@code a.momentum_buffer}), or a name is not Unicode
     * @throws IllegalStateException if the call may not come now: during another, or after a step that broke off
     * @throws java.nio.file.NoSuchFileException if the file's folder does not exist
     * @throws java.io.InterruptedIOException if the thread is interrupted, which stays so
     * @throws IOException if writing fails, or what is there is not a regular file. Whatever is thrown names the file.
     *     The file is the one before then; or, where the message says so, the new one, which may not survive a crash of
     *     the machine. The optimizer is as it was
     */
    public static void save(Path file, Lars lars, float[] params) throws IOException {
        save(Disk.REAL, file, lars, Objects.requireNonNull(params, "params"));
    }

    static void save(Disk disk, Path file, Lars lars, float[] params) throws IOException {
        Objects.requireNonNull(file, "file");
        Objects.requireNonNull(lars, "lars");
        lars.lend("save", live -> {
            State state = live.read();
            Arguments.requireParams(params, state);
            SafeTensorsWriter writer = new SafeTensorsWriter();
            Manifest.write(state, params != null).forEach(writer::metadata);
            long elements = 0;
            if (state.hasMomentum()) {
                elements += add(writer, state.layers, MOMENTUM_SUFFIX, state.momentum);
            }
            if (params != null) {
                elements += add(writer, state.layers, "", params);
            }
            long bytes = elements * Float.BYTES;
            AtomicSave.save(disk, file, channel -> Checksum.write(writer, bytes, channel));
            return null;
        });
    }

    private static long add(SafeTensorsWriter writer, Layers layers, String suffix, float[] array) {
        long elements = 0;
        for (Layer layer : layers) {
            writer.floats(layer.name() + suffix, layer.shape(), array, (int) layer.offset());
            elements += layer.length();
        }
        return elements;
    }

    /**
     * Opens a checkpoint and checks its header; of the data nothing is read yet.
     *
     * @throws SafeTensorsException if it is not a checkpoint, or damaged, or a newer version of the library has written
     *     it
     * @throws IOException if the file cannot be read
     */
    public static Checkpoint load(Path file) throws IOException {
        try (SafeTensorsFile open = SafeTensorsFile.open(file)) {
            return new Checkpoint(file, open);
        }
    }

    /** Checks that there are the tensors that the metadata speaks of, and no others. */
    private void requireTensors() throws SafeTensorsException {
        Set<String> expected = new HashSet<>();
        expected.add(Checksum.TENSOR);
        for (Layer layer : state.layers) {
            if (state.hasMomentum()) {
                requireTensor(expected, layer.name() + MOMENTUM_SUFFIX, layer);
            }
            if (weights) {
                requireTensor(expected, layer.name(), layer);
            }
        }
        for (String name : tensors.keySet()) {
            if (!expected.contains(name)) {
                throw new SafeTensorsException(
                        "tensor " + SafeTensorsException.quote(name) + " is not one of a checkpoint of these layers");
            }
        }
    }

    private void requireTensor(Set<String> expected, String name, Layer layer) throws SafeTensorsException {
        TensorInfo tensor = tensors.get(name);
        if (tensor == null || tensor.dtype() != Dtype.F32 || !tensor.shape().equals(layer.shape())) {
            throw new SafeTensorsException("tensor " + SafeTensorsException.quote(name) + " is "
                    + (tensor == null ? "missing" : "not F32 of its layer's shape"));
        }
        if (!expected.add(name)) {
            throw new SafeTensorsException("tensor " + SafeTensorsException.quote(name) + " would be of two layers");
        }
    }

    /** Steps taken. */
    public long step() {
        return state.step;
    }

    /** The layers as they lay and were treated; an optimizer can be built of them. */
    public Layers layers() {
        return state.layers;
    }

    /** The hyperparameters, the rule among them. */
    public Hyperparameters hyperparameters() {
        return state.hyperparameters;
    }

    /** Whether the weights are there too. */
    public boolean hasWeights() {
        return weights;
    }

    /**
     * This checkpoint without its settings: a restore of it keeps the rule, the hyperparameters and the treatments that
     * the optimizer has, as {@link PyTorchState} does. Momentum is only worth something to a rule that enters where the
     * one that gathered it did; of another's it is refused. Where the optimizer has momentum and the checkpoint none,
     * the layers taken have not begun and their momentum is 0.
     *
     * @return another view of the same file; {@link #hyperparameters} and {@link #layers} still say what is in it
     */
    public Checkpoint withoutSettings() {
        return new Checkpoint(this);
    }

    /** Goes back to the state, and leaves the weights to the trainer; otherwise as {@link #restore(Lars, float[])}. */
    public Restored restore(Lars lars) throws IOException {
        return restore(lars, null, "", false);
    }

    /**
     * Goes back to the state and the weights: what {@link Lars#restore(Snapshot)} restores, and {@code params}.
     * Everything is checked before anything is changed, the whole file and its checksum too, which reads it twice.
     * Layers are told by their names, and may lie elsewhere in the arrays. The momentum is written into the optimizer's
     * array, or the caller's if there is one. Mends an optimizer whose step broke off.
     *
     * <p>Rule, hyperparameters and treatments become the checkpoint's. Where the optimizer was built with others, that
     * is in the {@link Restored#notes notes} of what is returned, and logged; {@link #withoutSettings} keeps those of
     * the optimizer.
     *
     * @param params takes the weights, at least {@link Layers#end} elements; written in the layers alone
     * @return what was taken, and which settings of the optimizer became others
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if the layers differ by name or length, with all differences in the message, the
     *     file has no weights, {@code params} is too short or the momentum's array, the optimizer could not be saved
     *     with the momentum that it would get (see {@link Lars.Builder#build}), or, {@link #withoutSettings without
     *     settings}, its rule enters elsewhere; nothing has changed then
     * @throws IllegalStateException if the call may not come now: during another; nothing has changed then
     * @throws SafeTensorsException if the file is damaged, or is not what it was when it was loaded; nothing has
     *     changed then
     * @throws IOException if reading fails. Nothing has changed then, or, if it failed at the second reading, the
     *     optimizer asks for another restore
     */
    public Restored restore(Lars lars, float[] params) throws IOException {
        return restore(lars, Objects.requireNonNull(params, "params"), "", false);
    }

    /**
     * Goes back to the state of some layers without their weights; otherwise as {@link #restoreMatching(Lars,
     * float[])}.
     */
    public Restored restoreMatching(Lars lars) throws IOException {
        return restore(lars, null, "", true);
    }

    /** As {@link #restoreMatching(Lars)}, of layers whose names have a prefix in the checkpoint. */
    public Restored restoreMatching(Lars lars, String prefix) throws IOException {
        return restore(lars, null, Objects.requireNonNull(prefix, "prefix"), true);
    }

    /**
     * Goes back to the state and the weights of those layers that are here and there with the same name and length: a
     * model with a new head, say. Step number, refusals and hyperparameters are taken. The other layers are afterwards
     * fresh: they have not begun, and their momentum is 0, in the caller's array too if there is one. Their weights and
     * treatments stay. Otherwise as {@link #restore(Lars, float[])}.
     *
     * @return what was taken and what not
     * @throws IllegalArgumentException as there; where layers differ, only if there is no layer to take
     */
    public Restored restoreMatching(Lars lars, float[] params) throws IOException {
        return restore(lars, Objects.requireNonNull(params, "params"), "", true);
    }

    /**
     * As {@link #restoreMatching(Lars, float[])}, of layers whose names have a prefix in the checkpoint.
     *
     * @param prefix what the checkpoint's names have before those of the optimizer's layers: {@code "module."}, say
     */
    public Restored restoreMatching(Lars lars, float[] params, String prefix) throws IOException {
        return restore(lars, Objects.requireNonNull(params, "params"), Objects.requireNonNull(prefix, "prefix"), true);
    }

    private Restored restore(Lars lars, float[] params, String prefix, boolean partial) throws IOException {
        Objects.requireNonNull(lars, "lars");
        Restored restored = lars.lendToRestore(live -> restore(live, params, prefix, partial));
        restored.log(file);
        return restored;
    }

    private Restored restore(LiveState live, float[] params, String prefix, boolean partial) throws IOException {
        State before = live.read();
        Arguments.requireParams(params, before);
        if (params != null && !weights) {
            throw new IllegalArgumentException("params is given, and the checkpoint has no weights");
        }
        if (settings) {
            Savable.require(before.layers, state.hasMomentum());
        } else {
            requireUsableMomentum(before);
        }
        int[] from = new int[before.layers.size()];
        Restored restored = match(before, from, prefix, partial);
        try (SafeTensorsFile open = SafeTensorsFile.open(file)) {
            if (!open.metadata().equals(metadata) || !open.tensors().equals(tensors)) {
                throw new SafeTensorsException(file + " is not what it was when it was loaded; load it again");
            }
            Checksum.verifyAll(file, open);
            float[] momentum = before.momentumFor(settings ? state.hyperparameters : before.hyperparameters);
            State changed = live.change();
            changed.momentum = momentum;
            if (settings) {
                changed.takeSettings(state, from);
            }
            changed.takeProgress(state, from);
            for (int i = 0; i < from.length; i++) {
                if (from[i] >= 0) {
                    readLayer(open, state.layers.get(from[i]).name(), changed, i, params);
                }
            }
        }
        return restored;
    }

    private void readLayer(SafeTensorsFile open, String name, State changed, int layer, float[] params)
            throws IOException {
        int offset = (int) changed.layers.get(layer).offset();
        if (changed.hasMomentum() && state.hasMomentum()) {
            open.readFloats(name + MOMENTUM_SUFFIX, changed.momentum, offset);
        }
        if (params != null) {
            open.readFloats(name, params, offset);
        }
    }

    /** Checks that the optimizer's rule, where it is kept, can go on with this checkpoint's momentum. */
    private void requireUsableMomentum(State live) {
        Rule.Entry mine = live.hyperparameters.rule().entry();
        Rule.Entry entry = state.hyperparameters.rule().entry();
        if (live.hasMomentum() && state.hasMomentum() && mine != entry) {
            throw new IllegalArgumentException("the optimizer's rule enters at " + mine
                    + ", and the checkpoint's momentum is that of a rule that enters at " + entry
                    + "; restore it with its settings, then a snapshot converted to the rule");
        }
    }

    /**
     * Finds the layers of an optimizer in this checkpoint.
     *
     * @param from set to the index in this checkpoint of each layer, or -1
     */
    private Restored match(State live, int[] from, String prefix, boolean partial) {
        List<String> taken = new ArrayList<>();
        Map<String, String> leftInFile = new TreeMap<>();
        for (Layer layer : state.layers) {
            leftInFile.put(layer.name(), "the optimizer has no such layer");
        }
        Set<String> names = new HashSet<>(leftInFile.keySet());
        List<String> leftWithout = new ArrayList<>();
        StringBuilder differences = new StringBuilder();
        for (int i = 0; i < from.length; i++) {
            Layer layer = live.layers.get(i);
            String name = prefix + layer.name();
            from[i] = names.contains(name) ? state.layers.index(name) : -1;
            if (from[i] >= 0 && state.layers.get(from[i]).length() == layer.length()) {
                leftInFile.remove(name);
                taken.add(layer.name());
                continue;
            }
            if (from[i] >= 0) {
                leftInFile.put(
                        name,
                        "its length is " + state.layers.get(from[i]).length() + ", the optimizer's " + layer.length());
                from[i] = -1;
            } else {
                differences.append(differences(name, "the checkpoint has no such layer"));
            }
            leftWithout.add(layer.name());
        }
        leftInFile.forEach((name, why) -> differences.append(differences(name, why)));
        if (!differences.isEmpty() && !(partial && !taken.isEmpty())) {
            throw new IllegalArgumentException("the checkpoint is of other layers"
                    + (partial ? ", none of which fits" : "")
                    + Prefixes.hint(live.layers, names, prefix, "restoreMatching(lars, params, prefix)")
                    + ":" + differences);
        }
        return new Restored(taken, leftInFile, leftWithout, settings ? changes(live, from) : List.of());
    }

    /** What an optimizer's settings were, where this checkpoint's are others. */
    private List<String> changes(State live, int[] from) {
        Hyperparameters was = live.hyperparameters;
        Hyperparameters is = state.hyperparameters;
        List<String> changes = new ArrayList<>();
        addChange(changes, "rule", was.rule(), is.rule());
        addChange(changes, "trustCoefficient", was.trustCoefficient(), is.trustCoefficient());
        addChange(changes, "weightDecay", was.weightDecay(), is.weightDecay());
        addChange(changes, "momentum", was.momentum(), is.momentum());
        addChange(changes, "dampening", was.dampening(), is.dampening());
        addChange(changes, "nesterov", was.nesterov(), is.nesterov());
        addChange(changes, "momentumCorrection", was.momentumCorrection(), is.momentumCorrection());
        List<String> treated = new ArrayList<>();
        for (int i = 0; i < from.length; i++) {
            Layer layer = live.layers.get(i);
            if (from[i] >= 0
                    && !layer.treatment().equals(state.layers.get(from[i]).treatment())) {
                treated.add(layer.name());
            }
        }
        if (!treated.isEmpty()) {
            changes.add("the treatment of " + Prefixes.some(treated) + " is the checkpoint's, was another");
        }
        return changes;
    }

    private static void addChange(List<String> changes, String name, Object was, Object is) {
        if (!is.equals(was)) {
            changes.add(name + " is " + is + ", was " + was);
        }
    }

    static String differences(String name, String why) {
        return System.lineSeparator() + "  " + SafeTensorsException.quote(name) + ": " + why;
    }

    /** The file, and a line of what is in it. */
    @Override
    public String toString() {
        return file + ": step " + state.step + ", " + state.layers.size() + " layers"
                + (state.hasMomentum() ? ", momentum" : "") + (weights ? ", weights" : "");
    }
}
