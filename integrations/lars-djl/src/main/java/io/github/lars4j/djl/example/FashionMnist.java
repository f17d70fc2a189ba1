package io.github.lars4j.djl.example;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.EasyTrain;
import ai.djl.training.Trainer;
import ai.djl.training.dataset.Dataset;
import ai.djl.training.evaluator.Accuracy;
import ai.djl.training.initializer.XavierInitializer;
import ai.djl.training.listener.TrainingListener;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.translate.TranslateException;
import io.github.lars4j.Schedule;
import io.github.lars4j.djl.LarsOptimizer;
import io.github.lars4j.djl.ScheduleTracker;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Trains a network on Fashion-MNIST with batches of 8192, by LARS and by DJL's own SGD, with several rates each, and prints
 * a table of test accuracies.
 *
 * <p>Usage: {@code FashionMnist DATA [EPOCHS]}: the folder of the four files.
 */
public final class FashionMnist {

    static final int BATCH = 8192;
    private static final int EXAMPLES = 60_000;
    private static final int EPOCHS = 10;

    private FashionMnist() {}

    /** Trains. */
    public static void main(String[] args) throws IOException, TranslateException {
        Path folder = Path.of(args[0]);
        int epochs = args.length > 1 ? Integer.parseInt(args[1]) : EPOCHS;
        List<String> rows = new ArrayList<>();
        try (NDManager manager = NDManager.newBaseManager()) {
            Dataset train = Images.read(manager, folder, "train", BATCH);
            Dataset test = Images.read(manager, folder, "t10k", BATCH);
            for (double rate : new double[] {4, 8, 16, 32}) {
                rows.add(row("LARS", rate, train(true, rate, epochs, train, test)));
            }
            for (double rate : new double[] {0.4, 0.8, 1.6, 3.2}) {
                rows.add(row("SGD of DJL", rate, train(false, rate, epochs, train, test)));
            }
        }
        System.out.println("| optimizer | rate | test accuracy after " + epochs + " epochs |");
        System.out.println("|---|---:|---:|");
        rows.forEach(System.out::println);
    }

    private static String row(String optimizer, double rate, float accuracy) {
        return "| " + optimizer + " | " + rate + " | " + Math.round(10_000.0 * accuracy) / 100.0 + " % |";
    }

    /** Trains with one optimizer and rate; returns the accuracy on the test set, 0 to 1. */
    private static float train(boolean lars, double rate, int epochs, Dataset train, Dataset test)
            throws IOException, TranslateException {
        Engine.getInstance().setRandomSeed(1);
        int steps = epochs * Math.ceilDiv(EXAMPLES, BATCH);
        Schedule schedule = Schedule.polynomial(rate, 1.5, steps - steps / 6).warmup(steps / 6);
        try (Model model = Model.newInstance("fashion-mnist", Device.cpu())) {
            model.setBlock(network());
            Optimizer optimizer = lars ? lars(model.getBlock(), schedule) : sgd(schedule);
            DefaultTrainingConfig config = new DefaultTrainingConfig(Loss.softmaxCrossEntropyLoss())
                    .optOptimizer(optimizer)
                    .optDevices(new Device[] {Device.cpu()})
                    .optInitializer(new XavierInitializer(), Parameter.Type.WEIGHT)
                    .addEvaluator(new Accuracy())
                    .addTrainingListeners(TrainingListener.Defaults.logging());
            try (Trainer trainer = model.newTrainer(config)) {
                trainer.initialize(new Shape(1, Images.PIXELS));
                EasyTrain.fit(trainer, epochs, train, test);
                return trainer.getTrainingResult().getValidateEvaluation("Accuracy");
            }
        }
    }

    static Block network() {
        return new SequentialBlock()
                .add(Linear.builder().setUnits(256).build())
                .add(BatchNorm.builder().build())
                .add(Activation::relu)
                .add(Linear.builder().setUnits(128).build())
                .add(BatchNorm.builder().build())
                .add(Activation::relu)
                .add(Linear.builder().setUnits(10).build());
    }

    static LarsOptimizer lars(Block block, Schedule schedule) {
        return LarsOptimizer.forBlock(block)
                .setLearningRateTracker(new ScheduleTracker(schedule))
                .optMomentum(0.9)
                .optWeightDecays(1e-4f)
                .optTreatment(Pattern.compile("(bias|gamma|beta)$"), Treatment.PLAIN.withRateFactor(1.0 / 16))
                .optCore(core -> core.nesterov(true))
                .build();
    }

    private static Optimizer sgd(Schedule schedule) {
        return Optimizer.sgd()
                .setLearningRateTracker(new ScheduleTracker(schedule))
                .optMomentum(0.9f)
                .optWeightDecays(1e-4f)
                .build();
    }
}
