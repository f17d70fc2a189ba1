package io.github.lars4j;

import static io.github.lars4j.Bits.assertSame;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.passes.Plan;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** One call at a time, failures inside of one, and what the passes are asked to do. */
@Tag("bits")
class CallsTest {

    private static final Layers LAYERS =
            Layers.builder().add("a", 9000).add("b", 30_000).add("c", 17).build();

    private static final int N = (int) LAYERS.end();

    private static final int BLOCK = 4096;

    /** A thread without work, in a plan's text. */
    private static final Pattern EMPTY_SHARE = Pattern.compile("\\[(\\d+), \\1\\)");

    /** A state of these layers, in a file that either format can be read from. */
    private static Path file;

    private static Checkpoint checkpoint;

    @BeforeAll
    static void save(@TempDir Path folder) throws IOException {
        file = folder.resolve("lars.safetensors");
        Checkpoint.save(file, builder().build(), new float[N]);
        checkpoint = Checkpoint.load(file);
    }

    private static Lars.Builder builder() {
        return Lars.builder(LAYERS).learningRate(0.5).weightDecay(0.01).momentum(0.9);
    }

    private final float[] params = Random32.normal(1, N, 1);
    private final float[] gradients = Random32.normal(2, N, 1);

    /** Calls that may not come now, by name. */
    private record Call(String name, Executable run) {}

    private List<Call> calls(Lars lars, Snapshot snapshot) {
        LayerSums sums = builder().build().measure(params, gradients);
        Gradients known = Gradients.of(gradients);
        return List.of(
                new Call("step", () -> lars.step(params, gradients)),
                new Call("step", () -> lars.step(params, known)),
                new Call("step", () -> lars.step(params, gradients, () -> 0)),
                new Call("step", () -> lars.step(params, known, () -> 0)),
                new Call("measure", () -> lars.measure(params, gradients)),
                new Call("measure", () -> lars.measure(params, known)),
                new Call("update", () -> lars.update(params, gradients, sums)),
                new Call("update", () -> lars.update(params, known, sums)),
                new Call("discard", lars::discard),
                new Call("weightsChanged", lars::weightsChanged),
                new Call("learningRate", () -> lars.learningRate(1)),
                new Call("learningRate", () -> lars.learningRate(Schedule.constant(1))),
                new Call("snapshot", lars::snapshot),
                new Call("restore", () -> lars.restore(snapshot)),
                new Call("save", () -> Checkpoint.save(file, lars)),
                new Call("save", () -> Checkpoint.save(file, lars, params)),
                new Call("restore", () -> checkpoint.restore(lars)),
                new Call("restore", () -> checkpoint.restore(lars, params)),
                new Call("restore", () -> checkpoint.restoreMatching(lars)),
                new Call("restore", () -> checkpoint.restoreMatching(lars, params)),
                new Call("restore", () -> PyTorchState.restore(file, lars)),
                new Call("restore", () -> PyTorchState.restore(file, lars, params)),
                new Call("close", lars::close));
    }

