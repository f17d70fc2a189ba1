package io.github.lars4j.internal.passes;

import static io.github.lars4j.internal.passes.Plan.Rounds.EACH_LAYER;
import static io.github.lars4j.internal.passes.Plan.Rounds.IN_CACHE;
import static io.github.lars4j.internal.passes.Plan.Rounds.ONE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.kernel.Stripes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("locale")
class PlanTest {

    private static final int BLOCK = 4096;
    /** The maximum number of elements in a round with one thread. */
    private static final int ROUND = 131_072;

    private static Plan plan(Plan.Rounds rounds, int threads, long... lengths) {
        return Plan.of(lengths, rounds, threads, Plan.Grain.USUAL);
    }

    /** Returns the first layer of every round, followed by the number of layers. */
    private static List<Integer> rounds(Plan plan) {
        List<Integer> first = new ArrayList<>();
        for (int g = 0; g <= plan.rounds(); g++) {
            first.add(plan.firstLayerOfRound(g));
        }
        return first;
    }

    private static long length(Plan plan, int block) {
        int layer = plan.layer(block);
        return plan.elements(layer, block, block + 1);
    }

    @Test
    void layersAreCutIntoBlocks() {
        Plan plan = plan(ONE, 1, 1, BLOCK, 0, BLOCK + 1, 3 * BLOCK - 1);
        assertEquals(7, plan.blocks());
        assertEquals(5, plan.layers());
        List<String> blocks = new ArrayList<>();
        for (int b = 0; b < plan.blocks(); b++) {
            blocks.add(plan.layer(b) + " " + plan.from(plan.layer(b), b) + " " + length(plan, b));
        }
        assertEquals(
                List.of("0 0 1", "1 0 4096", "3 0 4096", "3 4096 1", "4 0 4096", "4 4096 4096", "4 8192 4095"), blocks);
        List<Integer> firstBlocks = new ArrayList<>();
        for (int i = 0; i <= plan.layers(); i++) {
            firstBlocks.add(plan.firstBlock(i));
        }
        assertEquals(List.of(0, 1, 2, 2, 4, 7), firstBlocks);
    }

    @Test
    void allSumsFirstIsOneRound() {
        for (int threads : new int[] {1, 2, 8}) {
            assertEquals(List.of(0, 4), rounds(plan(ONE, threads, 10, 10 * ROUND, 0, ROUND)));
        }
    }

    @Test
    void groupsHoldWhatStaysInCache() {
        assertEquals(List.of(0, 2, 3), rounds(plan(IN_CACHE, 1, ROUND / 2, ROUND / 2, 1)));
        assertEquals(List.of(0, 1, 3), rounds(plan(IN_CACHE, 1, ROUND / 2, ROUND / 2 + 1, 1)));
        assertEquals(
                List.of(0, 3), rounds(plan(IN_CACHE, 2, ROUND / 2, ROUND / 2 + 1, 1)), "twice as much for two threads");
        assertEquals(
                List.of(0, 1, 2, 3),
                rounds(plan(IN_CACHE, 1, 1, ROUND + 1, 1)),
                "a layer that is larger is a round by itself");
        assertEquals(List.of(0, 1), rounds(plan(IN_CACHE, 1, 100 * ROUND)));
        assertEquals(List.of(0, 1, 3), rounds(plan(IN_CACHE, 1, 2 * ROUND, 0, 5)));
    }

    @Test
    void emptyLayersHaveNoBlocks() {
        Plan plan = plan(IN_CACHE, 3, 0, 0);
        assertEquals(0, plan.blocks());
        assertEquals(List.of(0, 2), rounds(plan));
        checkShares(plan, new long[] {0, 0});
        checkShares(plan(IN_CACHE, 2, 0, 5, 0), new long[] {0, 5, 0});
    }

