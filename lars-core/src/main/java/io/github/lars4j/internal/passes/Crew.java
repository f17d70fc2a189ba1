package io.github.lars4j.internal.passes;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;

/**
 * The threads that share a pass: the caller and as many daemon threads as are wanted beside it. They wait between
 * passes, at first awake, then parked. One caller at a time.
 */
public final class Crew implements AutoCloseable {

    /** A piece of work of which each thread does its own share. */
    public interface Task {
        /**
         * Whether a thread has a share. Asked by the caller, of every other thread before any begins; those without are
         * not woken.
         */
        default boolean hasShare(int thread) {
            return true;
        }

        /** Does the share of thread {@code thread}, 0 for the caller. Allocates nothing. */
        void run(int thread);
    }

    /**
     * Bytes from what one thread writes to what another does: two cache lines, since processors fetch them in pairs.
     */
    public static final int APART = 128;

    /** What a worker is told: to wait, to do its share, to end. */
    private static final int WAIT = 0;

    private static final int WORK = 1;
    private static final int END = 2;

    /**
     * CallGuard of waiting awake before a thread parks: some tens of microseconds, longer than the rule takes between two
     * passes, far shorter than a trainer takes between two steps.
     */
    private static final int SPINS = 20_000;

    private final Thread[] workers;
    /** Which workers have a share of this round. */
    private final boolean[] wanted;
    /** At the {@link #place} of a worker, what it is told; at the caller's, how many workers are busy. */
    private final AtomicIntegerArray told;

    private final int spins;

    private Task task;
    private Thread caller;
    private volatile Throwable failure;

    /**
     * Starts the threads. If one cannot be started, those before it have ended when the exception arrives.
     *
     * @param threads threads that share the work, the caller counted in: at least 1
     * @throws OutOfMemoryError if the system gives no more threads
     */
    public Crew(int threads) {
        workers = new Thread[threads - 1];
        wanted = new boolean[threads];
        told = new AtomicIntegerArray(place(threads));
        spins = threads <= Runtime.getRuntime().availableProcessors() ? SPINS : 0;
        try {
            for (int i = 0; i < workers.length; i++) {
                int thread = i + 1;
                Thread worker = new Thread(() -> work(thread), "lars4j-" + thread);
                worker.setDaemon(true);
                worker.start();
                workers[i] = worker;
            }
        } catch (Throwable t) {
            close();
            throw t;
        }
    }

    /** Where a thread's number is in {@link #told}; 0 is the caller. */
    static int place(int thread) {
        return (thread + 1) * (APART / Integer.BYTES);
    }

    /**
     * Has every thread with a share do it, and the caller its own in any case; returns when all have.
     *
     * @throws RuntimeException or an {@link Error}: what the first thread to fail threw; all have finished by then
     */
    public void run(Task task) {
        int busy = 0;
        for (int thread = 1; thread <= workers.length; thread++) {
            wanted[thread] = task.hasShare(thread);
            busy += wanted[thread] ? 1 : 0;
        }
        if (busy == 0) {
            task.run(0);
            return;
        }
        this.task = task;
        caller = Thread.currentThread();
        failure = null;
        told.set(place(0), busy);
        for (int thread = 1; thread <= workers.length; thread++) {
            if (wanted[thread]) {
                told.set(place(thread), WORK);
            }
        }
        for (int thread = 1; thread <= workers.length; thread++) {
            if (wanted[thread]) {
                LockSupport.unpark(workers[thread - 1]);
            }
        }
        share(0);
        for (int spin = 0; told.get(place(0)) > 0; spin++) {
            pause(spin, spins);
        }
        this.task = null;
        Throwable thrown = failure;
        if (thrown instanceof Error error) {
            throw error;
        }
        if (thrown != null) {
            throw (RuntimeException) thrown;
        }
    }

    /** Does shares until told to end. What it waits by is in local variables: the caller writes this object's fields. */
    private void work(int thread) {
        AtomicIntegerArray told = this.told;
        int spins = this.spins;
        int place = place(thread);
        while (true) {
            for (int spin = 0; told.get(place) == WAIT; spin++) {
                pause(spin, spins);
            }
            if (told.get(place) == END) {
                return;
            }
            told.set(place, WAIT);
            share(thread);
            if (told.decrementAndGet(place(0)) == 0) {
                LockSupport.unpark(caller);
            }
        }
    }

    private void share(int thread) {
        try {
            task.run(thread);
        } catch (Throwable thrown) {
            keep(thrown);
        }
    }

    private synchronized void keep(Throwable thrown) {
        if (failure == null) {
            failure = thrown;
        }
    }

    private void pause(int spin, int spins) {
        if (spin < spins) {
            Thread.onSpinWait();
        } else {
            LockSupport.park(this);
        }
    }

    /** Ends the daemon threads and waits until they have ended. Not while {@link #run} runs. */
    @Override
    public void close() {
        boolean interrupted = false;
        for (int thread = 1; thread <= workers.length && workers[thread - 1] != null; thread++) {
            Thread worker = workers[thread - 1];
            told.set(place(thread), END);
            LockSupport.unpark(worker);
            while (worker.isAlive()) {
                try {
                    worker.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
