package io.github.lars4j.bench.largebatch;

import java.io.IOException;
import java.nio.file.Path;

/** The common interface of the two optimizers. Not safe for use by several threads. */
interface Optimizer extends AutoCloseable {

    /** Takes a step: updates the weights. The gradients have the layout of the weights. */
    void step(float[] weights, float[] gradients);

    /** The trust ratio of a layer at the last step. */
    double trustRatio(int layer);

    /** Number of steps taken. */
    long steps();

    /** Saves the weights and the optimizer's state, replacing the file. */
    void save(Path file, float[] weights) throws IOException;

    /** Restores what {@link #save} saved. */
    void restore(Path file, float[] weights) throws IOException;

    @Override
    void close();
}
