package io.github.lars4j.internal;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** Argument checks that several packages share. */
public final class Checks {

    private Checks() {}

    /**
     * Checks that a number is finite and at least 0.
     *
     * @param name the argument's name, for the message
     * @return {@code value}
     * @throws IllegalArgumentException if it is negative, infinite or NaN
     */
    public static double atLeastZero(String name, double value) {
        if (!(value >= 0 && value <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException(name + " is " + value + "; it must be finite and 0 or more");
        }
        return value;
    }

    /**
     * Checks that a number is finite and greater than 0.
     *
     * @param name the argument's name, for the message
     * @return {@code value}
     * @throws IllegalArgumentException if it is 0, negative, infinite or NaN
     */
    public static double positive(String name, double value) {
        if (!(value > 0 && value <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException(name + " is " + value + "; it must be finite and more than 0");
        }
        return value;
    }

    /**
     * Copies a list.
     *
     * @param name the argument's name, for the message
     * @return an immutable copy
     * @throws NullPointerException if the list or one of its elements is {@code null}
     */
    public static <T> List<T> copyOf(String name, List<T> list) {
        List<T> copy = new ArrayList<>(Objects.requireNonNull(list, name));
        int at = copy.indexOf(null);
        if (at >= 0) {
            throw new NullPointerException(name + " is null at " + at + "; no element may be null");
        }
        return List.copyOf(copy);
    }

    /**
     * Checks that a count is not below its minimum.
     *
     * @param least the minimum
     * @param name the argument's name, for the message
     * @return {@code value}
     * @throws IllegalArgumentException if it is less than {@code least}
     */
    public static long atLeast(long least, String name, long value) {
        if (value < least) {
            throw new IllegalArgumentException(name + " is " + value + "; it must be " + least + " or more");
        }
        return value;
    }

    /**
     * Checks that the calling thread can access a memory segment.
     *
     * @param name the argument's name, for the message
     * @throws NullPointerException if {@code segment} is {@code null}
     * @throws IllegalStateException if its arena is closed
     * @throws IllegalArgumentException if it is confined to another thread
     */
    public static void accessible(String name, MemorySegment segment) {
        if (!Objects.requireNonNull(segment, name).scope().isAlive()) {
            throw new IllegalStateException(name + " lies in an arena that is closed");
        }
        if (!segment.isAccessibleBy(Thread.currentThread())) {
            throw new IllegalArgumentException(name + " lies in an arena that is confined to another thread");
        }
    }
}
