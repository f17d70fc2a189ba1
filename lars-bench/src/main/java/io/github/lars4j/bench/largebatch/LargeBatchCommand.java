package io.github.lars4j.bench.largebatch;

import io.github.lars4j.bench.OutputFile;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;

/** The command {@code large-batch}: compares SGD with momentum and LARS on Fashion-MNIST, by the batch size. */
public final class LargeBatchCommand {

    private static final int OK = 0;
    private static final int FAILED = 1;
    private static final int NOT_STARTED = 2;

    private static final int MOST_JOBS = 1024;

    /** The batch size of the charts that show one alone, if the plan has it. */
    static final int SHOWN_BATCH = 8192;

    private static final Duration BETWEEN_CHECKPOINTS = Duration.ofSeconds(10);

    private static final String USAGE = """
            usage: large-batch [--quick] [--jobs N] [--data DIR] [--out DIR]
              --quick      one batch size, one seed, no search of the rates: two minutes at most
              --jobs N     N runs at a time, each on one thread; by default one, on all processors.
                           The results do not depend on it
              --data DIR   folder of Fashion-MNIST's four files, plain or .gz; by default %s
              --out DIR    folder for results.json, tables and charts; by default large-batch, or large-batch-quick.
                           A run that was stopped goes on from there
            """.formatted(FashionMnist.DEBIAN);

    private final Path data;
    private final Path out;
    private final Plan plan;
    private final int jobs;

    private LargeBatchCommand(Path data, Path out, Plan plan, int jobs) {
        this.data = data;
        this.out = out;
        this.plan = plan;
        this.jobs = jobs;
    }

    /**
     * Runs the command.
     *
     * @param args its arguments, without its name
     * @param out gets the tables
     * @param err gets the progress, and what is wrong
     * @return the status to exit with: 0, 1 if something failed, 2 if the arguments or the data are not as needed
     */
    public static int run(String[] args, PrintStream out, PrintStream err) {
        LargeBatchCommand command;
        try {
            command = parse(args);
        } catch (IllegalArgumentException e) {
            err.println("large-batch: " + e.getMessage());
            err.print(USAGE);
            return NOT_STARTED;
        }
        FashionMnist data;
        try {
            data = FashionMnist.read(command.data);
        } catch (IOException e) {
            err.println("large-batch: " + e.getMessage());
            return NOT_STARTED;
        }
        try {
            command.run(data, out, err);
            return OK;
        } catch (IOException e) {
            err.println("large-batch: " + e.getMessage());
            return FAILED;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            err.println("large-batch: interrupted");
            return FAILED;
        }
    }

    private static LargeBatchCommand parse(String[] args) {
        Path data = FashionMnist.DEBIAN;
        Path out = null;
        Plan plan = Plan.full();
        int jobs = 1;
        for (int i = 0; i < args.length; i++) {
            switch (args[i]) {
                case "--quick" -> plan = Plan.quick();
                case "--data" -> data = Path.of(value(args, ++i));
                case "--out" -> out = Path.of(value(args, ++i));
                case "--jobs" -> jobs = count(value(args, ++i));
                default -> throw new IllegalArgumentException("unknown argument \"" + args[i] + "\"");
            }
        }
        Path folder = out != null ? out : Path.of(plan.search() ? "large-batch" : "large-batch-quick");
        return new LargeBatchCommand(data, folder, plan, jobs);
    }

    private static String value(String[] args, int index) {
        if (index >= args.length) {
            throw new IllegalArgumentException(args[index - 1] + " needs a value behind it");
        }
        return args[index];
    }

    private static int count(String value) {
        try {
            int jobs = Integer.parseInt(value);
            if (jobs >= 1 && jobs <= MOST_JOBS) {
                return jobs;
            }
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("--jobs is \"" + value + "\"; it must be a number", e);
        }
        throw new IllegalArgumentException("--jobs is " + value + "; it must be in [1, " + MOST_JOBS + "]");
    }

    private void run(FashionMnist data, PrintStream output, PrintStream err) throws IOException, InterruptedException {
        Path runs = OutputFile.folder(out.resolve("runs"));
        Results results = new Results(out.resolve("results.json"), plan);
        if (results.size() > 0) {
            err.println("going on with the " + results.size() + " results of " + out.resolve("results.json"));
        }
        new Experiment(
                        plan,
                        data.training(),
                        data.test(),
                        FashionMnist.CLASSES,
                        results,
                        runs,
                        BETWEEN_CHECKPOINTS,
                        jobs,
                        err)
                .run();
        String accuracies = Charts.table(plan, results);
        String shares = OptimizerShare.table(plan, results);
        OutputFile.write(out.resolve("table.md"), accuracies + System.lineSeparator() + shares);
        OutputFile.write(out.resolve("accuracy.svg"), Charts.accuracy(plan, results));
        OutputFile.write(out.resolve("loss.svg"), Charts.loss(results, SHOWN_BATCH));
        OutputFile.write(out.resolve("trust-ratios.svg"), Charts.trustRatios(results, SHOWN_BATCH));
        output.println(accuracies);
        output.println(shares);
        output.println("Written to " + out.toAbsolutePath()
                + ": results.json, table.md, accuracy.svg, loss.svg, trust-ratios.svg");
    }
}
