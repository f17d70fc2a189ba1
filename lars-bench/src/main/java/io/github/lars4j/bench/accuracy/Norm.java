package io.github.lars4j.bench.accuracy;

import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.Simd;
import java.util.List;

/**
 * A method to compute the Euclidean norm of floats. The same objects are tested for their errors and measured for their
 * speed. Not safe for use by several threads.
 */
sealed interface Norm {

    /** All methods. */
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
     * Returns the method with a name.
     *
     * @throws IllegalArgumentException if there is none
     */
    static Norm named(String name) {
        return all().stream()
                .filter(norm -> norm.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("norm is \"" + name + "\"; it must be one of "
                        + String.join(", ", all().stream().map(Norm::name).toList())));
    }

    /** The method's name, in tables and for {@code -p norm=}. */
    String name();

    /** The norm of the values, with this method's error. */
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

    /** A float sum by recursive halving. */
    record Pairwise() implements Norm {

        /** Maximum length that is summed without halving. */
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

        /** Eight sums side by side, as in NumPy. */
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

    /** A float sum with compensation for its rounding errors. */
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

    /** The library's pass 1 over the weights of one layer; the sum over the gradients is given. */
    final class Stripes implements Norm {

        private final String kernels;
        private Lars lars;
        private Gradients unread;

        /** The library with {@code scalar} or {@code vector} kernels. */
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
            lars = Lars.builder(layers)
                    .learningRate(0)
                    .simd(kernels.equals("vector") ? Simd.REQUIRED : Simd.OFF)
                    .build();
            unread = Gradients.of(new float[length]).squares(new double[] {1});
        }
    }
}
