/**
 * Data-parallel LARS on Apache Spark: {@link io.github.lars4j.spark.DistributedLars}, and {@link
 * io.github.lars4j.spark.ShardedLars} for momentum that does not fit on the driver.
 *
 * @since 1.0
 */
package io.github.lars4j.spark;
