package io.github.lars4j;

/**
 * Thrown by a step under {@link OnBadGradient#THROW} if the gradient, the weights or the coefficients of a layer
 * contain a NaN or an infinity. The step has changed nothing.
 */
public final class NonFiniteException extends ArithmeticException {

    private static final long serialVersionUID = 1;

    private final String layer;
    private final Outcome outcome;

    NonFiniteException(String layer, Outcome outcome) {
        super("layer \"" + layer + "\" has " + outcome.description() + "; nothing was changed");
        this.layer = layer;
        this.outcome = outcome;
    }

    /** Returns the name of the first layer that is not finite. */
    public String layer() {
        return layer;
    }

    /**
     * Returns what is not finite: {@link Outcome#BAD_GRADIENT}, {@link Outcome#BAD_WEIGHTS} or {@link
     * Outcome#BAD_COEFFICIENT}.
     */
    public Outcome outcome() {
        return outcome;
    }
}
