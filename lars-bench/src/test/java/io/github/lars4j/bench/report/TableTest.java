package io.github.lars4j.bench.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Locale;
import org.junit.jupiter.api.Test;

class TableTest {

    @Test
    void columnsAreAligned() {
        Table table = new Table(1, "name", "ms");
        table.add("a", "10.25");
        table.add("Σ longer", "-");
        assertEquals("""
                name         ms
                a         10.25
                Σ longer      -
                """, table.toString().replace(System.lineSeparator(), "\n"));
        assertThrows(IllegalArgumentException.class, () -> table.add("too few"));
    }

    @Test
    void numbersDoNotDependOnTheLocale() {
        Locale before = Locale.getDefault();
        try {
            Locale.setDefault(Locale.GERMANY);
            assertEquals("1.50", Table.number(1.5, 2));
        } finally {
            Locale.setDefault(before);
        }
        assertEquals("-", Table.number(Double.NaN, 2));
    }
}
