package io.github.lars4j.bench.report;

import io.github.lars4j.bench.chart.Table;
import java.util.List;
import java.util.Locale;

/** The tables of a report. */
final class Tables {

    static final String NOTES = """
            SIMD/scalar, SIMD/naive and threads are speeds, LARS/SGD and LARS/(scan+SGD) times. Scalar is the faster of
            lars scalar and scalarLars; scan and sgd are the faster of theirs, and measure, which is pass 1, is a scan
            too. GB/s counts 8 bytes read per parameter for scan, 12 read and 8 written for sgd, both together for LARS,
            wherever they came from: within a cache they are no memory traffic.
            """;

    private Tables() {}

    /** The caption above the times of a layout. */
    static String caption(RunFile.Layout layout) {
        return layout.parameters() == 0
                ? layout.name()
                : String.format(
                        Locale.ROOT,
                        "%,d parameters in %,d tensors, %,d KiB in each of three arrays",
                        layout.parameters(),
                        layout.tensors(),
                        layout.parameters() * Float.BYTES / 1024);
    }

    /** The times of all arms of a layout. */
    static Table times(RunFile run, StepTimes results, Figures figures) {
        RunFile.Layout layout = figures.layout();
        double parameters = layout.parameters() == 0 ? Double.NaN : layout.parameters();
        Table table = new Table(1, layout.name(), "ms/step", "ns/param", "GB/s", "% of scan + sgd");
        for (Arm arm : Arm.selection(run.cores())) {
            double nanos = arm.nanos(results, layout.name());
            table.add(
                    arm.name(),
                    Table.millis(nanos),
                    Table.number(nanos / parameters, 3),
                    Table.number(arm.bytes() == 0 ? Double.NaN : arm.bytes() * parameters / nanos, 1),
                    Table.number(arm.whole() ? 100 * (figures.scan() + figures.sgd()) / nanos : Double.NaN, 0));
        }
        return table;
    }

    /** The ratios of the times. */
    static Table ratios(List<Figures> all) {
        Table table =
                new Table(1, "ratios", "SIMD/scalar", "LARS/SGD", "LARS/(scan+SGD)", "SIMD/naive", "threads, speed-up");
        for (Figures figures : all) {
            table.add(
                    figures.layout().name(),
                    Table.number(figures.scalar().value(), 2),
                    Table.number(figures.toSgd(), 2),
                    Table.number(figures.toPasses(), 2),
                    Table.number(figures.naive().value(), 2),
                    Table.number(figures.threads().value(), 2));
        }
        return table;
    }

    /** The main figures, one row per layout. */
    static Table summary(RunFile run, List<Figures> all) {
        Table table = new Table(
                1,
                "layout",
                "parameters",
                "ms/step",
                "ns/parameter",
                "GB/s",
                "time / SGD's",
                "time / (scan + SGD)",
                "speed / best scalar",
                "speed / naive",
                run.cores() > 1 ? run.cores() + " threads / 1" : "threads");
        for (Figures figures : all) {
            RunFile.Layout layout = figures.layout();
            double parameters = layout.parameters() == 0 ? Double.NaN : layout.parameters();
            table.add(
                    layout.name(),
                    layout.parameters() == 0 ? "-" : String.format(Locale.ROOT, "%,d", layout.parameters()),
                    Table.millis(figures.lars()),
                    Table.number(figures.lars() / parameters, 2),
                    Table.number(Arm.LARS.bytes() * parameters / figures.lars(), 1),
                    Table.number(figures.toSgd(), 2),
                    Table.number(figures.toPasses(), 2),
                    Table.number(figures.scalar().value(), 2),
                    Table.number(figures.naive().value(), 2),
                    Table.number(figures.threads().value(), 2));
        }
        return table;
    }
}
