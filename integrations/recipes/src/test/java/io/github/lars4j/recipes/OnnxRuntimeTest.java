package io.github.lars4j.recipes;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.OperatorSetIdProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import ai.onnx.proto.OnnxMl.TensorShapeProto;
import ai.onnx.proto.OnnxMl.TypeProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.OrtTrainingSession;
import ai.onnxruntime.TensorInfo;
import io.github.lars4j.Checkpoint;
import io.github.lars4j.Lars;
import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.Schedule;
import io.github.lars4j.Tensors;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The recipe for ONNX Runtime: a model that computes gradients, in an ordinary session. */
class OnnxRuntimeTest {

    private static final int EXAMPLES = 36;
    private static final int STEPS = 60;
    private static final OrtEnvironment environment = OrtEnvironment.getEnvironment();

    /** The recipe: the weights are inputs of the model, and the gradient of each is an output. */
    private static final class Trainer implements AutoCloseable {
        final OrtSession session;
        final Lars lars;
        final MemorySegment weights;
        final MemorySegment gradients;
        final Tensors params;
        private final Tensors grads;
        private final Map<String, OnnxTensor> inputs = new HashMap<>();
        private final Map<String, OnnxTensor> outputs = new HashMap<>();

        Trainer(byte[] model, Arena arena) throws OrtException {
            session = environment.createSession(model);
            Layers.Builder builder = Layers.builder();
            for (NodeInfo input : session.getInputInfo().values()) {
                if (session.getOutputNames().contains("gradient." + input.getName())) {
                    builder.addTensor(input.getName(), ((TensorInfo) input.getInfo()).getShape());
                }
            }
            Layers layers = builder.treatOneDimensional(Treatment.PLAIN.withRateFactor(0.01))
                    .build();
            weights = arena.allocate(4 * layers.end(), 64);
            gradients = arena.allocate(4 * layers.end(), 64);
            params = Tensors.flat(weights);
            grads = Tensors.flat(gradients);
            for (Layer layer : layers) { // once, for all steps
                inputs.put(layer.name(), tensor(weights, layer));
                outputs.put("gradient." + layer.name(), tensor(gradients, layer));
            }
            lars = settings(Lars.builder(layers)).nativeMomentum(true).build();
        }

        private static OnnxTensor tensor(MemorySegment all, Layer layer) throws OrtException {
            MemorySegment part = all.asSlice(4 * layer.offset(), 4 * layer.length());
            FloatBuffer buffer =
                    part.asByteBuffer().order(ByteOrder.nativeOrder()).asFloatBuffer();
            long[] shape = layer.shape().stream().mapToLong(Long::longValue).toArray();
            return OnnxTensor.createTensor(environment, buffer, shape);
        }

        double step(OnnxTensor x, OnnxTensor y) throws OrtException {
            inputs.put("x", x);
            inputs.put("y", y);
            try (OrtSession.Result result = session.run(inputs, Set.of("loss"), outputs)) { // writes the gradients
                OnnxTensor loss = (OnnxTensor) result.get("loss").orElseThrow();
                return lars.step(params, grads, () -> loss.getFloatBuffer().get(0))
                        .loss();
            }
        }

        @Override
        public void close() throws OrtException {
            inputs.keySet().removeAll(Set.of("x", "y")); // which are the caller's
            OnnxValue.close(inputs);
            OnnxValue.close(outputs);
            lars.close();
            session.close();
        }
    }

    private static Lars.Builder settings(Lars.Builder builder) {
        return builder.learningRate(Schedule.polynomial(10, 2, STEPS).warmup(5))
                .momentum(0.9)
                .weightDecay(1e-4);
    }

