package io.github.lars4j;

/** A layer held a NaN or an infinity. It was seen before anything was written: nothing has changed. */
public final class NonFiniteException extends ArithmeticException {

    private static final long serialVersionUID = 1;

    private final String layer;
    private final Outcome outcome;

    NonFiniteException(String layer, Outcome outcome) {
        super("layer \"" + layer + "\" has " + outcome.description() + "; nothing was changed");
        this.layer = layer;
        this.outcome = outcome;
    }

    /** Name of the first layer that is not finite. */
    public String layer() {
        return layer;
    }

    /**
     * What of it is not finite: {@link Outcome#BAD_GRADIENT}, {@link Outcome#BAD_WEIGHTS} or {@link
     * Outcome#BAD_COEFFICIENT}.
     */
    public Outcome outcome() {
        return outcome;
    }
}
