package io.github.lars4j;

/**
 * The state of an optimizer, lent to a call that saves or restores it. Nothing is copied: the call works on the very
 * state that steps work on, and no other call is let in meanwhile.
 */
final class LiveState {

    /**
     * A call that a state is lent to.
     *
     * @param <T> what it returns
     * @param <E> what it throws
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
     * The state, to be read.
     *
     * @throws IllegalStateException if the call that it was lent to has returned
     */
    State read() {
        if (state == null) {
            throw new IllegalStateException("the call that the state was lent to has returned");
        }
        return state;
    }

    /**
     * The state, to be changed. If the call fails from here on, it leaves the state half written.
     *
     * @throws IllegalStateException if the call that it was lent to has returned
     */
    State change() {
        State changed = read();
        changing = true;
        return changed;
    }

    /** Whether the call has begun to change the state. */
    boolean isChanging() {
        return changing;
    }

    /** Ends the loan. */
    void end() {
        state = null;
    }
}
