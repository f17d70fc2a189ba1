package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;

/**
 * The hyperparameters of some layers, with all groups and the treatment taken into account, and their numbers in the
 * present step. Layers with the same treatment in the same groups share a profile.
 */
final class Profile {

    final Rule rule;
    final boolean adapt;
    final double dampening;
    final boolean nesterov;
    final boolean momentumCorrection;
    /** Whether a step may use momentum. */
    final boolean mayHaveMomentum;
    /** Whether momentum is a schedule, so that steps with momentum and without may follow each other. */
    final boolean momentumVaries;

    private final Settings settings;
    private final boolean decays;
    private final double rateFactor;

    /** The learning rate of the step. */
    double learningRate;
    /** The trust coefficient of the step. */
    double trustCoefficient;
    /** The weight decay of the step; 0 if the treatment excludes it. */
    double decay;
    /** The momentum of the step. */
    double momentum;
    /** Whether the trust ratio of the step needs Σw·g. */
    boolean needsProducts;

    /**
     * Creates a profile.
     *
     * @param settings settings with all values; its learning rate is {@code null} if it is the optimizer's
     * @throws IllegalArgumentException if the product of the rate factors overflows
     */
    Profile(Settings settings, Treatment treatment) {
        this.settings = settings;
        this.rule = settings.rule();
        this.adapt = treatment.adapt();
        this.decays = treatment.decay();
        double factor = settings.rateFactor() == null ? 1 : settings.rateFactor();
        this.rateFactor = Checks.atLeastZero("rateFactor, with the treatment's,", treatment.rateFactor() * factor);
        this.dampening = settings.dampening();
        this.nesterov = settings.nesterov();
        this.momentumCorrection = settings.momentumCorrection();
        this.momentumVaries = !Settings.isNumber(settings.momentum());
        this.mayHaveMomentum = momentumVaries || settings.momentum().rate(0) != 0;
    }

    /** Returns the hyperparameters at a step. */
    Hyperparameters hyperparameters(long step) {
        return (decays ? settings : settings.weightDecay(0)).hyperparameters(step);
    }

    /** Returns whether the trust ratio of some step may need Σw·g. */
    boolean mayNeedProducts() {
        Schedule beta = settings.weightDecay();
        boolean mayDecay = decays && (!Settings.isNumber(beta) || beta.rate(0) != 0);
        return rule.needsProducts(adapt, mayDecay ? 1 : 0);
    }

    /**
     * Sets all numbers except the learning rate to those of a step.
     *
     * @throws IllegalArgumentException if a schedule returns a number out of range
     */
    void setStep(long step) {
        double eta = settings.trustCoefficient().rate(step);
        double beta = inRange("weightDecay", step, settings.weightDecay().rate(step));
        double mu = inRange("momentum", step, settings.momentum().rate(step));
        trustCoefficient =
                eta > 0 && eta <= Double.MAX_VALUE ? eta : Checks.positive("trustCoefficient of step " + step, eta);
        decay = decays ? beta : 0;
        momentum = mu;
        needsProducts = rule.needsProducts(adapt, decay);
    }

    /**
     * Sets the learning rate to that of a step.
     *
     * @param common the learning rate of the optimizer
     * @throws IllegalArgumentException if a schedule returns a number out of range
     */
    void setLearningRate(long step, double common) {
        learningRate = rateFactor * (settings.learningRate() == null ? common : rate(settings.learningRate(), step));
    }

    /** Returns the rate of a schedule in a step. */
    static double rate(Schedule schedule, long step) {
        return inRange("rate", step, schedule.rate(step));
    }

    /** As {@link Checks#atLeastZero}, but builds the message only on failure, because a step must not allocate. */
    private static double inRange(String name, long step, double value) {
        return value >= 0 && value <= Double.MAX_VALUE ? value : Checks.atLeastZero(name + " of step " + step, value);
    }

    /**
     * Returns the trust coefficient of the step if what it adds to the momentum is proportional to it, or 0. It is
     * recorded also without momentum correction, which a later change may turn on.
     */
    double coefficientToCorrect() {
        return coefficientToCorrect(trustCoefficient, decay, learningRate);
    }

    /**
     * Returns what {@link #coefficientToCorrect()} was in a step with a learning rate, if no hyperparameter has changed
     * since.
     */
    double coefficientToCorrect(double rate) {
        return coefficientToCorrect(
                settings.trustCoefficient().rate(0),
                decays ? settings.weightDecay().rate(0) : 0,
                rate);
    }

    private double coefficientToCorrect(double coefficient, double beta, double rate) {
        boolean proportional = adapt
                && (beta != 0 || rule.adaptWithoutDecay())
                && rule.ratio() != Rule.Ratio.UNIT
                && rule.ratio() != Rule.Ratio.OWN;
        return proportional && rate > 0 ? coefficient : 0;
    }

    /**
     * Returns the factor by which momentum correction multiplies the momentum.
     *
     * @param lastRate the learning rate of the layer's last step; 0 if it is unknown
     * @param lastCoefficient the {@link #coefficientToCorrect()} of the layer's last step
     */
    double correction(double lastRate, double lastCoefficient) {
        if (!momentumCorrection || momentum == 0 || !(lastRate > 0)) {
            return 1;
        }
        double coefficient = coefficientToCorrect();
        return learningRate / lastRate * (coefficient > 0 && lastCoefficient > 0 ? coefficient / lastCoefficient : 1);
    }
}
