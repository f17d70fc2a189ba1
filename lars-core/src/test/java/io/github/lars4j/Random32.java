package io.github.lars4j;

import java.util.SplittableRandom;

/** Random arrays that depend only on the seed. */
final class Random32 {

    private Random32() {}

    /** Returns normally distributed floats. */
    static float[] normal(long seed, int length, double deviation) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = (float) (deviation * random.nextGaussian());
        }
        return values;
    }
}
