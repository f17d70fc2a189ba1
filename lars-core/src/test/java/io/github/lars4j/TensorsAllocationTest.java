package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.lars4j.rule.Treatment;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Steps allocate nothing wherever the tensors lie, also with two buffers of gradients in turn. The bytes are counted as
 * {@link io.github.lars4j.internal.passes.AllocationTest} does: over windows of steps, of which one must have none.
 */
@Tag("no-mutants")
class TensorsAllocationTest {

    private static final int STEPS = 50;

    private static final Layers LAYERS = Layers.builder()
            .add("a", 30_000)
            .at(30_007)
            .add("b", 64, Treatment.PLAIN)
            .add("nothing", 0)
            .add("c", 7_000)
            .build();

    private int checked;

    @Test
    void stepsAllocateNothingWhereverTheTensorsLie() {
        for (Trace.Place place : Trace.Place.values()) {
            for (int threads : new int[] {1, 3}) {
                check("scalar", place, threads, 4);
            }
        }
        System.out.println(checked + " kinds of steps with tensors allocated nothing");
    }

    /** Vectors are objects until C2 has compiled the kernels, which takes some windows. */
    @Test
    void compiledVectorStepsAllocateNothing() {
        for (Trace.Place place :
                List.of(Trace.Place.BY_LAYER, Trace.Place.NATIVE, Trace.Place.NATIVE_BY_LAYER, Trace.Place.MIXED)) {
            check("vector", place, 2, 400);
        }
    }

    private void check(String kernels, Trace.Place place, int threads, int windows) {
        float[] ones = new float[(int) LAYERS.end()];
        Arrays.fill(ones, 1);
        Set<Long> others = Allocation.workers();
        try (Arena arena = Arena.ofShared();
                Lars lars = Kernel.with(
                        kernels,
                        () -> Lars.builder(LAYERS)
                                .learningRate(0.01)
                                .momentum(0.9)
                                .weightDecay(1e-4)
                                .group(
                                        "a",
                                        layer -> layer.name().equals("a"),
                                        s -> s.momentum(step -> step % 3 == 0 ? 0 : 0.9))
                                .onBadGradient(OnBadGradient.SKIP_LAYER)
                                .carrySums(true)
                                .nativeMomentum(place.nativeMomentum)
                                .parallelism(threads)
                                .build())) {
            Set<Long> own = Allocation.workers();
            own.removeAll(others);
            assertEquals(threads - 1, own.size(), "threads of the optimizer");
            long[] ids = own.stream().mapToLong(Long::longValue).toArray();
            Tensors w = place.weights.copyOf(ones, LAYERS, arena);
            Tensors g = place.gradients.copyOf(ones, LAYERS, arena);
            Tensors h = place.gradients.copyOf(ones, LAYERS, arena);
            Gradients known = Gradients.of(g);
            Gradients next = Gradients.of(h);
            Map<String, Runnable> steps = new LinkedHashMap<>();
            steps.put("tensors", () -> lars.step(w, g));
            steps.put("tensors in turn", () -> lars.step(w, lars.steps() % 2 == 0 ? g : h));
            steps.put("gradients in turn", () -> lars.step(w, lars.steps() % 2 == 0 ? known : next));
            steps.put("halves", () -> lars.update(w, g, lars.measure(w, g)));
            steps.put(
                    "halves in turn",
                    () -> lars.update(w, known.missing(1, lars.steps() % 3 == 0), lars.measure(w, known)));
            steps.forEach((name, step) -> {
                step.run();
                step.run();
                long least = Long.MAX_VALUE;
                for (int window = 0; window < windows && least > 0; window++) {
                    long before = Allocation.bytes(ids);
                    for (int i = 0; i < STEPS; i++) {
                        step.run();
                    }
                    least = Math.min(least, Allocation.bytes(ids) - before);
                }
                assertEquals(
                        0, least, () -> STEPS + " steps: " + name + ", " + kernels + ", " + place + ", " + threads);
                checked++;
            });
        }
    }
}
