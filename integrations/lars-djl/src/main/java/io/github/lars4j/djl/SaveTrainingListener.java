package io.github.lars4j.djl;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.training.Trainer;
import ai.djl.training.listener.TrainingListenerAdapter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Saves model and optimizer each some epochs, and goes on from there in another process. Epoch 3 of {@code lenet} is {@code
 * lenet-0003.params}, which DJL writes, and {@code lenet-0003.lars}, a {@link io.github.lars4j.Checkpoint}. The model's
 * comes last and in one move, so where it is, both are whole.
 *
 * <pre>{@code
 * Path folder = Path.of("run");
 * int done = SaveTrainingListener.resume(model, optimizer, folder, "lenet");     // 0 if there is nothing yet
 * config.addTrainingListeners(new SaveTrainingListener(optimizer, folder, "lenet", 1));
 * try (Trainer trainer = model.newTrainer(config)) {
 *     trainer.initialize(shape);
 *     EasyTrain.fit(trainer, epochs - done, train, validate);
 * }
 * }</pre>
 */
public final class SaveTrainingListener extends TrainingListenerAdapter {

    /** The property in which DJL has the number of epochs, and by which it names its file. */
    private static final String EPOCH = "Epoch";

    private final LarsOptimizer optimizer;
    private final Path folder;
    private final String name;
    private final int every;

    /**
     * Makes a listener.
     *
     * @param optimizer the trainer's optimizer
     * @param folder where the files go; it is made if it is not there
     * @param name how the files' names begin
     * @param every number of epochs between two times of saving, at least 1
     * @throws IllegalArgumentException if {@code every} is less than 1
     */
    public SaveTrainingListener(LarsOptimizer optimizer, Path folder, String name, int every) {
        this.optimizer = Objects.requireNonNull(optimizer, "optimizer");
        this.folder = Objects.requireNonNull(folder, "folder");
        this.name = Objects.requireNonNull(name, "name");
        if (every < 1) {
            throw new IllegalArgumentException("every is " + every + "; it must be 1 or more");
        }
        this.every = every;
    }

    /** Counts the epoch, on from those of the model, and saves if it is time. */
    @Override
    public void onEpoch(Trainer trainer) {
        Model model = trainer.getModel();
        int epoch = epoch(model) + 1;
        model.setProperty(EPOCH, "" + epoch);
        if (epoch % every != 0) {
            return;
        }
        try {
            save(model, epoch);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int epoch(Model model) {
        String epoch = model.getProperty(EPOCH);
        return epoch == null ? 0 : Integer.parseInt(epoch);
    }

    private void save(Model model, int epoch) throws IOException {
        Files.createDirectories(folder);
        optimizer.save(ofOptimizer(folder, name, epoch));
        Path parts = Files.createTempDirectory(folder, "part");
        try {
            model.save(parts, name);
            Path file = ofModel(parts, name, epoch);
            Files.move(file, folder.resolve(file.getFileName()), StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(ofModel(parts, name, epoch));
            Files.delete(parts);
        }
    }

    private static Path ofOptimizer(Path folder, String name, int epoch) {
        return folder.resolve(String.format(Locale.ROOT, "%s-%04d.lars", name, epoch));
    }

    private static Path ofModel(Path folder, String name, int epoch) {
        return folder.resolve(String.format(Locale.ROOT, "%s-%04d.params", name, epoch));
    }

    /**
     * Loads the last epoch that this listener has saved into a model and its optimizer. Call it before {@link
     * Model#newTrainer}: a trainer keeps the parameters that it has found.
     *
     * @param model a model with the same block; its property {@code Epoch} is set
     * @param optimizer an optimizer for the model's block
     * @param folder as for the constructor
     * @param name as for the constructor
     * @return the number of epochs that were done; 0 if none was saved, and then nothing is changed
     * @throws IOException if a file cannot be read or is of another model
     */
    public static int resume(Model model, LarsOptimizer optimizer, Path folder, String name) throws IOException {
        TreeSet<Integer> epochs = new TreeSet<>();
        Pattern ours = Pattern.compile(Pattern.quote(name) + "-([0-9]{4,})\\.params");
        try (Stream<Path> files = Files.list(folder)) {
            files.map(file -> ours.matcher(file.getFileName().toString()))
                    .filter(Matcher::matches)
                    .map(match -> Integer.parseInt(match.group(1)))
                    .filter(epoch -> Files.exists(ofOptimizer(folder, name, epoch)))
                    .forEach(epochs::add);
        } catch (NoSuchFileException e) {
            return 0;
        }
        if (epochs.isEmpty()) {
            return 0;
        }
        int epoch = epochs.last();
        try {
            model.load(folder, name, Map.of("epoch", epoch));
        } catch (MalformedModelException e) {
            throw new IOException(ofModel(folder, name, epoch) + " cannot be loaded", e);
        }
        optimizer.restore(ofOptimizer(folder, name, epoch));
        model.setProperty(EPOCH, "" + epoch);
        return epoch;
    }
}
