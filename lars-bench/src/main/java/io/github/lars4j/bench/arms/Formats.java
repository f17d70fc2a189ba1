package io.github.lars4j.bench.arms;

import io.github.lars4j.Format;
import io.github.lars4j.internal.kernel.CopyKernels;
import io.github.lars4j.internal.kernel.KernelKind;
import io.github.lars4j.internal.kernel.KernelSource;
import io.github.lars4j.internal.kernel.KernelWish;
import io.github.lars4j.internal.kernel.PlacedKernels;
import io.github.lars4j.internal.kernel.ScalarKernels;
import io.github.lars4j.internal.kernel.WideningKernels;
import io.github.lars4j.internal.memory.ElementType;
import java.util.List;

/**
 * The formats in which a benchmark keeps gradient and momentum.
 *
 * @param stochastic whether a bfloat16 momentum is rounded stochastically
 */
record Formats(Format gradients, Format momentum, boolean stochastic) {

    /** The seed of stochastic rounding. */
    static final long SEED = 1;

    private static final String STOCHASTIC = "bfloat16-stochastic";

    /**
     * Returns the formats that parameters name.
     *
     * @throws IllegalArgumentException if one of them is unknown
     */
    static Formats of(String gradientFormat, String momentumFormat) {
        requireOneOf("gradientFormat", gradientFormat, "float32", "bfloat16", "float16");
        requireOneOf("momentumFormat", momentumFormat, "float32", "bfloat16", STOCHASTIC);
        boolean stochastic = momentumFormat.equals(STOCHASTIC);
        return new Formats(format(gradientFormat), stochastic ? Format.BFLOAT16 : format(momentumFormat), stochastic);
    }

    private static Format format(String name) {
        return switch (name) {
            case "bfloat16" -> Format.BFLOAT16;
            case "float16" -> Format.FLOAT16;
            default -> Format.FLOAT32;
        };
    }

    /**
     * Requires a known value of a parameter.
     *
     * @throws IllegalArgumentException if it is none of the known ones
     */
    static void requireOneOf(String name, String value, String... values) {
        if (!List.of(values).contains(value)) {
            throw new IllegalArgumentException(
                    name + " is \"" + value + "\"; it must be one of " + String.join(", ", values));
        }
    }

    boolean areFloat32() {
        return gradients == Format.FLOAT32 && momentum == Format.FLOAT32;
    }

    /** Returns elements in a format: the array itself in float32, else a {@code short[]}, rounded to nearest. */
    static Object in(Format format, float[] values) {
        if (format == Format.FLOAT32) {
            return values;
        }
        short[] narrow = new short[values.length];
        for (int i = 0; i < narrow.length; i++) {
            narrow[i] = format.toShort(values[i]);
        }
        return narrow;
    }

    /** Returns the library's kernels for arrays in these formats. */
    PlacedKernels kernels(boolean vector) {
        KernelKind kind = new KernelKind(
                KernelKind.Place.OFFSETS,
                ElementType.valueOf(gradients.name()),
                ElementType.valueOf(momentum.name()),
                stochastic,
                false);
        KernelWish wish = new KernelWish(vector ? KernelWish.Wanted.VECTOR : KernelWish.Wanted.SCALAR, "the benchmark");
        PlacedKernels kernels = KernelSource.open(wish).placed(kind);
        if (kernels == null) {
            return new CopyKernels().with(ScalarKernels.INSTANCE, kind);
        }
        return gradients == Format.FLOAT16 ? new WideningKernels().with(kernels, kind) : kernels;
    }
}
