package io.github.lars4j.recipes;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Checkpoint;
import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.OnBadGradient;
import io.github.lars4j.Schedule;
import io.github.lars4j.Tensors;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import smile.classification.MLP;
import smile.math.MathEx;
import smile.model.mlp.ActivationFunction;
import smile.model.mlp.Cost;
import smile.model.mlp.HiddenLayer;
import smile.model.mlp.Layer;
import smile.model.mlp.LayerBuilder;
import smile.model.mlp.OutputFunction;
import smile.model.mlp.OutputLayer;
import smile.tensor.DenseMatrix;

/** The recipe for Smile: its multilayer perceptron with layers that override the update. */
class SmileTest {

    private static final int INPUTS = 4;
    private static final int HIDDEN = 70; // more than 64, so that Smile pads the columns of the matrix
    private static final int CLASSES = 3;
    private static final int STEPS = 40;

    /** The recipe: takes the step of a network, whose layers hand over their gradients one by one. */
    static class LarsSteps {
        Lars lars;
        Tensors weights;
        private int next;

        void begin(int examples) {
            lars.beginStep(weights, 1.0 / examples); // Smile's gradient is the sum over the examples
            next = 0;
        }

        void apply(DenseMatrix... gradients) {
            for (DenseMatrix gradient : gradients) {
                gradient.scale(-1); // Smile adds it to the weights
                lars.applyLayer(next++, array(gradient));
                gradient.fill(0);
            }
        }

        static float[] array(DenseMatrix matrix) {
            return (float[]) matrix.memory().heapBase().orElseThrow();
        }
    }

    @SuppressWarnings("serial") // never serialized
    static final class LarsHidden extends HiddenLayer {
        private final LarsSteps steps;

        LarsHidden(LarsSteps steps, int n, int p, ActivationFunction activation) {
            super(n, p, 0, activation);
            this.steps = steps;
        }

        @Override
        public void update(int m, double rate, double momentum, double decay, double rho, double epsilon) {
            steps.apply(weightGradient.get(), biasGradient.get());
        }
    }

    @SuppressWarnings("serial") // never serialized
    static final class LarsOutput extends OutputLayer {
        private final LarsSteps steps;

        LarsOutput(LarsSteps steps, int n, int p) {
            super(n, p, OutputFunction.SOFTMAX, Cost.LIKELIHOOD);
            this.steps = steps;
        }

        @Override
        public void update(int m, double rate, double momentum, double decay, double rho, double epsilon) {
            steps.apply(weightGradient.get(), biasGradient.get());
        }
    }

    @SuppressWarnings("serial") // never serialized
    static final class LarsMlp extends MLP {
        private final LarsSteps steps;

        LarsMlp(LarsSteps steps, UnaryOperator<Lars.Builder> settings, LayerBuilder... builders) {
            super(builders);
            this.steps = steps;
            Layers.Builder layers = Layers.builder();
            List<float[]> arrays = new ArrayList<>();
            for (int i = 1; i <= net.length; i++) { // net[0] is the input, and the output is not in net
                Layer layer = i < net.length ? net[i] : output;
                arrays.add(LarsSteps.array(layer.weight()));
                layers.add(i + ".weight", arrays.getLast().length);
                arrays.add(LarsSteps.array(layer.bias()));
                layers.add(i + ".bias", arrays.getLast().length, Treatment.PLAIN.withRateFactor(0.01));
            }
            steps.weights = Tensors.byLayer(arrays.toArray(float[][]::new));
            steps.lars = settings.apply(Lars.builder(layers.build()))
                    .onBadGradient(OnBadGradient.SKIP_LAYER) // as layers are updated one by one
                    .build();
        }

        @Override
        protected void update(int examples) {
            steps.begin(examples);
            super.update(examples); // calls the update of every layer
            steps.lars.endStep();
        }

        List<Layer> layers() {
            return List.of(net[1], output);
        }
    }

    private static Lars.Builder settings(Lars.Builder builder) {
        return builder.learningRate(Schedule.polynomial(10, 2, STEPS).warmup(5))
                .momentum(0.9)
                .weightDecay(1e-4);
    }

    private static LarsMlp network(LarsSteps steps) {
        MathEx.setSeed(11);
        return new LarsMlp(
                steps,
                SmileTest::settings,
                Layer.input(INPUTS),
                new LayerBuilder(HIDDEN, 0) {
                    @Override
                    public Layer build(int p) {
                        return new LarsHidden(steps, HIDDEN, p, ActivationFunction.tanh());
                    }
                },
                new LayerBuilder(CLASSES, 0) {
                    @Override
                    public Layer build(int p) {
                        return new LarsOutput(steps, CLASSES, p);
                    }
                });
    }

