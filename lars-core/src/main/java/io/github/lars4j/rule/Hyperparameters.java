package io.github.lars4j.rule;

import io.github.lars4j.internal.Checks;
import java.util.Objects;

/**
 * The hyperparameters of an optimizer, except its learning rate. Immutable and safe for use by several threads.
 *
 * @param rule the variant of LARS
 * @param trustCoefficient the trust coefficient η: finite, more than 0
 * @param weightDecay the weight decay β: finite, 0 or more
 * @param momentum the momentum μ: finite, 0 or more; with 0 there is no momentum buffer. It must be 0 with
 *     {@link Rule#shrink}
 * @param dampening the dampening δ: finite. Gradients enter the momentum buffer multiplied by 1 - δ, except on a
 *     layer's first step. Without momentum it has no effect
 * @param nesterov whether to use Nesterov momentum, which requires momentum above 0 and dampening 0
 * @param momentumCorrection whether to rescale the momentum when the learning rate changes, as if it had been
 *     accumulated with the new rate (Goyal et al. 2017, section 3); likewise for the trust coefficient. With a rate of 0
 *     the momentum becomes 0 and stays lost. Only for rules with {@link Rule.Entry#VELOCITY}; in the others the momentum
 *     does not contain the learning rate
 */
public record Hyperparameters(
        Rule rule,
        double trustCoefficient,
        double weightDecay,
        double momentum,
        double dampening,
        boolean nesterov,
        boolean momentumCorrection) {

    /**
     * The defaults: {@link Dialects#PAPER}; a trust coefficient of 0.001, as in most implementations; and, as in {@code
     * torch.optim.SGD}, no momentum, no dampening and no weight decay.
     */
    public static final Hyperparameters DEFAULT = new Hyperparameters(Dialects.PAPER, 0.001, 0, 0, 0, false, false);

    /**
     * Checks the values and their combination.
     *
     * @throws NullPointerException if {@code rule} is {@code null}
     * @throws IllegalArgumentException if a value is out of its range, or {@code nesterov} or {@code
     *     momentumCorrection} is true and its requirement is not met; the message names the value
     */
    public Hyperparameters {
        Objects.requireNonNull(rule, "rule");
        Checks.positive("trustCoefficient", trustCoefficient);
        Checks.atLeastZero("weightDecay", weightDecay);
        Checks.atLeastZero("momentum", momentum);
        if (!Double.isFinite(dampening)) {
            throw new IllegalArgumentException("dampening is " + dampening + "; it must be finite");
        }
        if (nesterov && (momentum == 0 || dampening != 0)) {
            throw new IllegalArgumentException("nesterov is true with momentum " + momentum + " and dampening "
                    + dampening + "; it needs momentum above 0 and dampening 0");
        }
        if (rule.shrink() && momentum != 0) {
            throw new IllegalArgumentException("momentum is " + momentum
                    + " with rule.shrink true; it must be 0, because" + " the shrinking would enter the momentum");
        }
        if (momentumCorrection && rule.entry() != Rule.Entry.VELOCITY) {
            throw new IllegalArgumentException("momentumCorrection is true with rule.entry " + rule.entry()
                    + "; it must be false unless rule.entry is VELOCITY, because only then the momentum contains the"
                    + " learning rate");
        }
    }

    /**
     * Returns these values with another rule. Momentum correction is turned off if the rule does not allow it.
     *
     * @throws NullPointerException if {@code other} is {@code null}
     * @throws IllegalArgumentException if there is momentum and the rule requires that there is none
     */
    public Hyperparameters withRule(Rule other) {
        Objects.requireNonNull(other, "rule");
        return new Hyperparameters(
                other,
                trustCoefficient,
                weightDecay,
                momentum,
                dampening,
                nesterov,
                momentumCorrection && other.entry() == Rule.Entry.VELOCITY);
    }
}