    @Test
    void sharesAreAboutEqual() {
        assertEquals(List.of(16, 16), shares(plan(ONE, 2, 32 * BLOCK)));
        assertEquals(List.of(5, 6, 5), shares(plan(ONE, 3, 16 * BLOCK)));
        assertEquals(List.of(2, 3), shares(plan(ONE, 2, 5 * BLOCK)), "the middle block belongs to the second thread");
        assertEquals(List.of(2, 2, 0, 0), shares(plan(ONE, 4, 4 * BLOCK)), "two blocks are worth waking a thread");
        assertEquals(List.of(3, 0), shares(plan(ONE, 2, 3 * BLOCK)), "fewer are not");
        assertEquals(List.of(1, 0, 0, 0, 0), shares(plan(ONE, 5, 7)));
        long[] lengths = new long[32];
        Arrays.fill(lengths, BLOCK + 1);
        lengths[31] = 16 * BLOCK;
        assertEquals(List.of(46, 32), shares(plan(ONE, 2, lengths)), "shares are balanced by elements, not by blocks");
    }

    @Test
    void aFineGrainGivesSmallLayoutsManyGroupsAndShares() {
        long[] lengths = {700, 1300, 3 * BLOCK, 5};
        Plan plan = Plan.of(lengths, IN_CACHE, 2, new Plan.Grain(1000, 1));
        assertEquals(List.of(0, 2, 3, 4), rounds(plan));
        assertEquals(List.of(1, 1), shares(plan));
    }

    private static List<Integer> shares(Plan plan) {
        List<Integer> blocks = new ArrayList<>();
        for (int t = 0; t < plan.threads(); t++) {
            blocks.add(plan.shareTo(0, t) - plan.shareFrom(0, t));
        }
        return blocks;
    }

    @Test
    void everyBlockIsInOneShareOfRandomLayouts() {
        Random random = new Random(1);
        for (int i = 0; i < 2000; i++) {
            long[] lengths = random.longs(1 + random.nextInt(40), 0, 1 << random.nextInt(1, 20))
                    .toArray();
            int threads = 1 + random.nextInt(12);
            Plan plan = plan(any(random), threads, lengths);
            assertEquals(threads, plan.threads());
            checkBlocks(plan, lengths);
            checkShares(plan, lengths);
            checkPlaces(plan);
            checkFolds(plan, random);
            Plan fine = Plan.of(lengths, any(random), threads, new Plan.Grain(BLOCK, 1));
            checkPlaces(fine);
            checkFolds(fine, random);
        }
    }

    private static Plan.Rounds any(Random random) {
        return Plan.Rounds.values()[random.nextInt(Plan.Rounds.values().length)];
    }

    /** Blocks are in layer order and cover each layer; only a layer's last block may be short. */
    private static void checkBlocks(Plan plan, long[] lengths) {
        assertEquals(0, plan.firstBlock(0));
        for (int layer = 0; layer < lengths.length; layer++) {
            long next = 0;
            for (int b = plan.firstBlock(layer); b < plan.firstBlock(layer + 1); b++) {
                assertEquals(layer, plan.layer(b));
                assertEquals(next, plan.from(layer, b));
                assertEquals(Math.min(BLOCK, lengths[layer] - next), length(plan, b));
                assertTrue(length(plan, b) > 0);
                next += length(plan, b);
            }
            assertEquals(lengths[layer], next);
        }
        assertEquals(plan.blocks(), plan.firstBlock(lengths.length));
    }

    /**
     * Blocks of one share have consecutive places; those of other threads in the round are at least two cache lines
     * away.
     */
    private static void checkPlaces(Plan plan) {
        for (int g = 0; g < plan.rounds(); g++) {
            int end = -1;
            for (int t = 0; t < plan.threads(); t++) {
                int from = plan.shareFrom(g, t);
                int to = plan.shareTo(g, t);
                if (from == to) {
                    continue;
                }
                assertTrue(end < 0 || plan.place(from) >= end + 16, "16 doubles are 128 bytes");
                for (int b = from; b < to; b++) {
                    assertEquals(plan.place(from) + b - from, plan.place(b));
                    assertTrue(b == 0 || plan.place(b - 1) < plan.place(b));
                }
                end = plan.place(to - 1) + 1;
            }
        }
        assertEquals(plan.blocks() == 0 ? 0 : plan.place(plan.blocks() - 1) + 1, plan.places());
        assertTrue(plan.threads() > 1 || plan.places() == plan.blocks(), "a single thread needs no gaps");
    }

