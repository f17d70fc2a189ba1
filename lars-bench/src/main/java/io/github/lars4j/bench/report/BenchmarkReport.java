package io.github.lars4j.bench.report;

import io.github.lars4j.bench.chart.Svg;
import io.github.lars4j.bench.files.OutputFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;

/** The report of a run: as text for a terminal, and as a page, pictures and a table in files. Immutable. */
public final class BenchmarkReport {

    private final RunFile run;
    private final StepTimes results;
    private final List<Figures> figures;

    /** Makes a report of the results that the run has so far. */
    public BenchmarkReport(RunFile run) {
        this.run = run;
        this.results = run.results();
        this.figures = run.layouts().stream()
                .map(layout -> Figures.of(run, results, layout))
                .toList();
    }

    /** The tables, and three sentences that say what they mean. */
    public String text() {
        StringBuilder text = new StringBuilder();
        for (Figures each : figures) {
            text.append(Tables.caption(each.layout())).append(System.lineSeparator());
            text.append(Tables.times(run, results, each)).append(System.lineSeparator());
        }
        text.append(Tables.ratios(figures)).append(System.lineSeparator());
        text.append(Tables.NOTES.replace("\n", System.lineSeparator())).append(System.lineSeparator());
        Sentences.of(run, figures).forEach(s -> text.append(s).append(System.lineSeparator()));
        Sentences.warning(results).ifPresent(s -> text.append(s).append(System.lineSeparator()));
        return text.toString();
    }

    /** The files, by name: {@code report.html}, {@code table.md} and the pictures that the run has data for. */
    public Map<String, String> files() {
        List<Pictures.Picture> pictures = Pictures.of(run, results, figures);
        Map<String, String> files = new LinkedHashMap<>();
        files.put("report.html", Page.of(run, results, figures, pictures));
        files.put("table.md", table());
        pictures.forEach(picture -> files.put(picture.file(), picture.svg().apply(Svg.Size.WIDE)));
        return files;
    }

    /** Writes the {@link #files} into a folder that exists. */
    public void write(Path folder) throws IOException {
        for (Map.Entry<String, String> file : files().entrySet()) {
            OutputFile.write(folder.resolve(file.getKey()), file.getValue());
        }
    }

    /** A row for each layout, the machine, and the sentences, in Markdown. */
    private String table() {
        StringBuilder text = new StringBuilder(Tables.summary(run, figures).markdown());
        String where = String.join(
                "; ",
                Stream.of("CPU", "caches", "JDK", "kernels")
                        .map(run.environment()::get)
                        .filter(Objects::nonNull)
                        .map(value -> value.replaceFirst(": .*", ""))
                        .toList());
        if (!where.isEmpty()) {
            text.append('\n').append(where).append(".\n");
        }
        text.append('\n');
        Sentences.of(run, figures).forEach(s -> text.append("- ").append(s).append('\n'));
        Sentences.warning(results).ifPresent(s -> text.append("- **").append(s).append("**\n"));
        return text.toString();
    }
}
