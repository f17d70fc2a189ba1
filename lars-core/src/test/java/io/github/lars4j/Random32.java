package io.github.lars4j;

import java.util.Random;

/** Random arrays, the same for a seed. */
final class Random32 {

    private Random32() {}

    /** Normally distributed floats. */
    static float[] normal(long seed, int length, double deviation) {
        Random random = new Random(seed);
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = (float) (deviation * random.nextGaussian());
        }
        return values;
    }
}