    /** The fold over places equals the fold over blocks without gaps. */
    private static void checkFolds(Plan plan, Random random) {
        double[] blocks = random.doubles(plan.blocks()).toArray();
        double[] places = new double[plan.places()];
        Arrays.fill(places, Double.NaN);
        for (int b = 0; b < plan.blocks(); b++) {
            places[plan.place(b)] = blocks[b];
        }
        for (int layer = 0; layer < plan.layers(); layer++) {
            int first = plan.firstBlock(layer);
            double expected = Stripes.foldBlocks(blocks, first, plan.firstBlock(layer + 1) - first);
            assertEquals(expected, plan.fold(places, layer));
        }
    }

    @Test
    void workingSpaceOfThreadsIsApart() {
        double[][] scratch = plan(ONE, 3, 10 * BLOCK).scratch();
        assertEquals(3, scratch.length);
        for (double[] own : scratch) {
            assertEquals(Stripes.SCRATCH + 16, own.length, "128 unused bytes");
        }
    }

    /** Rounds are consecutive, and the shares of a round are consecutive from its first block to its last. */
    private static void checkShares(Plan plan, long[] lengths) {
        assertEquals(0, plan.firstLayerOfRound(0));
        assertEquals(lengths.length, plan.firstLayerOfRound(plan.rounds()));
        for (int g = 0; g < plan.rounds(); g++) {
            assertTrue(plan.firstLayerOfRound(g) < plan.firstLayerOfRound(g + 1), "a round without layers");
            int next = plan.firstBlock(plan.firstLayerOfRound(g));
            for (int t = 0; t < plan.threads(); t++) {
                assertEquals(next, plan.shareFrom(g, t));
                assertTrue(plan.shareTo(g, t) >= next);
                next = plan.shareTo(g, t);
            }
            assertEquals(plan.firstBlock(plan.firstLayerOfRound(g + 1)), next);
        }
    }

    @Test
    void printsGroupsAndShares() {
        assertEquals(
                """
                3 layers, 69 blocks of up to 4096 elements, 2 rounds, 2 threads
                round 0: layers 0 to 1, blocks by thread [0, 33) [33, 65)
                round 1: layers 2 to 2, blocks by thread [65, 67) [67, 69)
                """, plan(IN_CACHE, 2, 10, 2 * ROUND - 10, 4 * BLOCK).toString().replace(System.lineSeparator(), "\n"));
    }

    @Test
    void eachLayerIsARound() {
        Plan plan = plan(EACH_LAYER, 2, 0, 5, 0, 0, 4 * BLOCK, 1, 0);
        assertEquals(List.of(0, 1, 2, 3, 4, 5, 6, 7), rounds(plan));
        checkShares(plan, new long[7]);
        List<String> shares = new ArrayList<>();
        for (int g = 0; g < plan.rounds(); g++) {
            for (int t = 0; t < 2; t++) {
                shares.add(plan.shareFrom(g, t) + "-" + plan.shareTo(g, t));
            }
        }
        assertEquals(
                List.of(
                        "0-0", "0-0", "0-1", "1-1", "1-1", "1-1", "1-1", "1-1", "1-3", "3-5", "5-6", "6-6", "6-6",
                        "6-6"),
                shares,
                "an empty layer has a round in which nobody has a share");
    }

