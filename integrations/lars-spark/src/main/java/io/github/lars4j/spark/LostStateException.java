package io.github.lars4j.spark;

import org.apache.spark.api.java.JavaRDD;

/**
 * Thrown by {@link ShardedLars} if all executors that kept some shard were lost. {@link ShardedLars#restore} goes back to
 * the last checkpoint.
 */
public final class LostStateException extends IllegalStateException {

    private static final long serialVersionUID = 1;

    LostStateException(Throwable cause) {
        super("the executors that kept some shard are lost, and the shard with them; restore a checkpoint", cause);
    }

    /** Throws an exception of this kind if a job failed because a partition of a state is lost. */
    static void throwIfLost(Throwable failure, JavaRDD<ShardState> state) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            // Spark has no exception of its own for this: its message says which block is not found.
            String message = String.valueOf(cause.getMessage());
            if ((message.contains("Checkpoint block") || message.contains("CHECKPOINT_RDD_BLOCK_ID_NOT_FOUND"))
                    && message.contains("rdd_" + state.id() + "_")) {
                throw new LostStateException(failure);
            }
        }
    }
}
