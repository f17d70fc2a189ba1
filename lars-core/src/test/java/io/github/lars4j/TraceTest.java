package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.kernel.KernelChoice;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Every {@link Trace} comes to the committed bits, whichever way it is run. */
@Tag("bits")
@Tag("no-mutants")
class TraceTest {

    /** Where the run is about a vector width, the scalar kernels have nothing to say. */
    private static final List<String> KERNELS =
            System.getProperty(KernelChoice.BITS_PROPERTY) == null ? List.of("scalar", "vector") : List.of("vector");

    @Test
    void tracesAreAsManyAsTheirHashesAndAllDifferent() {
        Set<String> different = new HashSet<>(Trace.expected());
        assertEquals(Trace.TRACES, Trace.expected().size());
        assertEquals(Trace.TRACES, different.size());
        assertTrue(Trace.TRACES * Trace.STEPS >= 50 * 50);
    }

    @Test
    void sameBits() {
        agree(KERNELS.size() == 2 ? 8 : 2);
    }

    @Test
    @Tag("slow")
    void sameBitsEveryWay() {
        agree(KERNELS.size() == 2 ? 512 : 32);
    }

    private static void agree(int waysOfEach) {
        List<Trace.Way> ways = Trace.Way.all(KERNELS);
        int[] agreed = Trace.agreement(ways, Trace.TRACES, Math.min(waysOfEach, ways.size()));
        System.out.printf("%d of %d runs of %d traces agreed%n", agreed[0], agreed[1], Trace.TRACES);
        assertEquals(agreed[1], agreed[0]);
    }
}
