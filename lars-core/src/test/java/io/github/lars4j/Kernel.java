package io.github.lars4j;

import java.util.function.Supplier;

/** Runs code with the scalar or the vector kernels. */
public final class Kernel {

    /**
     * Whether this JVM only repeats tests with vectors of a width. What does not depend on the width may then be left out.
     */
    static final boolean ONE_WIDTH = System.getProperty("lars4j.vectorBits") != null;

    private Kernel() {}

    /**
     * Returns what {@code made} supplies while the property asks for {@code kind}, {@code scalar} or {@code vector}.
     */
    public static <T> T with(String kind, Supplier<T> made) {
        String before = System.getProperty("lars4j.kernels");
        System.setProperty("lars4j.kernels", kind);
        try {
            return made.get();
        } finally {
            if (before == null) {
                System.clearProperty("lars4j.kernels");
            } else {
                System.setProperty("lars4j.kernels", before);
            }
        }
    }
}
