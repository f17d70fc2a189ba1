package io.github.lars4j.internal.kernel;

import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.StepReport;
import io.github.lars4j.Tensors;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Treatment;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;

/**
 * A few steps on three layers, and the hash of their results, which is the same on every JVM and with all kernels.
 * Tests run the main method in other JVMs.
 */
final class ShortRun {

    /** The SHA-256 of the weights, momentum, norms and ratios of every step. */
    static final String EXPECTED = "8ce47d857f249331bbb94fd3cead2a728c32f83489c1180bc57115e582585833";

    private ShortRun() {}

    /** An argument of {@link #main}: waits for the end of the trial. */
    static final String TO_THE_END = "to the end";

    /** An argument of {@link #main}: weights, gradients and momentum lie outside the heap. */
    static final String OUTSIDE = "outside";

    private static final int N = 1000 + 17 + 9000;

    /**
     * Prints the hash of a run and the kernels in use. With {@link #TO_THE_END}, waits up to a minute for the end of the
     * trial and prints the kernels that steps then use.
     */
    public static void main(String[] args) throws InterruptedException {
        List<String> asked = List.of(args);
        boolean outside = asked.contains(OUTSIDE);
        System.out.println("hash " + hash(outside));
        Tensor weights = new Tensor(outside);
        Tensor gradients = new Tensor(outside);
        // A second optimizer must not log again.
        try (Lars lars = build(new Tensor(outside))) {
            lars.step(weights.tensors, gradients.tensors);
            if (asked.contains(TO_THE_END)) {
                joinTrials();
            }
            System.out.println("kernels " + lars.kernels());
        }
    }

    private static void joinTrials() throws InterruptedException {
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread.getName().equals("lars4j-kernel-trial")) {
                thread.join(60_000);
            }
        }
    }

    /** An array, and its copy outside the heap, which steps use instead. */
    private static final class Tensor {

        final float[] array = new float[N];
        final Tensors tensors;
        private final MemorySegment segment;

        Tensor(boolean outside) {
            segment = outside ? Arena.ofAuto().allocate(ValueLayout.JAVA_FLOAT, N) : null;
            tensors = outside ? Tensors.flat(segment) : Tensors.flat(array);
        }

        /** Makes the copy equal to the array. */
        void put() {
            if (segment != null) {
                MemorySegment.copy(array, 0, segment, ValueLayout.JAVA_FLOAT, 0, N);
            }
        }

        /** Makes the array equal to the copy. */
        void get() {
            if (segment != null) {
                MemorySegment.copy(segment, ValueLayout.JAVA_FLOAT, 0, array, 0, N);
            }
        }
    }

    static String hash(boolean outside) {
        Random random = new Random(3);
        Tensor weights = new Tensor(outside);
        Tensor gradients = new Tensor(outside);
        Tensor momentum = new Tensor(outside);
        fill(weights.array, random);
        weights.put();
        try (Lars lars = build(momentum)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (int step = 0; step < 5; step++) {
                fill(gradients.array, random);
                gradients.put();
                StepReport report = lars.step(weights.tensors, gradients.tensors);
                weights.get();
                momentum.get();
                ByteBuffer bytes = ByteBuffer.allocate(2 * N * Float.BYTES + 3 * 3 * Double.BYTES);
                for (int i = 0; i < N; i++) {
                    bytes.putFloat(weights.array[i]).putFloat(momentum.array[i]);
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

    private static Lars build(Tensor momentum) {
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
                .momentumBuffer(momentum.tensors)
                .build();
    }

    private static void fill(float[] array, Random random) {
        for (int i = 0; i < array.length; i++) {
            array[i] = random.nextFloat() - 0.5f;
        }
    }
}
