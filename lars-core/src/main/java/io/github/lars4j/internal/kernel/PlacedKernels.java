package io.github.lars4j.internal.kernel;

/**
 * {@link Kernels} for a block whose weights, gradient and momentum each lie at a place of their own. Two arguments give a
 * place: a base and a position. If the base is a {@code float[]}, or a {@code short[]} of a narrow format, the position is
 * an index. If it is a {@link java.lang.foreign.MemorySegment}, the position is an offset in bytes.
 *
 * <ul>
 *   <li>{@code OffsetScalarKernels…} and {@code OffsetVectorKernels…} work on arrays.
 *   <li>{@code NativeScalarKernels…} and {@code NativeVectorKernels…} reach memory outside the heap by address: the base
 *       is all memory, and the position an address.
 *   <li>{@link WideningKernels} widen a float16 gradient for one of these.
 *   <li>{@link CopyKernels} copies blocks to arrays and back, from and to places of any kind and format.
 * </ul>
 *
 * <p>The build generates the first two from {@link ScalarKernels} and {@link VectorKernels}, for each place, format of the
 * gradient and format of the momentum; only loads and stores differ. Weights are always float32.
 *
 * <p>Narrow elements are widened exactly, so that the bits are those of {@link Kernels} for the widened values. The methods
 * do not check their arguments: the caller makes sure that the places do not overlap and that memory outside the heap
 * stays allocated.
 */
public interface PlacedKernels {

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

    /** As {@link Kernels#squares(float[], float[], int, int, double[], BlockSums, int)}. */
    default void squares(
            Object weightsBase,
            long weightsAt,
            Object gradientsBase,
            long gradientsAt,
            int length,
            double[] scratch,
            BlockSums sums,
            int block) {
        sums.weights[block] = squares(weightsBase, weightsAt, length, scratch);
        sums.gradients[block] = gradientSquares(gradientsBase, gradientsAt, length, scratch);
    }

    /** As {@link Kernels#squares(float[], int, int, double[])}, of weights. */
    double squares(Object valuesBase, long valuesAt, int length, double[] scratch);

    /** As {@link Kernels#squares(float[], int, int, double[])}, of a gradient. */
    default double gradientSquares(Object gradientsBase, long gradientsAt, int length, double[] scratch) {
        return squares(gradientsBase, gradientsAt, length, scratch);
    }

    /**
     * As {@link Kernels#update(float[], float[], float[], int, int, float, float, float, float, float)}. A bfloat16
     * momentum is rounded when it is stored; the weight is updated with the momentum before that.
     *
     * @param rounding rounds the momentum, and takes note if an element is not finite after that; not used if the
     *     momentum is float32
     */
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
            float v,
            MomentumRounding rounding);

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
            MomentumRounding rounding,
            double[] scratch) {
        update(
                weightsBase,
                weightsAt,
                gradientsBase,
                gradientsAt,
                momentumBase,
                momentumAt,
                length,
                a,
                b,
                m,
                p,
                v,
                rounding);
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

    /** As {@link Kernels#round}. */
    void round(Object weightsBase, long weightsAt, Object halvesBase, long halvesAt, int length);
}
