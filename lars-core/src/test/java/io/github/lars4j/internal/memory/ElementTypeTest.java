package io.github.lars4j.internal.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.kernel.KernelOracle;
import org.junit.jupiter.api.Test;

/** The conversions of elements of the narrow types, against the definitions of their formats. */
class ElementTypeTest {

    /** The lower halves of floats that are at a bfloat16, beside one, at a tie and beside it. */
    private static final int[] LOWER = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};

    @Test
    void sizes() {
        assertEquals(4, ElementType.FLOAT32.bytes());
        assertEquals(2, ElementType.BFLOAT16.bytes());
        assertEquals(2, ElementType.FLOAT16.bytes());
        for (ElementType type : ElementType.values()) {
            assertEquals(type.bytes(), 1 << type.shift());
        }
    }

    @Test
    void allValuesWidenExactlyAndComeBack() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            short narrow = (short) bits;
            float wide = KernelOracle.bfloat16(narrow);
            same(wide, Bfloat16.toFloat(narrow));
            same(wide, ElementType.BFLOAT16.toFloat(narrow));
            same(KernelOracle.float16(narrow), ElementType.FLOAT16.toFloat(narrow));
            assertEquals(Float.isFinite(wide), Bfloat16.isFinite(narrow));
            assertEquals(Float.isFinite(wide), Bfloat16.isFinite(bits));
            if (!Float.isNaN(wide)) {
                assertEquals(narrow, Bfloat16.nearest(wide));
                assertEquals(narrow, ElementType.BFLOAT16.toShort(wide));
                assertEquals(narrow, Bfloat16.stochastic(wide, 0));
                assertEquals(narrow, Bfloat16.stochastic(wide, 0xffff));
            }
            float half = KernelOracle.float16(narrow);
            if (!Float.isNaN(half)) {
                assertEquals(narrow, ElementType.FLOAT16.toShort(half));
            }
        }
    }

    private static void same(float expected, float actual) {
        assertEquals(Float.floatToIntBits(expected), Float.floatToIntBits(actual));
    }

    @Test
    void floatsBetweenTwoBfloat16BecomeOneOfThem() {
        for (int upper = 0; upper < 1 << 16; upper++) {
            for (int lower : LOWER) {
                float value = Float.intBitsToFloat(upper << 16 | lower);
                if (Float.isNaN(value)) {
                    assertEquals(0x7fc0, Bfloat16.of(value));
                    assertEquals(0x7fc0, ElementType.BFLOAT16.toShort(value));
                    continue;
                }
                short nearest = KernelOracle.nearest(value);
                assertEquals(nearest, Bfloat16.nearest(value));
                assertEquals(nearest, Bfloat16.of(value));
                assertEquals(nearest, ElementType.BFLOAT16.toShort(value));
                for (int random : new int[] {0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff}) {
                    assertEquals(KernelOracle.stochastic(value, random), Bfloat16.stochastic(value, random));
                }
            }
        }
    }

    /** Of 65,536 random numbers, as many round up as the distance from the lower neighbour says. */
    @Test
    void stochasticRoundingIsUnbiased() {
        for (int lower : new int[] {0, 1, 2, 0x1234, 0x8000, 0xfffe, 0xffff}) {
            for (int sign : new int[] {0, 1 << 31}) {
                float value = Float.intBitsToFloat(0x3f810000 | lower | sign);
                int up = 0;
                for (int random = 0; random < 1 << 16; random++) {
                    up += (Bfloat16.stochastic(value, random) & 0x7fff) - 0x3f81;
                }
                assertEquals(lower, up);
            }
        }
    }

    /** As arithmetic gives it, with either sign. */
    @Test
    void nanStaysNan() {
        for (float nan : new float[] {Float.NaN, Float.intBitsToFloat(0xffc00000)}) {
            assertTrue(Float.isNaN(Bfloat16.toFloat(Bfloat16.nearest(nan))));
            assertTrue(Float.isNaN(Bfloat16.toFloat(Bfloat16.stochastic(nan, 0xffff))));
        }
        float payload = Float.intBitsToFloat(0x7fffffff);
        assertFalse(Bfloat16.isFinite(Bfloat16.of(payload)));
        assertTrue(Float.isNaN(ElementType.FLOAT16.toFloat(ElementType.FLOAT16.toShort(payload))));
    }

    @Test
    void float16RoundsToTheNearest() {
        // Half way between two float16, and beyond the largest.
        assertEquals(0x3c00, ElementType.FLOAT16.toShort(1 + 0x1p-11f));
        assertEquals(0x3c02, ElementType.FLOAT16.toShort(1 + 3 * 0x1p-11f));
        assertEquals(0x3c01, ElementType.FLOAT16.toShort(Math.nextUp(1 + 0x1p-11f)));
        assertEquals(0x7bff, ElementType.FLOAT16.toShort(65519));
        assertEquals(0x7c00, ElementType.FLOAT16.toShort(65520));
        assertEquals(0, ElementType.FLOAT16.toShort(0x1p-25f));
        assertEquals(1, ElementType.FLOAT16.toShort(Math.nextUp(0x1p-25f)));
    }
}
