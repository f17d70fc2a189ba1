package io.github.lars4j;

import static io.github.lars4j.Bits.assertSame;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import java.lang.reflect.Field;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** One call at a time, failures inside of one, and what the passes are asked to do. */
@Tag("bits")
class CallsTest {

    private static final Layers LAYERS =
            Layers.builder().add("a", 9000).add("b", 30_000).add("c", 17).build();

    private static final int N = (int) LAYERS.end();

    private static Lars.Builder builder() {
        return Lars.builder(LAYERS).learningRate(0.5).weightDecay(0.01).momentum(0.9);
    }

    private final float[] params = Random32.normal(1, N, 1);
    private final float[] gradients = Random32.normal(2, N, 1);

    /** Calls that may not come now, by name. */
    private record Call(String name, Runnable run) {}

    private List<Call> calls(Lars lars, Snapshot snapshot) {
        LayerSums sums = builder().build().measure(params, gradients);
        return List.of(
                new Call("step", () -> lars.step(params, gradients)),
                new Call("step", () -> lars.step(params, Gradients.of(gradients))),
                new Call("measure", () -> lars.measure(params, gradients)),
                new Call("update", () -> lars.update(params, gradients, sums)),
                new Call("discard", lars::discard),
                new Call("weightsChanged", lars::weightsChanged),
                new Call("learningRate", () -> lars.learningRate(1)),
                new Call("snapshot", lars::snapshot),
                new Call("restore", () -> lars.restore(snapshot)),
                new Call("close", lars::close));
    }

    private static void assertRefused(Call call, String why) {
        IllegalStateException thrown = assertThrows(IllegalStateException.class, call.run::run, call.name);
        assertEquals(call.name + " was called " + why, thrown.getMessage());
    }

