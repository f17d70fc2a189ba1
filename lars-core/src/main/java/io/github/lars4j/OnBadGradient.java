package io.github.lars4j;

/** What a step does when a layer's gradient, weights or coefficients are not finite. It never writes them. */
public enum OnBadGradient {
    /** Changes nothing and throws a {@link NonFiniteException} that names the layer. */
    THROW,
    /** Changes nothing, and says so in the report; for trainers that then lower their loss scale. */
    REFUSE,
    /** Leaves that layer as it is, updates the others, and says so in the report. */
    SKIP_LAYER
}
