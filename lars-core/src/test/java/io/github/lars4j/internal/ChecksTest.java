package io.github.lars4j.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

/** The limits of the allowed values; an allowed value is returned unchanged. */
class ChecksTest {

    @Test
    void whatIsLetThroughComesBack() {
        for (double value : new double[] {0, Double.MIN_VALUE, 1, Double.MAX_VALUE}) {
            assertEquals(value, Checks.atLeastZero("x", value));
        }
        for (double value : new double[] {Double.MIN_VALUE, 1, Double.MAX_VALUE}) {
            assertEquals(value, Checks.positive("x", value));
        }
        assertEquals(-3, Checks.atLeast(-3, "n", -3));
        assertEquals(7, Checks.atLeast(-3, "n", 7));
    }

    @Test
    void whatIsNotIsRefusedByName() {
        for (double value : new double[] {-Double.MIN_VALUE, Double.POSITIVE_INFINITY, Double.NaN}) {
            assertEquals(
                    "x is " + value + "; it must be finite and 0 or more",
                    assertThrows(IllegalArgumentException.class, () -> Checks.atLeastZero("x", value))
                            .getMessage());
        }
        for (double value : new double[] {0, -1, Double.POSITIVE_INFINITY, Double.NaN}) {
            assertEquals(
                    "x is " + value + "; it must be finite and more than 0",
                    assertThrows(IllegalArgumentException.class, () -> Checks.positive("x", value))
                            .getMessage());
        }
        assertEquals(
                "n is 1; it must be 2 or more",
                assertThrows(IllegalArgumentException.class, () -> Checks.atLeast(2, "n", 1))
                        .getMessage());
    }
}
