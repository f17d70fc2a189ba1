package io.github.lars4j.internal.kernel;

import io.github.lars4j.Format;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.StepReport;
import io.github.lars4j.Tensors;
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

/** As {@link ShortRun}, with gradients and momentum in narrow formats and bfloat16 copies of the weights. */
final class NarrowRun {

    /** The SHA-256 of the weights, momentum, copies of the weights, norms and ratios of every step. */
    static final String EXPECTED = "d1b38edd7986b17c0834be77a907f218e2b8d25c3bb22dbf71a43f87755ca188";

    private static final int N = 1000 + 17 + 9000;
    private static final int STEPS = 3;

    private NarrowRun() {}

    /** Prints the hash of a run in arrays, and outside the heap if {@link ShortRun#OUTSIDE} is an argument. */
    public static void main(String[] args) {
        System.out.println("hash " + hash(List.of(args).contains(ShortRun.OUTSIDE)));
    }

    static String hash(boolean outside) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (Format gradients : new Format[] {Format.BFLOAT16, Format.FLOAT16}) {
                for (Format momentum : new Format[] {Format.FLOAT32, Format.BFLOAT16}) {
                    run(digest, outside, gradients, momentum, false);
                }
                run(digest, outside, gradients, Format.BFLOAT16, true);
            }
            run(digest, outside, Format.FLOAT32, Format.BFLOAT16, true);
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    private static void run(
            MessageDigest digest, boolean outside, Format gradientFormat, Format momentumFormat, boolean stochastic) {
        Layers layers = Layers.builder()
                .add("a", 1000)
                .add("b", 17, Treatment.PLAIN)
                .add("c", 9000)
                .build();
        Memory weights = new Memory(Format.FLOAT32, outside);
        Memory gradients = new Memory(gradientFormat, outside);
        Memory momentum = new Memory(momentumFormat, outside);
        Memory halves = new Memory(Format.BFLOAT16, outside);
        Lars.Builder builder = Lars.builder(layers)
                .learningRate(2)
                .weightDecay(0.01)
                .momentum(0.9)
                .nesterov(true)
                .carrySums(true)
                .momentumBuffer(momentum.tensors);
        Random random = new Random(3);
        weights.fill(random);
        try (Lars lars = (stochastic ? builder.stochasticRounding(-7) : builder).build()) {
            for (int step = 0; step < STEPS; step++) {
                gradients.fill(random);
                StepReport report = lars.step(weights.tensors, gradients.tensors, halves.tensors);
                ByteBuffer norms = ByteBuffer.allocate(3 * 3 * Double.BYTES);
                for (int layer = 0; layer < 3; layer++) {
                    norms.putDouble(report.weightNorm(layer));
                    norms.putDouble(report.gradientNorm(layer));
                    norms.putDouble(report.trustRatio(layer));
                }
                digest.update(norms.array());
                for (Memory memory : List.of(weights, momentum, halves)) {
                    digest.update(memory.bytes());
                }
            }
        }
    }

    /** An array or memory outside the heap. */
    private static final class Memory {

        final Tensors tensors;
        private final Format format;
        private final MemorySegment segment;

        Memory(Format format, boolean outside) {
            this.format = format;
            boolean float32 = format == Format.FLOAT32;
            float[] floats = new float[float32 ? N : 0];
            short[] shorts = new short[float32 ? 0 : N];
            if (outside) {
                segment = Arena.ofAuto().allocate(float32 ? 4L * N : 2L * N, 64);
                tensors = Tensors.flat(format, segment);
            } else {
                segment = float32 ? MemorySegment.ofArray(floats) : MemorySegment.ofArray(shorts);
                tensors = float32 ? Tensors.flat(floats) : Tensors.flat(format, shorts);
            }
        }

        /** Returns the bytes of the elements, the highest of each first. */
        byte[] bytes() {
            ByteBuffer bytes = ByteBuffer.allocate((int) segment.byteSize());
            for (int i = 0; i < N; i++) {
                if (format == Format.FLOAT32) {
                    bytes.putInt(segment.getAtIndex(ValueLayout.JAVA_INT, i));
                } else {
                    bytes.putShort(segment.getAtIndex(ValueLayout.JAVA_SHORT, i));
                }
            }
            return bytes.array();
        }

        void fill(Random random) {
            for (int i = 0; i < N; i++) {
                float value = random.nextFloat() - 0.5f;
                switch (format) {
                    case FLOAT32 -> segment.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
                    case BFLOAT16 ->
                        segment.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) (Float.floatToIntBits(value) >>> 16));
                    case FLOAT16 -> segment.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(value));
                }
            }
        }
    }
}
