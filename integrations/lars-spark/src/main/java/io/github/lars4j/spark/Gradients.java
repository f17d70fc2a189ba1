package io.github.lars4j.spark;

import java.io.Serializable;
import java.util.Arrays;
import java.util.Iterator;
import java.util.NoSuchElementException;
import org.apache.spark.api.java.function.Function2;
import org.apache.spark.broadcast.Broadcast;
import scala.Tuple2;

/** The map side of a step: the gradients of a partition's micro-batches, cut into shards. */
record Gradients<P>(
        Broadcast<float[]> weights, MicroBatchGradient<P> function, long batch, int microBatches, Shards shards)
        implements Function2<Integer, Iterator<P>, Iterator<Tuple2<Long, Gradients.Slice>>> {

    /** A shard of a micro-batch's gradient. No record, because Kryo cannot read records. */
    static final class Slice implements Serializable {

        private static final long serialVersionUID = 1;

        /** The loss of the micro-batch. */
        final double loss;
        /** The elements of the shard. */
        final float[] values;

        Slice(double loss, float[] values) {
            this.loss = loss;
            this.values = values;
        }
    }

    @Override
    public Iterator<Tuple2<Long, Slice>> call(Integer partition, Iterator<P> elements) {
        if (!elements.hasNext()) {
            throw new IllegalStateException("partition " + partition + " is empty; it must have one element");
        }
        P data = elements.next();
        if (elements.hasNext()) {
            throw new IllegalStateException("partition " + partition + " has several elements; it must have one");
        }
        return new Slices(data, partition * microBatches);
    }

    /** Computes each micro-batch when its first shard is asked for, so that only one gradient is in memory. */
    private final class Slices implements Iterator<Tuple2<Long, Slice>> {

        private final P data;
        private final int first;
        private final float[] gradient = new float[shards.length()];
        private double loss;
        private long next;

        Slices(P data, int first) {
            this.data = data;
            this.first = first;
        }

        @Override
        public boolean hasNext() {
            return next < (long) microBatches * shards.numPartitions();
        }

        @Override
        public Tuple2<Long, Slice> next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            int microBatch = first + (int) (next / shards.numPartitions());
            int shard = (int) (next++ % shards.numPartitions());
            if (shard == 0) {
                compute(microBatch);
            }
            return new Tuple2<>(Shards.key(shard, microBatch), new Slice(loss, shards.piece(gradient, shard)));
        }

        private void compute(int microBatch) {
            Arrays.fill(gradient, 0);
            try {
                loss = function.compute(weights.value(), data, batch, microBatch, gradient);
            } catch (RuntimeException e) {
                throw e;
            } catch (Exception e) {
                throw new IllegalStateException(
                        "the gradient of micro-batch " + microBatch + " of batch " + batch + " failed", e);
            }
        }
    }
}
