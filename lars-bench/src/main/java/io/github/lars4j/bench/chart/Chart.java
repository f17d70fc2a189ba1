package io.github.lars4j.bench.chart;

import java.util.ArrayList;
import java.util.Formatter;
import java.util.List;
import java.util.Locale;

/** A line chart as SVG that stands alone: readable on light and dark, with no script and no font from elsewhere. */
public final class Chart {

    private static final int WIDTH = 720;
    private static final int HEIGHT = 420;
    private static final int LEFT = 68;
    private static final int RIGHT = 112;
    private static final int TOP = 48;
    private static final int BOTTOM = 56;

    /** Least distance of two labels, one above the other. */
    private static final double LABEL_HEIGHT = 16;

    private static final String STYLE = """
            <style>
              text { font: 13px system-ui, sans-serif; fill: #1f2328; }
              .title { font-size: 15px; font-weight: 600; }
              .quiet { fill: #59636e; }
              .paper { fill: #ffffff; }
              .grid { stroke: #d8dee4; }
              .line { fill: none; stroke-width: 2; }
              .spread { stroke-width: 1.5; }
              .s0 { stroke: #b35900; } .f0 { fill: #b35900; } .s1 { stroke: #0860c4; } .f1 { fill: #0860c4; }
              .s2 { stroke: #1a7f37; } .f2 { fill: #1a7f37; }
              .s1.line { stroke-dasharray: 7 3; } .s2.line { stroke-dasharray: 2 3; }
              @media (prefers-color-scheme: dark) {
                text { fill: #e6edf3; }
                .quiet { fill: #9198a1; }
                .paper { fill: #0d1117; }
                .grid { stroke: #30363d; }
                .s0 { stroke: #f0883e; } .f0 { fill: #f0883e; } .s1 { stroke: #58a6ff; } .f1 { fill: #58a6ff; }
                .s2 { stroke: #3fb950; } .f2 { fill: #3fb950; }
              }
            </style>
            """;

    /**
     * An axis.
     *
     * @param label what it shows
     * @param from its least value
     * @param to its greatest value, more than {@code from}
     * @param logarithmic whether equal distances are equal factors
     * @param ticks values to mark
     */
    public record Axis(String label, double from, double to, boolean logarithmic, List<Double> ticks) {

        /** An axis with round ticks around all the values. */
        public static Axis around(String label, List<Double> values) {
            double least = values.stream().mapToDouble(v -> v).min().orElse(0);
            double most = values.stream().mapToDouble(v -> v).max().orElse(1);
            double raw = Math.max(most - least, 1e-3) / 5;
            double power = Math.pow(10, Math.floor(Math.log10(raw)));
            double step = power * (raw <= power ? 1 : raw <= 2 * power ? 2 : raw <= 5 * power ? 5 : 10);
            long first = (long) Math.floor(least / step);
            long last = Math.max((long) Math.ceil(most / step), first + 1);
            List<Double> ticks = new ArrayList<>();
            for (long i = first; i <= last; i++) {
                ticks.add(i * step);
            }
            return new Axis(label, ticks.getFirst(), ticks.getLast(), false, ticks);
        }

        /** A logarithmic axis around all the values, with ticks at 1, 2 and 5 times powers of ten. */
        public static Axis logarithmic(String label, List<Double> values) {
            double least = values.stream().mapToDouble(v -> v).min().orElse(1);
            double most = values.stream().mapToDouble(v -> v).max().orElse(1);
            List<Double> ticks = new ArrayList<>();
            for (int power = (int) Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++) {
                for (int digit : new int[] {1, 2, 5}) {
                    double tick = digit * Math.pow(10, power);
                    if (tick >= least / 1.3 && tick <= most * 1.3) {
                        ticks.add(tick);
                    }
                }
            }
            return new Axis(label, least / 1.3, most * 1.3, true, ticks);
        }

        /** A logarithmic axis with a tick at each of the values, which rise. */
        public static Axis at(String label, List<Double> values) {
            return new Axis(label, values.getFirst() / 1.2, values.getLast() * 1.2, true, values);
        }

