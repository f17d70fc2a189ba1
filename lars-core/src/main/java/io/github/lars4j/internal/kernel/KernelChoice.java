package io.github.lars4j.internal.kernel;

/**
 * Which kernels to use, and why.
 *
 * @param vector whether the vector kernels; the scalar ones otherwise
 * @param waits whether the choice is for now only, until the trial has ended
 * @param reason why, in words for the user
 */
public record KernelChoice(boolean vector, boolean waits, String reason) {

    /** The property that asks for kernels: {@code auto} (the default), {@code scalar} or {@code vector}. */
    public static final String KERNELS_PROPERTY = "lars4j.kernels";

    /** The wish that leaves the choice to the library; not setting the property means the same. */
    static final String AUTO = "auto";

    static final String SCALAR = "scalar";
    static final String VECTOR = "vector";

    /** The property that sets the width of vectors in bits: 128, 256 or 512; for tests. */
    public static final String BITS_PROPERTY = "lars4j.vectorBits";

    /** How the vector kernels have done against the scalar ones on scratch arrays. */
    public enum Trial {
        /** Not known yet. */
        PENDING,
        /** Seen to be faster. */
        FASTER,
        /** Not seen to be faster for as long as was tried. */
        SLOWER
    }

    /**
     * What the choice depends on.
     *
     * @param wish value of the property; {@link #AUTO} where it is not set
     * @param module whether module {@code jdk.incubator.vector} is there
     * @param linkError why the vector kernels do not link against it; {@code null} where they do, or where it is not
     *     there
     * @param jvm name of the JVM, as in {@code java.vm.name}
     * @param mode how the JVM runs, as in {@code java.vm.info}
     */
    public record Facts(String wish, boolean module, String linkError, String jvm, String mode) {}

    /**
     * Chooses. A pure function.
     *
     * @param trial how the vector kernels have done
     * @throws IllegalArgumentException if the wish is none of the three
     * @throws IllegalStateException if the wish is {@code vector} and cannot be met
     */
    public static KernelChoice from(Facts facts, Trial trial) {
        String obstacle = obstacle(facts);
        return switch (facts.wish()) {
            case SCALAR -> scalar("asked for by -D" + KERNELS_PROPERTY + "=scalar");
            case VECTOR -> {
                if (obstacle != null) {
                    throw new IllegalStateException("-D" + KERNELS_PROPERTY + "=vector cannot be met: " + obstacle);
                }
                yield vector("asked for by -D" + KERNELS_PROPERTY + "=vector");
            }
            case AUTO -> obstacle != null ? scalar(obstacle) : automatic(facts, trial);
            default ->
                throw new IllegalArgumentException(
                        "-D" + KERNELS_PROPERTY + " is \"" + facts.wish() + "\"; it must be auto, scalar or vector");
        };
    }

    private static KernelChoice scalar(String reason) {
        return new KernelChoice(false, false, reason);
    }

    private static KernelChoice vector(String reason) {
        return new KernelChoice(true, false, reason);
    }

    private static KernelChoice automatic(Facts facts, Trial trial) {
        // Without C2 every vector is an object, and the kernels are up to 140 times slower than the scalar ones.
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
            return "module jdk.incubator.vector is not there; add --add-modules jdk.incubator.vector to the java command";
        }
        if (facts.linkError() != null) {
            return "the vector kernels do not fit this JDK's jdk.incubator.vector: " + facts.linkError();
        }
        return null;
    }

    /**
     * The width asked for.
     *
     * @return bits; 0 where nothing is asked for
     * @throws IllegalArgumentException if it is none of the three
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
