package io.github.lars4j.spark;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.locks.LockSupport;

/** Something that goes wrong once in the computing of a gradient: at one micro-batch, in its first attempt. */
record Fault(Kind kind, String folder, long batch, int microBatch) implements MicroBatchGradient<float[][]> {

    enum Kind {
        /** The executor's process ends. */
        HALT,
        /** The function throws an exception. */
        THROW,
        /** The first attempt waits until a second has computed the same gradient, if Spark starts a copy of its task. */
        WAIT_FOR_COPY
    }

    @Override
    public double compute(float[] weights, float[][] partition, long batch, int microBatch, float[] gradient)
            throws IOException {
        boolean here = batch == this.batch && microBatch == this.microBatch;
        if (here && !first()) {
            double loss = Problem.gradient(weights, partition, batch, microBatch, gradient);
            Files.write(copied(), new byte[0]);
            return loss;
        }
        if (here) {
            switch (kind) {
                case HALT -> Runtime.getRuntime().halt(1);
                case THROW -> throw new IOException("on purpose");
                case WAIT_FOR_COPY -> {
                    while (!Files.exists(copied())) {
                        LockSupport.parkNanos(1_000_000);
                    }
                }
            }
        }
        return Problem.gradient(weights, partition, batch, microBatch, gradient);
    }

    /** Whether nobody has been here before, in any process. */
    private boolean first() throws IOException {
        try {
            Files.createFile(marker());
            return true;
        } catch (FileAlreadyExistsException e) {
            return false;
        }
    }

    private Path copied() {
        return Path.of(folder, "copied");
    }

    Path marker() {
        return Path.of(folder, kind + "-" + batch + "-" + microBatch);
    }
}
