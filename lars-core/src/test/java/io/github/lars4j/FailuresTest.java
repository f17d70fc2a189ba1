package io.github.lars4j;

import static io.github.lars4j.Bits.assertSame;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.passes.Plan;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** A failure inside a call leaves the old state, or an optimizer that refuses calls until it is restored. */
@Tag("bits")
class FailuresTest extends EveryCall {

    private static final int BLOCK = 4096;

    /** Matches a thread without work in the text of a plan. */
    private static final Pattern EMPTY_SHARE = Pattern.compile("\\[(\\d+), \\1\\)");

    /** Returns the layer of a block. */
    private static int layer(Plan plan, int block) {
        int layer = 0;
        while (plan.firstBlock(layer + 1) <= block) {
            layer++;
        }
        return layer;
    }

    /** Returns the index of the first element of a block. */
    private static int from(Plan plan, int block) {
        int layer = layer(plan, block);
        return (int) LAYERS.get(layer).offset() + (block - plan.firstBlock(layer)) * BLOCK;
    }

    private static Plan plan(Lars lars) {
        return Inside.plan(lars);
    }

    /** Changes an offset so that one block of a layer begins after the end of the arrays. */
    private static final class Sabotage {

        private final long[] offsets;
        private final int layer;
        private final long kept;

        Sabotage(Lars lars, int block) {
            Plan plan = plan(lars);
            offsets = lars.layers().offsets();
            layer = layer(plan, block);
            kept = offsets[layer];
            offsets[layer] += N - from(plan, block);
        }

        void undo() {
            offsets[layer] = kept;
        }
    }

    /** The call and the pass in which a block fails. */
    private enum Fault {
        /** In pass 1 of a step: the layers of this round and of all later rounds are not written. */
        PASS_ONE,
        /** In pass 2 of a step, after pass 1 has succeeded. */
        PASS_TWO,
        /** In a separate update. */
        UPDATE
    }

    /**
     * A failure of any block, in any thread, leaves the old state if nothing was written. Otherwise the optimizer
     * refuses every call except a restore, and gives the failure as the cause.
     */
    @Test
    void aFailureOfAnyBlockLeavesTheOldStateOrRefusesEveryLaterCall() {
        failAnyBlock(Kernel.ONE_WIDTH ? new int[] {3} : new int[] {1, 2, 3, 8});
    }

    @Test
    @Tag("slow")
    void soDoesItWithOtherNumbersOfThreads() {
        failAnyBlock(1, 2, 5, 8);
    }

