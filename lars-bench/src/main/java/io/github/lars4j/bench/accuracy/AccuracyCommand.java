package io.github.lars4j.bench.accuracy;

import io.github.lars4j.bench.chart.Table;
import io.github.lars4j.bench.command.Command;
import io.github.lars4j.bench.command.CommandException;
import io.github.lars4j.bench.machine.Forks;
import io.github.lars4j.bench.machine.Machine;
import io.github.lars4j.bench.machine.QuietRunner;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import picocli.CommandLine.ExitCode;

/**
 * The command {@code accuracy}: measures the errors of the norms of {@link Norm} on {@link HardVector}s, and their speed.
 */
public final class AccuracyCommand implements Command {

    /** Number of elements timed from cache: 128 KiB, which fit any L2. */
    private static final int CACHED = 1 << 15;

    /** Number of elements timed from memory: 64 MiB. */
    private static final int STREAMED = 1 << 24;

    /** Error from which a result counts as wrong: a decimal digit is lost. */
    private static final double WRONG_ULPS = 10;

    /** Number of norms, the first ones, that are sums in float. */
    private static final int FLOATS = 4;

    /**
     * The error of a norm on one vector.
     *
     * @param ulps the error in ulp; infinite if the result is infinite or NaN
     * @param failure one word that says why the result is useless; {@code null} if it is not
     */
    record Verdict(double ulps, String failure) {

        /** Tests a norm on a vector whose norm is not 0. */
        static Verdict of(Norm norm, float[] values, ExactNorm exact) {
            float result = norm.of(values);
            double ulps = exact.ulps(result);
            if (!Float.isFinite(result)) {
                return new Verdict(ulps, Float.isNaN(result) ? "NaN" : "inf");
            }
            if (result == 0) {
                return new Verdict(ulps, "zero");
            }
            boolean stuck = ulps > 1 && norm.of(Arrays.copyOf(values, values.length - values.length / 8)) == result;
            return new Verdict(ulps, stuck ? "stuck" : null);
        }

        boolean isWrong() {
            return failure != null || ulps >= WRONG_ULPS;
        }

        @Override
        public String toString() {
            return failure != null ? failure : String.format(Locale.ROOT, ulps < 1000 ? "%.2f" : "%.0f", ulps);
        }
    }

    /**
     * The errors and times of a norm.
     *
     * @param verdicts one for each vector
     * @param cached time per element from L2, in ns
     * @param streamed time per element from memory, in ns
     */
    record Row(String name, List<Verdict> verdicts, double cached, double streamed) {

        long wrong() {
            return verdicts.stream().filter(Verdict::isWrong).count();
        }

        /** The largest error in ulp among the results that are not wrong. */
        double worst() {
            return verdicts.stream()
                    .filter(verdict -> !verdict.isWrong())
                    .mapToDouble(Verdict::ulps)
                    .max()
                    .orElse(Double.NaN);
        }
    }

    @Override
    public String name() {
        return "accuracy";
    }

    @Override
    public String summary() {
        return "measure the error and the speed of norms in float and of this library's";
    }

    @Override
    public int run(PrintStream out, PrintStream err) throws CommandException {
        out.println(Machine.describe());
        List<Norm> norms = Norm.all();
        List<List<Verdict>> verdicts = verdicts(norms, out);
        List<Row> rows = new ArrayList<>();
        try {
            for (int n = 0; n < norms.size(); n++) {
                Norm norm = norms.get(n);
                rows.add(new Row(norm.name(), verdicts.get(n), nanos(norm, CACHED), nanos(norm, STREAMED)));
                out.printf(Locale.ROOT, "[%d/%d] %s is timed%n", n + 1, norms.size(), norm.name());
            }
        } catch (RunnerException e) {
            throw CommandException.failed(e.getMessage(), e);
        }
        out.println();
        out.println(speeds(rows));
        out.print(conclusion(rows));
        return ExitCode.OK;
    }

