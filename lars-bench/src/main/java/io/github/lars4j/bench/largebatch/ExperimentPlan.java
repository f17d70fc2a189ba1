package io.github.lars4j.bench.largebatch;

import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The plan of an experiment.
 *
 * <p>The learning rate and the factor of the biases' rate are searched on a grid. Its size and spacing are the same for
 * both optimizers: {@code rateReach} points to each side of the optimizer's own centre, and likewise {@code biasReach}.
 * If the best point lies on an edge, the grid grows by one point there, at most {@code extensions} times per edge.
 *
 * @param hidden widths of the hidden layers
 * @param batches batch sizes
 * @param epochs number of epochs of every run
 * @param search whether to search; if not, the centres are used
 * @param heldOut number of training examples that the search is evaluated on instead of trained on
 * @param rateReach grid points to each side of the centre
 * @param rateSpacing factor between neighbouring grid points
 * @param biasReach grid points to each side of the centre
 * @param biasSpacing factor between neighbouring grid points
 * @param extensions maximum number of extensions of an edge
 * @param searchSeed seed of the split and of all runs of the search
 * @param seeds seeds of the final runs, on the whole training set
 */
record ExperimentPlan(
        List<Integer> hidden,
        List<Integer> batches,
        int epochs,
        boolean search,
        int heldOut,
        int rateReach,
        double rateSpacing,
        int biasReach,
        double biasSpacing,
        int extensions,
        long searchSeed,
        List<Long> seeds) {

    /** The batch size of the centres below. */
    private static final int CENTRE_BATCH = 8192;

    /** The whole experiment. */
    static ExperimentPlan full() {
        return new ExperimentPlan(
                List.of(512, 256),
                List.of(256, 1024, 4096, 8192, 16384),
                10,
                true,
                10_000,
                2,
                2,
                1,
                4,
                3,
                100,
                List.of(1L, 2L, 3L));
    }

    /** One batch size, one seed, no search. */
    static ExperimentPlan quick() {
        ExperimentPlan full = full();
        return new ExperimentPlan(
                full.hidden,
                List.of(CENTRE_BATCH),
                full.epochs,
                false,
                full.heldOut,
                full.rateReach,
                full.rateSpacing,
                full.biasReach,
                full.biasSpacing,
                full.extensions,
                full.searchSeed,
                List.of(1L));
    }

    /** The learning rate at the centre of the grid; it grows with the square root of the batch size. */
    private static double centreRate(Method method, int batch) {
        double rate = switch (method) {
            case SGD -> 0.2;
            case LARS -> 16;
        };
        return rate * Math.sqrt((double) batch / CENTRE_BATCH);
    }

    /** The factor of the biases' rate at the centre of the grid. */
    private static double centreBiasFactor(Method method) {
        return switch (method) {
            case SGD -> 1;
            case LARS -> 1.0 / 64;
        };
    }

    /**
     * The settings of a grid point.
     *
     * @param rate steps from the centre; negative for smaller rates
     * @param bias steps from the centre; negative for smaller factors
     */
    Settings settings(Method method, int batch, int rate, int bias, long seed) {
        return new Settings(
                method,
                batch,
                epochs,
                centreRate(method, batch) * Math.pow(rateSpacing, rate),
                centreBiasFactor(method) * Math.pow(biasSpacing, bias),
                seed);
    }

    /** Number of grid points of a search before any extension. */
    int gridPoints() {
        return (2 * rateReach + 1) * (2 * biasReach + 1);
    }

    /** This plan and the trainer's constants, as JSON. */
    Map<String, Object> json() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("hidden", hidden);
        json.put("batches", batches);
        json.put("epochs", epochs);
        json.put("search", search);
        json.put("heldOut", heldOut);
        json.put("rateReach", rateReach);
        json.put("rateSpacing", rateSpacing);
        json.put("biasReach", biasReach);
        json.put("biasSpacing", biasSpacing);
        json.put("extensions", extensions);
        json.put("searchSeed", searchSeed);
        json.put("seeds", seeds);
        for (Method method : Method.values()) {
            json.put("centre" + method, List.of(centreRate(method, CENTRE_BATCH), centreBiasFactor(method)));
        }
        json.put("momentum", Trainer.MOMENTUM);
        json.put("weightDecay", Trainer.WEIGHT_DECAY);
        json.put("trustCoefficient", Trainer.TRUST_COEFFICIENT);
        json.put("warmup", Trainer.WARMUP);
        json.put("decayPower", Trainer.DECAY_POWER);
        return json;
    }
}
