package io.github.lars4j.bench.coldstart;

import io.github.lars4j.bench.chart.Table;
import io.github.lars4j.bench.coldstart.ColdStart.Run;
import io.github.lars4j.bench.command.Command;
import io.github.lars4j.bench.machine.Machine;
import java.io.IOException;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import picocli.CommandLine.ExitCode;

/**
 * The command {@code coldstart}: the total time of the first 1, 10, 100 and 1000 steps of fresh JVMs, on scalar kernels
 * and on automatic ones, with C2, without it, and interpreted. The automatic kernels may cost little more.
 */
public final class ColdStartCommand implements Command {

    private static final List<String> LAYOUTS = List.of("4096x10", "mobilenet_v2");

    private static final List<String> COMPILERS = List.of("", "-XX:TieredStopAtLevel=1", "-Xint");

    /** Number of JVMs of each kind, which alternate between the kernels; the median of their times counts. */
    private static final int ROUNDS = 3;

    private static final double FACTOR = 1.10;
    private static final double SLACK_MILLIS = 20;

    @Override
    public String name() {
        return "coldstart";
    }

    @Override
    public String summary() {
        return "time the first steps of JVMs; exit 1 if automatic kernels cost 10 % and 20 ms more";
    }

    @Override
    public int run(PrintStream out, PrintStream err) throws IOException, InterruptedException {
        out.print(Machine.describe());
        out.println();
        Table table =
                new Table(3, "layout", "JVM", "kernels", "build", "1", "10", "100", "1000 steps, ms", "at the end");
        boolean exceeded = false;
        for (String layout : LAYOUTS) {
            for (String compiler : COMPILERS) {
                List<Run> scalar = new ArrayList<>();
                List<Run> auto = new ArrayList<>();
                do {
                    scalar.add(ColdStart.fork(layout, compiler, "scalar"));
                    auto.add(ColdStart.fork(layout, compiler, "auto"));
                    out.println(
                            layout + " " + compiler + ": " + scalar.getLast() + " scalar, " + auto.getLast() + " auto");
                } while (scalar.size() < ROUNDS
                        && scalar.getFirst().finished()
                        && auto.getFirst().finished());
                exceeded |= add(table, layout, compiler, "scalar", scalar, null);
                exceeded |= add(table, layout, compiler, "auto", auto, bounds(scalar));
            }
        }
        out.println();
        out.print(table);
        out.println();
        out.println(
                "Medians of up to " + ROUNDS + " JVMs; ! is more than scalar's time and 10 % and 20 ms; a dash was not"
                        + " reached in a minute. Building the optimizer is shown and is no step.");
        return exceeded ? ExitCode.SOFTWARE : ExitCode.OK;
    }

    /** The medians of the time to build and of each of {@link ColdStart#STEPS}; NaN unless all runs reached it. */
    static double[] medians(List<Run> runs) {
        double[] medians = new double[1 + ColdStart.STEPS.size()];
        for (int i = 0; i < medians.length; i++) {
            int column = i;
            double[] sorted = runs.stream()
                    .mapToDouble(run -> column == 0 ? run.built() : run.after(ColdStart.STEPS.get(column - 1)))
                    .sorted()
                    .toArray();
            medians[i] = Double.isNaN(sorted[sorted.length - 1]) ? Double.NaN : sorted[sorted.length / 2];
        }
        return medians;
    }

    /** The limits of the automatic kernels' times, given the runs on scalar kernels. */
    static double[] bounds(List<Run> scalar) {
        return Arrays.stream(medians(scalar))
                .map(millis -> millis * FACTOR + SLACK_MILLIS)
                .toArray();
    }

    /** Adds a row; returns whether one of its times exceeds its bound. */
    static boolean add(Table table, String layout, String compiler, String kernels, List<Run> runs, double[] bounds) {
        double[] medians = medians(runs);
        String[] cells = new String[4 + ColdStart.STEPS.size() + 1];
        cells[0] = layout;
        cells[1] = compiler.isEmpty() ? "C2" : compiler;
        cells[2] = kernels;
        boolean exceeded = false;
        for (int i = 0; i < medians.length; i++) {
            boolean beyond = bounds != null && i > 0 && medians[i] > bounds[i];
            cells[3 + i] = (beyond ? "! " : "") + Table.number(medians[i], 1);
            exceeded |= beyond;
        }
        cells[cells.length - 1] = runs.getLast().kernels().replaceFirst("[:,].*", "");
        table.add(cells);
        return exceeded;
    }
}
