package io.github.lars4j;

/**
 * What a step does if the gradient, the weights or the coefficients of a layer are not finite. Under every policy, such
 * a layer is not written. {@link Lars.Builder#onBadGradient} sets the policy.
 */
public enum OnBadGradient {
    /** The step changes nothing and throws a {@link NonFiniteException} that names the layer. */
    THROW,
    /** The step changes nothing, and its report says so; for trainers that then lower their loss scale. */
    REFUSE,
    /** The step leaves the layer unchanged and updates the others, and its report says so. */
    SKIP_LAYER
}
