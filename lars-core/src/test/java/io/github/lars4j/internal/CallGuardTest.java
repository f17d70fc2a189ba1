package io.github.lars4j.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The guard against calls that come at the very same time. */
class CallGuardTest {

    /**
     * A call that comes between the instant at which another sees that it may enter and the one at which it does. It is
     * made by the same thread, so that it comes there every time.
     */
    @Test
    void aCallThatComesBetweenTheCheckAndTheEntryHasTheTurnAlone() {
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
        assertEquals("step was called while another call was in progress", refused.getMessage());
        assertEquals(List.of("snapshot"), entered);
        guard.leave(CallGuard.Phase.IDLE);
        assertEquals(CallGuard.Phase.IDLE, guard.enter("step", false), "the turn that is free again");
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
}
