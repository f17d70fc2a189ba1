package io.github.lars4j.internal.passes;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class CrewTest {

    private static final int[] SIZES = {1, 2, 3, 8};

    /** Returns the thread that did each share in one round. */
    private static Thread[] threads(Crew crew, int size) {
        Thread[] threads = new Thread[size];
        crew.run(thread -> threads[thread] = Thread.currentThread());
        return threads;
    }

    @Test
    void everyThreadDoesItsOwnShare() {
        for (int size : SIZES) {
            try (Crew crew = new Crew(size)) {
                Thread[] threads = threads(crew, size);
                assertSame(Thread.currentThread(), threads[0]);
                assertEquals(size, Arrays.stream(threads).distinct().count());
                for (int t = 1; t < size; t++) {
                    assertEquals("lars4j-" + t, threads[t].getName());
                    assertTrue(threads[t].isDaemon());
                }
                assertArrayEquals(threads, threads(crew, size));
            }
        }
    }

    @Test
    void closeEndsEveryThread() {
        for (int size : SIZES) {
            Crew crew = new Crew(size);
            Thread[] threads = threads(crew, size);
            crew.close();
            for (int t = 1; t < size; t++) {
                assertFalse(threads[t].isAlive(), threads[t]::getName);
            }
            crew.close();
        }
    }

    @Test
    void closeEndsThreadsThatNeverRan() {
        long before = liveWorkers();
        new Crew(8).close();
        assertEquals(before, liveWorkers());
    }

    private static long liveWorkers() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().matches("lars4j-\\d+"))
                .count();
    }

    /** Creating a thread may fail in an inheritable thread local of the creating thread. */
    @Test
    void threadsThatWereStartedEndWhereALaterOneCannotBe() {
        long before = liveWorkers();
        AtomicInteger children = new AtomicInteger();
        InheritableThreadLocal<Integer> inherited = new InheritableThreadLocal<>() {
            @Override
            protected Integer childValue(Integer parentValue) {
                if (children.incrementAndGet() == parentValue) {
                    throw new IllegalStateException("child " + parentValue);
                }
                return 0;
            }
        };
        try {
            for (int last = 1; last <= 7; last++) {
                children.set(0);
                inherited.set(last);
                assertEquals(
                        "child " + last,
                        assertThrows(IllegalStateException.class, () -> new Crew(8))
                                .getMessage());
                assertEquals(before, liveWorkers());
            }
        } finally {
            inherited.remove();
        }
    }

    /** A task in which only some threads have a share. */
    private static final class Part implements Crew.Task {

        private final boolean[] shares;
        private final int[] rounds;

        /** Creates a task that counts the rounds of each thread. */
        Part(boolean[] shares, int[] rounds) {
            this.shares = shares;
            this.rounds = rounds;
        }

        @Override
        public boolean hasShare(int thread) {
            return shares[thread];
        }

        @Override
        public void run(int thread) {
            rounds[thread]++;
        }
    }

    /** Any set of threads follows any other set: each thread does exactly the rounds in which it has a share. */
    @Test
    void onlyThreadsWithAShareDoARoundAndNoneMissesALaterOne() {
        int size = 4;
        try (Crew crew = new Crew(size)) {
            boolean[] shares = new boolean[size];
            int[] rounds = new int[size];
            int[] expected = new int[size];
            Part part = new Part(shares, rounds);
            Random random = new Random(1);
            for (int round = 0; round < 2000; round++) {
                for (int thread = 0; thread < size; thread++) {
                    shares[thread] = random.nextBoolean();
                    // The calling thread always takes part.
                    expected[thread] += thread == 0 || shares[thread] ? 1 : 0;
                }
                crew.run(part);
                assertArrayEquals(expected, rounds, "round " + round);
            }
        }
    }

    @Test
    void whatIsThrownArrivesWhereSomeHaveNoShare() {
        try (Crew crew = new Crew(4)) {
            for (boolean[] shares :
                    new boolean[][] {{true, false, false, false}, {false, true, false, false}, {true, false, true, true}
                    }) {
                IllegalStateException thrown = new IllegalStateException();
                int[] rounds = new int[4];
                assertSame(
                        thrown,
                        assertThrows(
                                IllegalStateException.class,
                                () -> crew.run(new Crew.Task() {
                                    @Override
                                    public boolean hasShare(int thread) {
                                        return shares[thread];
                                    }

                                    @Override
                                    public void run(int thread) {
                                        rounds[thread]++;
                                        if (shares[thread]) {
                                            throw thrown;
                                        }
                                    }
                                })));
                for (int thread = 0; thread < 4; thread++) {
                    assertEquals(thread == 0 || shares[thread] ? 1 : 0, rounds[thread]);
                }
                crew.run(new Part(new boolean[] {true, true, true, true}, rounds));
            }
        }
    }

    @Test
    void threadsWithoutAShareAreNotWoken() {
        try (Crew crew = new Crew(4)) {
            Part some = new Part(new boolean[] {true, false, true, false}, new int[4]);
            assertEquals("-2-", woken(crew, 4, () -> crew.run(some)));
            Part one = new Part(new boolean[] {true, false, false, false}, new int[4]);
            assertEquals("---", woken(crew, 4, () -> crew.run(one)));
        }
    }

    /**
     * Returns which workers a round wakes, from thread 1 on. The JVM counts how often a thread has begun to wait. A
     * worker that is woken in a round begins to wait again after it. A worker that is not woken keeps waiting, but may
     * begin once more because of an earlier wake-up.
     */
    static String woken(Crew crew, int size, Runnable round) {
        Thread[] threads = threads(crew, size);
        long[] before = waits(threads);
        for (int i = 0; i < 10; i++) {
            round.run();
            waits(threads);
        }
        long[] after = waits(threads);
        StringBuilder woken = new StringBuilder();
        for (int t = 1; t < size; t++) {
            woken.append(after[t] - before[t] > 5 ? t : "-");
        }
        return woken.toString();
    }

    /** Waits until all workers wait; returns how often each has begun to wait. */
    private static long[] waits(Thread[] threads) {
        long[] waits = new long[threads.length];
        for (int t = 1; t < threads.length; t++) {
            while (threads[t].getState() != Thread.State.WAITING) {
                Thread.onSpinWait();
            }
            waits[t] = ManagementFactory.getThreadMXBean()
                    .getThreadInfo(threads[t].threadId())
                    .getWaitedCount();
        }
        return waits;
    }

    @Test
    void whatDifferentThreadsWriteIsApart() {
        for (int thread = 0; thread < 8; thread++) {
            assertTrue(
                    (Crew.place(thread) + 1) * Integer.BYTES > Crew.APART,
                    "the first place is too close to the data before the array");
            assertTrue((Crew.place(thread + 1) - Crew.place(thread)) * Integer.BYTES >= Crew.APART);
        }
    }

    @Test
    void closeWaitsThoughInterrupted() {
        Crew crew = new Crew(3);
        Thread[] threads = threads(crew, 3);
        Thread.currentThread().interrupt();
        crew.close();
        assertTrue(Thread.interrupted(), "the interrupt was swallowed");
        assertFalse(threads[1].isAlive());
        assertFalse(threads[2].isAlive());
    }

    @Test
    void runsThoughInterrupted() {
        try (Crew crew = new Crew(3)) {
            Thread.currentThread().interrupt();
            AtomicInteger shares = new AtomicInteger();
            crew.run(thread -> shares.incrementAndGet());
            assertTrue(Thread.interrupted(), "the interrupt was swallowed");
            assertEquals(3, shares.get());
        }
    }

    @Test
    void whatIsThrownArrivesWhenAllHaveFinished() {
        for (int size : SIZES) {
            try (Crew crew = new Crew(size)) {
                for (int thrower = 0; thrower < size; thrower++) {
                    arrives(crew, size, thrower, new IllegalArgumentException("in share " + thrower));
                    arrives(crew, size, thrower, new StackOverflowError("in share " + thrower));
                }
            }
        }
    }

    private static void arrives(Crew crew, int size, int thrower, Throwable thrown) {
        CountDownLatch throwing = new CountDownLatch(1);
        AtomicInteger finished = new AtomicInteger();
        Throwable caught = assertThrows(
                Throwable.class,
                () -> crew.run(thread -> {
                    if (thread == thrower) {
                        throwing.countDown();
                        sneak(thrown);
                    }
                    await(throwing);
                    // This takes longer than a caller that does not wait.
                    for (int i = 0; i < 20_000; i++) {
                        Thread.onSpinWait();
                    }
                    finished.incrementAndGet();
                }));
        assertSame(thrown, caught);
        assertEquals(size - 1, finished.get(), "shares that had finished");
        AtomicInteger shares = new AtomicInteger();
        crew.run(thread -> shares.incrementAndGet());
        assertEquals(size, shares.get(), "shares of the next round");
    }

    @Test
    void oneOfSeveralThatAreThrownArrives() {
        try (Crew crew = new Crew(4)) {
            for (int round = 0; round < 100; round++) {
                IllegalStateException[] thrown = new IllegalStateException[4];
                IllegalStateException caught = assertThrows(
                        IllegalStateException.class,
                        () -> crew.run(thread -> {
                            thrown[thread] = new IllegalStateException("in share " + thread);
                            throw thrown[thread];
                        }));
                assertTrue(Arrays.asList(thrown).contains(caught));
            }
        }
    }

    @Test
    void someRounds() {
        everyRoundIsWhole(2, 1000);
        everyRoundIsWhole(8, 1000);
    }

    @Test
    @Tag("no-mutants")
    void manyRounds() {
        everyRoundIsWhole(2, 100_000);
        everyRoundIsWhole(8, 15_000);
    }

    @Test
    @Tag("slow")
    void manyRoundsOfManyThreads() {
        everyRoundIsWhole(8, 100_000);
    }

    private static void everyRoundIsWhole(int size, int rounds) {
        // The counts are not atomic: a round must happen before the next round, and before the caller continues.
        int[] counts = new int[size];
        int[] sum = {0};
        try (Crew crew = new Crew(size)) {
            Crew.Task task = thread -> counts[thread]++;
            for (int round = 0; round < rounds; round++) {
                crew.run(task);
                for (int count : counts) {
                    sum[0] += count == round + 1 ? 0 : 1;
                }
            }
        }
        assertEquals(0, sum[0], "counts that were wrong after a round");
        for (int count : counts) {
            assertEquals(rounds, count);
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static void sneak(Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        throw (RuntimeException) thrown;
    }
}
