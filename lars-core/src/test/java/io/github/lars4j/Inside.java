package io.github.lars4j;

import io.github.lars4j.internal.CallGuard;
import io.github.lars4j.internal.passes.Plan;
import io.github.lars4j.internal.saving.Disk;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Path;

/** Access to the internals of an optimizer, for tests that inspect or damage them. */
final class Inside {

    private Inside() {}

    static float[] momentum(Lars lars) {
        return state(lars).momentum;
    }

    static float[] momentum(Snapshot snapshot) {
        return snapshot.state().momentum;
    }

    /** Puts another array, too short perhaps, in the place of the momentum. */
    static void setMomentum(Lars lars, float[] momentum) {
        state(lars).momentum = momentum;
    }

    static boolean[] begun(Lars lars) {
        return state(lars).begun;
    }

    static boolean[] begun(Snapshot snapshot) {
        return snapshot.state().begun;
    }

    static double[] learningRates(Lars lars) {
        return state(lars).learningRates;
    }

    static double[] trustRatios(Lars lars) {
        return state(lars).trustRatios;
    }

    static long refusals(Lars lars) {
        return state(lars).refusals;
    }

    /** Has an optimizer take it that a call broke off half written. */
    static void breakOff(Lars lars, Throwable cause) {
        ((CallGuard) field(lars, "guard")).broken(cause);
    }

    /** Saves a checkpoint on another disk than the machine's. */
    static void save(Disk disk, Path file, Lars lars, float[] params) throws IOException {
        Checkpoint.save(disk, file, lars, params);
    }

    /** Has an optimizer divide the work as finely as it can. */
    static Lars.Builder inSmallGroups(Lars.Builder builder) {
        return builder.grain(new Plan.Grain(4096, 1));
    }

    /** Returns the carried Σw² of each layer. */
    static double[] carried(Lars lars) {
        return (double[]) field(step(lars), "carried");
    }

    static State state(Lars lars) {
        return (State) field(lars, "state");
    }

    static Step step(Lars lars) {
        return (Step) field(lars, "step");
    }

    /** Returns the value of a field, also of a private one. */
    static Object field(Object owner, String name) {
        try {
            Field field = owner.getClass().getDeclaredField(name);
            field.setAccessible(true);
            return field.get(owner);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }
}
