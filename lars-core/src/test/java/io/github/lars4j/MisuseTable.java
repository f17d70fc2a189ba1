package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.DoubleConsumer;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.function.ThrowingSupplier;

/** A table of misuses. A row has the parameter with a bad value, the exception it causes, and what must not change. */
abstract class MisuseTable {

    static final double NAN = Double.NaN;
    static final double INF = Double.POSITIVE_INFINITY;

    /** A misuse, its exception, parts of the message, and the state that must not change. */
    private record Row(
            String parameter,
            Executable misuse,
            Class<? extends Exception> thrown,
            List<String> words,
            ThrowingSupplier<String> state) {}

    private final List<Row> rows = new ArrayList<>();
    private final Map<String, String> withoutBadValue = new TreeMap<>();
    private String executable = "";
    private ThrowingSupplier<String> state = () -> "";

    /** Names the method or constructor of the rows that follow, with the key of {@link PublicParameters}. */
    final void on(String executable) {
        this.executable = executable;
    }

    /** Sets the state that the rows that follow must not change. */
    final void watching(ThrowingSupplier<String> state) {
        this.state = state;
    }

    final void row(int parameter, Executable misuse, Class<? extends Exception> thrown, String... words) {
        rows.add(new Row(PublicParameters.key(executable, parameter), misuse, thrown, List.of(words), state));
    }

    final void isNull(int parameter, String name, Executable misuse) {
        row(parameter, misuse, NullPointerException.class, name);
    }

    final void bad(int parameter, Executable misuse, String... words) {
        row(parameter, misuse, IllegalArgumentException.class, words);
    }

    final void badIndex(int parameter, Executable misuse, String... words) {
        row(parameter, misuse, IndexOutOfBoundsException.class, words);
    }

    /** Adds a row for each of these values. */
    final void badNumbers(int parameter, String name, DoubleConsumer misuse, double... values) {
        for (double value : values) {
            bad(parameter, () -> misuse.accept(value), name + " is " + value);
        }
    }

    /** Lists parameters that have no bad value, with the reason. */
    final void noBadValue(String reason, String... parameters) {
        for (String parameter : parameters) {
            assertEquals(null, withoutBadValue.put(parameter, reason), parameter);
        }
    }

    /** Runs every row. */
    final void assertRefused() throws Throwable {
        for (Row row : rows) {
            String what = row.parameter + " " + row.words;
            String before = row.state.get();
            Exception thrown = assertThrows(row.thrown, row.misuse, what);
            assertEquals(row.thrown, thrown.getClass(), what);
            String message = String.valueOf(thrown.getMessage());
            for (String word : row.words) {
                // The JVM's own messages for null say: Cannot invoke "Lars.steps()" because "<parameter1>" is null.
                boolean named =
                        thrown instanceof NullPointerException ? message.startsWith(word) : message.contains(word);
                assertTrue(named, () -> what + ": " + message);
            }
            assertEquals(before, row.state.get(), what);
        }
    }

    /**
     * Asserts that every public parameter either has a row or is listed as having no bad value. Booleans need neither.
     */
    final void assertComplete() {
        Map<String, Class<?>> parameters = PublicParameters.all();
        Set<String> covered = covered();
        Set<String> missing = new TreeSet<>(parameters.keySet());
        missing.removeIf(parameter -> parameters.get(parameter) == boolean.class);
        missing.removeAll(covered);
        missing.removeAll(withoutBadValue.keySet());
        assertEquals(Set.of(), missing, "parameters without a row");
        Set<String> unknown = new TreeSet<>(covered);
        unknown.addAll(withoutBadValue.keySet());
        unknown.removeAll(parameters.keySet());
        assertEquals(Set.of(), unknown, "parameters that do not exist");
        Set<String> both = new TreeSet<>(withoutBadValue.keySet());
        both.retainAll(covered);
        assertEquals(Set.of(), both, "parameters with a row, and listed as without a bad value");
    }

    final String total() {
        return rows.size() + " misuses of " + covered().size()
                + " public parameters, each refused by name, with nothing" + " changed; " + withoutBadValue.size()
                + " other parameters have no bad value, and any boolean is good";
    }

    private Set<String> covered() {
        Set<String> covered = new TreeSet<>();
        rows.forEach(row -> covered.add(row.parameter));
        return covered;
    }
}