        double share(double value) {
            return logarithmic ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from);
        }
    }

    /** A point of a line, and between what its values lie. */
    public record Point(double x, double y, double low, double high) {}

    private record Line(String name, List<Point> points) {}

    private final String title;
    private final Axis x;
    private final Axis y;
    private final boolean marks;
    private final List<Line> lines = new ArrayList<>();

    /**
     * Makes a chart without lines.
     *
     * @param title above it
     * @param x the horizontal axis
     * @param y the vertical axis
     * @param marks whether each point is marked
     */
    public Chart(String title, Axis x, Axis y, boolean marks) {
        this.title = title;
        this.x = x;
        this.y = y;
        this.marks = marks;
    }

    /** Adds a line; lines without a point are left out. */
    public void line(String name, List<Point> points) {
        if (!points.isEmpty()) {
            lines.add(new Line(name, points));
        }
    }

    /** The chart as an SVG file. */
    public String svg() {
        Formatter out = new Formatter(Locale.ROOT);
        out.format(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n",
                WIDTH, HEIGHT, escaped(title));
        out.format("<title>%s</title>\n%s", escaped(title), STYLE);
        out.format("<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", WIDTH, HEIGHT);
        out.format("<text class=\"title\" x=\"%d\" y=\"28\">%s</text>\n", LEFT, escaped(title));
        for (double tick : x.ticks) {
            out.format(
                    "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", px(tick), HEIGHT - 36, label(tick));
        }
        for (double tick : y.ticks) {
            out.format(
                    "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
                    LEFT, WIDTH - RIGHT, py(tick), py(tick));
            out.format(
                    "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT - 8, py(tick) + 4, label(tick));
        }
        out.format(
                "<text class=\"quiet\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, escaped(x.label));
        out.format(
                "<text class=\"quiet\" transform=\"translate(18 %d) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
                (TOP + HEIGHT - BOTTOM) / 2, escaped(y.label));
        List<Double> labels = labelHeights();
        for (int i = 0; i < lines.size(); i++) {
            draw(lines.get(i), i % 3, labels.get(i), out);
        }
        return out.format("</svg>\n").toString();
    }

    private void draw(Line line, int style, double labelHeight, Formatter out) {
        StringBuilder path = new StringBuilder();
        for (Point point : line.points) {
            path.append(path.isEmpty() ? 'M' : 'L');
            path.append(String.format(Locale.ROOT, "%.1f %.1f", px(point.x), py(point.y)));
        }
        out.format("<path class=\"line s%d\" d=\"%s\"/>\n", style, path);
        for (Point point : line.points) {
            if (point.high > point.low) {
                out.format(
                        "<path class=\"spread s%d\" d=\"M%.1f %.1fV%.1fm-4 0h8M%.1f %.1fh8\"/>\n",
                        style, px(point.x), py(point.low), py(point.high), px(point.x) - 4, py(point.low));
            }
            if (marks) {
                out.format(
                        "<circle class=\"f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n", style, px(point.x), py(point.y));
            }
        }
        out.format(
                "<text x=\"%d\" y=\"%.1f\"><tspan class=\"f%d\">%s</tspan></text>\n",
                WIDTH - RIGHT + 10, labelHeight + 4, style, escaped(line.name));
    }

    /** Where the lines' names go: beside their last points, but not one upon the other. */
    private List<Double> labelHeights() {
        List<Integer> fromTop = new ArrayList<>();
        List<Double> heights = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            fromTop.add(i);
            heights.add(py(lines.get(i).points.getLast().y));
        }
        fromTop.sort((a, b) -> Double.compare(heights.get(a), heights.get(b)));
        for (int i = 1; i < fromTop.size(); i++) {
            double least = heights.get(fromTop.get(i - 1)) + LABEL_HEIGHT;
            heights.set(fromTop.get(i), Math.max(least, heights.get(fromTop.get(i))));
        }
        return heights;
    }

    private double px(double value) {
        return LEFT + x.share(value) * (WIDTH - LEFT - RIGHT);
    }

    private double py(double value) {
        return HEIGHT - BOTTOM - y.share(value) * (HEIGHT - TOP - BOTTOM);
    }

    /** A tick's value without needless zeros. */
    private static String label(double tick) {
        if (tick == Math.rint(tick)) {
            return String.format(Locale.ROOT, "%.0f", tick);
        }
        return String.format(Locale.ROOT, "%.4f", tick).replaceAll("0+$", "");
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace("\"", "&quot;");
    }
}
