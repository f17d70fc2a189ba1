package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The loop of docs/recipes.md that looks for the largest loss scale. The network is a toy whose gradients are rounded to
 * half precision after they are scaled, so that they overflow above 65504.
 */
@Tag("no-mutants")
class LossScalingTest {

    private static final Path DOCUMENT = Path.of("../docs/recipes.md");
    private static final Layers LAYERS =
            Layers.builder().add("weight", 19).add("bias", 5, Treatment.PLAIN).build();
    private static final int SIZE = 24;

    /** What {@code backward} found when it was called. */
    private record Call(long step, double scale, String weights, String momentum) {}

    private final float[] weights = Random32.normal(1, SIZE, 1);
    private final float[] gradients = new float[SIZE];
    private final List<Call> calls = new ArrayList<>();
    /** The size of the gradients in the first thousand steps, in the second, and so on; the last one holds on. */
    private final List<Float> sizes = new ArrayList<>();

    private final Lars lars = builder().onBadGradient(OnBadGradient.REFUSE).build();

    private static Lars.Builder builder() {
        return Lars.builder(LAYERS)
                .learningRate(Schedule.constant(0.02))
                .momentum(0.9)
                .weightDecay(1e-4);
    }

    private void train(long steps) {
        // The recipe, as the document has it.
        double scale = 0x1p16;
        int good = 0;
        Gradients scaled = Gradients.of(gradients);
        while (lars.steps() < steps) {
            backward(weights, scale, gradients);
            StepReport report = lars.step(weights, scaled.scale(1 / scale));
            if (!report.refused()) {
                good++;
                if (good % 2000 == 0) scale = Math.min(2 * scale, 0x1p24);
            } else if (scale > 1) {
                scale /= 2;
                good = 0;
            } else {
                throw new ArithmeticException("The gradient is not finite, and not because of the scale. " + report);
            }
        }
        // Here it ends.
    }

    private void backward(float[] weights, double scale, float[] gradients) {
        String momentum = Arrays.toString(Inside.momentum(lars));
        calls.add(new Call(lars.steps(), scale, Arrays.toString(weights), momentum));
        gradient(lars.steps(), size(lars.steps()), weights, scale, gradients);
    }

    private float size(long step) {
        return sizes.get((int) Math.min(step / 1000, sizes.size() - 1));
    }

    /** Writes a gradient in half precision: elements between half the size and the size, one of them the size. */
    private static void gradient(long step, float size, float[] weights, double scale, float[] gradients) {
        for (int i = 0; i < SIZE; i++) {
            double share = i == 3 ? 1 : 0.5 + 0.5 * Math.floorMod(step * 7 + i * 11L, 23) / 23.0;
            double gradient = size * share * (weights[i] < 0 ? -1 : 1);
            gradients[i] = Float.float16ToFloat(Float.floatToFloat16((float) (gradient * scale)));
        }
    }

    /** Trains without a scale on the same gradients. */
    private float[] unscaled(long steps) {
        float[] unscaled = Random32.normal(1, SIZE, 1);
        float[] array = new float[SIZE];
        try (Lars plain = builder().build()) {
            for (long step = 0; step < steps; step++) {
                gradient(step, size(step), unscaled, 1, array);
                plain.step(unscaled, array);
            }
        }
        return unscaled;
    }

    @Test
    void theScaleFallsWhenAGradientOverflowsAndRisesAfter2000GoodSteps() {
        sizes.addAll(List.of(3f, 3f, 3f, 6f, 6f, 0.7f));
        train(10_000);
        // 3 · 16384, 6 · 8192 and 0.7 · 65536 are below 65504; 3 · 32768 and 6 · 16384 are not.
        List<String> changes = new ArrayList<>();
        for (int i = 1; i < calls.size(); i++) {
            Call call = calls.get(i);
            if (call.scale() != calls.get(i - 1).scale()) {
                changes.add(call.step() + ": " + call.scale());
            }
        }
        assertEquals(
                List.of(
                        "0: 32768.0",
                        "0: 16384.0",
                        "2000: 32768.0",
                        "2000: 16384.0",
                        "3000: 8192.0",
                        "5000: 16384.0",
                        "7000: 32768.0",
                        "9000: 65536.0"),
                changes);
        assertEquals(4, Inside.refusals(lars));
        assertEquals(10_000 + 4, calls.size());
        assertArrayEquals(unscaled(10_000), weights, "the scale changes no bit");
    }

    @Test
    void aRefusedStepChangesNothing() {
        sizes.add(3f);
        train(5000);
        int refused = 0;
        for (int i = 1; i < calls.size(); i++) {
            Call before = calls.get(i - 1);
            Call after = calls.get(i);
            if (after.scale() < before.scale()) {
                refused++;
                assertEquals(before.step(), after.step());
                assertEquals(before.weights(), after.weights());
                assertEquals(before.momentum(), after.momentum());
            }
        }
        assertEquals(4, refused);
    }

    @Test
    void theScaleStopsAt24Bits() {
        sizes.add(0x1p-13f);
        train(20_000);
        assertEquals(0x1p23, calls.get(15_999).scale());
        assertEquals(0x1p24, calls.get(16_000).scale());
        assertEquals(0x1p24, calls.getLast().scale());
        assertEquals(0, Inside.refusals(lars));
        assertArrayEquals(unscaled(20_000), weights, "the scale changes no bit");
    }

    @Test
    void aGradientThatIsNotFiniteAtScale1EndsTheLoop() {
        sizes.add(1e6f);
        float[] before = weights.clone();
        ArithmeticException thrown = assertThrows(ArithmeticException.class, () -> train(1));
        assertTrue(thrown.getMessage().contains("REFUSED (17 so far)"), thrown.getMessage());
        assertEquals(1, calls.getLast().scale());
        assertEquals(17, calls.size());
        assertArrayEquals(before, weights);
    }

    @Test
    void theRecipeOfTheDocumentIsTheOneThatIsRun() throws IOException {
        assumeTrue(Files.exists(DOCUMENT), "docs/recipes.md is not in the folder above this module");
        Matcher run = Pattern.compile("as the document has it\\.\n(.*?)// Here it ends", Pattern.DOTALL)
                .matcher(Files.readString(Path.of("src/test/java/io/github/lars4j/LossScalingTest.java")));
        assertTrue(run.find());
        String document = Files.readString(DOCUMENT).replaceAll("(?m) *//.*$", "");
        assertTrue(withoutSpace(document).contains(withoutSpace(run.group(1))));
    }

    private static String withoutSpace(String text) {
        return text.replaceAll("\\s+", "");
    }
}
