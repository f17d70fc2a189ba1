package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import io.github.lars4j.rule.Treatment;
import java.util.List;
import java.util.Objects;

/**
 * One layer: a tensor in the flat array, with a trust ratio of its own.
 *
 * @param name unique within its {@link Layers}
 * @param offset index of its first element, 0 or more
 * @param shape its dimensions, each 0 or more; {@code [length]} where only the length was given
 * @param length its elements: the product of the shape
 * @param treatment decay, adaptation and rate factor
 */
public record Layer(String name, long offset, List<Long> shape, long length, Treatment treatment) {

    /**
     * Checks the values.
     *
     * @throws NullPointerException if a value, or a dimension, is {@code null}
     * @throws IllegalArgumentException if a value is out of its range, naming it
     */
    public Layer {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(treatment, "treatment");
        shape = Checks.copyOf("shape of layer \"" + name + "\"", shape);
        if (offset < 0) {
            throw new IllegalArgumentException(
                    "offset of layer \"" + name + "\" is " + offset + "; it must be 0 or more");
        }
        if (length != elements(name, shape)) {
            throw new IllegalArgumentException("length of layer \"" + name + "\" is " + length + "; its shape " + shape
                    + " makes it " + elements(name, shape));
        }
        if (length > Long.MAX_VALUE - offset) {
            throw new IllegalArgumentException("length of layer \"" + name + "\" is " + length + "; behind offset "
                    + offset + " it must be at most " + (Long.MAX_VALUE - offset));
        }
    }

    /** Index behind its last element. */
    public long end() {
        return offset + length;
    }

    /** This layer, treated otherwise. */
    public Layer withTreatment(Treatment other) {
        return new Layer(name, offset, shape, length, other);
    }

    static long elements(String name, List<Long> shape) {
        long elements = 1;
        for (long dimension : shape) {
            if (dimension < 0) {
                throw new IllegalArgumentException(
                        "shape of layer \"" + name + "\" is " + shape + "; each dimension must be 0 or more");
            }
            if (Math.multiplyHigh(elements, dimension) != 0 || elements * dimension < 0) {
                throw new IllegalArgumentException("shape of layer \"" + name + "\" is " + shape
                        + "; its elements must be at most " + Long.MAX_VALUE);
            }
            elements *= dimension;
        }
        return elements;
    }
}
