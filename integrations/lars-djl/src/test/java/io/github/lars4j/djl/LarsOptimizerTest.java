package io.github.lars4j.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.GradientCollector;
import ai.djl.training.Trainer;
import ai.djl.training.listener.SaveModelTrainingListener;
import ai.djl.training.listener.TrainingListener;
import ai.djl.training.tracker.Tracker;
import io.github.lars4j.Format;
import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.OnBadGradient;
import io.github.lars4j.Schedule;
import io.github.lars4j.Tensors;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A network trained by DJL, and the core on copies of its parameters and gradients. */
class LarsOptimizerTest {

    private static final Schedule SCHEDULE = Schedule.polynomial(8, 2, 120).warmup(10);

    private static LarsOptimizer.Builder optimizer(Network network) {
        return LarsOptimizer.forBlock(network.model.getBlock())
                .setLearningRateTracker(new ScheduleTracker(SCHEDULE))
                .optMomentum(0.9)
                .optWeightDecays(1e-3f);
    }

    /** The layers of {@link Network}, and how they are treated. */
    private static Layers layers() {
        return Layers.builder()
                .addTensor("01Linear_weight", 150, 30)
                .addTensor("01Linear_bias", 150)
                .addTensor("02BatchNorm_gamma", 150)
                .addTensor("02BatchNorm_beta", 150)
                .addTensor("04Linear_weight", 5, 150)
                .addTensor("04Linear_bias", 5)
                .treatOneDimensional(Treatment.PLAIN)
                .build();
    }

    private static Lars.Builder core() {
        return Lars.builder(layers()).learningRate(SCHEDULE).momentum(0.9).weightDecay(1e-3f);
    }

    @Test
    void hasTheBitsOfTheCore() {
        try (Network network = new Network();
                LarsOptimizer optimizer =
                        optimizer(network).optCore(lars -> lars.nesterov(true)).build();
                Lars core = core().nesterov(true).build()) {
            Trainer trainer = network.train(optimizer);
            float first = 0;
            float last = 0;
            for (int batch = 0; batch < 100; batch++) {
                last = network.backward(batch);
                first = batch == 0 ? last : first;
                finishBoth(network, trainer, core, 1);
                assertEquals(batch + 1, optimizer.stepsTaken());
            }
            assertTrue(last < first / 3, first + " to " + last);
        }
    }

