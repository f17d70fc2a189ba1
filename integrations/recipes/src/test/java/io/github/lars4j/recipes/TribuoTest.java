package io.github.lars4j.recipes;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.oracle.labs.mlrg.olcut.provenance.ConfiguredObjectProvenance;
import com.oracle.labs.mlrg.olcut.provenance.impl.ConfiguredObjectProvenanceImpl;
import io.github.lars4j.Checkpoint;
import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.Schedule;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.tribuo.Example;
import org.tribuo.Model;
import org.tribuo.MutableDataset;
import org.tribuo.Prediction;
import org.tribuo.classification.Label;
import org.tribuo.classification.LabelFactory;
import org.tribuo.classification.sgd.fm.FMClassificationTrainer;
import org.tribuo.classification.sgd.linear.LinearSGDTrainer;
import org.tribuo.classification.sgd.objectives.LogMulticlass;
import org.tribuo.common.sgd.AbstractSGDTrainer;
import org.tribuo.impl.ArrayExample;
import org.tribuo.math.Parameters;
import org.tribuo.math.StochasticGradientOptimiser;
import org.tribuo.math.la.Matrix;
import org.tribuo.math.la.SGDVector;
import org.tribuo.math.la.Tensor;
import org.tribuo.provenance.SimpleDataSourceProvenance;

/** The recipe for Tribuo, as an optimiser of its SGD trainers. */
class TribuoTest {

    private static final int EXAMPLES = 60;
    private static final int MINIBATCH = 8; // the last one of an epoch has 4 examples
    private static final int EPOCHS = 10;
    private static final int STEPS = EPOCHS * 8;

    /** The recipe; not final, so that a test can watch it. */
    static class LarsOptimiser implements StochasticGradientOptimiser {
        private final Function<Layers, Lars> builder;
        private final int minibatch;
        private final Path file;
        private Parameters parameters;
        private Lars lars;
        private float[] weights;
        private float[] gradients;

        LarsOptimiser(Function<Layers, Lars> builder, int minibatch, Path file) {
            this.builder = builder;
            this.minibatch = minibatch;
            this.file = file;
        }

