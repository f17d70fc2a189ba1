package io.github.lars4j.safetensors;

import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The element types of safetensors files. The name of each constant is the name in the file. */
public enum Dtype {
    /** Boolean, one byte of 0 or 1. */
    BOOL(8),
    /** Unsigned integer, 1 byte. */
    U8(8),
    /** Signed integer, 1 byte. */
    I8(8),
    /** Signed integer, 2 bytes. */
    I16(16),
    /** Unsigned integer, 2 bytes. */
    U16(16),
    /** IEEE 754 half precision, 2 bytes. */
    F16(16),
    /** Brain floating point (the upper half of a binary32), 2 bytes. */
    BF16(16),
    /** Signed integer, 4 bytes. */
    I32(32),
    /** Unsigned integer, 4 bytes. */
    U32(32),
    /** IEEE 754 single precision, 4 bytes: Java's {@code float}. */
    F32(32),
    /** Signed integer, 8 bytes. */
    I64(64),
    /** Unsigned integer, 8 bytes. */
    U64(64),
    /** IEEE 754 double precision, 8 bytes: Java's {@code double}. */
    F64(64),
    /** Complex number of two single-precision parts, 8 bytes. */
    C64(64),
    /** 8-bit floating point, 5 exponent and 2 mantissa bits. */
    F8_E5M2(8),
    /** 8-bit floating point, 4 exponent and 3 mantissa bits. */
    F8_E4M3(8),
    /** 8-bit scale, 8 exponent bits. */
    F8_E8M0(8),
    /** 8-bit floating point, 5 exponent and 2 mantissa bits, without infinities and negative zero. */
    F8_E5M2FNUZ(8),
    /** 8-bit floating point, 4 exponent and 3 mantissa bits, without infinities and negative zero. */
    F8_E4M3FNUZ(8),
    /** 6-bit floating point, 2 exponent and 3 mantissa bits, packed. */
    F6_E2M3(6),
    /** 6-bit floating point, 3 exponent and 2 mantissa bits, packed. */
    F6_E3M2(6),
    /** 4-bit floating point, packed two to a byte. */
    F4(4);

    private static final Map<String, Dtype> BY_NAME =
            Stream.of(values()).collect(Collectors.toUnmodifiableMap(Enum::name, Function.identity()));

    private final int bitSize;

    Dtype(int bitSize) {
        this.bitSize = bitSize;
    }

    /**
     * Returns the size of one element.
     *
     * @return the size in bits, 4 to 64; not a multiple of 8 for the packed types
     */
    public int bitSize() {
        return bitSize;
    }

    static Optional<Dtype> named(String name) {
        return Optional.ofNullable(BY_NAME.get(name));
    }
}
