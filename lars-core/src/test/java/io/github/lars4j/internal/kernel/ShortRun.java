package io.github.lars4j.internal.kernel;

import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.StepReport;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Treatment;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Random;

/**
 * A few steps on three layers, and the hash of their results, which is the same on every JVM and with all kernels.
 * Tests run the main method in other JVMs.
 */
final class ShortRun {

    /** The SHA-256 of the weights, momentum, norms and ratios of every step. */
    static final String EXPECTED = "8ce47d857f249331bbb94fd3cead2a728c32f83489c1180bc57115e582585833";

    private ShortRun() {}

    /**
     * Prints the hash of a run and the kernels in use. With an argument, waits up to a minute for the end of the trial
     * and prints the kernels that steps then use.
     */
    public static void main(String[] args) {
        System.out.println("hash " + hash());
        float[] weights = new float[1000 + 17 + 9000];
        float[] gradients = new float[1000 + 17 + 9000];
        // A second optimizer must not log again.
        try (Lars lars = build(new float[1000 + 17 + 9000])) {
            lars.step(weights, gradients);
            long start = System.nanoTime();
            while (args.length > 0
                    && lars.kernels().contains("being compiled and tried")
                    && System.nanoTime() - start < 60e9) {
                Thread.onSpinWait();
            }
            System.out.println("kernels " + lars.kernels());
        }
    }

    static String hash() {
        Random random = new Random(3);
        int n = 1000 + 17 + 9000;
        float[] weights = new float[n];
        float[] gradients = new float[n];
        float[] momentum = new float[n];
        fill(weights, random);
        try (Lars lars = build(momentum)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (int step = 0; step < 5; step++) {
                fill(gradients, random);
                StepReport report = lars.step(weights, gradients);
                ByteBuffer bytes = ByteBuffer.allocate(2 * n * Float.BYTES + 3 * 3 * Double.BYTES);
                for (int i = 0; i < n; i++) {
                    bytes.putFloat(weights[i]).putFloat(momentum[i]);
                }
                for (int layer = 0; layer < 3; layer++) {
                    bytes.putDouble(report.weightNorm(layer));
                    bytes.putDouble(report.gradientNorm(layer));
                    bytes.putDouble(report.trustRatio(layer));
                }
                digest.update(bytes.array());
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    private static Lars build(float[] momentum) {
        Layers layers = Layers.builder()
                .add("a", 1000)
                .add("b", 17, Treatment.PLAIN)
                .add("c", 9000)
                .build();
        return Lars.builder(layers)
                .rule(Dialects.OPTAX)
                .learningRate(2)
                .weightDecay(0.01)
                .momentum(0.9)
                .nesterov(true)
                .momentumBuffer(momentum)
                .build();
    }

    private static void fill(float[] array, Random random) {
        for (int i = 0; i < array.length; i++) {
            array[i] = random.nextFloat() - 0.5f;
        }
    }
}
