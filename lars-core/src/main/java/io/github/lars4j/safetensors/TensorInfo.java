package io.github.lars4j.safetensors;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * The description of one tensor in a header. Immutable and safe for use by several threads.
 *
 * @param name the name, unique in its file and not {@code __metadata__}
 * @param dtype the type of the elements
 * @param shape the dimensions, outermost first, each 0 or more; empty for a scalar. The list is copied
 * @param begin the position of the first byte, in bytes from the start of the data section, 0 or more
 * @param end the position after the last byte, in bytes from the start of the data section; {@code end - begin} is the
 *     size of the tensor in bytes
 */
public record TensorInfo(String name, Dtype dtype, List<Long> shape, long begin, long end) {

    /**
     * Checks the values.
     *
     * @throws NullPointerException if an argument or a dimension is {@code null}
     * @throws IllegalArgumentException if the name is {@code __metadata__}, if a dimension is negative, if the size of
     *     the tensor in bits exceeds {@link Long#MAX_VALUE} or is not a whole number of bytes, if {@code begin} is not
     *     in 0 to {@code end}, or if {@code end - begin} is not the size in bytes
     */
    public TensorInfo {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(dtype, "dtype");
        shape = copyOf(shape);
        if (name.equals(Header.METADATA_KEY)) {
            throw new IllegalArgumentException("name is \"" + Header.METADATA_KEY
                    + "\"; it must be another, because this is the key of the metadata");
        }
        long bytes = byteLength(name, dtype, shape);
        if (begin < 0 || begin > end) {
            throw new IllegalArgumentException("tensor " + SafeTensorsException.quote(name) + ": data_offsets is ["
                    + begin + ", " + end + "]; it must satisfy 0 <= begin <= end");
        }
        if (end - begin != bytes) {
            throw new IllegalArgumentException("tensor " + SafeTensorsException.quote(name) + ": data_offsets ["
                    + begin + ", " + end + "] span " + (end - begin) + " bytes; shape "
                    + SafeTensorsException.quote(shape) + " of " + dtype + " takes exactly " + bytes);
        }
    }

    /**
     * Returns the number of elements.
     *
     * @return the product of the dimensions, 1 for a scalar
     */
    public long elementCount() {
        // The constructor has checked that this product, computed in this order, does not overflow.
        long elements = 1;
        for (long dimension : shape) {
            elements *= dimension;
        }
        return elements;
    }

    /**
     * Returns the size of the tensor in bytes.
     *
     * @return {@code end - begin}
     */
    public long byteLength() {
        return end - begin;
    }

    /** Copies a shape and checks that no dimension is {@code null}. */
    static List<Long> copyOf(List<Long> shape) {
        List<Long> copy = new ArrayList<>(Objects.requireNonNull(shape, "shape"));
        int at = copy.indexOf(null);
        if (at >= 0) {
            throw new NullPointerException("shape is null at " + at + "; it must be in [0, " + Long.MAX_VALUE + "]");
        }
        return List.copyOf(copy);
    }

    /** Returns the size of a tensor in bytes. Checks the shape as the constructor describes. */
    static long byteLength(String name, Dtype dtype, List<Long> shape) {
        long bits = 1;
        try {
            // Multiplies the dimensions from left to right, as the reference implementation does: it refuses an
            // overflow even if a later dimension of 0 makes the tensor empty.
            for (long dimension : shape) {
                if (dimension < 0) {
                    throw new IllegalArgumentException("tensor " + SafeTensorsException.quote(name) + ": shape "
                            + SafeTensorsException.quote(shape) + " has dimension " + dimension
                            + "; it must be in [0, " + Long.MAX_VALUE + "]");
                }
                bits = Math.multiplyExact(bits, dimension);
            }
            bits = Math.multiplyExact(bits, (long) dtype.bitSize());
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException(
                    "tensor " + SafeTensorsException.quote(name) + ": shape " + SafeTensorsException.quote(shape)
                            + " of " + dtype + " overflows; it must take at most " + Long.MAX_VALUE + " bits",
                    e);
        }
        if (bits % Byte.SIZE != 0) {
            throw new IllegalArgumentException("tensor " + SafeTensorsException.quote(name) + ": shape "
                    + SafeTensorsException.quote(shape) + " of " + dtype + " takes " + bits
                    + " bits; it must take a multiple of 8");
        }
        return bits / Byte.SIZE;
    }
}
