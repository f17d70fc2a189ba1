package io.github.lars4j.internal.memory;

/** The types of the elements of tensors. The arrays of the narrow types are {@code short[]}. */
public enum ElementType {
    FLOAT32(2),
    /** The upper half of a float32. */
    BFLOAT16(1),
    /** IEEE 754 binary16. */
    FLOAT16(1);

    private final int shift;

    ElementType(int shift) {
        this.shift = shift;
    }

    /** Returns the binary logarithm of the size in bytes. */
    public int shift() {
        return shift;
    }

    /** Returns the size in bytes. */
    public int bytes() {
        return 1 << shift;
    }

    /** Returns the value of the bits of a narrow element. This is exact. */
    public float toFloat(short bits) {
        return this == BFLOAT16 ? Bfloat16.toFloat(bits) : Float.float16ToFloat(bits);
    }

    /** Returns the bits of the nearest narrow element, the even one of two that are equally near. */
    public short toShort(float value) {
        return this == BFLOAT16 ? Bfloat16.of(value) : Float.floatToFloat16(value);
    }
}
