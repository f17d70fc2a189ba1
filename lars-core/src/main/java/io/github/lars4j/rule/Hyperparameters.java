package io.github.lars4j.rule;

import io.github.lars4j.internal.Checks;
import java.util.Objects;

/**
 * The numbers of an optimizer, all but its learning rate.
 *
 * @param rule the LARS that it is
 * @param trustCoefficient η: finite, more than 0
 * @param weightDecay β: finite, 0 or more
 * @param momentum μ: finite, 0 or more; 0 keeps no buffer
 * @param dampening δ: finite; what is left out of a gradient on its way into the momentum, but not on a layer's first
 *     step; without momentum it has no effect
 * @param nesterov whether the step looks ahead; needs momentum and no dampening
 * @param momentumCorrection whether the momentum is rescaled when the learning rate changes, as if it had been gathered
 *     at the new one (Goyal et al. 2017, section 3); for rules that enter into the velocity, the others need none
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
     * The library's defaults: the paper's rule; a trust coefficient of 0.001, as in most implementations; and, as in
     * {@code torch.optim.SGD} and the PyTorch snippet, no momentum, dampening or decay until asked for.
     */
    public static final Hyperparameters DEFAULT = new Hyperparameters(Dialects.PAPER, 0.001, 0, 0, 0, false, false);

    /**
     * Checks the values, and that they go together.
     *
     * @throws IllegalArgumentException if a value is out of its range, naming it
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
        if (momentumCorrection && rule.entry() != Rule.Entry.VELOCITY) {
            throw new IllegalArgumentException("momentumCorrection is true with a rule that enters at " + rule.entry()
                    + "; it must be false there, where the momentum does not contain the learning rate");
        }
    }

    /** These with another rule; momentum correction is kept where the other rule has a use for it. */
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
