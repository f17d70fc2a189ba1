package io.github.lars4j.bench.replay;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.arms.EightBit;
import io.github.lars4j.bench.command.CommandLineRun;
import io.github.lars4j.bench.replay.FormatDistance.Variant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Runs of recordings in narrow formats. */
@Tag("locale")
class FormatsCommandTest {

    /** More steps than the recordings have. */
    private static final int STEPS = 60;

    @Test
    void distancesAreOfTheSizeOfTheRoundingErrors() throws Exception {
        try (Recording recording = Recording.open(Recordings.file("seed-4"))) {
            assertTrue(recording.steps() < STEPS);
            float[] float32 = FormatDistance.run(recording, Variant.FLOAT32, STEPS);
            assertArrayEquals(float32, FormatDistance.run(recording, Variant.FLOAT32, STEPS), 0);
            FormatDistance none = FormatDistance.of(recording, float32, float32);
            assertEquals(new FormatDistance(0, 0, 0), none);
            Map<String, Double> way = new HashMap<>();
            for (Variant variant : Variant.all()) {
                FormatDistance distance = FormatDistance.of(recording, float32, variant, STEPS);
                assertTrue(distance.largest() > 0 && distance.largest() < 0.1, variant + " " + distance);
                way.put(variant.name(), distance.ofWay());
            }
            // Half an ulp: 2⁻⁹ of bfloat16, 2⁻¹² of float16, 2⁻⁵ of a dynamic code.
            assertTrue(way.get("gradient bfloat16") < 0x1p-9, way::toString);
            assertTrue(way.get("gradient float16") < way.get("gradient bfloat16") / 4, way::toString);
            assertTrue(way.get("momentum bfloat16, to nearest") < 0x1p-8, way::toString);
            assertTrue(way.get("momentum bfloat16, stochastic") < 0x1p-8, way::toString);
            for (EightBit code : EightBit.values()) {
                String name = "momentum " + code.format() + ", to nearest";
                assertTrue(way.get(name) > way.get("momentum bfloat16, to nearest"), way::toString);
                assertTrue(way.get(name) < 0x1p-4, way::toString);
            }
        }
    }

    @Test
    void theCommandPrintsALineForEachFormat() throws Exception {
        CommandLineRun run = CommandLineRun.of(
                new FormatsCommand(), "--steps", "5", Recordings.file("seed-4"), Recordings.file("optax-12"));
        assertEquals(0, run.code(), run.err());
        List<String> lines = run.out().lines().toList();
        for (Variant variant : Variant.all()) {
            assertTrue(
                    lines.stream()
                            .anyMatch(line -> line.matches(variant.name() + "( +[0-9]\\.[0-9]e-[0-9]+){6} +[12]")),
                    variant.name() + " in\n" + run.out());
        }
        assertTrue(run.out().contains("after 5 steps"), run.out());
    }

    @Test
    void whatCannotBeRunIsRefused() throws Exception {
        CommandLineRun.of(new FormatsCommand(), "absent").assertRefused("absent: cannot be opened");
        CommandLineRun.of(new FormatsCommand(), "--steps", "0", "absent")
                .assertRefused("--steps is 0; it must be in [1, 1000000]");
    }
}