    /** More elements than an int can count, in one layer and in many. */
    @Test
    void indicesInALayerAreLongs() {
        long length = (1L << 33) + BLOCK + 1;
        for (Plan.Rounds which : Plan.Rounds.values()) {
            Plan plan = plan(which, 3, 7, length, length - 1, 9);
            int blocks = (1 << 21) + 2;
            assertEquals(1 + blocks + (blocks - 1) + 1, plan.blocks());
            assertEquals(List.of(0, 1, 1 + blocks, 2 * blocks), firstBlocks(plan));
            assertEquals(2 * blocks + 1, plan.firstBlock(4));
            int last = blocks; // of the first large layer
            assertEquals(1, plan.layer(last));
            assertEquals(length - 1, plan.from(1, last));
            assertEquals(1, length(plan, last));
            assertEquals(BLOCK, length(plan, last - 1));
            assertEquals(BLOCK + 1, plan.elements(1, last - 1, last + 1));
            assertEquals(length, plan.elements(1, 1, last + 1));
            assertEquals(length - 1 - BLOCK, plan.from(1, last - 1));
            assertEquals(BLOCK, length(plan, 2 * blocks - 1), "the other layer ends with a whole block");
            assertEquals(length - 1 - BLOCK, plan.from(2, 2 * blocks - 1));
            assertEquals(plan.blocks() + (which == ONE ? 2 : 4) * 16, plan.places());
        }
        assertEquals(List.of(0, 4), rounds(plan(ONE, 3, 7, length, length - 1, 9)));
        assertEquals(List.of(0, 1, 2, 3, 4), rounds(plan(EACH_LAYER, 3, 7, length, length - 1, 9)));
        assertEquals(List.of(0, 1, 2, 3), rounds(plan(IN_CACHE, 3, 7, length, length - 1)));
    }

    private static List<Integer> firstBlocks(Plan plan) {
        List<Integer> first = new ArrayList<>();
        for (int i = 0; i < plan.layers(); i++) {
            first.add(plan.firstBlock(i));
        }
        return first;
    }

    /** The elements that a share has done, times the number of threads, exceed an int by far. */
    @Test
    void sharesOfManyElementsAreAboutEqual() {
        long length = 3L << 31;
        int blocks = (int) (length / BLOCK);
        assertEquals(List.of(blocks), shares(plan(ONE, 1, length)));
        assertEquals(List.of(blocks / 3, blocks / 3, blocks / 3), shares(plan(ONE, 3, length)));
        List<Integer> shares = shares(plan(EACH_LAYER, 64, length));
        for (int share : shares) {
            assertEquals(blocks / 64, share);
        }
        assertEquals(List.of(blocks / 2, blocks / 2), shares(plan(ONE, 2, length / 2, 0, length / 2)));
    }

    /** Many layers of less than 2^31 elements each also have more together; a round in cache counts them as longs. */
    @Test
    void roundsOfManyElementsAreCountedAsLongs() {
        long layer = (1L << 30) + 1;
        assertEquals(List.of(0, 5), rounds(plan(ONE, 2, layer, layer, layer, layer, layer)));
        Plan coarse = Plan.of(
                new long[] {layer, layer, layer, layer, layer}, IN_CACHE, 3, new Plan.Grain(Integer.MAX_VALUE, 1));
        assertEquals(List.of(0, 5), rounds(coarse), "3 times 2^31 - 1 elements are more than 5 layers");
        Plan finer = Plan.of(
                new long[] {layer, layer, layer, layer, layer}, IN_CACHE, 2, new Plan.Grain(Integer.MAX_VALUE, 1));
        assertEquals(List.of(0, 3, 5), rounds(finer), "twice 2^31 - 1 elements are 3 layers");
    }

    /** Plans more blocks than ints can number: they are counted before anything is allocated for them. */
    @Test
    void mostElementsIsTheLimit() {
        assertEquals(1L << 42, Plan.MOST_ELEMENTS);
        assertThrows(ArithmeticException.class, () -> plan(ONE, 1, Plan.MOST_ELEMENTS, Plan.MOST_ELEMENTS));
        assertThrows(ArithmeticException.class, () -> plan(ONE, 1, 2 * Plan.MOST_ELEMENTS));
        assertThrows(ArithmeticException.class, () -> plan(ONE, 1, Long.MAX_VALUE));
    }
}
