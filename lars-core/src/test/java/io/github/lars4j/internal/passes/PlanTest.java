package io.github.lars4j.internal.passes;

import static org.junit.jupiter.api.Assertions.assertEquals;
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

    /** Returns a plan of consecutive layers, with a gap of 3 elements before each. */
    private static Plan plan(boolean allSumsFirst, int threads, int... lengths) {
        return Plan.of(offsets(lengths), lengths, allSumsFirst, threads, Plan.Grain.USUAL);
    }

    private static int[] offsets(int... lengths) {
        int[] offsets = new int[lengths.length];
        int next = 0;
        for (int i = 0; i < lengths.length; i++) {
            offsets[i] = next + 3;
            next = offsets[i] + lengths[i];
        }
        return offsets;
    }

    /** Returns the first layer of every round, followed by the number of layers. */
    private static List<Integer> rounds(Plan plan) {
        List<Integer> first = new ArrayList<>();
        for (int g = 0; g <= plan.rounds(); g++) {
            first.add(plan.firstLayerOfRound(g));
        }
        return first;
    }

    private static int length(Plan plan, int block) {
        int layer = plan.layer(block);
        return plan.to(layer, block) - plan.from(layer, block);
    }

    @Test
    void layersAreCutIntoBlocks() {
        Plan plan = plan(true, 1, 1, BLOCK, 0, BLOCK + 1, 3 * BLOCK - 1);
        assertEquals(7, plan.blocks());
        assertEquals(5, plan.layers());
        List<String> blocks = new ArrayList<>();
        for (int b = 0; b < plan.blocks(); b++) {
            blocks.add(plan.layer(b) + " " + plan.from(plan.layer(b), b) + " " + length(plan, b));
        }
        assertEquals(
                List.of("0 3 1", "1 7 4096", "3 4109 4096", "3 8205 1", "4 8209 4096", "4 12305 4096", "4 16401 4095"),
                blocks);
        List<Integer> firstBlocks = new ArrayList<>();
        for (int i = 0; i <= plan.layers(); i++) {
            firstBlocks.add(plan.firstBlock(i));
        }
        assertEquals(List.of(0, 1, 2, 2, 4, 7), firstBlocks);
    }

    @Test
    void allSumsFirstIsOneRound() {
        for (int threads : new int[] {1, 2, 8}) {
            assertEquals(List.of(0, 4), rounds(plan(true, threads, 10, 10 * ROUND, 0, ROUND)));
        }
    }

    @Test
    void groupsHoldWhatStaysInCache() {
        assertEquals(List.of(0, 2, 3), rounds(plan(false, 1, ROUND / 2, ROUND / 2, 1)));
        assertEquals(List.of(0, 1, 3), rounds(plan(false, 1, ROUND / 2, ROUND / 2 + 1, 1)));
        assertEquals(
                List.of(0, 3), rounds(plan(false, 2, ROUND / 2, ROUND / 2 + 1, 1)), "twice as much for two threads");
        assertEquals(
                List.of(0, 1, 2, 3),
                rounds(plan(false, 1, 1, ROUND + 1, 1)),
                "a layer that is larger is a round by itself");
        assertEquals(List.of(0, 1), rounds(plan(false, 1, 100 * ROUND)));
        assertEquals(List.of(0, 1, 3), rounds(plan(false, 1, 2 * ROUND, 0, 5)));
    }

    @Test
    void emptyLayersHaveNoBlocks() {
        Plan plan = plan(false, 3, 0, 0);
        assertEquals(0, plan.blocks());
        assertEquals(List.of(0, 2), rounds(plan));
        checkShares(plan, new int[] {0, 0});
        checkShares(plan(false, 2, 0, 5, 0), new int[] {0, 5, 0});
    }

    @Test
    void sharesAreAboutEqual() {
        assertEquals(List.of(16, 16), shares(plan(true, 2, 32 * BLOCK)));
        assertEquals(List.of(5, 6, 5), shares(plan(true, 3, 16 * BLOCK)));
        assertEquals(List.of(2, 3), shares(plan(true, 2, 5 * BLOCK)), "the middle block belongs to the second thread");
        assertEquals(List.of(2, 2, 0, 0), shares(plan(true, 4, 4 * BLOCK)), "two blocks are worth waking a thread");
        assertEquals(List.of(3, 0), shares(plan(true, 2, 3 * BLOCK)), "fewer are not");
        assertEquals(List.of(1, 0, 0, 0, 0), shares(plan(true, 5, 7)));
        int[] lengths = new int[32];
        Arrays.fill(lengths, BLOCK + 1);
        lengths[31] = 16 * BLOCK;
        assertEquals(List.of(46, 32), shares(plan(true, 2, lengths)), "shares are balanced by elements, not by blocks");
    }

    @Test
    void aFineGrainGivesSmallLayoutsManyGroupsAndShares() {
        int[] lengths = {700, 1300, 3 * BLOCK, 5};
        Plan plan = Plan.of(offsets(lengths), lengths, false, 2, new Plan.Grain(1000, 1));
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
            int[] lengths = random.ints(1 + random.nextInt(40), 0, 1 << random.nextInt(1, 20))
                    .toArray();
            int threads = 1 + random.nextInt(12);
            Plan plan = plan(random.nextBoolean(), threads, lengths);
            assertEquals(threads, plan.threads());
            checkBlocks(plan, offsets(lengths), lengths);
            checkShares(plan, lengths);
            checkPlaces(plan);
            checkFolds(plan, random);
            Plan fine = Plan.of(offsets(lengths), lengths, random.nextBoolean(), threads, new Plan.Grain(BLOCK, 1));
            checkPlaces(fine);
            checkFolds(fine, random);
        }
    }

    /** Blocks are in layer order and cover each layer; only a layer's last block may be short. */
    private static void checkBlocks(Plan plan, int[] offsets, int[] lengths) {
        assertEquals(0, plan.firstBlock(0));
        for (int layer = 0; layer < lengths.length; layer++) {
            int next = offsets[layer];
            for (int b = plan.firstBlock(layer); b < plan.firstBlock(layer + 1); b++) {
                int rest = offsets[layer] + lengths[layer] - next;
                assertEquals(layer, plan.layer(b));
                assertEquals(next, plan.from(layer, b));
                assertEquals(Math.min(BLOCK, rest), length(plan, b));
                assertTrue(length(plan, b) > 0);
                next += length(plan, b);
            }
            assertEquals(offsets[layer] + lengths[layer], next);
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
        double[][] scratch = plan(true, 3, 10 * BLOCK).scratch();
        assertEquals(3, scratch.length);
        for (double[] own : scratch) {
            assertEquals(Stripes.SCRATCH + 16, own.length, "the scratch of the kernels, and 128 unused bytes");
        }
    }

    /** Rounds are consecutive, and the shares of a round are consecutive from its first block to its last. */
    private static void checkShares(Plan plan, int[] lengths) {
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
                """, plan(false, 2, 10, 2 * ROUND - 10, 4 * BLOCK).toString().replace(System.lineSeparator(), "\n"));
    }

    @Test
    void noIndexOverflowsWhereTheLargestLayoutEnds() {
        int end = Integer.MAX_VALUE - BLOCK;
        Plan plan = Plan.of(new int[] {end - BLOCK - 1}, new int[] {BLOCK + 1}, true, 1, Plan.Grain.USUAL);
        assertEquals(end - 1, plan.from(0, 1));
        assertEquals(end - 1, plan.to(0, 0));
        assertEquals(end, plan.to(0, 1));
        assertTrue(plan.from(0, 1) + BLOCK > end, "the index after the loop of a pass");
    }
}
