package io.github.lars4j.bench.largebatch;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import io.github.lars4j.Lars;
import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.NonFiniteException;
import io.github.lars4j.Schedule;
import io.github.lars4j.bench.files.InputFile;
import io.github.lars4j.bench.files.OutputFile;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * Trains a network epoch by epoch. The same settings, data and seed give the same bits on every machine.
 *
 * <p>Not safe for use by several threads.
 */
final class Trainer implements AutoCloseable {

    static final double TRUST_COEFFICIENT = 0.001;

    /** The optimizers that are compared. */
    enum Method {
        SGD("SGD"),
        LARS("float32"),
        BF16_GRADIENT("bfloat16 gradient"),
        F16_GRADIENT("float16 gradient"),
        BF16_MOMENTUM("bfloat16 momentum, to nearest"),
        BF16_MOMENTUM_STOCHASTIC("bfloat16 momentum, stochastic"),
        BF16_BOTH("both bfloat16, to nearest"),
        BF16_BOTH_STOCHASTIC("both bfloat16, stochastic"),
        LINEAR8_MOMENTUM("8-bit linear momentum, to nearest"),
        LINEAR8_MOMENTUM_STOCHASTIC("8-bit linear momentum, stochastic"),
        DYNAMIC8_MOMENTUM("8-bit dynamic momentum, to nearest"),
        DYNAMIC8_MOMENTUM_STOCHASTIC("8-bit dynamic momentum, stochastic");

        private final String words;

        Method(String words) {
            this.words = words;
        }

        String words() {
            return words;
        }

        boolean isLars() {
            return this != SGD;
        }
    }

    /**
     * The settings of a run.
     *
     * @param network the network's normalisation
     * @param method the optimizer
     * @param batch number of examples per step
     * @param epochs number of passes over the data
     * @param hyperparameters those of the optimizer
     * @param seed seed of the initial weights and of the order of the examples
     */
    record Settings(
            Normalization network,
            Method method,
            int batch,
            int epochs,
            SampledHyperparameters hyperparameters,
            long seed) {}

    /** Steps are recorded only in runs of at most this many, which are those with large batches. */
    private static final int MOST_RECORDED = 1000;

    /**
     * One step.
     *
     * @param rate the learning rate
     * @param loss mean loss over the batch before the step
     * @param trustRatios by layer
     * @param weightNorms by layer, before the step
     */
    record StepRecord(double rate, double loss, List<Double> trustRatios, List<Double> weightNorms) {}

    /** Statistics may overflow in a run that diverges, which a later epoch then sees. */
    private static final Gson RECORDS =
            new GsonBuilder().serializeSpecialFloatingPointValues().create();

    private final Settings settings;
    private final DataSet data;
    private final Network network;
    private final Optimizer optimizer;
    private final float[] weights;
    private final float[] gradients;
    private final Schedule schedule;
    private final long totalSteps;

    private final List<Double> losses = new ArrayList<>();
    private final List<StepRecord> history = new ArrayList<>();
    private long nanos;
    private long optimizerNanos;
    /** The records of the last checkpoint; {@code null} before the first. */
    private Path saved;

    /**
     * Makes a trainer.
     *
     * @param settings the settings of the run
     * @param data the training examples
     * @param hidden widths of the hidden layers
     * @param classes number of classes of the data
     * @param product computes the network's matrix products
     */
    Trainer(Settings settings, DataSet data, List<Integer> hidden, int classes, MatrixProduct product) {
        this.settings = settings;
        this.data = data;
        SampledHyperparameters values = settings.hyperparameters();
        // Biases start at zero and stay small, and a scale starts at one, whatever the layer: the trust ratio says
        // nothing about either. They have their own rate.
        Treatment oneDimensional = Treatment.PLAIN.withRateFactor(values.oneDimensionalFactor());
        network = new Network(product, settings.network(), oneDimensional, widths(data.features(), hidden, classes));
        weights = network.initialWeights(settings.seed());
        gradients = new float[weights.length];

        totalSteps = (long) settings.epochs() * Math.ceilDiv(data.size(), settings.batch());
        long warmup = Math.round(values.warmup() * totalSteps);
        schedule = Schedule.polynomial(values.rate(), values.decayPower(), totalSteps - warmup)
                .warmup(warmup);
        Lars.Builder builder = Lars.builder(network.layers())
                .learningRate(schedule)
                .momentum(values.momentum())
                .nesterov(true)
                .weightDecay(values.weightDecay())
                .trustCoefficient(TRUST_COEFFICIENT);
        optimizer = settings.method() == Method.SGD
                ? new MomentumSgd(network.layers(), schedule, values.momentum(), values.weightDecay())
                : LarsOptimizer.of(settings.method(), builder, network.layers());
    }

    /** The widths of all layers: inputs, hidden layers, classes. */
    static int[] widths(int features, List<Integer> hidden, int classes) {
        return IntStream.concat(
                        IntStream.concat(IntStream.of(features), hidden.stream().mapToInt(width -> width)),
                        IntStream.of(classes))
                .toArray();
    }

