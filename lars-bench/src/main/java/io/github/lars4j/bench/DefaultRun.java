package io.github.lars4j.bench;

import io.github.lars4j.bench.arms.Layouts;
import io.github.lars4j.bench.arms.StepBenchmark;
import io.github.lars4j.bench.report.Arm;
import io.github.lars4j.bench.report.Report;
import io.github.lars4j.bench.report.Results;
import io.github.lars4j.bench.report.RunFile;
import io.github.lars4j.bench.report.Table;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
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
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/**
 * What runs without a command: a selection that ends within five minutes, and what it means; with {@code --out} what
 * the pictures need too, within eight. Whoever stops it gets what was measured until then.
 */
final class DefaultRun {

    private static final List<String> LAYOUTS = List.of("4096x100", "mobilenet_v2", "resnet50");

    /** Sizes of the one layer of the sweep: from a single vector to beyond most caches. */
    private static final List<Integer> SIZES = IntStream.concat(
                    IntStream.rangeClosed(2, 12).map(i -> 1 << (2 * i)), IntStream.of(1 << 25))
            .boxed()
            .toList();

    private static final String COLD_LAYOUT = "4096x10";
    private static final int COLD_ROUNDS = 3;
    private static final long COLD_ROUND_NANOS = TimeUnit.SECONDS.toNanos(2);

    private static final long LIMIT_NANOS = TimeUnit.SECONDS.toNanos(290);
    private static final long LIMIT_WITH_PICTURES_NANOS = TimeUnit.SECONDS.toNanos(470);

    /** What a JVM takes besides its iterations. */
    private static final long FORK_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** How long an arm is measured: so many JVMs, and in each so many iterations of so many ms. */
    record Timing(int forks, int warmups, int warmupMillis, int iterations, int iterationMillis) {

        /** What it is taken to last before anything was seen. */
        long nanos() {
            return forks
                    * (FORK_NANOS
                            + TimeUnit.MILLISECONDS.toNanos(
                                    (long) warmups * warmupMillis + (long) iterations * iterationMillis));
        }

        @Override
        public String toString() {
            return String.format(
                    Locale.ROOT,
                    "%d a line, each %d x %d ms warm-up and %d x %d ms",
                    forks,
                    warmups,
                    warmupMillis,
                    iterations,
                    iterationMillis);
        }
    }

    /** The timing of the tables. */
    static final Timing TABLES = new Timing(2, 3, 400, 5, 300);

    /**
     * The timing of the sweep over sizes, which shows a course rather than small differences. A vector kernel that is
     * not compiled yet is a hundred times slower, so the warm-up is no shorter.
     */
    static final Timing SWEEP = new Timing(1, 3, 500, 3, 200);

    /**
     * What was asked for.
     *
     * @param layouts names of what is measured
     * @param out folder for the files; {@code null} if there shall be none
     */
    private record Request(List<String> layouts, Path out) {

        /** Reads the command line; an {@link IllegalArgumentException} says what is wrong with it. */
        static Request of(String[] args) {
            List<String> layouts = LAYOUTS;
            Path out = null;
            for (int i = 0; i < args.length; i += 2) {
                if (!args[i].equals("--layout") && !args[i].equals("--out")) {
                    throw new IllegalArgumentException(
                            args[i] + " does not go together with --out and --layout; --help lists what does");
                }
                if (i + 1 == args.length) {
                    throw new IllegalArgumentException(args[i] + " needs a value behind it");
                }
                if (args[i].equals("--out")) {
                    out = folder(args[i + 1]);
                } else {
                    layouts = List.of(layout(args[i + 1]));
                }
            }
            return new Request(layouts, out);
        }

        private static Path folder(String name) {
            try {
                return Files.createDirectories(Path.of(name));
            } catch (IOException | InvalidPathException e) {
                throw new IllegalArgumentException(
                        "--out is \"" + name + "\", which is no folder and can't be made one", e);
            }
        }

        /** A layout by its name, or a file of one, which is named by its whole path so that forks find it too. */
        private static String layout(String value) {
            boolean file = Files.isRegularFile(Path.of(value));
            String name = file ? "@" + Path.of(value).toAbsolutePath() : value;
            try {
                Layouts.named(name);
            } catch (IllegalArgumentException e) {
                throw file ? e : new IllegalArgumentException(e.getMessage() + "; there is no such file either", e);
            }
            return name;
        }
    }

    /** Something to measure; {@code null} as its result says that it failed. */
    private interface Measurement {
        String take() throws IOException, InterruptedException, RunnerException;
    }

    private record Job(String name, long expectedNanos, Measurement measurement) {}

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

