package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Shards, each with an optimizer of its own, give the bits of one optimizer for the whole. */
class ShardTest {

    private static final int STEPS = 6;

    /** Layers of all kinds of lengths around the block, one of them empty, with a gap before the last. */
    private static final Layers LAYERS = Layers.builder()
            .add("one", 1)
            .add("block", ShardSums.BLOCK)
            .add("more", ShardSums.BLOCK + 1)
            .add("none", 0)
            .add("long", 9 * ShardSums.BLOCK + 17, Treatment.FULL.withRateFactor(0.5))
            .at(70_000)
            .add("bias", 33, Treatment.PLAIN)
            .build();

    private static final int N = (int) LAYERS.end();
    private static final int BLOCKS = 1 + 1 + 2 + 10 + 1;

    private static Lars.Builder builder(Layers layers, Rule rule) {
        return Lars.builder(layers)
                .rule(rule)
                .learningRate(Schedule.polynomial(2, 2, 10))
                .momentum(0.9)
                .nesterov(true)
                .weightDecay(0.01)
                .trustCoefficient(0.02);
    }

    private static float[] gradients(int step) {
        return Random32.normal(100 + step, N, 0.1);
    }

    /** A shard's arrays and optimizer. */
    private static final class Machine {

        private final Shard shard;
        private final Lars lars;
        private final float[] weights;
        private final float[] momentum;

        Machine(Shard shard, Lars.Builder builder, float[] whole) {
            this.shard = shard;
            this.weights = piece(shard, whole);
            this.momentum = new float[weights.length];
            this.lars = builder.momentumBuffer(momentum).build();
        }
    }

    private static float[] piece(Shard shard, float[] whole) {
        float[] piece = new float[(int) shard.layers().end()];
        for (int i = 0; i < LAYERS.size(); i++) {
            Layer of = shard.layers().get(i);
            System.arraycopy(
                    whole, (int) (LAYERS.get(i).offset() + shard.from(i)), piece, (int) of.offset(), (int) of.length());
        }
        return piece;
    }

    private static void put(Shard shard, float[] piece, float[] whole) {
        for (int i = 0; i < LAYERS.size(); i++) {
            Layer of = shard.layers().get(i);
            System.arraycopy(
                    piece, (int) of.offset(), whole, (int) (LAYERS.get(i).offset() + shard.from(i)), (int) of.length());
        }
    }

    /** What differs from run to run. */
    private interface Settings {
        Lars.Builder of(Layers layers);
    }

    private interface Steps {
        Gradients of(int step, float[] gradients);
    }

    private static void givesTheBitsOfOne(int count, Settings settings, Steps steps) {
        givesTheBitsOfOne(count, settings, ShardTest::gradients, steps);
    }

