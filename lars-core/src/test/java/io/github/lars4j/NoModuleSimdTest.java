package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The {@code simd} setting in a JVM without the incubator module. */
@Tag("no-module")
class NoModuleSimdTest {

    @Test
    void requiredSimdThatCannotRunIsRefused() {
        Lars.Builder builder = Lars.builder(Layers.builder().add("a", 1).build())
                .learningRate(1)
                .simd(Simd.REQUIRED);
        assertEquals(
                "simd(REQUIRED) cannot be met: module jdk.incubator.vector is missing;"
                        + " add --add-modules jdk.incubator.vector to the java command",
                assertThrows(IllegalStateException.class, builder::build).getMessage());
    }
}
