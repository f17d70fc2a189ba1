package io.github.lars4j.bench.measure;

import io.github.lars4j.bench.arms.Layouts;
import io.github.lars4j.bench.arms.StepBenchmark;
import io.github.lars4j.bench.chart.Table;
import io.github.lars4j.bench.coldstart.ColdStart;
import io.github.lars4j.bench.command.CommandException;
import io.github.lars4j.bench.command.Progress;
import io.github.lars4j.bench.machine.Forks;
import io.github.lars4j.bench.machine.Machine;
import io.github.lars4j.bench.machine.QuietRunner;
import io.github.lars4j.bench.report.Arm;
import io.github.lars4j.bench.report.BenchmarkReport;
import io.github.lars4j.bench.report.RunFile;
import io.github.lars4j.bench.report.StepTimes;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.openjdk.jmh.results.BenchmarkResult;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import picocli.CommandLine.ExitCode;

/**
 * The run without a command: measures a selection of arms within five minutes and reports the results; with a folder for
 * files also what the pictures need, within eight minutes. A run that is stopped reports what it has measured.
 *
 * <p>Every arm is measured in one JVM before any is measured in its second, so that what disturbs the machine for a
 * minute does not fall on all JVMs of a single arm.
 */
final class DefaultRun {

    /** Sizes of the one layer of the sweep: from a single vector to more than most caches hold. */
    private static final List<Integer> SIZES = IntStream.concat(
                    IntStream.rangeClosed(2, 12).map(i -> 1 << (2 * i)), IntStream.of(1 << 25))
            .boxed()
            .toList();

    private static final String COLD_LAYOUT = "4096x10";
    private static final int COLD_ROUNDS = 3;
    private static final long COLD_ROUND_NANOS = TimeUnit.SECONDS.toNanos(2);

    private static final long LIMIT_NANOS = TimeUnit.SECONDS.toNanos(290);
    private static final long LIMIT_WITH_PICTURES_NANOS = TimeUnit.SECONDS.toNanos(470);

    /** Time that a JVM takes in addition to its iterations. */
    private static final long FORK_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** The timing of an arm: the number of JVMs, and for each the number and length of its iterations. */
    record Timing(int forks, int warmups, int warmupMillis, int iterations, int iterationMillis) {

        /**
         * Returns the timing of an arm with a number of threads. If these occupy all processors, the JIT compiler shares
         * one with them: on two processors, a step that is compiled after 0.5 s on one thread takes 1.8 s on two.
         */
        Timing with(int threads) {
            return threads == 1 ? this : new Timing(forks, 2 * warmups, warmupMillis, iterations, iterationMillis);
        }

        /** The expected duration of one JVM in ns. */
        long nanosOfFork() {
            return FORK_NANOS
                    + TimeUnit.MILLISECONDS.toNanos(
                            (long) warmups * warmupMillis + (long) iterations * iterationMillis);
        }

        @Override
        public String toString() {
            return String.format(
                    Locale.ROOT,
                    "%d a line, each %d x %d ms warm-up (on several threads %d x) and %d x %d ms",
                    forks,
                    warmups,
                    warmupMillis,
                    with(2).warmups,
                    iterations,
                    iterationMillis);
        }
    }

    /** The timing of the tables. */
    static final Timing TABLES = new Timing(2, 3, 400, 5, 300);

    /**
     * The timing of the sweep over sizes, which shows a trend rather than small differences. The warm-up is not shorter:
     * a vector kernel is a hundred times slower until it is compiled.
     */
    static final Timing SWEEP = new Timing(1, 3, 500, 3, 200);

    /** Measures something; returns the time in ms, or {@code null} if the measurement failed. */
    private interface Measurement {
        String take() throws IOException, InterruptedException, RunnerException;
    }

    private record Job(String name, long expectedNanos, Measurement measurement) {}

    /** An arm on a layout, and what its JVMs have measured so far. */
    private record Line(String layout, Arm arm, Timing timing, List<BenchmarkResult> measured) {

        Line(String layout, Arm arm, Timing timing) {
            this(layout, arm, timing.with(arm.threads()), new ArrayList<>());
        }

        String name() {
            return RunFile.withoutFolders(layout) + " " + arm.name();
        }
    }

