package io.github.lars4j;

import static io.github.lars4j.Bits.assertSame;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.Treatment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The behaviour of a step as a trainer sees it. */
@Tag("bits")
class LarsTest {

    /** Layers of less than a block, one block and several blocks, a gap, and an empty layer. */
    private static final Layers LAYERS = Layers.builder()
            .addTensor("a.weight", 70, 90)
            .addTensor("a.bias", 70)
            .at(6500)
            .addTensor("b.weight", 4096)
            .addTensor("b.nothing", 0)
            .addTensor("c.weight", 3, 3, 1100)
            .addTensor("c.scale")
            .treat(java.util.regex.Pattern.compile("bias|scale"), Treatment.PLAIN)
            .build();

    private static final int N = (int) LAYERS.end();

    static final List<Rule> DIALECTS = List.of(
            Dialects.PAPER,
            Dialects.SNIPPET,
            Dialects.OPTAX,
            Dialects.BARLOW_TWINS,
            Dialects.BOLTS,
            Dialects.timm(false, false),
            Dialects.timm(true, true),
            Dialects.apexLarc(false),
            Dialects.apexLarc(true));

    private static Lars.Builder builder(Rule rule) {
        return Lars.builder(LAYERS)
                .rule(rule)
                .learningRate(Schedule.polynomial(2, 2, 100).warmup(3))
                .trustCoefficient(0.02)
                .weightDecay(0.001)
                .momentum(0.9)
                .nesterov(true);
    }

    private static float[] params() {
        return Random32.normal(1, N, 1);
    }

    private static float[] gradients(long step) {
        return Random32.normal(100 + step, N, 0.1);
    }

    /** Returns the weights after some steps. */
    private static float[] train(Lars lars, int steps) {
        float[] params = params();
        for (int step = 0; step < steps; step++) {
            lars.step(params, gradients(step));
        }
        return params;
    }

    @Test
    void aStepByHand() {
        Layers layers = Layers.builder().add("w", 2).build();
        Lars lars = Lars.builder(layers)
                .learningRate(0.5)
                .momentum(0.5)
                .weightDecay(0.5)
                .trustCoefficient(1)
                .build();
        float[] w = {3, 4};
        StepReport report = lars.step(w, new float[] {0, 10}, () -> 42.0);
        // r = 5 / (10 + 0.5 * 5) = 0.4; v = 0.5 * 0.4 * (g + 0.5 w) = 0.2 * (1.5, 12)
        assertArrayEquals(new float[] {2.7f, 1.6f}, w, 1e-6f);
        assertEquals(0, report.step());
        assertEquals(42.0, report.loss());
        assertEquals(0.5, report.learningRate());
        assertEquals(5, report.weightNorm(0));
        assertEquals(10, report.gradientNorm(0));
        assertEquals(10, report.gradientNorm());
        assertEquals(0.4, report.trustRatio(0), 1e-16);
        assertEquals(0.2, report.effectiveRate(0), 1e-16);
        assertEquals(1, report.clipScale());
        assertEquals(Outcome.UPDATED, report.outcome(0));
        assertFalse(report.refused());
        assertFalse(report.anyBad());
        assertEquals(1, lars.steps());
        // v = 0.5 v, as without gradient and decay ... the weights still decay, because r = 1 if ‖g‖ = 0.
        float[] before = w.clone();
        lars.step(w, new float[2]);
        for (int i = 0; i < 2; i++) {
            float v = 0.5f * (i == 0 ? 0.3f : 2.4f) + 0.5f * 0.5f * before[i];
            assertEquals(before[i] - v, w[i], 1e-6f);
        }
    }

    @Test
    void closureRunsOnceAndFirst() {
        float[] given = gradients(0);
        float[] expected = train(builder(Dialects.PAPER).build(), 1);
        float[] params = params();
        float[] late = new float[N];
        int[] runs = {0};
        Lars lars = builder(Dialects.PAPER).build();
        StepReport report = lars.step(params, late, () -> {
            runs[0]++;
            assertSame(params(), params, "weights when the closure runs");
            System.arraycopy(given, 0, late, 0, N);
            return 1.25;
        });
        assertEquals(1, runs[0]);
        assertEquals(1.25, report.loss());
        assertSame(expected, params, "the step uses the gradients of the closure");
        assertTrue(Double.isNaN(lars.step(params, given).loss()), "no closure, no loss");
    }

