package io.github.lars4j.internal.passes;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.OnBadGradient;
import io.github.lars4j.StepReport;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The norms of a report, rounded to float, are the floats nearest to the exact norms, except for near-ties. */
class NormAccuracyTest {

    private static final double MOST = 0.5000002;

    private final ExactSum exact = new ExactSum();
    private double worst;

    @Test
    void norms() {
        norms(4000);
    }

    @Test
    @Tag("slow")
    void aMillionNorms() {
        norms(250_000);
    }

    /**
     * Checks the norms of random weights and gradients of two layers, and the norm of all gradients, with a scale that
     * is a power of two. Half of the layers have only a few elements, so that near-ties occur.
     */
    private void norms(int steps) {
        Random random = new Random(12);
        int checked = 0;
        for (int i = 0; i < steps; i++) {
            int length = random.nextInt(random.nextBoolean() ? 5001 : 9);
            float[] weights = new float[length];
            float[] gradients = new float[length];
            SumAccuracyTest.fill(weights, length, i % 4, random);
            SumAccuracyTest.fill(gradients, length, random.nextInt(4), random);
            float[] before = weights.clone();
            int first = random.nextInt(length + 1);
            double scale = Math.scalb(1.0, random.nextInt(-10, 11));
            Layers layers = Layers.builder()
                    .add("first", first)
                    .add("second", length - first)
                    .build();
            try (Lars lars = Lars.builder(layers)
                    .learningRate(0)
                    .onBadGradient(OnBadGradient.SKIP_LAYER)
                    .build()) {
                StepReport report = lars.step(weights, Gradients.of(gradients).scale(scale));
                checked += check(before, 0, first, report.weightNorm(0));
                checked += check(before, first, length, report.weightNorm(1));
                checked += check(gradients, 0, first, report.gradientNorm(0) / scale);
                checked += check(gradients, first, length, report.gradientNorm(1) / scale);
                checked += check(gradients, 0, length, report.gradientNorm() / scale);
            }
        }
        System.out.printf("%d norms: at worst %.9f ulp, at most %.7f are allowed%n", checked, worst, MOST);
        assertTrue(checked > 2 * steps, "too few norms are finite floats: " + checked);
        assertTrue(worst <= MOST, () -> "worst " + worst);
    }

    private int check(float[] values, int from, int to, double norm) {
        if (norm > Float.MAX_VALUE) {
            return 0;
        }
        exact.clear();
        for (int i = from; i < to; i++) {
            exact.add(values[i], values[i]);
        }
        worst = Math.max(worst, exact.ulpsFromRoot((float) norm));
        return 1;
    }
}
