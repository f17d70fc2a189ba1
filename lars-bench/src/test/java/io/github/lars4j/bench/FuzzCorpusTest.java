package io.github.lars4j.bench;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.arms.LayoutsFuzz;
import io.github.lars4j.bench.largebatch.IdxFileFuzz;
import io.github.lars4j.fuzz.Fuzzing;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** The fuzz targets on the inputs that were kept from the searches of the profile {@code fuzz}. */
class FuzzCorpusTest {

    @Test
    void layouts() throws IOException {
        int inputs = Fuzzing.replay(LayoutsFuzz.class, LayoutsFuzz::fuzzerTestOneInput);
        System.out.println(inputs + " layouts");
        assertTrue(inputs > 100, "too few to have been kept from a search");
    }

    @Test
    void idxFiles() throws IOException {
        int inputs = Fuzzing.replay(IdxFileFuzz.class, IdxFileFuzz::fuzzerTestOneInput);
        System.out.println(inputs + " IDX files");
        assertTrue(inputs > 100, "too few to have been kept from a search");
    }
}