    @Test
    void aClosureThatThrowsChangesNothing() {
        Lars lars = builder(Dialects.PAPER).build();
        float[] params = train(lars, 2);
        float[] gradients = gradients(2);
        String before = Bits.of(lars, params, gradients);
        IllegalStateException thrown = new IllegalStateException("out of data");
        assertSame(
                thrown,
                assertThrows(
                        IllegalStateException.class,
                        () -> lars.step(params, gradients, () -> {
                            throw thrown;
                        })));
        assertEquals(before, Bits.of(lars, params, gradients));
        lars.step(params, gradients);
        assertSame(
                train(builder(Dialects.PAPER).build(), 3),
                params,
                "the next step is as if there had been no exception");
    }

    @Test
    void measureAndUpdateAreAStep() {
        for (Rule rule : DIALECTS) {
            Lars whole = builder(rule).build();
            Lars halves = builder(rule).build();
            float[] expected = params();
            float[] params = params();
            for (int step = 0; step < 4; step++) {
                float[] gradients = gradients(step);
                StepReport wholeReport = whole.step(expected, gradients);
                float[] before = params.clone();
                LayerSums sums = halves.measure(params, gradients);
                assertSame(before, params, "weights after measure");
                StepReport report = halves.update(params, gradients, sums);
                assertEquals(wholeReport.toString(), report.toString());
                assertSame(expected, params, rule.toString());
                assertEquals(Bits.of(whole, expected), Bits.of(halves, params), rule.toString());
            }
        }
    }

    @Test
    void sumsSetByHandAreUsed() {
        Lars lars = builder(Dialects.OPTAX).build();
        float[] params = params();
        float[] gradients = gradients(0);
        LayerSums measured = lars.measure(params, gradients);
        LayerSums own = new LayerSums(LAYERS);
        for (int i = 0; i < LAYERS.size(); i++) {
            own.setWeights(i, measured.weights(i));
            own.setGradients(i, measured.gradients(i));
            if (measured.hasProducts(i)) {
                own.setProducts(i, measured.products(i));
            }
        }
        lars.discard();
        StepReport report = lars.update(params, gradients, own);
        assertEquals(Math.sqrt(own.weights(0)), report.weightNorm(0));
        assertSame(train(builder(Dialects.OPTAX).build(), 1), params, "sums handed in");
    }

    @Test
    void sumsThatAreAbsentAreAnErrorAndNotZero() {
        LayerSums sums = new LayerSums(LAYERS);
        assertFalse(sums.hasWeights(0) || sums.hasGradients(0) || sums.hasProducts(0));
        for (Runnable use : List.<Runnable>of(() -> sums.weights(0), () -> sums.gradients(0), () -> sums.products(0))) {
            IllegalStateException thrown = assertThrows(IllegalStateException.class, use::run);
            assertTrue(thrown.getMessage().contains("a.weight"), thrown::getMessage);
        }
        for (int i = 0; i < LAYERS.size(); i++) {
            sums.setWeights(i, 1);
            sums.setGradients(i, 1);
        }
        Lars needsProducts = builder(Dialects.OPTAX).build();
        float[] params = params();
        float[] gradients = gradients(0);
        String before = Bits.of(needsProducts, params);
        IllegalArgumentException thrown =
                assertThrows(IllegalArgumentException.class, () -> needsProducts.update(params, gradients, sums));
        assertTrue(
                thrown.getMessage().contains("Σw·g") && thrown.getMessage().contains("a.weight"), thrown::getMessage);
        assertEquals(before, Bits.of(needsProducts, params));
        builder(Dialects.PAPER).build().update(params, gradients, sums);
    }

    @Test
    void aLayerThatIsMissingNeedsNoSums() {
        LayerSums sums = new LayerSums(LAYERS);
        Gradients gradients = Gradients.of(gradients(0));
        for (int i = 1; i < LAYERS.size(); i++) {
            sums.setWeights(i, 1);
            sums.setGradients(i, 1);
        }
        Lars lars = builder(Dialects.PAPER).build();
        float[] params = params();
        assertThrows(IllegalArgumentException.class, () -> lars.update(params, gradients, sums));
        lars.update(params, gradients.missing(0, true), sums);
        assertEquals(1, lars.steps());
    }