    private static void assertRefused(Call call, String why) {
        IllegalStateException thrown = assertThrows(IllegalStateException.class, call.run, call.name);
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
                        throw assertThrows(IllegalStateException.class, call.run, call.name);
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

        private final int[] offsets;
        private final int[] firstBlock;
        private int layer;
        private int kept;

        Sabotage(Lars lars) {
            offsets = (int[]) field(field(lars, "plan"), "offsets");
            firstBlock = (int[]) field(field(lars, "plan"), "firstBlock");
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

    /** Where a block is made to fail, and in which half of a step. */
    private enum Fault {
        /** In a step; not written then are the layers of this group and of those behind it. */
        PASS_ONE,
        /** In a step too, where pass 1 has gone well. */
        PASS_TWO,
        /** In an update of its own. */
        UPDATE
    }

    /**
     * A failure of any block, in any thread, leaves the old state, or an optimizer that refuses every call but a
     * restore, with the cause; and that only where something was written.
     */
    @Test
    void aFailureOfAnyBlockLeavesTheOldStateOrRefusesEveryLaterCall() {
        int[] failures = new int[Fault.values().length];
        int kept = 0;
        int refused = 0;
        for (OnBadGradient policy : new OnBadGradient[] {OnBadGradient.THROW, OnBadGradient.SKIP_LAYER}) {
            for (int bits = 0; bits < 4; bits++) {
                for (int threads : new int[] {1, 2, 3, 8}) {
                    try (Lars lars = builder()
                            .onBadGradient(policy)
                            .carrySums((bits & 1) != 0)
                            .momentum((bits & 2) != 0 ? 0.9 : 0)
                            .parallelism(threads)
                            .grain(new Plan.Grain(BLOCK, 1))
                            .build()) {
                        Plan plan = (Plan) field(lars, "plan");
                        boolean oneGroup = policy == OnBadGradient.THROW;
                        assertTrue(plan.blocks() > threads && oneGroup == (plan.groups() == 1), plan::toString);
                        assertFalse(
                                oneGroup && EMPTY_SHARE.matcher(plan.toString()).find(), plan::toString);
                        float[] weights = params.clone();
                        lars.step(weights, gradients);
                        Snapshot snapshot = lars.snapshot();
                        float[] before = weights.clone();
                        lars.step(weights, gradients);
                        String expected = Bits.of(lars, weights);
                        for (int block = 0; block < plan.blocks(); block++) {
                            for (Fault fault : Fault.values()) {
                                if (fault == Fault.PASS_TWO && (bits & 2) == 0) {
                                    continue; // It is the momentum that ends too early there.
                                }
                                String what = fault + " of block " + block + " in " + lars;
                                lars.restore(snapshot);
                                float[] again = before.clone();
                                String old = Bits.of(lars, again);
                                Throwable cause = fail(fault, block, lars, again);
                                if (fault == Fault.PASS_ONE && block < plan.firstBlock(plan.groupFirstLayer(1))) {
                                    assertEquals(old, Bits.of(lars, again), what);
                                    kept++;
                                } else {
                                    refused += assertBroken(lars, snapshot, cause, what);
                                    lars.restore(snapshot);
                                    again = before.clone();
                                }
                                lars.step(again, gradients);
                                assertEquals(expected, Bits.of(lars, again), what);
                                failures[fault.ordinal()]++;
                            }
                        }
                    }
                }
            }
        }
        System.out.printf(
                "%d failures in pass 1, %d of them left the old state; %d in pass 2; %d calls refused until a restore%n",
                failures[0], kept, failures[1] + failures[2], refused);
    }

    /** Index of a block's first element. */
    private static int from(int block, Lars lars) {
        Plan plan = (Plan) field(lars, "plan");
        int layer = 0;
        while (plan.firstBlock(layer + 1) <= block) {
            layer++;
        }
        return (int) LAYERS.get(layer).offset() + (block - plan.firstBlock(layer)) * BLOCK;
    }

    private Throwable fail(Fault fault, int block, Lars lars, float[] weights) {
        if (fault == Fault.PASS_TWO) {
            float[] momentum = lars.state().momentum;
            lars.state().momentum = Arrays.copyOf(momentum, from(block, lars));
            Throwable thrown = assertThrows(IndexOutOfBoundsException.class, () -> lars.step(weights, gradients));
            lars.state().momentum = momentum;
            return thrown;
        }
        LayerSums sums = fault == Fault.UPDATE ? lars.measure(weights, gradients) : null;
        Sabotage sabotage = new Sabotage(lars);
        sabotage.failAt(block);
        Throwable thrown = assertThrows(IndexOutOfBoundsException.class, () -> {
            if (sums == null) {
                lars.step(weights, gradients);
            } else {
                lars.update(weights, gradients, sums);
            }
        });
        sabotage.undo();
        return thrown;
    }

    /** Returns how many calls were refused. */
    private int assertBroken(Lars lars, Snapshot snapshot, Throwable cause, String what) {
        int refused = 0;
        for (Call call : calls(lars, snapshot)) {
            if (call.name.equals("restore") || call.name.equals("close")) {
                continue;
            }
            IllegalStateException thrown = assertThrows(IllegalStateException.class, call.run, call.name + what);
            assertTrue(thrown.getMessage().contains("restore a snapshot"), thrown::getMessage);
            assertSame(cause, thrown.getCause(), call.name + what);
            refused++;
        }
        return refused;
    }

    @Test
    void anErrorBeforeAnythingIsWrittenLeavesTheOldState() {
        for (Throwable thrown : new Throwable[] {new StackOverflowError("made up"), new IllegalStateException("too")}) {
            boolean[] fail = new boolean[1];
            Lars lars = builder()
                    .learningRate(step -> fail[0] ? raise(thrown) : 0.5)
                    .build();
            lars.step(params, gradients);
            String before = Bits.of(lars, params);
            assertSame(
                    thrown,
                    assertThrows(Throwable.class, () -> lars.step(params, gradients, () -> raise(thrown))),
                    "by the closure");
            fail[0] = true;
            assertSame(thrown, assertThrows(Throwable.class, () -> lars.step(params, gradients)), "by the schedule");
            assertEquals(before, Bits.of(lars, params));
            fail[0] = false;
            lars.step(params, gradients);
            assertEquals(2, lars.steps());
        }
    }

    private static double raise(Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        throw (RuntimeException) thrown;
    }

    @Test
    void aRestoreThatFailsAsksForAnother() {
        Lars lars = builder().build();
        lars.step(params, gradients);
        Snapshot good = lars.snapshot();
        Snapshot torn = lars.snapshot();
        torn.state().momentum = new float[10_000];
        Throwable cause = assertThrows(IndexOutOfBoundsException.class, () -> lars.restore(torn));
        assertBroken(lars, good, cause, " after a restore that failed");
        lars.restore(good);
        lars.step(params, gradients);
    }

    /**
     * Two threads step without agreeing on turns: each call steps, or is refused, and what comes of it is that many
     * steps.
     */
    @Test
    void twoThreadsThatRaceTakeOneStepAtATime() throws Exception {
        Layers layers = Layers.builder().add("w", 40).build();
        float[] w = Random32.normal(1, 40, 1);
        float[] g = Random32.normal(2, 40, 1);
        float[] expected = w.clone();
        Lars lars = Lars.builder(layers).learningRate(0.01).momentum(0.5).build();
        Lars alone = Lars.builder(layers).learningRate(0.01).momentum(0.5).build();
        int taken = race(20_000, racer -> lars.step(w, g));
        assertEquals(taken, lars.steps());
        for (int i = 0; i < taken; i++) {
            alone.step(expected, g);
        }
        assertEquals(Bits.of(alone, expected), Bits.of(lars, w));
    }

    /**
     * Whoever has a turn has it alone. A turn is so short here that two threads ask for one at the same instant, often.
     */
    @Test
    void twoThreadsThatRaceHaveOneTurnAtATime() throws Exception {
        Turns turns = new Turns();
        AtomicInteger inside = new AtomicInteger();
        race(1_000_000, racer -> {
            turns.enter("step", false);
            assertEquals(1, inside.incrementAndGet(), "threads that have a turn");
            inside.decrementAndGet();
            turns.leave(Turns.Phase.IDLE);
        });
    }

    /** Has two threads make so many calls each; returns how many were let in. */
    private static int race(int calls, IntConsumer call) throws Exception {
        CyclicBarrier start = new CyclicBarrier(2);
        Callable<Integer> racer = () -> {
            int taken = 0;
            start.await();
            for (int i = 0; i < calls; i++) {
                try {
                    call.accept(i);
                    taken++;
                } catch (IllegalStateException refused) {
                    assertEquals("step was called while another call was under way", refused.getMessage());
                }
            }
            return taken;
        };
        FutureTask<Integer> other = new FutureTask<>(racer);
        new Thread(other).start();
        int taken = racer.call() + other.get();
        System.out.println(taken + " turns taken by two threads that race, " + (2 * calls - taken) + " refused");
        return taken;
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
