package io.github.lars4j.internal.kernel;

import io.github.lars4j.internal.memory.ElementType;
import java.util.Locale;

/**
 * A kind of kernels: those for operands at a place, in their formats. Weights are always float32.
 *
 * @param place where the operands lie
 * @param gradients the type of the gradient
 * @param momentum the type of the momentum, {@link ElementType#FLOAT32} or {@link ElementType#BFLOAT16}
 * @param stochastic whether a bfloat16 momentum is rounded stochastically, else to nearest even
 * @param halves whether bfloat16 copies of the weights are written, too
 */
public record KernelKind(Place place, ElementType gradients, ElementType momentum, boolean stochastic, boolean halves) {

    /** Where operands lie. */
    public enum Place {
        /** Arrays of float32 with one index for all, with {@link Kernels}. */
        ARRAYS(""),
        /** Arrays with an index each, with {@link PlacedKernels}. */
        OFFSETS("arrays with an index each"),
        /** Memory outside the heap that is reached by address, with {@link PlacedKernels}. */
        OUTSIDE("outside the heap");

        private final String words;

        Place(String words) {
            this.words = words;
        }
    }

    private static final int TYPES = ElementType.values().length;

    private static final KernelKind[] ALL = all();

    /** Arrays of float32 with one index for all. */
    static final KernelKind ARRAYS = float32(Place.ARRAYS);

    /** Returns the kind at a place whose gradient and momentum are float32. */
    public static KernelKind float32(Place place) {
        return of(place, ElementType.FLOAT32, ElementType.FLOAT32, false, false);
    }

    /** Returns the kind with these components; a float32 momentum is not rounded. This allocates nothing. */
    public static KernelKind of(
            Place place, ElementType gradients, ElementType momentum, boolean stochastic, boolean halves) {
        return ALL[index(place, gradients, momentum, stochastic && momentum != ElementType.FLOAT32, halves)];
    }

    private static int index(
            Place place, ElementType gradients, ElementType momentum, boolean stochastic, boolean halves) {
        int formats = (place.ordinal() * TYPES + gradients.ordinal()) * TYPES + momentum.ordinal();
        return 4 * formats + (stochastic ? 2 : 0) + (halves ? 1 : 0);
    }

    private static KernelKind[] all() {
        KernelKind[] all = new KernelKind[Place.values().length * TYPES * TYPES * 4];
        for (Place place : Place.values()) {
            for (ElementType gradients : ElementType.values()) {
                for (ElementType momentum : ElementType.values()) {
                    for (int i = 0; i < 4; i++) {
                        KernelKind kind = new KernelKind(place, gradients, momentum, i >= 2, i % 2 == 1);
                        all[index(place, gradients, momentum, kind.stochastic, kind.halves)] = kind;
                    }
                }
            }
        }
        return all;
    }

    /** Returns whether gradient and momentum are float32. */
    public boolean isFloat32() {
        return gradients == ElementType.FLOAT32 && momentum == ElementType.FLOAT32;
    }

    /** Returns what a line about kernels of this kind begins with. */
    String prefix() {
        StringBuilder words = new StringBuilder(place.words);
        add(words, gradients, " gradient");
        add(words, momentum, stochastic ? " momentum, stochastic rounding" : " momentum");
        add(words, halves ? ElementType.BFLOAT16 : ElementType.FLOAT32, " copies of the weights");
        return words.isEmpty() ? "" : words + ": ";
    }

    private static void add(StringBuilder words, ElementType type, String of) {
        if (type != ElementType.FLOAT32) {
            words.append(", ").append(type.name().toLowerCase(Locale.ROOT)).append(of);
        }
    }

    /**
     * Returns the kernels of this kind, if it is not {@link #ARRAYS}. Those of a float16 gradient read the widened one, and
     * {@link WideningKernels} run them.
     */
    PlacedKernels placed(boolean vector) {
        ElementType read = gradients == ElementType.FLOAT16 ? ElementType.FLOAT32 : gradients;
        return GeneratedKernels.of(vector, place + " " + read + " " + (stochastic ? "STOCHASTIC" : momentum));
    }

    /** Returns scratch memory of this kind, for the trial. */
    KernelTrial.Here scratch() {
        return switch (place) {
            case ARRAYS -> new KernelTrial.Arrays();
            case OFFSETS -> KernelTrial.Placed.offsets(this);
            case OUTSIDE -> KernelTrial.Placed.outside(this);
        };
    }
}