    @Test
    void sumsOfPartsAddUpToThoseOfTheWhole() {
        float[] params = params();
        float[] gradients = gradients(0);
        LayerSums whole = builder(Dialects.OPTAX).build().measure(params, gradients);
        for (int k : new int[] {2, 3, 7}) {
            LayerSums added = null;
            for (int part = 0; part < k; part++) {
                Layers.Builder parts = Layers.builder();
                for (Layer layer : LAYERS) {
                    long from = layer.length() * part / k;
                    long to = layer.length() * (part + 1) / k;
                    parts.at(layer.offset() + from).add(layer.name(), to - from, layer.treatment());
                }
                LayerSums sums = Lars.builder(parts.build())
                        .rule(Dialects.OPTAX)
                        .weightDecay(0.001)
                        .learningRate(1)
                        .build()
                        .measure(params, gradients);
                if (added == null) {
                    added = sums;
                } else {
                    added.add(sums);
                }
            }
            for (int i = 0; i < LAYERS.size(); i++) {
                Layer layer = LAYERS.get(i);
                double ww = 0;
                double gg = 0;
                double wg = 0;
                double magnitudes = 0;
                for (int e = (int) layer.offset(); e < layer.end(); e++) {
                    ww += (double) params[e] * params[e];
                    gg += (double) gradients[e] * gradients[e];
                    wg += (double) params[e] * gradients[e];
                    magnitudes += Math.abs((double) params[e] * gradients[e]);
                }
                for (LayerSums sums : List.of(whole, added)) {
                    assertEquals(ww, sums.weights(i), 1e-12 * ww);
                    assertEquals(gg, sums.gradients(i), 1e-12 * gg);
                    assertTrue(sums.hasProducts(i) || !layer.treatment().adapt());
                    if (sums.hasProducts(i)) {
                        assertEquals(wg, sums.products(i), 1e-12 * magnitudes);
                    }
                }
            }
        }
    }

    @Test
    void addingRefusesOtherLayersAndOtherSums() {
        LayerSums sums = new LayerSums(LAYERS);
        sums.setWeights(0, 1);
        LayerSums other = new LayerSums(LAYERS);
        other.setGradients(0, 1);
        IllegalArgumentException absent = assertThrows(IllegalArgumentException.class, () -> sums.add(other));
        assertTrue(absent.getMessage().contains("other has the sums g²"), absent::getMessage);
        IllegalArgumentException named = assertThrows(
                IllegalArgumentException.class,
                () -> sums.add(new LayerSums(Layers.builder().add("a.weight", 1).build())));
        assertTrue(named.getMessage().contains("other has 1 layers"), named::getMessage);
        assertEquals(1, sums.weights(0), "nothing was added");
    }

    @Test
    void theLearningRateCanBeSetAndScheduled() {
        double[] rates = {0.5, 2, 0, 1};
        Lars scheduled =
                builder(Dialects.PAPER).learningRate(step -> rates[(int) step]).build();
        Lars set = builder(Dialects.PAPER).learningRate(99).build();
        float[] expected = params();
        float[] params = params();
        for (int step = 0; step < rates.length; step++) {
            set.learningRate(rates[step]);
            assertEquals(rates[step], scheduled.step(expected, gradients(step)).learningRate());
            set.step(params, gradients(step));
            assertSame(expected, params, "step " + step);
        }
        assertThrows(IllegalStateException.class, () -> Lars.builder(LAYERS).build());
    }

    @Test
    void aLayerWithoutGradientIsLeftWhollyAlone() {
        for (Rule rule : DIALECTS) {
            Lars lars = builder(rule).nesterov(false).dampening(0.5).build();
            float[] params = params();
            Gradients gradients = Gradients.of(gradients(0)).missing(2, true);
            float[] before = params.clone();
            StepReport report = lars.step(params, gradients);
            for (int e = 0; e < N; e++) {
                boolean inside =
                        e >= LAYERS.get(2).offset() && e < LAYERS.get(2).end();
                boolean gap = e >= 6370 && e < 6500;
                if (inside || gap) {
                    assertEquals(before[e], params[e]);
                    assertEquals(0, Inside.momentum(lars)[e]);
                } else {
                    assertNotEquals(before[e], params[e]);
                }
            }
            assertFalse(Inside.begun(lars)[2]);
            assertTrue(Inside.begun(lars)[0]);
            assertEquals(Outcome.NO_GRADIENT, report.outcome(2));
            assertTrue(Double.isNaN(report.weightNorm(2)) && Double.isNaN(report.trustRatio(2)));
            // Its first gradient is not dampened, at whatever step it comes, as in a new optimizer.
            Lars fresh = builder(rule)
                    .nesterov(false)
                    .dampening(0.5)
                    .learningRate(lars.step(params, Gradients.of(gradients(1)).missing(2, false))
                            .learningRate())
                    .build();
            float[] freshParams = params();
            fresh.step(freshParams, gradients(1));
            int from = (int) LAYERS.get(2).offset();
            int to = (int) LAYERS.get(2).end();
            assertTrue(Arrays.equals(freshParams, from, to, params, from, to), rule::toString);
        }
    }

