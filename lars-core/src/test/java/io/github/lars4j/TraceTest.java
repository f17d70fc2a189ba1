package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.kernel.VectorKernels;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import jdk.incubator.vector.VectorShape;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Every {@link Trace} gives the committed bits in every way of running it. A build runs each trace in a few ways, which
 * differ from trace to trace, so that every kind of way has many traces.
 */
@Tag("no-mutants")
class TraceTest {

    /** The kernels to run; the scalar kernels are left out if this JVM tests a vector width. */
    private static final List<String> KERNELS = Kernel.ONE_WIDTH ? List.of("vector") : List.of("scalar", "vector");

    private static final List<Trace.Place> FLAT = List.of(Trace.Place.FLAT);

    /** Whether the vectors are wider than the hardware's: then they are objects and a thousand times slower. */
    private static final boolean LACKING =
            VectorKernels.bits() > VectorShape.preferredShape().vectorBitSize();

    private static final Pattern SHARE = Pattern.compile("\\[(\\d+), (\\d+)\\)");

    @Test
    void tracesAreAsManyAsTheirHashesAndAllDifferent() {
        for (Trace.Formats formats : Trace.Formats.all()) {
            Set<String> different = new HashSet<>(Trace.expected(formats));
            assertEquals(Trace.TRACES, Trace.expected(formats).size());
            assertEquals(Trace.TRACES, different.size());
        }
        assertTrue(Trace.TRACES * Trace.STEPS >= 50 * 50);
    }

    /** Other formats of gradients or momentum change the bits, unless a trace has no momentum or only zeros. */
    @Test
    void theFormatsChangeTheBits() {
        List<Trace.Formats> all = Trace.Formats.others();
        for (int i = 0; i < all.size(); i++) {
            for (int j = 0; j < i; j++) {
                List<String> one = Trace.expected(all.get(i));
                List<String> other = Trace.expected(all.get(j));
                int differ = 0;
                for (int seed = 0; seed < Trace.TRACES; seed++) {
                    differ += one.get(seed).equals(other.get(seed)) ? 0 : 1;
                }
                assertTrue(differ > Trace.TRACES / 2, all.get(i) + " and " + all.get(j) + " differ in " + differ);
            }
        }
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
    @Tag("bits")
    void sameBits() {
        agree(FLAT, Kernel.ONE_WIDTH ? 1 : 4, Kernel.ONE_WIDTH ? 1 : 2);
    }

    @Test
    @Tag("bits")
    void sameBitsElsewhere() {
        agree(Trace.Place.others(), Kernel.ONE_WIDTH ? 1 : 2, Kernel.ONE_WIDTH ? 0 : 1);
    }

    /** A trace in each of the formats. */
    @Test
    @Tag("bits")
    void sameBitsInOtherFormats() {
        List<Trace.Way> ways = new ArrayList<>();
        for (String kernels : KERNELS) {
            for (int threads : new int[] {1, 4}) {
                for (Trace.Place place : List.of(Trace.Place.FLAT, Trace.Place.NATIVE_BY_LAYER)) {
                    int i = ways.size();
                    ways.add(new Trace.Way(kernels, threads, i % 3 == 0, i % 2 == 0, 5 * i % 16, place));
                }
            }
        }
        Trace.Agreement agreement = new Trace.Agreement();
        List<Trace.Formats> others = Trace.Formats.others();
        for (int i = 0; i < others.size() && !LACKING; i++) {
            agreement.add(others.get(i), ways, 5 * i, 1, Kernel.ONE_WIDTH ? 1 : ways.size());
        }
        assertAgreed(agreement);
    }

    @Test
    @Tag("bits")
    @Tag("slow")
    void sameBitsEveryWay() {
        int ways = Kernel.ONE_WIDTH ? 32 : 512;
        agree(FLAT, ways, ways);
    }

    @Test
    @Tag("bits")
    @Tag("slow")
    void sameBitsElsewhereManyWays() {
        int ways = Kernel.ONE_WIDTH ? 32 : 256;
        agree(Trace.Place.others(), ways, ways);
    }

    @Test
    @Tag("bits")
    @Tag("slow")
    void sameBitsInOtherFormatsManyWays() {
        Trace.Agreement agreement = new Trace.Agreement();
        for (Trace.Formats formats : Trace.Formats.others()) {
            int traces = LACKING ? 1 : Trace.TRACES;
            agreement.add(formats, Trace.Way.all(KERNELS, FLAT), 0, traces, Kernel.ONE_WIDTH ? 4 : 16);
            agreement.add(formats, Trace.Way.all(KERNELS, Trace.Place.others()), 0, traces, Kernel.ONE_WIDTH ? 4 : 16);
        }
        assertAgreed(agreement);
    }

    private static void agree(List<Trace.Place> places, int waysOfEach, int waysOfHuge) {
        List<Trace.Way> ways = Trace.Way.all(KERNELS, places);
        Trace.Agreement agreement = new Trace.Agreement();
        agreement.add(Trace.Formats.FLOAT32, ways, 0, LACKING ? 2 : Trace.HUGE, waysOfEach);
        if (!LACKING && waysOfHuge > 0) {
            agreement.add(Trace.Formats.FLOAT32, ways, Trace.HUGE, 1, waysOfHuge);
        }
        assertAgreed(agreement);
    }

    private static void assertAgreed(Trace.Agreement agreement) {
        System.out.println(agreement + " runs of traces");
        assertEquals(agreement.runs, agreement.agreed);
    }
}
