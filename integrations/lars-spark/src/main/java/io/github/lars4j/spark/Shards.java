package io.github.lars4j.spark;

import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.Shard;
import java.util.List;
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

    /** Cuts an array as {@link Shard#cut} has cut its layers. */
    static Shards of(Layers layers, List<Shard> shards) {
        int[][] ranges = new int[shards.size()][];
        for (int s = 0; s < ranges.length; s++) {
            ranges[s] = new int[2 * layers.size()];
            for (int i = 0; i < layers.size(); i++) {
                Layer piece = shards.get(s).layers().get(i);
                ranges[s][2 * i] = (int) (layers.get(i).offset() + shards.get(s).from(i));
                ranges[s][2 * i + 1] = ranges[s][2 * i] + (int) piece.length();
            }
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