    /** Each optimizer clips by its own norm; the README shows how to clip by the norm of all of them. */
    @Test
    void groupsOverOneArrayClipByTheirOwnNorms() {
        Layers all = Layers.builder().add("a", 30).add("b", 50).build();
        Layers[] parts = {
            Layers.builder().add("a", 30).build(),
            Layers.builder().at(30).add("b", 50).build()
        };
        float[] w = Random32.normal(1, 80, 1);
        float[] g = Random32.normal(2, 80, 1);
        double lossScale = 4;
        double maxNorm = 0.5;
        try (Lars one = clipping(all, maxNorm);
                Lars a = clipping(parts[0], maxNorm);
                Lars b = clipping(parts[1], maxNorm);
                Lars wholeA = clipping(parts[0], Double.POSITIVE_INFINITY);
                Lars wholeB = clipping(parts[1], Double.POSITIVE_INFINITY)) {
            float[] expected = w.clone();
            StepReport report = one.step(expected, Gradients.of(g).scale(1 / lossScale));
            assertTrue(report.clipScale() < 1);
            float[] apart = w.clone();
            StepReport ofA = a.step(apart, Gradients.of(g).scale(1 / lossScale));
            assertEquals(maxNorm, ofA.clipScale() * ofA.gradientNorm(0), 1e-12, "its own norm alone");
            b.step(apart, Gradients.of(g).scale(1 / lossScale));
            float[] together = w.clone();
            Lars[] groups = {wholeA, wholeB};
            Gradients scaled = Gradients.of(g).scale(1 / lossScale);
            LayerSums[] sums = new LayerSums[groups.length];
            double squares = 0;
            for (int i = 0; i < groups.length; i++) {
                sums[i] = groups[i].measure(together, scaled);
                for (int l = 0; l < sums[i].layers().size(); l++) {
                    squares += sums[i].gradients(l);
                }
            }
            double norm = Math.sqrt(squares) / lossScale;
            scaled.scale(Math.min(1, maxNorm / norm) / lossScale);
            for (int i = 0; i < groups.length; i++) {
                groups[i].update(together, scaled, sums[i]);
            }
            double farthest = 0;
            for (int e = 0; e < w.length; e++) {
                assertEquals(expected[e], together[e], 1e-6 * Math.abs(w[e]));
                farthest = Math.max(farthest, Math.abs(expected[e] - apart[e]));
            }
            assertTrue(farthest > 1e-3, "clipping separately gives another step");
        }
    }

    /** The layers are not adapted, because the trust ratio would undo the clipping. */
    private static Lars clipping(Layers layers, double norm) {
        List<Layer> plain = new ArrayList<>();
        layers.forEach(layer -> plain.add(layer.withTreatment(Treatment.PLAIN)));
        return Lars.builder(new Layers(plain))
                .learningRate(1)
                .maxGradientNorm(norm)
                .build();
    }

    @Test
    void dampeningWithoutMomentumHasNoEffect() {
        for (Rule rule : DIALECTS) {
            Lars.Builder builder = Lars.builder(Layers.builder().add("w", 1).build())
                    .rule(rule)
                    .learningRate(2)
                    .trustCoefficient(0.25)
                    .weightDecay(0.5)
                    .dampening(0.75);
            // By hand: with w = 4, g = 1 and so d = 3, every dialect has r = 1/4 · 4/3, or 1 if it clips.
            double w = 4 - 2 * (rule.clip() ? Math.min(1 / 6.0, 1) : 1 / 3.0) * 3;
            float[] params = {4};
            try (Lars lars = builder.build()) {
                lars.step(params, new float[] {1});
                assertEquals(w, params[0], 1e-6, rule.toString());
                params[0] = 4;
                lars.step(params, new float[] {1});
                assertEquals(w, params[0], 1e-6, () -> "the second step of " + rule);
            }
        }
    }

    @Test
    void momentumCorrectionWithoutMomentumHasNoEffect() {
        double[] rates = {Double.MIN_VALUE, 1};
        try (Lars lars = Lars.builder(Layers.builder().add("w", 1).build())
                .learningRate(step -> rates[(int) step])
                .trustCoefficient(0.25)
                .momentumCorrection(true)
                .build()) {
            float[] params = {4};
            lars.step(params, new float[] {1});
            lars.step(params, new float[] {1});
            assertEquals(3, params[0], "the quotient of the two rates overflows");
        }
    }

