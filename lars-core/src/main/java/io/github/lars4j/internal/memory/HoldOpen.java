package io.github.lars4j.internal.memory;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Runs code while segments cannot be closed: their arenas refuse {@code close} until the code has ended, on whatever
 * thread it is called. Each call passes the segments to a native function, which the JDK keeps open meanwhile, and the
 * function calls back. This takes about 0.35 µs for each eight segments and allocates nothing.
 *
 * <p>Not safe for use by several threads at the same time.
 */
public final class HoldOpen {

    /** The object whose code is to run on a thread. */
    private static final ThreadLocal<HoldOpen> CURRENT = new ThreadLocal<>();

    /**
     * The number of calls of {@link #requireStack} that need more stack than the native function and the call back do
     * (measured: 30 are enough, interpreted and compiled).
     */
    private static final int CALLS = 50;

    private MemorySegment[] segments = new MemorySegment[NativeMemory.ARGUMENTS];
    private int count;
    /** The number of segments that are held so far. */
    private int held;

    private Runnable code;
    private Throwable thrown;

    /** Begins anew, without segments, even if an error has ended the last call before {@link #run}. */
    public void begin() {
        count = 0;
    }

    /** Adds a segment of each arena to those that the next {@link #run} holds open. */
    public void add(MemorySegment[] ofEachArena) {
        int needed = Math.ceilDiv(count + ofEachArena.length, NativeMemory.ARGUMENTS) * NativeMemory.ARGUMENTS;
        if (needed > segments.length) {
            segments = Arrays.copyOf(segments, needed);
        }
        System.arraycopy(ofEachArena, 0, segments, count, ofEachArena.length);
        count += ofEachArena.length;
    }

    /**
     * Runs code while the added segments are held open, and then forgets them. Without native access, or if no segment
     * was added, it only runs the code.
     *
     * @throws IllegalStateException if a segment is closed; the code has not run then
     * @throws WrongThreadException if a segment is confined to another thread; the code has not run then
     */
    public void run(Runnable code) {
        if (count == 0 || !NativeMemory.isAllowed()) {
            forget();
            code.run();
            return;
        }
        HoldOpen outer = CURRENT.get();
        CURRENT.set(this);
        this.code = code;
        held = 0;
        Arrays.fill(segments, count, segments.length, MemorySegment.NULL);
        Throwable failure;
        try {
            holdNext();
        } finally {
            failure = thrown;
            thrown = null;
            this.code = null;
            forget();
            CURRENT.set(outer);
        }
        if (failure != null) {
            HoldOpen.<RuntimeException>rethrow(failure);
        }
    }

    /** Throws what the code has thrown, which may be a checked exception that it does not declare. */
    @SuppressWarnings("unchecked")
    private static <T extends Throwable> void rethrow(Throwable thrown) throws T {
        throw (T) thrown;
    }

    private void forget() {
        Arrays.fill(segments, null);
        count = 0;
    }

    /** Holds the next segments, and lets the native function go on in {@link #called}. */
    private void holdNext() {
        MemorySegment[] s = segments;
        int at = held;
        held += NativeMemory.ARGUMENTS;
        requireStack(
                CALLS, count, count, count, count, count, count, count, count, count, count, count, count, count, count,
                count, count);
        try {
            NativeMemory.Access.CALL.invokeExact(
                    s[at], s[at + 1], s[at + 2], s[at + 3], s[at + 4], s[at + 5], s[at + 6], s[at + 7]);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /**
     * Calls itself so many times. If the stack overflows, it does so here, and not between the native function and {@link
     * #called}, where a {@code StackOverflowError} would end the JVM. The arguments make it use more stack in less time.
     */
    private static long requireStack(
            int calls,
            long a,
            long b,
            long c,
            long d,
            long e,
            long f,
            long g,
            long h,
            long i,
            long j,
            long k,
            long l,
            long m,
            long n,
            long o,
            long p) {
        return calls == 0
                ? 0
                : requireStack(calls - 1, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, a)
                        ^ (a ^ b ^ c ^ d ^ e ^ f ^ g ^ h ^ i ^ j ^ k ^ l ^ m ^ n ^ o ^ p);
    }

    /** Is called by the native function. Nothing may be thrown from here: it would end the JVM. */
    static void called(long a, long b, long c, long d, long e, long f, long g, long h) {
        HoldOpen current = CURRENT.get();
        try {
            if (current.held < current.count) {
                current.holdNext();
            } else {
                current.code.run();
            }
        } catch (Throwable t) {
            current.thrown = t;
        }
    }
}
