package io.github.lars4j.rule;

/**
 * The formula of a trust ratio of one's own; see {@link Rule#of}. For example, the ratio of the paper without weight
 * decay:
 *
 * <pre>{@code
 * Rule rule = Rule.of("bare", Rule.Entry.VELOCITY, false,
 *         (weightNorm, gradientNorm, products, trustCoefficient, weightDecay, learningRate, layer, step) ->
 *                 weightNorm == 0 || gradientNorm == 0 ? 1 : trustCoefficient * weightNorm / gradientNorm);
 * }</pre>
 *
 * <p>It is called once for each layer and step, on the thread that takes the step, between the two passes. It must not
 * call the optimizer. If it depends on nothing but its arguments, a run can be resumed with the same bits.
 */
@FunctionalInterface
public interface TrustRatio {

    /**
     * Returns the trust ratio of a layer: finite, 0 or more. Any other value counts as a coefficient that is not finite;
     * but {@linkplain Rule#withRatioBounds bounds} make an infinite one finite.
     * If it throws an exception, so does the step, and nothing has changed.
     *
     * @param weightNorm ‖w‖, finite
     * @param gradientNorm ‖g‖, after scale and clipping, finite
     * @param products Σw·g, with the gradient after scale and clipping; NaN if the rule does not need it
     * @param trustCoefficient η
     * @param weightDecay β of the layer: 0 if its treatment says so
     * @param learningRate γ of the layer in this step
     * @param layer the index of the layer
     * @param step the number of steps taken before this one
     */
    double of(
            double weightNorm,
            double gradientNorm,
            double products,
            double trustCoefficient,
            double weightDecay,
            double learningRate,
            int layer,
            long step);
}
