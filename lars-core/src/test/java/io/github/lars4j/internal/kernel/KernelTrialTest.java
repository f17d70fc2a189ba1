package io.github.lars4j.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.kernel.KernelChoice.Trial;
import io.github.lars4j.internal.kernel.KernelTrial.Result;
import io.github.lars4j.internal.memory.ElementType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** How the trial decides, on machines with simulated time. */
class KernelTrialTest {

    private static final int KERNELS = 5;
    private static final int RUNS = 5;
    private static final List<KernelKind> KINDS = Stream.concat(
                    Stream.of(KernelKind.Place.values()).map(KernelKind::float32), narrow())
            .toList();

    /** Returns a kind of each place for each format, with copies of the weights of every other one. */
    private static Stream<KernelKind> narrow() {
        List<KernelKind> kinds = new ArrayList<>();
        for (KernelKind.Place place : new KernelKind.Place[] {KernelKind.Place.OFFSETS, KernelKind.Place.OUTSIDE}) {
            for (ElementType gradients : ElementType.values()) {
                for (ElementType momentum : new ElementType[] {ElementType.FLOAT32, ElementType.BFLOAT16}) {
                    kinds.add(new KernelKind(place, gradients, momentum, false, kinds.size() % 2 == 0));
                }
                kinds.add(new KernelKind(place, gradients, ElementType.BFLOAT16, true, kinds.size() % 2 == 0));
            }
        }
        return kinds.stream();
    }

    /** The number of runs in one round, over all kernels, scalar and vector. */
    private static final int ROUND = KERNELS * RUNS * 2;

    private static final long MICROSECOND = 1000;
    private static final long MILLISECOND = 1_000_000;
    private static final long SECOND = 1_000_000_000;
    private static final long DEADLINE = 30 * SECOND;

    /** A machine on which runs and rests take time, and nothing else does. */
    private abstract static class MadeUp implements KernelTrial.Machine {
        final List<Long> rests = new ArrayList<>();
        int runs;
        long worked;
        long now = Long.MAX_VALUE - SECOND; // nanoTime may overflow

        /** Returns the time of run number {@link #runs}, in nanoseconds. */
        abstract long cost(boolean vector, int kernel);

        @Override
        public String failure() {
            return null;
        }

        @Override
        public int kernels() {
            return KERNELS;
        }

        @Override
        public long time(boolean vector, int kernel) {
            assertTrue(kernel >= 0 && kernel < KERNELS);
            long cost = cost(vector, kernel);
            runs++;
            worked += cost;
            now += cost;
            return cost;
        }

        @Override
        public long nanoTime() {
            return now;
        }

        @Override
        public boolean rest(long millis) {
            rests.add(millis);
            now += millis * MILLISECOND;
            return true;
        }

        /** Returns the time since the end of the first rest, with which the trial begins. */
        long elapsed() {
            return now - (Long.MAX_VALUE - SECOND) - rests.getFirst() * MILLISECOND;
        }
    }

    /** Returns a machine on which every scalar kernel takes {@code scalar}, and each vector kernel its own time. */
    private static MadeUp machine(long scalar, long... vector) {
        return new MadeUp() {
            @Override
            long cost(boolean isVector, int kernel) {
                return isVector ? vector[kernel] : scalar;
            }
        };
    }

    private static void faster(MadeUp machine, int rounds) {
        assertEquals(new Result(Trial.FASTER, null), KernelTrial.run(() -> machine, 1));
        assertEquals(rounds * ROUND, machine.runs);
    }

    /** The vector kernels lose by the deadline, neither much earlier nor by more than the length of a run later. */
    private static void slower(MadeUp machine, int rest, long run) {
        assertEquals(new Result(Trial.SLOWER, null), KernelTrial.run(() -> machine, rest));
        // A rest that would last to the deadline is left out.
        long earliest = DEADLINE - 10 * Math.max(run, 2 * MILLISECOND);
        assertTrue(
                machine.elapsed() >= earliest && machine.elapsed() <= DEADLINE + run,
                () -> "ended after " + machine.elapsed());
    }

    private static void slower(MadeUp machine) {
        slower(machine, 1, 1251);
    }

    @Test
    void twoRoundsInARowAreEnough() {
        faster(machine(1000, 400, 400, 400, 400, 400), 2);
        faster(machine(1000, 999, 999, 999, 999, 999), 2);
    }

