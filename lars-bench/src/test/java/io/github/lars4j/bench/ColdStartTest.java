package io.github.lars4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class ColdStartTest {

    @Test
    void whatAJvmPrintedIsRead() {
        ColdStart.Run run = ColdStart.parse("12.5\n1.0\n2.0\n3.0\n4.0\nscalar kernels: because\n");
        assertEquals(List.of(12.5, 1.0, 2.0, 3.0, 4.0), run.millis());
        assertEquals("scalar kernels: because", run.kernels());
        assertTrue(run.finished());
    }

    @Test
    void stepsThatWereNotReachedAreNotANumber() {
        ColdStart.Run run = ColdStart.parse("12.5\n1.0\n2.0\nscalar kernels: because\n");
        assertFalse(run.finished());
        assertEquals(List.of(12.5, 1.0, 2.0, Double.NaN, Double.NaN), run.millis());
        assertTrue(Double.isNaN(ColdStart.medians(List.of(run))[3]));
    }

    @Test
    void medianOfThreeIsTheMiddleOne() {
        List<ColdStart.Run> runs = List.of(run(5), run(100), run(7));
        assertEquals(7, ColdStart.medians(runs)[4]);
    }

    @Test
    void boundIsTenPercentAndTwentyMilliseconds() {
        Table table = new Table(3, "layout", "JVM", "kernels", "build", "1", "10", "100", "1000", "end");
        double[] bounds = ColdStart.bounds(List.of(run(100)));
        assertEquals(130, bounds[4], 1e-9);
        assertFalse(ColdStart.add(table, "l", "", "auto", List.of(run(129.9)), bounds));
        assertTrue(ColdStart.add(table, "l", "", "auto", List.of(run(130.1)), bounds));
        assertTrue(table.toString().contains("! 130.1"), table.toString());
    }

    private static ColdStart.Run run(double thousand) {
        return new ColdStart.Run(List.of(500.0, 1.0, 2.0, 3.0, thousand), "scalar kernels: because");
    }
}
