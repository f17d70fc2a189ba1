package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.kernel.KernelChoice;
import io.github.lars4j.internal.kernel.VectorKernels;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import jdk.incubator.vector.VectorShape;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Every {@link Trace} gives the committed bits in every way of running it. */
@Tag("bits")
@Tag("no-mutants")
class TraceTest {

    /** The kernels to run; the scalar kernels are left out if this JVM tests a vector width. */
    private static final List<String> KERNELS =
            System.getProperty(KernelChoice.BITS_PROPERTY) == null ? List.of("scalar", "vector") : List.of("vector");

    private static final Pattern SHARE = Pattern.compile("\\[(\\d+), (\\d+)\\)");

    @Test
    void tracesAreAsManyAsTheirHashesAndAllDifferent() {
        Set<String> different = new HashSet<>(Trace.expected());
        assertEquals(Trace.TRACES, Trace.expected().size());
        assertEquals(Trace.TRACES, different.size());
        assertTrue(Trace.TRACES * Trace.STEPS >= 50 * 50);
    }

    @Test
    void theTracesHaveSeveralGroupsAndEveryThreadAShare() {
        for (int threads : new int[] {1, 2, 3, 8}) {
            int divided = 0;
            int shared = 0;
            for (int seed = 0; seed < Trace.TRACES; seed++) {
                String fused =
                        new Trace(seed).order(new Trace.Way("scalar", threads, false, true, 0, Trace.Place.FLAT));
                String apart =
                        new Trace(seed).order(new Trace.Way("scalar", threads, false, false, 0, Trace.Place.FLAT));
                assertEquals(1, rounds(apart), apart);
                divided += rounds(fused) > 1 ? 1 : 0;
                shared += mostShares(apart) == threads ? 1 : 0;
            }
            System.out.printf(
                    "%d threads: %d of %d traces have several rounds where fused, %d a share for each thread%n",
                    threads, divided, Trace.TRACES, shared);
            assertTrue(divided >= 15 && shared >= 2);
        }
    }

    private static int rounds(String order) {
        return (int) order.lines().filter(line -> line.startsWith("round ")).count();
    }

    /** Returns the maximum over the rounds of the number of threads with blocks, {@code [from, to)}. */
    private static int mostShares(String order) {
        return order.lines()
                .mapToInt(line -> (int) SHARE.matcher(line)
                        .results()
                        .filter(share -> !share.group(1).equals(share.group(2)))
                        .count())
                .max()
                .getAsInt();
    }

    @Test
    void sameBits() {
        agree(List.of(Trace.Place.FLAT), KERNELS.size() == 2 ? 8 : 2);
    }

    @Test
    void sameBitsElsewhere() {
        agree(Trace.Place.others(), KERNELS.size() == 2 ? 3 : 2);
    }

    @Test
    @Tag("slow")
    void sameBitsEveryWay() {
        agree(List.of(Trace.Place.FLAT), KERNELS.size() == 2 ? 512 : 32);
    }

    @Test
    @Tag("slow")
    void sameBitsElsewhereManyWays() {
        agree(Trace.Place.others(), KERNELS.size() == 2 ? 256 : 32);
    }

    private static void agree(List<Trace.Place> places, int waysOfEach) {
        List<Trace.Way> ways = Trace.Way.all(KERNELS, places);
        // Vectors wider than the hardware's are objects and a thousand times slower.
        boolean lacking = VectorKernels.bits() > VectorShape.preferredShape().vectorBitSize();
        int traces = lacking ? 2 : Trace.TRACES;
        int[] agreed = Trace.agreement(ways, traces, Math.min(waysOfEach, ways.size()));
        System.out.printf("%d of %d runs of %d traces agreed, of %s%n", agreed[0], agreed[1], traces, places);
        assertEquals(agreed[1], agreed[0]);
    }
}
