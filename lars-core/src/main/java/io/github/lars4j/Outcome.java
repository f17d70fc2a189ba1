package io.github.lars4j;

/** What a step did with one layer. */
public enum Outcome {
    /** The layer was updated. */
    UPDATED("been updated"),
    /** The layer had no gradient in this step and was not changed. */
    NO_GRADIENT("no gradient"),
    /** The gradient contains a NaN or an infinity. The layer was not changed. */
    BAD_GRADIENT("a gradient that is not finite"),
    /** The weights contain a NaN or an infinity. The layer was not changed. */
    BAD_WEIGHTS("weights that are not finite"),
    /** The trust ratio, or a coefficient computed from it, is not a finite float. The layer was not changed. */
    BAD_COEFFICIENT("a trust ratio or rate that is not finite"),
    /** The whole step was refused because of another layer. The layer was not changed. */
    HELD_BACK("been held back with the whole step"),
    /**
     * The layer was finite and was updated, and its weights are no longer finite. A step reports this only with {@link
     * Lars.Builder#carrySums}; otherwise the next step reports {@link #BAD_WEIGHTS}. Or its momentum was rounded to
     * {@link Format#BFLOAT16} and is no longer finite, which every step reports: restore an earlier state then, because the
     * next step would make the weights infinite. No {@link OnBadGradient} refuses such a step or throws because of it.
     */
    OVERFLOWED("become non-finite in the update");

    private final String description;

    Outcome(String description) {
        this.description = description;
    }

    String description() {
        return description;
    }

    /** Returns whether a gradient, weight or coefficient of the layer was not finite, or its momentum after rounding. */
    public boolean bad() {
        return this == BAD_GRADIENT || this == BAD_WEIGHTS || this == BAD_COEFFICIENT || this == OVERFLOWED;
    }

    /** Returns whether the layer's weights were written. */
    public boolean written() {
        return this == UPDATED || this == OVERFLOWED;
    }
}
