package io.github.lars4j.bench.accuracy;

import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.bench.machine.ChosenKernels;
import java.util.List;

/**
 * A way to compute the Euclidean norm of floats. The same objects are judged for their errors and measured for their
 * speed. Not safe for use by several threads.
 */
sealed interface Norm {

    /** All ways there are. */
    static List<Norm> all() {
        return List.of(
                new FloatLoop(),
                new FloatSimd(),
                new Pairwise(),
                new Kahan(),
                new Stripes("scalar"),
                new Stripes("vector"));
    }

    /**
     * The way of a name.
     *
     * @throws IllegalArgumentException if there is none of it
     */
    static Norm named(String name) {
        return all().stream()
                .filter(norm -> norm.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("norm is \"" + name + "\"; it must be one of "
                        + String.join(", ", all().stream().map(Norm::name).toList())));
    }

    /** Its name, in tables and for {@code -p norm=}. */
    String name();

    /** The norm, as far as this way gets it right. */
    float of(float[] values);

    private static float root(float squares) {
        return (float) Math.sqrt(squares);
    }

    /** One float sum, element after element. */
    record FloatLoop() implements Norm {

        @Override
        public String name() {
            return "float loop";
        }

        @Override
        public float of(float[] values) {
            float sum = 0;
            for (float x : values) {
                sum += x * x;
            }
            return root(sum);
        }
    }

    /** Float sums side by side, by SIMD. */
    record FloatSimd() implements Norm {

        @Override
        public String name() {
            return "float SIMD";
        }

        @Override
        public float of(float[] values) {
            return root(VectorSquares.sum(values));
        }
    }

    /** Float sums of halves, of their halves, and so on. */
    record Pairwise() implements Norm {

        /** Elements that are not halved again. */
        private static final int LEAF = 128;

        @Override
        public String name() {
            return "pairwise";
        }

        @Override
        public float of(float[] values) {
            return root(squares(values, 0, values.length));
        }

        private static float squares(float[] values, int from, int to) {
            if (to - from <= LEAF) {
                return leaf(values, from, to);
            }
            int middle = from + (((to - from) / 2 + 7) & -8);
            return squares(values, from, middle) + squares(values, middle, to);
        }

        /** Eight sums side by side, as NumPy takes them. */
        private static float leaf(float[] values, int from, int to) {
            float s0 = 0;
            float s1 = 0;
            float s2 = 0;
            float s3 = 0;
            float s4 = 0;
            float s5 = 0;
            float s6 = 0;
            float s7 = 0;
            int i = from;
            for (; i <= to - 8; i += 8) {
                s0 += values[i] * values[i];
                s1 += values[i + 1] * values[i + 1];
                s2 += values[i + 2] * values[i + 2];
                s3 += values[i + 3] * values[i + 3];
                s4 += values[i + 4] * values[i + 4];
                s5 += values[i + 5] * values[i + 5];
                s6 += values[i + 6] * values[i + 6];
                s7 += values[i + 7] * values[i + 7];
            }
            float sum = s0 + s1 + (s2 + s3) + (s4 + s5 + (s6 + s7));
            for (; i < to; i++) {
                sum += values[i] * values[i];
            }
            return sum;
        }
    }

    /** A float sum, and beside it what its roundings have lost. */
    record Kahan() implements Norm {

        @Override
        public String name() {
            return "Kahan";
        }

        @Override
        public float of(float[] values) {
            float sum = 0;
            float excess = 0;
            for (float x : values) {
                float term = x * x - excess;
                float next = sum + term;
                excess = (next - sum) - term;
                sum = next;
            }
            return root(sum);
        }
    }

    /** The library's pass 1 over one layer, of the weights alone: it is handed the sum over the gradients. */
    final class Stripes implements Norm {

        private final String kernels;
        private Lars lars;
        private Gradients unread;

        /** The library with kernels of a name. */
        Stripes(String kernels) {
            this.kernels = kernels;
        }

        @Override
        public String name() {
            return kernels + " stripes";
        }

        @Override
        public float of(float[] values) {
            if (lars == null || lars.layers().end() != values.length) {
                open(values.length);
            }
            return (float) Math.sqrt(lars.measure(values, unread).weights(0));
        }

        private void open(int length) {
            Layers layers = Layers.builder().add("values", length).build();
            lars = ChosenKernels.build(Lars.builder(layers).learningRate(0).momentum(0), kernels);
            unread = Gradients.of(new float[length]).squares(new double[] {1});
        }
    }
}
