package io.github.lars4j.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.kernel.KernelChoice.Facts;
import io.github.lars4j.internal.kernel.KernelChoice.Trial;
import org.junit.jupiter.api.Test;

class KernelChoiceTest {

    private static final String HOTSPOT = "OpenJDK 64-Bit Server VM";
    private static final String MIXED = "mixed mode, sharing";
    private static final String LINK_ERROR = "java.lang.NoSuchMethodError: convertShape";

    private static final String ASKED_SCALAR = "asked for by -Dlars4j.kernels=scalar";
    private static final String ASKED_VECTOR = "asked for by -Dlars4j.kernels=vector";
    private static final String NO_MODULE =
            "module jdk.incubator.vector is missing; add --add-modules jdk.incubator.vector to the java command";
    private static final String NO_LINK =
            "the vector kernels do not fit this JDK's jdk.incubator.vector: java.lang.NoSuchMethodError: convertShape";

    private static KernelChoice choose(
            String wish, boolean module, String linkError, String jvm, String mode, Trial trial) {
        return KernelChoice.from(new Facts(KernelWish.of(wish), module, linkError, jvm, mode), trial);
    }

    private static void vector(String reason, KernelChoice choice) {
        assertEquals(new KernelChoice(true, false, reason), choice);
    }

    private static void scalar(String reason, KernelChoice choice) {
        assertEquals(new KernelChoice(false, false, reason), choice);
    }

    @Test
    void automaticFollowsTheTrial() {
        for (String jvm : new String[] {HOTSPOT, "Java HotSpot(TM) 64-Bit Server VM"}) {
            for (String mode : new String[] {MIXED, "mixed mode", "compiled mode, sharing"}) {
                vector(
                        "tried and seen to be faster than the scalar kernels",
                        choose("auto", true, null, jvm, mode, Trial.FASTER));
                scalar(
                        "the vector kernels were tried and were not faster",
                        choose("auto", true, null, jvm, mode, Trial.SLOWER));
                assertEquals(
                        new KernelChoice(false, true, "the vector kernels are still being compiled and tried"),
                        choose("auto", true, null, jvm, mode, Trial.PENDING));
            }
        }
    }

    @Test
    void automaticGoesByTheFirstObstacleWhateverTheTrial() {
        for (Trial trial : Trial.values()) {
            scalar(NO_MODULE, choose("auto", false, null, HOTSPOT, MIXED, trial));
            scalar(NO_MODULE, choose("auto", false, null, "Eclipse OpenJ9 VM", "interpreted mode", trial));
            scalar(NO_LINK, choose("auto", true, LINK_ERROR, HOTSPOT, MIXED, trial));
            scalar(NO_LINK, choose("auto", true, LINK_ERROR, "Eclipse OpenJ9 VM", MIXED, trial));
            scalar(
                    "the JVM is Eclipse OpenJ9 VM; only HotSpot's C2 is known to compile vectors",
                    choose("auto", true, null, "Eclipse OpenJ9 VM", MIXED, trial));
            scalar(
                    "the JVM runs in interpreted mode, sharing; vectors need its C2 compiler",
                    choose("auto", true, null, HOTSPOT, "interpreted mode, sharing", trial));
            scalar(
                    "the JVM runs in mixed mode, emulated-client, sharing; vectors need its C2 compiler",
                    choose("auto", true, null, HOTSPOT, "mixed mode, emulated-client, sharing", trial));
        }
    }

    @Test
    void scalarIsAlwaysMet() {
        for (Trial trial : Trial.values()) {
            scalar(ASKED_SCALAR, choose("scalar", true, null, HOTSPOT, MIXED, trial));
            scalar(ASKED_SCALAR, choose("scalar", false, null, HOTSPOT, MIXED, trial));
            scalar(ASKED_SCALAR, choose("scalar", true, LINK_ERROR, "Eclipse OpenJ9 VM", MIXED, trial));
        }
    }

    @Test
    void vectorIsMetWhereverItRunsHoweverSlowly() {
        for (Trial trial : Trial.values()) {
            vector(ASKED_VECTOR, choose("vector", true, null, HOTSPOT, MIXED, trial));
            vector(ASKED_VECTOR, choose("vector", true, null, HOTSPOT, "interpreted mode, sharing", trial));
            vector(ASKED_VECTOR, choose("vector", true, null, "Eclipse OpenJ9 VM", MIXED, trial));
        }
    }

    @Test
    void vectorThatCannotRunIsRefused() {
        String before = "-Dlars4j.kernels=vector cannot be met: ";
        for (Trial trial : Trial.values()) {
            assertEquals(
                    before + NO_MODULE,
                    assertThrows(
                                    IllegalStateException.class,
                                    () -> choose("vector", false, null, HOTSPOT, MIXED, trial))
                            .getMessage());
            assertEquals(
                    before + NO_LINK,
                    assertThrows(
                                    IllegalStateException.class,
                                    () -> choose("vector", true, LINK_ERROR, HOTSPOT, MIXED, trial))
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
