package io.github.lars4j.bench.largebatch;

import io.github.lars4j.bench.largebatch.Trainer.Method;
import io.github.lars4j.bench.largebatch.Trainer.Settings;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The plan of an experiment: every network with every optimizer at every batch size, which together are its cells.
 *
 * @param hidden widths of the hidden layers
 * @param networks the networks' normalisation; the last is that of the normalised network
 * @param methods the optimizers
 * @param batches batch sizes
 * @param epochs number of epochs of every run
 * @param points number of points of a cell's search, each a run, see {@link RandomSearch}; the points depend on it
 * @param heldOut number of training examples that a search is evaluated on instead of trained on
 * @param searchSeed seed of the points, of the held-out examples and of all runs of the search
 * @param chosen the points that are used without a search; empty if there is one
 * @param seeds seeds of the final runs, on the whole training set
 */
record ExperimentPlan(
        List<Integer> hidden,
        List<Normalization> networks,
        List<Method> methods,
        List<Integer> batches,
        int epochs,
        int points,
        int heldOut,
        long searchSeed,
        Map<Method, Integer> chosen,
        List<Long> seeds) {

    /** The batch size of the experiments that have one only. */
    static final int SHOWN_BATCH = 8192;

    /** The optimizers of the experiment that compares LARS with SGD. */
    static final List<Method> COMPARED = List.of(Method.SGD, Method.LARS);

    /** Those of the experiment that compares formats. */
    private static final List<Method> FORMATS =
            Arrays.stream(Method.values()).filter(Method::isLars).toList();

    /** The points that the whole experiment has found at the batch size that is shown. */
    private static final Map<Method, Integer> FOUND = new EnumMap<>(Map.of(Method.SGD, 2, Method.LARS, 12));

    /** The whole experiment. */
    static ExperimentPlan full() {
        return new ExperimentPlan(
                List.of(512, 256),
                List.of(Normalization.NONE, Normalization.GHOST),
                COMPARED,
                List.of(256, 1024, 4096, SHOWN_BATCH, 16384),
                10,
                14,
                10_000,
                100,
                Map.of(),
                List.of(1L, 2L, 3L, 4L, 5L));
    }

    /** LARS in several formats, with the hyperparameters that the whole experiment has found for float32. */
    static ExperimentPlan formats() {
        return full().withoutSearch(FORMATS);
    }

    /** This without a search, with the normalised network at one batch size. */
    ExperimentPlan withoutSearch(List<Method> methods) {
        return with(List.of(normalized()), methods, List.of(SHOWN_BATCH), FOUND, seeds);
    }

    /** This without a search, with the normalised network at one batch size, and one seed. */
    ExperimentPlan quick() {
        ExperimentPlan one = withoutSearch(methods);
        return with(one.networks, methods, one.batches, FOUND, seeds.subList(0, 1));
    }

    /** This with statistics of the whole batch in the normalised network. */
    ExperimentPlan wholeBatch() {
        List<Normalization> whole = networks.stream()
                .map(network -> network == Normalization.GHOST ? Normalization.BATCH : network)
                .toList();
        return with(whole, methods, batches, chosen, seeds);
    }

    private ExperimentPlan with(
            List<Normalization> networks,
            List<Method> methods,
            List<Integer> batches,
            Map<Method, Integer> chosen,
            List<Long> seeds) {
        return new ExperimentPlan(
                hidden, networks, methods, batches, epochs, points, heldOut, searchSeed, chosen, seeds);
    }

    /** The normalised network, which is the last one. */
    Normalization normalized() {
        return networks.getLast();
    }

    /** One network with one optimizer at one batch size. */
    record Cell(Normalization network, Method method, int batch) {}

    /** All cells. */
    List<Cell> cells() {
        return networks.stream()
                .flatMap(network -> methods.stream()
                        .flatMap(method -> batches.stream().map(batch -> new Cell(network, method, batch))))
                .toList();
    }

    /** Whether the hyperparameters are searched. */
    boolean search() {
        return chosen.isEmpty();
    }

    /** The runs of a cell's search, in the order of their points. */
    List<Settings> searchOf(Cell cell) {
        return RandomSearch.points(cell.method, cell.batch, points, searchSeed).stream()
                .map(point -> new Settings(cell.network, cell.method, cell.batch, epochs, point, searchSeed))
                .toList();
    }

    /** The point that is used without a search. */
    int chosen(Method method) {
        return chosen.get(method.isLars() ? Method.LARS : Method.SGD);
    }

    /** This plan, the ranges of its searches and the trainer's constants, as JSON. */
    Map<String, Object> json() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("hidden", hidden);
        json.put("networks", networks);
        json.put("ghostBatch", Normalization.GHOST_BATCH);
        json.put("methods", methods);
        json.put("batches", batches);
        json.put("epochs", epochs);
        json.put("points", points);
        json.put("heldOut", heldOut);
        json.put("searchSeed", searchSeed);
        json.put("chosen", chosen);
        json.put("seeds", seeds);
        json.put("rangesOfSgd", RandomSearch.ranges(Method.SGD, SHOWN_BATCH));
        json.put("rangesOfLars", RandomSearch.ranges(Method.LARS, SHOWN_BATCH));
        json.put("trustCoefficient", Trainer.TRUST_COEFFICIENT);
        json.put("nesterov", true);
        return json;
    }
}