    /** By hand: the trust coefficient doubles, and with it the momentum of those layers that have a trust ratio. */
    @Test
    void momentumCorrectionFollowsTheTrustCoefficientOfLayersThatHaveATrustRatio() {
        Layers layers =
                Layers.builder().add("w", 1).add("bias", 1, Treatment.PLAIN).build();
        for (Rule rule : new Rule[] {Dialects.PAPER, Dialects.PADDLE}) {
            for (double decay : new double[] {0, 0.5}) {
                double[] coefficients = {0.25, 0.5};
                float[] params = {4, 4};
                try (Lars lars = Lars.builder(layers)
                        .rule(rule)
                        .learningRate(1)
                        .trustCoefficient(step -> coefficients[(int) step])
                        .weightDecay(decay)
                        .momentum(0.5)
                        .momentumCorrection(true)
                        .build()) {
                    lars.step(params, new float[] {1, 1});
                    assertArrayEquals(new float[] {3, 3}, params, 1e-6f, () -> rule + ", decay " + decay);
                    lars.step(params, new float[] {1, 1});
                }
                // v = 1/2 · 1 + 1 without a trust ratio; with one, v = 1/2 · 2 · 1 + 1/2 · 3.
                float w = decay == 0 && !rule.adaptWithoutDecay() ? 1.5f : 0.5f;
                assertArrayEquals(new float[] {w, 1.5f}, params, 1e-6f, () -> rule + ", decay " + decay);
            }
        }
    }

    @Test
    void momentumHandedInIsUsedAsItStandsAndCountsAsBegun() {
        float[] buffer = new float[N + 5];
        Lars own = builder(Dialects.PAPER).nesterov(false).dampening(0.5).build();
        Lars handed = builder(Dialects.PAPER)
                .nesterov(false)
                .dampening(0.5)
                .momentumBuffer(buffer)
                .build();
        float[] ownParams = params();
        float[] params = params();
        own.step(ownParams, gradients(0));
        handed.step(params, gradients(0));
        float[] undampened = Inside.momentum(own.snapshot());
        for (int e = 0; e < N; e++) {
            assertEquals(undampened[e], 2 * buffer[e], 1e-6f * Math.abs(undampened[e]), "begun, so dampened");
        }
        // Continue from the momentum, weights and step of another optimizer.
        Lars first = builder(Dialects.PAPER).momentumCorrection(false).build();
        float[] trained = train(first, 3);
        float[] taken = Inside.momentum(first.snapshot());
        Lars next = builder(Dialects.PAPER)
                .learningRate(step -> Schedule.polynomial(2, 2, 100).warmup(3).rate(step + 3))
                .momentumBuffer(taken)
                .build();
        next.step(trained, gradients(3));
        assertSame(train(builder(Dialects.PAPER).build(), 4), trained, "going on");
        // The restored first-step flags have other values.
        float[] again = new float[N];
        Lars restored = builder(Dialects.PAPER)
                .nesterov(false)
                .dampening(0.5)
                .momentumBuffer(again)
                .build();
        restored.restore(
                builder(Dialects.PAPER).nesterov(false).dampening(0.5).build().snapshot());
        restored.step(params(), gradients(0));
        assertSame(undampened, again, "momentum in the caller's array, undampened");
    }

