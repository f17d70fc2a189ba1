package io.github.lars4j;

import static io.github.lars4j.Bits.assertSame;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.lars4j.internal.CallGuard;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** One call at a time, and only those that fit what went before. */
@Tag("bits")
class CallsTest extends EveryCall {

    /** What is said of a call during another; of a save, how to do it properly too. */
    private static String underWay(Call call) {
        return "while another call was under way"
                + (call.name().equals("save")
                        ? "; a shutdown hook, or another thread, must ask the thread that takes the steps to save when"
                                + " its step is over, and wait for it"
                        : "");
    }

    static void assertRefused(Call call, String why) {
        IllegalStateException thrown = assertThrows(IllegalStateException.class, call.run(), call.name());
        assertEquals(call.name() + " was called " + why, thrown.getMessage());
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
                assertRefused(call, underWay(call));
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
                        throw assertThrows(IllegalStateException.class, call.run(), call.name());
                    }));
            assertEquals(call.name() + " was called " + underWay(call), thrown.getMessage());
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
            if (call.name().equals("step") || call.name().equals("weightsChanged")) {
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
            if (!call.name().equals("close")) {
                assertRefused(call, "after close");
            }
        }
        assertSame(before, params, "weights");
    }

    /**
     * Two threads call step without coordination. Each call steps or is refused, and the result is that of the steps
     * that were not refused.
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
     * A call that comes between the instant at which another sees that it may enter and the one at which it does. It is
     * made by the same thread, so that it comes there every time.
     */
    @Test
    void aCallThatComesBetweenTheCheckAndTheEntryIsTheOnlyOne() {
        List<String> entered = new ArrayList<>();
        CallGuard guard = new CallGuard() {
            private boolean between;

            @Override
            protected Phase now() {
                Phase seen = super.now();
                if (!between) {
                    between = true;
                    enter("snapshot", true);
                    entered.add("snapshot");
                }
                return seen;
            }
        };
        IllegalStateException refused = assertThrows(IllegalStateException.class, () -> {
            guard.enter("step", false);
            entered.add("step");
        });
        assertEquals("step was called while another call was under way", refused.getMessage());
        assertEquals(List.of("snapshot"), entered);
        guard.leave(CallGuard.Phase.IDLE);
        assertEquals(CallGuard.Phase.IDLE, guard.enter("step", false), "a call after the first has ended");
    }

    /** The other call has left again: the first one looks anew, and enters. */
    @Test
    void aCallThatComesAndGoesInBetweenDelaysTheOther() {
        CallGuard guard = new CallGuard() {
            private boolean between;

            @Override
            protected Phase now() {
                Phase seen = super.now();
                if (!between) {
                    between = true;
                    enter("measure", true);
                    leave(Phase.MEASURED);
                }
                return seen;
            }
        };
        assertEquals(CallGuard.Phase.MEASURED, guard.enter("update", true));
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
        System.out.println(taken + " calls let in of two threads that race, " + (2 * calls - taken) + " refused");
        return taken;
    }
}
