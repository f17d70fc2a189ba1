package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import java.util.Objects;

/**
 * A schedule: the learning rate, or another hyperparameter, as a function of the step number. The methods call its value
 * a rate.
 *
 * <pre>{@code
 * Schedule schedule = Schedule.polynomial(2.0, 2, 10_000).warmup(500);
 * }</pre>
 *
 * <p>A schedule should depend on nothing but the step number. Then a run that resumes at a step has the same rates as a
 * run that was never stopped. The schedules of this interface use {@link StrictMath}, so their rates are identical to
 * the bit on every machine. They are immutable and safe for use by several threads. They allocate nothing when they are
 * asked for a rate, but {@code StrictMath} does in JDK 25: up to 96 bytes for a cosine, or a power other than 1 and 2.
 * {@code toString} returns the Java expression that makes them; a lambda in it is {@code (step -> ...)}.
 *
 * <p>The methods throw an {@link IllegalArgumentException} if a rate or factor is negative or not finite, if a power is
 * not finite and more than 0, or if a number of steps is out of its range. An end rate may be above the rate at step 0:
 * then the rate rises.
 */
@FunctionalInterface
public interface Schedule {

    /**
     * Returns the rate of a step.
     *
     * @param step the number of steps taken before it: 0 for the first step
     * @return the rate: finite, 0 or more
     */
    double rate(long step);

    /** Returns a schedule with the same rate at every step: finite, 0 or more. */
    static Schedule constant(double rate) {
        Checks.atLeastZero("rate", rate);
        return new Schedules.Constant(rate);
    }

    /**
     * Returns polynomial decay: {@code rate · (1 - t/steps)^power} at step {@code t}, and 0 from step {@code steps} on.
     *
     * @param rate the rate at step 0: finite, 0 or more
     * @param power finite, more than 0; 2 in the LARS paper
     * @param steps 1 or more
     */
    static Schedule polynomial(double rate, double power, long steps) {
        return polynomial(rate, power, steps, 0);
    }

    /**
     * Returns polynomial decay to an end rate: {@code endRate + (rate - endRate) · (1 - t/steps)^power} at step {@code
     * t}, and {@code endRate} from step {@code steps} on. With power 1 the rate changes linearly.
     *
     * @param rate the rate at step 0: finite, 0 or more
     * @param power finite, more than 0; 2 in the LARS paper
     * @param steps 1 or more
     * @param endRate finite, 0 or more; 1e-4 in MLPerf's ResNet reference
     */
    static Schedule polynomial(double rate, double power, long steps, double endRate) {
        Checks.atLeastZero("rate", rate);
        Checks.positive("power", power);
        Checks.atLeast(1, "steps", steps);
        Checks.atLeastZero("endRate", endRate);
        return new Schedules.Polynomial(rate, power, steps, endRate);
    }

    /**
     * Returns cosine decay: {@code rate · (1 + cos(π t/steps)) / 2} at step {@code t}, and 0 from step {@code steps}
     * on.
     *
     * @param rate the rate at step 0: finite, 0 or more
     * @param steps 1 or more
     */
    static Schedule cosine(double rate, long steps) {
        return cosine(rate, steps, 0);
    }

    /**
     * Returns cosine decay to an end rate: {@code endRate + (rate - endRate) · (1 + cos(π t/steps)) / 2} at step {@code
     * t}, and {@code endRate} from step {@code steps} on.
     *
     * @param rate the rate at step 0: finite, 0 or more
     * @param steps 1 or more
     * @param endRate finite, 0 or more
     */
    static Schedule cosine(double rate, long steps, double endRate) {
        Checks.atLeastZero("rate", rate);
        Checks.atLeast(1, "steps", steps);
        Checks.atLeastZero("endRate", endRate);
        return new Schedules.Cosine(rate, steps, endRate);
    }