    private final PrintStream out;
    private final Progress progress;
    private final Path folder;
    private final long limitNanos;
    private final List<String> layouts = new ArrayList<>();
    private final List<Job> jobs = new ArrayList<>();
    private final RunFile run;
    private final Path logs;
    private final long start = System.nanoTime();
    private int done;
    private int failures;
    private volatile boolean stopped;

    /**
     * Plans a run.
     *
     * @param command the command line, for the file of results
     * @param requested names of the layouts to measure; those that do not fit into memory are left out
     * @param folder where to write the files; {@code null} to write none
     * @param timing the timing of the tables
     * @param sweep the timing of the sweep over sizes
     * @throws IOException if no temporary folder can be made
     */
    DefaultRun(String command, List<String> requested, Path folder, Timing timing, Timing sweep, PrintStream out)
            throws IOException {
        this.out = out;
        this.progress = new Progress(out, Progress.terminal());
        this.folder = folder;
        this.limitNanos = folder == null ? LIMIT_NANOS : LIMIT_WITH_PICTURES_NANOS;
        List<String> chosen = ManagementFactory.getRuntimeMXBean().getInputArguments();
        Map<String, String> environment = Machine.environment();
        environment.put("flags", Forks.describe(chosen));
        environment.put("forks", timing.toString());
        environment.put("date", LocalDate.now(ZoneId.systemDefault()).toString());
        out.println(Machine.lines(environment));
        layouts.addAll(requested.stream().filter(this::fits).toList());
        plan(layouts, Arm.selection(Machine.cores()), timing);
        if (folder != null && !layouts.isEmpty()) {
            for (int i = 0; i < COLD_ROUNDS; i++) {
                jobs.add(new Job("cold start", COLD_ROUND_NANOS, this::coldStart));
            }
            plan(SIZES.stream().map(size -> size + "x1").filter(this::fits).toList(), Arm.SWEEP, sweep);
        }
        this.run = new RunFile(
                command,
                Machine.cores(),
                environment,
                layouts.stream()
                        .map(layout -> RunFile.Layout.of(layout, Layouts.named(layout)))
                        .toList());
        this.logs = Files.createTempDirectory("lars-bench");
    }

    /** Returns whether a layout fits into memory, and prints a line if not. */
    private boolean fits(String layout) {
        String obstacle = Forks.obstacle(Layouts.named(layout).end(), Forks.physicalBytes());
        if (obstacle != null) {
            out.println("layout " + RunFile.withoutFolders(layout) + " is skipped: " + obstacle);
        }
        return obstacle == null;
    }

    private void plan(List<String> planned, List<Arm> arms, Timing timing) {
        List<Line> lines = planned.stream()
                .flatMap(layout -> arms.stream().map(arm -> new Line(layout, arm, timing)))
                .toList();
        for (int i = 1; i <= timing.forks(); i++) {
            int fork = i;
            for (Line line : lines) {
                String name = String.format(
                        Locale.ROOT,
                        "%-13s %-12s",
                        RunFile.withoutFolders(line.layout()),
                        line.arm().name());
                jobs.add(new Job(name, line.timing().nanosOfFork(), () -> measure(line, fork)));
            }
        }
    }

    /**
     * Measures, and prints and writes the report.
     *
     * @return the exit code
     * @throws CommandException if no layout is left to measure
     */
    int run() throws CommandException, IOException, InterruptedException, RunnerException {
        if (layouts.isEmpty()) {
            throw CommandException.failed("no layout is left to measure", null);
        }
        Thread finish = new Thread(this::stop, "finish");
        Runtime.getRuntime().addShutdownHook(finish);
        progress.show(String.format(Locale.ROOT, "%d to measure, %s", jobs.size(), left()));
        while (done < jobs.size()) {
            Job job = jobs.get(done);
            if (System.nanoTime() - start + job.expectedNanos() > limitNanos) {
                progress.end();
                out.printf(
                        Locale.ROOT, "%d of %d are left out, as the time is over%n", jobs.size() - done, jobs.size());
                break;
            }
            String result = take(job);
            synchronized (this) {
                done++;
                failures += result == null ? 1 : 0;
                if (folder != null) {
                    run.write(results());
                }
                progress.show(String.format(
                        Locale.ROOT,
                        "[%3d/%d] %s %10s ms   %s",
                        done,
                        jobs.size(),
                        job.name(),
                        result == null ? "-" : result,
                        left()));
            }
        }
        Runtime.getRuntime().removeShutdownHook(finish);
        present();
        if (failures > 0) {
            out.println(failures + " of " + jobs.size() + " failed; what JMH printed is in " + logs);
            return ExitCode.SOFTWARE;
        }
        deleteAll(logs);
        return ExitCode.OK;
    }

