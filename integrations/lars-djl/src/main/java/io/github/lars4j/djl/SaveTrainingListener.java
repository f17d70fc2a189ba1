package io.github.lars4j.djl;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.training.Trainer;
import ai.djl.training.listener.TrainingListenerAdapter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
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

    /** The property of the model that counts epochs. */
    private static final String EPOCHS = "lars4j.epochs";

    /** The property by which DJL names its file. DJL's own listeners count in it as well, each trainer anew. */
    private static final String EPOCH_OF_DJL = "Epoch";

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

    /**
     * Refuses a folder that another run has saved into.
     *
     * @throws IllegalStateException if the folder has epochs of this name, and the model was not resumed
     */
    @Override
    public void onTrainingBegin(Trainer trainer) {
        try {
            OptionalInt last = last(folder, name);
            if (trainer.getModel().getProperty(EPOCHS) == null && last.isPresent()) {
                throw new IllegalStateException(folder + " has epochs of another run, the last of them "
                        + ofModel(folder, name, last.getAsInt()) + ": resume that run, or take a new folder");
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Counts the epoch, on from those of the model, and saves if it is time.
     *
     * @throws IllegalStateException if the optimizer has taken no step, so that it is not the trainer's
     * @throws UncheckedIOException if the files cannot be written
     */
    @Override
    public void onEpoch(Trainer trainer) {
        Model model = trainer.getModel();
        model.setProperty(EPOCHS, "" + (epoch(model) + 1));
        if (epoch(model) % every == 0) {
            save(model);
        }
    }

    /** Saves the last epoch, if that was not done. */
    @Override
    public void onTrainingEnd(Trainer trainer) {
        if (epoch(trainer.getModel()) % every != 0) {
            save(trainer.getModel());
        }
    }

    private static int epoch(Model model) {
        String epoch = model.getProperty(EPOCHS);
        return epoch == null ? 0 : Integer.parseInt(epoch);
    }

    private void save(Model model) {
        if (optimizer.stepsTaken() == 0) {
            throw new IllegalStateException("the optimizer has taken no step; it must be that of the trainer");
        }
        try {
            save(model, epoch(model));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void save(Model model, int epoch) throws IOException {
        Files.createDirectories(folder);
        optimizer.save(ofOptimizer(folder, name, epoch));
        String part = name + "-part";
        String before = model.getProperty(EPOCH_OF_DJL);
        model.setProperty(EPOCH_OF_DJL, "" + epoch);
        try {
            model.save(folder, part);
        } finally {
            if (before != null) {
                model.setProperty(EPOCH_OF_DJL, before);
            }
        }
        Path file = ofModel(folder, part, epoch);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
        Files.move(file, ofModel(folder, name, epoch), StandardCopyOption.ATOMIC_MOVE);
    }

    private static Path ofOptimizer(Path folder, String name, int epoch) {
        return folder.resolve(String.format(Locale.ROOT, "%s-%04d.lars", name, epoch));
    }

    private static Path ofModel(Path folder, String name, int epoch) {
        return folder.resolve(String.format(Locale.ROOT, "%s-%04d.params", name, epoch));
    }

    /**
     * Loads the last epoch that this listener has saved into a model and its optimizer. Call it before {@link
     * Model#newTrainer}: a trainer keeps the parameters that it has found. Freeze parameters after that: DJL makes all of a
     * loaded model trainable when it makes a trainer.
     *
     * @param model a model with the same block
     * @param optimizer an optimizer for the model's block
     * @param folder as for the constructor
     * @param name as for the constructor
     * @return the number of epochs that were done; 0 if none was saved, and then nothing is changed
     * @throws IOException if a file cannot be read, is damaged, or is of another model
     */
    public static int resume(Model model, LarsOptimizer optimizer, Path folder, String name) throws IOException {
        OptionalInt last = last(folder, name);
        if (last.isEmpty()) {
            return 0;
        }
        int epoch = last.getAsInt();
        model.setProperty(EPOCHS, "none");
        try {
            model.load(folder, name, Map.of("epoch", epoch));
        } catch (MalformedModelException | IOException e) {
            throw new IOException(ofModel(folder, name, epoch) + " cannot be loaded", e);
        }
        // DJL ignores a file that is not one of its own.
        if (!("" + epoch).equals(model.getProperty(EPOCHS))) {
            throw new IOException(ofModel(folder, name, epoch) + " is damaged, or of another program");
        }
        optimizer.restore(ofOptimizer(folder, name, epoch));
        return epoch;
    }

    /** The last epoch of which both files are there. */
    private static OptionalInt last(Path folder, String name) throws IOException {
        Pattern ours = Pattern.compile(Pattern.quote(name) + "-([0-9]{4,})\\.params");
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> ours.matcher(file.getFileName().toString()))
                    .filter(Matcher::matches)
                    .mapToInt(match -> Integer.parseInt(match.group(1)))
                    .filter(epoch -> Files.exists(ofOptimizer(folder, name, epoch)))
                    .max();
        } catch (NoSuchFileException e) {
            // A folder that is not there has none.
            return OptionalInt.empty();
        }
    }
}
