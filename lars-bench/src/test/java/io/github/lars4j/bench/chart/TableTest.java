package io.github.lars4j.bench.chart;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Locale;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("locale")
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
    void isMarkdownAndHtmlToo() {
        Table table = new Table(1, "name", "ms");
        table.add("<a>", "1");
        assertEquals("""
                | name | ms |
                |---|---:|
                | <a> | 1 |
                """, table.markdown());
        assertEquals("""
                <table>
                <tr><th class="left">name</th><th>ms</th></tr>
                <tr><td class="left">&lt;a&gt;</td><td>1</td></tr>
                </table>
                """, table.html());
    }

    @Test
    void shortTimesHaveDigitsToo() {
        assertEquals("16.300", Table.millis(16_300_000));
        assertEquals("0.01630", Table.millis(16_300));
        assertEquals("0.0000163", Table.millis(16.3));
        assertEquals("-", Table.millis(Double.NaN));
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