    @Test
    void allTogetherMustBeFaster() {
        slower(machine(1000, 1000, 1000, 1000, 1000, 1000));
        slower(machine(1000, 1200, 1200, 1200, 1200, 200));
        faster(machine(1000, 1200, 1200, 1200, 1200, 199), 2);
    }

    @Test
    void noneMayBeMoreThanAQuarterSlower() {
        for (int slow = 0; slow < KERNELS; slow++) {
            long[] vector = {100, 100, 100, 100, 100};
            vector[slow] = 1250;
            faster(machine(1000, vector), 2);
            vector[slow] = 1251;
            slower(machine(1000, vector));
        }
    }

    @Test
    void theFastestOfFiveRunsCounts() {
        for (int quick = 0; quick < RUNS; quick++) {
            int counted = quick;
            faster(
                    new MadeUp() {
                        @Override
                        long cost(boolean vector, int kernel) {
                            return vector ? (runs % RUNS == counted ? 900 : 100_000) : 1000;
                        }
                    },
                    2);
        }
    }

    @Test
    void winsCountOnlyInARow() {
        slower(new MadeUp() {
            @Override
            long cost(boolean vector, int kernel) {
                return !vector || runs / ROUND % 2 == 0 ? 1000 : 500;
            }
        });
        faster(
                new MadeUp() {
                    @Override
                    long cost(boolean vector, int kernel) {
                        return vector && runs / ROUND >= 7 ? 500 : 1000;
                    }
                },
                9);
    }

    @Test
    void restsAfterEveryTwoMillisecondsOfWorkForAsLongAndThenLonger() {
        long cost = 8 * MICROSECOND;
        MadeUp machine = machine(cost, cost, cost, cost, cost, cost);
        slower(machine, 1, cost);
        // The first rest is before the trial. After 3 s of work the others are long.
        assertEquals(300, machine.rests.removeFirst());
        assertTrue(machine.rests.subList(0, 1499).stream().allMatch(millis -> millis == 2), () -> "" + machine.rests);
        assertTrue(
                machine.rests.subList(1499, machine.rests.size()).stream().allMatch(millis -> millis == 18),
                () -> "" + machine.rests);
        assertTrue(Math.abs(machine.worked - 5400 * MILLISECOND) < 4 * MILLISECOND, () -> "worked " + machine.worked);

        MadeUp single = machine(cost, cost, cost, cost, cost, cost);
        slower(single, 9, cost);
        assertEquals(300, single.rests.removeFirst());
        assertTrue(single.rests.stream().allMatch(millis -> millis == 18), () -> "" + single.rests);
        assertEquals(3 * SECOND, single.worked);
    }

    @Test
    void restsBetweenTheRunsOfARound() {
        long cost = MILLISECOND;
        MadeUp machine = machine(cost, cost, cost, cost, cost, cost);
        slower(machine, 1, cost);
        assertTrue(machine.rests.subList(1, 1500).stream().allMatch(millis -> millis == 2), () -> "" + machine.rests);
    }

    /** As if every vector were an object for ever: a thousand times slower, on a slow machine. */
    @Test
    void vectorsThatNeverGetFastEndByTheDeadline() {
        long vector = 100 * MILLISECOND;
        MadeUp machine = machine(vector / 1000, vector, vector, vector, vector, vector);
        slower(machine, 1, vector);
        assertTrue(machine.runs <= 2 * ROUND + KERNELS * RUNS, () -> machine.runs + " runs");
        assertTrue(machine.worked <= 5500 * MILLISECOND, () -> "worked for " + machine.worked);
    }

    @Test
    void vectorsThatGetFastLateStillWin() {
        for (int runsBefore : new int[] {0, 1000, 10_000}) {
            for (long timeBefore : new long[] {0, 10 * SECOND, 29 * SECOND}) {
                MadeUp machine = new MadeUp() {
                    @Override
                    long cost(boolean vector, int kernel) {
                        boolean compiled = runs >= runsBefore && elapsed() >= timeBefore;
                        return !vector ? 3 * MICROSECOND : compiled ? MICROSECOND : 400 * MICROSECOND;
                    }
                };
                assertEquals(new Result(Trial.FASTER, null), KernelTrial.run(() -> machine, 1));
                assertTrue(machine.elapsed() <= DEADLINE);
            }
        }
    }

    @Test
    void aSlowRunIsTheLast() {
        for (int slow : new int[] {0, 7, 6 * ROUND + 12}) {
            MadeUp machine = new MadeUp() {
                @Override
                long cost(boolean vector, int kernel) {
                    return runs == slow ? 3600 * SECOND : 1000;
                }
            };
            slower(machine, 1, 3600 * SECOND);
            assertEquals(slow + 1, machine.runs);
        }
    }

