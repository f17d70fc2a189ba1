package io.github.lars4j.internal.kernel;

/** The kinds of memory that have vector kernels of their own. */
enum KernelKind {
    /** Arrays with one index for all, with {@link Kernels}. */
    ARRAYS(""),
    /** Arrays with an index each, with {@link PlacedKernels}. */
    OFFSETS("arrays with an index each: "),
    /** Memory outside the heap that is reached by address, with {@link PlacedKernels}. */
    OUTSIDE("outside the heap: ");

    /** What a line about kernels of this kind begins with. */
    final String prefix;

    KernelKind(String prefix) {
        this.prefix = prefix;
    }

    /** Returns scratch memory of this kind, for the trial. */
    KernelTrial.Here scratch() {
        return switch (this) {
            case ARRAYS -> new KernelTrial.Arrays();
            case OFFSETS -> new KernelTrial.Offsets();
            case OUTSIDE -> new KernelTrial.Outside();
        };
    }
}
