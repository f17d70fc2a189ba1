package io.github.lars4j.spark;

import io.github.lars4j.Layers;
import io.github.lars4j.Shard;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.Partitioner;

/**
 * The cut of a flat array into shards, each of which is a partition of the shuffle. The keys of the shuffle are shard and
 * micro-batch in one number, so that they sort by both.
 */
final class Shards extends Partitioner {

    private static final long serialVersionUID = 1;

    private final int length;
    /** The ranges of each shard in the array: start, end, start, end… */
    private final int[][] ranges;

    private Shards(int length, int[][] ranges) {
        this.length = length;
        this.ranges = ranges;
    }

    /**
     * Cuts an array into parts of nearly equal length.
     *
     * @param length of the array, at least 1
     * @param most maximum number of shards
     */
    static Shards even(int length, int most) {
        int[][] ranges = new int[Math.min(length, most)][];
        for (int i = 0; i < ranges.length; i++) {
            ranges[i] = new int[] {
                (int) ((long) length * i / ranges.length), (int) ((long) length * (i + 1) / ranges.length)
            };
        }
        return new Shards(length, ranges);
    }

    /** Cuts an array as {@link Shard#cut} cuts its layers. */
    static Shards of(Layers layers, int count) {
        List<Shard> shards = Shard.cut(layers, count);
        int[][] ranges = new int[count][];
        for (int s = 0; s < count; s++) {
            Shard shard = shards.get(s);
            // A shard has elements of few layers.
            ranges[s] = IntStream.range(0, layers.size())
                    .filter(i -> shard.layers().get(i).length() > 0)
                    .flatMap(i -> {
                        int from = (int) (layers.get(i).offset() + shard.from(i));
                        return IntStream.of(
                                from, from + (int) shard.layers().get(i).length());
                    })
                    .toArray();
        }
        return new Shards((int) layers.end(), ranges);
    }

    /** Returns the length of the whole array. */
    int length() {
        return length;
    }

    /** Returns a copy of a shard's elements. */
    float[] piece(float[] whole, int shard) {
        int[] of = ranges[shard];
        int count = 0;
        for (int i = 0; i < of.length; i += 2) {
            count += of[i + 1] - of[i];
        }
        float[] piece = new float[count];
        copy(whole, shard, piece, false);
        return piece;
    }

    /** Writes a shard's elements into the whole. */
    void put(float[] piece, int shard, float[] whole) {
        copy(whole, shard, piece, true);
    }

    private void copy(float[] whole, int shard, float[] piece, boolean back) {
        int[] of = ranges[shard];
        int at = 0;
        for (int i = 0; i < of.length; i += 2) {
            int count = of[i + 1] - of[i];
            if (back) {
                System.arraycopy(piece, at, whole, of[i], count);
            } else {
                System.arraycopy(whole, of[i], piece, at, count);
            }
            at += count;
        }
    }

    static long key(int shard, int microBatch) {
        return (long) shard << Integer.SIZE | microBatch;
    }

    static int shard(long key) {
        return (int) (key >>> Integer.SIZE);
    }

    static int microBatch(long key) {
        return (int) key;
    }

    @Override
    public int numPartitions() {
        return ranges.length;
    }

    @Override
    public int getPartition(Object key) {
        return shard((Long) key);
    }

    // Two cuts are the same if they are the same object: Spark asks only to save itself a shuffle.
    @Override
    public boolean equals(Object other) {
        return this == other;
    }

    @Override
    public int hashCode() {
        return System.identityHashCode(this);
    }
}
