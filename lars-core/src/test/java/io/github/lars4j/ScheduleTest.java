package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

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
