package io.github.lars4j.bench.chart;

import java.util.ArrayList;
import java.util.Formatter;
import java.util.List;
import java.util.Locale;

/** A line chart as self-contained SVG, which is readable in light and dark mode. */
public final class Chart {

    private static final int TOP = 48;
    private static final int BOTTOM = 56;

    /** Minimum vertical distance of two labels. */
    private static final double LABEL_HEIGHT = 16;

    /** Ratio of the ends of a logarithmic axis above which only powers of ten have ticks. */
    private static final double MANY = 500;

    /**
     * An axis.
     *
     * @param label the axis title
     * @param from the smallest value
     * @param to the largest value, more than {@code from}
     * @param logarithmic whether the scale is logarithmic
     * @param ticks the values with a tick
     * @param names the label of each tick
     */
    public record Axis(
            String label, double from, double to, boolean logarithmic, List<Double> ticks, List<String> names) {

        Axis(String label, double from, double to, boolean logarithmic, List<Double> ticks) {
            this(
                    label,
                    from,
                    to,
                    logarithmic,
                    ticks,
                    ticks.stream().map(Axis::name).toList());
        }

        /** A tick's value without trailing zeros. */
        private static String name(double tick) {
            if (tick == Math.rint(tick)) {
                return String.format(Locale.ROOT, "%.0f", tick);
            }
            return String.format(Locale.ROOT, "%.4f", tick).replaceAll("0+$", "");
        }

        /** A linear axis over all values, with ticks at round values. */
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

        /**
         * A logarithmic axis over all values, with ticks at 1, 2 and 5 times the powers of ten, or at these powers alone.
         */
        public static Axis logarithmic(String label, List<Double> values) {
            double least = values.stream().mapToDouble(v -> v).min().orElse(1);
            double most = values.stream().mapToDouble(v -> v).max().orElse(1);
            List<Double> ticks = new ArrayList<>();
            for (int power = (int) Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++) {
                for (int digit : most > MANY * least ? new int[] {1} : new int[] {1, 2, 5}) {
                    double tick = digit * Math.pow(10, power);
                    if (tick >= least / 1.3 && tick <= most * 1.3) {
                        ticks.add(tick);
                    }
                }
            }
            return new Axis(label, least / 1.3, most * 1.3, true, ticks);
        }

        /** A logarithmic axis with a tick at each value, in ascending order. */
        public static Axis at(String label, List<Double> values) {
            return new Axis(label, values.getFirst() / 1.2, values.getLast() * 1.2, true, values);
        }

        /** A logarithmic axis with a named tick at each value, in ascending order. */
        public static Axis at(String label, List<Double> values, List<String> names) {
            return new Axis(label, values.getFirst() / 1.2, values.getLast() * 1.2, true, values, names);
        }

        double share(double value) {
            return logarithmic ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from);
        }
    }

    /** A point of a line, with the range of its values. */
    public record Point(double x, double y, double low, double high) {}

    private record Line(String name, List<Point> points) {}

    private record Mark(double x, String name) {}

    private final String title;
    private final Axis x;
    private final Axis y;
    private final boolean marks;
    private final List<Line> lines = new ArrayList<>();
    private final List<Mark> verticals = new ArrayList<>();

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

    /** Adds a line; a line without points is left out. */
    public void line(String name, List<Point> points) {
        if (!points.isEmpty()) {
            lines.add(new Line(name, points));
        }
    }

    /** Marks a value of the horizontal axis by a named vertical line; a value outside the axis is ignored. */
    public void mark(double value, String name) {
        if (value > x.from && value < x.to) {
            verticals.add(new Mark(value, name));
        }
    }

    /** The chart as an SVG file for a laptop. */
    public String svg() {
        return svg(Svg.Size.WIDE);
    }

    /** The chart as an SVG file. */
    public String svg(Svg.Size size) {
        return new Drawing(size).svg();
    }

    /** The chart in one size. */
    private final class Drawing {

        private final int width;
        private final int height;
        private final int left;
        private final int right;
        private final Formatter out;

        Drawing(Svg.Size size) {
            width = size.width;
            height = size.height;
            left = size == Svg.Size.WIDE ? 68 : 60;
            right = size == Svg.Size.WIDE ? 112 : 92;
            out = Svg.begin(title, width, height);
        }

        String svg() {
            out.format(
                    "<text class=\"title\" x=\"%d\" y=\"28\">%s</text>\n",
                    width == Svg.Size.WIDE.width ? left : 16, Svg.escaped(title));
            ticks();
            out.format(
                    "<text class=\"quiet\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                    (left + width - right) / 2, height - 12, Svg.escaped(x.label));
            out.format(
                    "<text class=\"quiet\" transform=\"translate(18 %d) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
                    (TOP + height - BOTTOM) / 2, Svg.escaped(y.label));
            marks();
            List<Double> labels = labelHeights();
            for (int i = 0; i < lines.size(); i++) {
                draw(lines.get(i), i % Svg.STYLES, labels.get(i));
            }
            return out.format("</svg>\n").toString();
        }

        /** Draws the ticks, without the names that would overlap the previous one. */
        private void ticks() {
            double free = Double.NEGATIVE_INFINITY;
            for (int i = 0; i < x.ticks.size(); i++) {
                double half = Svg.CHARACTER * x.names.get(i).length() / 2;
                double at = px(x.ticks.get(i));
                if (at - half > free) {
                    out.format(
                            "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                            at, height - 36, Svg.escaped(x.names.get(i)));
                    free = at + half + 7;
                }
            }
            for (int i = 0; i < y.ticks.size(); i++) {
                double at = py(y.ticks.get(i));
                out.format(
                        "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
                        left, width - right, at, at);
                out.format(
                        "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                        left - 8, at + 4, Svg.escaped(y.names.get(i)));
            }
        }

        /** Draws the marks, with each name lower than the previous one. */
        private void marks() {
            for (int i = 0; i < verticals.size(); i++) {
                double at = px(verticals.get(i).x);
                out.format(
                        "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n",
                        at, at, TOP, height - BOTTOM);
                out.format(
                        "<text class=\"quiet\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
                        at + 4, TOP + 12 + i * LABEL_HEIGHT, Svg.escaped(verticals.get(i).name));
            }
        }

        private void draw(Line line, int style, double labelHeight) {
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
                            "<circle class=\"f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n",
                            style, px(point.x), py(point.y));
                }
            }
            out.format(
                    "<text x=\"%d\" y=\"%.1f\"><tspan class=\"f%d\">%s</tspan></text>\n",
                    width - right + 10, labelHeight + 4, style, Svg.escaped(line.name));
        }

        /** The heights of the lines' names: beside their last points, without overlap. */
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
            double most = height - BOTTOM;
            for (int i = fromTop.size() - 1; i >= 0; i--) {
                heights.set(fromTop.get(i), Math.min(most, heights.get(fromTop.get(i))));
                most = heights.get(fromTop.get(i)) - LABEL_HEIGHT;
            }
            return heights;
        }

        private double px(double value) {
            return left + x.share(value) * (width - left - right);
        }

        private double py(double value) {
            return height - BOTTOM - y.share(value) * (height - TOP - BOTTOM);
        }
    }
}
