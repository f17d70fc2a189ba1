package io.github.lars4j;

/** What became of one layer in one step. */
public enum Outcome {
    UPDATED("been updated"),
    /** It had no gradient this step and was left wholly alone. */
    NO_GRADIENT("no gradient"),
    /** Left alone: its gradient holds a NaN or an infinity. */
    BAD_GRADIENT("a gradient that is not finite"),
    /** Left alone: its weights hold a NaN or an infinity. */
    BAD_WEIGHTS("weights that are not finite"),
    /** Left alone: its trust ratio, or what follows from it, is not a finite float. */
    BAD_COEFFICIENT("a trust ratio or rate that is not finite"),
    /** Left alone because the whole step was refused on account of another layer. */
    HELD_BACK("been held back with the whole step"),
    /**
     * It was finite and was updated, and is no longer finite. Seen at once only where the sums of weights are carried.
     */
    OVERFLOWED("become non-finite in the update");

    private final String description;

    Outcome(String description) {
        this.description = description;
    }

    String description() {
        return description;
    }

    /** Whether something was not finite. */
    public boolean bad() {
        return this == BAD_GRADIENT || this == BAD_WEIGHTS || this == BAD_COEFFICIENT || this == OVERFLOWED;
    }

    /** Whether the layer's weights were written. */
    public boolean written() {
        return this == UPDATED || this == OVERFLOWED;
    }
}
