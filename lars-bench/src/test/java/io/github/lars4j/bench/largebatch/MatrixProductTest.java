package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.api.Test;

class MatrixProductTest {

    /** Rows, columns, inner dimension: tiles and blocks that fit, that do not, and less than one of each. */
    private static final int[][] SIZES = {
        {1, 1, 1}, {8, 32, 256}, {7, 10, 5}, {97, 33, 257}, {192, 64, 512}, {100, 784, 300}, {513, 10, 129}
    };

    private final Random random = new Random(1);

    @Test
    void agreesWithDoubleSumsInAllThreeShapes() {
        try (MatrixProduct product = new MatrixProduct(1)) {
            for (int[] size : SIZES) {
                int m = size[0];
                int n = size[1];
                int k = size[2];
                float[] a = matrix(m * k);
                float[] b = matrix(k * n);
                float[] c = matrix(m * n);
                product.times(a, b, 0, c, m, n, k);
                requireProduct(c, new float[m * n], a, k, 1, b, n, 1, m, n, k);

                c = matrix(m * n);
                product.timesTransposed(a, b, 0, c, m, n, k);
                requireProduct(c, new float[m * n], a, k, 1, b, 1, k, m, n, k);

                c = matrix(m * n);
                float[] before = c.clone();
                product.addTransposedTimes(a, b, c, 0, m, n, k);
                requireProduct(c, before, a, 1, m, b, n, 1, m, n, k);
            }
        }
    }

    @Test
    void readsAndWritesAtTheOffsetAlone() {
        float[] a = {1, 2, 3};
        float[] b = {9, 9, 4, 5, 6, 9};
        float[] c = {7};
        try (MatrixProduct product = new MatrixProduct(1)) {
            product.times(a, b, 2, c, 1, 1, 3);
            assertEquals(32, c[0]);
            c[0] = 7;
            product.timesTransposed(a, b, 2, c, 1, 1, 3);
            assertEquals(32, c[0]);
            float[] sum = {7, 100, 7};
            product.addTransposedTimes(a, new float[] {4, 5, 6}, sum, 1, 1, 1, 3);
            assertArrayEquals(new float[] {7, 132, 7}, sum);
        }
    }

    @Test
    void givesTheBitsOfAChainOfFusedMultiplyAddsForEveryNumberOfThreads() {
        int m = 200;
        int n = 150;
        int k = 300;
        float[] a = matrix(m * k);
        float[] b = matrix(k * n);
        float[] expected = new float[m * n];
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                for (int p = 0; p < k; p++) {
                    expected[i * n + j] = Math.fma(a[i * k + p], b[p * n + j], expected[i * n + j]);
                }
            }
        }
        for (int threads : new int[] {1, 2, 3, 7}) {
            try (MatrixProduct product = new MatrixProduct(threads)) {
                float[] c = new float[m * n];
                product.times(a, b, 0, c, m, n, k);
                assertArrayEquals(expected, c, threads + " threads");
            }
        }
    }

    private float[] matrix(int length) {
        float[] matrix = new float[length];
        for (int i = 0; i < length; i++) {
            matrix[i] = (float) random.nextGaussian();
        }
        return matrix;
    }

    private static void requireProduct(
            float[] c,
            float[] before,
            float[] a,
            int aRow,
            int aColumn,
            float[] b,
            int bRow,
            int bColumn,
            int m,
            int n,
            int k) {
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                double sum = before[i * n + j];
                double size = Math.abs(sum);
                for (int p = 0; p < k; p++) {
                    double term = (double) a[i * aRow + p * aColumn] * b[p * bRow + j * bColumn];
                    sum += term;
                    size += Math.abs(term);
                }
                // A chain of k roundings: at most k ulps of the sum of sizes, and far fewer in fact.
                assertEquals(sum, c[i * n + j], 1e-6 * size + 1e-12, m + "x" + n + "x" + k + " at " + i + ", " + j);
            }
        }
    }
}
