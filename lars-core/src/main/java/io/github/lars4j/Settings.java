package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import java.util.Objects;
import java.util.StringJoiner;

/**
 * Values of hyperparameters for a {@linkplain Lars.Builder#group group of layers}, or for {@linkplain Lars#change a
 * change between two steps}. A value that is not given stays what it is: that of the optimizer, or of a group before.
 *
 * <pre>{@code
 * Lars lars = Lars.builder(layers)
 *         .learningRate(0.1).momentum(0.9).weightDecay(1e-4)
 *         .group("biases", Pattern.compile("bias$"), g -> g.rateFactor(0.01))
 *         .build();
 * lars.change("biases", g -> g.rateFactor(0.02));
 * }</pre>
 *
 * <p>Weight decay, momentum and the trust coefficient may be schedules, as functions of the step number. A checkpoint
 * contains the numbers and not the schedules.
 *
 * <p>Each method returns settings with one more value, and throws a {@link NullPointerException} if it is {@code null}.
 * The method that the settings are given to checks them. Immutable and safe for use by several threads.
 */
public final class Settings {

    /** Settings without any value. */
    static final Settings NONE = new Settings();

    private Rule rule;
    private Schedule trustCoefficient;
    private Schedule weightDecay;
    private Schedule momentum;
    private Double dampening;
    private Boolean nesterov;
    private Boolean momentumCorrection;
    private Schedule learningRate;
    private Double rateFactor;
    private Double maxGradientNorm;

    private Settings() {}

    /** Returns settings with all values of an optimizer except its learning rate. */
    static Settings of(Hyperparameters hyper) {
        return NONE.rule(hyper.rule())
                .trustCoefficient(hyper.trustCoefficient())
                .weightDecay(hyper.weightDecay())
                .momentum(hyper.momentum())
                .dampening(hyper.dampening())
                .nesterov(hyper.nesterov())
                .momentumCorrection(hyper.momentumCorrection());
    }

    private Settings copy() {
        return NONE.with(this);
    }

    /** Returns these settings with the values that others give. */
    Settings with(Settings others) {
        Settings both = new Settings();
        both.rule = either(others.rule, rule);
        both.trustCoefficient = either(others.trustCoefficient, trustCoefficient);
        both.weightDecay = either(others.weightDecay, weightDecay);
        both.momentum = either(others.momentum, momentum);
        both.dampening = either(others.dampening, dampening);
        both.nesterov = either(others.nesterov, nesterov);
        both.momentumCorrection = either(others.momentumCorrection, momentumCorrection);
        both.learningRate = either(others.learningRate, learningRate);
        both.rateFactor = either(others.rateFactor, rateFactor);
        both.maxGradientNorm = either(others.maxGradientNorm, maxGradientNorm);
        return both;
    }

    private static <T> T either(T first, T second) {
        return first != null ? first : second;
    }

    Settings withoutLearningRate() {
        Settings without = copy();
        without.learningRate = null;
        return without;
    }

    /** Sets the variant of LARS. */
    public Settings rule(Rule rule) {
        Settings changed = copy();
        changed.rule = Objects.requireNonNull(rule, "rule");
        return changed;
    }

    /** Sets the trust coefficient η: finite, more than 0. */
    public Settings trustCoefficient(double trustCoefficient) {
        return trustCoefficient(new Schedules.Constant(trustCoefficient));
    }

    /** Sets the trust coefficient η as a function of the step. */
    public Settings trustCoefficient(Schedule trustCoefficient) {
        Settings changed = copy();
        changed.trustCoefficient = Objects.requireNonNull(trustCoefficient, "trustCoefficient");
        return changed;
    }

    /** Sets the weight decay β: finite, 0 or more. It does not apply to layers whose {@link Treatment} excludes it. */
    public Settings weightDecay(double weightDecay) {
        return weightDecay(new Schedules.Constant(weightDecay));
    }

    /** Sets the weight decay β as a function of the step. */
    public Settings weightDecay(Schedule weightDecay) {
        Settings changed = copy();
        changed.weightDecay = Objects.requireNonNull(weightDecay, "weightDecay");
        return changed;
    }