    @Test
    void whileAStepIsUnderWayEveryCallIsRefusedAndTheStepIsNotDisturbed() throws InterruptedException {
        Lars lars = builder().build();
        Lars undisturbed = builder().build();
        float[] expected = params.clone();
        undisturbed.step(expected, gradients);
        List<Call> calls = calls(lars, lars.snapshot());
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread trainer = new Thread(() -> {
            try {
                lars.step(params, gradients, () -> {
                    inside.countDown();
                    try {
                        go.await();
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                    return 0;
                });
            } catch (Throwable t) {
                failure.set(t);
            }
        });
        trainer.start();
        inside.await();
        try {
            for (Call call : calls) {
                assertRefused(call, "while another call was under way");
            }
        } finally {
            go.countDown();
            trainer.join();
        }
        assertEquals(null, failure.get());
        assertSame(expected, params, "the step that was under way");
        assertEquals(Bits.of(undisturbed, expected), Bits.of(lars, params));
    }

    @Test
    void aClosureMayNotCallTheOptimizer() {
        Lars lars = builder().build();
        String before = Bits.of(lars, params);
        for (Call call : calls(lars, lars.snapshot())) {
            IllegalStateException thrown = assertThrows(
                    IllegalStateException.class,
                    () -> lars.step(params, gradients, () -> {
                        call.run.run();
                        return 0;
                    }));
            assertEquals(call.name + " was called while another call was under way", thrown.getMessage());
        }
        assertEquals(before, Bits.of(lars, params));
    }

    @Test
    void betweenMeasureAndUpdateNoStepMayCome() {
        Lars lars = builder().build();
        Lars undisturbed = builder().build();
        float[] expected = params.clone();
        undisturbed.step(expected, gradients);
        LayerSums sums = lars.measure(params, gradients);
        String refused = "between measure and update; call update or discard first";
        for (Call call : calls(lars, lars.snapshot())) {
            if (call.name.equals("step") || call.name.equals("weightsChanged")) {
                assertRefused(call, refused);
            }
        }
        lars.snapshot();
        lars.learningRate(0.5);
        lars.update(params, gradients, sums);
        assertSame(expected, params, "the update");
        assertEquals(Bits.of(undisturbed, expected), Bits.of(lars, params));
    }

    @Test
    void sumsOfAStepThatIsOverAreRefused() {
        Lars lars = builder().build();
        LayerSums sums = lars.measure(params, gradients);
        lars.update(params, gradients, sums);
        String before = Bits.of(lars, params);
        assertThrows(IllegalStateException.class, () -> lars.update(params, gradients, sums));
        LayerSums discarded = lars.measure(params, gradients);
        lars.discard();
        assertThrows(IllegalStateException.class, () -> lars.update(params, gradients, discarded));
        assertEquals(before, Bits.of(lars, params));
        lars.measure(params, gradients);
        lars.update(params, gradients, lars.measure(params, gradients));
        assertEquals(2, lars.steps());
    }

    @Test
    void afterCloseEveryCallIsRefused() {
        Lars lars = builder().parallelism(3).build();
        List<Call> calls = calls(lars, lars.snapshot());
        float[] before = params.clone();
        lars.close();
        lars.close();
        for (Call call : calls) {
            if (!call.name.equals("close")) {
                assertRefused(call, "after close");
            }
        }
        assertSame(before, params, "weights");
    }

    // Failures inside of a pass: the plan is made to name a block that is not there.

    private static Object field(Object owner, String name) {
        try {
            Field field = owner.getClass().getDeclaredField(name);
            field.setAccessible(true);
            return field.get(owner);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    /** A plan that is made to place a layer so that one block of it begins where the arrays end. */
    private static final class Sabotage {

        private static final int BLOCK = 4096;

        private final int[] offsets;
        private final int[] firstBlock;
        private int layer;
        private int kept;

        Sabotage(Lars lars) {
            offsets = (int[]) field(field(lars, "plan"), "offsets");
            firstBlock = (int[]) field(field(lars, "plan"), "firstBlock");
        }

        int blocks() {
            return firstBlock[firstBlock.length - 1];
        }

        void failAt(int block) {
            layer = 0;
            while (firstBlock[layer + 1] <= block) {
                layer++;
            }
            kept = offsets[layer];
            offsets[layer] = N - (block - firstBlock[layer]) * BLOCK;
        }

        void undo() {
            offsets[layer] = kept;
        }
    }

    @Test
    void aFailureOfAnyBlockInPassOneLeavesTheOldState() {
        int failures = 0;
        for (int threads : new int[] {1, 2, 3, 8}) {
            try (Lars lars = builder().parallelism(threads).build()) {
                float[] weights = params.clone();
                lars.step(weights, gradients);
                String before = Bits.of(lars, weights);
                Sabotage sabotage = new Sabotage(lars);
                for (int block = 0; block < sabotage.blocks(); block++) {
                    sabotage.failAt(block);
                    assertThrows(IndexOutOfBoundsException.class, () -> lars.step(weights, gradients));
                    sabotage.undo();
                    assertEquals(before, Bits.of(lars, weights), "block " + block + " of " + threads + " threads");
                    failures++;
                }
                float[] expected = params.clone();
                Lars undisturbed = builder().build();
                undisturbed.step(expected, gradients);
                undisturbed.step(expected, gradients);
                lars.step(weights, gradients);
                assertSame(expected, weights, "the next step");
            }
        }
        System.out.println(failures + " failures in pass 1, each left the old state");
    }

    @Test
    void aFailureOfAnyBlockInPassTwoRefusesEveryLaterCallUntilRestored() {
        int refused = 0;
        int failures = 0;
        for (int threads : new int[] {1, 2, 3, 8}) {
            try (Lars lars = builder().parallelism(threads).build()) {
                float[] weights = params.clone();
                lars.step(weights, gradients);
                Snapshot snapshot = lars.snapshot();
                float[] kept = weights.clone();
                lars.step(weights, gradients);
                String expected = Bits.of(lars, weights);
                Sabotage sabotage = new Sabotage(lars);
                for (int block = 0; block < sabotage.blocks(); block++) {
                    lars.restore(snapshot);
                    float[] again = kept.clone();
                    LayerSums sums = lars.measure(again, gradients);
                    sabotage.failAt(block);
                    Throwable cause =
                            assertThrows(IndexOutOfBoundsException.class, () -> lars.update(again, gradients, sums));
                    sabotage.undo();
                    for (Call call : calls(lars, snapshot)) {
                        if (call.name.equals("restore") || call.name.equals("close")) {
                            continue;
                        }
                        IllegalStateException thrown =
                                assertThrows(IllegalStateException.class, call.run::run, call.name);
                        assertTrue(thrown.getMessage().contains("restore a snapshot"), thrown::getMessage);
                        assertSame(cause, thrown.getCause(), call.name);
                        refused++;
                    }
                    lars.restore(snapshot);
                    float[] restored = kept.clone();
                    lars.step(restored, gradients);
                    assertEquals(expected, Bits.of(lars, restored), "block " + block + " of " + threads);
                    failures++;
                }
            }
        }
        System.out.println(failures + " failures in pass 2, and " + refused + " calls after them, each refused");
    }

    @Test
    void aBrokenOptimizerCanBeClosed() {
        Lars lars = builder().parallelism(2).build();
        LayerSums sums = lars.measure(params, gradients);
        new Sabotage(lars).failAt(0);
        assertThrows(IndexOutOfBoundsException.class, () -> lars.update(params, gradients, sums));
        lars.close();
        assertRefused(new Call("step", () -> lars.step(params, gradients)), "after close");
    }

    // No dialect costs more than another.

    @Test
    void everyDialectMakesTheSameKernelCalls() {
        for (boolean squares : new boolean[] {false, true}) {
            String plan = null;
            for (Rule rule : LarsTest.DIALECTS) {
                if (squares && rule.equals(Dialects.OPTAX) || squares && rule.equals(Dialects.BARLOW_TWINS)) {
                    continue; // these need Σw·g, and so the read that handed-in squares save the others
                }
                Lars lars = builder().rule(rule).build();
                Gradients known = Gradients.of(gradients);
                if (squares) {
                    known.squares(new double[] {1, 1, 1});
                }
                lars.step(params, known);
                // A pass calls one kernel for each block of the plan, by what it is asked to read or write of the
                // layer.
                byte read = (byte) (squares ? 1 : 3);
                assertArrayEquals(new byte[] {read, read, read}, (byte[]) field(lars, "reads"), rule.toString());
                assertArrayEquals(new boolean[] {true, true, true}, (boolean[]) field(lars, "updates"));
                assertNotEquals(null, lars.snapshot().state().momentum);
                String now = field(lars, "plan").toString();
                assertEquals(plan == null ? now : plan, now);
                plan = now;
            }
        }
    }
}
