package io.github.lars4j;

/**
 * A view of an optimizer's state for a call that saves or restores it. The view is valid during the call only. Nothing
 * is copied: the call works on the state that steps use, and the optimizer refuses all other calls in the meantime.
 */
final class LiveState {

    /**
     * A call that saves or restores a state.
     *
     * @param <T> the type of its result
     * @param <E> the type of the exception that it throws
     */
    @FunctionalInterface
    interface Use<T, E extends Exception> {
        T of(LiveState live) throws E;
    }

    private State state;
    private boolean changing;

    LiveState(State state) {
        this.state = state;
    }

    /**
     * Returns the state, for reading only.
     *
     * @throws IllegalStateException if the call has ended
     */
    State read() {
        if (state == null) {
            throw new IllegalStateException("the state was used after the call that borrowed it had ended");
        }
        return state;
    }

    /**
     * Returns the state, for changing it. If the call fails after this, the state counts as half written.
     *
     * @throws IllegalStateException if the call has ended
     */
    State change() {
        State changed = read();
        changing = true;
        return changed;
    }

    /** Returns whether the call has started to change the state. */
    boolean isChanging() {
        return changing;
    }

    /** Makes this view invalid. */
    void end() {
        state = null;
    }
}
