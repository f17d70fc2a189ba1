package io.github.lars4j.internal;

import java.util.concurrent.atomic.AtomicReference;

/** Whose turn it is: lets one call at a time into an optimizer, and only calls that fit what went before. */
public class CallGuard {

    public enum Phase {
        IDLE,
        /** Measured, and not yet updated. */
        MEASURED,
        /** A call is inside. */
        BUSY,
        /** A step, or a restore, broke off half written. */
        BROKEN,
        CLOSED
    }

    private static final String UNDER_WAY = " was called while another call was under way";
    private static final String TO_SAVE =
            "; a shutdown hook, or another thread, must ask the thread that takes the steps"
                    + " to save when its step is over, and wait for it";

    private final AtomicReference<Phase> phase = new AtomicReference<>(Phase.IDLE);
    private volatile Throwable cause;

    /**
     * Lets a call in.
     *
     * @param call its name, for the message
     * @param afterMeasure whether it may come between a measure and its update
     * @return the phase before
     * @throws IllegalStateException if it may not come now
     */
    public Phase enter(String call, boolean afterMeasure) {
        return enter(call, afterMeasure, false);
    }

    /** As {@link #enter(String, boolean)}, for the calls that mend a broken optimizer or end it. */
    public Phase enter(String call, boolean afterMeasure, boolean whenBroken) {
        while (true) {
            Phase now = now();
            switch (now) {
                case BUSY -> throw new IllegalStateException(call + UNDER_WAY + (call.equals("save") ? TO_SAVE : ""));
                case CLOSED -> throw new IllegalStateException(call + " was called after close");
                case MEASURED -> {
                    if (!afterMeasure) {
                        throw new IllegalStateException(
                                call + " was called between measure and update; call update or discard first");
                    }
                }
                case BROKEN -> {
                    if (!whenBroken) {
                        throw new IllegalStateException(
                                call
                                        + " was called after a step, or a restore, that broke off half written; restore a"
                                        + " snapshot or checkpoint, and the weights, first",
                                cause);
                    }
                }
                case IDLE -> {}
            }
            if (phase.compareAndSet(now, Phase.BUSY)) {
                return now;
            }
        }
    }

    /** The phase at this instant; another thread may change it at the next. */
    protected Phase now() {
        return phase.get();
    }

    /** Lets the next call in. */
    public void leave(Phase next) {
        phase.set(next);
    }

    /** Lets no call in but those that mend. */
    public void broken(Throwable by) {
        cause = by;
        phase.set(Phase.BROKEN);
    }

    /**
     * Lets no call in any more.
     *
     * @return whether it was not closed before
     * @throws IllegalStateException if a call is inside
     */
    public boolean close() {
        if (now() == Phase.CLOSED) {
            return false;
        }
        enter("close", true, true);
        phase.set(Phase.CLOSED);
        return true;
    }
}
