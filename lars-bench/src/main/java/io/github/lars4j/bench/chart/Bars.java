package io.github.lars4j.bench.chart;

import java.util.ArrayList;
import java.util.Formatter;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * A bar chart of speed-ups as SVG: bars start at 1 and extend to the right, or to the left for a slow-down.
 */
public final class Bars {

    private static final int TOP = 48;
    private static final int BOTTOM = 56;
    private static final int RIGHT = 56;
    private static final int ROW = 24;
    private static final int BAR = 14;
    private static final int BETWEEN_GROUPS = 10;

    /**
     * One bar.
     *
     * @param name the label before the bar
     * @param style one of four colours, from 0
     * @param value the end of the bar
     * @param low the smallest measured value
     * @param high the largest measured value
     */
    public record Bar(String name, int style, double value, double low, double high) {}

    private record Group(String name, List<Bar> bars) {}

    private final String title;
    private final String label;
    private final List<Group> groups = new ArrayList<>();

    /** Makes a chart without bars; {@code label} is the axis title. */
    public Bars(String title, String label) {
        this.title = title;
        this.label = label;
    }

    /** Adds bars under a name; a group without a bar is left out. */
    public void group(String name, List<Bar> bars) {
        if (!bars.isEmpty()) {
            groups.add(new Group(name, List.copyOf(bars)));
        }
    }

    /** The chart as an SVG file; its height depends on the number of bars. */
    public String svg(Svg.Size size) {
        Chart.Axis axis = Chart.Axis.logarithmic(label, values());
        int left = 24
                + (int) (Svg.CHARACTER
                        * groups.stream()
                                .flatMap(group -> group.bars.stream())
                                .mapToInt(bar -> bar.name.length())
                                .max()
                                .orElse(0));
        int height = TOP + BOTTOM;
        for (Group group : groups) {
            height += ROW * (1 + group.bars.size()) + BETWEEN_GROUPS;
        }
        Formatter out = Svg.begin(title, size.width, height);
        out.format("<text class=\"title\" x=\"16\" y=\"28\">%s</text>\n", Svg.escaped(title));
        int span = size.width - RIGHT - left;
        double free = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < axis.ticks().size(); i++) {
            double x = left + span * axis.share(axis.ticks().get(i));
            String name = axis.names().get(i);
            out.format(
                    "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n",
                    axis.ticks().get(i) == 1 ? "over" : "grid", x, x, TOP - 4, height - BOTTOM);
            if (x - Svg.CHARACTER * name.length() / 2 > free) {
                out.format("<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x, height - 36, name);
                free = x + Svg.CHARACTER * name.length() / 2 + 7;
            }
        }
        out.format(
                "<text class=\"quiet\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                size.width / 2, height - 12, Svg.escaped(label));
        double one = left + span * axis.share(1);
        int y = TOP;
        for (Group group : groups) {
            out.format("<text class=\"head\" x=\"16\" y=\"%d\">%s</text>\n", y + 16, Svg.escaped(group.name));
            y += ROW;
            for (Bar bar : group.bars) {
                double end = left + span * axis.share(bar.value);
                double low = left + span * axis.share(bar.low);
                double high = left + span * axis.share(bar.high);
                int middle = y + ROW / 2;
                out.format("<text x=\"16\" y=\"%d\">%s</text>\n", middle + 4, Svg.escaped(bar.name));
                out.format(
                        "<rect class=\"f%d\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" opacity=\"0.75\"/>\n",
                        bar.style % Svg.STYLES,
                        Math.min(one, end),
                        middle - BAR / 2,
                        Math.max(1, Math.abs(end - one)),
                        BAR);
                out.format(
                        "<path class=\"spread over\" d=\"M%.1f %dH%.1fm0 -4v8M%.1f %dv8\"/>\n",
                        low, middle, high, low, middle - 4);
                out.format(
                        Locale.ROOT,
                        "<text x=\"%.1f\" y=\"%d\">%.2f</text>\n",
                        Math.max(Math.max(high, end), one) + 6,
                        middle + 4,
                        bar.value);
                y += ROW;
            }
            y += BETWEEN_GROUPS;
        }
        return out.format("</svg>\n").toString();
    }

    /** The values that the axis must cover, including the start of the bars. */
    private List<Double> values() {
        return Stream.concat(
                        Stream.of(1.0),
                        groups.stream()
                                .flatMap(group -> group.bars.stream())
                                .flatMap(bar -> Stream.of(bar.low, bar.value, bar.high)))
                .toList();
    }
}