    /** y = softmax(relu(x·w1 + b1)·w2 + b2) with the mean cross entropy, and its gradient, node by node. */
    private static byte[] model() {
        GraphProto.Builder graph = GraphProto.newBuilder().setName("two layers");
        graph.addInput(value("x", EXAMPLES, 5)).addInput(value("y", EXAMPLES, 3));
        graph.addInput(value("w1", 5, 8)).addInput(value("b1", 8));
        graph.addInput(value("w2", 8, 3)).addInput(value("b2", 3));
        graph.addInitializer(TensorProto.newBuilder()
                .setName("1/n")
                .setDataType(TensorProto.DataType.FLOAT.getNumber())
                .addFloatData(1f / EXAMPLES));
        graph.addInitializer(TensorProto.newBuilder()
                .setName("axis 0")
                .setDataType(TensorProto.DataType.INT64.getNumber())
                .addDims(1)
                .addInt64Data(0));
        node(graph, "Gemm", "h", "x", "w1", "b1");
        node(graph, "Relu", "relu", "h");
        node(graph, "Gemm", "logits", "relu", "w2", "b2");
        node(graph, "LogSoftmax", "log p", "logits");
        node(graph, "Mul", "y log p", "y", "log p");
        node(graph, "ReduceSum", "sum", "y log p");
        node(graph, "Mul", "sum/n", "sum", "1/n");
        node(graph, "Neg", "loss", "sum/n");
        node(graph, "Exp", "p", "log p");
        node(graph, "Sub", "p-y", "p", "y");
        node(graph, "Mul", "d logits", "p-y", "1/n");
        node(graph, "Transpose", "relu t", "relu");
        node(graph, "MatMul", "gradient.w2", "relu t", "d logits");
        node(graph, "ReduceSum", "gradient.b2", "d logits", "axis 0");
        node(graph, "Transpose", "w2 t", "w2");
        node(graph, "MatMul", "d relu", "d logits", "w2 t");
        node(graph, "Sign", "mask", "relu");
        node(graph, "Mul", "d h", "d relu", "mask");
        node(graph, "Transpose", "x t", "x");
        node(graph, "MatMul", "gradient.w1", "x t", "d h");
        node(graph, "ReduceSum", "gradient.b1", "d h", "axis 0");
        graph.addOutput(value("loss", 1, 1));
        graph.addOutput(value("gradient.w1", 5, 8)).addOutput(value("gradient.b1", 8));
        graph.addOutput(value("gradient.w2", 8, 3)).addOutput(value("gradient.b2", 3));
        return ModelProto.newBuilder()
                .setIrVersion(8)
                .addOpsetImport(OperatorSetIdProto.newBuilder().setVersion(17))
                .setGraph(graph)
                .build()
                .toByteArray();
    }

    private static void node(GraphProto.Builder graph, String operator, String output, String... inputs) {
        NodeProto.Builder node =
                NodeProto.newBuilder().setOpType(operator).addOutput(output).addAllInput(List.of(inputs));
        if (operator.equals("ReduceSum") && inputs.length == 2) {
            node.addAttribute(AttributeProto.newBuilder()
                    .setName("keepdims")
                    .setType(AttributeProto.AttributeType.INT)
                    .setI(0));
        }
        graph.addNode(node);
    }

    private static ValueInfoProto value(String name, long... shape) {
        TensorShapeProto.Builder dimensions = TensorShapeProto.newBuilder();
        for (long dimension : shape) {
            dimensions.addDim(TensorShapeProto.Dimension.newBuilder().setDimValue(dimension));
        }
        return ValueInfoProto.newBuilder()
                .setName(name)
                .setType(TypeProto.newBuilder()
                        .setTensorType(TypeProto.Tensor.newBuilder()
                                .setElemType(TensorProto.DataType.FLOAT.getNumber())
                                .setShape(dimensions)))
                .build();
    }

    private final float[][] x = new float[EXAMPLES][5];
    private final float[][] y = new float[EXAMPLES][3];

    OnnxRuntimeTest() {
        Random random = new Random(8);
        for (int e = 0; e < EXAMPLES; e++) {
            y[e][e % 3] = 1;
            for (int i = 0; i < 5; i++) {
                x[e][i] = (i == e % 3 ? 1.5f : 0) + (float) random.nextGaussian() * 0.4f;
            }
        }
    }

