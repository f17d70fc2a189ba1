package io.github.lars4j.bench.chart;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A table, in plain text, Markdown and HTML. Not safe for use by several threads. */
public final class Table {

    private final int left;
    private final List<String[]> rows = new ArrayList<>();

    /** Starts a table whose first {@code left} columns are left-aligned and whose other columns are right-aligned. */
    public Table(int left, String... headings) {
        this.left = left;
        rows.add(headings);
    }

    /** Adds a row with one cell per heading. */
    public void add(String... cells) {
        if (cells.length != rows.getFirst().length) {
            throw new IllegalArgumentException(
                    "cells has length " + cells.length + "; it must be " + rows.getFirst().length);
        }
        rows.add(cells);
    }

    /** Formats a number with a number of decimal places; NaN is a dash. */
    public static String number(double value, int digits) {
        return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%." + digits + "f", value);
    }

    /** Formats a time in ms, with more decimal places for short times; NaN is a dash. */
    public static String millis(double nanos) {
        return number(nanos / 1e6, nanos < 1e3 ? 7 : nanos < 1e5 ? 5 : 3);
    }

    /** One line for the headings and one for each row. */
    @Override
    public String toString() {
        int[] widths = new int[rows.getFirst().length];
        for (String[] row : rows) {
            for (int c = 0; c < row.length; c++) {
                widths[c] = Math.max(widths[c], row[c].codePointCount(0, row[c].length()));
            }
        }
        StringBuilder text = new StringBuilder();
        for (String[] row : rows) {
            StringBuilder line = new StringBuilder();
            for (int c = 0; c < row.length; c++) {
                String padding = " ".repeat(widths[c] - row[c].codePointCount(0, row[c].length()));
                line.append(c == 0 ? "" : "  ").append(c < left ? row[c] + padding : padding + row[c]);
            }
            text.append(line.toString().stripTrailing()).append(System.lineSeparator());
        }
        return text.toString();
    }

    /** The table in Markdown, as GitHub reads it. */
    public String markdown() {
        StringBuilder text = new StringBuilder();
        for (int r = 0; r < rows.size(); r++) {
            text.append("| ").append(String.join(" | ", rows.get(r))).append(" |\n");
            if (r == 0) {
                for (int c = 0; c < rows.getFirst().length; c++) {
                    text.append(c < left ? "|---" : "|---:");
                }
                text.append("|\n");
            }
        }
        return text.toString();
    }

    /** The table in HTML that is also well-formed XML. */
    public String html() {
        StringBuilder text = new StringBuilder("<table>\n");
        for (int r = 0; r < rows.size(); r++) {
            String tag = r == 0 ? "th" : "td";
            text.append("<tr>");
            for (int c = 0; c < rows.get(r).length; c++) {
                String start = c < left ? tag + " class=\"left\"" : tag;
                text.append("<%s>%s</%s>".formatted(start, Svg.escaped(rows.get(r)[c]), tag));
            }
            text.append("</tr>\n");
        }
        return text.append("</table>\n").toString();
    }
}