    private static void givesTheBitsOfOne(int count, Settings settings, IntFunction<float[]> gradientsOf, Steps steps) {
        float[] weights = Random32.normal(1, N, 1);
        float[] momentum = new float[N];
        Lars whole = settings.of(LAYERS).momentumBuffer(momentum).build();
        List<Machine> machines = new ArrayList<>();
        List<Shard> shards = Shard.cut(LAYERS, count);
        for (int i = 0; i < count; i++) {
            Shard shard = Shard.of(LAYERS, i, count);
            assertEquals(shards.get(i).toString(), shard.toString());
            assertEquals(shards.get(i).layers(), shard.layers());
            machines.add(new Machine(shard, settings.of(shard.layers()), weights));
        }
        for (int step = 0; step < STEPS; step++) {
            float[] gradients = gradientsOf.apply(step);
            List<ShardSums> all = new ArrayList<>();
            for (Machine machine : machines) {
                float[] piece = piece(machine.shard, gradients);
                ShardSums sums = machine.lars.measureBlocks(Tensors.flat(machine.weights), steps.of(step, piece));
                all.add(ShardSums.of(sums.toArray()));
            }
            LayerSums folded = ShardSums.fold(LAYERS, all);
            LayerSums measured = whole.measure(weights, steps.of(step, gradients));
            for (int i = 0; i < LAYERS.size(); i++) {
                if (measured.hasGradients(i)) {
                    assertBits(measured.weights(i), folded.weights(i));
                    assertBits(measured.gradients(i), folded.gradients(i));
                    if (measured.hasProducts(i)) {
                        assertBits(measured.products(i), folded.products(i));
                    }
                } else {
                    assertTrue(
                            Double.isNaN(folded.gradients(i)) || LAYERS.get(i).length() == 0);
                }
            }
            StepReport report = whole.update(weights, steps.of(step, gradients), measured);
            for (Machine machine : machines) {
                float[] piece = piece(machine.shard, gradients);
                StepReport part = machine.lars.update(machine.weights, steps.of(step, piece), folded);
                assertEquals(report.refused(), part.refused());
                assertBits(report.clipScale(), part.clipScale());
                for (int i = 0; i < LAYERS.size(); i++) {
                    assertBits(report.trustRatio(i), part.trustRatio(i));
                    assertEquals(report.outcome(i), part.outcome(i));
                }
            }
        }
        float[] together = weights.clone();
        float[] momenta = momentum.clone();
        for (Layer layer : LAYERS) {
            Arrays.fill(together, (int) layer.offset(), (int) layer.end(), Float.NaN);
            Arrays.fill(momenta, (int) layer.offset(), (int) layer.end(), Float.NaN);
        }
        for (Machine machine : machines) {
            put(machine.shard, machine.weights, together);
            put(machine.shard, machine.momentum, momenta);
            machine.lars.close();
        }
        assertArrayEquals(weights, together);
        assertArrayEquals(momentum, momenta);
        whole.close();
    }

    private static void assertBits(double expected, double actual) {
        assertEquals(Double.doubleToLongBits(expected), Double.doubleToLongBits(actual), expected + " and " + actual);
    }

    @Test
    void giveTheBitsOfOneOptimizerForAnyNumberOfShards() {
        for (int count = 1; count <= BLOCKS; count++) {
            for (Rule rule : List.of(Dialects.PAPER, Dialects.OPTAX)) {
                givesTheBitsOfOne(count, layers -> builder(layers, rule), (step, g) -> Gradients.of(g));
            }
        }
    }

    @Test
    void clipByTheNormsOfTheWholeNetworkAndOfItsGroups() {
        givesTheBitsOfOne(
                4,
                layers -> builder(layers, Dialects.BOLTS)
                        .maxGradientNorm(0.5)
                        .group("long ones", Pattern.compile("^long"), g -> g.maxGradientNorm(0.1)),
                (step, g) -> Gradients.of(g).scale(0.25));
    }

    @Test
    void leaveOutTheSameLayersAndUseSeveralThreads() {
        givesTheBitsOfOne(
                3,
                layers -> builder(layers, Dialects.PAPER).parallelism(3).carrySums(true),
                (step, g) -> Gradients.of(g).missing(4, step == 2).missing(0, step % 2 == 1));
    }

    @Test
    void refuseAStepTogether() {
        // The infinity is in one shard only, and all refuse.
        for (OnBadGradient policy : List.of(OnBadGradient.REFUSE, OnBadGradient.SKIP_LAYER)) {
            givesTheBitsOfOne(
                    5,
                    layers -> builder(layers, Dialects.PAPER).onBadGradient(policy),
                    step -> {
                        float[] gradients = gradients(step);
                        gradients[30_000] = step == 3 ? Float.POSITIVE_INFINITY : 1;
                        return gradients;
                    },
                    (step, g) -> Gradients.of(g));
        }
    }

