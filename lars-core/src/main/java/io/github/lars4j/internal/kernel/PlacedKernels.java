package io.github.lars4j.internal.kernel;

/**
 * {@link Kernels} for a block whose weights, gradient and momentum each lie at a place of their own. Two arguments give a
 * place: a base and a position. If the base is a {@code float[]}, the position is an index. If it is a {@link
 * java.lang.foreign.MemorySegment}, the position is an offset in bytes.
 *
 * <ul>
 *   <li>{@code OffsetScalarKernels} and {@code OffsetVectorKernels} work on arrays.
 *   <li>{@code NativeScalarKernels} and {@code NativeVectorKernels} reach memory outside the heap by address: the base is
 *       all memory, and the position an address. The build generates these four from {@link ScalarKernels} and {@link
 *       VectorKernels}; only loads and stores differ.
 *   <li>{@link CopyKernels} copies blocks to arrays and back, from and to places of any kind.
 * </ul>
 *
 * <p>The bits are those of {@link Kernels}. The methods do not check their arguments: the caller makes sure that the
 * places do not overlap and that memory outside the heap stays allocated.
 */
public sealed interface PlacedKernels
        permits OffsetScalarKernels, OffsetVectorKernels, NativeScalarKernels, NativeVectorKernels, CopyKernels {

    /** As {@link Kernels#measure}. */
    void measure(
            Object weightsBase,
            long weightsAt,
            Object gradientsBase,
            long gradientsAt,
            int length,
            double[] scratch,
            BlockSums sums,
            int block);

    /** As {@link Kernels#squares}. */
    double squares(Object valuesBase, long valuesAt, int length, double[] scratch);

    /** As {@link Kernels#update(float[], float[], float[], int, int, float, float, float, float, float)}. */
    void update(
            Object weightsBase,
            long weightsAt,
            Object gradientsBase,
            long gradientsAt,
            Object momentumBase,
            long momentumAt,
            int length,
            float a,
            float b,
            float m,
            float p,
            float v);

    /** As {@link Kernels#updateAndSquare}. */
    default double updateAndSquare(
            Object weightsBase,
            long weightsAt,
            Object gradientsBase,
            long gradientsAt,
            Object momentumBase,
            long momentumAt,
            int length,
            float a,
            float b,
            float m,
            float p,
            float v,
            double[] scratch) {
        update(weightsBase, weightsAt, gradientsBase, gradientsAt, momentumBase, momentumAt, length, a, b, m, p, v);
        return squares(weightsBase, weightsAt, length, scratch);
    }

    /** As {@link Kernels#update(float[], float[], int, int, float, float, float)}. */
    void update(
            Object weightsBase,
            long weightsAt,
            Object gradientsBase,
            long gradientsAt,
            int length,
            float a,
            float b,
            float p);
}