    @Test
    void aSlowFirstRunOfAllKernelsIsTheLast() {
        MadeUp machine = new MadeUp() {
            @Override
            public String failure() {
                now += DEADLINE;
                return null;
            }

            @Override
            long cost(boolean vector, int kernel) {
                return vector ? 500 : 1000;
            }
        };
        assertEquals(new Result(Trial.SLOWER, null), KernelTrial.run(() -> machine, 1));
        assertEquals(0, machine.runs);
    }

    @Test
    void whateverIsThrownIsTheReasonForScalarKernels() {
        List<Throwable> thrown = List.of(
                new NoSuchMethodError("convertShape"),
                new ExceptionInInitializerError("no species"),
                new UnsupportedOperationException(),
                new ClassCastException("Float256Vector"),
                new InternalError("a fault\nwith advice"),
                new OutOfMemoryError("Java heap space"),
                new StackOverflowError());
        for (Throwable e : thrown) {
            Result expected =
                    new Result(Trial.SLOWER, e.toString().lines().findFirst().orElseThrow());
            assertEquals(
                    expected,
                    KernelTrial.run(
                            () -> {
                                throw KernelTrialTest.<RuntimeException>sneak(e);
                            },
                            1),
                    "at first");
            MadeUp cannotRun = new MadeUp() {
                @Override
                public String failure() {
                    throw KernelTrialTest.<RuntimeException>sneak(e);
                }

                @Override
                long cost(boolean vector, int kernel) {
                    return 1000;
                }
            };
            assertEquals(expected, KernelTrial.run(() -> cannotRun, 1), "in the first runs");
            for (int last : new int[] {0, 5, 2 * ROUND - 1, 3 * ROUND}) {
                MadeUp machine = new MadeUp() {
                    @Override
                    long cost(boolean vector, int kernel) {
                        if (runs == last) {
                            throw KernelTrialTest.<RuntimeException>sneak(e);
                        }
                        return runs < ROUND || !vector ? 1000 : 500;
                    }
                };
                Result result = KernelTrial.run(() -> machine, 1);
                assertEquals(last == 3 * ROUND ? new Result(Trial.FASTER, null) : expected, result, "in run " + last);
            }
        }
    }

    @SuppressWarnings("unchecked")
    private static <E extends Throwable> AssertionError sneak(Throwable e) throws E {
        throw (E) e;
    }

    @Test
    void kernelsThatDoNotRunAreNotTried() {
        MadeUp machine = new MadeUp() {
            @Override
            public String failure() {
                return "why";
            }

            @Override
            long cost(boolean vector, int kernel) {
                return vector ? 500 : 1000;
            }
        };
        assertEquals(new Result(Trial.SLOWER, "why"), KernelTrial.run(() -> machine, 1));
        assertEquals(0, machine.runs);
    }

    @Test
    void anInterruptEndsIt() {
        for (int allowed : new int[] {0, 3}) {
            MadeUp machine = new MadeUp() {
                @Override
                long cost(boolean vector, int kernel) {
                    return MILLISECOND;
                }

                @Override
                public boolean rest(long millis) {
                    super.rest(millis);
                    return rests.size() <= allowed;
                }
            };
            assertEquals(new Result(Trial.SLOWER, null), KernelTrial.run(() -> machine, 1));
            assertEquals(2 * allowed, machine.runs);
        }
    }

