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
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Saves the state of an optimizer to a file and restores it. A resumed run gives the same bits as a run that was never
 * stopped.
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
 * <p>A checkpoint contains momentum, step number, number of refused steps, which layers have taken a step, rule,
 * hyperparameters and groups, layout and treatments; and the weights, if they are passed to {@code save}. It does not
 * contain schedules, which are functions of the step number, learning rates and maximum norms of the gradient, nor array
 * elements outside the layers. Of a hyperparameter by schedule, it contains the value in the next step, for information:
 * NaN if the schedule throws an exception for that step.
 *
 * <p>Saving replaces the file atomically. If the process or the machine fails during {@code save}, the file is either
 * the old one or the new one, and after {@code save} has returned it is the new one. Windows and file systems of other
 * providers have no way to force the name of a file to the disk: there, if the machine fails shortly after {@code save}
 * has returned, the file may be the old one. Nor does Windows replace a file that a program has open or mapped; a save
 * tries for a second, and then throws an exception that says so. The new file keeps the POSIX
 * permissions of the old one and its group, but not its owner. If the process may not set the group, the group and all
 * others get only the permissions that both had. If the path is a symbolic link, the file that it points to is
 * replaced. Arrays are streamed, not copied. The same state always gives the same bytes.
 *
 * <p>The data is first written to a temporary file {@code <file>.<uuid>.lars4j.tmp} in the same folder; if
 * the name of the file has more than 207 bytes, its beginning and a hash take its place. If the process is killed, this
 * file remains, and the next save to the same path deletes it. Temporary files that are still being written, by this
 * process or by another, are locked and are not deleted. On a file system without locks, none are deleted.
 *
 * <p>To save when the process is asked to end (Ctrl-C, SIGTERM), let a shutdown hook tell the training thread to save,
 * and wait for it. A hook that calls {@code save} itself is refused while a step is in progress.
 *
 * <pre>{@code
 * AtomicBoolean stop = new AtomicBoolean();
 * CountDownLatch saved = new CountDownLatch(1);
 * Runtime.getRuntime().addShutdownHook(new Thread(() -> {
 *     stop.set(true);
 *     try {
 *         saved.await(60, TimeUnit.SECONDS);
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
 * <p>The file is in the safetensors format, and its tensors have the names that PyTorch users expect (for files written
 * by PyTorch, see {@link PyTorchState}):
 *
 * <ul>
 *   <li>if there is momentum, a tensor {@code <layer>.momentum_buffer} for each layer, F32 or, for an optimizer whose
 *       momentum has this format, BF16, with the layer's shape,
 *   <li>if weights were passed, a tensor {@code <layer>} for each layer, F32, with the layer's shape,
 *   <li>as the last tensor {@code lars4j.checksum}, U8, 8 bytes: two little-endian CRC-32, the first of all bytes of
 *       the file before the data section, the second of all bytes before this tensor,
 *   <li>metadata: step number, number of refused steps, whether the file contains weights, rule and hyperparameters by
 *       name, and {@code layer.<index>} for each layer (offset, shape, decay, adapt, rate factor, whether it has taken
 *       a step, last learning rate, last trust ratio, name),
 *   <li>for an optimizer with groups, with hyperparameters by schedule or with a rule that earlier versions did not have,
 *       as metadata in format 2: {@code group.<index>.name} and the values that the group gives, the trust coefficient
 *       of each layer's last step and the indices of its groups before its name, and which values are {@code schedules}.
 *       With a momentum in bfloat16, metadata in format 3, which also has {@code momentumFormat} and the seed of
 *       stochastic rounding. Every other optimizer is written in format 1. All formats are read.
 * </ul>
 *
 * <p>A {@code Checkpoint} object is immutable, keeps no file open, and is safe for use by several threads.
 */
public final class Checkpoint {

    static final String MOMENTUM_SUFFIX = ".momentum_buffer";

    private final Path file;
    private final Map<String, String> metadata;
    private final Map<String, TensorInfo> tensors;
    /** The state without its momentum. */
    private final State state;

    private final boolean weights;
    /** Whether a restore replaces the optimizer's rule, hyperparameters and treatments. */
    private final boolean settings;

    private Checkpoint(Path file, SafeTensorsFile open) throws IOException {
        Manifest.requireNotNewer(file, open.metadata());
        Checksum.verifyHeader(file, open);
        this.settings = true;
        this.file = file;
        this.metadata = open.metadata();
        this.tensors = open.tensors();
        try {
            this.state = Manifest.read(metadata, RuleText::unknown);
            this.weights = Manifest.hasWeights(metadata);
            requireTensors();
        } catch (SafeTensorsException e) {
            throw new SafeTensorsException(file + ": " + e.getMessage(), e);
        }
    }

    /** Creates a view of the same checkpoint that does not restore settings. */
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
     * @param file the file to create or replace; its directory must exist
     * @param lars the optimizer; no other call may be in progress
     */
    public static void save(Path file, Lars lars) throws IOException {
        save(Disk.REAL, file, lars, null);
    }

    /**
     * Saves the state and the weights.
     *
     * @param file the file to create or replace. Its directory must exist; it is not created, because a new directory,
     *     and the file in it, might not survive a crash of the machine
     * @param lars the optimizer; no other call may be in progress
     * @param params the weights, at least {@link Layers#end} elements; only read, and must not change during the call
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if {@code params} is too short or is the momentum buffer
     * @throws IllegalStateException if another call is in progress, the optimizer is closed, or a step or restore has
     *     failed halfway
     * @throws java.nio.file.NoSuchFileException if the directory does not exist
     * @throws java.io.InterruptedIOException if the thread is interrupted; its interrupt status stays set
     * @throws IOException if writing fails, or if the path exists and is not a regular file. Every message names the
     *     file. The old file is still in place; or, if the message says so, the new one is, but might not survive a
     *     crash of the machine. The optimizer has not changed
     */
    public static void save(Path file, Lars lars, float[] params) throws IOException {
        save(file, lars, flat(params));
    }

    /** Saves the state and the weights, wherever they lie; otherwise as {@link #save(Path, Lars, float[])}. */
    public static void save(Path file, Lars lars, Tensors params) throws IOException {
        save(Disk.REAL, file, lars, Objects.requireNonNull(params, "params"));
    }

    static void save(Disk disk, Path file, Lars lars, Tensors params) throws IOException {
        Objects.requireNonNull(file, "file");
        Objects.requireNonNull(lars, "lars");
        lars.lend("save", live -> {
            State state = live.read();
            Arguments.requireParams(params, false, state);
            SafeTensorsWriter writer = new SafeTensorsWriter();
            Manifest.write(state, params != null).forEach(writer::metadata);
            long total = 0;
            for (int i = 0; i < state.layers().size(); i++) {
                Layer layer = state.layers().get(i);
                if (state.hasMomentum(i)) {
                    Format format = state.momentum.tensors.format();
                    writer.elements(layer.name() + MOMENTUM_SUFFIX, dtype(format), layer.shape(), state.momentumOf(i));
                    total += layer.length() * format.bytes();
                }
            }
            if (params != null) {
                for (int i = 0; i < state.layers().size(); i++) {
                    Layer layer = state.layers().get(i);
                    writer.floats(layer.name(), layer.shape(), params.segment(state.layers(), i));
                    total += layer.length() * Float.BYTES;
                }
            }
            long bytes = total;
            AtomicSave.save(disk, file, channel -> Checksum.write(writer, bytes, channel));
            return null;
        });
    }

    private static Dtype dtype(Format format) {
        return format == Format.FLOAT32 ? Dtype.F32 : Dtype.BF16;
    }

    /**
     * Reads a checkpoint's header and checks it. The tensors are read by {@code restore}.
     *
     * @throws NullPointerException if {@code file} is {@code null}
     * @throws SafeTensorsException if the file is not a checkpoint, is damaged, or was written by a newer version of
     *     the library in a format that this version does not read
     * @throws IOException if the file cannot be read
     */
    public static Checkpoint load(Path file) throws IOException {
        try (SafeTensorsFile open = SafeTensorsFile.open(file)) {
            return new Checkpoint(file, open);
        }
    }

    /** Checks that the file contains exactly the tensors that its metadata requires. */
    private void requireTensors() throws SafeTensorsException {
        Set<String> expected = new HashSet<>();
        expected.add(Checksum.TENSOR);
        for (int i = 0; i < state.layers().size(); i++) {
            Layer layer = state.layers().get(i);
            if (state.hasMomentum(i)) {
                requireTensor(expected, layer.name() + MOMENTUM_SUFFIX, dtype(state.storage.format()), layer);
            }
            if (weights) {
                requireTensor(expected, layer.name(), Dtype.F32, layer);
            }
        }
        for (String name : tensors.keySet()) {
            if (!expected.contains(name)) {
                throw new SafeTensorsException("tensor " + SafeTensorsException.quote(name)
                        + " does not belong to a checkpoint of these layers");
            }
        }
    }

    private void requireTensor(Set<String> expected, String name, Dtype dtype, Layer layer)
            throws SafeTensorsException {
        TensorInfo tensor = tensors.get(name);
        if (tensor == null || tensor.dtype() != dtype || !tensor.shape().equals(layer.shape())) {
            throw new SafeTensorsException("tensor " + SafeTensorsException.quote(name) + " is "
                    + (tensor == null ? "missing" : "not " + dtype + " with its layer's shape"));
        }
        if (!expected.add(name)) {
            throw new SafeTensorsException(
                    "tensor " + SafeTensorsException.quote(name) + " would belong to two layers");
        }
    }

    /** Returns the number of steps taken, without refused steps. */
    public long step() {
        return state.step;
    }

    /** Returns the layers with their offsets and treatments at the time of the save. */
    public Layers layers() {
        return state.layers();
    }

    /**
     * Returns the hyperparameters at the time of the save, including the rule.
     *
     * <p>If its trust ratio is {@linkplain Rule#of one's own}, the rule has the name of the formula, but not the formula:
     * {@link Rule#trustRatio} throws an {@link IllegalStateException} for it, and {@link Lars.Builder#build} refuses the
     * rule.
     *
     * @throws IllegalArgumentException if a schedule had no value, or one out of range, for the next step at the time
     *     of the save
     */
    public Hyperparameters hyperparameters() {
        return state.hyperparameters();
    }

    /** Returns whether the file contains the weights. */
    public boolean hasWeights() {
        return weights;
    }

    /**
     * Returns a view of this checkpoint that does not restore settings: the optimizer keeps its own rule,
     * hyperparameters, treatments and seed of stochastic rounding, as with {@link PyTorchState}.
     *
     * <p>Restoring this view fails if both have momentum and the two rules differ in {@link Rule#entry}, because the
     * momentum would have another meaning. If only the optimizer has momentum, the momentum of the restored layers
     * becomes 0, and their next step counts as their first.
     *
     * @return a view of the same file; {@link #hyperparameters} and {@link #layers} still return its content
     */
    public Checkpoint withoutSettings() {
        return new Checkpoint(this);
    }

    /** Restores the state without the weights; otherwise as {@link #restore(Lars, float[])}. */
    public Restored restore(Lars lars) throws IOException {
        return restore(lars, null, "", false);
    }

    /**
     * Restores the state, as {@link Lars#restore(Snapshot)} does, and the weights. Everything is checked before
     * anything is changed; this includes the checksum of the whole file, so the file is read twice. Layers are
     * identified by name, and their offsets may differ from those in the checkpoint. The momentum is written to the
     * optimizer's buffer, which may be {@linkplain Lars.Builder#momentumBuffer the caller's array}. Restoring is
     * allowed after a step or restore has failed halfway, and makes the optimizer usable again.
     *
     * <p>Rule, hyperparameters, groups and treatments of the checkpoint replace the optimizer's. If they differ, the
     * {@linkplain Restored#notes notes} of the result say so, and the differences are logged. To keep the optimizer's
     * settings, use {@link #withoutSettings}.
     *
     * <p>Groups are found by name, in whatever order they were added, and get the values and the layers that they have in
     * the checkpoint. A group that the checkpoint does not have stays as it is. Schedules and maximum norms are kept, of
     * the optimizer as well as of its groups; so is a number whose value in the checkpoint is by schedule. If the rule of the checkpoint has a {@linkplain Rule#of trust ratio of
     * one's own}, its formula is that of the optimizer's rule, which must have the same name.
     *
     * @param params receives the weights, at least {@link Layers#end} elements. Elements outside the layers are not
     *     touched
     * @return what was restored, and which settings of the optimizer were replaced
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if the layers differ in name or length (the message lists all differences), if
     *     the file contains no weights, if {@code params} is too short or is the momentum buffer, or if the optimizer
     *     could not be saved with the momentum that it would get (see {@link Lars.Builder#build}); if the checkpoint has
     *     a group that the optimizer does not have; if momentum or values do not fit a group or a schedule that is kept,
     *     or the rule, see {@link #withoutSettings}; if an element of the momentum would become infinite in bfloat16; or if
     *     the trust ratio of the checkpoint's rule is one's own and
     *     the optimizer's rule has none of that name. Nothing has changed then
     * @throws IllegalStateException if another call is in progress, or the optimizer is closed; nothing has changed
     *     then
     * @throws SafeTensorsException if the file is damaged, or has changed since it was loaded; nothing has changed then
     * @throws IOException if reading fails. If the second reading fails, the state is half written and the optimizer
     *     must be restored again; otherwise nothing has changed
     */
    public Restored restore(Lars lars, float[] params) throws IOException {
        return restore(lars, flat(params));
    }

    /** Restores the state and the weights, wherever they lie; otherwise as {@link #restore(Lars, float[])}. */
    public Restored restore(Lars lars, Tensors params) throws IOException {
        return restore(lars, Objects.requireNonNull(params, "params"), "", false);
    }

    private static Tensors flat(float[] params) {
        return Tensors.flat(Objects.requireNonNull(params, "params"));
    }

    /**
     * Restores the state of the matching layers without their weights; otherwise as {@link #restoreMatching(Lars,
     * float[])}.
     */
    public Restored restoreMatching(Lars lars) throws IOException {
        return restore(lars, null, "", true);
    }

    /** As {@link #restoreMatching(Lars)}, for a checkpoint in which the names of the layers have a prefix. */
    public Restored restoreMatching(Lars lars, String prefix) throws IOException {
        return restore(lars, null, Objects.requireNonNull(prefix, "prefix"), true);
    }

    /**
     * Restores the state and the weights of the layers that have the same name and length in the checkpoint and in the
     * optimizer, for example if the model got a new head. Step number, number of refused steps and hyperparameters are
     * restored as well. The optimizer's other layers keep their weights, treatments and groups; their momentum becomes
     * 0, and their next step counts as their first. A group of the checkpoint that the optimizer does not have is
     * ignored if none of its layers matches. Otherwise as {@link #restore(Lars, float[])}.
     *
     * @return what was restored and what was not
     * @throws IllegalArgumentException as {@link #restore(Lars, float[])}, but layers may differ if at least one
     *     matches
     */
    public Restored restoreMatching(Lars lars, float[] params) throws IOException {
        return restoreMatching(lars, flat(params));
    }

    /** As {@link #restoreMatching(Lars, float[])}, with weights wherever they lie. */
    public Restored restoreMatching(Lars lars, Tensors params) throws IOException {
        return restoreMatching(lars, params, "");
    }

    /**
     * As {@link #restoreMatching(Lars, float[])}, for a checkpoint in which the names of the layers have a prefix.
     *
     * @param prefix the prefix of the names in the checkpoint, for example {@code "module."}
     */
    public Restored restoreMatching(Lars lars, float[] params, String prefix) throws IOException {
        return restoreMatching(lars, flat(params), prefix);
    }

    /** As {@link #restoreMatching(Lars, float[], String)}, with weights wherever they lie. */
    public Restored restoreMatching(Lars lars, Tensors params, String prefix) throws IOException {
        return restore(lars, Objects.requireNonNull(params, "params"), Objects.requireNonNull(prefix, "prefix"), true);
    }

    private Restored restore(Lars lars, Tensors params, String prefix, boolean partial) throws IOException {
        Objects.requireNonNull(lars, "lars");
        Restored restored = lars.lendToRestore(live -> restore(live, params, prefix, partial));
        restored.log(file);
        return restored;
    }

    private Restored restore(LiveState live, Tensors params, String prefix, boolean partial) throws IOException {
        State before = live.read();
        Arguments.requireParams(params, true, before);
        if (params != null && !weights) {
            throw new IllegalArgumentException("params is given, but the checkpoint has no weights");
        }
        int[] from = new int[before.layers().size()];
        List<String> taken = new ArrayList<>();
        List<String> leftWithout = new ArrayList<>();
        Map<String, String> leftInFile = match(before, from, prefix, partial, taken, leftWithout);
        Setup restored = before.setup;
        if (settings) {
            Setup saved = state.setup;
            if (!saved.ownRules().isEmpty()) {
                saved.ownRules()
                        .forEach(rule -> before.setup.ownRule(rule.ownName().get()));
                saved = Manifest.read(metadata, before.setup::ownRule).setup;
            }
            restored = before.setup.restoredFrom(saved, from);
        } else {
            restored.requireUsable(state.setup, from);
        }
        List<String> notes = settings ? changes(before, restored, from) : unused(before, from);
        addFormat(notes, before, restored);
        try (SafeTensorsFile open = SafeTensorsFile.open(file)) {
            if (!open.metadata().equals(metadata) || !open.tensors().equals(tensors)) {
                throw new SafeTensorsException(file + " has changed since it was loaded; load it again");
            }
            Checksum.verifyAll(file, open);
            Momentum momentum = before.momentumFor(restored);
            requireRoundable(open, before, restored, from);
            State changed = live.change();
            changed.momentum = momentum;
            changed.setup = restored;
            if (settings) {
                changed.storage = changed.storage.withSeedOf(state.storage);
            }
            changed.takeProgress(state, from);
            for (int i = 0; i < from.length; i++) {
                if (from[i] >= 0) {
                    readLayer(open, from[i], changed, i, params);
                }
            }
        }
        return new Restored(taken, leftInFile, leftWithout, notes);
    }

    private void readLayer(SafeTensorsFile open, int saved, State changed, int layer, Tensors params)
            throws IOException {
        String name = state.layers().get(saved).name();
        if (changed.hasMomentum(layer) && state.hasMomentum(saved)) {
            changed.momentum.readLayer(open, name + MOMENTUM_SUFFIX, changed.layers(), layer);
        }
        if (params != null) {
            open.readFloats(name, 0, params.segment(changed.layers(), layer));
        }
    }

    /** Says so if the optimizer stores the momentum of this checkpoint in another way, or takes the seed of its rounding. */
    private void addFormat(List<String> notes, State live, Setup restored) {
        if (!state.hasMomentum() || !restored.mayHaveMomentum()) {
            return;
        }
        MomentumStorage saved = state.storage;
        MomentumStorage mine = live.storage;
        MomentumStorage after = settings ? mine.withSeedOf(saved) : mine;
        if (!after.inWords().equals(saved.inWords())) {
            String what = mine.format() == saved.format()
                    ? "the optimizer's rounding is kept"
                    : mine.format() == Format.FLOAT32 ? "it was widened exactly" : "it was rounded to nearest even";
            notes.add("the momentum of the checkpoint is " + saved.inWords() + " and the optimizer's is "
                    + mine.inWords() + ": " + what);
        } else if (!after.equals(mine)) {
            notes.add("stochasticRounding has seed " + saved.seed() + ", had " + mine.seed());
        }
    }

    /**
     * Checks that no momentum becomes infinite by rounding.
     *
     * @throws IllegalArgumentException if one does
     */
    private void requireRoundable(SafeTensorsFile open, State live, Setup restored, int[] from) throws IOException {
        if (live.storage.format() == state.storage.format()) {
            return;
        }
        for (int i = 0; i < from.length; i++) {
            if (from[i] >= 0 && restored.profileOf(i).mayHaveMomentum && state.hasMomentum(from[i])) {
                Momentum.requireRoundable(
                        open, state.layers().get(from[i]).name() + MOMENTUM_SUFFIX, live.storage.format());
            }
        }
    }

    /**
     * Finds the optimizer's layers in this checkpoint.
     *
     * @param from receives the index in this checkpoint of each of the optimizer's layers, or -1
     * @param taken receives the names of the layers that are found
     * @param leftWithout receives the names of the other layers
     * @return what is left in the checkpoint, with the reason
     */
    private Map<String, String> match(
            State live, int[] from, String prefix, boolean partial, List<String> taken, List<String> leftWithout) {
        Map<String, String> leftInFile = new TreeMap<>();
        for (Layer layer : state.layers()) {
            leftInFile.put(layer.name(), "the optimizer has no such layer");
        }
        Set<String> names = new HashSet<>(leftInFile.keySet());
        StringBuilder differences = new StringBuilder();
        for (int i = 0; i < from.length; i++) {
            Layer layer = live.layers().get(i);
            String name = prefix + layer.name();
            from[i] = names.contains(name) ? state.layers().index(name) : -1;
            if (from[i] >= 0 && state.layers().get(from[i]).length() == layer.length()) {
                leftInFile.remove(name);
                taken.add(layer.name());
                continue;
            }
            if (from[i] >= 0) {
                leftInFile.put(
                        name,
                        "its length is " + state.layers().get(from[i]).length() + ", the optimizer's is "
                                + layer.length());
                from[i] = -1;
            } else {
                differences.append(differences(name, "the checkpoint has no such layer"));
            }
            leftWithout.add(layer.name());
        }
        leftInFile.forEach((name, why) -> differences.append(differences(name, why)));
        if (!differences.isEmpty() && !(partial && !taken.isEmpty())) {
            throw new IllegalArgumentException("the layers of the checkpoint differ from the optimizer's"
                    + (partial ? ", and none matches" : "")
                    + Prefixes.hint(live.layers(), names, prefix, "restoreMatching(lars, params, prefix)")
                    + ":" + differences);
        }
        return leftInFile;
    }

    /** Says so if the optimizer keeps a momentum of 0, or above 0, that does not fit this checkpoint. */
    private List<String> unused(State live, int[] from) {
        boolean unused = false;
        boolean absent = false;
        for (int i = 0; i < from.length; i++) {
            unused |= from[i] >= 0 && state.hasMomentum(from[i]) && !live.hasMomentum(i);
            absent |= from[i] >= 0 && !state.hasMomentum(from[i]) && live.hasMomentum(i);
        }
        List<String> notes = new ArrayList<>();
        if (unused) {
            notes.add("the momentum of the checkpoint is not used" + where(state, live)
                    + ", because the optimizer has momentum 0");
        }
        if (absent) {
            notes.add("the checkpoint has no momentum" + where(state, live) + ", so it starts from 0");
        }
        return notes;
    }

    private static String where(State saved, State live) {
        return saved.setup.groups.isEmpty() && live.setup.groups.isEmpty() ? "" : " in some layers";
    }

    /** Lists the settings of the optimizer that a restore changes, or does not take from this checkpoint. */
    private List<String> changes(State live, Setup restored, int[] from) {
        Settings was = live.setup.settings;
        Settings is = restored.settings;
        List<String> changes = new ArrayList<>();
        addChange(changes, "rule", was.rule(), is.rule());
        addNumber(changes, "trustCoefficient", was.trustCoefficient(), is.trustCoefficient());
        addNumber(changes, "weightDecay", was.weightDecay(), is.weightDecay());
        addNumber(changes, "momentum", was.momentum(), is.momentum());
        addChange(changes, "dampening", was.dampening(), is.dampening());
        addChange(changes, "nesterov", was.nesterov(), is.nesterov());
        addChange(changes, "momentumCorrection", was.momentumCorrection(), is.momentumCorrection());
        addSchedules(changes, "", is, state.setup.settings);
        List<String> treated = new ArrayList<>();
        for (int i = 0; i < from.length; i++) {
            Layer layer = live.layers().get(i);
            if (from[i] >= 0
                    && !layer.treatment().equals(state.layers().get(from[i]).treatment())) {
                treated.add(layer.name());
            }
        }
        if (!treated.isEmpty()) {
            changes.add("the checkpoint's treatment replaces that of " + Prefixes.some(treated));
        }
        for (Group group : restored.groups) {
            addGroup(changes, group, live.setup.groups.get(live.setup.group(group.name())));
        }
        for (Group group : state.setup.groups) {
            if (restored.groups.stream().noneMatch(other -> other.name().equals(group.name()))) {
                changes.add("the optimizer has no group " + SafeTensorsException.quote(group.name())
                        + " and none of its layers");
            }
        }
        return changes;
    }

    private void addGroup(List<String> changes, Group is, Group was) {
        String name = "group " + SafeTensorsException.quote(is.name());
        Optional<Group> saved = state.setup.groups.stream()
                .filter(group -> group.name().equals(is.name()))
                .findFirst();
        if (saved.isEmpty()) {
            changes.add("the checkpoint has no " + name + "; the optimizer's stays as it is");
            return;
        }
        if (!is.settings().toString().equals(was.settings().toString())) {
            changes.add(name + " has (" + is.settings() + "), had (" + was.settings() + ")");
        }
        addSchedules(changes, name + ": ", is.settings(), saved.get().settings());
        if (!is.layers().equals(was.layers())) {
            changes.add(
                    name + " has the layers " + Prefixes.some(is.layers()) + ", had " + Prefixes.some(was.layers()));
        }
    }

    /** Says which values are schedules in the optimizer or were so in this checkpoint, but not in both. */
    private void addSchedules(List<String> changes, String whose, Settings is, Settings saved) {
        addSchedule(changes, whose + "trustCoefficient", is.trustCoefficient(), saved.trustCoefficient());
        addSchedule(changes, whose + "weightDecay", is.weightDecay(), saved.weightDecay());
        addSchedule(changes, whose + "momentum", is.momentum(), saved.momentum());
    }

    private void addSchedule(List<String> changes, String name, Schedule is, Schedule saved) {
        if (Settings.isSchedule(is) != Settings.isSchedule(saved)) {
            changes.add(name + " is " + inWords("the optimizer's ", is) + ", was " + inWords("", saved)
                    + " in the checkpoint");
        }
    }

    private String inWords(String whose, Schedule value) {
        if (value == null) {
            return "not given";
        }
        return whose
                + (value instanceof Schedules.Constant number ? "number " + number.rate() : "schedule")
                + (value instanceof Schedules.Unknown last ? " with " + last.rate() + " in step " + state.step : "");
    }

    private static void addNumber(List<String> changes, String name, Schedule was, Schedule is) {
        if (!Settings.isSchedule(is)) {
            addChange(changes, name, was.rate(0), is.rate(0));
        }
    }

    private static void addChange(List<String> changes, String name, Object was, Object is) {
        if (!is.equals(was)) {
            changes.add(name + " is " + is + ", was " + was);
        }
    }

    static String differences(String name, String why) {
        return System.lineSeparator() + "  " + SafeTensorsException.quote(name) + ": " + why;
    }

    /** Returns the path of the file and a summary of its content. */
    @Override
    public String toString() {
        return file + ": step " + state.step + ", " + state.layers().size() + " layers"
                + (state.hasMomentum() ? ", momentum" : "") + (weights ? ", weights" : "");
    }
}
