package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ScheduleTest {

    private static void assertRates(Schedule schedule, double... rates) {
        for (int step = 0; step < rates.length; step++) {
            assertEquals(rates[step], schedule.rate(step), 1e-15 * rates[step], "step " + step);
        }
    }

    @Test
    void constant() {
        assertRates(Schedule.constant(0.3), 0.3, 0.3, 0.3);
        assertEquals(0.3, Schedule.constant(0.3).rate(Long.MAX_VALUE));
    }

    @Test
    void polynomial() {
        assertRates(Schedule.polynomial(8, 2, 4), 8, 4.5, 2, 0.5, 0, 0, 0);
        assertRates(Schedule.polynomial(8, 1, 4), 8, 6, 4, 2, 0, 0);
        assertEquals(0, Schedule.polynomial(8, 2, 4).rate(Long.MAX_VALUE));
    }

    @Test
    void cosine() {
        assertRates(Schedule.cosine(4, 6), 4, 2 + Math.sqrt(3), 3, 2, 1, 2 - Math.sqrt(3), 0, 0);
        assertEquals(0, Schedule.cosine(4, 6).rate(Long.MAX_VALUE));
    }

    @Test
    void toAnEndRate() {
        assertRates(Schedule.polynomial(9, 2, 4, 1), 9, 5.5, 3, 1.5, 1, 1);
        assertRates(Schedule.polynomial(1, 1, 4, 9), 1, 3, 5, 7, 9, 9);
        assertRates(Schedule.cosine(5, 6, 1), 5, 3 + Math.sqrt(3), 4, 3, 2, 3 - Math.sqrt(3), 1, 1);
        assertRates(Schedule.cosine(1, 2, 5), 1, 3, 5, 5);
        assertEquals(0.3, Schedule.polynomial(0.1, 2, 4, 0.3).rate(Long.MAX_VALUE));
        assertEquals(0.3, Schedule.cosine(0.1, 4, 0.3).rate(Long.MAX_VALUE));
    }

    @Test
    void aDecayStartsAndEndsWithItsOwnBits() {
        for (int i = 0; i < 200; i++) {
            double rate = 0.1 + 0.07 * i;
            double end = 0.01 * i;
            assertEquals(rate, Schedule.polynomial(rate, 2, 50, end).rate(0));
            assertEquals(rate, Schedule.cosine(rate, 50, end).rate(0));
            assertEquals(rate, Schedule.cosineRestarts(rate, 50, 1, end).rate(50));
            assertEquals(end, Schedule.polynomial(rate, 2, 50, end).rate(50));
            assertEquals(end, Schedule.cosine(rate, 50, end).rate(50));
        }
    }

    /** The formulas without an end rate, and a warm-up that is just even: runs that used them must keep their bits. */
    @Test
    void withoutAnEndRateTheBitsAreThoseOfThePlainFormula() {
        Random random = new Random(16);
        for (int i = 0; i < 3_000; i++) {
            double rate = Math.scalb(random.nextDouble(), random.nextInt(-30, 30));
            double power = random.nextDouble(0.1, 4);
            double factor = random.nextDouble(0, 1.2);
            long most = i % 3 == 0 ? Long.MAX_VALUE : 100;
            long steps = random.nextLong(1, most);
            long warmup = random.nextLong(most);
            long[] milestones = random.longs(random.nextInt(4), 0, most).toArray();
            Schedule polynomial = step -> step >= steps ? 0 : rate * StrictMath.pow(1 - (double) step / steps, power);
            Schedule cosine = step -> step >= steps ? 0 : rate * (1 + StrictMath.cos(StrictMath.PI * step / steps)) / 2;
            Schedule drops = step -> {
                double now = rate;
                for (long milestone : milestones) {
                    now = step >= milestone ? now * factor : now;
                }
                return now;
            };
            long[] asked = random.longs(10, 0, most).toArray();
            assertSameBits(polynomial, Schedule.polynomial(rate, power, steps), warmup, asked);
            assertSameBits(cosine, Schedule.cosine(rate, steps), warmup, asked);
            assertSameBits(drops, Schedule.steps(rate, factor, milestones), warmup, asked);
            assertSameBits(step -> rate, Schedule.constant(rate), warmup, asked);
        }
    }

    private static void assertSameBits(Schedule expected, Schedule actual, long warmup, long[] steps) {
        Schedule after = actual.warmup(warmup);
        Schedule before = actual.then(warmup, actual);
        for (long step : steps) {
            assertEquals(expected.rate(step), actual.rate(step), () -> actual + " at step " + step);
            double warm = step < warmup ? expected.rate(0) * (step + 1) / (warmup + 1.0) : expected.rate(step - warmup);
            assertEquals(warm, after.rate(step), () -> after + " at step " + step);
            double joined = expected.rate(step < warmup ? step : step - warmup);
            assertEquals(joined, before.rate(step), () -> before + " at step " + step);
        }
    }

    @Test
    void theLargestRatesAreFinite() {
        double max = Double.MAX_VALUE;
        assertRates(Schedule.polynomial(max, 1, 2, max), max, max, max);
        assertRates(Schedule.cosine(max, 2, max), max, max, max);
        assertRates(Schedule.cosine(max, 2), max, max / 2, 0);
        assertRates(Schedule.piecewiseLinear(new long[] {0, 2}, new double[] {max, 0}), max, max / 2, 0);
    }

    @Test
    void restarts() {
        double root = Math.sqrt(0.5);
        assertRates(Schedule.cosineRestarts(2, 2, 1, 0), 2, 1, 2, 1, 2, 1);
        assertRates(Schedule.cosineRestarts(3, 1, 2, 1), 3, 3, 2, 3, 2 + root, 2, 2 - root, 3);
        assertRates(Schedule.cosineRestarts(3, 1, 2, 1).then(3, Schedule.constant(1)), 3, 3, 2, 1, 1);
    }

    @Test
    void restartsUpToTheLastStepNumber() {
        long max = Long.MAX_VALUE;
        assertEquals(3, Schedule.cosineRestarts(3, max, 1, 1).rate(max));
        assertEquals(3, Schedule.cosineRestarts(3, max, 2, 1).rate(max));
        assertEquals(1, Schedule.cosineRestarts(3, max, 2, 1).rate(max - 1));
        // cycles of 1, 2, 4, ... steps: the last one starts at 2^62 - 1, and is 2^62 steps long
        assertEquals(3, Schedule.cosineRestarts(3, 1, 2, 1).rate((1L << 62) - 1));
        assertEquals(2, Schedule.cosineRestarts(3, 1, 2, 1).rate((1L << 62) - 1 + (1L << 61)));
        assertEquals(3, Schedule.cosineRestarts(3, 1, 2, 1).rate(max));
        // the second cycle has 2^63 steps, more than there are step numbers
        assertEquals(2, Schedule.cosineRestarts(3, 1L << 61, 4, 1).rate((1L << 61) + (1L << 62)));
        assertEquals(2, Schedule.cosineRestarts(3, 1L << 62, 2, 1).rate(max), 1e-15, "2^62 - 1 of 2^63 steps");
    }

    @Test
    void oneCycleHasItsTopAndItsEnd() {
        assertRates(Schedule.oneCycle(25, 10), 1, 13, 25);
        assertEquals(1e-4, Schedule.oneCycle(25, 10).rate(9));
        assertEquals(1e-4, Schedule.oneCycle(25, 10).rate(10));
        assertEquals(1e-4, Schedule.oneCycle(25, 10).rate(Long.MAX_VALUE));
        assertEquals(1e-4, Schedule.oneCycle(25, 1).rate(0), "as PyTorch's, the only step is the last one");
        assertEquals(1, Schedule.oneCycle(25, Long.MAX_VALUE).rate(0));
        assertEquals(1e-4, Schedule.oneCycle(25, Long.MAX_VALUE).rate(Long.MAX_VALUE));
    }

    @Test
    void piecewiseLinear() {
        long[] steps = {1, 3, 4};
        double[] rates = {2, 6, 1};
        Schedule schedule = Schedule.piecewiseLinear(steps, rates);
        assertRates(schedule, 2, 2, 4, 6, 1, 1);
        assertEquals(1, schedule.rate(Long.MAX_VALUE));
        steps[1] = 100;
        rates[1] = 100;
        assertEquals(6, schedule.rate(3), "the schedule has copies");
        assertRates(Schedule.piecewiseLinear(new long[] {1}, new double[] {2}), 2, 2, 2);
        Schedule longest = Schedule.piecewiseLinear(new long[] {0, Long.MAX_VALUE}, new double[] {2, 4});
        assertEquals(2, longest.rate(0));
        assertEquals(3, longest.rate(1L << 62));
        assertEquals(4, longest.rate(Long.MAX_VALUE));
    }

    @Test
    void steps() {
        assertRates(Schedule.steps(8, 0.5, 2, 4, 4), 8, 8, 4, 4, 1, 1);
        assertRates(Schedule.steps(8, 0.5), 8, 8);
        assertRates(Schedule.steps(8, 0, 1), 8, 0);
        long[] milestones = {1};
        Schedule schedule = Schedule.steps(8, 0.5, milestones);
        milestones[0] = 9;
        assertEquals(4, schedule.rate(1), "the schedule has a copy");
    }

    @Test
    void warmupClimbsEvenlyToTheFirstRateAndIsNeverZero() {
        assertRates(Schedule.constant(4).warmup(3), 1, 2, 3, 4, 4);
        assertRates(Schedule.polynomial(8, 2, 4).warmup(1), 4, 8, 4.5, 2, 0.5, 0);
        assertRates(Schedule.polynomial(8, 2, 4).warmup(0), 8, 4.5, 2, 0.5, 0);
    }

    @Test
    void aWarmupMayBeTheLongest() {
        Schedule schedule = Schedule.constant(4).warmup(Long.MAX_VALUE);
        assertEquals(0x1p-61, schedule.rate(0));
        assertEquals(2, schedule.rate(1L << 62));
        assertEquals(4, schedule.rate(Long.MAX_VALUE));
    }

    @Test
    void theFirstAndTheLastStepsOfAWarmUp() {
        Schedule eight = Schedule.polynomial(8, 1, 8);
        assertRates(eight.warmup(Warmup.mlperf(4)), 0, 2, 4, 6, 8, 7, 6);
        assertRates(eight.warmup(Warmup.optax(4, 4)), 4, 5, 6, 7, 8, 7, 6);
        assertRates(eight.warmup(Warmup.linearLR(0.5, 4)), 4, 5, 6, 7, 8, 7, 6);
        assertRates(eight.warmup(Warmup.timm(4, 4)), 4, 5, 6, 7, 4, 3, 2);
        assertRates(eight.warmup(Warmup.horovod(2, 4)), 5, 6, 7, 8, 8, 7, 6);
        assertRates(eight.warmup(Warmup.swav(2, 4)), 2, 4, 6, 8, 8, 7, 6);
        assertRates(eight.warmup(Warmup.swav(2, 1)), 2, 8, 7);
        assertRates(eight.warmup(Warmup.optax(10, 2)), 10, 9, 8, 7);
    }

    private static List<Warmup> warmups(long steps) {
        return List.of(
                Warmup.mlperf(steps),
                Warmup.optax(0, steps),
                Warmup.timm(0, steps),
                Warmup.linearLR(0, steps),
                Warmup.horovod(1e300, steps),
                Warmup.swav(0, steps));
    }

    @Test
    void aWarmUpMayHaveNoStepOrAllOfThem() {
        for (Warmup warmup : warmups(0)) {
            assertRates(Schedule.polynomial(8, 2, 4).warmup(warmup), 8, 4.5, 2, 0.5, 0);
        }
        for (Warmup warmup : warmups(Long.MAX_VALUE)) {
            Schedule schedule = Schedule.constant(4).warmup(warmup);
            assertEquals(0, schedule.rate(0), 0x1p-61, warmup.toString());
            assertEquals(2, schedule.rate(1L << 62), warmup.toString());
            assertEquals(4, schedule.rate(Long.MAX_VALUE - 1), warmup.toString());
            assertEquals(4, schedule.rate(Long.MAX_VALUE), warmup.toString());
        }
    }

    @Test
    void prints() {
        assertPrints("Schedule.constant(0.3)", Schedule.constant(0.3));
        assertPrints("Schedule.polynomial(8.0, 2.0, 4, 0.0)", Schedule.polynomial(8, 2, 4));
        assertPrints("Schedule.polynomial(8.0, 2.0, 4, 1.0E-4)", Schedule.polynomial(8, 2, 4, 1e-4));
        assertPrints("Schedule.cosine(8.0, 4, 0.0)", Schedule.cosine(8, 4));
        assertPrints("Schedule.cosine(8.0, 4, 1.0)", Schedule.cosine(8, 4, 1));
        assertPrints("Schedule.cosineRestarts(8.0, 4, 2, 1.0)", Schedule.cosineRestarts(8, 4, 2, 1));
        assertPrints("Schedule.oneCycle(8.0, 40)", Schedule.oneCycle(8, 40));
        assertPrints("Schedule.steps(8.0, 0.5)", Schedule.steps(8, 0.5));
        assertPrints("Schedule.steps(8.0, 0.5, 2, 4)", Schedule.steps(8, 0.5, 2, 4));
        assertPrints(
                "Schedule.piecewiseLinear(new long[] {2, 4}, new double[] {1.0, 0.5})",
                Schedule.piecewiseLinear(new long[] {2, 4}, new double[] {1, 0.5}));
        assertPrints(
                "Schedule.constant(1.0).then(2, Schedule.constant(2.0)).warmup(3)",
                Schedule.constant(1).then(2, Schedule.constant(2)).warmup(3));
        assertPrints(
                "Schedule.constant(1.0).then(2, Schedule.constant(2.0).warmup(Warmup.mlperf(3)))",
                Schedule.constant(1).then(2, Schedule.constant(2).warmup(Warmup.mlperf(3))));
        assertPrints("Warmup.optax(0.5, 3)", Warmup.optax(0.5, 3));
        assertPrints("Warmup.timm(0.5, 3)", Warmup.timm(0.5, 3));
        assertPrints("Warmup.linearLR(0.5, 3)", Warmup.linearLR(0.5, 3));
        assertPrints("Warmup.horovod(8.0, 3)", Warmup.horovod(8, 3));
        assertPrints("Warmup.swav(0.5, 3)", Warmup.swav(0.5, 3));
        assertPrints("Schedule.cosine(8.0, 2147483647, 0.0)", Schedule.cosine(8, Integer.MAX_VALUE));
        assertPrints("Schedule.cosine(8.0, 2147483648L, 0.0)", Schedule.cosine(8, 1L << 31));
        assertPrints(
                "(step -> ...).then(3, (step -> ...).warmup(5)).warmup(Warmup.mlperf(2))",
                ((Schedule) step -> 1.0 / (1 + step))
                        .then(3, ((Schedule) Math::sqrt).warmup(5))
                        .warmup(Warmup.mlperf(2)));
        Schedule mine = new Schedule() {
            @Override
            public double rate(long step) {
                return 1;
            }

            @Override
            public String toString() {
                return "mine";
            }
        };
        assertPrints("mine.warmup(3)", mine.warmup(3));
        assertPrints(
                "Schedule.constant(1.0).then(2, mine)", Schedule.constant(1).then(2, mine));
    }

    /** What is printed is Java that makes a schedule which prints the same and has the same rates. */
    @Test
    @Tag("no-mutants")
    void printsWhatMakesIt(@TempDir Path folder) throws Exception {
        long most = Long.MAX_VALUE;
        List<Schedule> schedules = List.of(
                Schedule.constant(Double.MIN_VALUE),
                Schedule.polynomial(Double.MAX_VALUE, 1e-300, most, 1 / 3.0),
                Schedule.cosine(0.1, 1L << 31, 1e7),
                Schedule.cosineRestarts(0.1, most, Integer.MAX_VALUE, 0),
                Schedule.oneCycle(0.1, most),
                Schedule.steps(0.1, 0.3),
                Schedule.steps(0.1, 0.3, 7, most),
                Schedule.piecewiseLinear(new long[] {7, most}, new double[] {0.1, 0.3}),
                Schedule.constant(1)
                        .warmup(most)
                        .then(most, Schedule.constant(2).warmup(3)),
                Schedule.constant(1).warmup(Warmup.mlperf(most)),
                Schedule.constant(1).warmup(Warmup.optax(0.1, most)),
                Schedule.constant(1).warmup(Warmup.timm(0.1, most)),
                Schedule.constant(1).warmup(Warmup.linearLR(1 / 3.0, most)),
                Schedule.constant(1).warmup(Warmup.horovod(3, most)),
                Schedule.constant(1).warmup(Warmup.swav(0.1, most)));
        String printed = schedules.stream().map(Schedule::toString).collect(Collectors.joining(",\n"));
        Path source = Files.writeString(folder.resolve("Printed.java"), """
                import io.github.lars4j.*;

                public class Printed {
                    public static final java.util.List<Schedule> ALL = java.util.List.of(
                """ + printed + ");}");
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        assumeTrue(compiler != null, "this Java has no compiler");
        Path library = Path.of(Schedule.class
                .getProtectionDomain()
                .getCodeSource()
                .getLocation()
                .toURI());
        ByteArrayOutputStream errors = new ByteArrayOutputStream();
        int status = compiler.run(
                null,
                null,
                errors,
                "-proc:none",
                "-d",
                folder.toString(),
                "-cp",
                library.toString(),
                source.toString());
        assertEquals(0, status, errors::toString);
        try (URLClassLoader loader = new URLClassLoader(
                new URL[] {folder.toUri().toURL()}, getClass().getClassLoader())) {
            List<?> made = (List<?>) loader.loadClass("Printed").getField("ALL").get(null);
            assertEquals(schedules.toString(), made.toString());
            for (int i = 0; i < schedules.size(); i++) {
                for (long step : new long[] {0, 1, 8, 1L << 31, most - 1, most}) {
                    assertEquals(schedules.get(i).rate(step), ((Schedule) made.get(i)).rate(step));
                }
            }
        }
    }

    private static void assertPrints(String expected, Object printed) {
        assertEquals(expected, printed.toString());
    }

    @Test
    void oneAfterAnother() {
        assertRates(
                Schedule.constant(1).then(2, Schedule.polynomial(8, 1, 2)).then(3, Schedule.constant(5)),
                1,
                1,
                8,
                5,
                5);
        assertRates(Schedule.constant(1).then(0, Schedule.constant(2)), 2, 2);
        assertRates(Schedule.constant(6).then(1, Schedule.constant(2)).warmup(2), 2, 4, 6, 2);
        Schedule longest = Schedule.cosine(8, 2).then(Long.MAX_VALUE, Schedule.constant(5));
        assertRates(longest, 8, 4, 0);
        assertEquals(0, longest.rate(Long.MAX_VALUE - 1));
        assertEquals(5, longest.rate(Long.MAX_VALUE));
        assertRates(step -> 1.0 / (1 + step), 1, 1 / 2.0, 1 / 3.0);
    }

    @Test
    void afterItsWarmUpAScheduleHasItsOwnBits() {
        for (int warmup = 0; warmup < 200; warmup++) {
            assertEquals(0.1, Schedule.constant(0.1).warmup(warmup).rate(warmup));
        }
    }

    @Test
    void resumesFromTheStepNumberAlone() {
        Schedule schedule = Schedule.cosine(3, 50).warmup(7).then(40, Schedule.polynomial(1, 2, 20));
        double[] forwards = new double[70];
        for (int step = 0; step < 70; step++) {
            forwards[step] = schedule.rate(step);
        }
        Schedule again = Schedule.cosine(3, 50).warmup(7).then(40, Schedule.polynomial(1, 2, 20));
        for (int step = 69; step >= 0; step--) {
            assertEquals(forwards[step], again.rate(step), "asked backwards, of another instance");
        }
    }

    /** StrictMath gives the same values on every machine; the expected values are literals. */
    @Test
    void theSameBitsEverywhere() {
        Schedule cosine = Schedule.cosine(10, 1000);
        Schedule root = Schedule.polynomial(10, 0.37, 1000);
        Schedule paper = Schedule.polynomial(31.2, 2, 2815).warmup(200);
        StringBuilder actual = new StringBuilder();
        for (long step : new long[] {1, 17, 333, 500, 998, 999}) {
            for (Schedule schedule : new Schedule[] {cosine, root, paper}) {
                actual.append(Double.toHexString(schedule.rate(step))).append(' ');
            }
        }
        assertEquals(BITS, actual.toString());
    }

    private static final String BITS = "0x1.3fffcc41408ap3 0x1.3fe1ae178ff65p3 0x1.3de60495c7736p-2 "
            + "0x1.3fc59934961fcp3 0x1.3df9f02877d0bp3 0x1.65a2c5288061dp1 "
            + "0x1.e04a454fd7abep2 0x1.1378ae87a5606p3 0x1.c5249f0d62049p4 "
            + "0x1.4p2 0x1.ef3886369faf6p2 0x1.8e77e1502c735p4 "
            + "0x1.9df5b8bfdep-14 0x1.00d0be175f4b5p0 0x1.0049ecc039f57p4 "
            + "0x1.9df5fbb028p-16 0x1.8d70431711adfp-1 0x1.0008e24d766c1p4 ";
}
