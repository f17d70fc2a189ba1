package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Rule;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Published LARS implementations and this one, side by side: every step of every recording, by one optimizer. Before each
 * step weights and momentum are set to the recorded ones, rounded to float, and after it they may be off by what that and
 * the roundings of one step explain.
 *
 * <p>The bound of one step, with u = 2⁻²⁴ and d = g + βw: p = id, v' = μv + p and w' = w - oy, where y is v', or p + μv'
 * with Nesterov. What enters is in the factors i and o, which are taken from the recording. With S = i(|g| + β|w|), K =
 * μ|v| + S, and T = oK, or o(S + μK) with Nesterov:
 *
 * <ul>
 *   <li>The step rounds v' by at most 4uK, and w' by at most 7uT + u|w'|, as {@code StepAccuracyTest} counts.
 *   <li>v and w are off before it by at most u of themselves, which makes at most uK in v', and uT in w' beside the error
 *       of w itself.
 *   <li>That makes the ratio relatively off by at most ρ = u, or u(1 + β‖w‖ / ‖d‖) where it divides by ‖d‖: ρK in v' at
 *       most and ρT in w'.
 * </ul>
 */
@Tag("bits")
class RecordingsTest {

    /** Unit roundoff of a float, with room for products of errors and for what is rounded in double. */
    private static final double U = 0x1p-24 * 1.01;

    /** A few of the least floats: products may underflow. */
    private static final double TINY = 8 * Float.MIN_VALUE;

    private static final List<String> NAMES = List.of(
            "apex-larc-15",
            "apex-larc-16",
            "barlow-17",
            "bolts-13",
            "bolts-14",
            "dampening-no-momentum",
            "dampening-no-momentum-no-decay",
            "long-200-optax",
            "long-200-seed",
            "one-element-optax",
            "one-element-seed",
            "one-element-timm",
            "optax-11",
            "optax-12",
            "seed-1",
            "seed-2",
            "seed-3",
            "seed-4",
            "seed-5",
            "seed-6",
            "seed-7",
            "shrink-timm",
            "timm-10",
            "timm-8",
            "timm-9");

    /** How far off a layer was after a step, as shares of the bounds. */
    private record Off(int step, String layer, double weights, double momentum) {}

    @TestFactory
    Stream<DynamicTest> heldOnScalarKernels() {
        return NAMES.stream().map(name -> DynamicTest.dynamicTest(name, () -> assertHeld(name, "scalar")));
    }

    @TestFactory
    Stream<DynamicTest> heldOnVectorKernels() {
        return NAMES.stream().map(name -> DynamicTest.dynamicTest(name, () -> assertHeld(name, "vector")));
    }

    private static void assertHeld(String name, String kernels) {
        List<Off> run = run(name, kernels);
        for (Off off : run) {
            assertTrue(off.weights <= 1 && off.momentum <= 1, off::toString);
        }
        double worst = run.stream().mapToDouble(Off::weights).max().orElseThrow();
        assertTrue(worst > 0.3, () -> "a bound of which only " + worst + " is used bounds little");
    }

    @Test
    void scalarAndVectorKernelsAreEquallyFarOff() {
        for (String name : NAMES) {
            assertEquals(run(name, "scalar"), run(name, "vector"), name);
        }
    }

