package io.github.lars4j.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.kernel.KernelChoice.Trial;
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

    /** A machine on which only runs take time. */
    private abstract static class MadeUp implements KernelTrial.Machine {
        final List<Long> rests = new ArrayList<>();
        int runs;
        long now = 123;

        /** Returns the time of run number {@link #runs}, in nanoseconds. */
        abstract long cost(boolean vector, int kernel);

        @Override
        public int kernels() {
            return KERNELS;
        }

        @Override
        public long time(boolean vector, int kernel) {
            assertTrue(kernel >= 0 && kernel < KERNELS);
            long cost = cost(vector, kernel);
            runs++;
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
            return true;
        }

        long worked() {
            return now - 123;
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
        assertEquals(Trial.FASTER, KernelTrial.decide(machine, 1));
        assertEquals(rounds * ROUND, machine.runs);
    }

    private static void slower(MadeUp machine) {
        assertEquals(Trial.SLOWER, KernelTrial.decide(machine, 1));
        assertTrue(machine.worked() >= 3 * SECOND, () -> "gave up after " + machine.worked());
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
    void restsAfterEveryTwoMillisecondsOfWorkForAsLongOrAMultiple() {
        for (int rest : new int[] {1, 9}) {
            // A round takes 0.4 ms, so that the fifth round ends exactly at the end of a slice.
            long cost = 8 * MICROSECOND;
            MadeUp machine = machine(cost, cost, cost, cost, cost, cost);
            assertEquals(Trial.SLOWER, KernelTrial.decide(machine, rest));
            assertEquals(3 * SECOND, machine.worked());
            assertEquals(1500, machine.rests.size());
            assertTrue(machine.rests.stream().allMatch(millis -> millis == 2L * rest), () -> "rests " + machine.rests);
        }
        long cost = MILLISECOND;
        MadeUp slow = machine(cost, cost, cost, cost, cost, cost);
        slower(slow);
        assertEquals(60, slow.rests.size());
        assertTrue(slow.rests.stream().allMatch(millis -> millis == 50), () -> "rests " + slow.rests);
    }

    @Test
    void anInterruptEndsIt() {
        MadeUp machine = new MadeUp() {
            @Override
            long cost(boolean vector, int kernel) {
                return MILLISECOND;
            }

            @Override
            public boolean rest(long millis) {
                super.rest(millis);
                return rests.size() < 3;
            }
        };
        assertEquals(Trial.SLOWER, KernelTrial.decide(machine, 1));
        assertEquals(3 * ROUND, machine.runs);
    }

    @Test
    void thisMachineTimesRunsAndRests() {
        for (KernelKind kind : KINDS) {
            KernelTrial.Here here = kind.scratch();
            Object momentumOf = tensor(here, 2);
            long before = System.nanoTime();
            long during = here.nanoTime();
            assertTrue(during - before >= 0 && System.nanoTime() - during >= 0);
            assertEquals(kind.place() == KernelKind.Place.ARRAYS ? 5 : kind.halves() ? 7 : 6, here.kernels());
            for (int kernel = 0; kernel < here.kernels(); kernel++) {
                for (boolean vector : new boolean[] {false, true}) {
                    set(momentumOf, 0);
                    Object halvesOf = kind.halves() ? tensor(here, 3) : null;
                    if (kind.halves()) {
                        set(halvesOf, 0);
                    }
                    here.sums.weights[0] = 0;
                    here.sums.gradients[0] = 0;
                    before = System.nanoTime();
                    long taken = here.time(vector, kernel);
                    assertTrue(taken > 0 && taken <= System.nanoTime() - before);
                    // All weights and gradients are 1, and the updates do not change the weights. A block with a tail
                    // comes first, then a layer that fills every turn, whose momentum is updated a second time,
                    // then a small layer, whose sums remain and whose momentum is updated a third time.
                    int small = Stripes.STRIPES;
                    int full = 8 * Stripes.STRIPES;
                    int tail = Stripes.BLOCK - 6;
                    assertEquals(kernel == 0 || kernel == 1 || kernel == 4 ? small : 0, here.sums.weights[0]);
                    assertEquals(kernel == 0 || kernel == 5 ? small : 0, here.sums.gradients[0]);
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
                        assertEquals(kernel == 6 ? 1 : 0, halves[first]);
                        assertEquals(kernel == 6 ? 1 : 0, halves[first + tail]);
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
    void vectorKernelsLinkHere() {
        for (KernelKind kind : KINDS) {
            assertNull(KernelTrial.linkError(kind));
        }
    }
}
