package io.github.lars4j.internal.passes;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class CrewTest {

    private static final int[] SIZES = {1, 2, 3, 8};

    /** Which thread did each share, in one round. */
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
                    // Long enough for a caller that does not wait to be back first.
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
        everyRoundIsWhole(1000);
    }

    @Test
    @Tag("no-mutants")
    void manyRounds() {
        everyRoundIsWhole(100_000);
    }

    private static void everyRoundIsWhole(int rounds) {
        for (int size : new int[] {2, 8}) {
            // Not atomic: a round must happen before the next in every thread, and all of it before the caller goes on.
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
