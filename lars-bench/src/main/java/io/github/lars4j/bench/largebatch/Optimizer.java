package io.github.lars4j.bench.largebatch;

import io.github.lars4j.Checkpoint;
import io.github.lars4j.Lars;
import io.github.lars4j.StepReport;
import java.io.IOException;
import java.nio.file.Path;

/** What the two optimizers of the experiment have in common. One call at a time. */
interface Optimizer extends AutoCloseable {

    /** Takes a step: changes the weights by their gradients, which are laid out as they are. */
    void step(float[] weights, float[] gradients);

    /** What the rule multiplied a layer's learning rate by at the last step. */
    double trustRatio(int layer);

    /** Steps taken. */
    long steps();

    /** Saves the weights and all else that the next step depends on, in place of what the file was before. */
    void save(Path file, float[] weights) throws IOException;

    /** Goes back to what {@link #save} saved. */
    void restore(Path file, float[] weights) throws IOException;

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
            public long steps() {
                return lars.steps();
            }

            @Override
            public void save(Path file, float[] weights) throws IOException {
                Checkpoint.save(file, lars, weights);
            }

            @Override
            public void restore(Path file, float[] weights) throws IOException {
                Checkpoint.load(file).restore(lars, weights);
            }

            @Override
            public void close() {
                lars.close();
            }
        };
    }
}
