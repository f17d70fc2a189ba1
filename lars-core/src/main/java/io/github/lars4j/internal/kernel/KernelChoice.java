package io.github.lars4j.internal.kernel;

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
     * @param linkError why the vector kernels do not link against that module; {@code null} if they link, or if the
     *     module is absent
     * @param jvm the name of the JVM, the value of {@code java.vm.name}
     * @param mode the mode of the JVM, the value of {@code java.vm.info}
     */
    public record Facts(KernelWish wish, boolean module, String linkError, String jvm, String mode) {}

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
        // Without C2 every vector is an object, which makes the vector kernels up to 140 times slower than the scalar
        // kernels.
        if (!facts.jvm().contains("OpenJDK") && !facts.jvm().contains("HotSpot")) {
            return scalar("the JVM is " + facts.jvm() + "; only HotSpot's C2 is known to compile vectors");
        }
        if (facts.mode().contains("interpreted") || facts.mode().contains("emulated-client")) {
            return scalar("the JVM runs in " + facts.mode() + "; vectors need its C2 compiler");
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
        if (facts.linkError() != null) {
            return "the vector kernels do not fit this JDK's jdk.incubator.vector: " + facts.linkError();
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
