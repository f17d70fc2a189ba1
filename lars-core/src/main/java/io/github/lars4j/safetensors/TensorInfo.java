package io.github.lars4j.safetensors;

import io.github.lars4j.internal.Checks;
import java.util.List;
import java.util.Objects;

/**
 * What a header says of one tensor. Immutable, so safe to share between threads.
 *
 * @param name the tensor's name, any string but {@code __metadata__}, unique in its file
 * @param dtype the elements' type
 * @param shape the length of each dimension, outermost first, each at least 0; empty for a scalar. An immutable copy of
 *     what was given
 * @param begin position of the tensor's first byte, in bytes from the start of the data section, at least 0
 * @param end position after the tensor's last byte, in bytes from the start of the data section; {@code end - begin} is
 *     exactly what {@code shape} and {@code dtype} take
 */
public record TensorInfo(String name, Dtype dtype, List<Long> shape, long begin, long end) {

    /**
     * Creates a description whose parts agree with one another.
     *
     * @throws NullPointerException if an argument, or a dimension, is {@code null}
     * @throws IllegalArgumentException if the name is {@code __metadata__}, a dimension is negative, the size in bits
     *     of {@code shape} and {@code dtype} overflows a long or is no whole number of bytes, {@code begin} is not in 0
     *     to {@code end}, or {@code end - begin} is not the size in bytes
     */
    public TensorInfo {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(dtype, "dtype");
        shape = Checks.copyOf("shape", shape);
        if (name.equals(Header.METADATA_KEY)) {
            throw new IllegalArgumentException(
                    "name is \"" + Header.METADATA_KEY + "\", allowed is any other: it is that of the metadata");
        }
        long bytes = byteLength(name, dtype, shape);
        if (begin < 0 || begin > end) {
            throw new IllegalArgumentException("tensor " + SafeTensorsException.quote(name) + ": data_offsets is ["
                    + begin + ", " + end + "], allowed is 0 <= begin <= end");
        }
        if (end - begin != bytes) {
            throw new IllegalArgumentException("tensor " + SafeTensorsException.quote(name) + ": data_offsets ["
                    + begin + ", " + end + "] span " + (end - begin) + " bytes, shape "
                    + SafeTensorsException.quote(shape) + " of " + dtype + " takes exactly " + bytes);
        }
    }

    /**
     * The number of elements.
     *
     * @return the product of the dimensions, 1 for a scalar
     */
    public long elementCount() {
        // The constructor has checked that this product, taken in this order, does not overflow.
        long elements = 1;
        for (long dimension : shape) {
            elements *= dimension;
        }
        return elements;
    }

    /**
     * The size of the data.
     *
     * @return {@code end - begin}, in bytes
     */
    public long byteLength() {
        return end - begin;
    }

    /** The bytes that a tensor takes; refuses what {@link #TensorInfo} refuses of a shape. */
    static long byteLength(String name, Dtype dtype, List<Long> shape) {
        long bits = 1;
        try {
            // Dimensions first and left to right, as the reference multiplies: it refuses an overflow even where a
            // later dimension of 0 would make the tensor empty.
            for (long dimension : shape) {
                if (dimension < 0) {
                    throw new IllegalArgumentException("tensor " + SafeTensorsException.quote(name) + ": shape "
                            + SafeTensorsException.quote(shape) + " has dimension " + dimension
                            + ", allowed is 0 to " + Long.MAX_VALUE);
                }
                bits = Math.multiplyExact(bits, dimension);
            }
            bits = Math.multiplyExact(bits, (long) dtype.bitSize());
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException(
                    "tensor " + SafeTensorsException.quote(name) + ": shape " + SafeTensorsException.quote(shape)
                            + " of " + dtype + " overflows, allowed are at most " + Long.MAX_VALUE + " bits",
                    e);
        }
        if (bits % Byte.SIZE != 0) {
            throw new IllegalArgumentException("tensor " + SafeTensorsException.quote(name) + ": shape "
                    + SafeTensorsException.quote(shape) + " of " + dtype + " takes " + bits
                    + " bits, allowed are multiples of 8");
        }
        return bits / Byte.SIZE;
    }
}
