package io.github.lars4j.bench.coldstart;

import io.github.lars4j.bench.chart.Table;
import io.github.lars4j.bench.machine.Forks;
import io.github.lars4j.bench.report.RunFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** Starts fresh JVMs and times their first steps. */
public final class ColdStart {

    /** Numbers of steps whose total time is reported. */
    static final List<Integer> STEPS = List.of(1, 10, 100, 1000);

    /** Time in ms after which a JVM takes no further step. */
    private static final double LIMIT_MILLIS = 60_000;

    private ColdStart() {}

    /**
     * The times of one JVM.
     *
     * @param built time in ms to build the optimizer
     * @param ends time in ms from the start of the first step to the end of each step, up to the time limit
     * @param kernels the kernels of the last step
     */
    record Run(double built, List<Double> ends, String kernels) {

        /** Time in ms of the first {@code steps} steps; NaN if the JVM did not take that many. */
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

    /**
     * Times the first steps of one fresh JVM for each kind of kernels.
     *
     * @throws IOException if a JVM cannot be started or fails
     */
    public static List<RunFile.FirstSteps> round(String layout) throws IOException, InterruptedException {
        List<Integer> marked = IntStream.rangeClosed(0, 30)
                .map(i -> (int) Math.round(Math.pow(10, i / 10.0)))
                .distinct()
                .boxed()
                .toList();
        List<RunFile.FirstSteps> round = new ArrayList<>();
        for (String kernels : List.of("scalar", "vector", "auto")) {
            Run run = fork(layout, "", kernels);
            List<Integer> reached =
                    marked.stream().filter(step -> step <= run.ends().size()).toList();
            round.add(new RunFile.FirstSteps(
                    layout, kernels, reached, reached.stream().map(run::after).toList()));
        }
        return round;
    }

    static Run fork(String layout, String compiler, String kernels) throws IOException, InterruptedException {
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

    /** Parses the output of {@link ColdStartProbe}. */
    static Run parse(String printed) {
        List<String> lines = printed.lines().toList();
        List<Double> times =
                lines.subList(0, lines.size() - 1).stream().map(Double::valueOf).toList();
        return new Run(times.getFirst(), times.subList(1, times.size()), lines.getLast());
    }
}
