package io.github.lars4j.bench.replay;

import io.github.lars4j.NonFiniteException;
import io.github.lars4j.bench.chart.Table;
import io.github.lars4j.bench.command.Command;
import io.github.lars4j.bench.command.CommandException;
import io.github.lars4j.bench.replay.FormatDistance.Variant;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command {@code formats}: how far narrow formats take the weights from those in float32. */
public final class FormatsCommand implements Command {

    private static final int MOST_STEPS = 1_000_000;

    @Option(names = "--steps", paramLabel = "N", description = "number of steps; ${DEFAULT-VALUE} by default")
    private int steps = 1000;

    @Parameters(
            arity = "1..*",
            paramLabel = "FILE",
            description = "a recording, whose gradients are repeated, as docs/recording.md describes it")
    private List<String> files;

    @Override
    public String name() {
        return "formats";
    }

    @Override
    public String summary() {
        return "measure how far narrow gradients and momentum take the weights of recordings";
    }

    @Override
    public int run(PrintStream out, PrintStream err) throws CommandException {
        if (steps < 1 || steps > MOST_STEPS) {
            throw CommandException.usage("--steps is " + steps + "; it must be in [1, " + MOST_STEPS + "]", null);
        }
        Map<Variant, List<FormatDistance>> distances = new LinkedHashMap<>();
        for (String file : files) {
            try (Recording recording = Recording.open(Path.of(file))) {
                measure(recording, distances);
            } catch (NonFiniteException e) {
                err.println(file + " is left out: in float32, " + e.getMessage());
            } catch (IOException | InvalidPathException e) {
                throw CommandException.usage(e.getMessage(), e);
            }
        }
        Table table = new Table(1, "", "norm", "", "way", "", "element", "", "recordings");
        table.add("", "median", "most", "median", "most", "median", "most", "");
        distances.forEach((variant, all) -> {
            List<String> cells = new ArrayList<>(List.of(variant.name()));
            add(cells, all, FormatDistance::ofNorm);
            add(cells, all, FormatDistance::ofWay);
            add(cells, all, FormatDistance::largest);
            cells.add("" + all.size());
            table.add(cells.toArray(String[]::new));
        });
        out.print(table);
        out.printf(Locale.ROOT, """
                The difference of the weights from those of a run in float32 after %d steps: its norm, as a share of the norm of the
                weights and of the way that they have come, and its largest element, as a share of the largest weight.
                """, steps);
        return ExitCode.OK;
    }

    private void measure(Recording recording, Map<Variant, List<FormatDistance>> distances) throws IOException {
        float[] float32 = FormatDistance.run(recording, Variant.FLOAT32, steps);
        for (Variant variant : Variant.all()) {
            if (recording.hasMomentum() || !variant.narrowsMomentum()) {
                distances
                        .computeIfAbsent(variant, key -> new ArrayList<>())
                        .add(FormatDistance.of(recording, float32, variant, steps));
            }
        }
    }

    private static void add(List<String> cells, List<FormatDistance> all, ToDoubleFunction<FormatDistance> of) {
        double[] sorted = all.stream().mapToDouble(of).sorted().toArray();
        cells.add(String.format(Locale.ROOT, "%.1e", sorted[sorted.length / 2]));
        cells.add(String.format(Locale.ROOT, "%.1e", sorted[sorted.length - 1]));
    }
}
