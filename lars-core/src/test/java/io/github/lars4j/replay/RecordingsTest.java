package io.github.lars4j.replay;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Kernel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Published LARS implementations and this one, side by side. */
@Tag("locale")
@Tag("bits")
class RecordingsTest {

    static final List<String> NAMES = List.of(
            "apex-larc-15",
            "apex-larc-16",
            "barlow-17",
            "bolts-13",
            "bolts-14",
            "dampening-no-momentum",
            "dampening-no-momentum-no-decay",
            "long-200-optax",
            "long-200-seed",
            "one-element-optax",
            "one-element-seed",
            "one-element-timm",
            "optax-11",
            "optax-12",
            "seed-1",
            "seed-2",
            "seed-3",
            "seed-4",
            "seed-5",
            "seed-6",
            "seed-7",
            "shrink-timm",
            "timm-10",
            "timm-8",
            "timm-9");

    @TestFactory
    Stream<DynamicTest> heldOnScalarKernels() {
        return NAMES.stream().map(name -> DynamicTest.dynamicTest(name, () -> assertHeld(name, "scalar")));
    }

    @TestFactory
    Stream<DynamicTest> heldOnVectorKernels() {
        return NAMES.stream().map(name -> DynamicTest.dynamicTest(name, () -> assertHeld(name, "vector")));
    }

    private static void assertHeld(String name, String kernels) {
        Replay replay = replay(name, kernels);
        System.out.println(kernels + " " + replay.toString().replaceAll("^.*[/\\\\]", ""));
        assertEquals(layersOfAllSteps(name), replay.distances().size(), "every layer of every step");
        assertTrue(replay.kernels().startsWith(kernels), replay::kernels);
        for (Replay.Distance distance : replay.distances()) {
            assertTrue(distance.holds(), distance::toString);
        }
        assertTrue(replay.holds());
        double worst = replay.worstWeights().weights();
        assertTrue(worst > 0.3, () -> "a bound of which only " + worst + " is used bounds little");
    }

    private static int layersOfAllSteps(String name) {
        try (Recording recording = Recording.open(file(name))) {
            return recording.steps() * recording.layers().size();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void scalarAndVectorKernelsAreEquallyFarOff() {
        for (String name : NAMES) {
            assertEquals(
                    replay(name, "scalar").distances(), replay(name, "vector").distances(), name);
        }
    }

    private static Replay replay(String name, String kernels) {
        return Kernel.with(kernels, () -> {
            try (Recording recording = Recording.open(file(name))) {
                return Replay.of(recording);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    static Path file(String name) {
        try {
            return Path.of(RecordingsTest.class
                    .getResource("/recordings/" + name + ".safetensors")
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void noRecordingIsLeftOut() throws IOException {
        try (Stream<Path> files = Files.list(file("seed-1").getParent())) {
            assertEquals(
                    NAMES.stream().map(name -> name + ".safetensors").sorted().toList(),
                    files.map(path -> path.getFileName().toString()).sorted().toList());
        }
    }
}
