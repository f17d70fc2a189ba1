package io.github.lars4j.bench.coldstart;

import static java.util.stream.Collectors.joining;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.chart.Table;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ColdStartTest {

    @Test
    void whatAJvmPrintedIsRead() {
        ColdStart.Run run = ColdStart.parse("12.5\n"
                + IntStream.rangeClosed(1, 1000).mapToObj(i -> i + ".5\n").collect(joining())
                + "scalar kernels: because\n");
        assertEquals(12.5, run.built());
        for (int steps : new int[] {1, 10, 100, 1000}) {
            assertEquals(steps + 0.5, run.after(steps));
        }
        assertEquals("scalar kernels: because", run.kernels());
        assertTrue(run.finished());
    }

    @Test
    void stepsThatWereNotReachedAreNotANumber() {
        ColdStart.Run run = ColdStart.parse("12.5\n1.0\n2.0\nscalar kernels: because\n");
        assertFalse(run.finished());
        assertEquals(2.0, run.after(2));
        assertTrue(Double.isNaN(run.after(3)));
        double[] medians = ColdStartCommand.medians(List.of(run));
        assertEquals(12.5, medians[0]);
        assertEquals(1.0, medians[1]);
        assertTrue(Double.isNaN(medians[2]));
    }

    @Test
    void medianOfThreeIsTheMiddleOne() {
        List<ColdStart.Run> runs = List.of(run(5), run(100), run(7));
        assertEquals(7, ColdStartCommand.medians(runs)[4]);
    }

    @Test
    void boundIsTenPercentAndTwentyMilliseconds() {
        Table table = new Table(3, "layout", "JVM", "kernels", "build", "1", "10", "100", "1000", "end");
        double[] bounds = ColdStartCommand.bounds(List.of(run(100)));
        assertEquals(130, bounds[4], 1e-9);
        assertFalse(ColdStartCommand.add(table, "l", "", "auto", List.of(run(129.9)), bounds));
        assertTrue(ColdStartCommand.add(table, "l", "", "auto", List.of(run(130.1)), bounds));
        assertTrue(table.toString().contains("! 130.1"), table.toString());
    }

    private static ColdStart.Run run(double thousand) {
        List<Double> ends = new ArrayList<>(Collections.nCopies(999, 1.0));
        ends.add(thousand);
        return new ColdStart.Run(500.0, ends, "scalar kernels: because");
    }
}
