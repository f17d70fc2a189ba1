package io.github.lars4j.bench.replay;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ErrorBoundTest {

    private static final double U = 0x1p-24;

    @TempDir
    Path folder;

    /** What a rule may have beyond a dialect. */
    private enum Knob {
        NONE(""),
        RATIO(",\"ratio_min\":0.05,\"ratio_max\":0.1"),
        LEAST_RATIO(",\"ratio_min\":0.1"),
        WEIGHT_NORM(",\"weight_norm_min\":0.5,\"weight_norm_max\":1"),
        MOST_WEIGHT_NORM(",\"weight_norm_max\":1"),
        GRADIENT_NORM(",\"gradient_norm_min\":2"),
        BESIDE(",\"decay\":\"beside_ratio\""),
        RATIO_ONLY(",\"decay\":\"ratio_only\""),
        CLIP(",\"gradient_clip\":0.5,\"gradient_clip_min\":0.25");

        private final String json;

        Knob(String json) {
            this.json = json;
        }
    }

    /** One step of one layer, in double. */
    private record Step(
            String dialect,
            double momentum,
            boolean nesterov,
            double decay,
            boolean plain,
            double eta,
            double rate,
            Knob knob) {

        Step(String dialect, double momentum, boolean nesterov, double decay, boolean plain, double eta, double rate) {
            this(dialect, momentum, nesterov, decay, plain, eta, rate, Knob.NONE);
        }

        /** What follows from weights, momentum and gradient: new weights, then new momentum. */
        double[][] take(double[] w, double[] v, float[] g) {
            double beta = plain ? 0 : decay;
            double ww = 0;
            double gg = 0;
            for (int i = 0; i < w.length; i++) {
                ww += w[i] * w[i];
                gg += (double) g[i] * g[i];
            }
            double weightNorm = Math.sqrt(ww);
            double scale = knob == Knob.CLIP ? Math.min(1, 0.5 * Math.max(weightNorm, 0.25) / Math.sqrt(gg)) : 1;
            double dd = 0;
            for (int i = 0; i < w.length; i++) {
                double d = scale * g[i] + beta * w[i];
                dd += d * d;
            }
            double norm = dialect.equals("optax.lars") ? Math.sqrt(dd) : scale * Math.sqrt(gg);
            norm = knob == Knob.GRADIENT_NORM ? Math.max(norm, 2) : norm;
            norm += dialect.equals("optax.lars") ? 0 : beta * weightNorm;
            double numerator = switch (knob) {
                case WEIGHT_NORM -> Math.clamp(weightNorm, 0.5, 1);
                case MOST_WEIGHT_NORM -> Math.min(weightNorm, 1);
                default -> weightNorm;
            };
            double ratio = plain ? 1 : eta * numerator / norm;
            if (!plain && (knob == Knob.RATIO || knob == Knob.LEAST_RATIO)) {
                ratio = Math.clamp(ratio, knob == Knob.RATIO ? 0.05 : 0.1, knob == Knob.RATIO ? 0.1 : 1e9);
            }
            double in = switch (dialect) {
                case "seed" -> 1;
                case "pl_bolts.optimizers.LARS" -> ratio;
                default -> rate * ratio;
            };
            double out = switch (dialect) {
                case "seed" -> rate * ratio;
                case "pl_bolts.optimizers.LARS" -> rate;
                default -> 1;
            };
            double ofDecay = switch (knob) {
                case BESIDE -> in / ratio;
                case RATIO_ONLY -> 0;
                default -> in;
            };
            double[] newW = new double[w.length];
            double[] newV = new double[w.length];
            for (int i = 0; i < w.length; i++) {
                double p = in * scale * g[i] + ofDecay * beta * w[i];
                newV[i] = momentum * v[i] + p;
                newW[i] = w[i] - out * (nesterov ? p + momentum * newV[i] : newV[i]);
            }
            return new double[][] {newW, newV};
        }

        /** A recording of it, which {@link Replay} would refuse because it begins with a momentum. */
        Recording record(Path file, double[] w, double[] v, float[] g) throws IOException {
            double[][] after = take(w, v, g);
            return write(file, knob.json, new double[][] {w, after[0]}, new double[][] {v, after[1]}, g);
        }

        /** As the other method; {@code json} is what the file has of the knob. */
        Recording record(Path file, String json, double[] w, float[]... gradients) throws IOException {
            double[][] weights = new double[gradients.length + 1][];
            double[][] momenta = new double[gradients.length + 1][w.length];
            weights[0] = w;
            for (int step = 0; step < gradients.length; step++) {
                double[][] after = take(weights[step], momenta[step], gradients[step]);
                weights[step + 1] = after[0];
                momenta[step + 1] = after[1];
            }
            return write(file, json, weights, momenta, gradients);
        }

        /** A recording of steps with these gradients from weights that are floats, the last factor times too long. */
        Recording record(Path file, double factor, double[] w, float[]... gradients) throws IOException {
            double[][] weights = new double[gradients.length + 1][];
            double[][] momenta = new double[gradients.length + 1][w.length];
            weights[0] = w;
            for (int step = 0; step < gradients.length; step++) {
                double[][] after = take(weights[step], momenta[step], gradients[step]);
                weights[step + 1] = after[0];
                momenta[step + 1] = after[1];
            }
            for (int i = 0; i < w.length; i++) {
                double before = weights[gradients.length - 1][i];
                weights[gradients.length][i] = before + factor * (weights[gradients.length][i] - before);
            }
            return write(file, knob.json, weights, momenta, gradients);
        }

        private Recording write(Path file, String json, double[][] weights, double[][] momenta, float[]... gradients)
                throws IOException {
            int n = weights[0].length;
            int steps = gradients.length;
            double sign = dialect.equals("optax.lars") ? -1 : 1;
            double[] allWeights = new double[(steps + 1) * n];
            double[] allMomenta = new double[(steps + 1) * n];
            float[] floats = new float[(steps + 1) * n];
            float[] allGradients = new float[steps * n];
            for (int i = 0; i < floats.length; i++) {
                allWeights[i] = weights[i / n][i % n];
                allMomenta[i] = sign * momenta[i / n][i % n];
                floats[i] = (float) allWeights[i];
            }
            for (int i = 0; i < allGradients.length; i++) {
                allGradients[i] = gradients[i / n][i % n];
            }
            List<Long> shape = List.of((long) n);
            List<Long> run = List.of(steps + 1L, (long) n);
            SafeTensorsWriter writer = new SafeTensorsWriter()
                    .metadata("dialect", dialect)
                    .metadata(
                            "hyperparameters",
                            String.format(
                                    Locale.ROOT,
                                    "{\"momentum\":%s,\"weight_decay\":%s,\"nesterov\":%s,\"trust_coefficient\":%s,\"eps\":0%s}",
                                    momentum,
                                    decay,
                                    nesterov,
                                    eta,
                                    json))
                    .metadata("learning_rates", Collections.nCopies(steps, rate).toString())
                    .metadata(
                            "layers",
                            String.format(
                                    Locale.ROOT,
                                    "[{\"name\":\"w\",\"shape\":[%d],\"offset\":0,\"length\":%d,\"plain\":%s}]",
                                    n,
                                    n,
                                    plain))
                    .metadata("missing_gradients", "[]")
                    .floats("gradients", List.of((long) steps, (long) n), allGradients, 0)
                    .floats("params_initial", shape, Arrays.copyOf(floats, n), 0)
                    .doubles("params_f64", run, allWeights, 0)
                    .floats("params_f32", run, floats, 0)
                    .doubles("momentum_f64", run, allMomenta, 0);
            try (FileChannel channel = FileChannel.open(
                    file, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
                writer.writeTo(channel);
            }
            return Recording.open(file);
        }
    }

    @Test
    void theRoundingsOfAStepByHand() throws IOException {
        // d = 2 + 4 / 2 = 4 and r = 1/4 · 4 / (2 + 2) = 1/4, so that γr = 1/2 and p = 2.
        double[] w = {4};
        double[] v = {1};
        float[] g = {2};
        for (String dialect : List.of("paper", "pl_bolts.optimizers.LARS", "seed")) {
            double in = dialect.equals("paper") ? 0.5 : dialect.equals("seed") ? 1 : 0.25;
            double out = 0.5 / in;
            ErrorBound without = after(new Step(dialect, 0, false, 0.5, false, 0.25, 2), w, v, g);
            assertBound(7 * 2 + 2, without.params());
            assertEquals(2, without.trueParams()[0], 1e-15, dialect);
            // v' = v/2 + p, with γ at the place where it enters.
            ErrorBound with = after(new Step(dialect, 0.5, false, 0.5, false, 0.25, 2), w, v, g);
            double k = 0.5 + in * 4;
            assertBound(4 * k, with.momentum());
            assertBound(7 * out * k + Math.abs(4 - out * k), with.params());
            ErrorBound nesterov = after(new Step(dialect, 0.5, true, 0.5, false, 0.25, 2), w, v, g);
            double t = out * (in * 4 + 0.5 * k);
            assertBound(4 * k, nesterov.momentum());
            assertBound(7 * t + Math.abs(4 - t), nesterov.params());
            assertEquals(k, nesterov.trueMomentum()[0], 1e-15, dialect);
        }
    }

    @Test
    void productsThatUnderflowAddAFewOfTheLeastFloats() throws IOException {
        double least = Float.MIN_VALUE;
        ErrorBound bound = after(
                new Step("seed", 0.5, false, 0, false, 0.25, 2),
                new double[] {least},
                new double[] {least},
                new float[] {Float.MIN_VALUE});
        assertTrue(bound.momentum()[0] >= 2 * least && bound.momentum()[0] <= 4 * least, "" + bound.momentum()[0]);
        assertTrue(bound.params()[0] >= 2 * least && bound.params()[0] <= 5 * least, "" + bound.params()[0]);
        // What is 0 and stays 0 is exact.
        ErrorBound zero = after(
                new Step("seed", 0.5, false, 0, false, 0.25, 2), new double[1], new double[] {1}, new float[] {1});
        assertEquals(0, zero.params()[0]);
    }

    /** The bound after a step that was begun without errors. */
    private ErrorBound after(Step step, double[] w, double[] v, float[] g) throws IOException {
        try (Recording recording = step.record(folder.resolve("step"), w, v, g)) {
            ErrorBound bound = new ErrorBound(recording);
            bound.step(0, g, new float[w.length], new float[w.length]);
            return bound;
        }
    }

    private static void assertBound(double roundings, double[] bound) {
        assertEquals(roundings * U, bound[0], 0.011 * roundings * U);
        assertTrue(bound[0] >= roundings * U);
    }

    /** Steps from states that are off by as much as the bound says before the step, in all directions. */
    @Test
    void errorsTravelAsFarAsTheBoundAndNoFarther() throws IOException {
        Random random = new Random(5);
        for (String dialect : List.of("paper", "pl_bolts.optimizers.LARS", "seed", "optax.lars")) {
            for (double momentum : new double[] {0, 0.9}) {
                for (int kind = 0; kind < 3; kind++) {
                    boolean nesterov = momentum != 0 && kind == 1;
                    boolean plain = kind == 2;
                    for (int length : new int[] {1, 4}) {
                        double[] worst = new double[2];
                        for (int run = 0; run < 15; run++) {
                            Step step = new Step(
                                    dialect,
                                    momentum,
                                    nesterov,
                                    random.nextDouble(),
                                    plain,
                                    0.3 * random.nextDouble(),
                                    2 * random.nextDouble());
                            Share share = travel(step, length, random);
                            worst[0] = Math.max(worst[0], share.weights);
                            worst[1] = Math.max(worst[1], share.momentum);
                            assertTrue(share.weights <= 1 && share.momentum <= 1, () -> step + " comes to " + share);
                        }
                        String what = dialect + " " + momentum + " kind " + kind + " length " + length;
                        assertTrue(worst[0] > 0.8, () -> what + " comes to " + worst[0] + " of the bound of weights");
                        assertTrue(
                                momentum == 0 || worst[1] > 0.8,
                                () -> what + " comes to " + worst[1] + " of the bound of momentum");
                    }
                }
            }
        }
    }

    @Test
    void errorsTravelNoFartherThroughBoundsAndClips() throws IOException {
        Random random = new Random(6);
        for (Knob knob : Knob.values()) {
            for (String dialect : List.of("paper", "pl_bolts.optimizers.LARS", "seed", "optax.lars")) {
                if (knob == Knob.NONE || knob == Knob.BESIDE && dialect.equals("seed")) {
                    continue;
                }
                double worst = 0;
                for (int run = 0; run < 60; run++) {
                    double momentum = run % 2 == 0 ? 0 : 0.9;
                    Step step = new Step(
                            dialect,
                            momentum,
                            run % 4 == 1,
                            random.nextDouble(),
                            run % 10 == 9,
                            0.3 * random.nextDouble(),
                            2 * random.nextDouble(),
                            knob);
                    Share share = travel(step, 1 + run % 4, random);
                    worst = Math.max(worst, share.weights);
                    assertTrue(share.weights <= 1 && share.momentum <= 1, () -> step + " comes to " + share);
                }
                double most = worst;
                assertTrue(most > 0.8, () -> knob + " " + dialect + " comes to " + most + " of the bound of weights");
            }
        }
    }

    /** Recordings with a knob hold, and do not if the file does not have the knob. */
    @Test
    void boundsClipsAndPlacesOfTheDecayAreReplayed() throws IOException {
        float[][] gradients = {{0.5f, -2, 1}, {1, 1, -0.5f}, {-0.25f, 1.5f, 2}, {0.125f, 0.25f, -0.25f}};
        for (Knob knob : Knob.values()) {
            for (String dialect : List.of("paper", "optax.lars")) {
                Step step = new Step(dialect, 0.9, false, 0.1, false, 0.08, 1.5, knob);
                double[] w = {0.75, -1.5, 0.25};
                try (Recording recording = step.record(folder.resolve("step"), knob.json, w, gradients)) {
                    Replay replay = Replay.of(recording);
                    assertTrue(replay.holds(), () -> knob + ": " + replay);
                    assertEquals(
                            Replay.Judgement.JUDGED, replay.distances().get(0).judgement());
                }
                try (Recording recording = step.record(folder.resolve("step"), "", w, gradients)) {
                    assertEquals(knob == Knob.NONE, Replay.of(recording).holds(), knob + " " + dialect);
                }
            }
        }
    }

    private record Share(double weights, double momentum) {}

    private Share travel(Step step, int length, Random random) throws IOException {
        double[] w = new double[length];
        double[] v = new double[length];
        double[] e = new double[length];
        double[] f = new double[length];
        float[] g = new float[length];
        double ofMomentum = 1e-5 * random.nextInt(3);
        for (int i = 0; i < length; i++) {
            w[i] = random.nextGaussian();
            v[i] = step.momentum == 0 ? 0 : random.nextGaussian();
            g[i] = (float) random.nextGaussian();
            e[i] = 4e-5 * Math.abs(w[i]);
            f[i] = ofMomentum * Math.abs(v[i]);
        }
        try (Recording recording = step.record(folder.resolve("step"), w, v, g)) {
            ErrorBound bound = new ErrorBound(recording);
            System.arraycopy(e, 0, bound.params(), 0, length);
            System.arraycopy(f, 0, bound.momentum(), 0, length);
            float[] params = new float[length];
            bound.step(0, g, params, new float[length]);
            if (params[0] != 0) {
                return new Share(0, 0); // set back
            }
            double weights = 0;
            double momentum = 0;
            // Each of the least bits is a sign: all directions.
            for (int signs = 0; signs < 1 << 2 * length; signs++) {
                double[] offW = w.clone();
                double[] offV = v.clone();
                for (int i = 0; i < length; i++) {
                    offW[i] += (signs >> i & 1) == 0 ? e[i] : -e[i];
                    offV[i] += (signs >> length + i & 1) == 0 ? f[i] : -f[i];
                }
                double[][] after = step.take(offW, offV, g);
                for (int i = 0; i < length; i++) {
                    weights = Math.max(weights, Math.abs(after[0][i] - bound.trueParams()[i]) / bound.params()[i]);
                    if (step.momentum != 0) {
                        momentum = Math.max(
                                momentum, Math.abs(after[1][i] - bound.trueMomentum()[i]) / bound.momentum()[i]);
                    }
                }
            }
            return new Share(weights, momentum);
        }
    }

    @Test
    void aLayerWhoseBoundHasGrownPastUseIsSetBack() throws IOException {
        double[] w = {1 / 3.0, 2};
        double[] v = {1 / 7.0, 3};
        float[] g = {1, 2};
        Step step = new Step("seed", 0.9, false, 0.1, false, 0.1, 1);
        try (Recording recording = step.record(folder.resolve("step"), w, v, g)) {
            for (double errors : new double[] {0x1.fffffp-15, 0x1.00001p-14}) {
                ErrorBound bound = new ErrorBound(recording);
                float[] params = {9, 9};
                float[] momentum = {9, 9};
                bound.params()[1] = errors * Math.hypot(w[0], w[1]);
                bound.step(0, g, params, momentum);
                if (errors < ErrorBound.MOST_OF_RATIO) {
                    assertEquals(9, params[1]);
                    assertTrue(bound.params()[1] > 1e-4);
                } else {
                    assertEquals((float) (1 / 3.0), params[0]);
                    assertEquals(2, params[1]);
                    assertEquals((float) (1 / 7.0), momentum[0]);
                    assertEquals(3, momentum[1]);
                    assertTrue(bound.params()[1] < 1e-6 && bound.momentum()[1] < 2e-6);
                    // The first weight and momentum are no floats.
                    double off = Math.abs((float) (1 / 3.0) - 1 / 3.0);
                    assertTrue(bound.params()[0] > off, "the rounding of the weight that was set back counts");
                }
            }
        }
    }

    /** What a replay of such steps says. */
    private Replay replay(Step step, double factor, double[] w, float[]... gradients) throws IOException {
        try (Recording recording = step.record(folder.resolve("steps"), factor, w, gradients)) {
            return Replay.of(recording);
        }
    }

    @Test
    void whatUnderflowsIsMultipliedByTheRate() throws IOException {
        // r·g is 2⁻¹⁴⁹ and a bit, and r itself has few digits; the rate multiplies what is left of both.
        Step step = new Step("pl_bolts.optimizers.LARS", 0, false, 0.01, false, 0.01, 1000);
        double w = 0x1p-130;
        Replay right = replay(step, 1, new double[] {w, -w, 3 * w}, new float[] {0x1.8p-130f, 0x1p-131f, 0x1.4p-129f});
        assertTrue(right.distances().get(0).ulps() > 10, right::toString);
        assertTrue(right.holds(), right::toString);
    }

    @Test
    void aStepThatIsWrongDoesNotWidenItsOwnBound() throws IOException {
        for (String dialect : List.of("paper", "pl_bolts.optimizers.LARS", "seed", "optax.lars")) {
            for (double momentum : new double[] {0, 0.9}) {
                Step step = new Step(dialect, momentum, false, 0.1, false, 0.01, 1);
                double[] w = {0.75, -1.5};
                float[] g = {0.5f, 2};
                // The second gradient stops the momentum, but for a rounding.
                double[][] after = step.take(w, new double[2], g);
                float[] stop = new float[2];
                for (int i = 0; i < 2; i++) {
                    stop[i] = (float) (-momentum * after[1][i] - 0.1 * after[0][i]);
                }
                assertTrue(replay(step, 1, w, g, g).holds(), dialect);
                for (double factor : new double[] {1.0001, -3, 1e15, 1e38}) {
                    Replay wrong = replay(step, factor, w, g, g);
                    assertFalse(wrong.holds(), () -> dialect + " " + factor + ": " + wrong);
                }
                if (dialect.equals("seed") && momentum != 0) {
                    assertTrue(replay(step, 1, w, g, stop).holds());
                    Replay wrong = replay(step, 1e9, w, g, stop);
                    assertFalse(wrong.holds(), wrong::toString);
                }
            }
        }
    }

    @Test
    void aLayerThatCollapsesBelowTheLeastFloatIsNotJudgedThere() throws IOException {
        // Each step leaves a millionth of the weight. After eight it is 1e-48, and 0 as a float, which has another
        // ratio.
        float[][] gradients = new float[12][];
        Arrays.fill(gradients, new float[] {1});
        for (String dialect : List.of("paper", "pl_bolts.optimizers.LARS", "optax.lars")) {
            Step step = new Step(dialect, 0, false, dialect.startsWith("pl") ? 1e-9 : 0, false, 0.999999, 1);
            Replay right = replay(step, 1, new double[] {1}, gradients);
            assertTrue(right.holds(), right::toString);
            assertTrue(
                    right.toString()
                            .endsWith(": holds; 5 of 12 steps of layers could not be judged, first step 7 of layer w"),
                    right::toString);
            for (Replay.Distance d : right.distances()) {
                assertEquals(
                        d.step() < 7 ? Replay.Judgement.JUDGED : Replay.Judgement.UNDETERMINED,
                        d.judgement(),
                        d::toString);
            }
        }
    }

    @Test
    void aLayerGoesOnFromTheTruthAfterAStepThatIsNotJudged() throws IOException {
        for (double w : new double[] {1e-46, 1e-200}) {
            Step step = new Step("paper", 0.5, false, 0, false, 0.1, 1);
            try (Recording recording =
                    step.record(folder.resolve("step"), new double[] {w}, new double[] {1}, new float[] {1})) {
                ErrorBound bound = new ErrorBound(recording);
                bound.params()[0] = w;
                float[] params = {0};
                float[] momentum = {9};
                bound.step(0, new float[] {1}, params, momentum);
                assertTrue(bound.undetermined(0), () -> "at " + w);
                bound.hold(0, params, momentum);
                assertEquals(-0.5f, params[0]);
                assertEquals(0.5f, momentum[0]);
                assertTrue(bound.params()[0] < 1e-16 && bound.momentum()[0] < 1e-16);
            }
        }
    }

    @Test
    void aRatioThatDividesByWhatIsAllRoundingIsUndetermined() throws IOException {
        Step step = new Step("optax.lars", 0.9, false, 0.3, false, 0.1, 1);
        float w = 1 / 3f;
        float[] cancelling = {(float) (-0.3 * w)};
        // The error of w makes d.
        float[] half = {(float) (-0.29999 * w)};
        for (double error : new double[] {0, 1e-8}) {
            for (float[] g : List.of(cancelling, half)) {
                try (Recording recording = step.record(folder.resolve("step"), new double[] {w}, new double[] {1}, g)) {
                    ErrorBound bound = new ErrorBound(recording);
                    bound.params()[0] = error;
                    bound.step(0, g, new float[] {w}, new float[1]);
                    assertTrue(bound.undetermined(0));
                }
            }
        }
        // The formulas that do not divide by d, and gradients that do not cancel the decay.
        for (Step other : List.of(new Step("paper", 0.9, false, 0.3, false, 0.1, 1), step)) {
            float[] g = other.dialect.equals("paper") ? cancelling : new float[] {-0.29f * w};
            assertTrue(replay(other, 1, new double[] {w}, g).holds());
        }
    }

    @Test
    void whereNothingIsJudgedNothingHolds() throws IOException {
        Step step = new Step("optax.lars", 0.9, false, 0.3, false, 0.1, 1);
        float w = 1 / 3f;
        for (double factor : new double[] {1, -3}) {
            Replay replay = replay(step, factor, new double[] {w}, new float[] {(float) (-0.3 * w)});
            assertFalse(replay.holds());
            assertTrue(replay.toString().endsWith(": FAILS; no step of any layer could be judged"), replay::toString);
        }
    }

    @Test
    void truthsBeyondTheFloatsAreRefused() throws IOException {
        Step step = new Step("paper", 0, false, 0, false, 0.1, 1);
        for (double factor : new double[] {1e40, 1e161, 1e300, Double.POSITIVE_INFINITY, Double.NaN}) {
            SafeTensorsException refused = assertThrows(
                    SafeTensorsException.class, () -> replay(step, factor, new double[] {1}, new float[] {1}));
            assertTrue(
                    refused.getMessage()
                            .matches(".*steps: params_f64 after 1 steps is .* at element 0; it must be a .*"),
                    refused::getMessage);
        }
        double largest = Float.MAX_VALUE;
        assertFalse(
                replay(step, -10 * largest, new double[] {1}, new float[] {1}).holds());
        // A momentum is refused likewise.
        Step moving = new Step("paper", 0.9, false, 0, false, 0.1, 1);
        SafeTensorsException refused = assertThrows(
                SafeTensorsException.class,
                () -> after(moving, new double[] {1}, new double[] {-1e40}, new float[] {1}));
        assertTrue(refused.getMessage().contains("momentum_f64 after 0 steps is -1.0E40"), refused::getMessage);
    }

    @Test
    void aBoundThatIsNotFiniteDoesNotHold() {
        assertEquals(0.5, Replay.share(1, 2, 2));
        assertEquals(0, Replay.share(2, 2, 0));
        assertTrue(Double.isNaN(Replay.share(1, 2, Double.POSITIVE_INFINITY)));
        assertTrue(Double.isNaN(Replay.share(1, 2, Double.NaN)));
    }

    /** A recording whose rates are others from a step on: its weights move as if the ratio were off. */
    private Path withRates(String name, int from, double factor) throws IOException {
        byte[] bytes = Files.readAllBytes(Recordings.file(name));
        int length = (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
        String header = new String(bytes, 8, length, StandardCharsets.UTF_8);
        Matcher rates = Pattern.compile("\"learning_rates\": ?\"\\[([^]]*)]\"").matcher(header);
        assertTrue(rates.find());
        List<String> changed = Arrays.asList(rates.group(1).split(", ", -1));
        for (int i = from; i < changed.size(); i++) {
            changed.set(i, String.valueOf(factor * Double.parseDouble(changed.get(i))));
        }
        byte[] text = (header.substring(0, rates.start(1))
                        + String.join(", ", changed)
                        + header.substring(rates.end(1)))
                .getBytes(StandardCharsets.UTF_8);
        ByteBuffer file =
                ByteBuffer.allocate(8 + text.length + bytes.length - 8 - length).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(text.length).put(text).put(bytes, 8 + length, bytes.length - 8 - length);
        return Files.write(folder.resolve("rates.safetensors"), file.array());
    }

    @Test
    void aTenThousandthIsSeenInTheFirstStepOfEveryRecording() throws IOException {
        for (String name : Recordings.names()) {
            try (Recording recording = Recording.open(withRates(name, 0, 1.0001))) {
                assertFalse(
                        Replay.of(recording).distances().stream()
                                .filter(d -> d.step() == 0)
                                .allMatch(Replay.Distance::holds),
                        name);
            }
        }
    }

    /** The bound grows with the steps, but never so far that an error would be lost in it. */
    @Test
    void aThousandthIsSeenHoweverLateItBegins() throws IOException {
        for (String name : Recordings.names()) {
            int steps;
            try (Recording recording = Recording.open(Recordings.file(name))) {
                steps = recording.steps();
            }
            for (int from = 3; from < steps - 4; from += 13) {
                int begin = from;
                try (Recording recording = Recording.open(withRates(name, from, 1.001))) {
                    int seen = Replay.of(recording).distances().stream()
                            .filter(d -> !d.holds())
                            .mapToInt(Replay.Distance::step)
                            .findFirst()
                            .orElseThrow(() -> new AssertionError(name + " from step " + begin + " on: not seen"));
                    assertTrue(seen >= from && seen <= from + 4, name + " from step " + from + " on: at " + seen);
                }
            }
        }
    }
}
