package io.github.lars4j;

import io.github.lars4j.internal.memory.ElementType;
import io.github.lars4j.internal.memory.NativeMemory;
import java.lang.foreign.MemorySegment;

/**
 * The formats in which elements of {@link Tensors} are stored. Arithmetic is float32 in any case, and sums are double.
 *
 * <p>Weights are {@link #FLOAT32}, gradients have any format, the momentum is {@link #FLOAT32} or {@link #BFLOAT16}, and
 * copies of the weights are {@link #BFLOAT16}; another one is refused with an {@link IllegalArgumentException}.
 */
public enum Format {
    /** IEEE 754 single precision, 4 bytes: Java's {@code float}. */
    FLOAT32(ElementType.FLOAT32),
    /**
     * Brain floating point, 2 bytes: the upper half of a float32, with its range and 8 bits of precision. An array of it is
     * a {@code short[]}.
     */
    BFLOAT16(ElementType.BFLOAT16),
    /**
     * IEEE 754 half precision, 2 bytes: up to 65504, with 11 bits of precision. An array of it is a {@code short[]}; {@link
     * Float#floatToFloat16} converts an element.
     */
    FLOAT16(ElementType.FLOAT16);

    private final ElementType type;

    Format(ElementType type) {
        this.type = type;
    }

    /**
     * Returns the value of an element of this format. This is exact.
     *
     * @param bits the bits of the element
     * @throws UnsupportedOperationException if this is {@link #FLOAT32}
     */
    public float toFloat(short bits) {
        requireNarrow();
        return type.toFloat(bits);
    }

    /**
     * Returns the bits of the element of this format that is nearest to a value, the even one of two that are equally near.
     * A value beyond the range becomes infinity; NaN stays NaN.
     *
     * @throws UnsupportedOperationException if this is {@link #FLOAT32}
     */
    public short toShort(float value) {
        requireNarrow();
        return type.toShort(value);
    }

    private void requireNarrow() {
        if (this == FLOAT32) {
            throw new UnsupportedOperationException("FLOAT32 has no elements of 16 bits");
        }
    }

    /** Returns this format as the passes know it. */
    ElementType type() {
        return type;
    }

    /** Returns the size of an element in bytes. */
    int bytes() {
        return type.bytes();
    }

    /** Returns an element of a segment. */
    float get(MemorySegment segment, long index) {
        return this == FLOAT32
                ? segment.getAtIndex(NativeMemory.FLOAT, index)
                : type.toFloat(segment.getAtIndex(NativeMemory.SHORT, index));
    }

    /** Sets an element of a segment. */
    void set(MemorySegment segment, long index, float value) {
        if (this == FLOAT32) {
            segment.setAtIndex(NativeMemory.FLOAT, index, value);
        } else {
            segment.setAtIndex(NativeMemory.SHORT, index, type.toShort(value));
        }
    }
}