    /**
     * Returns cosine decay with warm restarts (SGDR: Loshchilov and Hutter 2017, arXiv 1608.03983). The rate falls from
     * {@code rate} as in {@link #cosine(double, long, double)}; where it would reach {@code endRate}, the next cycle
     * starts, {@code factor} times as long, without an end. {@link #then then} ends the cycles.
     *
     * <p>These are the rates of PyTorch's {@code CosineAnnealingWarmRestarts} (commit 008f727), stepped once an update.
     * A factor that is not a whole number and a first rate that falls from cycle to cycle, which timm has, are left out;
     * {@code then} joins cycles of any kind.
     *
     * @param rate the rate at the start of each cycle: finite, 0 or more
     * @param steps the length of the first cycle, 1 or more
     * @param factor 1 or more; 1 for cycles of equal length
     * @param endRate finite, 0 or more
     */
    static Schedule cosineRestarts(double rate, long steps, int factor, double endRate) {
        Checks.atLeastZero("rate", rate);
        Checks.atLeast(1, "steps", steps);
        Checks.atLeast(1, "factor", factor);
        Checks.atLeastZero("endRate", endRate);
        return new Schedules.CosineRestarts(rate, steps, factor, endRate);
    }

    /**
     * Returns the 1cycle policy with the defaults of PyTorch's {@code OneCycleLR} (commit 008f727): the rate rises on
     * half a cosine wave from {@code rate/25} at step 0 to {@code rate} at step {@code 0.3 steps - 1}, then falls on
     * half a cosine wave to {@code rate/250000} at step {@code steps - 1}, and stays there.
     *
     * <p>With another start, top or end, make it of two parts:
     *
     * <pre>{@code
     * Schedule.cosine(start, top, rate).then(top, Schedule.cosine(rate, steps - 1 - top, end))
     * }</pre>
     *
     * <p>Its linear form, of two phases or three, is {@linkplain #piecewiseLinear piecewise linear}. The policy's cycle of
     * the momentum is left out.
     *
     * @param rate the highest rate: finite, 0 or more
     * @param steps {@code total_steps}: 1 or more
     */
    static Schedule oneCycle(double rate, long steps) {
        Checks.atLeastZero("rate", rate);
        Checks.atLeast(1, "steps", steps);
        return new Schedules.OneCycle(rate, steps);
    }

    /**
     * Returns a schedule that has given rates at given steps and changes linearly between them, like NumPy's {@code
     * interp}. Before the first of the steps it has the first rate, and after the last the last.
     *
     * @param steps step numbers, each 0 or more and more than the one before it; at least one
     * @param rates the rates at these steps: as many, finite, 0 or more
     * @throws IllegalArgumentException also if {@code steps} is empty or does not ascend, or if the arrays differ in
     *     length
     */
    static Schedule piecewiseLinear(long[] steps, double[] rates) {
        long[] at = Objects.requireNonNull(steps, "steps").clone();
        double[] values = Objects.requireNonNull(rates, "rates").clone();
        if (at.length == 0) {
            throw new IllegalArgumentException("steps is empty; it must have at least 1 step");
        }
        if (values.length != at.length) {
            throw new IllegalArgumentException(
                    "rates.length is " + values.length + "; it must be " + at.length + ", the number of steps");
        }
        for (int i = 0; i < at.length; i++) {
            Checks.atLeast(0, "steps", at[i]);
            if (i > 0 && at[i] <= at[i - 1]) {
                throw new IllegalArgumentException(
                        "steps has " + at[i] + " after " + at[i - 1] + "; each must be more than the one before it");
            }
            Checks.atLeastZero("rates", values[i]);
        }
        return new Schedules.PiecewiseLinear(at, values);
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
        return new Schedules.Steps(rate, factor, at);
    }

    /**
     * Returns this schedule after a linear warm-up. At step {@code t} of the warm-up the rate is {@code rate(0) · (t +
     * 1) / (warmup + 1)}, so the first step already has a rate above 0; after that, this schedule starts at its step 0.
     *
     * @param warmup the number of warm-up steps, 0 or more
     */
    default Schedule warmup(long warmup) {
        Checks.atLeast(0, "warmup", warmup);
        return new Schedules.WarmedUp(this, Warmup.evenly(warmup));
    }

    /**
     * Returns this schedule after a linear warm-up to its rate at step 0, counted as another program counts it.
     *
     * @param warmup how the warm-up starts and counts, and its number of steps
     */
    default Schedule warmup(Warmup warmup) {
        Objects.requireNonNull(warmup, "warmup");
        return new Schedules.WarmedUp(this, warmup);
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
        return new Schedules.Sequence(this, steps, next);
    }
}
