package io.github.lars4j.bench.largebatch;

import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.NonFiniteException;
import io.github.lars4j.Schedule;
import io.github.lars4j.bench.files.InputFile;
import io.github.lars4j.bench.files.OutputFile;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * Trains a network epoch by epoch. The same settings, data and seed give the same bits on every machine.
 *
 * <p>Not safe for use by several threads.
 */
final class Trainer implements AutoCloseable {

    static final double MOMENTUM = 0.9;
    static final double WEIGHT_DECAY = 1e-4;
    static final double TRUST_COEFFICIENT = 0.001;

    /** Share of all steps in which the learning rate warms up. */
    static final double WARMUP = 0.2;

    /** Power of the polynomial decay of the learning rate to 0 after that. */
    static final double DECAY_POWER = 2;

    /** The optimizers that are compared. */
    enum Method {
        SGD("SGD"),
        LARS("float32"),
        BF16_GRADIENT("bfloat16 gradient"),
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
     * @param method the optimizer
     * @param batch number of examples per step
     * @param epochs number of passes over the data
     * @param rate the learning rate after the warm-up
     * @param biasFactor factor of the biases' learning rate
     * @param seed seed of the initial weights and of the order of the examples
     */
    record Settings(Method method, int batch, int epochs, double rate, double biasFactor, long seed) {}

    private final Settings settings;
    private final DataSet data;
    private final Network network;
    private final Optimizer optimizer;
    private final float[] weights;
    private final float[] gradients;
    private final int stepsOfEpoch;

    private final List<Double> losses = new ArrayList<>();
    private final List<double[]> trustRatios = new ArrayList<>();
    private long nanos;
    private long optimizerNanos;

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
        // Biases start at zero and stay small, so the trust ratio would hardly change them. They have their own rate.
        Treatment biases = Treatment.PLAIN.withRateFactor(settings.biasFactor());
        network = new Network(product, biases, widths(data.features(), hidden, classes));
        weights = network.initialWeights(settings.seed());
        gradients = new float[weights.length];

        stepsOfEpoch = (data.size() + settings.batch() - 1) / settings.batch();
        long steps = (long) settings.epochs() * stepsOfEpoch;
        long warmup = Math.round(WARMUP * steps);
        Schedule schedule = Schedule.polynomial(settings.rate(), DECAY_POWER, steps - warmup)
                .warmup(warmup);
        Lars.Builder builder = Lars.builder(network.layers())
                .learningRate(schedule)
                .momentum(MOMENTUM)
                .weightDecay(WEIGHT_DECAY)
                .trustCoefficient(TRUST_COEFFICIENT);
        optimizer = settings.method() == Method.SGD
                ? new MomentumSgd(network.layers(), schedule, MOMENTUM, WEIGHT_DECAY)
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
            if (!Double.isFinite(batchLoss) || !step()) {
                return false;
            }
            loss += batchLoss * (to - from);
        }
        losses.add(loss / order.length);
        return true;
    }

    private boolean step() {
        long start = System.nanoTime();
        try {
            // Not layer by layer: a bad gradient ends the run, and must be seen before any layer is written.
            optimizer.step(weights, gradients);
        } catch (NonFiniteException e) {
            return false;
        } finally {
            optimizerNanos += System.nanoTime() - start;
        }
        double[] ratios = new double[network.layers().size()];
        for (int i = 0; i < ratios.length; i++) {
            ratios[i] = optimizer.trustRatio(i);
        }
        trustRatios.add(ratios);
        return true;
    }

    /** The loss and accuracy on other data. */
    Network.Evaluation evaluate(DataSet other) {
        return network.evaluate(weights, other);
    }

    /** The mean training loss of each epoch so far, computed before each step. */
    List<Double> losses() {
        return losses;
    }

    /** The trust ratio of every layer at each step so far. */
    List<double[]> trustRatios() {
        return trustRatios;
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
        Map<String, Object> records = new LinkedHashMap<>();
        records.put("nanos", nanos);
        records.put("optimizerNanos", optimizerNanos);
        records.put("losses", losses);
        records.put(
                "trustRatios",
                trustRatios.stream()
                        .map(step -> Arrays.stream(step).boxed().toList())
                        .toList());
        // The records first: if the run is stopped between the two, restore ignores the records of later steps.
        OutputFile.write(records(file), ExperimentResults.GSON.toJson(records));
        optimizer.save(file, weights);
    }

    /**
     * Resumes a run that a trainer of the same settings saved.
     *
     * @param file the checkpoint
     */
    void restore(Path file) throws IOException {
        optimizer.restore(file, weights);
        Map<?, ?> records = ExperimentResults.GSON.fromJson(InputFile.text(records(file)), Map.class);
        nanos = ((Double) records.get("nanos")).longValue();
        optimizerNanos = ((Double) records.get("optimizerNanos")).longValue();
        int steps = (int) optimizer.steps();
        trustRatios.clear();
        for (Object step : ((List<?>) records.get("trustRatios")).subList(0, steps)) {
            trustRatios.add(((List<?>) step)
                    .stream().mapToDouble(ratio -> (Double) ratio).toArray());
        }
        losses.clear();
        for (Object loss : ((List<?>) records.get("losses")).subList(0, steps / stepsOfEpoch)) {
            losses.add((Double) loss);
        }
    }

    /** Deletes the files of {@link #save}, if they exist. */
    static void delete(Path file) throws IOException {
        Files.deleteIfExists(file);
        Files.deleteIfExists(records(file));
    }

    private static Path records(Path file) {
        return file.resolveSibling(file.getFileName() + ".json");
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
