package io.github.lars4j;

import io.github.lars4j.internal.CallGuard;
import java.lang.reflect.Field;

/** What is inside an optimizer, for tests that look at it or break it. */
final class Inside {

    private Inside() {}

    /** The live state. */
    static State state(Lars lars) {
        return (State) field(lars, "state");
    }

    static Step step(Lars lars) {
        return (Step) field(lars, "step");
    }

    static CallGuard guard(Lars lars) {
        return (CallGuard) field(lars, "guard");
    }

    /** What a field holds, whatever its access. */
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
