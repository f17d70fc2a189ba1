package io.github.lars4j.bench.largebatch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The three matrix products that a fully connected layer needs, on row-major {@code float[]}, blocked for the caches.
 *
 * <p>Every element of a product is one chain of fused multiply-adds, in the order of the inner dimension. Blocks,
 * vectors and threads never split a chain, so the result has the same bits on every machine and for every number of
 * threads.
 *
 * <p>Not safe for use by several threads.
 */
final class MatrixProduct implements AutoCloseable {

    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = SPECIES.length();

    /** A tile of the product uses 16 vector registers: 8 rows of 2 vectors. */
    private static final int TILE_ROWS = 8;

    private static final int TILE_COLUMNS = 2 * LANES;

    /** Block of the inner dimension: a strip of B, 2 vectors wide, stays in L1. */
    private static final int INNER_BLOCK = 256;

    /** Block of rows of A: 96 by 256 floats stay in L2. */
    private static final int ROW_BLOCK = 96;

    /** Number of multiplications below which a second thread does not pay. */
    private static final long LEAST_WORK = 2_000_000;

    private final List<Worker> workers = new ArrayList<>();
    private final ExecutorService pool;

    /**
     * Starts the threads.
     *
     * @param threads number of threads that share a product, including the caller; at least 1
     */
    MatrixProduct(int threads) {
        for (int i = 0; i < threads; i++) {
            workers.add(new Worker());
        }
        pool = threads == 1
                ? null
                : Executors.newFixedThreadPool(
                        threads,
                        Thread.ofPlatform().daemon().name("product-", 0).factory());
    }

    /** {@code C[m×n] = A[m×k] · B[n×k]ᵀ}. */
    void timesTransposed(float[] a, float[] b, int bOffset, float[] c, int m, int n, int k) {
        run(new Operand(a, 0, k, 1), new Operand(b, bOffset, 1, k), c, 0, m, n, k, false);
    }

    /** {@code C[m×n] = A[m×k] · B[k×n]}. */
    void times(float[] a, float[] b, int bOffset, float[] c, int m, int n, int k) {
        run(new Operand(a, 0, k, 1), new Operand(b, bOffset, n, 1), c, 0, m, n, k, false);
    }

    /** {@code C[m×n] += A[k×m]ᵀ · B[k×n]}. */
    void addTransposedTimes(float[] a, float[] b, float[] c, int cOffset, int m, int n, int k) {
        run(new Operand(a, 0, 1, m), new Operand(b, 0, n, 1), c, cOffset, m, n, k, true);
    }

    /** A matrix of which element (i, j) is {@code array[offset + i * row + j * column]}. */
    private static final class Operand {
        final float[] array;
        final int offset;
        final int row;
        final int column;

        Operand(float[] array, int offset, int row, int column) {
            this.array = array;
            this.offset = offset;
            this.row = row;
            this.column = column;
        }

        int at(int i, int j) {
            return offset + i * row + j * column;
        }
    }

