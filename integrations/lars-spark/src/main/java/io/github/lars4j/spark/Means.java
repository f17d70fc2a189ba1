package io.github.lars4j.spark;

import io.github.lars4j.spark.Gradients.Slice;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.function.FlatMapFunction;
import scala.Tuple2;

/**
 * The reduce side of a step: the mean of a shard over all micro-batches, added in {@code double} in the order of their
 * numbers, in which they come.
 */
record Means(int microBatches) implements FlatMapFunction<Iterator<Tuple2<Long, Slice>>, ShardMean> {

    @Override
    public Iterator<ShardMean> call(Iterator<Tuple2<Long, Slice>> slices) {
        double[] sums = null;
        double loss = 0;
        int bad = ShardMean.NONE;
        int shard = 0;
        int count = 0;
        while (slices.hasNext()) {
            Tuple2<Long, Slice> next = slices.next();
            shard = Shards.shard(next._1());
            float[] values = next._2().values;
            if (Shards.microBatch(next._1()) != count) {
                throw new IllegalStateException("shard " + shard + " has micro-batch " + Shards.microBatch(next._1())
                        + " where it must have " + count);
            }
            sums = sums == null ? new double[values.length] : sums;
            if (!add(values, sums) && bad == ShardMean.NONE) {
                bad = count;
            }
            loss += next._2().loss;
            count++;
        }
        if (count != microBatches) {
            throw new IllegalStateException(
                    "shard " + shard + " has " + count + " micro-batches; it must have " + microBatches);
        }
        float[] means = new float[sums.length];
        for (int i = 0; i < means.length; i++) {
            means[i] = (float) (sums[i] / microBatches);
        }
        return List.of(new ShardMean(shard, means, loss / microBatches, bad)).iterator();
    }

    /** Adds values to sums; returns whether all values are finite. */
    private static boolean add(float[] values, double[] sums) {
        // 0 times a finite number is 0; times NaN or infinity it is NaN.
        float zero = 0;
        for (int i = 0; i < values.length; i++) {
            sums[i] += values[i];
            zero += 0 * values[i];
        }
        return zero == 0;
    }
}
