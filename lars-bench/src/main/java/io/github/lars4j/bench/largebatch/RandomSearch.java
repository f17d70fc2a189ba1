package io.github.lars4j.bench.largebatch;

import io.github.lars4j.bench.largebatch.Trainer.Method;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * The hyperparameters that a search tries: random points of stated ranges, as a Latin hypercube (McKay, Beckman and
 * Conover 1979): of n points, each of n equal parts of each range has one.
 *
 * <p>All searches try the same points, relative to their ranges. The ranges of SGD and LARS are equally wide, and those
 * of the learning rates grow with the square root of the batch size.
 */
final class RandomSearch {

    /** The batch size at which the ranges of the rates are those below. */
    private static final int BATCH = 8192;

    /**
     * A range.
     *
     * @param from its least value
     * @param to its greatest value
     * @param logarithmic whether the logarithm is drawn uniformly
     */
    record Range(double from, double to, boolean logarithmic) {

        /** The value at a share of the way, 0 to 1, with three significant digits, so that it can be quoted as it was run. */
        double at(double share) {
            double value = logarithmic ? from * StrictMath.pow(to / from, share) : from + share * (to - from);
            return new BigDecimal(value).round(new MathContext(3)).doubleValue();
        }

        private Range times(double factor) {
            return new Range(from * factor, to * factor, logarithmic);
        }
    }

    private RandomSearch() {}

    /** The ranges of the hyperparameters by name, for a batch size. */
    static Map<String, Range> ranges(Method method, int batch) {
        double growth = Math.sqrt((double) batch / BATCH);
        Map<String, Range> ranges = new LinkedHashMap<>();
        ranges.put("rate", new Range(method.isLars() ? 2 : 0.05, method.isLars() ? 128 : 3.2, true).times(growth));
        ranges.put("warmup", new Range(0.02, 0.4, true));
        ranges.put("decayPower", new Range(1, 2.5, false));
        ranges.put("momentum", new Range(0.85, 0.95, false));
        ranges.put("weightDecay", new Range(1e-5, 1e-3, true));
        // One-dimensional tensors have no trust ratio, and LARS' rate is too large for them; SGD's suits all tensors.
        ranges.put(
                "oneDimensionalFactor",
                new Range(method.isLars() ? 1.0 / 256 : 1.0 / 8, method.isLars() ? 1.0 / 4 : 8, true));
        return ranges;
    }

    /**
     * The points of a search.
     *
     * @param count number of points, at least 1
     * @param seed of the random numbers
     */
    static List<SampledHyperparameters> points(Method method, int batch, int count, long seed) {
        List<Range> ranges = List.copyOf(ranges(method, batch).values());
        Random random = new Random(seed);
        double[][] shares = new double[ranges.size()][count];
        for (double[] range : shares) {
            int[] parts = DataSet.identity(count);
            DataSet.shuffle(parts, random);
            for (int i = 0; i < count; i++) {
                range[i] = (parts[i] + random.nextDouble()) / count;
            }
        }
        List<SampledHyperparameters> points = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            double[] values = new double[shares.length];
            for (int r = 0; r < values.length; r++) {
                values[r] = ranges.get(r).at(shares[r][i]);
            }
            points.add(new SampledHyperparameters(values[0], values[1], values[2], values[3], values[4], values[5]));
        }
        return points;
    }
}
