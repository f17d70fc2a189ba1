package io.github.lars4j.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A table in plain text. */
public final class Table {

    private final int left;
    private final List<String[]> rows = new ArrayList<>();

    /** Starts a table whose first {@code left} columns are flush left and whose others are flush right. */
    public Table(int left, String... headings) {
        this.left = left;
        rows.add(headings);
    }

    /** Adds a row, of a cell for each heading. */
    public void add(String... cells) {
        if (cells.length != rows.getFirst().length) {
            throw new IllegalArgumentException(
                    "cells has length " + cells.length + "; it must be " + rows.getFirst().length);
        }
        rows.add(cells);
    }

    /** A number with so many digits behind the point; a dash for NaN. */
    public static String number(double value, int digits) {
        return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%." + digits + "f", value);
    }

    /** A line for the headings and one for each row. */
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
}