    private void run(Operand a, Operand b, float[] c, int cOffset, int m, int n, int k, boolean add) {
        if ((long) m * n * k < LEAST_WORK || workers.size() == 1) {
            workers.getFirst().multiply(a, b, c, cOffset, 0, m, 0, n, n, k, add);
            return;
        }
        // Whole tiles to each thread, along the longer side.
        boolean byRows = m >= n;
        int tile = byRows ? TILE_ROWS : TILE_COLUMNS;
        int length = byRows ? m : n;
        int tiles = (length + tile - 1) / tile;
        List<Callable<Void>> shares = new ArrayList<>();
        for (int t = 0; t < workers.size(); t++) {
            Worker worker = workers.get(t);
            int from = Math.min(length, tiles * t / workers.size() * tile);
            int to = Math.min(length, tiles * (t + 1) / workers.size() * tile);
            shares.add(() -> {
                worker.multiply(
                        a,
                        b,
                        c,
                        cOffset,
                        byRows ? from : 0,
                        byRows ? to : m,
                        byRows ? 0 : from,
                        byRows ? n : to,
                        n,
                        k,
                        add);
                return null;
            });
        }
        try {
            for (Future<Void> share : pool.invokeAll(shares)) {
                share.get();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted in a matrix product", e);
        } catch (ExecutionException e) {
            throw new IllegalStateException("a matrix product failed", e.getCause());
        }
    }

    @Override
    public void close() {
        if (pool != null) {
            pool.close();
        }
    }

    /** One thread's part of a product, and its buffers for packed blocks of A and B. */
    private static final class Worker {

        private final float[] rows = new float[ROW_BLOCK * INNER_BLOCK];
        private float[] columns = new float[0];
        private final float[] edge = new float[TILE_ROWS * TILE_COLUMNS];

        /** The product's rows [i0, i1) and columns [j0, j1). */
        void multiply(
                Operand a,
                Operand b,
                float[] c,
                int cOffset,
                int i0,
                int i1,
                int j0,
                int j1,
                int n,
                int k,
                boolean add) {
            int strips = (j1 - j0 + TILE_COLUMNS - 1) / TILE_COLUMNS;
            if (columns.length < strips * TILE_COLUMNS * INNER_BLOCK) {
                columns = new float[strips * TILE_COLUMNS * INNER_BLOCK];
            }
            for (int p = 0; p < k; p += INNER_BLOCK) {
                int inner = Math.min(INNER_BLOCK, k - p);
                for (int j = j0; j < j1; j += TILE_COLUMNS) {
                    int width = Math.min(TILE_COLUMNS, j1 - j);
                    pack(b.array, b.at(p, j), b.row, b.column, inner, width, columns, (j - j0) * inner, TILE_COLUMNS);
                }
                boolean fresh = p == 0 && !add;
                for (int i = i0; i < i1; i += ROW_BLOCK) {
                    int end = Math.min(i1, i + ROW_BLOCK);
                    for (int r = i; r < end; r += TILE_ROWS) {
                        int height = Math.min(TILE_ROWS, end - r);
                        pack(a.array, a.at(r, p), a.column, a.row, inner, height, rows, (r - i) * inner, TILE_ROWS);
                    }
                    for (int j = j0; j < j1; j += TILE_COLUMNS) {
                        for (int r = i; r < end; r += TILE_ROWS) {
                            tile(
                                    inner,
                                    (r - i) * inner,
                                    (j - j0) * inner,
                                    c,
                                    cOffset + r * n + j,
                                    n,
                                    Math.min(TILE_ROWS, end - r),
                                    Math.min(TILE_COLUMNS, j1 - j),
                                    fresh);
                        }
                    }
                }
            }
        }

        /** Packs {@code length} lines of {@code width} elements, each padded to {@code full}. */
        private static void pack(
                float[] from, int offset, int line, int step, int length, int width, float[] to, int at, int full) {
            if (width < full) {
                for (int p = 0; p < length; p++) {
                    for (int e = 0; e < full; e++) {
                        to[at + p * full + e] = e < width ? from[offset + p * line + e * step] : 0;
                    }
                }
            } else if (step == 1) {
                for (int p = 0; p < length; p++) {
                    System.arraycopy(from, offset + p * line, to, at + p * full, full);
                }
            } else {
                for (int e = 0; e < full; e++) {
                    for (int p = 0; p < length; p++) {
                        to[at + p * full + e] = from[offset + e * step + p];
                    }
                }
            }
        }

        private void tile(int inner, int a, int b, float[] c, int at, int n, int height, int width, boolean fresh) {
            if (height == TILE_ROWS && width == TILE_COLUMNS) {
                if (fresh) {
                    clear(c, at, n, TILE_ROWS, TILE_COLUMNS);
                }
                multiplyTile(inner, rows, a, columns, b, c, at, n);
                return;
            }
            clear(edge, 0, TILE_COLUMNS, TILE_ROWS, TILE_COLUMNS);
            for (int i = 0; i < height && !fresh; i++) {
                System.arraycopy(c, at + i * n, edge, i * TILE_COLUMNS, width);
            }
            multiplyTile(inner, rows, a, columns, b, edge, 0, TILE_COLUMNS);
            for (int i = 0; i < height; i++) {
                System.arraycopy(edge, i * TILE_COLUMNS, c, at + i * n, width);
            }
        }

        private static void clear(float[] c, int at, int n, int height, int width) {
            for (int i = 0; i < height; i++) {
                Arrays.fill(c, at + i * n, at + i * n + width, 0);
            }
        }

        /**
         * Adds the product of a strip of rows and a strip of columns to a tile of C. Unrolled, as vectors must be locals.
         */
        private static void multiplyTile(
                int inner, float[] rows, int a, float[] columns, int b, float[] c, int at, int n) {
            FloatVector c00 = FloatVector.fromArray(SPECIES, c, at);
            FloatVector c01 = FloatVector.fromArray(SPECIES, c, at + LANES);
            FloatVector c10 = FloatVector.fromArray(SPECIES, c, at + n);
            FloatVector c11 = FloatVector.fromArray(SPECIES, c, at + n + LANES);
            FloatVector c20 = FloatVector.fromArray(SPECIES, c, at + 2 * n);
            FloatVector c21 = FloatVector.fromArray(SPECIES, c, at + 2 * n + LANES);
            FloatVector c30 = FloatVector.fromArray(SPECIES, c, at + 3 * n);
            FloatVector c31 = FloatVector.fromArray(SPECIES, c, at + 3 * n + LANES);
            FloatVector c40 = FloatVector.fromArray(SPECIES, c, at + 4 * n);
            FloatVector c41 = FloatVector.fromArray(SPECIES, c, at + 4 * n + LANES);
            FloatVector c50 = FloatVector.fromArray(SPECIES, c, at + 5 * n);
            FloatVector c51 = FloatVector.fromArray(SPECIES, c, at + 5 * n + LANES);
            FloatVector c60 = FloatVector.fromArray(SPECIES, c, at + 6 * n);
            FloatVector c61 = FloatVector.fromArray(SPECIES, c, at + 6 * n + LANES);
            FloatVector c70 = FloatVector.fromArray(SPECIES, c, at + 7 * n);
            FloatVector c71 = FloatVector.fromArray(SPECIES, c, at + 7 * n + LANES);
            for (int p = 0; p < inner; p++) {
                FloatVector b0 = FloatVector.fromArray(SPECIES, columns, b + p * TILE_COLUMNS);
                FloatVector b1 = FloatVector.fromArray(SPECIES, columns, b + p * TILE_COLUMNS + LANES);
                int row = a + p * TILE_ROWS;
                FloatVector a0 = FloatVector.broadcast(SPECIES, rows[row]);
                c00 = a0.fma(b0, c00);
                c01 = a0.fma(b1, c01);
                FloatVector a1 = FloatVector.broadcast(SPECIES, rows[row + 1]);
                c10 = a1.fma(b0, c10);
                c11 = a1.fma(b1, c11);
                FloatVector a2 = FloatVector.broadcast(SPECIES, rows[row + 2]);
                c20 = a2.fma(b0, c20);
                c21 = a2.fma(b1, c21);
                FloatVector a3 = FloatVector.broadcast(SPECIES, rows[row + 3]);
                c30 = a3.fma(b0, c30);
                c31 = a3.fma(b1, c31);
                FloatVector a4 = FloatVector.broadcast(SPECIES, rows[row + 4]);
                c40 = a4.fma(b0, c40);
                c41 = a4.fma(b1, c41);
                FloatVector a5 = FloatVector.broadcast(SPECIES, rows[row + 5]);
                c50 = a5.fma(b0, c50);
                c51 = a5.fma(b1, c51);
                FloatVector a6 = FloatVector.broadcast(SPECIES, rows[row + 6]);
                c60 = a6.fma(b0, c60);
                c61 = a6.fma(b1, c61);
                FloatVector a7 = FloatVector.broadcast(SPECIES, rows[row + 7]);
                c70 = a7.fma(b0, c70);
                c71 = a7.fma(b1, c71);
            }
            c00.intoArray(c, at);
            c01.intoArray(c, at + LANES);
            c10.intoArray(c, at + n);
            c11.intoArray(c, at + n + LANES);
            c20.intoArray(c, at + 2 * n);
            c21.intoArray(c, at + 2 * n + LANES);
            c30.intoArray(c, at + 3 * n);
            c31.intoArray(c, at + 3 * n + LANES);
            c40.intoArray(c, at + 4 * n);
            c41.intoArray(c, at + 4 * n + LANES);
            c50.intoArray(c, at + 5 * n);
            c51.intoArray(c, at + 5 * n + LANES);
            c60.intoArray(c, at + 6 * n);
            c61.intoArray(c, at + 6 * n + LANES);
            c70.intoArray(c, at + 7 * n);
            c71.intoArray(c, at + 7 * n + LANES);
        }
    }
}
