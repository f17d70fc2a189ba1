package io.github.lars4j.spark.example;

import io.github.lars4j.Checkpoint;
import io.github.lars4j.Lars;
import io.github.lars4j.Schedule;
import io.github.lars4j.spark.DistributedLars;
import io.github.lars4j.spark.DistributedReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.Partitioner;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import scala.Tuple2;

/**
 * Trains softmax regression on Fashion-MNIST with batches of 8192, each of 32 micro-batches of 256, and saves a
 * checkpoint after every epoch, from which it goes on when it is started again.
 *
 * <p>Usage: {@code FashionMnist DATA CHECKPOINT}: the folder of the four files, and the file of the checkpoint, both on
 * the driver.
 */
public final class FashionMnist {

    private static final int EPOCHS = 10;
    private static final int MICRO_BATCH = 256;
    private static final int MICRO_BATCHES = 32;
    static final int PARTITIONS = 8;
    static final int BATCH = MICRO_BATCHES * MICRO_BATCH;
    /** A last batch that is not full is left out. */
    private static final int STEPS_OF_EPOCH = 60_000 / BATCH;

    private static final int STEPS = EPOCHS * STEPS_OF_EPOCH;
    private static final StructType COLUMNS = new StructType()
            .add("number", DataTypes.IntegerType, false)
            .add("label", DataTypes.ByteType, false)
            .add("pixels", DataTypes.BinaryType, false);

    private FashionMnist() {}

    /** Trains. */
    public static void main(String[] args) throws IOException {
        if (args.length != 2) {
            throw new IllegalArgumentException("there must be two arguments: DATA CHECKPOINT");
        }
        Path folder = Path.of(args[0]);
        Path checkpoint = Path.of(args[1]);
        Images test = Images.read(folder, "t10k");
        try (SparkSession session =
                SparkSession.builder().appName("LARS on Fashion-MNIST").getOrCreate()) {
            train(partitions(frame(session, Images.read(folder, "train"))), checkpoint, test);
        }
    }

    private static void train(JavaRDD<SoftmaxRegression> partitions, Path checkpoint, Images test) throws IOException {
        float[] weights = SoftmaxRegression.initialWeights(1);
        try (Lars lars = optimizer().build()) {
            if (Files.exists(checkpoint)) {
                Checkpoint.load(checkpoint).restore(lars, weights);
            }
            DistributedLars<SoftmaxRegression> distributed = distributed(lars, weights, partitions);
            for (long batch = lars.steps(); batch < STEPS; batch++) {
                DistributedReport report = distributed.step(batch);
                System.out.printf(
                        "batch %d of %d: loss %.4f, %.2f s%n",
                        batch + 1, STEPS, report.loss(), report.gradientSeconds() + report.stepSeconds());
                if (lars.steps() % STEPS_OF_EPOCH == 0) {
                    Checkpoint.save(checkpoint, lars, weights);
                    System.out.printf(
                            "epoch %d of %d: test accuracy %.2f %%%n",
                            lars.steps() / STEPS_OF_EPOCH, EPOCHS, 100 * SoftmaxRegression.accuracy(weights, test));
                }
            }
        }
    }

    static Lars.Builder optimizer() {
        return Lars.builder(SoftmaxRegression.layers())
                .learningRate(Schedule.polynomial(16, 2, STEPS - STEPS_OF_EPOCH).warmup(STEPS_OF_EPOCH))
                .momentum(0.9)
                .weightDecay(1e-4);
    }

    static DistributedLars<SoftmaxRegression> distributed(
            Lars lars, float[] weights, JavaRDD<SoftmaxRegression> partitions) {
        return new DistributedLars<>(
                lars,
                weights,
                partitions,
                MICRO_BATCHES,
                (w, partition, batch, microBatch, gradient) -> partition.gradient(w, batch, microBatch, gradient));
    }

    /** The images as a DataFrame. */
    static Dataset<Row> frame(SparkSession session, Images images) {
        List<Row> rows = new ArrayList<>();
        for (int i = 0; i < images.labels().length; i++) {
            rows.add(RowFactory.create(i, images.labels()[i], images.pixels()[i]));
        }
        return session.createDataFrame(rows, COLUMNS);
    }

    /** The data as {@link DistributedLars} wants it: by the numbers of the rows, whatever the DataFrame's own order. */
    static JavaRDD<SoftmaxRegression> partitions(Dataset<Row> frame) {
        return frame.javaRDD()
                .mapToPair(row -> new Tuple2<>(row.getInt(0), row))
                .repartitionAndSortWithinPartitions(new ByNumber())
                .mapPartitionsWithIndex(FashionMnist::partition, true)
                .cache();
    }

    private static Iterator<SoftmaxRegression> partition(int number, Iterator<Tuple2<Integer, Row>> rows) {
        List<Row> all = new ArrayList<>();
        rows.forEachRemaining(row -> all.add(row._2()));
        byte[][] pixels = new byte[all.size()][];
        byte[] labels = new byte[all.size()];
        for (int i = 0; i < labels.length; i++) {
            labels[i] = all.get(i).getByte(1);
            pixels[i] = all.get(i).getAs(2);
        }
        return List.of(new SoftmaxRegression(number, MICRO_BATCH, MICRO_BATCHES / PARTITIONS, pixels, labels))
                .iterator();
    }

    /** The partition of a row is the remainder of its number. */
    private static final class ByNumber extends Partitioner {

        private static final long serialVersionUID = 1;

        @Override
        public int numPartitions() {
            return PARTITIONS;
        }

        @Override
        public int getPartition(Object number) {
            return (Integer) number % PARTITIONS;
        }
    }
}