    /** Tests norms on all vectors and prints a table; returns a list for each norm. */
    private static List<List<Verdict>> verdicts(List<Norm> norms, PrintStream out) {
        List<List<Verdict>> verdicts = new ArrayList<>();
        List<String> headings = new ArrayList<>(List.of("error in ulp", "exact norm"));
        for (Norm norm : norms) {
            verdicts.add(new ArrayList<>());
            headings.add(norm.name());
        }
        Table table = new Table(1, headings.toArray(String[]::new));
        for (HardVector vector : HardVector.ALL) {
            float[] values = vector.elements().get();
            ExactNorm exact = ExactNorm.of(values);
            List<String> cells =
                    new ArrayList<>(List.of(vector.label(), String.format(Locale.ROOT, "%.7g", exact.value())));
            for (int n = 0; n < norms.size(); n++) {
                verdicts.get(n).add(Verdict.of(norms.get(n), values, exact));
                cells.add(verdicts.get(n).getLast().toString());
            }
            table.add(cells.toArray(String[]::new));
        }
        out.print(table);
        out.println("""
                Errors are those of the norm as a float, against the exact norm; half an ulp is what rounding leaves. stuck: the
                last eighth of the vector changes nothing.
                """);
        return verdicts;
    }

    /** The time of one norm per element in ns, measured in a fork of its own. */
    private static double nanos(Norm norm, int elements) throws RunnerException {
        List<String> flags =
                Forks.flags(elements, ManagementFactory.getRuntimeMXBean().getInputArguments());
        Options options = new OptionsBuilder()
                .include("^" + NormBenchmark.class.getName().replace(".", "\\.") + "\\.norms$")
                .param("norm", norm.name())
                .param("elements", "" + elements)
                .forks(1)
                .warmupIterations(4)
                .warmupTime(TimeValue.milliseconds(300))
                .measurementIterations(5)
                .measurementTime(TimeValue.milliseconds(300))
                .jvmArgsAppend(flags.toArray(String[]::new))
                .build();
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        Collection<RunResult> results = QuietRunner.run(options, printed);
        if (results.isEmpty()) {
            throw new RunnerException(norm.name() + " came to no result:" + System.lineSeparator()
                    + printed.toString(StandardCharsets.UTF_8));
        }
        return results.iterator().next().getPrimaryResult().getScore() / elements;
    }

    private static String speeds(List<Row> rows) {
        Table table = new Table(
                1, "", "wrong on", "else at most, ulp", "L2, ns/element", "GB/s", "memory, ns/element", "GB/s");
        for (Row row : rows) {
            table.add(
                    row.name(),
                    row.wrong() + " of " + row.verdicts().size(),
                    Table.number(row.worst(), 4),
                    Table.number(row.cached(), 3),
                    Table.number(Float.BYTES / row.cached(), 1),
                    Table.number(row.streamed(), 3),
                    Table.number(Float.BYTES / row.streamed(), 1));
        }
        return table + "Wrong: off by " + (int) WRONG_ULPS + " ulp or more, so that a digit is lost.\n";
    }

    /**
     * Summarises the rows in three sentences.
     *
     * @param rows in the order of {@link Norm#all}, with verdicts in the order of the vectors
     */
    static String conclusion(List<Row> rows) {
        Row loop = rows.getFirst();
        Row simd = rows.get(1);
        Row stripes = rows.getLast();
        Row best = rows.subList(0, FLOATS).stream()
                .min(Comparator.comparingLong(Row::wrong))
                .orElseThrow();
        int usual = HardVector.ALL.indexOf(HardVector.RESNET50);
        return String.format(
                Locale.ROOT,
                """
                The sum in double is wrong on %d of %d vectors and else at most %s ulp off; of the sums in float %s
                does best, and is wrong on %d. On a %s, which is not hard, the sum in double is %s ulp off,
                %s %s and float SIMD %s. By SIMD it takes %s times the time of float SIMD from L2 and
                %s times from memory, and %s and %s times that of the float loop.
                """,
                stripes.wrong(),
                stripes.verdicts().size(),
                Table.number(stripes.worst(), 2),
                best.name(),
                best.wrong(),
                HardVector.RESNET50.label(),
                stripes.verdicts().get(usual),
                best.name(),
                best.verdicts().get(usual),
                simd.verdicts().get(usual),
                Table.number(stripes.cached() / simd.cached(), 2),
                Table.number(stripes.streamed() / simd.streamed(), 2),
                Table.number(stripes.cached() / loop.cached(), 2),
                Table.number(stripes.streamed() / loop.streamed(), 2));
    }
}
