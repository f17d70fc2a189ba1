package io.github.lars4j.rule;

import io.github.lars4j.internal.Checks;

/**
 * How one layer is treated; the three are independent of each other.
 *
 * @param decay whether weight decay applies
 * @param adapt whether the trust ratio applies; without, it is 1
 * @param rateFactor what the learning rate is multiplied by for this layer: finite, 0 or more
 */
public record Treatment(boolean decay, boolean adapt, double rateFactor) {

    /** Decay, adaptation, the learning rate as it is: what weights get. */
    public static final Treatment FULL = new Treatment(true, true, 1);

    /** No decay, no adaptation, the learning rate as it is: what biases and normalisation layers usually get. */
    public static final Treatment PLAIN = new Treatment(false, false, 1);

    /**
     * Checks the rate factor.
     *
     * @throws IllegalArgumentException if the rate factor is negative or not finite
     */
    public Treatment {
        Checks.atLeastZero("rateFactor", rateFactor);
    }

    /** This treatment with another rate factor. */
    public Treatment withRateFactor(double factor) {
        return new Treatment(decay, adapt, factor);
    }
}
