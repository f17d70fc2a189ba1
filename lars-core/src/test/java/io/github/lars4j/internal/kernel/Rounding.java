package io.github.lars4j.internal.kernel;

/**
 * Bounds of the error of float arithmetic. With the unit roundoff u = 2⁻²⁴ and h = 2⁻¹⁵⁰, half the smallest float, and
 * without overflow, the float product of x and y is xy(1 + d) + e with |d| ≤ u and |e| ≤ h, where d or e is 0. The
 * float sum is (x + y)(1 + d), because sums that underflow are exact. The error of a term after k roundings is
 * therefore at most γₖ = ku / (1 - ku) times its magnitude, and every product adds at most h times the factors that
 * follow it.
 */
public final class Rounding {

    /** The unit roundoff u of a float. */
    public static final double U = 0x1p-24;

    /** The largest error h of a product that underflows. */
    public static final double H = 0x1p-150;

    private Rounding() {}

    /**
     * Returns the bound of the error of a sum of terms, which is γₖ times the terms plus (1 + γₖ) times the underflow.
     *
     * @param u the unit roundoff
     * @param roundings k
     * @param terms the sum of the magnitudes of the terms
     * @param underflow the sum of the errors of the products that may underflow
     */
    public static double bound(double u, int roundings, double terms, double underflow) {
        double gamma = roundings * u / (1 - roundings * u);
        return gamma * terms + underflow * (1 + gamma);
    }
}
