package io.github.lars4j.internal.kernel;

/** Kernels for arrays or for other places, with the arguments of the latter. */
final class AnyKernels {

    private final Kernels arrays;
    private final PlacedKernels placed;

    private AnyKernels(Kernels arrays, PlacedKernels placed) {
        this.arrays = arrays;
        this.placed = placed;
    }

    static AnyKernels of(Kernels arrays) {
        return new AnyKernels(arrays, null);
    }

    static AnyKernels of(PlacedKernels placed) {
        return new AnyKernels(null, placed);
    }

    /** Returns whether each tensor has a position of its own. */
    boolean placed() {
        return placed != null;
    }

    void measure(Object w, long wAt, Object g, long gAt, int length, double[] scratch, BlockSums sums, int block) {
        if (placed != null) {
            placed.measure(w, wAt, g, gAt, length, scratch, sums, block);
        } else {
            arrays.measure((float[]) w, (float[]) g, same(wAt, gAt), length, scratch, sums, block);
        }
    }

    void squares(Object w, long wAt, Object g, long gAt, int length, double[] scratch, BlockSums sums, int block) {
        if (placed != null) {
            placed.squares(w, wAt, g, gAt, length, scratch, sums, block);
        } else {
            arrays.squares((float[]) w, (float[]) g, same(wAt, gAt), length, scratch, sums, block);
        }
    }

    double squares(Object values, long at, int length, double[] scratch) {
        return placed != null
                ? placed.squares(values, at, length, scratch)
                : arrays.squares((float[]) values, (int) at, length, scratch);
    }

    void update(
            Object w,
            long wAt,
            Object g,
            long gAt,
            Object v,
            long vAt,
            int length,
            float a,
            float b,
            float m,
            float p,
            float q) {
        if (placed != null) {
            placed.update(w, wAt, g, gAt, v, vAt, length, a, b, m, p, q, new MomentumRounding());
        } else {
            int from = same(same(wAt, gAt), vAt);
            arrays.update((float[]) w, (float[]) g, (float[]) v, from, length, a, b, m, p, q);
        }
    }

    double updateAndSquare(
            Object w,
            long wAt,
            Object g,
            long gAt,
            Object v,
            long vAt,
            int length,
            float a,
            float b,
            float m,
            float p,
            float q,
            double[] scratch) {
        if (placed != null) {
            return placed.updateAndSquare(
                    w, wAt, g, gAt, v, vAt, length, a, b, m, p, q, new MomentumRounding(), scratch);
        }
        int from = same(same(wAt, gAt), vAt);
        return arrays.updateAndSquare((float[]) w, (float[]) g, (float[]) v, from, length, a, b, m, p, q, scratch);
    }

    void update(Object w, long wAt, Object g, long gAt, int length, float a, float b, float p) {
        if (placed != null) {
            placed.update(w, wAt, g, gAt, length, a, b, p);
        } else {
            arrays.update((float[]) w, (float[]) g, same(wAt, gAt), length, a, b, p);
        }
    }

    private static int same(long one, long other) {
        if (one != other) {
            throw new IllegalArgumentException("the arrays have one index for all tensors");
        }
        return (int) one;
    }

    @Override
    public String toString() {
        return (placed != null ? placed : arrays).getClass().getSimpleName();
    }
}
