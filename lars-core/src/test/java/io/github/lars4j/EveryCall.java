package io.github.lars4j;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Three layers, an optimizer for them, and every call that the optimizer guards. */
abstract class EveryCall {

    static final Layers LAYERS =
            Layers.builder().add("a", 9000).add("b", 30_000).add("c", 17).build();

    static final int N = (int) LAYERS.end();

    /** A file with a state of these layers, which can be read as a checkpoint and as a PyTorch state. */
    private static Path file;

    private static Checkpoint checkpoint;

    @BeforeAll
    static void saveState(@TempDir Path folder) throws IOException {
        file = folder.resolve("lars.safetensors");
        Checkpoint.save(file, builder().build(), new float[N]);
        checkpoint = Checkpoint.load(file);
    }

    static Lars.Builder builder() {
        return Lars.builder(LAYERS).learningRate(0.5).weightDecay(0.01).momentum(0.9);
    }

    final float[] params = Random32.normal(1, N, 1);
    final float[] gradients = Random32.normal(2, N, 1);

    /** A call and its name. */
    record Call(String name, Executable run) {}

    final List<Call> calls(Lars lars, Snapshot snapshot) {
        LayerSums sums = builder().build().measure(params, gradients);
        Gradients known = Gradients.of(gradients);
        Tensors w = Tensors.flat(params);
        Tensors g = Tensors.flat(gradients);
        Tensors halves = Tensors.flat(Format.BFLOAT16, new short[N]);
        return List.of(
                new Call("step", () -> lars.step(params, gradients)),
                new Call("step", () -> lars.step(params, known)),
                new Call("step", () -> lars.step(params, gradients, () -> 0)),
                new Call("step", () -> lars.step(params, known, () -> 0)),
                new Call("step", () -> lars.step(w, g)),
                new Call("step", () -> lars.step(w, known)),
                new Call("step", () -> lars.step(w, g, () -> 0)),
                new Call("step", () -> lars.step(w, known, () -> 0)),
                new Call("step", () -> lars.step(w, g, halves)),
                new Call("step", () -> lars.step(w, known, halves)),
                new Call("beginStep", () -> lars.beginStep(params)),
                new Call("beginStep", () -> lars.beginStep(w)),
                new Call("beginStep", () -> lars.beginStep(w, 0.5)),
                new Call("beginStep", () -> lars.beginStep(w, 0.5, halves)),
                new Call("applyLayer", () -> lars.applyLayer(2, gradients)),
                new Call("applyLayer", () -> lars.applyLayer(2, MemorySegment.NULL)),
                new Call("applyLayer", () -> lars.applyLayer(2, Format.BFLOAT16, new short[N])),
                new Call("applyLayer", () -> lars.applyLayer(2, Format.BFLOAT16, MemorySegment.NULL)),
                new Call("endStep", lars::endStep),
                new Call("measure", () -> lars.measure(params, gradients)),
                new Call("measure", () -> lars.measure(params, known)),
                new Call("measure", () -> lars.measure(w, g)),
                new Call("measure", () -> lars.measure(w, known)),
                new Call("measureBlocks", () -> lars.measureBlocks(w, known)),
                new Call("update", () -> lars.update(params, gradients, sums)),
                new Call("update", () -> lars.update(params, known, sums)),
                new Call("update", () -> lars.update(w, g, sums)),
                new Call("update", () -> lars.update(w, known, sums)),
                new Call("update", () -> lars.update(w, known, sums, halves)),
                new Call("discard", lars::discard),
                new Call("weightsChanged", lars::weightsChanged),
                new Call("learningRate", () -> lars.learningRate(1)),
                new Call("learningRate", () -> lars.learningRate(Schedule.constant(1))),
                new Call("change", () -> lars.change(s -> s.weightDecay(0.5))),
                new Call("change", () -> lars.change("no such group", s -> s)),
                new Call("addGroup", () -> lars.addGroup("new", layer -> true, s -> s.weightDecay(0.5))),
                new Call("addLayers", () -> lars.addLayers(LAYERS)),
                new Call("snapshot", lars::snapshot),
                new Call("restore", () -> lars.restore(snapshot)),
                new Call("save", () -> Checkpoint.save(file, lars)),
                new Call("save", () -> Checkpoint.save(file, lars, params)),
                new Call("save", () -> Checkpoint.save(file, lars, w)),
                new Call("restore", () -> checkpoint.restore(lars)),
                new Call("restore", () -> checkpoint.restore(lars, params)),
                new Call("restore", () -> checkpoint.restore(lars, w)),
                new Call("restore", () -> checkpoint.restoreMatching(lars)),
                new Call("restore", () -> checkpoint.restoreMatching(lars, params)),
                new Call("restore", () -> checkpoint.restoreMatching(lars, w)),
                new Call("restore", () -> PyTorchState.restore(file, lars)),
                new Call("restore", () -> PyTorchState.restore(file, lars, params)),
                new Call("restore", () -> PyTorchState.restore(file, lars, w)),
                new Call("close", lars::close));
    }
}
