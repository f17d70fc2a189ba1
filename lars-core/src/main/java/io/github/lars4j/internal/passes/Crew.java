package io.github.lars4j.internal.passes;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;

/**
 * The threads that share the work of a pass: the calling thread, which is thread 0, and daemon threads, the workers.
 * Between passes the workers first spin and then park. Not safe for use by several callers at the same time.
 */
public final class Crew implements AutoCloseable {

    /** Work that is divided into one share for each thread. */
    public interface Task {
        /**
         * Returns whether a worker has a share. The calling thread asks this for every worker before the work begins;
         * workers without a share are not woken.
         */
        default boolean hasShare(int thread) {
            return true;
        }

        /** Does the share of a thread, 0 for the calling thread. Must not allocate. */
        void run(int thread);
    }

    /**
     * The distance in bytes between data that different threads write: two cache lines, since processors fetch cache
     * lines in pairs.
     */
    public static final int APART = 128;

    /** The commands to a worker: wait, do your share, end. */
    private static final int WAIT = 0;

    private static final int WORK = 1;
    private static final int END = 2;

    /**
     * The number of spins before a thread parks. They take some hundreds of microseconds (measured: 282 and 368), which
     * is longer than the rule needs between two passes, and far shorter than a trainer needs between two steps.
     */
    private static final int SPINS = 20_000;

    private final Thread[] workers;
    /** Whether a worker has a share in the current run. */
    private final boolean[] wanted;
    /** At the {@link #place} of a worker, its command; at the place of thread 0, the number of busy workers. */
    private final AtomicIntegerArray told;

    private final int spins;

    private Task task;
    private Thread caller;
    private volatile Throwable failure;

    /**
     * Starts the workers. If one of them cannot be started, the others have ended when this throws.
     *
     * @param threads the number of threads that share the work, including the calling thread, at least 1
     * @throws OutOfMemoryError if the system cannot start another thread
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

    /** Returns the index of a thread in {@link #told}. */
    static int place(int thread) {
        return (thread + 1) * (APART / Integer.BYTES);
    }

    /**
     * Runs a task on the calling thread and on every worker that has a share, and waits until all of them have
     * finished.
     *
     * @throws RuntimeException or {@link Error}, whatever the first thread to fail threw, after all threads have
     *     finished
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

    /**
     * Does the shares of a worker until it is told to end. The waiting loop reads local variables only, because the
     * calling thread writes to the cache lines of this object's fields.
     */
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

    /** Ends the workers and waits until they have ended. Must not be called during {@link #run}. */
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
