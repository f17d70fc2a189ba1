package io.github.lars4j.bench.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("locale")
class ForksTest {

    @Test
    void layoutsThatDoNotFitAreExplained() {
        String reason = Forks.obstacle(138_357_544, 2L << 30);
        assertTrue(reason != null && reason.contains("of this machine's 2,048 MiB"), reason);
        assertEquals(null, Forks.obstacle(138_357_544, 8L << 30));
        assertTrue(Forks.obstacle(3_000_000_000L, 1L << 40).contains("more than an array holds"));
    }

    @Test
    void forksGetTheModuleWhateverIsChosen() {
        for (var chosen : List.of(List.<String>of(), List.of("-Xmx1g", "-XX:+UseSerialGC", "--add-modules=x"))) {
            var flags = Forks.flags(1000, chosen);
            assertTrue(flags.contains("--add-modules=jdk.incubator.vector"), flags.toString());
            assertEquals(chosen.isEmpty(), flags.stream().anyMatch(f -> f.startsWith("-Xmx")), flags.toString());
            assertEquals(chosen.isEmpty(), flags.contains("-XX:+UseParallelGC"), flags.toString());
        }
    }
}
