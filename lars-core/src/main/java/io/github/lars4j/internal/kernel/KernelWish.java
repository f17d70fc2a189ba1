package io.github.lars4j.internal.kernel;

/**
 * Which kernels the user asks for.
 *
 * @param kernels the kernels
 * @param by what asks for them, in words for the user
 */
public record KernelWish(Wanted kernels, String by) {

    /** The property that asks for kernels: {@code auto} (the default), {@code scalar} or {@code vector}. */
    public static final String PROPERTY = "lars4j.kernels";

    /** What can be asked for. */
    public enum Wanted {
        /** The faster kernels, as far as the library can tell. */
        AUTO,
        /** The scalar kernels. */
        SCALAR,
        /** The vector kernels; it is an error if they cannot run. */
        VECTOR
    }

    /**
     * What the property asks for. Not setting it means {@code auto}.
     *
     * @throws IllegalArgumentException if it is none of the three
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