    /** Sets the momentum μ: finite, 0 or more. */
    public Settings momentum(double momentum) {
        return momentum(new Schedules.Constant(momentum));
    }

    /**
     * Sets the momentum μ as a function of the step. In a step in which it is 0, there is no momentum, and the momentum
     * gathered so far is lost, also that of layers without a gradient; a layer's next step with momentum starts from 0
     * and is not dampened.
     */
    public Settings momentum(Schedule momentum) {
        Settings changed = copy();
        changed.momentum = Objects.requireNonNull(momentum, "momentum");
        return changed;
    }

    /** Sets the dampening δ: finite. */
    public Settings dampening(double dampening) {
        Settings changed = copy();
        changed.dampening = dampening;
        return changed;
    }

    /** Sets whether to use Nesterov momentum, which requires momentum above 0 and dampening 0. */
    public Settings nesterov(boolean nesterov) {
        Settings changed = copy();
        changed.nesterov = nesterov;
        return changed;
    }

    /** Sets whether to use {@linkplain Hyperparameters#momentumCorrection momentum correction}. */
    public Settings momentumCorrection(boolean momentumCorrection) {
        Settings changed = copy();
        changed.momentumCorrection = momentumCorrection;
        return changed;
    }

    /** Sets the learning rate γ: finite, 0 or more. */
    public Settings learningRate(double rate) {
        return learningRate(new Schedules.Constant(rate));
    }

    /** Sets the learning rate γ as a function of the step. */
    public Settings learningRate(Schedule schedule) {
        Settings changed = copy();
        changed.learningRate = Objects.requireNonNull(schedule, "schedule");
        return changed;
    }

    /**
     * Sets a factor of the learning rate: finite, 0 or more. It multiplies that of the layer's {@link Treatment}. With
     * momentum, 0 does not freeze a layer if the rule's momentum contains the learning rate, since the momentum goes on;
     * {@link Gradients#missing} freezes it. Only for groups.
     */
    public Settings rateFactor(double factor) {
        Settings changed = copy();
        changed.rateFactor = factor;
        return changed;
    }

    /**
     * Sets the maximum norm of the gradient over the layers of the group: more than 0. The optimizer's own {@link
     * Lars.Builder#maxGradientNorm} then clips the other layers, by the norm over those, also if this one is infinite.
     * Only for groups, of which no two with a maximum norm may share a layer.
     */
    public Settings maxGradientNorm(double norm) {
        Settings changed = copy();
        changed.maxGradientNorm = norm;
        return changed;
    }

    // A value that is not given is null.

    Rule rule() {
        return rule;
    }

    Schedule trustCoefficient() {
        return trustCoefficient;
    }

    Schedule weightDecay() {
        return weightDecay;
    }

    Schedule momentum() {
        return momentum;
    }

    Double dampening() {
        return dampening;
    }

    Boolean nesterov() {
        return nesterov;
    }

    Boolean momentumCorrection() {
        return momentumCorrection;
    }

    Schedule learningRate() {
        return learningRate;
    }

    Double rateFactor() {
        return rateFactor;
    }

    /** Returns the maximum norm of the gradient; {@code NaN} if it is not given. */
    double maxGradientNorm() {
        return maxGradientNorm == null ? Double.NaN : maxGradientNorm;
    }

    /** Returns whether a value is a number. If not, it is a schedule or not given. */
    static boolean isNumber(Schedule value) {
        return value instanceof Schedules.Constant;
    }

    /** Returns whether a value is given and is a schedule. */
    static boolean isSchedule(Schedule value) {
        return value != null && !isNumber(value);
    }

    /**
     * Returns the hyperparameters at a step. If the momentum is 0 in it, by schedule, there is no Nesterov momentum.
     * Only for settings with all values.
     *
     * @throws IllegalArgumentException if a schedule returns a number out of range
     */
    Hyperparameters hyperparameters(long step) {
        double mu = momentum.rate(step);
        return new Hyperparameters(
                rule,
                trustCoefficient.rate(step),
                weightDecay.rate(step),
                mu,
                dampening,
                nesterov && mu != 0,
                momentumCorrection);
    }