    /**
     * Trains on every example once, in a new order.
     *
     * @return whether the loss is still finite; if not, training cannot continue
     */
    boolean epoch() {
        long start = System.nanoTime();
        try {
            return passOverData();
        } finally {
            nanos += System.nanoTime() - start;
        }
    }

    private boolean passOverData() {
        int[] order = DataSet.identity(data.size());
        DataSet.shuffle(order, new Random(settings.seed() * 1_000_003 + losses.size()));
        double loss = 0;
        for (int from = 0; from < order.length; from += settings.batch()) {
            int to = Math.min(order.length, from + settings.batch());
            double batchLoss = network.gradient(weights, data, order, from, to, gradients);
            if (!Double.isFinite(batchLoss) || !step(batchLoss)) {
                return false;
            }
            loss += batchLoss * (to - from);
        }
        losses.add(loss / order.length);
        return true;
    }

    private boolean step(double batchLoss) {
        double rate = schedule.rate(optimizer.steps());
        List<Double> norms = totalSteps <= MOST_RECORDED ? norms() : null;
        long start = System.nanoTime();
        try {
            // Not layer by layer: a bad gradient ends the run, and must be seen before any layer is written.
            optimizer.step(weights, gradients);
        } catch (NonFiniteException e) {
            return false;
        } finally {
            optimizerNanos += System.nanoTime() - start;
        }
        if (norms != null) {
            List<Double> ratios = IntStream.range(0, norms.size())
                    .mapToObj(optimizer::trustRatio)
                    .toList();
            history.add(new StepRecord(rate, batchLoss, ratios, norms));
        }
        return true;
    }

    private List<Double> norms() {
        List<Double> norms = new ArrayList<>();
        for (Layer layer : network.layers()) {
            double squares = 0;
            for (int i = (int) layer.offset(); i < layer.end(); i++) {
                squares += (double) weights[i] * weights[i];
            }
            norms.add(Math.sqrt(squares));
        }
        return norms;
    }

    /** The loss and accuracy on other data. */
    Network.Evaluation evaluate(DataSet other) {
        return network.evaluate(weights, other);
    }

    /** The mean training loss of each epoch so far, computed before each step. */
    List<Double> losses() {
        return losses;
    }

    /** Every step so far; empty if the run has too many. */
    List<StepRecord> history() {
        return history;
    }

    /** Number of steps so far. */
    int steps() {
        return (int) optimizer.steps();
    }

    /** Training time so far, in seconds. */
    double seconds() {
        return nanos / 1e9;
    }

    /** Part of the training time spent in the optimizer, in seconds. */
    double optimizerSeconds() {
        return optimizerNanos / 1e9;
    }

    /** The network's layers. */
    Layers layers() {
        return network.layers();
    }

    /** The weights, laid out by {@link #layers}; not a copy. */
    float[] weights() {
        return weights;
    }

    /**
     * Saves the run between two epochs: the optimizer's checkpoint, which includes the weights, and a second file with
     * the recorded values.
     *
     * @param file the checkpoint
     */
    void save(Path file) throws IOException {
        Records records = new Records(nanos, optimizerNanos, losses, history, network.statistics());
        // In a file of this step's own: if the run is stopped between the two, the old checkpoint still has its own.
        Path old = saved;
        saved = records(file);
        OutputFile.write(saved, RECORDS.toJson(records));
        optimizer.save(file, weights);
        if (old != null && !old.equals(saved)) {
            Files.deleteIfExists(old);
        }
    }

    /**
     * Resumes a run that a trainer of the same settings saved.
     *
     * @param file the checkpoint
     */
    void restore(Path file) throws IOException {
        optimizer.restore(file, weights);
        saved = records(file);
        Records records = RECORDS.fromJson(InputFile.text(saved), Records.class);
        nanos = records.nanos;
        optimizerNanos = records.optimizerNanos;
        losses.clear();
        losses.addAll(records.losses);
        history.clear();
        history.addAll(records.history);
        List<float[]> statistics = network.statistics();
        for (int i = 0; i < statistics.size(); i++) {
            System.arraycopy(records.statistics.get(i), 0, statistics.get(i), 0, statistics.get(i).length);
        }
    }

    /** What a checkpoint of the optimizer does not have. */
    private record Records(
            long nanos, long optimizerNanos, List<Double> losses, List<StepRecord> history, List<float[]> statistics) {}

    private Path records(Path file) {
        return file.resolveSibling(file.getFileName() + "." + optimizer.steps() + ".json");
    }

    /** Deletes the files of {@link #save}, if they exist. */
    static void delete(Path file) throws IOException {
        try (DirectoryStream<Path> files =
                Files.newDirectoryStream(file.toAbsolutePath().getParent(), file.getFileName() + "*")) {
            for (Path each : files) {
                Files.delete(each);
            }
        }
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
