package io.github.lars4j.bench.largebatch;

import io.github.lars4j.Lars;
import io.github.lars4j.StepReport;

/** What the two optimizers of the experiment have in common. One call at a time. */
interface Optimizer extends AutoCloseable {

    /** Takes a step: changes the weights by their gradients, which are laid out as they are. */
    void step(float[] weights, float[] gradients);

    /** What the rule multiplied a layer's learning rate by at the last step. */
    double trustRatio(int layer);

    /** Puts all that the next step depends on into a state, but for the weights. */
    void save(Trainer.State state);

    /** Goes on from a state that {@link #save} filled. */
    void restore(Trainer.State state);

    @Override
    void close();

    /** The library's LARS. */
    static Optimizer of(Lars lars) {
        return new Optimizer() {
            private StepReport report;

            @Override
            public void step(float[] weights, float[] gradients) {
                report = lars.step(weights, gradients);
            }

            @Override
            public double trustRatio(int layer) {
                return report.trustRatio(layer);
            }

            @Override
            public void save(Trainer.State state) {
                state.lars = lars.snapshot();
            }

            @Override
            public void restore(Trainer.State state) {
                lars.restore(state.lars);
            }

            @Override
            public void close() {
                lars.close();
            }
        };
    }
}