    /**
     * Returns these settings, of an optimizer that is being restored, after the values of saved ones have replaced
     * them. Schedules, learning rate and maximum norm are kept.
     */
    Settings restoredFrom(Settings saved) {
        Settings restored = saved.copy();
        restored.trustCoefficient = restored(trustCoefficient, saved.trustCoefficient);
        restored.weightDecay = restored(weightDecay, saved.weightDecay);
        restored.momentum = restored(momentum, saved.momentum);
        restored.learningRate = learningRate;
        restored.maxGradientNorm = maxGradientNorm;
        return restored;
    }

    private static Schedule restored(Schedule present, Schedule saved) {
        return isSchedule(present) || isSchedule(saved) ? present : saved;
    }

    /**
     * Checks each value that is given.
     *
     * @throws IllegalArgumentException if one is out of its range
     */
    void requireRanges() {
        if (trustCoefficient instanceof Schedules.Constant constant) {
            Checks.positive("trustCoefficient", constant.rate());
        }
        if (weightDecay instanceof Schedules.Constant constant) {
            Checks.atLeastZero("weightDecay", constant.rate());
        }
        if (momentum instanceof Schedules.Constant constant) {
            Checks.atLeastZero("momentum", constant.rate());
        }
        if (dampening != null && !Double.isFinite(dampening)) {
            throw new IllegalArgumentException("dampening is " + dampening + "; it must be finite");
        }
        if (learningRate instanceof Schedules.Constant constant) {
            Checks.atLeastZero("rate", constant.rate());
        }
        if (rateFactor != null) {
            Checks.atLeastZero("rateFactor", rateFactor);
        }
        if (maxGradientNorm != null && !(maxGradientNorm > 0)) {
            throw new IllegalArgumentException("maxGradientNorm is " + maxGradientNorm + "; it must be more than 0");
        }
    }

    /**
     * Checks that no value is given that only groups have.
     *
     * @throws IllegalArgumentException if there is one
     */
    void requireForOptimizer() {
        if (rateFactor != null || maxGradientNorm != null) {
            throw new IllegalArgumentException(
                    (rateFactor != null ? "rateFactor is " + rateFactor : "maxGradientNorm is " + maxGradientNorm)
                            + "; it must not be given for the optimizer, only for a group");
        }
    }

    /**
     * Checks the values and their combination, for settings with all of them. A momentum by schedule counts as above 0.
     *
     * @throws IllegalArgumentException if a value is out of its range or contradicts another
     */
    void requireConsistent() {
        if (rule.shrink() && !isNumber(momentum)) {
            throw new IllegalArgumentException("momentum is a schedule with rule.shrink true; it must be 0");
        }
        new Hyperparameters(
                rule,
                isNumber(trustCoefficient) ? trustCoefficient.rate(0) : 1,
                isNumber(weightDecay) ? weightDecay.rate(0) : 0,
                isNumber(momentum) ? momentum.rate(0) : 0.5,
                dampening,
                nesterov,
                momentumCorrection);
    }

    /** Returns the values that are given, in the order of the methods, such as {@code weightDecay=0.0, nesterov=true}. */
    @Override
    public String toString() {
        StringJoiner text = new StringJoiner(", ");
        add(text, "rule", rule);
        add(text, "trustCoefficient", trustCoefficient);
        add(text, "weightDecay", weightDecay);
        add(text, "momentum", momentum);
        add(text, "dampening", dampening);
        add(text, "nesterov", nesterov);
        add(text, "momentumCorrection", momentumCorrection);
        add(text, "learningRate", learningRate);
        add(text, "rateFactor", rateFactor);
        add(text, "maxGradientNorm", maxGradientNorm);
        return text.toString();
    }

    private static void add(StringJoiner text, String name, Object value) {
        if (value != null) {
            text.add(name + "="
                    + switch (value) {
                        case Schedules.Constant constant -> constant.rate();
                        case Schedule schedule -> Schedules.print(schedule);
                        default -> value;
                    });
        }
    }
}