    /** DJL's trackers count updates from 1. */
    @Test
    void theFirstUpdateHasTheNumberOne() {
        List<Integer> asked = new ArrayList<>();
        Tracker tracker = number -> {
            asked.add(number);
            return 0.25f / number;
        };
        try (Network network = new Network();
                LarsOptimizer optimizer =
                        optimizer(network).setLearningRateTracker(tracker).build();
                Lars core = core().learningRate(step -> 0.25f / (step + 1)).build()) {
            Trainer trainer = network.train(optimizer);
            for (int batch = 0; batch < 3; batch++) {
                stepBoth(network, trainer, core, 1);
            }
            assertEquals(1, asked.getFirst());
            assertEquals(3, asked.getLast());
        }
        asked.clear();
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network)
                        .setLearningRateTracker(tracker)
                        .optBeginNumUpdate(10)
                        .build()) {
            Trainer trainer = network.train(optimizer);
            network.backward(0);
            trainer.step();
            assertEquals(List.of(11), asked.stream().distinct().toList());
        }
        assertEquals(0.5f, new ScheduleTracker(step -> step == 0 ? 0.5 : 1).getNewValue(1));
        assertEquals(1f, new ScheduleTracker(step -> step == 0 ? 0.5 : 1).getNewValue(2));
    }

    /** A backward pass and a step, by DJL and by the core on copies; the number of the batch is that of the step. */
    private static void stepBoth(Network network, Trainer trainer, Lars core, double scale) {
        network.backward((int) core.steps());
        finishBoth(network, trainer, core, scale);
    }

    private static void finishBoth(Network network, Trainer trainer, Lars core, double scale) {
        float[][] expected = network.copies(false);
        core.step(
                Tensors.byLayer(expected),
                Gradients.of(Tensors.byLayer(network.copies(true))).scale(scale));
        trainer.step();
        assertSame(expected, network.copies(false));
    }

    private static void assertSame(float[][] expected, float[][] actual) {
        for (int i = 0; i < expected.length; i++) {
            assertArrayEquals(expected[i], actual[i], "layer " + i);
        }
    }

    @Test
    void gradientsAccumulateAndAreThenSetToZero() {
        try (Network network = new Network();
                LarsOptimizer optimizer =
                        optimizer(network).setRescaleGrad(0.25f).build();
                Lars core = core().build()) {
            Trainer trainer = network.train(optimizer);
            for (int batch = 0; batch < 5; batch++) {
                for (int pass = 0; pass < 4; pass++) {
                    network.backward(4 * batch + pass);
                }
                finishBoth(network, trainer, core, 0.25);
                for (float[] gradient : network.copies(true)) {
                    assertArrayEquals(new float[gradient.length], gradient);
                }
            }
        }
    }

    /** DJL promises [-c, c]; its own optimizers clip at c only. */
    @Test
    void clipsByElementAfterTheScale() {
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network)
                        .setRescaleGrad(0.5f)
                        .optClipGrad(0.001f)
                        .build();
                Lars core = core().build()) {
            Trainer trainer = network.train(optimizer);
            for (int batch = 0; batch < 3; batch++) {
                network.backward(batch);
                float[][] gradients = network.copies(true);
                int clipped = 0;
                for (float[] gradient : gradients) {
                    for (int i = 0; i < gradient.length; i++) {
                        float scaled = 0.5f * gradient[i];
                        gradient[i] = Math.clamp(scaled, -0.001f, 0.001f);
                        clipped += gradient[i] == -0.001f ? 1 : 0;
                    }
                }
                assertTrue(clipped > 0);
                float[][] expected = network.copies(false);
                core.step(Tensors.byLayer(expected), Tensors.byLayer(gradients));
                trainer.step();
                assertSame(expected, network.copies(false));
            }
        }
    }

    @Test
    void treatmentsGoByTypeAndByPath() {
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network)
                        .optTrustCoefficient(0.01)
                        .optTreatment(Pattern.compile("Linear_bias"), Treatment.FULL)
                        .optTreatment(Pattern.compile("^04"), Treatment.PLAIN.withRateFactor(0.5))
                        .build();
                Lars core = Lars.builder(Layers.builder()
                                .addTensor("01Linear_weight", 150, 30)
                                .addTensor("01Linear_bias", 150)
                                .add("02BatchNorm_gamma", 150, Treatment.PLAIN)
                                .add("02BatchNorm_beta", 150, Treatment.PLAIN)
                                .add("04Linear_weight", 750, Treatment.PLAIN.withRateFactor(0.5))
                                .add("04Linear_bias", 5, Treatment.PLAIN.withRateFactor(0.5))
                                .build())
                        .learningRate(SCHEDULE)
                        .momentum(0.9)
                        .weightDecay(1e-3f)
                        .trustCoefficient(0.01)
                        .build()) {
            Trainer trainer = network.train(optimizer);
            for (int batch = 0; batch < 4; batch++) {
                stepBoth(network, trainer, core, 1);
            }
        }
    }

    @Test
    void aFrozenParameterStaysAndTheStepEnds() {
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network).build()) {
            Trainer trainer = network.train(optimizer);
            Parameter first = network.trained().getFirst();
            first.freeze(true);
            float[] before = first.getArray().toFloatArray();
            float[][] others = network.copies(false);
            for (int batch = 0; batch < 3; batch++) {
                network.backward(batch);
                trainer.step();
                assertEquals(batch + 1, optimizer.stepsTaken());
            }
            assertArrayEquals(before, first.getArray().toFloatArray());
            assertFalse(Arrays.equals(others[1], network.copies(false)[1]));
            // The step before is over, so one that may be trained again begins the next.
            first.freeze(false);
            update(optimizer, first, network.trainer().getManager(), before);
            assertEquals(4, optimizer.stepsTaken());
        }
    }

    @Test
    void groupsHaveSettingsOfTheirOwn() {
        UnaryOperator<Lars.Builder> group =
                lars -> lars.group("biases", Pattern.compile("bias$"), each -> each.momentum(0.5));
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network).optCore(group).build();
                Lars core = group.apply(core()).build()) {
            assertTrue(optimizer.toString().contains("before its first update"), optimizer.toString());
            Trainer trainer = network.train(optimizer);
            for (int batch = 0; batch < 4; batch++) {
                stepBoth(network, trainer, core, 1);
            }
            assertTrue(optimizer.toString().contains("kernels"), optimizer.toString());
        }
    }

    /** If one parameter cannot be updated, the memory of the others is still the right one. */
    @Test
    void parametersThatWereReplacedAreFoundOrRefused() throws ReflectiveOperationException {
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network).build()) {
            NDManager manager = network.train(optimizer).getManager();
            Parameter first = network.trained().get(0);
            Parameter second = network.trained().get(1);
            float[] ones = new float[(int) first.getArray().size()];
            Arrays.fill(ones, 1);
            update(optimizer, first, manager, ones);
            NDArray replaced = first.getArray();
            float[] before = replaced.toFloatArray();
            replace(first, manager.ones(first.getShape()));
            replace(second, manager.ones(second.getShape()).toType(DataType.FLOAT16, false));
            for (int i = 0; i < 2; i++) {
                assertRefused(
                        "parameter 01Linear_bias is float16; it must be float32",
                        () -> update(optimizer, first, manager, ones));
                assertArrayEquals(before, replaced.toFloatArray());
                assertArrayEquals(ones, first.getArray().toFloatArray());
            }
            replace(second, manager.ones(second.getShape()));
            update(optimizer, first, manager, ones);
            assertArrayEquals(before, replaced.toFloatArray());
            assertFalse(Arrays.equals(ones, first.getArray().toFloatArray()));
        }
    }

    /** Gives a parameter another array, as loading does, which cannot load one of another type. */
    private static void replace(Parameter parameter, NDArray array) throws ReflectiveOperationException {
        Field field = Parameter.class.getDeclaredField("array");
        field.setAccessible(true);
        field.set(parameter, array);
        array.setRequiresGradient(true);
    }

    /** Where some parameters never come, a step ends when one comes again, or when the optimizer is asked. */
    @Test
    void callsInAnyOrderMakeSteps() {
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network).build();
                Lars core = core().onBadGradient(OnBadGradient.SKIP_LAYER).build()) {
            network.train(optimizer);
            List<Parameter> parameters = network.trained();
            float[][] expected = network.copies(false);
            Tensors weights = Tensors.byLayer(expected);
            for (int batch = 0; batch < 3; batch++) {
                network.backward(batch);
                float[][] gradients = network.copies(true);
                core.beginStep(weights);
                for (int layer : new int[] {4, 0, 5, 1}) {
                    core.applyLayer(layer, gradients[layer]);
                    update(optimizer, parameters.get(layer), network.trainer().getManager(), gradients[layer]);
                }
                core.endStep();
                if (batch == 1) {
                    assertEquals(2, optimizer.stepsTaken());
                }
            }
            assertEquals(3, optimizer.stepsTaken());
            assertSame(expected, network.copies(false));
        }
    }

    private static void update(LarsOptimizer optimizer, Parameter parameter, NDManager manager, float[] gradient) {
        try (NDArray array = manager.create(gradient, parameter.getShape())) {
            optimizer.update(parameter.getId(), parameter.getArray(), array);
        }
    }

    @Test
    void aBadGradientStopsItsOwnParameter() {
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network).build()) {
            Trainer trainer = network.train(optimizer);
            network.backward(0);
            spoil(network.trained().get(2));
            float[][] before = network.copies(false);
            ArithmeticException bad = assertThrows(ArithmeticException.class, trainer::step);
            assertEquals(
                    "parameter 02BatchNorm_gamma has a gradient with NaN or infinity; it was not updated",
                    bad.getMessage());
            assertArrayEquals(before[2], network.copies(false)[2]);
            // The step is over, and nothing of it comes into the next one.
            assertEquals(1, optimizer.stepsTaken());
            for (float[] gradient : network.copies(true)) {
                assertArrayEquals(new float[gradient.length], gradient);
            }
            network.backward(1);
            trainer.step();
            assertEquals(2, optimizer.stepsTaken());
        }
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network)
                        .optOnBadGradient(OnBadGradient.SKIP_LAYER)
                        .build();
                Lars core = core().onBadGradient(OnBadGradient.SKIP_LAYER).build()) {
            Trainer trainer = network.train(optimizer);
            for (int batch = 0; batch < 3; batch++) {
                network.backward(batch);
                if (batch == 1) {
                    spoil(network.trained().get(2));
                }
                finishBoth(network, trainer, core, 1);
            }
        }
    }

    private static void spoil(Parameter parameter) {
        try (NDArray gradient = parameter.getArray().getGradient()) {
            TensorMemory.elements(gradient).setAtIndex(ValueLayout.JAVA_FLOAT, 7, Float.NaN);
        }
    }

    /** What is written here is what the engine reads, and the reverse, for the life of a parameter. */
    @Test
    void worksOnTheEnginesOwnMemory() {
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network).build()) {
            Trainer trainer = network.train(optimizer);
            NDArray weight = network.trained().getFirst().getArray();
            MemorySegment memory = TensorMemory.ofWeights("weight", weight);
            for (int batch = 0; batch < 5; batch++) {
                network.backward(batch);
                trainer.step();
                assertEquals(memory.address(), TensorMemory.address(weight));
                assertArrayEquals(weight.toFloatArray(), memory.toArray(ValueLayout.JAVA_FLOAT));
            }
            memory.setAtIndex(ValueLayout.JAVA_FLOAT, 3, 42);
            assertEquals(42, weight.toFloatArray()[3]);
            try (NDArray gradient = weight.getGradient()) {
                TensorMemory.elements(gradient).setAtIndex(ValueLayout.JAVA_FLOAT, 3, 43);
            }
            assertEquals(43, network.copies(true)[0][3]);
        }
    }

    /** 10,000 steps, with and without a clip: the engine has as many tensors as before, and the process as much memory. */
    @ParameterizedTest
    @ValueSource(floats = {-1, 1})
    void nothingLeaks(float clip) throws IOException {
        assumeTrue(Files.exists(Path.of("/proc/self/status")), "tells how much memory is resident");
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network).optClipGrad(clip).build()) {
            Trainer trainer = network.train(optimizer);
            network.backward(0);
            trainer.step();
            List<Parameter> parameters = network.trained();
            List<NDArray> gradients = new ArrayList<>();
            for (Parameter parameter : parameters) {
                gradients.add(trainer.getManager().ones(parameter.getShape()));
            }
            int arrays = arrays(network);
            long before = 0;
            for (int step = 0; step < 10_000; step++) {
                for (int layer = 0; layer < gradients.size(); layer++) {
                    Parameter parameter = parameters.get(layer);
                    optimizer.update(parameter.getId(), parameter.getArray(), gradients.get(layer));
                }
                before = step == 2_000 ? residentKilobytes() : before;
            }
            assertEquals(10_001, optimizer.stepsTaken());
            assertEquals(arrays, arrays(network));
            // A leak of one gradient of 18 kB a step would be 144 MB.
            long more = residentKilobytes() - before;
            assertTrue(more < 70_000, more + " kB more");
        }
    }

    private static int arrays(Network network) {
        return network.model.getNDManager().getManagedArrays().size()
                + network.trainer().getManager().getManagedArrays().size()
                + network.trained().stream()
                        .mapToInt(parameter -> parameter
                                .getArray()
                                .getManager()
                                .getManagedArrays()
                                .size())
                        .sum();
    }

    private static long residentKilobytes() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("VmRSS:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                .sum();
    }

    @Test
    void gradientsMayBeNarrowOrNotContiguous() {
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network).build();
                Lars core = core().onBadGradient(OnBadGradient.SKIP_LAYER).build()) {
            NDManager manager = network.train(optimizer).getManager();
            Parameter parameter = network.trained().getFirst();
            float[][] expected = network.copies(false);
            network.backward(0);
            float[] gradient = network.copies(true)[0];
            Tensors weights = Tensors.byLayer(expected);
            try (NDArray whole = manager.create(gradient, parameter.getShape());
                    NDArray half = whole.toType(DataType.FLOAT16, true);
                    NDArray columns = whole.transpose();
                    NDArray dense = columns.duplicate();
                    NDArray strided = dense.transpose()) {
                core.beginStep(weights);
                core.applyLayer(0, gradient);
                core.endStep();
                // Its rows are columns in memory.
                optimizer.update(parameter.getId(), parameter.getArray(), strided);
                assertArrayEquals(expected[0], parameter.getArray().toFloatArray());

                short[] bits = new short[gradient.length];
                for (int i = 0; i < bits.length; i++) {
                    bits[i] = Float.floatToFloat16(gradient[i]);
                }
                core.beginStep(weights);
                core.applyLayer(0, Format.FLOAT16, bits);
                core.endStep();
                optimizer.update(parameter.getId(), parameter.getArray(), half);
                assertArrayEquals(expected[0], parameter.getArray().toFloatArray());
            }
        }
    }

    @Test
    void aGradientThatIsNotContiguousIsSetToZero() {
        try (NDManager manager = NDManager.newBaseManager();
                NDArray weights = manager.ones(new Shape(3, 4))) {
            weights.setRequiresGradient(true);
            try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
                NDArray other = manager.arange(12f).reshape(4, 3).transpose();
                collector.backward(weights.mul(other).mul(Float.NaN).sum());
            }
            int arrays = manager.getManagedArrays().size();
            TensorMemory.clearGradient(weights);
            assertArrayEquals(new float[12], weights.getGradient().toFloatArray());
            assertEquals(arrays + 1, manager.getManagedArrays().size());
        }
    }

    @Test
    void refusesWhatItCannotUpdateAndChangesNothing() {
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network).build()) {
            NDManager manager = network.train(optimizer).getManager();
            Parameter parameter = network.trained().getFirst();
            float[] before = parameter.getArray().toFloatArray();
            String id = parameter.getId();
            try (NDArray gradient = manager.ones(parameter.getShape());
                    NDArray rows = manager.ones(new Shape(30, 150));
                    NDArray strided = rows.transpose();
                    NDArray copy = parameter.getArray().duplicate();
                    NDArray half = copy.toType(DataType.FLOAT16, true);
                    NDArray ints = gradient.toType(DataType.INT32, true)) {
                assertRefused("is not that of the block", () -> optimizer.update(id, strided, gradient));
                assertRefused("is not that of the block", () -> optimizer.update(id, copy, gradient));
                assertRefused(
                        "parameter 01Linear_weight is float16; it must be float32",
                        () -> optimizer.update(id, half, gradient));
                assertRefused(
                        "the gradient of parameter 01Linear_weight is int32",
                        () -> optimizer.update(id, parameter.getArray(), ints));
                assertRefused(
                        "parameter 01Linear_weight has shape (30, 150) and its gradient (150, 30); both must have"
                                + " (150, 30)",
                        () -> optimizer.update(id, rows, gradient));
                assertRefused("parameterId is uid-x", () -> optimizer.update("uid-x", copy, gradient));
                assertArrayEquals(before, parameter.getArray().toFloatArray());
                assertEquals(0, optimizer.stepsTaken());
                IllegalArgumentException refusal =
                        assertThrows(IllegalArgumentException.class, () -> TensorMemory.ofWeights("w", strided));
                assertEquals("parameter w is not contiguous in memory; it must be", refusal.getMessage());
            }
        }
        try (Network network = new Network()) {
            LarsOptimizer.Builder builder = LarsOptimizer.builder();
            assertEquals(
                    "block was not set",
                    assertThrows(NullPointerException.class, builder::build).getMessage());
            builder.setBlock(network.model.getBlock());
            assertEquals(
                    "learningRateTracker was not set",
                    assertThrows(NullPointerException.class, builder::build).getMessage());
            builder.setLearningRateTracker(Tracker.fixed(1));
            assertRefused("policy is REFUSE", () -> builder.optOnBadGradient(OnBadGradient.REFUSE));
            assertRefused("rescaleGrad is 0.0", () -> builder.setRescaleGrad(0).build());
            builder.setRescaleGrad(1);
            assertRefused(
                    "beginNumUpdate is -1", () -> builder.optBeginNumUpdate(-1).build());
            builder.optBeginNumUpdate(0);
            assertRefused("momentum is -1.0", () -> builder.optMomentum(-1).build());
            builder.optMomentum(0);
            assertRefused("clipGrad is NaN", () -> builder.optClipGrad(Float.NaN));
            assertRefused("maxGradientNorm", () -> {
                try (LarsOptimizer optimizer =
                        builder.optCore(lars -> lars.maxGradientNorm(1)).build()) {
                    network.train(optimizer);
                    network.backward(0);
                    network.trainer().step();
                }
            });
        }
    }

    private static void assertRefused(String message, Executable call) {
        RuntimeException refusal = assertThrows(RuntimeException.class, call);
        assertTrue(refusal.getMessage().contains(message), refusal.toString());
    }

    /** A trainer keeps the parameters that it has found; training others would be lost. */
    @Test
    void aBlockThatWasLoadedNeedsANewTrainer(@TempDir Path folder) throws Exception {
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network).build()) {
            Trainer trainer = network.train(optimizer);
            network.backward(0);
            trainer.step();
            network.model.save(folder, "network");
            network.model.load(folder, "network");
            network.backward(1);
            assertRefused("make a new trainer", trainer::step);
        }
    }

    /** Beside DJL's own listeners, which count epochs in the same property, each trainer anew. */
    @Test
    void goesOnInAnotherBlock(@TempDir Path folder) throws Exception {
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network).build()) {
            Trainer trainer = network.train(optimizer);
            train(network, trainer, 0, 12);
            network.model.save(folder.resolve("expected"), "network");
        }
        Path run = folder.resolve("run");
        for (int process = 0; process < 3; process++) {
            try (Network network = new Network();
                    LarsOptimizer optimizer = optimizer(network).build()) {
                assertEquals(2 * process, SaveTrainingListener.resume(network.model, optimizer, run, "network"));
                assertEquals(4L * process, optimizer.stepsTaken());
                List<TrainingListener> listeners = new ArrayList<>(List.of(TrainingListener.Defaults.logging()));
                listeners.addFirst(
                        new SaveModelTrainingListener(folder.resolve("own").toString(), "network", 1));
                listeners.add(new SaveTrainingListener(optimizer, run, "network", 1));
                try (Trainer trainer = network.train(optimizer, listeners.toArray(TrainingListener[]::new))) {
                    for (int epoch = 2 * process; epoch < 2 * process + 2; epoch++) {
                        train(network, trainer, 2 * epoch, 2 * epoch + 2);
                        trainer.notifyListeners(listener -> listener.onEpoch(trainer));
                    }
                }
                assertTrue(Files.isDirectory(network.model.getModelPath()));
                if (process == 2) {
                    float[][] weights = network.copies(false);
                    network.model.load(folder.resolve("expected"), "network");
                    assertSame(network.copies(false), weights);
                }
            }
        }
        try (Stream<Path> files = Files.list(run)) {
            assertEquals(
                    IntStream.rangeClosed(1, 6)
                            .boxed()
                            .flatMap(epoch ->
                                    Stream.of("network-000" + epoch + ".lars", "network-000" + epoch + ".params"))
                            .toList(),
                    files.map(file -> file.getFileName().toString()).sorted().toList());
        }
        // Another run does not write into the folder, and what is not whole is not resumed.
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network).build()) {
            assertRefused(
                    "has epochs of another run",
                    () -> network.train(optimizer, new SaveTrainingListener(optimizer, run, "network", 1)));
            Path last = run.resolve("network-0006.params");
            byte[] whole = Files.readAllBytes(last);
            for (byte[] bytes : new byte[][] {new byte[100], Arrays.copyOf(whole, whole.length / 2)}) {
                Files.write(last, bytes);
                IOException damaged = assertThrows(
                        IOException.class, () -> SaveTrainingListener.resume(network.model, optimizer, run, "network"));
                assertTrue(damaged.getMessage().contains(last.toString()), damaged.getMessage());
            }
            Files.delete(last);
            assertEquals(5, SaveTrainingListener.resume(network.model, optimizer, run, "network"));
        }
    }

    @Test
    void theLastEpochIsSavedAndOnlyByTheOptimizerOfTheTrainer(@TempDir Path folder) throws IOException {
        Network first = new Network();
        // The trainer, which the network closes, saves at its end.
        try (LarsOptimizer optimizer = optimizer(first).build();
                LarsOptimizer other = optimizer(first).build();
                first) {
            SaveTrainingListener listener = new SaveTrainingListener(optimizer, folder, "network", 2);
            Trainer trainer = first.train(optimizer, listener);
            for (int epoch = 0; epoch < 3; epoch++) {
                train(first, trainer, epoch, epoch + 1);
                listener.onEpoch(trainer);
            }
            assertRefused(
                    "it must be that of the trainer",
                    () -> new SaveTrainingListener(other, folder, "network", 1).onEpoch(trainer));
            first.model.setProperty("lars4j.epochs", "3");
        }
        try (Network network = new Network();
                LarsOptimizer optimizer = optimizer(network).build()) {
            assertEquals(3, SaveTrainingListener.resume(network.model, optimizer, folder, "network"));
            assertEquals(3, optimizer.stepsTaken());
        }
    }

    private static void train(Network network, Trainer trainer, int from, int to) {
        for (int batch = from; batch < to; batch++) {
            network.backward(batch);
            trainer.step();
        }
    }
}
