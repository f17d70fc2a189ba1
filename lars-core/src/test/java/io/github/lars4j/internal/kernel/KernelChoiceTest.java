package io.github.lars4j.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.kernel.KernelChoice.Facts;
import io.github.lars4j.internal.kernel.KernelChoice.Trial;
import org.junit.jupiter.api.Test;

class KernelChoiceTest {

    private static final String MIXED = "mixed mode, sharing";
    private static final String FAILURE = "java.lang.NoSuchMethodError: convertShape";

    private static final String ASKED_SCALAR = "asked for by -Dlars4j.kernels=scalar";
    private static final String ASKED_VECTOR = "asked for by -Dlars4j.kernels=vector";
    private static final String NO_MODULE =
            "module jdk.incubator.vector is missing; add --add-modules jdk.incubator.vector to the java command";
    private static final String FAILED =
            "the vector kernels do not run on this JVM: java.lang.NoSuchMethodError: convertShape";

    private static KernelChoice choose(String wish, boolean module, String failure, String mode, Trial trial) {
        return KernelChoice.from(new Facts(KernelWish.of(wish), module, failure, mode), trial);
    }

    private static void vector(String reason, KernelChoice choice) {
        assertEquals(new KernelChoice(true, false, reason), choice);
    }

    private static void scalar(String reason, KernelChoice choice) {
        assertEquals(new KernelChoice(false, false, reason), choice);
    }

    /** What OpenJ9 says of itself, in three lines. */
    private static String openJ9(String jit) {
        return "JRE 25 Linux amd64-64-Bit Compressed References 20251021_1 (JIT " + jit + ", AOT " + jit + ")\n"
                + "OpenJ9   - 0123456\nOMR      - 789abcd";
    }

    /** HotSpot, with Graal's compiler or its own, a native image, OpenJ9, and a JVM that does not say. */
    @Test
    void automaticFollowsTheTrial() {
        for (String mode :
                new String[] {MIXED, "mixed mode", "compiled mode, sharing", "serial gc", openJ9("enabled"), ""}) {
            vector(
                    "tried and seen to be faster than the scalar kernels",
                    choose("auto", true, null, mode, Trial.FASTER));
            scalar("the vector kernels were tried and were not faster", choose("auto", true, null, mode, Trial.SLOWER));
            assertEquals(
                    new KernelChoice(false, true, "the vector kernels are still being compiled and tried"),
                    choose("auto", true, null, mode, Trial.PENDING));
        }
    }

    @Test
    void automaticGoesByTheFirstObstacleWhateverTheTrial() {
        for (Trial trial : Trial.values()) {
            scalar(NO_MODULE, choose("auto", false, null, MIXED, trial));
            scalar(NO_MODULE, choose("auto", false, null, "interpreted mode", trial));
            scalar(FAILED, choose("auto", true, FAILURE, MIXED, trial));
            scalar(FAILED, choose("auto", true, FAILURE, "interpreted mode", trial));
            scalar(
                    "the JVM runs in interpreted mode, sharing; vectors need an optimizing compiler",
                    choose("auto", true, null, "interpreted mode, sharing", trial));
            scalar(
                    "the JVM runs in mixed mode, emulated-client, sharing; vectors need an optimizing compiler",
                    choose("auto", true, null, "mixed mode, emulated-client, sharing", trial));
            scalar(
                    "the JVM runs in " + openJ9("disabled").lines().findFirst().orElseThrow()
                            + "; vectors need an optimizing compiler",
                    choose("auto", true, null, openJ9("disabled"), trial));
        }
    }

    @Test
    void scalarIsAlwaysMet() {
        for (Trial trial : Trial.values()) {
            scalar(ASKED_SCALAR, choose("scalar", true, null, MIXED, trial));
            scalar(ASKED_SCALAR, choose("scalar", false, null, MIXED, trial));
            scalar(ASKED_SCALAR, choose("scalar", true, FAILURE, openJ9("enabled"), trial));
        }
    }

    @Test
    void vectorIsMetWhereverItRunsHoweverSlowly() {
        for (Trial trial : Trial.values()) {
            vector(ASKED_VECTOR, choose("vector", true, null, MIXED, trial));
            vector(ASKED_VECTOR, choose("vector", true, null, "interpreted mode, sharing", trial));
            vector(ASKED_VECTOR, choose("vector", true, null, openJ9("enabled"), trial));
        }
    }

    @Test
    void vectorThatCannotRunIsRefused() {
        String before = "-Dlars4j.kernels=vector cannot be met: ";
        for (Trial trial : Trial.values()) {
            assertEquals(
                    before + NO_MODULE,
                    assertThrows(IllegalStateException.class, () -> choose("vector", false, null, MIXED, trial))
                            .getMessage());
            assertEquals(
                    before + FAILED,
                    assertThrows(IllegalStateException.class, () -> choose("vector", true, FAILURE, MIXED, trial))
                            .getMessage());
        }
    }

    @Test
    void otherWishesAreRefused() {
        for (String wish : new String[] {"", "Vector", "simd", " scalar"}) {
            IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> KernelWish.of(wish));
            assertEquals("-Dlars4j.kernels is \"" + wish + "\"; it must be auto, scalar or vector", e.getMessage());
        }
    }

    @Test
    void vectorBits() {
        String before = System.getProperty(KernelChoice.BITS_PROPERTY);
        try {
            System.clearProperty(KernelChoice.BITS_PROPERTY);
            assertEquals(0, KernelChoice.vectorBits());
            for (int bits : new int[] {128, 256, 512}) {
                System.setProperty(KernelChoice.BITS_PROPERTY, Integer.toString(bits));
                assertEquals(bits, KernelChoice.vectorBits());
            }
            for (String bits : new String[] {"", "64", "1024", "0512", "256 ", "max", "-128"}) {
                System.setProperty(KernelChoice.BITS_PROPERTY, bits);
                assertEquals(
                        "-Dlars4j.vectorBits is \"" + bits + "\"; it must be 128, 256 or 512",
                        assertThrows(IllegalArgumentException.class, KernelChoice::vectorBits)
                                .getMessage());
                // If the module is present, KernelSource refuses it too.
                assertTrue(assertThrows(IllegalArgumentException.class, () -> KernelSource.open(KernelWish.of("auto")))
                        .getMessage()
                        .startsWith("-Dlars4j.vectorBits is"));
            }
        } finally {
            if (before == null) {
                System.clearProperty(KernelChoice.BITS_PROPERTY);
            } else {
                System.setProperty(KernelChoice.BITS_PROPERTY, before);
            }
        }
    }
}
