package io.github.lars4j.djl;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.GradientCollector;
import ai.djl.training.Trainer;
import ai.djl.training.initializer.XavierInitializer;
import ai.djl.training.listener.TrainingListener;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.util.Pair;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** A network on generated data, and its trainer. */
public final class Network implements AutoCloseable {

    private static final int EXAMPLES = 64;

    final Model model = Model.newInstance("network");
    private final int features;
    private final int classes;
    private Trainer trainer;

    /** A small network. */
    Network() {
        this(
                new SequentialBlock()
                        .add(Linear.builder().setUnits(150).build())
                        .add(BatchNorm.builder().build())
                        .add(Activation::relu)
                        .add(Linear.builder().setUnits(5).build()),
                30,
                5);
    }

    /** A network of one's own. */
    public Network(Block block, int features, int classes) {
        model.setBlock(block);
        this.features = features;
        this.classes = classes;
    }

    /** Starts a trainer, with weights that are the same in every network. */
    public Trainer train(Optimizer optimizer, TrainingListener... listeners) {
        trainer = model.newTrainer(new DefaultTrainingConfig(Loss.softmaxCrossEntropyLoss())
                .optOptimizer(optimizer)
                .optDevices(new Device[] {Device.cpu()})
                .addTrainingListeners(listeners)
                .optInitializer(new XavierInitializer(), Parameter.Type.WEIGHT));
        boolean initialized = model.getBlock().isInitialized();
        trainer.initialize(new Shape(EXAMPLES, features));
        if (!initialized) {
            Random random = new Random(1);
            for (Parameter parameter : trained()) {
                float[] values = new float[(int) parameter.getArray().size()];
                for (int i = 0; i < values.length; i++) {
                    values[i] = (float) (0.2 * random.nextGaussian())
                            + (parameter.getType() == Parameter.Type.GAMMA ? 1 : 0);
                }
                TensorMemory.ofWeights("", parameter.getArray()).copyFrom(MemorySegment.ofArray(values));
            }
        }
        return trainer;
    }

    /** The parameters that have gradients, in the order of their paths. */
    public List<Parameter> trained() {
        List<Parameter> trained = new ArrayList<>();
        for (Pair<String, Parameter> each : model.getBlock().getParameters()) {
            if (each.getValue().requiresGradient()) {
                trained.add(each.getValue());
            }
        }
        return trained;
    }

    public Block block() {
        return model.getBlock();
    }

    Trainer trainer() {
        return trainer;
    }

    /** Computes the gradients of a batch, added to those that are there; returns the loss. */
    public float backward(int batch) {
        Random random = new Random(batch);
        float[][] data = new float[EXAMPLES][features];
        float[] labels = new float[EXAMPLES];
        for (int e = 0; e < EXAMPLES; e++) {
            int label = random.nextInt(classes);
            labels[e] = label;
            for (int i = 0; i < features; i++) {
                data[e][i] = (float) (random.nextGaussian() + (i % classes == label ? 1 : 0));
            }
        }
        try (NDManager manager = trainer.getManager().newSubManager();
                GradientCollector collector = trainer.newGradientCollector()) {
            NDArray x = manager.create(data);
            NDArray y = manager.create(labels);
            NDArray loss = trainer.getLoss().evaluate(new NDList(y), trainer.forward(new NDList(x)));
            collector.backward(loss);
            return loss.getFloat();
        }
    }

    /** Copies of the parameters that are trained, or of their gradients. */
    public float[][] copies(boolean gradients) {
        return trained().stream()
                .map(parameter -> {
                    if (!gradients) {
                        return parameter.getArray().toFloatArray();
                    }
                    try (NDArray gradient = parameter.getArray().getGradient()) {
                        return gradient.toFloatArray();
                    }
                })
                .toArray(float[][]::new);
    }

    @Override
    public void close() {
        if (trainer != null) {
            trainer.close();
        }
        model.close();
    }
}
