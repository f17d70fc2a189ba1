package io.github.lars4j.spark;

import java.io.Serializable;

/** A shard of a batch's gradient. No record, because Kryo cannot read records. */
final class ShardMean implements Serializable {

    private static final long serialVersionUID = 1;

    /** {@link #firstBad} if every value is finite. */
    static final int NONE = Integer.MAX_VALUE;

    /** Number of the shard. */
    final int shard;

    /** The mean over the micro-batches. */
    final float[] values;

    /** The mean loss of the micro-batches, the same for each shard. */
    final double loss;

    /** Number of the first micro-batch with a value that is not finite. */
    final int firstBad;

    ShardMean(int shard, float[] values, double loss, int firstBad) {
        this.shard = shard;
        this.values = values;
        this.loss = loss;
        this.firstBad = firstBad;
    }
}
