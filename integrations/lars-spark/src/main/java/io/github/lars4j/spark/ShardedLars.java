package io.github.lars4j.spark;

import io.github.lars4j.Lars;
import io.github.lars4j.LayerSums;
import io.github.lars4j.Layers;
import io.github.lars4j.NonFiniteException;
import io.github.lars4j.Shard;
import io.github.lars4j.ShardSums;
import io.github.lars4j.Snapshot;
import io.github.lars4j.StepReport;
import io.github.lars4j.spark.ShardState.Measured;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.FlatMapFunction2;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.storage.StorageLevel;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Data-parallel LARS on Apache Spark whose momentum lies on the executors, in shards of whole blocks. The bits are those
 * of {@link DistributedLars} and of one machine.
 *
 * <p><b>A step</b> is two jobs. The first computes the mean of the micro-batches' gradients by shard, as {@link
 * DistributedLars} does, and the sums of each shard's blocks, 24 bytes for 4096 elements. The driver adds them in the
 * order of one machine and decides what happens to each layer. The second updates the shards: each makes a new state of
 * the old one, which is kept until the new one is there, so retries and speculation are harmless.
 *
 * <p><b>State.</b> Each shard is kept on two executors, if there are two, in memory or on disk. If both are lost, so is
 * the state: the step throws a {@link LostStateException}, and {@link #restore} goes back to the last {@link #save}. Spark
 * finds a new executor to copy to within {@code spark.storage.cachedPeersTtl} milliseconds, by default a minute: set 1000.
 *
 * <p>The driver has no momentum, but the weights, and them twice more while it broadcasts and collects them: 12 bytes a
 * parameter. Executors have the weights, and the gradient of a micro-batch for each of their cores. A shard and its
 * momentum may have 2 GiB. Stochastic rounding of the momentum is not possible, and groups must not choose their layers by
 * length or offset.
 *
 * <p>Not safe for use by several threads.
 *
 * @param <P> the data of a partition
 */
public final class ShardedLars<P> implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(ShardedLars.class);

    /** How long Spark goes on copying to executors that it knows, in milliseconds, and its default. */
    private static final String PEERS = "spark.storage.cachedPeersTtl";

    private static final int DEFAULT_PEERS = 60_000;
    /** More than this, and a state may have only one copy for that long. */
    private static final int MOST_PEERS = 5_000;

    private final JavaSparkContext spark;
    private final ShardedOptimizer optimizer;
    private final Layers layers;
    private final MeanGradients<P> gradients;
    private final float[] weights;

    /** An optimizer for layers without elements: it decides for all shards, and counts their steps. */
    private final Lars decider;

    private JavaRDD<ShardState> state;

    /**
     * Makes a sharded optimizer, and puts the weights on the executors.
     *
     * @param optimizer describes the optimizer
     * @param shards number of shards, at least 1 and at most the number of blocks of 4096 elements of the layers; the
     *     result does not depend on it
     * @param weights the initial weights, laid out as the optimizer's layers; copied
     * @param partitions the data, as for {@link DistributedLars}
     * @param microBatches number of micro-batches of a batch, a multiple of the number of partitions
     * @param function computes the gradient of a micro-batch
     * @throws IllegalArgumentException if a value is out of its range, there are fewer weights than the layers have
     *     elements, or the optimizer cannot be built for shards
     */
    public ShardedLars(
            ShardedOptimizer optimizer,
            int shards,
            float[] weights,
            JavaRDD<P> partitions,
            int microBatches,
            MicroBatchGradient<P> function) {
        this.optimizer = Objects.requireNonNull(optimizer, "optimizer");
        this.layers = optimizer.layers();
        if (Objects.requireNonNull(weights, "weights").length < layers.end()) {
            throw new IllegalArgumentException(
                    "weights has " + weights.length + " elements; it must have at least " + layers.end());
        }
        this.gradients = new MeanGradients<>(partitions, microBatches, function, Shards.of(layers, shards));
        this.weights = weights.clone();
        this.spark = JavaSparkContext.fromSparkContext(partitions.context());
        int peers = spark.getConf().getInt(PEERS, DEFAULT_PEERS);
        if (peers > MOST_PEERS) {
            LOG.warn(
                    "{} is {} ms: for so long after an executor has come or gone, shards may have one copy only, and be lost"
                            + " with their executor. Set it to 1000.",
                    PEERS,
                    peers);
        }
        // That shards can be built is known before anything is sent.
        optimizer.builder(Shard.of(layers, 0, shards).layers()).build().close();
        this.decider = optimizer.builder(Shard.empty(layers).layers()).build();
        try {
            this.state = first(shards);
        } catch (Throwable t) {
            decider.close();
            throw t;
        }
    }

    private JavaRDD<ShardState> first(int shards) {
        Broadcast<float[]> broadcast = spark.broadcast(weights);
        try {
            Shards cut = gradients.shards();
            List<Integer> numbers = IntStream.range(0, shards).boxed().toList();
            JavaRDD<ShardState> first = kept(spark.parallelize(numbers, shards)
                    .map(shard -> ShardState.first(shard, shards, cut.piece(broadcast.value(), shard))));
            first.count();
            return first;
        } finally {
            // Not destroyed: the first state refers to it, and is sent with every task until the first step.
            broadcast.unpersist();
        }
    }

    /** Keeps a state on two executors, if there are two, and forgets from which it was made once it is there. */
    private static JavaRDD<ShardState> kept(JavaRDD<ShardState> state) {
        JavaRDD<ShardState> kept = state.persist(StorageLevel.MEMORY_AND_DISK_2());
        kept.rdd().localCheckpoint();
        return kept;
    }

    /** Returns the number of steps taken, without refused ones. */
    public long steps() {
        return decider.steps();
    }

    /** Returns the number of steps that were refused. Added to {@link #steps}, it is the number of batches. */
    public long refusals() {
        return decider.refusals();
    }

    /** Returns the weights after the last step; not a copy, and only to be read. */
    public float[] weights() {
        return weights;
    }

    /**
     * Takes a step. If a job fails, Spark's own exception is thrown as by {@link DistributedLars#step}. Nothing was changed
     * then.
     *
     * @param batch number of the batch, which is given to the function; by it the function chooses its examples
     * @return what the step did
     * @throws NonFiniteException as {@link DistributedLars#step}
     * @throws LostStateException if the executors that had a shard are lost; {@link #restore} goes on from the last
     *     checkpoint
     */
    public DistributedReport step(long batch) {
        requireOpen();
        long started = System.nanoTime();
        Broadcast<float[]> broadcast = spark.broadcast(weights);
        JavaRDD<ShardMean> means = gradients.of(broadcast, batch).persist(StorageLevel.MEMORY_AND_DISK());
        try {
            List<Measured> measured = measure(means);
            long computed = System.nanoTime();
            int bad = measured.stream().mapToInt(each -> each.firstBad).min().orElseThrow();
            Snapshot before = decider.snapshot();
            LayerSums sums = ShardSums.fold(
                    layers,
                    measured.stream().map(each -> ShardSums.of(each.sums)).toList());
            StepReport report = decide(sums, batch, bad);
            int[] overflowed =
                    report.refused() ? new int[0] : update(means, new DriverDecision(sums, report, decider), before);
            return new DistributedReport(
                    report,
                    DistributedLars.overflowed(layers, overflowed),
                    measured.getFirst().loss,
                    bad == ShardMean.NONE ? OptionalInt.empty() : OptionalInt.of(bad),
                    (computed - started) / 1e9,
                    (System.nanoTime() - computed) / 1e9);
        } finally {
            Freeing.quietly(means::unpersist);
            Freeing.quietly(broadcast::destroy);
        }
    }

    private void requireOpen() {
        if (state == null) {
            throw new IllegalStateException("this ShardedLars is closed");
        }
    }

    private List<Measured> measure(JavaRDD<ShardMean> means) {
        try {
            ShardedOptimizer description = optimizer;
            FlatMapFunction2<Iterator<ShardMean>, Iterator<ShardState>, Measured> measure = (mean, shard) ->
                    List.of(shard.next().measure(description, mean.next())).iterator();
            List<Measured> measured =
                    new ArrayList<>(means.zipPartitions(state, measure).collect());
            measured.sort(Comparator.comparingInt(each -> each.shard));
            return measured;
        } catch (Exception e) {
            LostStateException.throwIfLost(e, state);
            throw e;
        }
    }

    private StepReport decide(LayerSums sums, long batch, int bad) {
        try {
            return decider.update(new float[0], new float[0], sums);
        } catch (NonFiniteException e) {
            throw DistributedLars.named(e, batch, bad);
        }
    }

    /** Updates all shards, or none, and then the decider not either; returns the layers that overflowed. */
    private int[] update(JavaRDD<ShardMean> means, DriverDecision decision, Snapshot before) {
        JavaRDD<ShardState> next;
        List<Piece> pieces;
        try {
            ShardedOptimizer description = optimizer;
            FlatMapFunction2<Iterator<ShardMean>, Iterator<ShardState>, ShardState> update =
                    (mean, shard) -> List.of(shard.next().update(description, mean.next(), decision))
                            .iterator();
            next = kept(means.zipPartitions(state, update));
            pieces = pieces(next);
        } catch (Throwable t) {
            // A next state that is there in part is freed by Spark's cleaner, as nobody refers to it.
            decider.restore(before);
            LostStateException.throwIfLost(t, state);
            throw t;
        }
        put(pieces);
        replaceState(next);
        return pieces.stream()
                .flatMapToInt(piece -> Arrays.stream(piece.overflowed))
                .distinct()
                .toArray();
    }

    /** What the driver needs of a new state. No record, because Kryo cannot read records. */
    private static final class Piece implements Serializable {

        private static final long serialVersionUID = 1;

        final int shard;
        final float[] weights;
        final int[] overflowed;

        Piece(ShardState state) {
            shard = state.shard;
            weights = state.weights;
            overflowed = state.overflowed;
        }
    }

    private void replaceState(JavaRDD<ShardState> next) {
        JavaRDD<ShardState> old = state;
        state = next;
        Freeing.quietly(old::unpersist);
    }

    private static List<Piece> pieces(JavaRDD<ShardState> from) {
        return from.map(Piece::new).collect();
    }

    private void put(List<Piece> pieces) {
        for (Piece piece : pieces) {
            gradients.shards().put(piece.weights, piece.shard, weights);
        }
    }

    /** Returns the kernels that the shards use, each kind once: vector kernels on some executors, scalar ones on others. */
    public List<String> kernels() {
        requireOpen();
        ShardedOptimizer description = optimizer;
        return List.copyOf(
                new TreeSet<>(state.map(shard -> shard.kernels(description)).collect()));
    }

    /**
     * Saves the state, a file for each shard and a manifest. Only the manifest makes it a checkpoint: if saving stops
     * before, the one before is the last.
     *
     * @param folder a folder of any file system that Hadoop knows; it is made if it is not there
     * @throws IOException if the checkpoint cannot be written, the driver does not see a file that an executor has written,
     *     or another run saves into the folder
     * @throws LostStateException as {@link #step}
     */
    public void save(String folder) throws IOException {
        requireOpen();
        ShardFiles files = new ShardFiles(folder, spark.hadoopConfiguration());
        try {
            files.save(state, optimizer, steps(), ShardState.save(decider, null));
        } catch (Exception e) {
            LostStateException.throwIfLost(e, state);
            throw e;
        }
    }

    /**
     * Goes back to the last checkpoint of a folder.
     *
     * @param folder as for {@link #save}
     * @return the number of steps that had been taken when it was saved
     * @throws java.io.FileNotFoundException if there is no checkpoint; nothing was changed
     * @throws IOException if the checkpoint has another number of shards, or a file is missing or is not what the manifest
     *     says; nothing was changed
     */
    public long restore(String folder) throws IOException {
        requireOpen();
        ShardFiles files = new ShardFiles(folder, spark.hadoopConfiguration());
        ShardFiles.Manifest manifest = files.last(gradients.shards().numPartitions());
        byte[] driver = files.driver(manifest);
        JavaRDD<ShardState> restored = kept(files.load(spark, manifest, optimizer));
        List<Piece> pieces;
        try {
            pieces = pieces(restored);
        } catch (Exception e) { // Spark's own is a checked one, which nothing declares
            restored.unpersist();
            throw new IOException(folder + "/" + manifest.name() + " cannot be restored: " + e.getMessage(), e);
        }
        ShardState.restore(decider, driver);
        put(pieces);
        replaceState(restored);
        return steps();
    }

    /** Frees what the executors keep. The weights stay. */
    @Override
    public void close() {
        if (state != null) {
            JavaRDD<ShardState> last = state;
            state = null;
            Freeing.quietly(last::unpersist);
            decider.close();
        }
    }
}
