package io.github.lars4j;

import static java.util.Map.entry;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Compares schedules with the rates of the programs that they come from: see {@code schedules.txt}. */
class ScheduleSourcesTest {

    private static final int STEPS = 50;

    /** The cases of the table, with the same settings. */
    private static final Map<String, Schedule> SCHEDULES = Map.ofEntries(
            entry("mlperf", Schedule.polynomial(10, 2, 44 - 10 + 1, 1e-4).warmup(Warmup.mlperf(10))),
            entry("simclr", Schedule.cosine(4.8, 36).warmup(Warmup.mlperf(10))),
            entry("barlow", Schedule.cosine(1.6, 44, 0.0016).warmup(Warmup.mlperf(6))),
            entry("optax-polynomial", Schedule.polynomial(3, 1.5, 45, 0.05)),
            entry("optax-linear", Schedule.polynomial(0.1, 1, 40, 2)),
            entry("optax-cosine", Schedule.cosine(2, 45, 0.1)),
            entry("optax-warmup", Schedule.cosine(2, 38, 0.02).warmup(Warmup.optax(0.1, 8))),
            entry(
                    "optax-sgdr",
                    Schedule.cosine(2, 8, 0.02)
                            .warmup(Warmup.optax(0.1, 2))
                            .then(10, Schedule.cosine(1.5, 16, 0.01).warmup(Warmup.optax(0.05, 4)))),
            entry("optax-steps", Schedule.steps(0.8, 0.1, 15, 30).then(40, Schedule.constant(0.8 * 0.1 * 0.1 * 0.5))),
            entry("optax-onecycle", linear(new long[] {0, 12, 34, 40}, 0.08, 2, 0.08, 0.08 / 1e4)),
            entry("timm-cosine", Schedule.cosine(1.6, 45, 0.01).warmup(Warmup.timm(1e-3, 7))),
            entry("timm-prefix", Schedule.cosine(1.6, 38, 0.01).warmup(Warmup.optax(1e-3, 7))),
            entry("timm-poly", Schedule.polynomial(1.6, 2, 45, 0.01).warmup(Warmup.timm(1e-3, 7))),
            entry("timm-cycles", Schedule.cosineRestarts(1.6, 6, 2, 0.01).then(6 + 12 + 24, Schedule.constant(0.01))),
            entry("torch-linear", Schedule.cosine(3, 37, 0.05).warmup(Warmup.linearLR(1 / 3.0, 12))),
            entry("torch-poly", Schedule.polynomial(3, 0.9, 48)),
            entry("torch-restarts", Schedule.cosineRestarts(3, 5, 2, 0.01)),
            entry("torch-restarts-even", Schedule.cosineRestarts(3, 7, 1, 0)),
            entry("torch-onecycle", Schedule.oneCycle(4, 50)),
            entry("torch-onecycle-fraction", Schedule.oneCycle(4, 57)),
            entry("torch-onecycle-parts", Schedule.cosine(0.4, 9, 4).then(9, Schedule.cosine(4, 40, 0.004))),
            entry("torch-onecycle-three", linear(new long[] {0, 14, 28, 49}, 0.16, 4, 0.16, 0.16 / 1e4)),
            entry("horovod", Schedule.steps(0.8, 0.1, 10, 20, 30).warmup(Warmup.horovod(8, 15))),
            entry("swav", Schedule.cosine(4.8, 41, 0.0048).warmup(Warmup.swav(0.3, 9))),
            entry("interp", linear(new long[] {2, 10, 11, 45}, 0.1, 4, 3, 0)));

    private static Schedule linear(long[] steps, double... rates) {
        return Schedule.piecewiseLinear(steps, rates);
    }

    @Test
    void eachHasTheRatesOfItsSource() throws IOException {
        Map<String, double[]> table = table();
        assertEquals(table.keySet(), new TreeMap<>(SCHEDULES).keySet());
        table.forEach((name, rates) -> {
            assertEquals(STEPS, rates.length, name);
            for (int step = 0; step < STEPS; step++) {
                double expected = rates[step];
                double tolerance = 1e-13 * expected + 1e-15;
                assertEquals(expected, SCHEDULES.get(name).rate(step), tolerance, name + " at step " + step);
            }
        });
    }

    private static Map<String, double[]> table() throws IOException {
        String text;
        try (InputStream in = ScheduleSourcesTest.class.getResourceAsStream("/schedules.txt")) {
            text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
        Map<String, double[]> table = new TreeMap<>();
        String name = "";
        for (String line : text.lines().toList()) {
            if (!line.isEmpty() && Character.isLetter(line.charAt(0))) {
                name = line;
            } else if (!line.isEmpty() && !line.startsWith("#")) {
                DoubleStream rates = Stream.of(line.split(" ", -1)).mapToDouble(Double::parseDouble);
                DoubleStream before = DoubleStream.of(table.getOrDefault(name, new double[0]));
                table.put(name, DoubleStream.concat(before, rates).toArray());
            }
        }
        return table;
    }
}
