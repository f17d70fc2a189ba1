package io.github.lars4j.bench;

import io.github.lars4j.Layers;
import io.github.lars4j.bench.arms.Layouts;
import io.github.lars4j.bench.arms.StepBenchmark;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.OptionalDouble;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/** What runs without arguments: a selection that ends within five minutes, and a table of what it means. */
final class DefaultRun {

    private static final List<String> LAYOUTS = List.of("4096x100", "mobilenet_v2", "resnet50");

    private static final long LIMIT_NANOS = TimeUnit.SECONDS.toNanos(290);

    private static final int FORKS = 2;
    private static final int WARMUPS = 3;
    private static final TimeValue WARMUP = TimeValue.milliseconds(400);
    private static final int ITERATIONS = 5;
    private static final TimeValue ITERATION = TimeValue.milliseconds(300);

    /** What one arm is taken to last before any was seen: its iterations, and a second for each JVM. */
    private static final long EXPECTED_NANOS = TimeUnit.MILLISECONDS.toNanos(FORKS * (3 * 400 + 5 * 300 + 1000));

    /**
     * One thing to measure of every layout.
     *
     * @param method of {@link StepBenchmark}
     * @param kernels {@code null} where it has none
     * @param bytes read and written for each parameter, if nothing came from a cache; 0 where nobody knows
     */
    private record Arm(String method, String kernels, int threads, int bytes) {

        String name() {
            return method + (kernels == null ? "" : " " + kernels) + (threads > 1 ? " x" + threads : "");
        }

        OptionalDouble nanos(Results results, String layout) {
            return results.best(
                    method, "layout", layout, "kernels", kernels == null ? "" : kernels, "threads", "" + threads);
        }
    }

    private record Job(String layout, Arm arm) {

        @Override
        public String toString() {
            return layout + " " + arm.name();
        }
    }

    private final PrintStream out;
    private final long start = System.nanoTime();
    private final List<Arm> arms = arms(Machine.cores());
    private final List<RunResult> runs = new ArrayList<>();
    private int failures;

    private DefaultRun(PrintStream out) {
        this.out = out;
    }

    /** Runs the selection; returns the exit code. */
    static int run(PrintStream out) throws IOException, RunnerException {
        return new DefaultRun(out).run();
    }

    private static List<Arm> arms(int cores) {
        List<Arm> arms = new ArrayList<>(List.of(
                new Arm("scan", "scalar", 1, 8),
                new Arm("scan", "vector", 1, 8),
                new Arm("sgd", "scalar", 1, 20),
                new Arm("sgd", "vector", 1, 20),
                new Arm("measure", "vector", 1, 8),
                new Arm("lars", "scalar", 1, 28),
                new Arm("lars", "vector", 1, 28),
                new Arm("scalarLars", null, 1, 28),
                new Arm("naive", null, 1, 0)));
        if (cores > 1) {
            arms.add(new Arm("lars", "vector", cores, 28));
        }
        return arms;
    }

    private int run() throws IOException, RunnerException {
        out.print(Machine.describe());
        out.printf(
                "forks    %d a line, each %d x %s warm-up and %d x %s; one step is one operation%n%n",
                FORKS, WARMUPS, WARMUP, ITERATIONS, ITERATION);
        List<String> layouts = new ArrayList<>();
        for (String layout : LAYOUTS) {
            String obstacle = Forks.obstacle(Layouts.named(layout).end(), Forks.physicalBytes());
            if (obstacle == null) {
                layouts.add(layout);
            } else {
                out.println("layout " + layout + " is skipped: " + obstacle);
            }
        }
        List<Job> jobs = new ArrayList<>();
        for (String layout : layouts) {
            arms.forEach(arm -> jobs.add(new Job(layout, arm)));
        }
        Path logs = Files.createTempDirectory("lars-bench");
        for (int done = 0; done < jobs.size(); done++) {
            long spent = System.nanoTime() - start;
            long each = done == 0 ? EXPECTED_NANOS : spent / done;
            if (spent + each > LIMIT_NANOS) {
                out.printf("%d of %d are left out, as five minutes are over%n", jobs.size() - done, jobs.size());
                break;
            }
            measure(jobs.get(done), logs);
            progress(jobs.get(done), done + 1, jobs.size());
        }
        out.println();
        Results results = Results.of(runs);
        for (String layout : layouts) {
            out.println(times(layout, results));
        }
        out.println(ratios(layouts, results));
        if (failures > 0) {
            out.println(failures + " of " + jobs.size() + " failed; what JMH printed is in " + logs);
            return BenchMain.FAILED;
        }
        deleteAll(logs);
        return 0;
    }

