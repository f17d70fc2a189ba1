package io.github.lars4j.bench.replay;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Published LARS implementations and lars-core, side by side from the first step to the last. */
@Tag("locale")
class ReplayTest {

    private static final String KERNELS = "lars4j.kernels";

    static Stream<String> names() {
        return Recordings.names().stream();
    }

    @Test
    void thereAreRecordings() {
        assertEquals(25, Recordings.names().size());
    }

    @ParameterizedTest
    @MethodSource("names")
    void heldOnAllKernels(String name) throws IOException {
        Replay scalar = replay(name, "scalar");
        int layersOfAllSteps;
        try (Recording recording = Recording.open(Recordings.file(name))) {
            layersOfAllSteps = recording.steps() * recording.layers().size();
        }
        assertEquals(layersOfAllSteps, scalar.distances().size(), "every layer of every step");
        for (Replay.Distance distance : scalar.distances()) {
            assertTrue(distance.holds(), distance::toString);
        }
        assertTrue(scalar.holds());
        double worst = scalar.worstWeights().weights();
        assertTrue(worst > 0.3, () -> "a bound of which only " + worst + " is used bounds little");
        assertEquals(scalar.distances(), replay(name, "vector").distances(), "on scalar and on vector kernels");
    }

    private static Replay replay(String name, String kernels) throws IOException {
        String before = System.getProperty(KERNELS);
        System.setProperty(KERNELS, kernels);
        try (Recording recording = Recording.open(Recordings.file(name))) {
            Replay replay = Replay.of(recording);
            assertTrue(replay.kernels().startsWith(kernels), replay::kernels);
            return replay;
        } finally {
            if (before == null) {
                System.clearProperty(KERNELS);
            } else {
                System.setProperty(KERNELS, before);
            }
        }
    }
}