    private static void initialize(MemorySegment weights) {
        Random random = new Random(9);
        for (int i = 0; i < 5 * 8; i++) {
            weights.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian() * 0.4f);
        }
        for (int i = 5 * 8 + 8; i < 5 * 8 + 8 + 8 * 3; i++) {
            weights.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian() * 0.4f);
        }
    }

    @Test
    void everyStepHasTheBitsOfLarsOnCopies() throws OrtException {
        Layers layers = Layers.builder()
                .add("w1", 40)
                .add("b1", 8, Treatment.PLAIN.withRateFactor(0.01))
                .add("w2", 24)
                .add("b2", 3, Treatment.PLAIN.withRateFactor(0.01))
                .build();
        try (Arena arena = Arena.ofShared();
                Trainer trainer = new Trainer(model(), arena);
                Lars lars = settings(Lars.builder(layers)).build();
                OnnxTensor x = OnnxTensor.createTensor(environment, this.x);
                OnnxTensor y = OnnxTensor.createTensor(environment, this.y)) {
            initialize(trainer.weights);
            float[] expected = trainer.weights.toArray(ValueLayout.JAVA_FLOAT);
            double first = loss(expected);
            for (int i = 0; i < STEPS; i++) {
                double loss = loss(expected);
                assertEquals(loss, trainer.step(x, y), 1e-6);
                lars.step(expected, trainer.gradients.toArray(ValueLayout.JAVA_FLOAT));
                assertArrayEquals(expected, trainer.weights.toArray(ValueLayout.JAVA_FLOAT));
            }
            double last = loss(expected);
            assertTrue(last < first / 4, () -> first + " -> " + last);
        }
    }

    /** Computes the loss without ONNX Runtime, which so is known to have read the weights of the step before. */
    private double loss(float[] w) {
        double sum = 0;
        for (int e = 0; e < EXAMPLES; e++) {
            double[] logits = {w[72], w[73], w[74]};
            for (int h = 0; h < 8; h++) {
                double unit = w[40 + h];
                for (int i = 0; i < 5; i++) {
                    unit += x[e][i] * w[8 * i + h];
                }
                for (int k = 0; k < 3; k++) {
                    logits[k] += Math.max(unit, 0) * w[48 + 3 * h + k];
                }
            }
            sum += Math.log(Arrays.stream(logits).map(Math::exp).sum()) - logits[e % 3];
        }
        return sum / EXAMPLES;
    }

    @Test
    void nothingIsCopied() throws OrtException {
        try (Arena arena = Arena.ofShared();
                Trainer trainer = new Trainer(model(), arena)) {
            trainer.weights.setAtIndex(ValueLayout.JAVA_FLOAT, 40 + 2, 42);
            assertEquals(42, trainer.inputs.get("b1").getFloatBuffer().get(2));
            trainer.gradients.setAtIndex(ValueLayout.JAVA_FLOAT, 48 + 5, 43);
            assertEquals(43, trainer.outputs.get("gradient.w2").getFloatBuffer().get(5));
        }
    }

    @Test
    void goesOnFromACheckpoint(@TempDir Path folder) throws OrtException, IOException {
        Path file = folder.resolve("run.safetensors");
        float[] whole = train(folder.resolve("whole.safetensors"), STEPS);
        assertFalse(Arrays.equals(whole, train(file, STEPS / 2)));
        assertArrayEquals(whole, train(file, STEPS));
    }

    private float[] train(Path file, int steps) throws OrtException, IOException {
        try (Arena arena = Arena.ofShared();
                Trainer trainer = new Trainer(model(), arena);
                OnnxTensor x = OnnxTensor.createTensor(environment, this.x);
                OnnxTensor y = OnnxTensor.createTensor(environment, this.y)) {
            if (Files.exists(file)) {
                Checkpoint.load(file).restore(trainer.lars, trainer.params);
                assertEquals(STEPS / 2, trainer.lars.steps());
            } else {
                initialize(trainer.weights);
            }
            while (trainer.lars.steps() < steps) {
                trainer.step(x, y);
            }
            Checkpoint.save(file, trainer.lars, trainer.params);
            return trainer.weights.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    /** What the page says about the training API. */
    @Test
    void trainingSessionHasNoPlaceForAnotherOptimizer() {
        assertFalse(environment.isTrainingEnabled());
        Set<String> methods = Stream.of(OrtTrainingSession.class.getDeclaredMethods())
                .filter(method -> Modifier.isPublic(method.getModifiers()))
                .map(Method::getName)
                .collect(Collectors.toCollection(TreeSet::new));
        assertEquals(
                Set.of(
                        "addProperty",
                        "close",
                        "evalStep",
                        "exportModelForInference",
                        "getEvalInputNames",
                        "getEvalOutputNames",
                        "getFloatProperty",
                        "getIntProperty",
                        "getLearningRate",
                        "getStringProperty",
                        "getTrainInputNames",
                        "getTrainOutputNames",
                        "lazyResetGrad",
                        "optimizerStep",
                        "registerLinearLRScheduler",
                        "saveCheckpoint",
                        "schedulerStep",
                        "setLearningRate",
                        "setSeed",
                        "trainStep"),
                methods);
    }
}