    private final double[][] x = new double[40][INPUTS];
    private final int[] y = new int[x.length];

    SmileTest() {
        Random random = new Random(6);
        for (int e = 0; e < x.length; e++) {
            y[e] = e % CLASSES;
            for (int i = 0; i < INPUTS; i++) {
                x[e][i] = (i == y[e] ? 1.5 : 0) + random.nextGaussian() * 0.4;
            }
        }
    }

    private double loss(MLP network) {
        double sum = 0;
        for (int e = 0; e < x.length; e++) {
            double[] p = new double[CLASSES];
            network.predict(x[e], p);
            sum -= Math.log(p[y[e]]);
        }
        return sum / x.length;
    }

    /** Keeps copies of the gradients, which point down. */
    private static final class Watched extends LarsSteps {
        private final List<float[]> gradients = new ArrayList<>();

        @Override
        void apply(DenseMatrix... matrices) {
            for (DenseMatrix matrix : matrices) {
                float[] gradient = array(matrix).clone();
                for (int i = 0; i < gradient.length; i++) {
                    gradient[i] = -gradient[i];
                }
                gradients.add(gradient);
            }
            super.apply(matrices);
        }
    }

    @Test
    void everyStepHasTheBitsOfLarsOnCopies() {
        Watched steps = new Watched();
        LarsMlp network = network(steps);
        double before = loss(network);
        float[] expected = weights(network);
        try (Lars lars = settings(Lars.builder(Layers.builder()
                        .add("1.weight", 144 * INPUTS) // 70 rows, and 74 of zeros
                        .add("1.bias", HIDDEN, Treatment.PLAIN.withRateFactor(0.01))
                        .add("2.weight", 3 * HIDDEN)
                        .add("2.bias", 3, Treatment.PLAIN.withRateFactor(0.01))
                        .build()))
                .build()) {
            for (int i = 0; i < STEPS; i++) {
                steps.gradients.clear();
                int examples = i % 2 == 0 ? x.length : 25;
                network.update(Arrays.copyOf(x, examples), Arrays.copyOf(y, examples));
                lars.step(expected, Gradients.of(concat(steps.gradients)).scale(1.0 / examples));
                assertArrayEquals(expected, weights(network));
            }
        }
        double after = loss(network);
        assertTrue(after < before / 4, () -> before + " -> " + after);
        for (int column = 0; column < INPUTS; column++) {
            for (int i = 144 * column + HIDDEN; i < 144 * (column + 1); i++) {
                assertEquals(0, expected[i]);
            }
        }
        steps.lars.close();
    }

    private static float[] weights(LarsMlp network) {
        return concat(network.layers().stream()
                .flatMap(layer -> Stream.of(layer.weight(), layer.bias()))
                .map(LarsSteps::array)
                .toList());
    }

    private static float[] concat(List<float[]> arrays) {
        FloatBuffer all =
                FloatBuffer.allocate(arrays.stream().mapToInt(a -> a.length).sum());
        arrays.forEach(all::put);
        return all.array();
    }

    @Test
    void nothingIsCopied() {
        LarsSteps steps = new LarsSteps();
        LarsMlp network = network(steps);
        Layer hidden = network.layers().getFirst();
        LarsSteps.array(hidden.weight())[144 * 2 + 5] = 42;
        assertEquals(42, hidden.weight().get(5, 2));
        hidden.bias().set(3, 43);
        assertEquals(43, LarsSteps.array(hidden.bias())[3]);
        steps.lars.close();
    }

    @Test
    void goesOnFromACheckpoint(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("run.safetensors");
        LarsSteps steps = new LarsSteps();
        LarsMlp network = network(steps);
        for (int i = 0; i < STEPS; i++) {
            if (i == STEPS / 2) {
                Checkpoint.save(file, steps.lars, steps.weights);
            }
            network.update(x, y);
        }
        LarsSteps others = new LarsSteps();
        LarsMlp resumed = network(others);
        Checkpoint.load(file).restore(others.lars, others.weights);
        assertEquals(STEPS / 2, others.lars.steps());
        while (others.lars.steps() < STEPS) {
            resumed.update(x, y);
        }
        assertArrayEquals(weights(network), weights(resumed));
        steps.lars.close();
        others.lars.close();
    }
}