        @Override
        public void initialise(Parameters parameters) {
            this.parameters = parameters;
            Tensor[] tensors = parameters.get();
            Layers.Builder layers = Layers.builder();
            for (int i = 0; i < tensors.length; i++) {
                long[] shape =
                        Arrays.stream(tensors[i].getShape()).asLongStream().toArray();
                layers.addTensor("tensor" + i, shape);
            }
            lars = builder.apply(layers.treatOneDimensional(Treatment.PLAIN.withRateFactor(0.01))
                    .build());
            weights = new float[(int) lars.layers().end()];
            gradients = new float[weights.length];
            read(tensors, weights);
            if (Files.exists(file)) {
                try {
                    Checkpoint.load(file).restore(lars, weights);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
            write(weights, tensors);
        }

        @Override
        public Tensor[] step(Tensor[] updates, double weight) {
            Tensor[] dense = parameters.getEmptyCopy(); // the updates may be sparse
            for (int i = 0; i < dense.length; i++) {
                dense[i].intersectAndAddInPlace(updates[i], update -> -update); // Tribuo adds them to the weights
            }
            read(dense, gradients);
            lars.step(weights, Gradients.of(gradients).scale(weight / ((double) minibatch * minibatch)));
            write(weights, parameters.get());
            return new Tensor[0]; // nothing is left to add
        }

        private static void read(Tensor[] from, float[] to) {
            int[] at = {0};
            for (Tensor tensor : from) {
                tensor.foreachInPlace(value -> {
                    to[at[0]++] = (float) value;
                    return value;
                });
            }
        }

        private static void write(float[] from, Tensor[] to) {
            int[] at = {0};
            for (Tensor tensor : to) {
                tensor.foreachInPlace(value -> from[at[0]++]);
            }
        }

        @Override
        public void finalise() {
            try {
                Checkpoint.save(file, lars, weights);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public void reset() {
            lars.close();
        }

        @Override
        public LarsOptimiser copy() { // train takes a copy
            return new LarsOptimiser(builder, minibatch, file);
        }

        @Override
        public ConfiguredObjectProvenance getProvenance() {
            return new ConfiguredObjectProvenanceImpl(this, "StochasticGradientOptimiser");
        }
    }

    /** Takes every step on arrays, too, with layers that are written out by the test. */
    private static final class Watched extends LarsOptimiser {
        private final Lars expected;
        private Parameters parameters;
        private float[] weights;
        private int steps;

        Watched(Layers layers, Path file) {
            super(TribuoTest::lars, MINIBATCH, file);
            expected = lars(layers);
        }

        @Override
        public void initialise(Parameters parameters) {
            this.parameters = parameters;
            weights = floats(parameters.get());
            super.initialise(parameters);
            assertWeights();
        }

        @Override
        public Tensor[] step(Tensor[] updates, double weight) {
            assertEquals(steps % 8 == 7 ? 0.5 : 1, weight);
            float[] gradients = floats(updates);
            for (int i = 0; i < gradients.length; i++) {
                gradients[i] = -gradients[i];
            }
            Tensor[] left = super.step(updates, weight);
            expected.step(weights, Gradients.of(gradients).scale(weight / 64));
            steps++;
            assertWeights();
            parameters.update(left); // as the trainer does
            assertWeights();
            return left;
        }

        /** The weights are in Tribuo's tensors, not rounded. */
        private void assertWeights() {
            double[] wide = new double[weights.length];
            for (int i = 0; i < wide.length; i++) {
                wide[i] = weights[i];
            }
            assertArrayEquals(wide, doubles(parameters.get()));
        }

        @Override
        public LarsOptimiser copy() {
            return this;
        }
    }

    private static double[] doubles(Tensor[] tensors) {
        List<Double> all = new ArrayList<>();
        for (Tensor tensor : tensors) {
            if (tensor instanceof Matrix matrix) {
                for (int i = 0; i < matrix.getDimension1Size(); i++) {
                    for (int j = 0; j < matrix.getDimension2Size(); j++) {
                        all.add(matrix.get(i, j));
                    }
                }
            } else {
                for (int i = 0; i < ((SGDVector) tensor).size(); i++) {
                    all.add(((SGDVector) tensor).get(i));
                }
            }
        }
        return all.stream().mapToDouble(Double::doubleValue).toArray();
    }

    private static float[] floats(Tensor[] tensors) {
        double[] wide = doubles(tensors);
        float[] floats = new float[wide.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) wide[i];
        }
        return floats;
    }

    private static Lars lars(Layers layers) {
        return Lars.builder(layers)
                .learningRate(Schedule.polynomial(100, 2, STEPS).warmup(20))
                .momentum(0.9)
                .weightDecay(1e-4)
                .build();
    }

    private static MutableDataset<Label> data(boolean sparse) {
        Random random = new Random(4);
        LabelFactory factory = new LabelFactory();
        MutableDataset<Label> data =
                new MutableDataset<>(new SimpleDataSourceProvenance("three clouds", factory), factory);
        for (int e = 0; e < EXAMPLES; e++) {
            ArrayExample<Label> example = new ArrayExample<>(new Label("class" + e % 3));
            for (int i = 0; i < 5; i++) {
                if (!sparse || (e + i) % 4 != 0) { // Tribuo's gradients are sparse where the examples are
                    example.add("x" + i, (i == e % 3 ? 1.5 : 0) + random.nextGaussian() * 0.4);
                }
            }
            data.add(example);
        }
        return data;
    }

    private static double loss(Model<Label> model, MutableDataset<Label> data) {
        double sum = 0;
        for (Example<Label> example : data) {
            Prediction<Label> prediction = model.predict(example);
            sum -= Math.log(prediction
                    .getOutputScores()
                    .get(example.getOutput().getLabel())
                    .getScore());
        }
        return sum / data.size();
    }

    private static AbstractSGDTrainer<Label, ?, ? extends Model<Label>, ?> linear(LarsOptimiser optimiser, int epochs) {
        return new LinearSGDTrainer(new LogMulticlass(), optimiser, epochs, -1, MINIBATCH, 1);
    }

    @Test
    void linearModelHasTheBitsOfLarsOnCopies(@TempDir Path folder) {
        // Three rows of five features and the bias.
        Watched optimiser =
                new Watched(Layers.builder().add("tensor0", 3 * 6).build(), folder.resolve("run.safetensors"));
        Model<Label> model = linear(optimiser, EPOCHS).train(data(true));
        assertEquals(STEPS, optimiser.steps);
        double loss = loss(model, data(true));
        assertTrue(loss < Math.log(3) / 2, () -> "from " + Math.log(3) + " to " + loss); // the weights begin at 0
    }

    @Test
    void factorizationMachineHasTheBitsOfLarsOnCopies(@TempDir Path folder) {
        Layers layers = Layers.builder()
                .add("tensor0", 3, Treatment.PLAIN.withRateFactor(0.01)) // the biases
                .add("tensor1", 3 * 5)
                .add("tensor2", 2 * 5)
                .add("tensor3", 2 * 5)
                .add("tensor4", 2 * 5)
                .build();
        Watched optimiser = new Watched(layers, folder.resolve("run.safetensors"));
        Model<Label> model = new FMClassificationTrainer(
                        new LogMulticlass(), optimiser, EPOCHS, -1, MINIBATCH, 1, 2, 0.1)
                .train(data(false));
        assertEquals(STEPS, optimiser.steps);
        double loss = loss(model, data(false));
        assertTrue(loss < Math.log(3) / 2, () -> "from " + Math.log(3) + " to " + loss);
    }

    @Test
    void goesOnFromACheckpoint(@TempDir Path folder) {
        double whole = trained(folder.resolve("whole.safetensors"), EPOCHS);
        Path file = folder.resolve("run.safetensors");
        double half = trained(file, EPOCHS / 2);
        assertTrue(whole != half);
        assertEquals(whole, trained(file, EPOCHS / 2));
    }

    /** Trains for some epochs, which have the same order of the examples, and returns the loss. */
    private static double trained(Path file, int epochs) {
        AbstractSGDTrainer<Label, ?, ? extends Model<Label>, ?> trainer =
                linear(new LarsOptimiser(TribuoTest::lars, MINIBATCH, file), epochs);
        trainer.setShuffle(false);
        return loss(trainer.train(data(true)), data(true));
    }
}
