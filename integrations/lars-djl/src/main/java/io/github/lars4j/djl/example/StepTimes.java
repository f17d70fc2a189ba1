package io.github.lars4j.djl.example;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Parameter;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.training.initializer.Initializer;
import ai.djl.training.optimizer.Adam;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.optimizer.Sgd;
import ai.djl.training.tracker.Tracker;
import ai.djl.util.PairList;
import io.github.lars4j.djl.LarsOptimizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Times a step over the tensors of a network, as DJL calls an optimizer: by LARS here, by DJL's own SGD and Adam, and by LARS
 * written in operations on NDArrays. Prints medians in milliseconds, all taken in turn.
 *
 * <p>Usage: {@code StepTimes LAYOUT}: a file with a line for each tensor, its name and its shape, as {@code fc1.weight
 * 512x784}.
 */
public final class StepTimes {

    private static final int ROUNDS = 60;
    /** Rounds before the measured ones, in which everything is compiled. */
    private static final int WARMUP = 40;

    private static final float RATE = 0.1f;
    private static final float MOMENTUM = 0.9f;
    private static final float WEIGHT_DECAY = 1e-4f;

    private StepTimes() {}

    /** Measures. */
    public static void main(String[] args) throws IOException {
        try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
            Tensors tensors = new Tensors(Files.readAllLines(Path.of(args[0])));
            tensors.initialize(manager, DataType.FLOAT32, new Shape(1));
            List<NDArray> gradients = new ArrayList<>();
            for (Parameter parameter : tensors.all()) {
                parameter.getArray().setRequiresGradient(true);
                gradients.add(manager.randomNormal(0, 0.01f, parameter.getShape(), DataType.FLOAT32));
            }
            // DJL's optimizers set a gradient to zero only if there has been a backward pass.
            try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
                NDArray sum = manager.create(0f);
                for (Parameter parameter : tensors.all()) {
                    sum = sum.add(parameter.getArray().sum());
                }
                collector.backward(sum);
            }
            Tracker tracker = Tracker.fixed(RATE);
            int threads = Runtime.getRuntime().availableProcessors();
            Sgd sgd = Optimizer.sgd()
                    .setLearningRateTracker(tracker)
                    .optMomentum(MOMENTUM)
                    .optWeightDecays(WEIGHT_DECAY)
                    .build();
            Adam adam = Optimizer.adam().optLearningRateTracker(tracker).build();
            List<Optimizer> optimizers =
                    List.of(lars(tensors, 1), lars(tensors, threads), sgd, adam, new InOperations());
            List<String> names = List.of(
                    "LarsOptimizer, 1 thread",
                    "LarsOptimizer, " + threads + " threads",
                    "DJL's SGD",
                    "DJL's Adam",
                    "LARS in operations on NDArrays");
            double[][] times = new double[optimizers.size()][ROUNDS];
            for (int round = -WARMUP; round < ROUNDS; round++) {
                for (int o = 0; o < times.length; o++) {
                    long started = System.nanoTime();
                    step(optimizers.get(o), tensors.all(), gradients);
                    if (round >= 0) {
                        times[o][round] = (System.nanoTime() - started) / 1e6;
                    }
                }
            }
            for (int o = 0; o < times.length; o++) {
                Arrays.sort(times[o]);
                System.out.println(String.format(Locale.ROOT, "| %s | %.2f |", names.get(o), times[o][ROUNDS / 2]));
            }
        }
    }

    private static LarsOptimizer lars(Tensors tensors, int threads) {
        return LarsOptimizer.forBlock(tensors)
                .setLearningRateTracker(Tracker.fixed(RATE))
                .optMomentum(MOMENTUM)
                .optWeightDecays(WEIGHT_DECAY)
                .optCore(core -> core.parallelism(threads))
                .build();
    }

    private static void step(Optimizer optimizer, List<Parameter> parameters, List<NDArray> gradients) {
        for (int i = 0; i < parameters.size(); i++) {
            optimizer.update(parameters.get(i).getId(), parameters.get(i).getArray(), gradients.get(i));
        }
    }

    /** A block with nothing but parameters. */
    private static final class Tensors extends AbstractBlock {

        private final List<Parameter> all = new ArrayList<>();

        Tensors(List<String> lines) {
            for (String line : lines) {
                String[] parts = line.strip().split("\\s+", -1);
                long[] shape = Arrays.stream(parts[1].split("x", -1))
                        .mapToLong(Long::parseLong)
                        .toArray();
                all.add(addParameter(Parameter.builder()
                        .setName(parts[0])
                        .setType(shape.length == 1 ? Parameter.Type.BIAS : Parameter.Type.WEIGHT)
                        .optShape(new Shape(shape))
                        .optInitializer(Initializer.ONES)
                        .build()));
            }
        }

        List<Parameter> all() {
            return all;
        }

        @Override
        protected NDList forwardInternal(
                ParameterStore store, NDList inputs, boolean training, PairList<String, Object> params) {
            throw new UnsupportedOperationException("it only has parameters");
        }

        @Override
        public Shape[] getOutputShapes(Shape[] inputShapes) {
            return inputShapes;
        }
    }

    /** LARS as one would write it without this library. */
    private static final class InOperations extends Optimizer {

        private final Map<String, NDArray> momentum = new ConcurrentHashMap<>();

        InOperations() {
            super(new Options());
        }

        private static final class Options extends OptimizerBuilder<Options> {
            @Override
            protected Options self() {
                return this;
            }
        }

        @Override
        public void update(String parameterId, NDArray weight, NDArray grad) {
            NDArray buffer = momentum.computeIfAbsent(parameterId, id -> {
                NDArray zeros = weight.zerosLike();
                zeros.detach();
                return zeros;
            });
            try (NDManager scratch = weight.getManager().newSubManager();
                    NDArray values = weight.stopGradient();
                    NDArray own = weight.getGradient()) {
                values.attach(scratch);
                NDArray gradient = grad.duplicate();
                gradient.attach(scratch);
                float ratio = 1;
                if (weight.getShape().dimension() > 1) {
                    float weightNorm = values.norm().getFloat();
                    float gradientNorm = gradient.norm().getFloat();
                    gradient.addi(values.mul(WEIGHT_DECAY));
                    ratio = 0.001f * weightNorm / (gradientNorm + WEIGHT_DECAY * weightNorm);
                }
                buffer.muli(MOMENTUM).addi(gradient.muli(ratio * RATE));
                values.subi(buffer);
                own.muli(0);
            }
        }
    }
}
