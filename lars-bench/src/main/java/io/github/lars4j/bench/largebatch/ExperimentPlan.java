package io.github.lars4j.bench.largebatch;

import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import java.util.Arrays;
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
 * @param methods the optimizers
 * @param chosen without a search: the grid point of a batch size, of rate and bias factor, in steps from the centre; the
 *     centre if there is none
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
        List<Long> seeds,
        List<Method> methods,
        Map<Integer, List<Integer>> chosen) {

    /** The batch size of the centres below. */
    private static final int CENTRE_BATCH = 8192;

    /** The optimizers of the experiment that compares LARS with SGD. */
    static final List<Method> COMPARED = List.of(Method.SGD, Method.LARS);

    /** Those of the experiment that compares formats. */
    private static final List<Method> FORMATS =
            Arrays.stream(Method.values()).filter(Method::isLars).toList();

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
                List.of(1L, 2L, 3L),
                COMPARED,
                Map.of());
    }

    /** LARS in several formats, with the rates that the whole experiment has found for float32. */
    static ExperimentPlan formats() {
        ExperimentPlan full = full();
        return new ExperimentPlan(
                full.hidden,
                List.of(256, CENTRE_BATCH),
                full.epochs,
                false,
                full.heldOut,
                full.rateReach,
                full.rateSpacing,
                full.biasReach,
                full.biasSpacing,
                full.extensions,
                full.searchSeed,
                List.of(1L, 2L, 3L, 4L, 5L),
                FORMATS,
                Map.of(256, List.of(0, 1), CENTRE_BATCH, List.of(-1, 1)));
    }

    /** This with one batch size, one seed and no search. */
    ExperimentPlan quick() {
        return new ExperimentPlan(
                hidden,
                List.of(CENTRE_BATCH),
                epochs,
                false,
                heldOut,
                rateReach,
                rateSpacing,
                biasReach,
                biasSpacing,
                extensions,
                searchSeed,
                List.of(1L),
                methods,
                chosen);
    }

    /** The learning rate at the centre of the grid; it grows with the square root of the batch size. */
    private static double centreRate(Method method, int batch) {
        double rate = method.isLars() ? 16 : 0.2;
        return rate * Math.sqrt((double) batch / CENTRE_BATCH);
    }

    /** The factor of the biases' rate at the centre of the grid. */
    private static double centreBiasFactor(Method method) {
        return method.isLars() ? 1.0 / 64 : 1;
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

    /** The grid point of a batch size for which there is no search. */
    List<Integer> chosen(int batch) {
        return chosen.getOrDefault(batch, List.of(0, 0));
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
        for (Method method : methods) {
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
