package io.github.lars4j.internal.kernel;

/**
 * The numeric code of a LARS step for {@code float[]}. Every method works on one block of one layer, whose weights,
 * gradient and momentum begin at the same index of three arrays. {@link PlacedKernels} are for all other places.
 *
 * <p>There are two implementations, {@link ScalarKernels} (the reference and the fallback) and {@link VectorKernels}
 * (SIMD). Given the same arguments, both write the same bits, where all NaNs count as equal.
 *
 * <p><b>The order of summation is part of the contract.</b> Sums are taken in double, in which the square of a float
 * and the product of two floats are exact. Within a block, element {@code i} is added to stripe {@code i mod 16}. Every
 * stripe starts at +0.0, and {@link Stripes#fold} adds the stripes in one fixed tree. No reduction is unordered, and a
 * fused multiply-add is used only where it cannot change a bit, so that every vector width and every machine gives the
 * same sum.
 *
 * <p>The methods do not check their arguments: the caller checks the ranges once per step and makes sure that the
 * arrays are distinct. Implementations have no state; several threads may use them at the same time, each with its own
 * scratch.
 */
public sealed interface Kernels permits ScalarKernels, VectorKernels {

    /**
     * Computes the three sums of one block in a single read of both arrays.
     *
     * @param weights read at {@code [from, from + length)}
     * @param gradients read at the same place
     * @param from the index of the block's first element
     * @param length the number of elements in the block, 0 to {@link Stripes#BLOCK}
     * @param scratch {@link Stripes#SCRATCH} elements of working space, overwritten
     * @param sums receives the sums of w², g² and w·g at {@code [block]} of its three arrays
     * @param block the index of the block's sums in those arrays
     */
    void measure(float[] weights, float[] gradients, int from, int length, double[] scratch, BlockSums sums, int block);

    /**
     * Computes the two sums of squares of one block as {@link #measure} does, with the same bits, and leaves out the sum of
     * w·g, which few rules need.
     */
    default void squares(
            float[] weights, float[] gradients, int from, int length, double[] scratch, BlockSums sums, int block) {
        sums.weights[block] = squares(weights, from, length, scratch);
        sums.gradients[block] = squares(gradients, from, length, scratch);
    }

    /**
     * Returns the sum of squares of one block of one array, with the same bits as {@link #measure} computes.
     *
     * @param values read at {@code [from, from + length)}
     * @param scratch as for {@link #measure}
     * @return the sum of squares
     */
    double squares(float[] values, int from, int length, double[] scratch);

    /**
     * Updates one block with momentum: {@code p = A g + B w;  v = M v + p;  w = w - (P p + V v)}, in this order, with
     * each operation rounded to float.
     *
     * @param weights read and written at {@code [from, from + length)}
     * @param gradients read at the same place
     * @param momentum read and written at the same place
     * @param a A, the factor of the gradient in p
     * @param b B, the factor of the weight in p (weight decay)
     * @param m M, the factor of the old momentum in the new momentum
     * @param p P, the factor of p in the update of the weight (0 without Nesterov)
     * @param v V, the factor of the new momentum in the update of the weight
     */
    void update(
            float[] weights,
            float[] gradients,
            float[] momentum,
            int from,
            int length,
            float a,
            float b,
            float m,
            float p,
            float v);

    /**
     * Updates one block as {@link #update(float[], float[], float[], int, int, float, float, float, float, float)}
     * does, and returns the {@link #squares} of the new weights.
     *
     * @param scratch as for {@link #measure}
     * @return the sum of squares of the new weights
     */
    default double updateAndSquare(
            float[] weights,
            float[] gradients,
            float[] momentum,
            int from,
            int length,
            float a,
            float b,
            float m,
            float p,
            float v,
            double[] scratch) {
        update(weights, gradients, momentum, from, length, a, b, m, p, v);
        return squares(weights, from, length, scratch);
    }

    /**
     * Updates one block without momentum: {@code w = w - P (A g + B w)}.
     *
     * @param weights read and written at {@code [from, from + length)}
     * @param gradients read at the same place
     */
    void update(float[] weights, float[] gradients, int from, int length, float a, float b, float p);

    /**
     * Rounds weights to the nearest bfloat16, the even one of two that are equally near; NaN becomes NaN.
     *
     * @param weights read at {@code [from, from + length)}
     * @param halves written at the same place
     */
    void round(float[] weights, short[] halves, int from, int length);
}