    @Test
    void momentumHandedInIsCheckedOnEntry() {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            float[] buffer = new float[N];
            buffer[6400] = bad;
            builder(Dialects.PAPER).momentumBuffer(buffer).build();
            buffer[6500] = bad;
            IllegalArgumentException thrown = assertThrows(
                    IllegalArgumentException.class,
                    () -> builder(Dialects.PAPER).momentumBuffer(buffer).build());
            assertTrue(
                    thrown.getMessage().contains("momentumBuffer is " + bad + " at 0 of layer \"b.weight\""),
                    thrown::getMessage);
        }
    }

    @Test
    void withoutMomentumThereIsNoBuffer() {
        Lars lars = builder(Dialects.PAPER).momentum(0).nesterov(false).build();
        train(lars, 2);
        assertEquals(null, Inside.momentum(lars.snapshot()));
    }

    @Test
    void gradientsAreNeverWritten() {
        for (Rule rule : DIALECTS) {
            Lars lars = builder(rule).weightDecay(0.5).build();
            float[] gradients = gradients(0);
            lars.step(params(), gradients);
            lars.update(params(), gradients, lars.measure(params(), gradients));
            assertSame(gradients(0), gradients, rule.toString());
        }
    }

    @Test
    void optimizersOverOneArrayAreParameterGroups() {
        Layers.Builder even = Layers.builder();
        Layers.Builder odd = Layers.builder();
        for (int i = 0; i < LAYERS.size(); i++) {
            Layer layer = LAYERS.get(i);
            (i % 2 == 0 ? even : odd).at(layer.offset()).add(layer.name(), layer.length(), layer.treatment());
        }
        List<Lars> groups = new ArrayList<>();
        for (Layers layers : List.of(even.build(), odd.build())) {
            groups.add(Lars.builder(layers)
                    .learningRate(2)
                    .trustCoefficient(0.02)
                    .weightDecay(0.001)
                    .momentum(0.9)
                    .build());
        }
        Lars one = Lars.builder(LAYERS)
                .learningRate(2)
                .trustCoefficient(0.02)
                .weightDecay(0.001)
                .momentum(0.9)
                .build();
        float[] expected = params();
        float[] params = params();
        for (int step = 0; step < 3; step++) {
            one.step(expected, gradients(step));
            for (Lars group : groups) {
                group.step(params, gradients(step));
            }
        }
        assertSame(expected, params, "two groups with the same hyperparameters are one optimizer");
        // The groups have different rates and momenta: neither changes the layers of the other.
        float[] before = params.clone();
        groups.get(1).learningRate(0.1);
        groups.get(1).step(params, gradients(3));
        for (int i = 0; i < LAYERS.size(); i++) {
            Layer layer = LAYERS.get(i);
            int from = (int) layer.offset();
            assertEquals(
                    i % 2 == 0 || layer.length() == 0,
                    Arrays.equals(before, from, (int) layer.end(), params, from, (int) layer.end()),
                    layer.name());
        }
    }

    @Test
    void gradientScaleIsScalingByHand() {
        for (Rule rule : DIALECTS) {
            Lars scaled = builder(rule).build();
            float[] params = params();
            for (int step = 0; step < 3; step++) {
                float[] large = gradients(step);
                for (int e = 0; e < N; e++) {
                    large[e] *= 1024; // exact
                }
                StepReport report = scaled.step(params, Gradients.of(large).scale(1 / 1024.0));
                double norm = report.gradientNorm(0);
                assertTrue(norm > 1 && norm < 20, () -> "the norm in the report is scaled: " + norm);
            }
            assertSame(train(builder(rule).build(), 3), params, rule.toString());
        }
    }

    @Test
    void globalClipIsClippingByHand() {
        double most = 2.5;
        for (Rule rule : DIALECTS) {
            Lars clipped = builder(rule).maxGradientNorm(most).build();
            Lars byHand = builder(rule).build();
            float[] params = params();
            float[] expected = params();
            for (int step = 0; step < 3; step++) {
                float[] gradients = gradients(step);
                double squares = 0;
                for (int i = 0; i < LAYERS.size(); i++) {
                    for (int e = (int) LAYERS.get(i).offset(); e < LAYERS.get(i).end(); e++) {
                        squares += (double) gradients[e] * gradients[e];
                    }
                }
                double scale = most / Math.sqrt(squares);
                assertTrue(scale < 1);
                StepReport report = clipped.step(params, gradients);
                assertEquals(scale, report.clipScale(), 1e-12);
                assertEquals(Math.sqrt(squares), report.gradientNorm(), 1e-12 * Math.sqrt(squares));
                byHand.step(expected, Gradients.of(gradients).scale(report.clipScale()));
                assertSame(expected, params, rule.toString());
            }
        }
        Lars wide = builder(Dialects.PAPER).maxGradientNorm(1e9).build();
        assertSame(train(builder(Dialects.PAPER).build(), 3), train(wide, 3), "a clip that does nothing");
    }

    @Test
    void carriedSumsGiveTheSameBitsAsFreshOnes() {
        for (Rule rule : DIALECTS) {
            Lars fresh = builder(rule).build();
            Lars carried = builder(rule).carrySums(true).build();
            float[] expected = params();
            float[] params = params();
            for (int step = 0; step < 5; step++) {
                if (step == 2) {
                    // The caller changes the weights and calls weightsChanged.
                    for (int e = 0; e < N; e++) {
                        expected[e] *= 1.5f;
                        params[e] *= 1.5f;
                    }
                    carried.weightsChanged();
                }
                if (step == 3) {
                    // A different array is noticed without that call.
                    params = params.clone();
                    params[0] += 1;
                    expected[0] += 1;
                }
                float[] gradients = gradients(step);
                Gradients known = Gradients.of(gradients).missing(step % LAYERS.size(), true);
                assertEquals(
                        fresh.step(expected, known).toString(),
                        carried.step(params, known).toString());
                assertSame(expected, params, rule + " step " + step);
            }
            assertEquals(Bits.of(fresh, expected), Bits.of(carried, params));
        }
    }

    @Test
    void carriedSumsOfWholeBlocksAndWithoutMomentum() {
        Layers whole = Layers.builder().add("a", 8192).add("b", 4096).build();
        for (double momentum : new double[] {0, 0.9}) {
            Lars.Builder builder = Lars.builder(whole).learningRate(0.5).momentum(momentum);
            Lars fresh = builder.build();
            Lars carried = builder.carrySums(true).build();
            float[] expected = Random32.normal(1, (int) whole.end(), 1);
            float[] params = expected.clone();
            for (int step = 0; step < 4; step++) {
                float[] gradients = Random32.normal(10 + step, params.length, 1);
                assertEquals(
                        fresh.step(expected, gradients).toString(),
                        carried.step(params, gradients).toString());
                assertSame(expected, params, "momentum " + momentum + " step " + step);
            }
        }
    }

    @Test
    void carriedSumsAreNotThoseOfOtherWeights() {
        Lars carried = builder(Dialects.PAPER).carrySums(true).build();
        train(carried, 1);
        float[] other = params();
        LayerSums sums = carried.measure(other, gradients(1));
        LayerSums expected = builder(Dialects.PAPER).build().measure(other, gradients(1));
        assertEquals(expected.weights(0), sums.weights(0));
    }

    @Test
    void whatIsNotMeasuredThisTimeIsAbsent() {
        Lars lars = builder(Dialects.OPTAX).build();
        lars.measure(params(), gradients(0));
        LayerSums sums = lars.measure(params(), Gradients.of(gradients(0)).missing(0, true));
        assertFalse(sums.hasWeights(0) || sums.hasGradients(0) || sums.hasProducts(0));
        assertTrue(sums.hasWeights(1) && sums.hasGradients(1));
    }

    /**
     * Layers that form several rounds if the policy allows it. None has a trust ratio, which would cancel the scale.
     */
    private static final Layers LARGE = Layers.builder()
            .add("a", 200_000, Treatment.PLAIN)
            .add("b", 200_000, Treatment.PLAIN)
            .build();

    @Test
    void whatMustWaitForAllSumsDoes() {
        float[] params = Random32.normal(1, 400_000, 1);
        float[] gradients = Random32.normal(2, 400_000, 1);
        float[] expected = params.clone();
        Lars.Builder clipped = Lars.builder(LARGE).learningRate(0.5).maxGradientNorm(1);
        clipped.build().step(expected, gradients);
        float[] skipping = params.clone();
        clipped.onBadGradient(OnBadGradient.SKIP_LAYER).build().step(skipping, gradients);
        assertSame(expected, skipping, "clipped by the norm of both");
        gradients[300_000] = Float.NaN;
        for (OnBadGradient policy : new OnBadGradient[] {OnBadGradient.THROW, OnBadGradient.REFUSE}) {
            Lars lars =
                    Lars.builder(LARGE).learningRate(0.5).onBadGradient(policy).build();
            float[] untouched = params.clone();
            try {
                assertTrue(lars.step(untouched, gradients).refused());
            } catch (NonFiniteException e) {
                assertEquals("b", e.layer());
            }
            assertSame(params, untouched, policy.name());
        }
    }

    @Test
    void theMostThatCanBeBuilt() {
        Lars.builder(LAYERS).learningRate(1).parallelism(1024).build().close();
        long most = 1L << 42;
        Layers all = Layers.builder().add("a", 0).add("b", most + 1).build();
        Lars.Builder more = Lars.builder(all).learningRate(1);
        assertTrue(assertThrows(IllegalArgumentException.class, more::build)
                .getMessage()
                .startsWith("layers have 4398046511105 elements"));
    }

    @Test
    void aCopyOfAReportHasItsClipAndItsRefusal() {
        float[] gradients = gradients(0);
        Lars lars = builder(Dialects.PAPER)
                .maxGradientNorm(1e-3)
                .onBadGradient(OnBadGradient.REFUSE)
                .build();
        StepReport report = lars.step(params(), gradients);
        assertTrue(report.clipScale() < 1);
        assertEquals(report.clipScale(), report.copy().clipScale());
        gradients[0] = Float.NaN;
        StepReport refused = lars.step(params(), gradients).copy();
        assertTrue(refused.refused());
        assertEquals(1, refused.refusals());
    }

    @Test
    void closeEndsTheThreads() {
        Lars lars = builder(Dialects.PAPER).parallelism(3).build();
        long before = workers();
        lars.close();
        assertEquals(2, before - workers());
        assertTrue(lars.kernels().contains(" kernels"), lars::kernels);
    }

    private static long workers() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().matches("lars4j-\\d+"))
                .count();
    }

    @Test
    void carriedSumsAreReallyCarried() {
        Lars lars = builder(Dialects.PAPER).carrySums(true).build();
        float[] params = train(lars, 1);
        double norm = lars.step(params, gradients(1)).copy().weightNorm(0);
        Arrays.fill(params, 0);
        assertNotEquals(0, lars.step(params, gradients(2)).weightNorm(0), "without weightsChanged the old sum is used");
        assertTrue(norm > 0);
    }

    @Test
    void squaresHandedInSaveTheReadAndGiveTheSameBits() {
        for (boolean carry : new boolean[] {false, true}) {
            Lars lars = builder(Dialects.PAPER).carrySums(carry).build();
            float[] params = params();
            for (int step = 0; step < 3; step++) {
                float[] gradients = gradients(step);
                LayerSums sums = builder(Dialects.PAPER).build().measure(params, gradients);
                double[] squares = IntStream.range(0, LAYERS.size())
                        .mapToDouble(sums::gradients)
                        .toArray();
                lars.step(params, Gradients.of(gradients).squares(squares));
            }
            assertSame(train(builder(Dialects.PAPER).build(), 3), params, "squares handed in");
        }
    }

    @Test
    void theReportIsLiveAndACopyIsNot() {
        Lars lars = builder(Dialects.PAPER).build();
        float[] params = params();
        StepReport live = lars.step(params, gradients(0));
        StepReport copy = live.copy();
        String text = live.toString();
        assertEquals(text, copy.toString());
        assertSame(live, lars.step(params, gradients(1)));
        assertEquals(text, copy.toString());
        assertNotEquals(text, live.toString());
        assertEquals(0, copy.step());
        assertEquals(1, live.step());
        for (Layer layer : LAYERS) {
            assertTrue(text.contains(layer.name()), text);
        }
        assertEquals(LAYERS, copy.layers());
    }

    @Test
    void theReportsValuesAreThoseOfTheLayers() {
        Lars lars = builder(Dialects.PAPER).build();
        float[] params = params();
        float[] gradients = gradients(0);
        float[] before = params.clone();
        StepReport report = lars.step(params, gradients);
        double all = 0;
        for (int i = 0; i < LAYERS.size(); i++) {
            double ww = 0;
            double gg = 0;
            for (int e = (int) LAYERS.get(i).offset(); e < LAYERS.get(i).end(); e++) {
                ww += (double) before[e] * before[e];
                gg += (double) gradients[e] * gradients[e];
            }
            all += gg;
            assertEquals(Math.sqrt(ww), report.weightNorm(i), 1e-12 * Math.sqrt(ww));
            assertEquals(Math.sqrt(gg), report.gradientNorm(i), 1e-12 * Math.sqrt(gg));
            boolean adapted = LAYERS.get(i).treatment().adapt() && LAYERS.get(i).length() > 0;
            double ratio = adapted ? 0.02 * Math.sqrt(ww) / (Math.sqrt(gg) + 0.001 * Math.sqrt(ww)) : 1;
            assertEquals(ratio, report.trustRatio(i), 1e-12);
            assertEquals(0.5 * ratio, report.effectiveRate(i), 1e-12);
        }
        assertEquals(Math.sqrt(all), report.gradientNorm(), 1e-12 * Math.sqrt(all));
        assertEquals(0.5, report.learningRate(), "the first of three steps of warm-up to 2");
    }

    @Test
    @Tag("no-mutants")
    void everyNumberOfThreadsGivesTheSameBits() {
        for (Rule rule : DIALECTS) {
            Lars one = builder(rule).build();
            float[] expected = train(one, 3);
            for (int threads : new int[] {2, 3, 8}) {
                for (OnBadGradient policy : OnBadGradient.values()) {
                    try (Lars several = builder(rule)
                            .parallelism(threads)
                            .onBadGradient(policy)
                            .carrySums(policy == OnBadGradient.REFUSE)
                            .build()) {
                        float[] params = train(several, 3);
                        assertSame(expected, params, rule + " on " + threads + " threads");
                        assertEquals(Bits.of(one, expected), Bits.of(several, params));
                    }
                }
            }
        }
    }

    @Test
    void largerArraysThanTheLayoutAreLeftAloneBehindIt() {
        float[] params = Arrays.copyOf(params(), N + 100);
        Arrays.fill(params, N, N + 100, 7);
        builder(Dialects.PAPER).build().step(params, Arrays.copyOf(gradients(0), N + 3));
        assertSame(train(builder(Dialects.PAPER).build(), 1), Arrays.copyOf(params, N), "the layers");
        for (int e = N; e < N + 100; e++) {
            assertEquals(7, params[e]);
        }
    }

    @Test
    void toStringSaysKernelsAndPlan() {
        Lars lars = builder(Dialects.PAPER).build();
        assertTrue(lars.toString().startsWith(lars.kernels()), lars::toString);
        assertTrue(lars.toString().contains("6 layers"), lars::toString);
    }
}