    private static List<Off> run(String name, String kernels) {
        return Kernel.with(kernels, () -> {
            try (RecordedRun recorded = new RecordedRun(file(name))) {
                return run(recorded, kernels);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    private static List<Off> run(RecordedRun recorded, String kernels) throws IOException {
        float[] params = recorded.initialParams();
        float[] momentum = new float[recorded.elements];
        assertArrayEquals(params, floats(recorded.params(0)));
        assertArrayEquals(momentum, floats(recorded.momentum(0)));
        List<Off> offs = new ArrayList<>();
        try (Lars lars = optimizer(recorded, momentum)) {
            assertTrue(lars.kernels().startsWith(kernels), lars::kernels);
            for (int step = 0; step < recorded.steps(); step++) {
                OneStep truth = new OneStep(recorded, step);
                System.arraycopy(floats(truth.w), 0, params, 0, params.length);
                System.arraycopy(floats(truth.v), 0, momentum, 0, momentum.length);
                Gradients gradients = Gradients.of(truth.g);
                for (int layer = 0; layer < recorded.layers.size(); layer++) {
                    gradients.missing(layer, recorded.isMissing(step, layer));
                }
                lars.step(params, gradients);
                for (int layer = 0; layer < recorded.layers.size(); layer++) {
                    offs.add(truth.compare(layer, params, momentum));
                }
            }
        }
        assertEquals(recorded.steps() * recorded.layers.size(), offs.size());
        return offs;
    }

    private static Lars optimizer(RecordedRun recorded, float[] momentum) {
        Lars.Builder builder = Lars.builder(recorded.layers)
                .learningRate(step -> recorded.rates[(int) step])
                .rule(recorded.rule)
                .trustCoefficient(recorded.trustCoefficient)
                .weightDecay(recorded.decay)
                .momentum(recorded.momentum)
                .dampening(recorded.dampening)
                .nesterov(recorded.nesterov);
        if (recorded.momentum == 0) {
            return builder.build();
        }
        // The momentum is to be seen, so it is handed in; but as of an optimizer that has not begun.
        try (Lars fresh = builder.build()) {
            Lars lars = builder.momentumBuffer(momentum).build();
            lars.restore(fresh.snapshot());
            return lars;
        }
    }

    private static float[] floats(double[] doubles) {
        float[] floats = new float[doubles.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) doubles[i];
        }
        return floats;
    }

    /** What a step does in truth, and the bound of what it does here. */
    private static final class OneStep {

        private final RecordedRun recorded;
        private final int step;
        private final float[] g;
        private final double[] w;
        private final double[] v;
        private final double[] wAfter;
        private final double[] vAfter;
        private final double mu;

        OneStep(RecordedRun recorded, int step) throws IOException {
            this.recorded = recorded;
            this.step = step;
            this.g = recorded.gradients(step);
            this.w = recorded.params(step);
            this.v = recorded.momentum(step);
            this.wAfter = recorded.params(step + 1);
            this.vAfter = recorded.momentum(step + 1);
            this.mu = recorded.momentum;
        }

        Off compare(int index, float[] params, float[] momentum) {
            Layer layer = recorded.layers.get(index);
            boolean missing = recorded.isMissing(step, index);
            double beta = layer.treatment().decay() ? recorded.decay : 0;
            double ofW = 0;
            double ofD = 0;
            double ofP = 0;
            double ofY = 0;
            double ofStep = 0;
            for (int i = (int) layer.offset(); i < layer.end(); i++) {
                double p = mu == 0 ? w[i] - wAfter[i] : vAfter[i] - mu * v[i];
                double y = mu == 0 ? p : recorded.nesterov ? p + mu * vAfter[i] : vAfter[i];
                ofW += w[i] * w[i];
                ofD += Math.pow(g[i] + beta * w[i], 2);
                ofP += p * p;
                ofY += y * y;
                ofStep += Math.pow(w[i] - wAfter[i], 2);
            }
            double in = ofD == 0 || missing ? 0 : Math.sqrt(ofP / ofD);
            double out = ofY == 0 || missing ? 0 : Math.sqrt(ofStep / ofY);
            boolean dividesByD = recorded.rule.ratio() == Rule.Ratio.DECAYED && beta != 0;
            double rho = U * (1 + (dividesByD ? beta * Math.sqrt(ofW / ofD) : 0));
            double weights = 0;
            double buffer = 0;
            for (int i = (int) layer.offset(); i < layer.end(); i++) {
                double s = in * (Math.abs(g[i]) + beta * Math.abs(w[i]));
                double k = mu * Math.abs(v[i]) + s;
                double t = out * (recorded.nesterov ? s + mu * k : k);
                double ofStart = Math.abs((float) w[i] - w[i]);
                double bound = missing ? ofStart : ofStart + (8 * U + rho) * t + U * Math.abs(wAfter[i]) + TINY;
                weights = Math.max(weights, share(params[i] - wAfter[i], bound));
                if (mu != 0) {
                    double kept = Math.abs((float) v[i] - v[i]);
                    buffer =
                            Math.max(buffer, share(momentum[i] - vAfter[i], missing ? kept : (5 * U + rho) * k + TINY));
                }
            }
            return new Off(step, layer.name(), weights, buffer);
        }

        private static double share(double off, double bound) {
            // What is set back and never moves is 0 of 0 off.
            return off == 0 ? 0 : Math.abs(off) / bound;
        }
    }

    private static Path file(String name) {
        try {
            return Path.of(RecordingsTest.class
                    .getResource("/recordings/" + name + ".safetensors")
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void noRecordingIsLeftOut() throws IOException {
        try (Stream<Path> files = Files.list(file("seed-1").getParent())) {
            assertEquals(
                    NAMES.stream().map(name -> name + ".safetensors").sorted().toList(),
                    files.map(path -> path.getFileName().toString()).sorted().toList());
        }
    }
}
