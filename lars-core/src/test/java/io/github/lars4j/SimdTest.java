package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.kernel.KernelWish;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Hyperparameters;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The builder's {@code simd} setting, its precedence over the system property, and {@code hyperparameters}. */
class SimdTest {

    private final String before = System.getProperty(KernelWish.PROPERTY);

    @AfterEach
    void restoreProperty() {
        if (before == null) {
            System.clearProperty(KernelWish.PROPERTY);
        } else {
            System.setProperty(KernelWish.PROPERTY, before);
        }
    }

    private static Lars.Builder builder() {
        return Lars.builder(Layers.builder().add("a", 40).build()).learningRate(1);
    }

    private static String kernels(Lars.Builder builder) {
        try (Lars lars = builder.build()) {
            return lars.kernels();
        }
    }

    @Test
    void theBuilderWinsOverTheProperty() {
        System.setProperty(KernelWish.PROPERTY, "scalar");
        assertTrue(kernels(builder().simd(Simd.REQUIRED)).startsWith("vector kernels, "));
        assertTrue(kernels(builder().simd(Simd.REQUIRED)).endsWith("bits: asked for by simd(REQUIRED)"));
        assertEquals("scalar kernels: asked for by -Dlars4j.kernels=scalar", kernels(builder()));
        System.setProperty(KernelWish.PROPERTY, "vector");
        assertEquals("scalar kernels: asked for by simd(OFF)", kernels(builder().simd(Simd.OFF)));
        assertTrue(kernels(builder()).endsWith("bits: asked for by -Dlars4j.kernels=vector"));
        assertTrue(kernels(builder().simd(Simd.AUTO)).contains("tried"));
        System.setProperty(KernelWish.PROPERTY, "nonsense");
        assertEquals("scalar kernels: asked for by simd(OFF)", kernels(builder().simd(Simd.OFF)));
        assertThrows(IllegalArgumentException.class, () -> builder().build());
    }

    @Test
    void bothInOneJvmComeToTheSameBits() {
        float[] expected = null;
        for (Simd simd : new Simd[] {Simd.OFF, Simd.REQUIRED, Simd.OFF}) {
            float[] weights = new float[40];
            float[] gradients = new float[40];
            for (int i = 0; i < 40; i++) {
                weights[i] = 1f / (i + 1);
                gradients[i] = (i % 7 - 3) * 0.3f;
            }
            try (Lars lars = builder().momentum(0.9).simd(simd).build()) {
                lars.step(weights, gradients);
                lars.step(weights, gradients);
            }
            if (expected == null) {
                expected = weights;
            }
            assertEquals(Arrays.toString(expected), Arrays.toString(weights));
        }
    }

    /** Pass 2 chooses its kernels after pass 1, and before it writes. */
    @Test
    void kernelsThatCannotRunChangeNothing() throws ReflectiveOperationException {
        Layers layers = Layers.builder().add("a", 1).add("b", 1).build();
        for (OnBadGradient policy : new OnBadGradient[] {OnBadGradient.THROW, OnBadGradient.SKIP_LAYER}) {
            float[] weights = {1, 2};
            Lars.Builder momentumElsewhere = Lars.builder(layers)
                    .learningRate(1)
                    .momentum(0.9)
                    .momentumBuffer(Tensors.byLayer(new float[1], new float[1]))
                    .onBadGradient(policy)
                    .simd(Simd.REQUIRED);
            Runnable mend = Inside.breakOffsetKernels();
            try (Lars lars = momentumElsewhere.build()) {
                assertThrows(IllegalStateException.class, () -> lars.step(weights, new float[] {1, 1}));
                assertArrayEquals(new float[] {1, 2}, weights);
                mend.run();
                lars.step(weights, new float[] {1, 1});
                assertEquals(1, lars.steps());
            } finally {
                mend.run();
            }
        }
    }

    @Test
    void takesHyperparametersWholeAndOneAtATimeAfterThat() {
        Hyperparameters whole = new Hyperparameters(Dialects.OPTAX, 0.02, 0.3, 0.9, 0, true, true);
        try (Lars lars = builder().momentum(0.1).hyperparameters(whole).build()) {
            assertEquals(whole, lars.hyperparameters());
        }
        try (Lars lars = builder().hyperparameters(whole).weightDecay(0.5).build()) {
            assertEquals(new Hyperparameters(Dialects.OPTAX, 0.02, 0.5, 0.9, 0, true, true), lars.hyperparameters());
        }
    }
}
