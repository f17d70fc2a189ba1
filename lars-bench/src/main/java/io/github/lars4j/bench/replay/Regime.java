package io.github.lars4j.bench.replay;

import io.github.lars4j.Schedule;
import io.github.lars4j.Settings;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * What some layers of a recording were run with. After the last step its values begin again, for runs that repeat the
 * gradients.
 *
 * @param steps the hyperparameters of each step, all with the same rule
 * @param rates the learning rate of each step
 */
record Regime(List<Hyperparameters> steps, List<Double> rates) {

    Rule rule() {
        return steps.get(0).rule();
    }

    /** Whether there is momentum in any step. */
    boolean hasMomentum() {
        return steps.stream().anyMatch(hyper -> hyper.momentum() != 0);
    }

    /** Whether Nesterov momentum is on, although it has no effect in steps without momentum. */
    boolean nesterov() {
        return steps.stream().anyMatch(Hyperparameters::nesterov);
    }

    /** Returns settings with all of this. */
    Settings settings(Settings others) {
        return others.rule(rule())
                .trustCoefficient(schedule(Hyperparameters::trustCoefficient))
                .weightDecay(schedule(Hyperparameters::weightDecay))
                .momentum(schedule(Hyperparameters::momentum))
                .dampening(steps.get(0).dampening())
                .nesterov(nesterov())
                .learningRate(learningRate());
    }

    Schedule learningRate() {
        return step -> rates.get((int) (step % rates.size()));
    }

    /** Returns a value as a function of the step; a constant one if it is the same in all steps. */
    Schedule schedule(ToDoubleFunction<Hyperparameters> value) {
        double first = value.applyAsDouble(steps.get(0));
        return steps.stream().allMatch(hyper -> value.applyAsDouble(hyper) == first)
                ? Schedule.constant(first)
                : step -> value.applyAsDouble(steps.get((int) (step % steps.size())));
    }
}
