package io.github.lars4j.recipes;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Checkpoint;
import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.Schedule;
import io.github.lars4j.Tensors;
import io.github.lars4j.rule.Treatment;
import java.io.File;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.deeplearning4j.datasets.iterator.utilty.ListDataSetIterator;
import org.deeplearning4j.nn.api.Model;
import org.deeplearning4j.nn.api.Trainable;
import org.deeplearning4j.nn.api.Updater;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.layers.BatchNormalization;
import org.deeplearning4j.nn.conf.layers.DenseLayer;
import org.deeplearning4j.nn.conf.layers.OutputLayer;
import org.deeplearning4j.nn.gradient.Gradient;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.nn.workspace.LayerWorkspaceMgr;
import org.deeplearning4j.optimize.api.BaseTrainingListener;
import org.deeplearning4j.util.ModelSerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nd4j.linalg.activations.Activation;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.dataset.DataSet;
import org.nd4j.linalg.dataset.api.iterator.DataSetIterator;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.indexing.NDArrayIndex;
import org.nd4j.linalg.lossfunctions.LossFunctions.LossFunction;

/** The recipe for DL4J, in its own {@code fit}. */
class Dl4jTest {

    private static final int EPOCHS = 12;
    private static final int EXAMPLES = 44;
    private static final int BATCH = 16; // the last batch of an epoch has 12 examples

    /** The recipe: updates the weights where they lie, and leaves nothing for fit to subtract from them. */
    @SuppressWarnings("serial") // never serialized
    static final class LarsUpdater implements Updater, AutoCloseable {
        final Lars lars;
        private final Tensors weights;
        private final Gradients gradients;
        private final List<INDArray> applied = new ArrayList<>();

        LarsUpdater(MultiLayerNetwork network, UnaryOperator<Lars.Builder> settings) {
            network.initGradientsView();
            INDArray flat = network.getGradientsViewArray().reshape(network.numParams());
            Layers.Builder layers = Layers.builder();
            long offset = 0;
            for (Map.Entry<String, INDArray> param : network.paramTable().entrySet()) {
                long end = offset + param.getValue().length();
                if (network.updaterDivideByMinibatch(param.getKey())) { // not the statistics of a normalisation
                    layers.at(offset).add(param.getKey(), end - offset);
                    applied.add(flat.get(NDArrayIndex.interval(offset, end)));
                }
                offset = end;
            }
            layers.treatIfPresent(Pattern.compile("_(b|gamma|beta)$"), Treatment.PLAIN.withRateFactor(0.01));
            lars = settings.apply(Lars.builder(layers.build()))
                    .nativeMomentum(true)
                    .build();
            weights = Tensors.flat(segment(network.params()));
            gradients = Gradients.of(Tensors.flat(segment(flat)));
        }

        static MemorySegment segment(INDArray array) {
            if (array.dataType() != DataType.FLOAT) {
                throw new IllegalArgumentException("the data type is " + array.dataType() + "; it must be FLOAT");
            }
            return MemorySegment.ofBuffer(array.data().asNioFloat());
        }

        @Override
        public void update(Trainable all, Gradient g, int iteration, int epoch, int examples, LayerWorkspaceMgr w) {
            lars.step(weights, gradients.scale(1.0 / examples)); // DL4J's gradient is the sum over the examples
            applied.forEach(gradient -> gradient.assign(0)); // fit subtracts what is left from the parameters
        }

        @Override
        public INDArray getStateViewArray() {
            return null; // the momentum is in LARS' checkpoint
        }

        @Override
        public void setStateViewArray(Trainable layer, INDArray state, boolean initialize) {
            throw new UnsupportedOperationException("the momentum is in LARS' checkpoint");
        }

        @Override
        public void close() {
            lars.close();
        }
    }

    /** The recipe's training, which goes on from the files if they are there. */
    private static MultiLayerNetwork train(File model, Path run, DataSetIterator data, int epochs) throws IOException {
        boolean resumed = Files.exists(run);
        MultiLayerNetwork network =
                resumed ? ModelSerializer.restoreMultiLayerNetwork(model, false) : newNetwork(DataType.FLOAT);
        try (LarsUpdater updater = new LarsUpdater(network, Dl4jTest::settings)) {
            if (resumed) {
                Checkpoint.load(run).restore(updater.lars);
            }
            network.setUpdater(updater);
            network.fit(data, epochs);
            ModelSerializer.writeModel(network, model, false); // the weights, and the statistics of normalisations
            Checkpoint.save(run, updater.lars); // the momentum and the number of steps
        }
        return network;
    }

    private static Lars.Builder settings(Lars.Builder builder) {
        return builder.learningRate(Schedule.polynomial(10, 2, 3 * EPOCHS).warmup(3))
                .momentum(0.9)
                .weightDecay(1e-4);
    }

    private static MultiLayerNetwork newNetwork(DataType type) {
        MultiLayerConfiguration conf = new NeuralNetConfiguration.Builder()
                .seed(5)
                .dataType(type)
                .activation(Activation.TANH)
                .list()
                .layer(new DenseLayer.Builder().nIn(4).nOut(9).build())
                .layer(new BatchNormalization.Builder().nOut(9).build())
                .layer(new OutputLayer.Builder(LossFunction.MCXENT)
                        .nIn(9)
                        .nOut(3)
                        .activation(Activation.SOFTMAX)
                        .build())
                .build();
        MultiLayerNetwork network = new MultiLayerNetwork(conf);
        network.init();
        return network;
    }

