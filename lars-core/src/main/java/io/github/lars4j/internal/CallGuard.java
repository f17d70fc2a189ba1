package io.github.lars4j.internal;

import java.util.concurrent.atomic.AtomicReference;

/**
 * Guards an optimizer against overlapping calls and calls out of order. Every call enters before it does anything and
 * leaves when it is done. A call that may not run now is refused with an exception; it never waits. Safe for use by
 * several threads.
 */
public class CallGuard {

    /** What the optimizer is doing, or has last done. */
    public enum Phase {
        /** No call is in progress; a step may begin. */
        IDLE,
        /** {@code measure} has returned; {@code update} or {@code discard} has not been called yet. */
        MEASURED,
        /** {@code beginStep} has returned; {@code endStep} has not been called yet. */
        OPEN,
        /** A call is in progress. */
        BUSY,
        /** A step or a restore failed after it had begun to write. */
        BROKEN,
        /** The optimizer is closed. */
        CLOSED
    }

    private static final String UNDER_WAY = " was called while another call was in progress";
    private static final String TO_SAVE = "; a shutdown hook or another thread must ask the thread that calls step"
            + " to save after its step, and wait until it has saved";

    private final AtomicReference<Phase> phase = new AtomicReference<>(Phase.IDLE);
    private volatile Throwable cause;

    /**
     * Enters a call: the phase becomes {@link Phase#BUSY}.
     *
     * @param call the name of the call, for the message of the exception
     * @param afterMeasure whether the call is allowed between {@code measure} and {@code update}
     * @return the phase before the call
     * @throws IllegalStateException if another call is in progress, the optimizer is closed or broken, or the call is
     *     not allowed between {@code measure} and {@code update}
     */
    public Phase enter(String call, boolean afterMeasure) {
        return enter(call, afterMeasure, false);
    }

    /**
     * Enters a call as {@link #enter(String, boolean)} does, also on a broken optimizer and between {@code beginStep} and
     * {@code endStep} if {@code whenBroken} is true: restoring and closing are allowed there.
     */
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
                                        + " was called after a step or restore failed half-way; first restore a"
                                        + " snapshot or checkpoint, and the weights",
                                cause);
                    }
                }
                case OPEN -> {
                    if (!whenBroken) {
                        throw new IllegalStateException(
                                call + " was called between beginStep and endStep; call endStep first");
                    }
                }
                case IDLE -> {}
            }
            if (phase.compareAndSet(now, Phase.BUSY)) {
                return now;
            }
        }
    }

    /**
     * Enters a call that is allowed between {@code beginStep} and {@code endStep} only.
     *
     * @throws IllegalStateException if another call is in progress, the optimizer is closed or broken, or no step has
     *     begun
     */
    public void enterOpen(String call) {
        if (!phase.compareAndSet(Phase.OPEN, Phase.BUSY)) {
            leave(enter(call, true));
            throw new IllegalStateException(call + " was called without beginStep");
        }
    }

    /** Returns the current phase, which another thread may change at any time. */
    protected Phase now() {
        return phase.get();
    }

    /** Leaves a call: sets the phase in which the next call finds the optimizer. */
    public void leave(Phase next) {
        phase.set(next);
    }

    /**
     * Leaves a call that failed after it had begun to write: only restoring and closing are allowed from here on.
     *
     * @param by the failure, which becomes the cause of the exceptions thrown for refused calls
     */
    public void broken(Throwable by) {
        cause = by;
        phase.set(Phase.BROKEN);
    }

    /**
     * Closes the guard: every later call is refused.
     *
     * @return {@code true} if this call closed it, {@code false} if it was closed already
     * @throws IllegalStateException if another call is in progress
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
