package io.github.lars4j.bench.report;

import io.github.lars4j.bench.chart.Svg;
import io.github.lars4j.bench.chart.Table;
import java.util.List;

/** A report as one self-contained HTML page: no script, no external font, no external picture. */
final class Page {

    /** A phone shows each picture in its narrow size, with text of the same size. */
    private static final String STYLE = """
            body { margin: 0; background: #ffffff; color: #1f2328; font: 16px/1.5 system-ui, sans-serif; }
            main { max-width: 880px; margin: 0 auto; padding: 16px; }
            h1 { font-size: 26px; line-height: 1.2; }
            h2 { font-size: 20px; margin: 40px 0 8px; }
            figure { margin: 0 0 32px; max-width: 760px; }
            p, li { max-width: 760px; }
            figcaption, .quiet { color: #59636e; font-size: 14px; }
            svg { display: block; width: 100%; height: auto; }
            .narrow { display: none; }
            .scroll { overflow-x: auto; margin: 12px 0 24px; }
            table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
            th, td { padding: 4px 12px 4px 0; text-align: right; border-bottom: 1px solid #d8dee4; }
            th { vertical-align: bottom; min-width: 4em; }
            .left { text-align: left; white-space: nowrap; }
            li { margin-bottom: 8px; }
            dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; font-size: 14px; }
            dt { font-weight: 600; }
            dd { margin: 0; overflow-wrap: anywhere; }
            pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 12px; background: #f6f8fa; font-size: 14px; }
            @media (max-width: 600px) {
              .wide { display: none; }
              .narrow { display: block; }
              th, td { padding-right: 8px; }
              th { min-width: 0; }
            }
            @media (prefers-color-scheme: dark) {
              body { background: #0d1117; color: #e6edf3; }
              figcaption, .quiet { color: #9198a1; }
              th, td { border-color: #30363d; }
              pre { background: #161b22; }
            }
            """;

    private Page() {}

    /** The page, which is also well-formed XML. */
    static String of(RunFile run, StepTimes results, List<Figures> figures, List<Pictures.Picture> pictures) {
        StringBuilder page = new StringBuilder("""
                <!DOCTYPE html>
                <html lang="en">
                <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <title>What a LARS step costs here</title>
                <style>
                """)
                .append(STYLE)
                .append("</style>\n</head>\n<body>\n<main>\n<h1>What a LARS step costs here</h1>\n<ul>\n");
        Sentences.of(run, figures).forEach(s -> page.append("<li>" + Svg.escaped(s) + "</li>\n"));
        Sentences.warning(results).ifPresent(s -> page.append("<li><strong>" + Svg.escaped(s) + "</strong></li>\n"));
        page.append("</ul>\n").append(scroll(Tables.summary(run, figures)));
        for (Pictures.Picture picture : pictures) {
            page.append("<figure>\n<div class=\"wide\">\n")
                    .append(picture.svg().apply(Svg.Size.WIDE))
                    .append("</div>\n<div class=\"narrow\">\n")
                    .append(picture.svg().apply(Svg.Size.NARROW))
                    .append("</div>\n<figcaption>" + Svg.escaped(picture.caption()) + "</figcaption>\n</figure>\n");
        }
        page.append("<h2>Every arm</h2>\n");
        for (Figures each : figures) {
            page.append("<p>" + Svg.escaped(Tables.caption(each.layout())) + "</p>\n")
                    .append(scroll(Tables.times(run, results, each)));
        }
        page.append("<p class=\"quiet\">" + Svg.escaped(Tables.NOTES) + "</p>\n");
        if (!run.environment().isEmpty()) {
            page.append("<h2>Where</h2>\n<dl>\n");
            run.environment()
                    .forEach((name, value) ->
                            page.append("<dt>" + Svg.escaped(name) + "</dt><dd>" + Svg.escaped(value) + "</dd>\n"));
            page.append("</dl>\n<h2>Again</h2>\n<pre>" + Svg.escaped(run.command()) + "</pre>\n");
        }
        return page.append("</main>\n</body>\n</html>\n").toString();
    }

    private static String scroll(Table table) {
        return "<div class=\"scroll\">\n" + table.html() + "</div>\n";
    }
}
