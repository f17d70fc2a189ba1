package io.github.lars4j;

import io.github.lars4j.internal.CallGuard;
import java.lang.reflect.Field;

/** Access to the internals of an optimizer, for tests that inspect or damage them. */
final class Inside {

    private Inside() {}

    /** Returns the live state. */
    static State state(Lars lars) {
        return (State) field(lars, "state");
    }

    static Step step(Lars lars) {
        return (Step) field(lars, "step");
    }

    static CallGuard guard(Lars lars) {
        return (CallGuard) field(lars, "guard");
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
