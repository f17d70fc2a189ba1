package io.github.lars4j.bench;

import io.github.lars4j.bench.report.RunFile;
import io.github.lars4j.bench.report.Table;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The first steps of fresh JVMs: total time of the first 1, 10, 100 and 1000 of them, with scalar kernels and with
 * automatic ones, which may cost little more. With C2, without it, and interpreted.
 */
final class ColdStart {

    /** After how many steps the time is taken. */
    static final List<Integer> STEPS = List.of(1, 10, 100, 1000);

    private static final List<String> LAYOUTS = List.of("4096x10", "mobilenet_v2");

    private static final List<String> COMPILERS = List.of("", "-XX:TieredStopAtLevel=1", "-Xint");

    /** JVMs of each kind, one of either kernels in turn; the median of their times counts. */
    private static final int ROUNDS = 3;

    /** A JVM takes no further steps after so long, and its kind is run only once. */
    private static final double LIMIT_MILLIS = 60_000;

    private static final double FACTOR = 1.10;
    private static final double SLACK_MILLIS = 20;

    private ColdStart() {}

    /** Runs the JVMs and prints the table; returns the exit code. */
    static int run(String[] args, PrintStream out, PrintStream err) throws IOException, InterruptedException {
        if (args.length != 0) {
            err.println("lars-bench: coldstart takes no arguments, and was given " + String.join(" ", args));
            return BenchMain.USAGE;
        }
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
                    scalar.add(fork(layout, compiler, "scalar"));
                    auto.add(fork(layout, compiler, "auto"));
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
        return exceeded ? BenchMain.FAILED : 0;
    }

    /**
     * What one JVM did.
     *
     * @param built time of building the optimizer in ms
     * @param ends time in ms from the first step's beginning to the end of each; fewer than all where it took too long
     * @param kernels what the steps ran on in the end
     */
    record Run(double built, List<Double> ends, String kernels) {

        /** Time in ms of the first so many steps; NaN where that was not reached. */
        double after(int steps) {
            return steps <= ends.size() ? ends.get(steps - 1) : Double.NaN;
        }

        boolean finished() {
            return ends.size() >= STEPS.getLast();
        }

        @Override
        public String toString() {
            return Table.number(after(STEPS.getLast()), 1) + " ms";
        }
    }

    /** The first steps of one fresh JVM, by each kind of kernels in turn, for a picture. */
    static List<RunFile.ColdStart> round(String layout) throws IOException, InterruptedException {
        List<Integer> marked = IntStream.rangeClosed(0, 30)
                .map(i -> (int) Math.round(Math.pow(10, i / 10.0)))
                .distinct()
                .boxed()
                .toList();
        List<RunFile.ColdStart> round = new ArrayList<>();
        for (String kernels : List.of("scalar", "vector", "auto")) {
            Run run = fork(layout, "", kernels);
            List<Integer> reached =
                    marked.stream().filter(step -> step <= run.ends().size()).toList();
            round.add(new RunFile.ColdStart(
                    layout, kernels, reached, reached.stream().map(run::after).toList()));
        }
        return round;
    }

    private static Run fork(String layout, String compiler, String kernels) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(Forks.FLAGS);
        command.add("-Dlars4j.kernels=" + kernels);
        if (!compiler.isEmpty()) {
            command.add(compiler);
        }
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), ColdStartProbe.class.getName(), layout));
        command.add("" + LIMIT_MILLIS);
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        Thread stop = new Thread(process::destroy, "stop-child");
        Runtime.getRuntime().addShutdownHook(stop);
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int code = process.waitFor();
        Runtime.getRuntime().removeShutdownHook(stop);
        if (code != 0) {
            throw new IOException("a JVM ended with code " + code + ": " + String.join(" ", command));
        }
        return parse(printed);
    }

    /** Reads what {@link ColdStartProbe} printed. */
    static Run parse(String printed) {
        List<String> lines = printed.lines().toList();
        List<Double> times =
                lines.subList(0, lines.size() - 1).stream().map(Double::valueOf).toList();
        return new Run(times.getFirst(), times.subList(1, times.size()), lines.getLast());
    }

    /** The median of the time to build, and of each of {@link #STEPS}; NaN where not all runs reached it. */
    static double[] medians(List<Run> runs) {
        double[] medians = new double[1 + STEPS.size()];
        for (int i = 0; i < medians.length; i++) {
            int column = i;
            double[] sorted = runs.stream()
                    .mapToDouble(run -> column == 0 ? run.built() : run.after(STEPS.get(column - 1)))
                    .sorted()
                    .toArray();
            medians[i] = Double.isNaN(sorted[sorted.length - 1]) ? Double.NaN : sorted[sorted.length / 2];
        }
        return medians;
    }

    /** What each time of the automatic kernels may be, given the scalar ones'. */
    static double[] bounds(List<Run> scalar) {
        return Arrays.stream(medians(scalar))
                .map(millis -> millis * FACTOR + SLACK_MILLIS)
                .toArray();
    }

    /** Adds a row; returns whether one of its times is beyond its bound. */
    static boolean add(Table table, String layout, String compiler, String kernels, List<Run> runs, double[] bounds) {
        double[] medians = medians(runs);
        String[] cells = new String[4 + STEPS.size() + 1];
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
