package io.github.lars4j.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The random bits of stochastic rounding are balanced and do not correlate. Each statistic is a z-score, the distance
 * from its expectation in standard errors. Keys are fixed, so that the scores are the same in every run; of some thousand
 * scores of true random bits, the largest is about 4.
 */
class RandomBitsTest {

    private static final int BLOCK = 4096;
    private static final double LARGEST = 5;

    /** The standard deviation of a uniformly distributed number from 0 to 65535, whose mean is 32767.5. */
    private static final double DEVIATION = Math.sqrt((65536.0 * 65536 - 1) / 12);

    /** Returns the random number of an element of a block. */
    private interface Hash {
        int of(long blockKey, int index);

        default int[] block(long key) {
            int[] numbers = new int[BLOCK];
            for (int i = 0; i < BLOCK; i++) {
                numbers[i] = of(key, i);
            }
            return numbers;
        }
    }

    /** Numbers that are as evenly distributed as can be, and depend on each other. */
    private static final Hash WEYL = (key, index) -> ((int) key + index * 0x9e3779b9) >>> 16;

    /** Independent numbers, whose lowest bit is always 0. */
    private static final Hash HALVED = (key, index) -> RandomBits.of(key, index) & 0xfffe;

    @Test
    void theHashIsTheOneOfTheOracle() {
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 10_000; i++) {
            long key = random.nextLong();
            int index = i < BLOCK ? i : random.nextInt(BLOCK);
            assertEquals(KernelOracle.random(key, index), RandomBits.of(key, index));
        }
    }

    /** An update that takes a block in pieces skips the elements of earlier ones. */
    @Test
    void aKeyThatSkipsHasTheBitsOfLaterElements() {
        SplittableRandom random = new SplittableRandom(3);
        for (int i = 0; i < 10_000; i++) {
            long key = random.nextLong();
            int skipped = random.nextInt(BLOCK);
            int index = random.nextInt(BLOCK);
            assertEquals(RandomBits.of(key, skipped + index), RandomBits.of(RandomBits.skip(key, skipped), index));
        }
    }

    /** The first number of {@link SplittableRandom} is the finalizer of the seed and its increment. */
    @Test
    void keysComeFromTheFinalizerOfSplittableRandom() {
        SplittableRandom random = new SplittableRandom(2);
        for (int i = 0; i < 1000; i++) {
            long seed = random.nextLong();
            long step = random.nextLong() >>> 1;
            int layer = random.nextInt() >>> 1;
            long block = random.nextLong() >>> 20;
            long key = mix(mix(mix(seed + GOLDEN) + step) + layer);
            assertEquals(key, RandomBits.layerKey(seed, step, layer));
            assertEquals(mix(key + GOLDEN * (block + 1)), RandomBits.blockKey(key, block));
        }
    }

    private static final long GOLDEN = 0x9e3779b97f4a7c15L;

    private static long mix(long z) {
        return new SplittableRandom(z - GOLDEN).nextLong();
    }

    /** Returns keys of blocks with small seeds, steps, layers and indices. */
    private static long[] keys(int count) {
        return IntStream.range(0, count)
                .mapToLong(i -> RandomBits.blockKey(RandomBits.layerKey(i % 2, i / 2 % 8, i / 16 % 8), i / 128))
                .toArray();
    }

    @Test
    void bitsAreBalanced() {
        small(largestOfBits(RandomBits::of));
        large(largestOfBits(HALVED));
    }

    /** Returns the largest z-score of the number of ones of one bit. */
    private static double largestOfBits(Hash hash) {
        long[] keys = keys(512);
        long[] ones = new long[16];
        for (long key : keys) {
            for (int number : hash.block(key)) {
                assertTrue(number >= 0 && number < 1 << 16);
                for (int bit = 0; bit < 16; bit++) {
                    ones[bit] += (number >>> bit) & 1;
                }
            }
        }
        double n = (double) keys.length * BLOCK;
        return Arrays.stream(ones)
                .mapToDouble(k -> Math.abs(2 * k - n) / Math.sqrt(n))
                .max()
                .orElseThrow();
    }

    /** In all blocks together, and in each one: the sum of many independent chi-squares is about normal. */
    @Test
    void numbersAreUniform() {
        small(largestOfBins(RandomBits::of));
        large(largestOfBins(WEYL));
    }

    private static double largestOfBins(Hash hash) {
        long[] keys = keys(2048);
        int[] all = new int[256];
        double ofBlocks = 0;
        for (long key : keys) {
            int[] bins = new int[256];
            for (int number : hash.block(key)) {
                bins[number >>> 8]++;
            }
            ofBlocks += chiSquare(bins);
            Arrays.setAll(all, k -> all[k] + bins[k]);
        }
        return Math.max(
                Math.abs(chiSquare(all) - 255) / Math.sqrt(2 * 255),
                Math.abs(ofBlocks - 255.0 * keys.length) / Math.sqrt(2 * 255.0 * keys.length));
    }

    private static double chiSquare(int[] bins) {
        double expected = Arrays.stream(bins).sum() / (double) bins.length;
        return Arrays.stream(bins)
                .mapToDouble(n -> (n - expected) * (n - expected) / expected)
                .sum();
    }

    /** The error of a block's sum is that of independent numbers, neither larger nor smaller. */
    @Test
    void sumsOfBlocksVaryAsThoseOfIndependentNumbers() {
        small(sums(RandomBits::of));
        large(sums(WEYL));
    }

    private static double sums(Hash hash) {
        long[] keys = keys(2048);
        double squares = 0;
        for (long key : keys) {
            double sum = 0;
            for (int number : hash.block(key)) {
                sum += normal(number);
            }
            squares += sum * sum / BLOCK;
        }
        return Math.abs(squares - keys.length) / Math.sqrt(2.0 * keys.length);
    }

    @Test
    void neighboursInABlockAreIndependent() {
        // After the neighbours, distances at which simpler hashes correlate.
        int[] distances = IntStream.concat(
                        IntStream.rangeClosed(1, 64),
                        IntStream.of(128, 233, 256, 377, 503, 512, 610, 987, 1024, 1449, 1597, 2048, 2584, 2898))
                .toArray();
        small(largestAtDistances(RandomBits::of, 256, distances));
        large(largestAtDistances(WEYL, 16, distances));
    }

    @Test
    @Tag("slow")
    void allElementsOfABlockAreIndependent() {
        small(largestAtDistances(
                RandomBits::of, 500, IntStream.range(1, BLOCK - 64).toArray()));
    }

    private static double largestAtDistances(Hash hash, int blocks, int... distances) {
        double[] products = new double[distances.length];
        for (long key : keys(blocks)) {
            double[] numbers = Arrays.stream(hash.block(key))
                    .mapToDouble(RandomBitsTest::normal)
                    .toArray();
            for (int k = 0; k < distances.length; k++) {
                double sum = 0;
                for (int i = 0; i < BLOCK - distances[k]; i++) {
                    sum += numbers[i] * numbers[i + distances[k]];
                }
                products[k] += sum;
            }
        }
        double largest = 0;
        for (int k = 0; k < distances.length; k++) {
            largest = Math.max(largest, Math.abs(products[k]) / Math.sqrt((double) blocks * (BLOCK - distances[k])));
        }
        return largest;
    }

    /** Whether both numbers of a pair are in any of 16 × 16 bins, for pairs of neighbours at each distance. */
    @Test
    void pairsOfNeighboursAreUniform() {
        small(largestOfPairs(RandomBits::of));
        large(largestOfPairs(WEYL));
    }

    private static double largestOfPairs(Hash hash) {
        int[][] bins = new int[17][256];
        for (long key : keys(128)) {
            int[] numbers = hash.block(key);
            for (int distance = 1; distance <= 16; distance++) {
                for (int i = 0; i < BLOCK - distance; i++) {
                    bins[distance][numbers[i] >>> 12 | numbers[i + distance] >>> 12 << 4]++;
                }
            }
        }
        return Arrays.stream(bins)
                .skip(1)
                .mapToDouble(pairs -> Math.abs(chiSquare(pairs) - 255) / Math.sqrt(2 * 255))
                .max()
                .orElseThrow();
    }

    /** Where a block is: seed, step, layer and index in the layer. */
    private record At(long seed, long step, int layer, long block) {

        long key() {
            return RandomBits.blockKey(RandomBits.layerKey(seed, step, layer), block);
        }
    }

    private static final At[] SOME = {
        new At(0, 0, 0, 0),
        new At(1, 1, 1, 1),
        new At(2, 1_000, 160, 100),
        new At(-1, (1L << 31) - 2, 5, (1L << 20) - 2),
        new At(-3, (1L << 32) - 3, 9, (1L << 32) - 5),
        new At(Long.MIN_VALUE, 1L << 40, 100_000, 1L << 50),
        new At(Long.MAX_VALUE, Long.MAX_VALUE - 20, Integer.MAX_VALUE - 20, 1L << 51),
    };

    /** The same elements of successive seeds, steps, layers and blocks, 4096 elements away. */
    @Test
    void successiveSeedsStepsLayersAndBlocksAreIndependent() {
        double largest = 0;
        for (At at : SOME) {
            int[] here = block(at);
            for (int away = 1; away <= 16; away++) {
                for (At there : new At[] {
                    new At(at.seed + away, at.step, at.layer, at.block),
                    new At(at.seed, at.step + away, at.layer, at.block),
                    new At(at.seed, at.step, at.layer + away, at.block),
                    new At(at.seed, at.step, at.layer, at.block + away),
                    new At(at.seed, at.step, at.layer, at.block + (1L << (16 + away))),
                    new At(at.seed, at.step + (1L << (28 + away)), at.layer, at.block),
                }) {
                    largest = Math.max(largest, correlation(here, block(there)));
                }
            }
        }
        small(largest);
        large(correlation(block(SOME[0]), block(SOME[0])));
    }

    private static int[] block(At at) {
        return ((Hash) RandomBits::of).block(at.key());
    }

    /** Returns the largest z-score of the correlation of two blocks' numbers, and of each bit. */
    private static double correlation(int[] one, int[] other) {
        double products = 0;
        int[] equal = new int[16];
        for (int i = 0; i < BLOCK; i++) {
            products += normal(one[i]) * normal(other[i]);
            int same = ~(one[i] ^ other[i]);
            for (int bit = 0; bit < 16; bit++) {
                equal[bit] += (same >>> bit) & 1;
            }
        }
        double ofBits = Arrays.stream(equal)
                .mapToDouble(n -> Math.abs(2 * n - BLOCK) / Math.sqrt(BLOCK))
                .max()
                .orElseThrow();
        return Math.max(Math.abs(products) / Math.sqrt(BLOCK), ofBits);
    }

    /** One element over many steps, as a momentum that gets the same small gradient again and again sees it. */
    @Test
    void oneElementOverTheStepsIsUniformAndIndependent() {
        int steps = 1 << 16;
        double largest = 0;
        for (int element : new int[] {0, 1, BLOCK - 1}) {
            int[] bins = new int[256];
            double[] numbers = new double[steps];
            for (int step = 0; step < steps; step++) {
                int number = RandomBits.of(new At(7, step, 3, 2).key(), element);
                bins[number >>> 8]++;
                numbers[step] = normal(number);
            }
            largest = Math.max(largest, Math.abs(chiSquare(bins) - 255) / Math.sqrt(2 * 255));
            for (int away = 1; away <= 16; away++) {
                double products = 0;
                for (int step = 0; step < steps - away; step++) {
                    products += numbers[step] * numbers[step + away];
                }
                largest = Math.max(largest, Math.abs(products) / Math.sqrt(steps - away));
            }
        }
        small(largest);
    }

    @Test
    void keysDiffer() {
        long[] few = {-2, -1, 0, 1, 2, 3, 4, 5, 6, 7};
        long[] far = {1L << 31, (1L << 31) + 1, 1L << 32, (1L << 32) + 1, 1L << 40};
        long[] keys = new long[few.length * (few.length - 2 + far.length) * 40 * (40 + far.length)];
        int count = 0;
        for (long seed : few) {
            for (long step : join(Arrays.copyOfRange(few, 2, few.length), far)) {
                for (int layer = 0; layer < 40; layer++) {
                    long ofLayer = RandomBits.layerKey(seed, step, layer);
                    for (long block : join(IntStream.range(0, 40).asLongStream().toArray(), far)) {
                        keys[count++] = RandomBits.blockKey(ofLayer, block);
                    }
                }
            }
        }
        assertEquals(keys.length, count);
        assertEquals(count, Arrays.stream(keys).distinct().count());
    }

    private static long[] join(long[] one, long[] other) {
        long[] both = Arrays.copyOf(one, one.length + other.length);
        System.arraycopy(other, 0, both, one.length, other.length);
        return both;
    }

    private static double normal(int number) {
        return (number - 32767.5) / DEVIATION;
    }

    private static void small(double largest) {
        assertTrue(largest < LARGEST, () -> "the largest z-score is " + largest);
    }

    /** The statistic sees what is not random. */
    private static void large(double largest) {
        assertTrue(largest > 2 * LARGEST, () -> "the largest z-score is only " + largest);
    }
}
