package io.github.lars4j.bench.largebatch;

import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.NonFiniteException;
import io.github.lars4j.Schedule;
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
 * Trains a network: epoch by epoch, batch by batch. The same settings, data and seed give the same bits everywhere.
 *
 * <p>One call at a time.
 */
final class Trainer implements AutoCloseable {

    static final double MOMENTUM = 0.9;
    static final double WEIGHT_DECAY = 1e-4;
    static final double TRUST_COEFFICIENT = 0.001;

    /** Share of all steps in which the learning rate climbs. */
    static final double WARMUP = 0.2;

    /** Power of the polynomial by which it then falls to 0. */
    static final double DECAY_POWER = 2;

    /** The optimizers to choose from. */
    enum Method {
        SGD,
        LARS
    }

    /**
     * What tells one run from another.
     *
     * @param method the optimizer
     * @param batch examples a step
     * @param epochs times that each example is seen
     * @param rate the learning rate after the warm-up
     * @param biasFactor what the biases' learning rate is multiplied by
     * @param seed of the first weights and of the order of examples
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
     * @param settings of the run
     * @param data to train on
     * @param hidden widths of the hidden layers
     * @param classes of the data
     * @param product computes the network's matrix products
     */
    Trainer(Settings settings, DataSet data, List<Integer> hidden, int classes, MatrixProduct product) {
        this.settings = settings;
        this.data = data;
        // Biases start at zero and are small: the trust ratio would hardly let them move. They get a rate of their own.
        Treatment biases = Treatment.PLAIN.withRateFactor(settings.biasFactor());
        network = new Network(product, biases, widths(data.features(), hidden, classes));
        weights = network.initialWeights(settings.seed());
        gradients = new float[weights.length];

        stepsOfEpoch = (data.size() + settings.batch() - 1) / settings.batch();
        long steps = (long) settings.epochs() * stepsOfEpoch;
        long warmup = Math.round(WARMUP * steps);
        Schedule schedule = Schedule.polynomial(settings.rate(), DECAY_POWER, steps - warmup)
                .warmup(warmup);
        optimizer = switch (settings.method()) {
            case SGD -> new MomentumSgd(network.layers(), schedule, MOMENTUM, WEIGHT_DECAY);
            case LARS ->
                Optimizer.of(Lars.builder(network.layers())
                        .learningRate(schedule)
                        .momentum(MOMENTUM)
                        .weightDecay(WEIGHT_DECAY)
                        .trustCoefficient(TRUST_COEFFICIENT)
                        .build());
        };
    }

    /** The widths of a whole network: its inputs, its hidden layers, its classes. */
    static int[] widths(int features, List<Integer> hidden, int classes) {
        return IntStream.concat(
                        IntStream.concat(IntStream.of(features), hidden.stream().mapToInt(width -> width)),
                        IntStream.of(classes))
                .toArray();
    }

    /**
     * Trains on every example once, in a new order.
     *
     * @return whether the loss has stayed finite; if not, training is over
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

    /** Loss and accuracy on other data. */
    Network.Evaluation evaluate(DataSet other) {
        return network.evaluate(weights, other);
    }

    /** The mean training loss of each epoch so far, as it was when each batch was seen. */
    List<Double> losses() {
        return losses;
    }

    /** The trust ratio of every layer at each step so far. */
    List<double[]> trustRatios() {
        return trustRatios;
    }

    /** Time that training has taken so far, in seconds. */
    double seconds() {
        return nanos / 1e9;
    }

    /** Time of it that the optimizer has taken, in seconds. */
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
     * Saves where the run stands, between two epochs: the optimizer's checkpoint, with the weights in it, and beside it
     * a list of what was recorded.
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
        // First what may say too much, if the run is stopped between the two, and then what counts.
        ExperimentResults.replace(records(file), ExperimentResults.GSON.toJson(records));
        optimizer.save(file, weights);
    }

    /**
     * Goes on from where another trainer of the same settings stood.
     *
     * @param file the checkpoint that it saved
     */
    void restore(Path file) throws IOException {
        optimizer.restore(file, weights);
        Map<?, ?> records = ExperimentResults.GSON.fromJson(Files.readString(records(file)), Map.class);
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

    /** Deletes what {@link #save} saved, if it did. */
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
