package io.github.lars4j.spark;

import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import java.io.Serializable;

/**
 * Describes the optimizer of {@link ShardedLars} to the executors. Each of them builds the optimizers of its shards by
 * it, so it must always give the same.
 */
public interface ShardedOptimizer extends Serializable {

    /** Returns the layers of the whole network. */
    Layers layers();

    /**
     * Returns a builder with all settings.
     *
     * @param layers the layers of a shard, with the names and treatments of those of the whole network
     */
    Lars.Builder builder(Layers layers);
}
