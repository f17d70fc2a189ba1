package io.github.lars4j.bench.chart;

import java.util.Formatter;
import java.util.Locale;
import java.util.regex.Pattern;

/** The common parts of all pictures: self-contained SVG for light and dark mode, without script or external font. */
public final class Svg {

    /** The screen that a picture is drawn for. */
    public enum Size {
        /** A page on a laptop. */
        WIDE(720, 420),
        /** A phone in portrait orientation: text of the same size in less space. */
        NARROW(380, 400);

        final int width;
        final int height;

        Size(int width, int height) {
            this.width = width;
            this.height = height;
        }
    }

    /** Colours that colour-blind readers can tell apart, with enough contrast for text, and a dash pattern for each. */
    private static final String STYLE = """
            <style>
              text { font: 13px system-ui, sans-serif; fill: #1f2328; }
              .title { font-size: 15px; font-weight: 600; }
              .head { font-weight: 600; }
              .quiet { fill: #59636e; }
              .paper { fill: #ffffff; }
              .grid { stroke: #d8dee4; }
              .mark { stroke: #818b98; stroke-dasharray: 1 3; }
              .line { fill: none; stroke-width: 2; }
              .spread { fill: none; stroke-width: 1.5; }
              .over { stroke: #1f2328; }
              .s0 { stroke: #b35900; } .f0 { fill: #b35900; } .s1 { stroke: #0860c4; } .f1 { fill: #0860c4; }
              .s2 { stroke: #1a7f37; } .f2 { fill: #1a7f37; } .s3 { stroke: #8f2d8a; } .f3 { fill: #8f2d8a; }
              .s1.line { stroke-dasharray: 7 3; } .s2.line { stroke-dasharray: 2 3; }
              .s3.line { stroke-dasharray: 10 3 2 3; }
              @media (prefers-color-scheme: dark) {
                text { fill: #e6edf3; }
                .quiet { fill: #9198a1; }
                .paper { fill: #0d1117; }
                .grid { stroke: #30363d; }
                .mark { stroke: #7d8590; }
                .over { stroke: #e6edf3; }
                .s0 { stroke: #f0883e; } .f0 { fill: #f0883e; } .s1 { stroke: #58a6ff; } .f1 { fill: #58a6ff; }
                .s2 { stroke: #3fb950; } .f2 { fill: #3fb950; } .s3 { stroke: #e08adb; } .f3 { fill: #e08adb; }
              }
            </style>
            """;

    /** Number of styles of lines and bars. */
    static final int STYLES = 4;

    /** The approximate width of a character, in units of the picture. */
    static final double CHARACTER = 7;

    private static final Pattern NOT_IN_XML =
            Pattern.compile("[^\\t\\n\\r\\x20-\\x{D7FF}\\x{E000}-\\x{FFFD}\\x{10000}-\\x{10FFFF}]");

    private Svg() {}

    /** Begins a picture; {@code </svg>} ends it. */
    static Formatter begin(String title, int width, int height) {
        Formatter out = new Formatter(Locale.ROOT);
        out.format(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n",
                width, height, escaped(title));
        out.format("<title>%s</title>\n%s", escaped(title), STYLE);
        return out.format("<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", width, height);
    }

    /** Escapes a text for HTML and XML. What XML has no way to write, such as control characters, becomes U+FFFD. */
    public static String escaped(String text) {
        return NOT_IN_XML
                .matcher(text)
                .replaceAll("\ufffd")
                .replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }
}
