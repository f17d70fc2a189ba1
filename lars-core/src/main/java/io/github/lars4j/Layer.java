package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.safetensors.SafeTensorsException;
import java.util.List;
import java.util.Objects;

/**
 * A layer: one tensor in the flat arrays, which has a trust ratio of its own. {@link Layers.Builder} creates layers and
 * computes their offsets. Immutable and safe for use by several threads.
 *
 * @param name the name, unique within a {@link Layers}
 * @param offset the index of the first element, 0 or more
 * @param shape the dimensions, outermost first, each 0 or more; empty for a scalar
 * @param length the number of elements, which is the product of the dimensions
 * @param treatment weight decay, adaptation and rate factor
 */
public record Layer(String name, long offset, List<Long> shape, long length, Treatment treatment) {

    /**
     * Checks the values.
     *
     * @throws NullPointerException if a value or a dimension is {@code null}
     * @throws IllegalArgumentException if an offset or dimension is negative, if the length is not the product of the
     *     dimensions, or if the product or the layer's end exceeds {@link Long#MAX_VALUE}
     */
    public Layer {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(treatment, "treatment");
        shape = Checks.copyOf("shape of layer \"" + name + "\"", shape);
        if (offset < 0) {
            throw new IllegalArgumentException(
                    "offset of layer " + SafeTensorsException.quote(name) + " is " + offset + "; it must be 0 or more");
        }
        if (length != elements(name, shape)) {
            throw new IllegalArgumentException("length of layer " + SafeTensorsException.quote(name) + " is " + length
                    + "; it must be " + elements(name, shape) + ", the product of its shape " + shape);
        }
        if (length > Long.MAX_VALUE - offset) {
            throw new IllegalArgumentException("length of layer " + SafeTensorsException.quote(name) + " is " + length
                    + "; at offset " + offset + " it must be at most " + (Long.MAX_VALUE - offset));
        }
    }

    /** Returns the index after the last element. */
    public long end() {
        return offset + length;
    }

    /** Returns this layer with another treatment. */
    public Layer withTreatment(Treatment other) {
        return new Layer(name, offset, shape, length, other);
    }

    /** Returns the product of the dimensions, or throws an exception that names the layer. */
    static long elements(String name, List<Long> shape) {
        long elements = 1;
        for (long dimension : shape) {
            if (dimension < 0) {
                throw new IllegalArgumentException("shape of layer " + SafeTensorsException.quote(name) + " is " + shape
                        + "; each dimension must be 0 or more");
            }
            if (Math.multiplyHigh(elements, dimension) != 0 || elements * dimension < 0) {
                throw new IllegalArgumentException("shape of layer " + SafeTensorsException.quote(name) + " is " + shape
                        + "; its product must be at most " + Long.MAX_VALUE);
            }
            elements *= dimension;
        }
        return elements;
    }
}
