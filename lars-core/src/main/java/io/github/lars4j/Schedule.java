package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import java.util.Objects;

/**
 * A learning rate schedule: the learning rate as a function of the step number.
 *
 * <pre>{@code
 * Schedule schedule = Schedule.polynomial(2.0, 2, 10_000).warmup(500);
 * }</pre>
 *
 * <p>A schedule should depend on nothing but the step number. Then a run that resumes at a step has the same rates as a
 * run that was never stopped. The schedules of this interface use {@link StrictMath}, so their rates are identical to
 * the bit on every machine. They are immutable and safe for use by several threads.
 *
 * <p>The methods throw an {@link IllegalArgumentException} if a rate or factor is negative or not finite, if a power is
 * not finite and more than 0, or if a number of steps is out of its range.
 */
@FunctionalInterface
public interface Schedule {

    /**
     * Returns the learning rate of a step.
     *
     * @param step the number of steps taken before it: 0 for the first step
     * @return the learning rate: finite, 0 or more
     */
    double rate(long step);

    /** Returns a schedule with the same rate at every step: finite, 0 or more. */
    static Schedule constant(double rate) {
        Checks.atLeastZero("rate", rate);
        return step -> rate;
    }

    /**
     * Returns polynomial decay: {@code rate · (1 - t/steps)^power} at step {@code t}, and 0 from step {@code steps} on.
     *
     * @param rate the rate at step 0: finite, 0 or more
     * @param power finite, more than 0; 2 in the LARS paper
     * @param steps 1 or more
     */
    static Schedule polynomial(double rate, double power, long steps) {
        Checks.atLeastZero("rate", rate);
        Checks.positive("power", power);
        Checks.atLeast(1, "steps", steps);
        return step -> step >= steps ? 0 : rate * StrictMath.pow(1 - (double) step / steps, power);
    }

    /**
     * Returns cosine decay: {@code rate · (1 + cos(π t/steps)) / 2} at step {@code t}, and 0 from step {@code steps}
     * on.
     *
     * @param rate the rate at step 0: finite, 0 or more
     * @param steps 1 or more
     */
    static Schedule cosine(double rate, long steps) {
        Checks.atLeastZero("rate", rate);
        Checks.atLeast(1, "steps", steps);
        return step -> step >= steps ? 0 : rate * (1 + StrictMath.cos(StrictMath.PI * step / steps)) / 2;
    }

    /**
     * Returns step decay: the rate is multiplied by {@code factor} at every milestone.
     *
     * @param rate the rate at step 0: finite, 0 or more
     * @param factor finite, 0 or more
     * @param milestones step numbers, each 0 or more, in any order
     */
    static Schedule steps(double rate, double factor, long... milestones) {
        Checks.atLeastZero("rate", rate);
        Checks.atLeastZero("factor", factor);
        long[] at = Objects.requireNonNull(milestones, "milestones").clone();
        for (long milestone : at) {
            Checks.atLeast(0, "milestones", milestone);
        }
        return step -> {
            double now = rate;
            for (long milestone : at) {
                if (step >= milestone) {
                    now *= factor;
                }
            }
            return now;
        };
    }

    /**
     * Returns this schedule after a linear warm-up. At step {@code t} of the warm-up the rate is {@code rate(0) · (t +
     * 1) / (warmup + 1)}, so the first step already has a rate above 0; after that, this schedule starts at its step 0.
     *
     * @param warmup the number of warm-up steps, 0 or more
     */
    default Schedule warmup(long warmup) {
        Checks.atLeast(0, "warmup", warmup);
        return step -> step < warmup ? rate(0) * (step + 1) / (warmup + 1.0) : rate(step - warmup);
    }

    /**
     * Returns this schedule for a number of steps, followed by another, which starts at its step 0.
     *
     * @param steps the number of steps of this schedule, 0 or more
     * @param next the schedule after that
     */
    default Schedule then(long steps, Schedule next) {
        Checks.atLeast(0, "steps", steps);
        Objects.requireNonNull(next, "next");
        return step -> step < steps ? rate(step) : next.rate(step - steps);
    }
}
