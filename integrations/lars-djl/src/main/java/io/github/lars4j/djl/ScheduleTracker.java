package io.github.lars4j.djl;

import ai.djl.training.tracker.Tracker;
import io.github.lars4j.Schedule;
import java.util.Objects;

/**
 * A schedule of lars-core as a tracker of DJL. DJL counts the first update as 1, a schedule the first step as 0: the value
 * of update n is the rate of step n - 1.
 *
 * @param schedule the schedule
 */
public record ScheduleTracker(Schedule schedule) implements Tracker {

    /**
     * Wraps a schedule.
     *
     * @throws NullPointerException if {@code schedule} is {@code null}
     */
    public ScheduleTracker {
        Objects.requireNonNull(schedule, "schedule");
    }

    /** Returns the rate as DJL has it, a {@code float}. {@link LarsOptimizer} asks the schedule itself. */
    @Override
    public float getNewValue(int numUpdate) {
        return (float) schedule.rate(Math.max(0, numUpdate - 1L));
    }

    /**
     * Returns the schedule of a tracker: that of a {@code ScheduleTracker}, or one that asks the tracker.
     *
     * @param tracker a tracker whose value depends on nothing but the number of the update
     */
    public static Schedule schedule(Tracker tracker) {
        Objects.requireNonNull(tracker, "tracker");
        return tracker instanceof ScheduleTracker ours
                ? ours.schedule()
                : step -> tracker.getNewValue(Math.toIntExact(step + 1));
    }
}