    /** Runs a job. If this JVM is being stopped, the result is ignored and this call never returns. */
    private String take(Job job) throws IOException, InterruptedException, RunnerException {
        try {
            return job.measurement().take();
        } finally {
            if (stopped) {
                Thread.sleep(Long.MAX_VALUE);
            }
        }
    }

    /** Ends the forks and presents the results so far, when this JVM is stopped. */
    private void stop() {
        stopped = true;
        ProcessHandle.current().descendants().forEach(ProcessHandle::destroy);
        synchronized (this) {
            progress.end();
            out.printf(Locale.ROOT, "stopped after %d of %d%n", done, jobs.size());
            try {
                present();
                deleteAll(logs);
            } catch (IOException e) {
                out.println("lars-bench: " + e.getMessage());
            }
        }
        ProcessHandle.current().descendants().forEach(ProcessHandle::destroy);
    }

    private void present() throws IOException {
        progress.end();
        BenchmarkReport report = new BenchmarkReport(run);
        out.println();
        out.print(report.text());
        if (folder != null) {
            run.write(results());
            report.write(folder);
            out.println();
            out.println(
                    "Written to " + folder.toAbsolutePath() + ": " + results().getFileName() + ", "
                            + String.join(", ", report.files().keySet()));
        }
    }

    private Path results() {
        return folder.resolve("results.json");
    }

    private String coldStart() throws IOException, InterruptedException {
        List<RunFile.FirstSteps> round = ColdStart.round(COLD_LAYOUT);
        synchronized (this) {
            round.forEach(run::add);
        }
        return Table.number(round.getFirst().millis().getLast(), 3);
    }

    /** Measures an arm in one more JVM; returns the time in all of its JVMs so far. */
    private String measure(Line line, int fork) throws IOException, RunnerException {
        String log = line.name() + " " + fork;
        List<String> chosen = ManagementFactory.getRuntimeMXBean().getInputArguments();
        List<String> flags = Forks.flags(Layouts.named(line.layout()).end(), chosen);
        Arm arm = line.arm();
        Timing timing = line.timing();
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include("^" + StepBenchmark.class.getName().replace(".", "\\.") + "\\." + arm.method() + "$")
                .param("layout", line.layout())
                .forks(1)
                .warmupIterations(timing.warmups())
                .warmupTime(TimeValue.milliseconds(timing.warmupMillis()))
                .measurementIterations(timing.iterations())
                .measurementTime(TimeValue.milliseconds(timing.iterationMillis()))
                .jvmArgsAppend(flags.toArray(String[]::new))
                .output(logs.resolve(log + ".log").toString());
        if (arm.kernels() != null) {
            options.param("kernels", arm.kernels()).param("threads", "" + arm.threads());
        }
        Collection<RunResult> results;
        try (OutputStream said = Files.newOutputStream(logs.resolve(log + ".forks.log"))) {
            results = QuietRunner.run(options.build(), said);
        }
        synchronized (this) {
            if (results.isEmpty() || stopped) {
                return null;
            }
            for (RunResult result : results) {
                line.measured().addAll(result.getBenchmarkResults());
                run.add(new RunResult(result.getParams(), line.measured()));
            }
            return arm.in(run.results(), RunFile.withoutFolders(line.layout()))
                    .map(StepTimes.StepTime::nanos)
                    .map(Table::millis)
                    .orElse(null);
        }
    }

    /** The estimated time left: the expected time of the jobs to come, scaled as the jobs so far were off. */
    private String left() {
        double expected = 0;
        double toCome = 0;
        for (int i = 0; i < jobs.size(); i++) {
            expected += i < done ? jobs.get(i).expectedNanos() : 0;
            toCome += i < done ? 0 : jobs.get(i).expectedNanos();
        }
        double nanos = toCome * (done == 0 ? 1 : (System.nanoTime() - start) / expected);
        long seconds = TimeUnit.NANOSECONDS.toSeconds((long) nanos);
        return String.format(Locale.ROOT, "%d:%02d left", seconds / 60, seconds % 60);
    }

    private static void deleteAll(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }
}