    @Test
    void mayLieOutsideTheHeap() {
        try (Arena arena = Arena.ofShared();
                Lars lars = builder(LAYERS, Dialects.PAPER).build()) {
            float[] weights = Random32.normal(1, N, 1);
            float[] gradients = gradients(0);
            Tensors w = Memory.NATIVE.copyOf(weights, LAYERS, arena);
            Tensors g = Memory.NATIVE.copyOf(gradients, LAYERS, arena);
            ShardSums expected = lars.measureBlocks(Tensors.flat(weights), Gradients.of(gradients));
            assertEquals(expected, lars.measureBlocks(w, Gradients.of(g)));
            assertEquals(expected.hashCode(), ShardSums.of(expected.toArray()).hashCode());
            assertNotEquals(expected, lars.measureBlocks(g, Gradients.of(w)));
            assertFalse(expected.equals((Object) expected.toString()));
            assertEquals("sums of 15 blocks", expected.toString());
        }
    }

    @Test
    void measuringBlocksChangesNothingAndGivesUpWhatWasMeasured() {
        try (Lars lars = builder(LAYERS, Dialects.PAPER).build()) {
            float[] weights = Random32.normal(1, N, 1);
            float[] gradients = gradients(0);
            LayerSums measured = lars.measure(weights, gradients);
            float[] before = weights.clone();
            lars.measureBlocks(Tensors.flat(weights), Gradients.of(gradients));
            assertArrayEquals(before, weights);
            assertEquals(0, lars.steps());
            assertThrows(IllegalStateException.class, () -> lars.update(weights, gradients, measured));
            lars.step(weights, gradients);
        }
    }

    @Test
    void areConsecutivePiecesOfNearlyEqualSize() {
        List<Shard> shards = Shard.cut(LAYERS, 4);
        long[] next = new long[LAYERS.size()];
        for (Shard shard : shards) {
            long blocks = 0;
            assertFalse(shard.toString().isEmpty());
            for (int i = 0; i < LAYERS.size(); i++) {
                Layer piece = shard.layers().get(i);
                assertEquals(LAYERS.get(i).name(), piece.name());
                assertEquals(LAYERS.get(i).treatment(), piece.treatment());
                if (piece.length() > 0) {
                    assertEquals(next[i], shard.from(i));
                    next[i] += piece.length();
                    blocks += Math.ceilDiv(piece.length(), ShardSums.BLOCK);
                }
            }
            assertTrue(blocks == 3 || blocks == 4, blocks + " blocks");
        }
        for (int i = 0; i < LAYERS.size(); i++) {
            assertEquals(LAYERS.get(i).length(), next[i]);
        }
        assertEquals(
                "more [4096, 4097)\nlong [0, 12288)\n", shards.get(1).toString().replace(System.lineSeparator(), "\n"));
    }

    /** The number of dimensions is that of the whole, so a group of the one-dimensional layers is the same on each shard. */
    @Test
    void groupsMayChooseByTheNumberOfDimensions() {
        Layers network = Layers.builder()
                .addTensor("w", 3, 3000)
                .addTensor("b", 5000)
                .addTensor("s")
                .build();
        for (Shard shard : Shard.cut(network, 3)) {
            for (int i = 0; i < 2; i++) {
                assertEquals(
                        network.get(i).shape().size(),
                        shard.layers().get(i).shape().size());
            }
            assertTrue(shard.layers().get(2).shape().size() <= 1);
        }
        Layers empty = Shard.empty(network).layers();
        assertEquals(0, empty.end());
        assertEquals(List.of(1L, 0L), empty.get(0).shape());
        assertEquals(List.of(0L), empty.get(2).shape());
    }

    @Test
    void cannotRoundStochastically() {
        Layers shard = Shard.cut(LAYERS, 2).getFirst().layers();
        IllegalArgumentException refusal = assertThrows(
                IllegalArgumentException.class,
                () -> builder(shard, Dialects.PAPER)
                        .momentumFormat(Format.BFLOAT16)
                        .stochasticRounding(1)
                        .build());
        assertTrue(refusal.getMessage().startsWith("stochasticRounding is given, and the layers are a shard's"));
    }
}
