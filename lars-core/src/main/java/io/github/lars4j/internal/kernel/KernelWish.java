package io.github.lars4j.internal.kernel;

/**
 * The kernels that the user asks for.
 *
 * @param kernels the kernels
 * @param by the setting that asks for them, as the user reads it: a builder call or a system property
 */
public record KernelWish(Wanted kernels, String by) {

    /** The system property that asks for kernels: {@code auto} (the default), {@code scalar} or {@code vector}. */
    public static final String PROPERTY = "lars4j.kernels";

    /** The choices. */
    public enum Wanted {
        /** The kernels that the library finds to be faster. */
        AUTO,
        /** The scalar kernels. */
        SCALAR,
        /** The vector kernels; it is an error if they cannot run. */
        VECTOR
    }

    /**
     * Returns what {@link #PROPERTY} asks for; {@code auto} if it is not set.
     *
     * @throws IllegalArgumentException if the property is not {@code auto}, {@code scalar} or {@code vector}
     */
    public static KernelWish ofProperty() {
        return of(System.getProperty(PROPERTY, "auto"));
    }

    static KernelWish of(String property) {
        Wanted kernels = switch (property) {
            case "auto" -> Wanted.AUTO;
            case "scalar" -> Wanted.SCALAR;
            case "vector" -> Wanted.VECTOR;
            default ->
                throw new IllegalArgumentException(
                        "-D" + PROPERTY + " is \"" + property + "\"; it must be auto, scalar or vector");
        };
        return new KernelWish(kernels, "-D" + PROPERTY + "=" + property);
    }
}
