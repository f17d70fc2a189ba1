package io.github.lars4j.spark;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Something that goes wrong once in the computing of a gradient: at one micro-batch, in its first attempt. */
record Fault(Kind kind, String folder, long batch, int microBatch) implements MicroBatchGradient<float[][]> {

    enum Kind {
        /** The executor's process ends. */
        HALT,
        /** The function throws an exception. */
        THROW
    }

    @Override
    public double compute(float[] weights, float[][] partition, long batch, int microBatch, float[] gradient)
            throws IOException {
        if (batch == this.batch && microBatch == this.microBatch && first()) {
            switch (kind) {
                case HALT -> Runtime.getRuntime().halt(1);
                case THROW -> throw new IOException("on purpose");
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

    Path marker() {
        return Path.of(folder, kind + "-" + batch + "-" + microBatch);
    }
}
