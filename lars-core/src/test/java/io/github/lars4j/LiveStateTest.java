package io.github.lars4j;

import static io.github.lars4j.Bits.assertSame;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a call that the state is lent to can do with it, during the call and after. */
class LiveStateTest {

    private static final String OVER = "the call that the state was lent to has returned";

    private final float[] params = SampleRun.params();
    private final Lars lars = SampleRun.builder(SampleRun.Kind.PAPER).build();

    LiveStateTest() {
        SampleRun.run(lars, params, 3);
    }

    @AfterEach
    void close() {
        lars.close();
    }

    private static void assertOver(LiveState live) {
        assertEquals(OVER, assertThrows(IllegalStateException.class, live::read).getMessage());
        assertEquals(
                OVER, assertThrows(IllegalStateException.class, live::change).getMessage());
    }

    private void assertGoesOnFrom(String before) {
        assertEquals(before, SampleRun.bits(lars, params));
        float[] expected = params.clone();
        try (Lars other = SampleRun.builder(SampleRun.Kind.PAPER).build()) {
            other.restore(lars.snapshot());
            SampleRun.step(other, expected);
        }
        SampleRun.step(lars, params);
        assertSame(expected, params, "the next step");
    }

    @Test
    void isTheVeryStateOfTheOptimizer() {
        lars.lend("save", live -> {
            assertSame(Inside.state(lars), live.read());
            return null;
        });
        lars.lendToRestore(live -> {
            assertSame(Inside.state(lars), live.read());
            assertFalse(live.isChanging());
            assertSame(Inside.state(lars), live.change());
            assertTrue(live.isChanging());
            return null;
        });
    }

    @Test
    void givesNothingAfterTheCall() {
        assertOver(lars.lend("save", live -> live));
        assertOver(lars.lendToRestore(live -> live));
        LiveState changed = lars.lendToRestore(live -> {
            live.change();
            return live;
        });
        assertOver(changed);
    }

    @Test
    void givesNothingAfterACallThatFailed() {
        LiveState[] kept = new LiveState[3];
        assertThrows(
                IOException.class,
                () -> lars.lend("save", live -> {
                    kept[0] = live;
                    throw new IOException("in a save");
                }));
        assertThrows(
                IOException.class,
                () -> lars.lendToRestore(live -> {
                    kept[1] = live;
                    throw new IOException("before a change");
                }));
        assertThrows(
                IOException.class,
                () -> lars.lendToRestore(live -> {
                    kept[2] = live;
                    live.change();
                    throw new IOException("after a change");
                }));
        for (LiveState live : kept) {
            assertOver(live);
        }
    }

    @Test
    void aChangeAfterTheCallDoesNotCountAsBegun() {
        LiveState live = lars.lendToRestore(lent -> lent);
        assertThrows(IllegalStateException.class, live::change);
        assertFalse(live.isChanging());
    }

    @Test
    void aSaveThatFailsLeavesTheOptimizerAsItWas() {
        String before = SampleRun.bits(lars, params);
        IOException failure = new IOException("no space");
        assertSame(
                failure,
                assertThrows(
                        IOException.class,
                        () -> lars.lend("save", live -> {
                            live.read();
                            throw failure;
                        })));
        assertGoesOnFrom(before);
    }

    @Test
    void aRestoreThatFailsBeforeItChangesTheStateLeavesTheOptimizerAsItWas() {
        String before = SampleRun.bits(lars, params);
        IOException failure = new IOException("damaged");
        assertSame(
                failure,
                assertThrows(
                        IOException.class,
                        () -> lars.lendToRestore(live -> {
                            live.read();
                            throw failure;
                        })));
        assertGoesOnFrom(before);
    }

    @Test
    void aRestoreThatFailsBetweenTheHalvesOfAStepLeavesThemToBeJoined() {
        float[] expected = params.clone();
        float[] gradients = Random32.normal(5, params.length, 1);
        try (Lars other = SampleRun.builder(SampleRun.Kind.PAPER).build()) {
            other.restore(lars.snapshot());
            other.step(expected, gradients);
        }
        LayerSums sums = lars.measure(params, gradients);
        assertThrows(
                IOException.class,
                () -> lars.lendToRestore(live -> {
                    throw new IOException("damaged");
                }));
        lars.update(params, gradients, sums);
        assertSame(expected, params, "the update");
    }

    @Test
    void aRestoreThatFailsAfterItBeganToChangeTheStateAsksForAnother() {
        Snapshot snapshot = lars.snapshot();
        String before = SampleRun.bits(lars, params);
        Error failure = new OutOfMemoryError("in the middle");
        assertSame(
                failure,
                assertThrows(
                        OutOfMemoryError.class,
                        () -> lars.lendToRestore(live -> {
                            live.change().step = 77;
                            throw failure;
                        })));
        IllegalStateException refused =
                assertThrows(IllegalStateException.class, () -> lars.step(params, params.clone()));
        assertSame(failure, refused.getCause());
        assertThrows(IllegalStateException.class, lars::snapshot);
        lars.restore(snapshot);
        assertGoesOnFrom(before);
    }
}
