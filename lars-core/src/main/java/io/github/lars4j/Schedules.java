package io.github.lars4j;

import java.util.Arrays;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;
import java.util.stream.LongStream;

/**
 * The schedules behind the methods of {@link Schedule}, which check the arguments. Each is immutable, allocates nothing
 * itself when it is asked for a rate, and prints as the Java expression that makes it.
 */
final class Schedules {

    private Schedules() {}

    record Constant(double rate) implements Schedule {

        @Override
        public double rate(long step) {
            return rate;
        }

        @Override
        public String toString() {
            return "Schedule.constant(" + rate + ")";
        }
    }

    /** Stands for a schedule in a checkpoint, which contains only its value at the time of the save. */
    record Unknown(double rate) implements Schedule {

        @Override
        public double rate(long step) {
            return rate;
        }
    }

    record Polynomial(double rate, double power, long steps, double endRate) implements Schedule {

        @Override
        public double rate(long step) {
            return step >= steps ? endRate : mix(rate, endRate, StrictMath.pow(1 - (double) step / steps, power));
        }

        @Override
        public String toString() {
            return "Schedule.polynomial(" + rate + ", " + power + ", " + literal(steps) + ", " + endRate + ")";
        }
    }

    record Cosine(double rate, long steps, double endRate) implements Schedule {

        @Override
        public double rate(long step) {
            return step >= steps ? endRate : halfWave(rate, endRate, (double) step, (double) steps);
        }

        @Override
        public String toString() {
            return "Schedule.cosine(" + rate + ", " + literal(steps) + ", " + endRate + ")";
        }
    }

    record CosineRestarts(double rate, long steps, int factor, double endRate) implements Schedule {

        @Override
        public double rate(long step) {
            long at = factor == 1 ? step % steps : step;
            long length = steps;
            while (at >= length) {
                at -= length;
                if (length > Long.MAX_VALUE / factor) { // the next cycle has more steps than there are numbers
                    return halfWave(rate, endRate, (double) at, (double) length * factor);
                }
                length *= factor;
            }
            return halfWave(rate, endRate, (double) at, (double) length);
        }

        @Override
        public String toString() {
            return "Schedule.cosineRestarts(" + rate + ", " + literal(steps) + ", " + factor + ", " + endRate + ")";
        }
    }

    record OneCycle(double rate, long steps) implements Schedule {

        @Override
        public double rate(long step) {
            double start = rate / 25;
            double end = start / 1e4;
            double top = 0.3 * steps - 1; // a step number, not always whole
            if (step <= top) {
                return halfWave(start, rate, (double) step, top);
            }
            return step >= steps - 1 ? end : halfWave(rate, end, step - top, steps - 1 - top);
        }

        @Override
        public String toString() {
            return "Schedule.oneCycle(" + rate + ", " + literal(steps) + ")";
        }
    }

    record WarmedUp(Schedule schedule, Warmup warmup) implements Schedule {

        @Override
        public double rate(long step) {
            if (step < warmup.steps()) {
                return warmup.rate(step, schedule.rate(0));
            }
            return schedule.rate(warmup.insideSchedule() ? step : step - warmup.steps());
        }

        @Override
        public String toString() {
            return print(schedule) + ".warmup(" + warmup + ")";
        }
    }

    record Sequence(Schedule first, long steps, Schedule next) implements Schedule {

        @Override
        public double rate(long step) {
            return step < steps ? first.rate(step) : next.rate(step - steps);
        }

        @Override
        public String toString() {
            return print(first) + ".then(" + literal(steps) + ", " + print(next) + ")";
        }
    }

    static final class Steps implements Schedule {

        private final double rate;
        private final double factor;
        private final long[] milestones;

        /** Keeps the array. */
        Steps(double rate, double factor, long[] milestones) {
            this.rate = rate;
            this.factor = factor;
            this.milestones = milestones;
        }

        @Override
        public double rate(long step) {
            double now = rate;
            for (long milestone : milestones) {
                if (step >= milestone) {
                    now *= factor;
                }
            }
            return now;
        }

        @Override
        public String toString() {
            String more = Arrays.stream(milestones)
                    .mapToObj(milestone -> ", " + literal(milestone))
                    .collect(Collectors.joining());
            return "Schedule.steps(" + rate + ", " + factor + more + ")";
        }
    }

    static final class PiecewiseLinear implements Schedule {

        private final long[] steps;
        private final double[] rates;

        /** Keeps the arrays. */
        PiecewiseLinear(long[] steps, double[] rates) {
            this.steps = steps;
            this.rates = rates;
        }

        @Override
        public double rate(long step) {
            int passed = 0;
            while (passed < steps.length && step >= steps[passed]) {
                passed++;
            }
            if (passed == 0) {
                return rates[0];
            }
            if (passed == steps.length) {
                return rates[passed - 1];
            }
            double length = (double) (steps[passed] - steps[passed - 1]);
            return mix(rates[passed - 1], rates[passed], (steps[passed] - step) / length);
        }

        @Override
        public String toString() {
            return "Schedule.piecewiseLinear(new long[] {"
                    + LongStream.of(steps).mapToObj(Schedules::literal).collect(Collectors.joining(", "))
                    + "}, new double[] {"
                    + DoubleStream.of(rates).mapToObj(Double::toString).collect(Collectors.joining(", "))
                    + "})";
        }
    }

    /**
     * Returns a step number as a Java literal, which is an {@code int} where it can be.
     *
     * @param steps 0 or more
     */
    static String literal(long steps) {
        return steps <= Integer.MAX_VALUE ? Long.toString(steps) : steps + "L";
    }

    /** Returns a schedule as an expression. A lambda prints what tells nothing, and another text in each run. */
    static String print(Schedule schedule) {
        return schedule.getClass().isHidden() ? "(step -> ...)" : schedule.toString();
    }

    /** Returns {@code from} if {@code share} is 1, {@code to} if it is 0, and a weighted mean in between. */
    private static double mix(double from, double to, double share) {
        return from * share + to * (1 - share);
    }

    /** Goes from one rate to another on half a wave of the cosine. */
    private static double halfWave(double from, double to, double step, double steps) {
        return mix(from, to, (1 + StrictMath.cos(StrictMath.PI * step / steps)) / 2);
    }
}