    private void measure(Job job, Path logs) throws IOException, RunnerException {
        String layout = job.layout();
        Arm arm = job.arm();
        List<String> chosen = ManagementFactory.getRuntimeMXBean().getInputArguments();
        List<String> flags = Forks.flags(Layouts.named(layout).end(), chosen);
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include("^" + StepBenchmark.class.getName().replace(".", "\\.") + "\\." + arm.method() + "$")
                .param("layout", layout)
                .forks(FORKS)
                .warmupIterations(WARMUPS)
                .warmupTime(WARMUP)
                .measurementIterations(ITERATIONS)
                .measurementTime(ITERATION)
                .jvmArgsAppend(flags.toArray(String[]::new))
                .output(logs.resolve(job + ".log").toString());
        if (arm.kernels() != null) {
            options.param("kernels", arm.kernels()).param("threads", "" + arm.threads());
        }
        // What the forks print would come here, past the log.
        PrintStream systemOut = System.out;
        PrintStream systemErr = System.err;
        Collection<RunResult> results;
        try (PrintStream said = new PrintStream(
                Files.newOutputStream(logs.resolve(job + ".forks.log")), true, StandardCharsets.UTF_8)) {
            System.setOut(said);
            System.setErr(said);
            results = new Runner(options.build()).run();
        } finally {
            System.setOut(systemOut);
            System.setErr(systemErr);
        }
        runs.addAll(results);
        failures += results.isEmpty() ? 1 : 0;
    }

    private void progress(Job job, int done, int total) {
        OptionalDouble nanos = job.arm().nanos(Results.of(runs), job.layout());
        long seconds = TimeUnit.NANOSECONDS.toSeconds((System.nanoTime() - start) / done * (total - done));
        out.printf(
                "[%2d/%d] %-13s %-12s %10s ms   %d:%02d left%n",
                done,
                total,
                job.layout(),
                job.arm().name(),
                Table.number(nanos.orElse(Double.NaN) / 1e6, 3),
                seconds / 60,
                seconds % 60);
    }

    private String times(String layout, Results results) {
        Layers layers = Layouts.named(layout);
        double parameters = layers.end();
        double scan = results.scan(layout).orElse(Double.NaN);
        double sgd = results.sgd(layout).orElse(Double.NaN);
        Table table = new Table(1, layout, "ms/step", "ns/param", "GB/s", "% of scan + sgd");
        for (Arm arm : arms) {
            double nanos = arm.nanos(results, layout).orElse(Double.NaN);
            boolean whole = arm.bytes() != 8 && arm.bytes() != 20;
            table.add(
                    arm.name(),
                    Table.number(nanos / 1e6, 3),
                    Table.number(nanos / parameters, 3),
                    arm.bytes() == 0 ? "-" : Table.number(arm.bytes() * parameters / nanos, 1),
                    whole ? Table.number(100 * (scan + sgd) / nanos, 0) : "-");
        }
        return "%,d parameters in %,d tensors, %,d KiB in each of three arrays%n%s"
                .formatted(layers.end(), layers.size(), layers.end() * 4 / 1024, table);
    }

    private String ratios(List<String> layouts, Results results) {
        Table table =
                new Table(1, "ratios", "SIMD/scalar", "LARS/SGD", "LARS/(scan+SGD)", "SIMD/naive", "threads, speed-up");
        for (String layout : layouts) {
            double scan = results.scan(layout).orElse(Double.NaN);
            double sgd = results.sgd(layout).orElse(Double.NaN);
            double lars = lars(results, layout, "vector", 1);
            double scalar = Math.min(
                    lars(results, layout, "scalar", 1),
                    results.best("scalarLars", "layout", layout).orElse(Double.POSITIVE_INFINITY));
            double naive = results.best("naive", "layout", layout).orElse(Double.NaN);
            table.add(
                    layout,
                    Table.number(scalar / lars, 2),
                    Table.number(lars / sgd, 2),
                    Table.number(lars / (scan + sgd), 2),
                    Table.number(naive / lars, 2),
                    Table.number(lars / lars(results, layout, "vector", Machine.cores()), 2));
        }
        return table + """

                SIMD/scalar, SIMD/naive and threads are speeds, LARS/SGD and LARS/(scan+SGD) times. Scalar is the faster of \
                lars scalar
                and scalarLars; scan and sgd are the faster of theirs, and measure, which is pass 1, is a scan too. GB/s counts 8 bytes read per parameter for scan, 12 \
                read and 8
                written for sgd, both together for LARS, wherever they came from: within a cache they are no memory \
                traffic.
                """;
    }

    private static double lars(Results results, String layout, String kernels, int threads) {
        return results.best("lars", "layout", layout, "kernels", kernels, "threads", "" + threads)
                .orElse(Double.NaN);
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