    private void failAnyBlock(int... numbersOfThreads) {
        int[] failures = new int[Fault.values().length];
        int kept = 0;
        int refused = 0;
        for (OnBadGradient policy : new OnBadGradient[] {OnBadGradient.THROW, OnBadGradient.SKIP_LAYER}) {
            for (int bits = 0; bits < 4; bits++) {
                for (int threads : numbersOfThreads) {
                    try (Lars lars = builder()
                            .onBadGradient(policy)
                            .carrySums((bits & 1) != 0)
                            .momentum((bits & 2) != 0 ? 0.9 : 0)
                            .parallelism(threads)
                            .grain(new Plan.Grain(BLOCK, 1))
                            .build()) {
                        Plan plan = plan(lars);
                        boolean oneRound = policy == OnBadGradient.THROW;
                        assertTrue(plan.blocks() > threads && oneRound == (plan.rounds() == 1), plan::toString);
                        assertFalse(
                                oneRound && EMPTY_SHARE.matcher(plan.toString()).find(), plan::toString);
                        float[] weights = params.clone();
                        lars.step(weights, gradients);
                        Snapshot snapshot = lars.snapshot();
                        float[] before = weights.clone();
                        lars.step(weights, gradients);
                        String expected = Bits.of(lars, weights);
                        for (int block = 0; block < plan.blocks(); block++) {
                            for (Fault fault : Fault.values()) {
                                if (fault == Fault.PASS_TWO && (bits & 2) == 0) {
                                    continue; // Here the momentum array is the one that is too short.
                                }
                                String what = fault + " of block " + block + " in " + lars;
                                lars.restore(snapshot);
                                float[] again = before.clone();
                                String old = Bits.of(lars, again);
                                Throwable cause = fail(fault, block, lars, again);
                                if (fault == Fault.PASS_ONE && block < plan.firstBlock(plan.firstLayerOfRound(1))) {
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

    private Throwable fail(Fault fault, int block, Lars lars, float[] weights) {
        if (fault == Fault.PASS_TWO) {
            float[] momentum = Inside.momentum(lars);
            Inside.setMomentum(lars, Arrays.copyOf(momentum, from(plan(lars), block)));
            Throwable thrown = assertThrows(IndexOutOfBoundsException.class, () -> lars.step(weights, gradients));
            Inside.setMomentum(lars, momentum);
            return thrown;
        }
        LayerSums sums = fault == Fault.UPDATE ? lars.measure(weights, gradients) : null;
        Sabotage sabotage = new Sabotage(lars, block);
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

    /** In pass 2, in a block of a bfloat16 momentum or of the copies of the weights. */
    @Test
    void soDoesAFailureInNarrowFormats(@TempDir Path folder) throws IOException {
        int failures = 0;
        Simd[] kinds = Kernel.ONE_WIDTH ? new Simd[] {Simd.REQUIRED} : new Simd[] {Simd.OFF, Simd.REQUIRED};
        for (Simd simd : kinds) {
            for (int threads : new int[] {1, 3}) {
                short[] momentum = new short[N];
                Lars.Builder builder = builder()
                        .momentumBuffer(Tensors.flat(Format.BFLOAT16, momentum))
                        .simd(simd)
                        .parallelism(threads)
                        .grain(new Plan.Grain(BLOCK, 1));
                try (Lars lars = (threads == 1 ? builder : builder.stochasticRounding(5)).build()) {
                    failures += failInNarrowFormats(lars, momentum, folder.resolve("f"));
                }
            }
        }
        assertEquals(48 * kinds.length, failures);
    }

    private int failInNarrowFormats(Lars lars, short[] momentum, Path file) throws IOException {
        int failures = 0;
        short[] halves = new short[N];
        Tensors copies = Tensors.flat(Format.BFLOAT16, halves);
        Tensors g = Tensors.flat(gradients);
        float[] weights = params.clone();
        lars.step(Tensors.flat(weights), g, copies);
        Snapshot snapshot = lars.snapshot();
        Checkpoint.save(file, lars);
        Checkpoint checkpoint = Checkpoint.load(file);
        float[] before = weights.clone();
        lars.step(Tensors.flat(weights), g, copies);
        String expected = Bits.of(lars, weights);
        short[] expectedCopies = halves.clone();
        Plan plan = plan(lars);
        for (int block = 0; block < plan.blocks(); block++) {
            for (boolean ofCopies : new boolean[] {false, true}) {
                String what = (ofCopies ? " of copies" : " of momentum") + " in block " + block + " in " + lars;
                lars.restore(snapshot);
                short[] part = new short[from(plan, block)];
                if (ofCopies) {
                    Inside.setArrayOfSteps(copies, lars.layers(), part);
                } else {
                    Inside.setMomentum(lars, part);
                }
                Tensors again = Tensors.flat(before.clone());
                Executable step = () -> lars.step(again, g, copies);
                Throwable cause = assertThrows(IndexOutOfBoundsException.class, step, what);
                Inside.setArrayOfSteps(copies, lars.layers(), halves);
                Inside.setMomentum(lars, momentum);
                assertBroken(lars, snapshot, cause, what);
                if (block % 2 == 0) {
                    lars.restore(snapshot);
                } else {
                    checkpoint.restore(lars);
                }
                Arrays.fill(halves, (short) 0);
                float[] restored = before.clone();
                lars.step(Tensors.flat(restored), g, copies);
                assertEquals(expected, Bits.of(lars, restored), what);
                assertArrayEquals(expectedCopies, halves, what);
                failures++;
            }
        }
        return failures;
    }

    /** Asserts that every call is refused; returns the number of calls. */
    private int assertBroken(Lars lars, Snapshot snapshot, Throwable cause, String what) {
        int refused = 0;
        for (Call call : calls(lars, snapshot)) {
            if (call.name().equals("restore") || call.name().equals("close")) {
                continue;
            }
            IllegalStateException thrown = assertThrows(IllegalStateException.class, call.run(), call.name() + what);
            assertTrue(thrown.getMessage().contains("restore a snapshot"), thrown::getMessage);
            assertSame(cause, thrown.getCause(), call.name() + what);
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
        torn.state().momentum = Momentum.of(Tensors.flat(new float[10_000]));
        Throwable cause = assertThrows(IndexOutOfBoundsException.class, () -> lars.restore(torn));
        assertBroken(lars, good, cause, " after a restore that failed");
        lars.restore(good);
        lars.step(params, gradients);
    }

    /** Such as a change that the memory does not suffice for; here the momentum cannot be set to 0. */
    @Test
    void aChangeThatFailsHalfwayIsRepairedByARestore() {
        Lars lars = builder()
                .group("c", layer -> layer.name().equals("c"), s -> s.momentum(0))
                .build();
        lars.step(params, gradients);
        Snapshot good = lars.snapshot();
        float[] momentum = Inside.momentum(lars);
        Inside.setMomentum(lars, new float[1]);
        Throwable cause = assertThrows(IndexOutOfBoundsException.class, () -> lars.change("c", s -> s.momentum(0.5)));
        assertBroken(lars, good, cause, " after a change that failed");
        Inside.setMomentum(lars, momentum);
        String before = Bits.of(good);
        lars.restore(good);
        assertEquals(before, Bits.of(lars));
        lars.step(params, gradients);
    }

    @Test
    void aBrokenOptimizerCanBeClosed() {
        Lars lars = builder().parallelism(2).build();
        LayerSums sums = lars.measure(params, gradients);
        Sabotage sabotage = new Sabotage(lars, 0);
        assertThrows(IndexOutOfBoundsException.class, () -> lars.update(params, gradients, sums));
        sabotage.undo();
        lars.close();
        CallsTest.assertRefused(new Call("step", () -> lars.step(params, gradients)), "after close");
    }
}
