package io.github.lars4j.internal.kernel;

/**
 * The array code of a LARS step: one block of one layer at a time.
 *
 * <p>Two implementations, {@link ScalarKernels} (the reference, and the fallback) and {@link VectorKernels} (SIMD).
 * Given the same arguments they write the same bits, any NaN counting as equal to any NaN.
 *
 * <p><b>The summation order is the contract.</b> A sum is taken in double, in which the square of a float and the
 * product of two floats are exact. Within a block, element {@code i} goes to stripe {@code i mod 16}; every stripe
 * starts at +0.0; {@link Stripes#fold} adds the stripes up in one fixed tree. There is no unordered reduction, and no
 * fused multiply-add where it could change a bit, so every vector width and every machine gives the same sum.
 *
 * <p>The methods trust their arguments: ranges are checked once a step by the caller, who also makes sure that the
 * arrays are distinct. Implementations hold no state and may be used by several threads at once, each with its own
 * scratch.
 */
public sealed interface Kernels permits ScalarKernels, VectorKernels {

    /**
     * Sums of one block of two arrays, taken in one read of both.
     *
     * @param weights read at {@code [from, from + length)}
     * @param gradients read at the same place
     * @param from index of the block's first element
     * @param length elements in the block, 0 to {@link Stripes#BLOCK}
     * @param scratch {@link Stripes#SCRATCH} elements of working space, overwritten
     * @param sums receives the sums of w², g² and w·g at {@code [block]} of its three arrays
     * @param block where the block's sums are in them
     */
    void measure(float[] weights, float[] gradients, int from, int length, double[] scratch, BlockSums sums, int block);

    /**
     * The sum of squares of one block of one array; the same bits as {@link #measure} gives for it.
     *
     * @param values read at {@code [from, from + length)}
     * @param scratch as for {@link #measure}
     * @return the sum of squares
     */
    double squares(float[] values, int from, int length, double[] scratch);

    /**
     * The update of one block, with momentum: {@code p = A g + B w;  v = M v + p;  w = w - (P p + V v)}, each operation
     * rounded to float, in this order.
     *
     * @param weights read and written at {@code [from, from + length)}
     * @param gradients read at the same place
     * @param momentum read and written at the same place
     * @param a A, what a gradient counts on its way in
     * @param b B, what a weight counts on its way in (its decay)
     * @param m M, what is kept of the momentum
     * @param p P, what the incoming term counts on its way out (zero without Nesterov)
     * @param v V, what the momentum counts on its way out
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
     * As {@link #update(float[], float[], float[], int, int, float, float, float, float, float)}, and then {@link
     * #squares} of the weights written.
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
     * The update of one block without momentum: {@code w = w - P (A g + B w)}. No buffer is touched.
     *
     * @param weights read and written at {@code [from, from + length)}
     * @param gradients read at the same place
     */
    void update(float[] weights, float[] gradients, int from, int length, float a, float b, float p);
}
