package io.github.lars4j.bench.largebatch;

import io.github.lars4j.bench.command.Command;
import io.github.lars4j.bench.command.CommandException;
import io.github.lars4j.bench.files.OutputFile;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;

/**
 * The command {@code large-batch}: compares SGD and LARS on Fashion-MNIST at several batch sizes, with and without batch
 * normalisation.
 */
public final class LargeBatchCommand implements Command {

    private static final int MOST_JOBS = 1024;

    private static final Duration BETWEEN_CHECKPOINTS = Duration.ofSeconds(10);

    @Option(names = "--quick", description = "the normalised network at batch 8192, one seed, no search: a minute")
    private boolean quick;

    @Option(
            names = "--formats",
            description = {
                "compare formats of gradient and momentum instead of SGD and LARS: the normalised",
                "network at batch 8192, five seeds, with what was found for float32"
            })
    private boolean formats;

    @Option(
            names = "--whole-batch",
            description = {
                "take the statistics of the normalisation over the whole batch; by default over parts of",
                "at most " + Normalization.GHOST_BATCH + " examples (ghost batches), with which also the",
                "hyperparameters of --quick and --formats were found"
            })
    private boolean wholeBatch;

    @Option(
            names = "--jobs",
            paramLabel = "N",
            description = {
                "runs at a time, each on one thread; by default one run, on all processors.",
                "The results are the same"
            })
    private int jobs = 1;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = {"folder of Fashion-MNIST's four files, plain or .gz; by default", "${DEFAULT-VALUE}"})
    private Path data = FashionMnist.DEBIAN;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = {
                "folder for the results; by default large-batch, followed by -formats, -whole-batch and -quick",
                "if these options are given.",
                "A run that was stopped continues from there"
            })
    private Path out;

    @Override
    public String name() {
        return "large-batch";
    }

    @Override
    public String summary() {
        return "train on Fashion-MNIST with LARS and with SGD, at several batch sizes";
    }

    @Override
    public int run(PrintStream output, PrintStream err) throws CommandException {
        if (jobs < 1 || jobs > MOST_JOBS) {
            throw CommandException.usage("--jobs is " + jobs + "; it must be in [1, " + MOST_JOBS + "]", null);
        }
        FashionMnist examples;
        try {
            examples = FashionMnist.read(data);
        } catch (IOException e) {
            throw CommandException.usage(e.getMessage(), e);
        }
        try {
            compare(examples, output, err);
            return ExitCode.OK;
        } catch (IOException e) {
            throw CommandException.failed(e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw CommandException.failed("interrupted", e);
        }
    }

    /** The folder for the results of the plan that the options select. */
    Path defaultFolder() {
        return Path.of("large-batch"
                + (formats ? "-formats" : "")
                + (wholeBatch ? "-whole-batch" : "")
                + (quick ? "-quick" : ""));
    }

    private void compare(FashionMnist examples, PrintStream output, PrintStream err)
            throws IOException, InterruptedException {
        ExperimentPlan plan = formats ? ExperimentPlan.formats() : ExperimentPlan.full();
        plan = wholeBatch ? plan.wholeBatch() : plan;
        plan = quick ? plan.quick() : plan;
        Path folder = out != null ? out : defaultFolder();
        Path runs = OutputFile.folder(folder.resolve("runs"));
        ExperimentResults results = new ExperimentResults(folder.resolve("results.json"), plan);
        if (results.size() > 0) {
            err.println("going on with the " + results.size() + " results of " + folder.resolve("results.json"));
        }
        new Experiment(
                        plan,
                        examples.training(),
                        examples.test(),
                        FashionMnist.CLASSES,
                        results,
                        runs,
                        BETWEEN_CHECKPOINTS,
                        jobs,
                        err)
                .run();
        if (formats) {
            String table = Charts.formats(plan, results);
            OutputFile.write(folder.resolve("table.md"), table);
            output.println(table);
            output.println("Written to " + folder.toAbsolutePath() + ": results.json, table.md");
            return;
        }
        String tables = Charts.table(plan, results)
                + (plan.search() ? "\n" + Charts.choices(plan, results) : "")
                + "\n"
                + OptimizerShare.table(plan, results);
        OutputFile.write(folder.resolve("table.md"), tables);
        OutputFile.write(folder.resolve("accuracy.svg"), Charts.accuracy(plan, results));
        OutputFile.write(folder.resolve("loss.svg"), Charts.loss(plan, results));
        OutputFile.write(folder.resolve("trust-ratios.svg"), Charts.trustRatios(plan, results));
        OutputFile.write(folder.resolve("rate-and-loss.svg"), Charts.rateAndLoss(plan, results));
        OutputFile.write(folder.resolve("weight-norms.svg"), Charts.weightNorms(plan, results));
        output.println(tables);
        output.println(
                "Written to " + folder.toAbsolutePath()
                        + ": results.json, table.md, accuracy.svg, loss.svg, trust-ratios.svg, rate-and-loss.svg, weight-norms.svg");
    }
}
