package io.github.lars4j.rule;

import io.github.lars4j.internal.Checks;

/**
 * Bounds of a norm or of a trust ratio. Immutable and safe for use by several threads.
 *
 * @param least the least value: finite, 0 or more
 * @param most the greatest value: more than 0 and not less than {@code least}; may be infinite
 */
public record Bounds(double least, double most) {

    /** No bounds: 0 and infinity. */
    public static final Bounds NONE = new Bounds(0, Double.POSITIVE_INFINITY);

    /**
     * Checks the values.
     *
     * @throws IllegalArgumentException if a value is out of its range
     */
    public Bounds {
        Checks.atLeastZero("least", least);
        if (!(most > 0 && most >= least)) {
            throw new IllegalArgumentException(
                    "most is " + most + "; it must be more than 0, and least, " + least + ", or more");
        }
    }

    /** Returns the value within the bounds that is nearest to {@code value}; NaN if it is NaN. */
    public double of(double value) {
        return value < least ? least : value > most ? most : value;
    }
}
