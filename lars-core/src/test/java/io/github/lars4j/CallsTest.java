package io.github.lars4j;

import static io.github.lars4j.Bits.assertSame;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** An optimizer refuses calls that overlap another call or come out of order. */
@Tag("bits")
class CallsTest extends EveryCall {

    /** The message for a call during another call. For a save, it also says how to save correctly. */
    private static String underWay(Call call) {
        return "while another call was in progress"
                + (call.name().equals("save")
                        ? "; a shutdown hook or another thread must ask the thread that calls step to save after its"
                                + " step, and wait until it has saved"
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
        assertSame(expected, params, "the step that was in progress");
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
            if (List.of("step", "weightsChanged", "change", "addGroup", "addLayers")
                    .contains(call.name())) {
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
     * Two threads call step without coordination. Each call either steps or is refused, and the optimizer ends with the
     * number of steps that were not refused.
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

    /** Makes the given number of calls in each of two threads; returns how many were not refused. */
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
                    assertEquals("step was called while another call was in progress", refused.getMessage());
                }
            }
            return taken;
        };
        FutureTask<Integer> other = new FutureTask<>(racer);
        new Thread(other).start();
        int taken = racer.call() + other.get();
        System.out.println(taken + " calls by two racing threads ran, " + (2 * calls - taken) + " refused");
        return taken;
    }
}