    private static DataSetIterator data() {
        Random random = new Random(3);
        List<DataSet> examples = new ArrayList<>();
        for (int e = 0; e < EXAMPLES; e++) {
            float[] x = new float[4];
            for (int i = 0; i < x.length; i++) {
                x[i] = (i == e % 3 ? 1.5f : 0) + (float) random.nextGaussian() * 0.5f;
            }
            float[] y = new float[3];
            y[e % 3] = 1;
            examples.add(new DataSet(Nd4j.create(x, 1, x.length), Nd4j.create(y, 1, y.length)));
        }
        return new ListDataSetIterator<>(examples, BATCH);
    }

    private static double loss(MultiLayerNetwork network) {
        DataSetIterator data = data();
        double sum = 0;
        while (data.hasNext()) {
            DataSet batch = data.next();
            sum += network.score(batch) * batch.numExamples() / EXAMPLES;
        }
        return sum;
    }

    @Test
    void fitHasTheBitsOfLarsOnCopies() {
        MultiLayerNetwork network = newNetwork(DataType.FLOAT);
        double before = loss(network);
        try (LarsUpdater updater = new LarsUpdater(network, Dl4jTest::settings)) {
            network.setUpdater(updater);
            Reference reference = new Reference();
            network.setListeners(reference);
            network.fit(data(), EPOCHS);
            assertEquals(3 * EPOCHS, reference.steps);
        }
        double after = loss(network);
        assertTrue(after < before / 4, () -> before + " -> " + after);
    }

    /** Takes every step of the network on arrays, too, with layers at offsets that are written out here. */
    private static final class Reference extends BaseTrainingListener {
        private final Lars lars = settings(Lars.builder(Layers.builder()
                        .add("0_W", 4 * 9)
                        .add("0_b", 9, Treatment.PLAIN.withRateFactor(0.01))
                        .add("1_gamma", 9, Treatment.PLAIN.withRateFactor(0.01))
                        .add("1_beta", 9, Treatment.PLAIN.withRateFactor(0.01))
                        .at(36 + 5 * 9)
                        .add("2_W", 9 * 3)
                        .add("2_b", 3, Treatment.PLAIN.withRateFactor(0.01))
                        .build()))
                .build();
        private float[] expected;
        private int steps;

        @Override
        public void onGradientCalculation(Model model) {
            MultiLayerNetwork network = (MultiLayerNetwork) model;
            expected = network.params().toFloatVector();
            float[] gradients = network.getGradientsViewArray().toFloatVector();
            for (int i = 36 + 3 * 9; i < 36 + 5 * 9; i++) { // the running mean and variance
                expected[i] -= gradients[i];
            }
            lars.step(expected, Gradients.of(gradients).scale(1.0 / network.batchSize()));
        }

        @Override
        public void iterationDone(Model model, int iteration, int epoch) {
            assertArrayEquals(expected, model.params().toFloatVector());
            steps++;
        }
    }

    @Test
    void nothingIsCopied() {
        MultiLayerNetwork network = newNetwork(DataType.FLOAT);
        try (LarsUpdater updater = new LarsUpdater(network, Dl4jTest::settings)) {
            MemorySegment weights = LarsUpdater.segment(network.params());
            weights.setAtIndex(ValueLayout.JAVA_FLOAT, 36 + 2, 42);
            assertEquals(42, network.getParam("0_b").getFloat(2));
            network.getParam("0_b").putScalar(2, 43);
            assertEquals(43, weights.getAtIndex(ValueLayout.JAVA_FLOAT, 36 + 2));
            // The columns of a matrix lie one after the other: element (3, 1) of 4 x 9.
            weights.setAtIndex(ValueLayout.JAVA_FLOAT, 4 + 3, 44);
            assertEquals(44, network.getParam("0_W").getFloat(3, 1));

            network.setUpdater(updater);
            network.fit(data(), 1);
            MemorySegment gradients = LarsUpdater.segment(network.getGradientsViewArray());
            assertEquals(0, gradients.getAtIndex(ValueLayout.JAVA_FLOAT, 0));
            assertNotEquals(0, gradients.getAtIndex(ValueLayout.JAVA_FLOAT, 36 + 3 * 9)); // of the mean, as before
        }
    }

    @Test
    void goesOnFromACheckpoint(@TempDir Path folder) throws IOException {
        MultiLayerNetwork whole =
                train(folder.resolve("whole.zip").toFile(), folder.resolve("whole.safetensors"), data(), EPOCHS);
        File model = folder.resolve("model.zip").toFile();
        Path run = folder.resolve("run.safetensors");
        train(model, run, data(), EPOCHS / 2);
        MultiLayerNetwork resumed = train(model, run, data(), EPOCHS / 2);
        assertArrayEquals(whole.params().toFloatVector(), resumed.params().toFloatVector());
        assertEquals(whole.getIterationCount(), resumed.getIterationCount());
    }

    @Test
    void refusesDoubles() {
        MultiLayerNetwork network = newNetwork(DataType.DOUBLE);
        assertThrows(IllegalArgumentException.class, () -> new LarsUpdater(network, Dl4jTest::settings));
    }
}
