package io.github.lars4j.rule;

import io.github.lars4j.internal.Checks;

/**
 * The treatment of one layer. The three values are independent of each other. Immutable and safe for use by several
 * threads.
 *
 * @param decay whether weight decay applies
 * @param adapt whether the trust ratio applies; if not, the ratio is 1
 * @param rateFactor the factor by which the layer's learning rate is multiplied: finite, 0 or more. With momentum, 0 does
 *     not freeze a layer if the rule's momentum contains the learning rate
 */
public record Treatment(boolean decay, boolean adapt, double rateFactor) {

    /** Weight decay, trust ratio and the unchanged learning rate. The treatment of weights. */
    public static final Treatment FULL = new Treatment(true, true, 1);

    /**
     * No weight decay, no trust ratio and the unchanged learning rate. The usual treatment of biases and normalisation
     * layers.
     */
    public static final Treatment PLAIN = new Treatment(false, false, 1);

    /**
     * Checks the rate factor.
     *
     * @throws IllegalArgumentException if the rate factor is negative or not finite
     */
    public Treatment {
        Checks.atLeastZero("rateFactor", rateFactor);
    }

    /** Returns this treatment with or without weight decay. */
    public Treatment withDecay(boolean other) {
        return new Treatment(other, adapt, rateFactor);
    }

    /** Returns this treatment with or without the trust ratio. */
    public Treatment withAdapt(boolean other) {
        return new Treatment(decay, other, rateFactor);
    }

    /**
     * Returns this treatment with another rate factor.
     *
     * @throws IllegalArgumentException if the factor is negative or not finite
     */
    public Treatment withRateFactor(double factor) {
        return new Treatment(decay, adapt, factor);
    }
}
