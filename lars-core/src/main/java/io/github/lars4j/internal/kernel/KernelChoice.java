package io.github.lars4j.internal.kernel;

import java.util.List;

/**
 * Which kernels to use, and why.
 *
 * @param vector {@code true} for the vector kernels, {@code false} for the scalar kernels
 * @param waits whether the choice is provisional, until the trial has ended
 * @param reason the reason, as the user reads it
 */
public record KernelChoice(boolean vector, boolean waits, String reason) {

    /** The system property that sets the vector width in bits, 128, 256 or 512; meant for tests. */
    public static final String BITS_PROPERTY = "lars4j.vectorBits";

    /** The result of timing the vector kernels against the scalar kernels on scratch arrays. */
    public enum Trial {
        /** The trial has not ended. */
        PENDING,
        /** The vector kernels were faster. */
        FASTER,
        /** The vector kernels were not faster within the time of the trial. */
        SLOWER
    }

    /**
     * The facts that the choice depends on.
     *
     * @param wish the kernels that the user asks for
     * @param module whether module {@code jdk.incubator.vector} is present
     * @param failure what the vector kernels threw; {@code null} if nothing, or if they were not run
     * @param mode the mode of the JVM, the value of {@code java.vm.info}; empty if there is none
     */
    public record Facts(KernelWish wish, boolean module, String failure, String mode) {}

    /**
     * What JVMs without an optimizing compiler say of themselves: HotSpot and Zero with an interpreter only, HotSpot
     * with C1 only, and OpenJ9 with an interpreter only. Every vector is then an object for ever.
     */
    private static final List<String> UNOPTIMIZED = List.of("interpreted", "emulated-client", "JIT disabled");

    /**
     * Chooses the kernels. This is a pure function.
     *
     * @param facts the facts of this JVM
     * @param trial the result of the trial so far
     * @return the choice
     * @throws IllegalStateException if the user asks for the vector kernels and they cannot run
     */
    public static KernelChoice from(Facts facts, Trial trial) {
        String obstacle = obstacle(facts);
        String by = facts.wish().by();
        return switch (facts.wish().kernels()) {
            case SCALAR -> scalar("asked for by " + by);
            case VECTOR -> {
                if (obstacle != null) {
                    throw new IllegalStateException(by + " cannot be met: " + obstacle);
                }
                yield vector("asked for by " + by);
            }
            case AUTO -> obstacle != null ? scalar(obstacle) : automatic(facts, trial);
        };
    }

    private static KernelChoice scalar(String reason) {
        return new KernelChoice(false, false, reason);
    }

    private static KernelChoice vector(String reason) {
        return new KernelChoice(true, false, reason);
    }

    private static KernelChoice automatic(Facts facts, Trial trial) {
        String mode = facts.mode().lines().findFirst().orElse(""); // OpenJ9 has several lines
        if (UNOPTIMIZED.stream().anyMatch(mode::contains)) {
            return scalar("the JVM runs in " + mode + "; vectors need an optimizing compiler");
        }
        return switch (trial) {
            case PENDING -> new KernelChoice(false, true, "the vector kernels are still being compiled and tried");
            case SLOWER -> scalar("the vector kernels were tried and were not faster");
            case FASTER -> vector("tried and seen to be faster than the scalar kernels");
        };
    }

    private static String obstacle(Facts facts) {
        if (!facts.module()) {
            return "module jdk.incubator.vector is missing; add --add-modules jdk.incubator.vector to the java command";
        }
        if (facts.failure() != null) {
            return "the vector kernels do not run on this JVM: " + facts.failure();
        }
        return null;
    }

    /**
     * Returns the vector width that {@link #BITS_PROPERTY} asks for.
     *
     * @return the width in bits, or 0 if the property is not set
     * @throws IllegalArgumentException if the property is not 128, 256 or 512
     */
    static int vectorBits() {
        String bits = System.getProperty(BITS_PROPERTY);
        return switch (bits) {
            case null -> 0;
            case "128", "256", "512" -> Integer.parseInt(bits);
            default ->
                throw new IllegalArgumentException(
                        "-D" + BITS_PROPERTY + " is \"" + bits + "\"; it must be 128, 256 or 512");
        };
    }
}
