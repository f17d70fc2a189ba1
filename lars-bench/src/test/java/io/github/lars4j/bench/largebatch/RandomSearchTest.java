package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.largebatch.RandomSearch.Range;
import io.github.lars4j.bench.largebatch.Trainer.Method;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class RandomSearchTest {

    @Test
    void rangesOfBothOptimizersAreEquallyWide() {
        for (int batch : new int[] {256, 8192}) {
            Map<String, Range> sgd = RandomSearch.ranges(Method.SGD, batch);
            Map<String, Range> lars = RandomSearch.ranges(Method.LARS, batch);
            assertEquals(sgd.keySet(), lars.keySet());
            for (String name : sgd.keySet()) {
                assertEquals(width(sgd.get(name)), width(lars.get(name)), 1e-12, name);
                assertEquals(sgd.get(name).logarithmic(), lars.get(name).logarithmic());
            }
        }
        Range small = RandomSearch.ranges(Method.LARS, 2048).get("rate");
        Range large = RandomSearch.ranges(Method.LARS, 8192).get("rate");
        assertEquals(2, large.from() / small.from(), 1e-12, "the square root of the batch size");
        assertEquals(2, large.to() / small.to(), 1e-12);
    }

    private static double width(Range range) {
        return range.logarithmic() ? range.to() / range.from() : range.to() - range.from();
    }

    @Test
    void drawsOnePointInEachPartOfEachRange() {
        for (Method method : ExperimentPlan.COMPARED) {
            List<SampledHyperparameters> points = RandomSearch.points(method, 8192, 10, 3);
            assertEquals(10, points.size());
            RandomSearch.ranges(method, 8192).forEach((name, range) -> {
                TreeSet<Integer> parts = new TreeSet<>();
                for (SampledHyperparameters point : points) {
                    double value = (Double) point.json().get(name);
                    double share = range.logarithmic()
                            ? Math.log(value / range.from()) / Math.log(range.to() / range.from())
                            : (value - range.from()) / (range.to() - range.from());
                    // Rounding to three digits moves a value by half a percent at most.
                    assertTrue(share > -0.01 && share < 1.01, name + " of " + value);
                    parts.add((int) Math.round(10 * share - 0.5));
                }
                assertTrue(parts.size() >= 9, name + " has points in parts " + parts);
            });
        }
    }

    @Test
    void theOrderOfTheValuesDiffersFromRangeToRange() {
        List<SampledHyperparameters> points = RandomSearch.points(Method.LARS, 8192, 10, 3);
        Set<List<Integer>> orders = new HashSet<>();
        for (String name : RandomSearch.ranges(Method.LARS, 8192).keySet()) {
            List<Double> values = points.stream()
                    .map(point -> (Double) point.json().get(name))
                    .toList();
            List<Double> sorted = values.stream().sorted().toList();
            assertTrue(orders.add(values.stream().map(sorted::indexOf).toList()), name);
        }
        assertFalse(orders.contains(List.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)));
    }

    @Test
    void pointsDependOnTheSeedOnlyAndKeepTheirPlaceInTheRanges() {
        List<SampledHyperparameters> points = RandomSearch.points(Method.LARS, 8192, 10, 3);
        assertEquals(points, RandomSearch.points(Method.LARS, 8192, 10, 3));
        assertNotEquals(points, RandomSearch.points(Method.LARS, 8192, 10, 4));
        List<SampledHyperparameters> sgd = RandomSearch.points(Method.SGD, 8192, 10, 3);
        for (int i = 0; i < 10; i++) {
            assertEquals(points.get(i).momentum(), sgd.get(i).momentum());
            assertEquals(
                    points.get(i).rate() / 40,
                    sgd.get(i).rate(),
                    0.02 * sgd.get(i).rate());
            assertEquals(
                    points.get(i).oneDimensionalFactor() * 32,
                    sgd.get(i).oneDimensionalFactor(),
                    0.02 * sgd.get(i).oneDimensionalFactor());
        }
    }

    @Test
    void valuesHaveThreeDigits() {
        assertEquals(0.123, new Range(0.123456, 1, false).at(0));
        assertEquals(4, new Range(2, 8, true).at(0.5));
        assertEquals(5, new Range(2, 8, false).at(0.5));
    }
}