    private DefaultRun(String[] args, Request request, Timing timing, Timing sweep, PrintStream out)
            throws IOException {
        this.out = out;
        this.progress = new Progress(out, Progress.terminal());
        this.folder = request.out();
        this.limitNanos = folder == null ? LIMIT_NANOS : LIMIT_WITH_PICTURES_NANOS;
        List<String> chosen = ManagementFactory.getRuntimeMXBean().getInputArguments();
        Map<String, String> environment = Machine.environment();
        environment.put("flags", Forks.describe(chosen));
        environment.put("forks", timing.toString());
        environment.put("date", LocalDate.now(ZoneId.systemDefault()).toString());
        out.println(Machine.lines(environment));
        request.layouts().forEach(layout -> plan(layout, Arm.selection(Machine.cores()), timing, layouts));
        if (folder != null && !layouts.isEmpty()) {
            for (int i = 0; i < COLD_ROUNDS; i++) {
                jobs.add(new Job("cold start", COLD_ROUND_NANOS, this::coldStart));
            }
            SIZES.forEach(size -> plan(size + "x1", Arm.SWEEP, sweep, new ArrayList<>()));
        }
        this.run = new RunFile(
                String.join(" ", "java -jar lars-bench.jar", String.join(" ", args))
                        .trim(),
                Machine.cores(),
                environment,
                layouts.stream()
                        .map(layout -> RunFile.Layout.of(layout, Layouts.named(layout)))
                        .toList());
        this.logs = Files.createTempDirectory("lars-bench");
    }

    /** Runs what the command line asks for; returns the exit code. */
    static int run(String[] args, PrintStream out, PrintStream err)
            throws IOException, InterruptedException, RunnerException {
        return run(args, TABLES, SWEEP, out, err);
    }

    /** The same with other times. */
    static int run(String[] args, Timing timing, Timing sweep, PrintStream out, PrintStream err)
            throws IOException, InterruptedException, RunnerException {
        Request request;
        try {
            request = Request.of(args);
        } catch (IllegalArgumentException e) {
            err.println("lars-bench: " + e.getMessage());
            return BenchMain.USAGE;
        }
        DefaultRun run = new DefaultRun(args, request, timing, sweep, out);
        if (run.layouts.isEmpty()) {
            err.println("lars-bench: no layout is left to measure");
            return BenchMain.FAILED;
        }
        return run.run();
    }

    private void plan(String layout, List<Arm> arms, Timing armTiming, List<String> planned) {
        String obstacle = Forks.obstacle(Layouts.named(layout).end(), Forks.physicalBytes());
        if (obstacle != null) {
            out.println("layout " + RunFile.withoutFolders(layout) + " is skipped: " + obstacle);
            return;
        }
        planned.add(layout);
        for (Arm arm : arms) {
            String name = String.format(Locale.ROOT, "%-13s %-12s", RunFile.withoutFolders(layout), arm.name());
            jobs.add(new Job(name, armTiming.nanos(), () -> measure(layout, arm, armTiming)));
        }
    }

    private int run() throws IOException, InterruptedException, RunnerException {
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
                        "[%2d/%d] %s %10s ms   %s",
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
            return BenchMain.FAILED;
        }
        deleteAll(logs);
        return 0;
    }

    /** Measures. After this JVM was told to end whatever comes of that is of no interest. */
    private String take(Job job) throws IOException, InterruptedException, RunnerException {
        try {
            return job.measurement().take();
        } finally {
            if (stopped) {
                Thread.sleep(Long.MAX_VALUE);
            }
        }
    }

    /** What happens when this JVM is told to end: its forks end too, and what was measured is presented. */
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
                out.println("lars-bench: " + e);
            }
        }
        ProcessHandle.current().descendants().forEach(ProcessHandle::destroy);
    }

    private void present() throws IOException {
        progress.end();
        Report report = new Report(run);
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
        List<RunFile.ColdStart> round = ColdStart.round(COLD_LAYOUT);
        synchronized (this) {
            round.forEach(run::add);
        }
        return Table.number(round.getFirst().millis().getLast(), 3);
    }

    private String measure(String layout, Arm arm, Timing armTiming) throws IOException, RunnerException {
        List<String> chosen = ManagementFactory.getRuntimeMXBean().getInputArguments();
        List<String> flags = Forks.flags(Layouts.named(layout).end(), chosen);
        String log = RunFile.withoutFolders(layout) + " " + arm.name();
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include("^" + StepBenchmark.class.getName().replace(".", "\\.") + "\\." + arm.method() + "$")
                .param("layout", layout)
                .forks(armTiming.forks())
                .warmupIterations(armTiming.warmups())
                .warmupTime(TimeValue.milliseconds(armTiming.warmupMillis()))
                .measurementIterations(armTiming.iterations())
                .measurementTime(TimeValue.milliseconds(armTiming.iterationMillis()))
                .jvmArgsAppend(flags.toArray(String[]::new))
                .output(logs.resolve(log + ".log").toString());
        if (arm.kernels() != null) {
            options.param("kernels", arm.kernels()).param("threads", "" + arm.threads());
        }
        Collection<RunResult> measured;
        try (OutputStream said = Files.newOutputStream(logs.resolve(log + ".forks.log"))) {
            measured = QuietRunner.run(options.build(), said);
        }
        synchronized (this) {
            if (!stopped) {
                run.add(measured);
            }
            return arm.in(run.results(), RunFile.withoutFolders(layout))
                    .map(Results.Result::nanos)
                    .map(Table::millis)
                    .orElse(null);
        }
    }

    /** The time left, if what is to come lasts longer or less long than expected as what has been did. */
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
