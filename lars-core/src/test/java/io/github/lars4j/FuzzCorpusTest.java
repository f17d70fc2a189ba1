package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.fuzz.Fuzzing;
import io.github.lars4j.safetensors.SafeTensorsFuzz;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** The fuzz targets on the inputs that were kept from the searches of the profile {@code fuzz}. */
class FuzzCorpusTest {

    @Test
    void safetensorsFiles() throws IOException {
        int inputs = Fuzzing.replay(SafeTensorsFuzz.class, SafeTensorsFuzz::fuzzerTestOneInput);
        System.out.println(inputs + " safetensors files");
        assertTrue(inputs > 100, "too few to have been kept from a search");
    }

    @Test
    void checkpoints() throws IOException {
        int inputs = Fuzzing.replay(CheckpointFuzz.class, CheckpointFuzz::fuzzerTestOneInput);
        System.out.println(inputs + " checkpoints");
        assertTrue(inputs > 50, "too few to have been kept from a search");
    }
}
