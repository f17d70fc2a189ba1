package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import java.util.Objects;

/**
 * The learning rate as a function of the step, and of nothing else: a run that resumes at step n goes on as if it had
 * never stopped. Any function will do; those given here use {@link StrictMath}, so that they give the same bits
 * everywhere.
 */
@FunctionalInterface
public interface Schedule {

    /**
     * The learning rate of a step.
     *
     * @param step steps taken before it: 0 for the first
     * @return finite, 0 or more
     */
    double rate(long step);

    /** The same rate at every step. */
    static Schedule constant(double rate) {
        Checks.atLeastZero("rate", rate);
        return step -> rate;
    }

    /** {@code rate (1 - t/steps)^power}, then 0; the paper's has power 2. */
    static Schedule polynomial(double rate, double power, long steps) {
        Checks.atLeastZero("rate", rate);
        Checks.positive("power", power);
        Checks.atLeast(1, "steps", steps);
        return step -> step >= steps ? 0 : rate * StrictMath.pow(1 - (double) step / steps, power);
    }

    /** {@code rate (1 + cos(π t/steps)) / 2}, then 0. */
    static Schedule cosine(double rate, long steps) {
        Checks.atLeastZero("rate", rate);
        Checks.atLeast(1, "steps", steps);
        return step -> step >= steps ? 0 : rate * (1 + StrictMath.cos(StrictMath.PI * step / steps)) / 2;
    }

    /** {@code rate}, multiplied by {@code factor} again at each of {@code milestones}. */
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
     * This schedule behind a linear warm-up: {@code warmup} steps climb evenly towards its first rate, never 0, and
     * then it runs from its own step 0.
     */
    default Schedule warmup(long warmup) {
        Checks.atLeast(0, "warmup", warmup);
        return step -> step < warmup ? rate(0) * (step + 1) / (warmup + 1.0) : rate(step - warmup);
    }

    /** This schedule for {@code steps} steps, then another from its own step 0. */
    default Schedule then(long steps, Schedule next) {
        Checks.atLeast(0, "steps", steps);
        Objects.requireNonNull(next, "next");
        return step -> step < steps ? rate(step) : next.rate(step - steps);
    }
}
