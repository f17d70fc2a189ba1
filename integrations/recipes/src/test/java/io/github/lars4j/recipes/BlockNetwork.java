package io.github.lars4j.recipes;

import java.util.Arrays;
import java.util.Random;

/**
 * A small trainer of the kind of llm.c and its ports to Java: all parameters in one array and all gradients in another,
 * tensor by tensor, and the tensors of all blocks of the network stacked in one. It learns a fixed set of examples.
 */
final class BlockNetwork {

    static final int INPUTS = 6;
    static final int WIDTH = 10;
    static final int BLOCKS = 3;
    static final int CLASSES = 4;
    private static final int EXAMPLES = 48;

    /** The tensors in the order in which they lie, as param_sizes of llm.c. */
    static final int[] SIZES = {
        WIDTH * INPUTS, BLOCKS * WIDTH, BLOCKS * WIDTH * WIDTH, BLOCKS * WIDTH, CLASSES * WIDTH, CLASSES
    };

    private static final int IN = 0;
    private static final int NORM = IN + SIZES[0];
    private static final int FC = NORM + SIZES[1];
    private static final int FC_BIAS = FC + SIZES[2];
    private static final int OUT = FC_BIAS + SIZES[3];
    private static final int OUT_BIAS = OUT + SIZES[4];
    static final int PARAMETERS = OUT_BIAS + SIZES[5];

    private final float[][] inputs = new float[EXAMPLES][INPUTS];
    private final int[] labels = new int[EXAMPLES];

    BlockNetwork() {
        Random random = new Random(7);
        for (int e = 0; e < EXAMPLES; e++) {
            labels[e] = e % CLASSES;
            for (int i = 0; i < INPUTS; i++) {
                inputs[e][i] = (i == labels[e] ? 1.5f : 0) + (float) random.nextGaussian() * 0.5f;
            }
        }
    }

    /** Returns new weights, the same at every call: the scales are 1, the biases 0, and the matrices random. */
    static float[] initialWeights() {
        Random random = new Random(1);
        float[] weights = new float[PARAMETERS];
        for (int i = 0; i < PARAMETERS; i++) {
            boolean matrix = i < NORM || i >= FC && i < FC_BIAS || i >= OUT && i < OUT_BIAS;
            weights[i] = matrix ? (float) random.nextGaussian() * 0.3f : i >= NORM && i < FC ? 1 : 0;
        }
        return weights;
    }

    /** Computes the mean loss and its gradient, which replaces the content of {@code gradients}. */
    double backward(float[] weights, float[] gradients) {
        Arrays.fill(gradients, 0);
        double loss = 0;
        for (int e = 0; e < EXAMPLES; e++) {
            loss += backward(weights, gradients, inputs[e], labels[e]);
        }
        return loss / EXAMPLES;
    }

    /** h₀ = in·x; hₗ₊₁ = hₗ + scaleₗ · tanh(fcₗ·hₗ + biasₗ); logits = out·h + bias. */
    private static double backward(float[] w, float[] g, float[] x, int label) {
        float[][] h = new float[BLOCKS + 1][WIDTH];
        float[][] t = new float[BLOCKS][WIDTH];
        for (int o = 0; o < WIDTH; o++) {
            h[0][o] = dot(w, IN + o * INPUTS, x);
        }
        for (int b = 0; b < BLOCKS; b++) {
            for (int o = 0; o < WIDTH; o++) {
                int row = b * WIDTH + o;
                t[b][o] = (float) StrictMath.tanh(dot(w, FC + row * WIDTH, h[b]) + w[FC_BIAS + row]);
                h[b + 1][o] = h[b][o] + w[NORM + row] * t[b][o];
            }
        }
        double[] p = new double[CLASSES];
        double sum = 0;
        for (int c = 0; c < CLASSES; c++) {
            p[c] = StrictMath.exp(dot(w, OUT + c * WIDTH, h[BLOCKS]) + w[OUT_BIAS + c]);
            sum += p[c];
        }

        float[] dh = new float[WIDTH];
        for (int c = 0; c < CLASSES; c++) {
            float d = (float) (p[c] / sum - (c == label ? 1 : 0)) / EXAMPLES;
            backDot(w, g, OUT + c * WIDTH, h[BLOCKS], d, dh);
            g[OUT_BIAS + c] += d;
        }
        for (int b = BLOCKS - 1; b >= 0; b--) {
            float[] below = dh.clone();
            for (int o = 0; o < WIDTH; o++) {
                int row = b * WIDTH + o;
                g[NORM + row] += dh[o] * t[b][o];
                float d = dh[o] * w[NORM + row] * (1 - t[b][o] * t[b][o]);
                backDot(w, g, FC + row * WIDTH, h[b], d, below);
                g[FC_BIAS + row] += d;
            }
            dh = below;
        }
        for (int o = 0; o < WIDTH; o++) {
            backDot(w, g, IN + o * INPUTS, x, dh[o], new float[INPUTS]);
        }
        return -StrictMath.log(p[label] / sum);
    }

    private static float dot(float[] w, int at, float[] x) {
        float sum = 0;
        for (int i = 0; i < x.length; i++) {
            sum += w[at + i] * x[i];
        }
        return sum;
    }

    private static void backDot(float[] w, float[] g, int at, float[] x, float d, float[] dx) {
        for (int i = 0; i < x.length; i++) {
            g[at + i] += d * x[i];
            dx[i] += d * w[at + i];
        }
    }
}
