package io.github.lars4j.bench.accuracy;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Supplier;

/**
 * A vector whose norm is hard to compute, the same in every run.
 *
 * @param label its name in tables
 * @param elements makes its elements
 */
record HardVector(String label, Supplier<float[]> elements) {

    /** The initial values of ResNet-50's largest tensor, 512 x 512 x 3 x 3; nothing is extreme. */
    static final HardVector RESNET50 =
            new HardVector("ResNet-50 layer", () -> gaussians(512 * 512 * 3 * 3, Math.sqrt(2.0 / (512 * 3 * 3)), 1));

    static final List<HardVector> ALL = List.of(
            RESNET50,
            new HardVector("2^20 normal", () -> gaussians(1 << 20, 1, 2)),
            // Many additions in a row round in the same direction.
            new HardVector("2^20 tenths", () -> equal(1 << 20, 0.1f)),
            // A float sum of 2^24 does not change when 1 is added.
            new HardVector("20 x 2^20 ones", () -> equal(20 << 20, 1)),
            // The first square is 2^24, and all others are less than half an ulp of it.
            new HardVector("4096, then small", () -> oneLarge(1 << 20)),
            new HardVector("rising to 1", () -> rising(1 << 20)),
            new HardVector("falling from 1", () -> reversed(rising(1 << 20))),
            new HardVector("2^-60 to 2^53", () -> wide(1 << 16)),
            // The squares overflow a float, and the norm does not.
            new HardVector("about 1e25", () -> gaussians(1 << 16, 1e25, 5)),
            // The squares are subnormal floats, or smaller.
            new HardVector("about 1e-22", () -> gaussians(1 << 16, 1e-22, 6)),
            // The squares are less than half of the smallest float.
            new HardVector("subnormal", () -> gaussians(1 << 16, 0x1p-129, 7)));

    /** Normally distributed values with mean 0. */
    static float[] gaussians(int length, double deviation, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = (float) (deviation * random.nextGaussian());
        }
        return values;
    }

    static float[] equal(int length, float value) {
        float[] values = new float[length];
        Arrays.fill(values, value);
        return values;
    }

    private static float[] oneLarge(int length) {
        SplittableRandom random = new SplittableRandom(3);
        float[] values = new float[length];
        values[0] = 4096;
        for (int i = 1; i < length; i++) {
            values[i] = (float) random.nextDouble(0.5, 1);
        }
        return values;
    }

    private static float[] rising(int length) {
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            double x = (i + 1.0) / length;
            values[i] = (float) (x * x);
        }
        return values;
    }

    private static float[] reversed(float[] values) {
        float[] reversed = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            reversed[i] = values[values.length - 1 - i];
        }
        return reversed;
    }

    /** Values with exponents far apart whose sum of squares is still a float. */
    private static float[] wide(int length) {
        SplittableRandom random = new SplittableRandom(4);
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = Math.scalb((float) random.nextDouble(1, 2), random.nextInt(-60, 53));
        }
        return values;
    }
}
