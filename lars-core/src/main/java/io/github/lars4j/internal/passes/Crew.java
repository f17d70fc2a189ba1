package io.github.lars4j.internal.passes;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * The threads that share a pass: the caller and as many daemon threads as are wanted beside it. They wait between
 * passes, at first awake, then parked. One caller at a time.
 */
public final class Crew implements AutoCloseable {

    /** A piece of work that every thread does its own share of. */
    public interface Task {
        /** Does the share of thread {@code thread}, 0 for the caller. Allocates nothing. */
        void run(int thread);
    }

    /**
     * Turns of waiting awake before a thread parks: some tens of microseconds, longer than the rule takes between two
     * passes, far shorter than a trainer takes between two steps.
     */
    private static final int SPINS = 20_000;

    private final Thread[] workers;
    private final AtomicInteger busy = new AtomicInteger();
    private final int spins;

    private Task task;
    private Thread caller;
    private volatile int round;
    private volatile Throwable failure;
    private volatile boolean closed;

    /**
     * Starts the threads.
     *
     * @param threads threads that share the work, the caller counted in: at least 1
     */
    public Crew(int threads) {
        workers = new Thread[threads - 1];
        spins = threads <= Runtime.getRuntime().availableProcessors() ? SPINS : 0;
        for (int i = 0; i < workers.length; i++) {
            int thread = i + 1;
            workers[i] = new Thread(() -> work(thread), "lars4j-" + thread);
            workers[i].setDaemon(true);
            workers[i].start();
        }
    }

    /**
     * Has every thread do its share and returns when all have.
     *
     * @throws RuntimeException or an {@link Error}: what the first thread to fail threw; all have finished by then
     */
    public void run(Task task) {
        if (workers.length == 0) {
            task.run(0);
            return;
        }
        this.task = task;
        caller = Thread.currentThread();
        failure = null;
        busy.set(workers.length);
        int next = round + 1;
        round = next;
        for (Thread worker : workers) {
            LockSupport.unpark(worker);
        }
        share(0);
        for (int spin = 0; busy.get() > 0; spin++) {
            pause(spin);
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

    private void work(int thread) {
        int done = 0;
        while (true) {
            for (int spin = 0; round == done && !closed; spin++) {
                pause(spin);
            }
            if (closed) {
                return;
            }
            done++;
            share(thread);
            if (busy.decrementAndGet() == 0) {
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

    private void pause(int spin) {
        if (spin < spins) {
            Thread.onSpinWait();
        } else {
            LockSupport.park(this);
        }
    }

    /** Ends the daemon threads and waits until they have ended. Not while {@link #run} runs. */
    @Override
    public void close() {
        closed = true;
        boolean interrupted = false;
        for (Thread worker : workers) {
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