    @Test
    void thisMachineTimesRunsAndRests() {
        for (KernelKind kind : KINDS) {
            KernelTrial.Here here = kind.scratch();
            Object momentumOf = tensor(here, 2);
            long before = System.nanoTime();
            long during = here.nanoTime();
            assertTrue(during - before >= 0 && System.nanoTime() - during >= 0);
            assertEquals(kind.place() == KernelKind.Place.ARRAYS ? 6 : kind.halves() ? 8 : 7, here.kernels());
            for (int kernel = 0; kernel < here.kernels(); kernel++) {
                for (boolean vector : new boolean[] {false, true}) {
                    set(momentumOf, 0);
                    Object halvesOf = kind.halves() ? tensor(here, 3) : null;
                    if (kind.halves()) {
                        set(halvesOf, 0);
                    }
                    here.sums.weights[0] = 0;
                    here.sums.gradients[0] = 0;
                    here.sums.products[0] = 0;
                    before = System.nanoTime();
                    long taken = here.time(vector, kernel);
                    assertTrue(taken > 0 && taken <= System.nanoTime() - before);
                    // All weights and gradients are 1, and the updates do not change the weights. A block with a tail
                    // comes first, then a layer that fills every turn, whose momentum is updated a second time,
                    // then a small layer, whose sums remain and whose momentum is updated a third time.
                    int small = Stripes.STRIPES;
                    int full = 8 * Stripes.STRIPES;
                    int tail = Stripes.BLOCK - 6;
                    boolean both = kernel == 0 || kernel == 5;
                    assertEquals(both || kernel == 1 || kernel == 4 ? small : 0, here.sums.weights[0]);
                    assertEquals(both || kernel == 6 ? small : 0, here.sums.gradients[0]);
                    assertEquals(kernel == 0 ? small : 0, here.sums.products[0]);
                    boolean moves = kernel == 2 || kernel == 4;
                    float[] momentum = get(momentumOf, kind.momentum());
                    assertEquals(moves ? 1.75f : 0, momentum[small - 1]);
                    assertEquals(moves ? 1.5f : 0, momentum[small]);
                    assertEquals(moves ? 1.5f : 0, momentum[full - 1]);
                    assertEquals(moves ? 1 : 0, momentum[full]);
                    assertEquals(moves ? 1 : 0, momentum[tail]);
                    assertEquals(0, momentum[tail + 1]);
                    if (kind.halves()) {
                        // The copies begin three elements behind the start of their array, but not outside the heap.
                        int first = kind.place() == KernelKind.Place.OUTSIDE ? 0 : 3;
                        float[] halves = get(halvesOf, ElementType.BFLOAT16);
                        assertEquals(kernel == 7 ? 1 : 0, halves[first]);
                        assertEquals(kernel == 7 ? 1 : 0, halves[first + tail]);
                        assertEquals(0, halves[first + tail + 1]);
                    }
                }
            }
            before = System.nanoTime();
            assertTrue(here.rest(3));
            assertTrue(System.nanoTime() - before >= 3 * MILLISECOND, "the rest was too short");
            Thread.currentThread().interrupt();
            assertFalse(here.rest(1));
            assertFalse(Thread.interrupted());
        }
    }

    /** The update without momentum changes no weight, unless a gradient is NaN. */
    @Test
    void theUpdateWithoutMomentumRunsToo() {
        for (KernelKind kind : KINDS) {
            for (boolean vector : new boolean[] {false, true}) {
                KernelTrial.Here here = kind.scratch();
                Object weights = tensor(here, 0);
                Object gradients = tensor(here, 1);
                set(gradients, 0x7fc0); // NaN in every format
                here.time(vector, 3);
                int changed = 0;
                for (float weight : get(weights, ElementType.FLOAT32)) {
                    changed += Float.isNaN(weight) ? 1 : 0;
                }
                assertEquals(Stripes.BLOCK - 5, changed, "of " + kind);
            }
        }
    }

    /** Returns the scratch memory of weights, gradient or momentum. */
    private static Object tensor(KernelTrial.Here here, int tensor) {
        return here instanceof KernelTrial.Arrays arrays
                ? List.of(arrays.weights, arrays.gradients, arrays.momentum).get(tensor)
                : ((KernelTrial.Placed) here).bases[tensor];
    }

    /** Sets all elements to a number whose bits are {@code bits} twice in float32, and {@code bits} in narrow formats. */
    private static void set(Object block, int bits) {
        MemorySegment memory = segment(block);
        for (long i = 0; i < memory.byteSize() / Short.BYTES; i++) {
            memory.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) bits);
        }
    }

    private static float[] get(Object block, ElementType type) {
        MemorySegment memory = segment(block);
        if (type == ElementType.FLOAT32) {
            return memory.toArray(ValueLayout.JAVA_FLOAT);
        }
        short[] bits = memory.toArray(ValueLayout.JAVA_SHORT);
        float[] values = new float[bits.length];
        for (int i = 0; i < bits.length; i++) {
            values[i] = KernelOracle.bfloat16(bits[i]);
        }
        return values;
    }

    private static MemorySegment segment(Object block) {
        return block instanceof float[] floats
                ? MemorySegment.ofArray(floats)
                : block instanceof short[] shorts ? MemorySegment.ofArray(shorts) : (MemorySegment) block;
    }

    @Test
    void vectorKernelsRunHere() {
        for (KernelKind kind : KINDS) {
            assertNull(KernelTrial.failure(kind));
        }
    }
}
