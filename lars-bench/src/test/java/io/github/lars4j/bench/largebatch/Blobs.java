package io.github.lars4j.bench.largebatch;

import java.util.Random;

/** A generated data set: noisy copies of one random image for each class. */
final class Blobs {

    static final int CLASSES = 4;
    static final int FEATURES = 20;

    private Blobs() {}

    /** Sets of other seeds have the same classes. */
    static DataSet of(int size, long seed) {
        Random prototypes = new Random(7);
        byte[][] images = new byte[CLASSES][FEATURES];
        for (byte[] image : images) {
            prototypes.nextBytes(image);
        }
        Random random = new Random(seed);
        byte[] pixels = new byte[size * FEATURES];
        byte[] labels = new byte[size];
        for (int i = 0; i < size; i++) {
            labels[i] = (byte) random.nextInt(CLASSES);
            for (int j = 0; j < FEATURES; j++) {
                double pixel = (images[labels[i]][j] & 0xff) + 60 * random.nextGaussian();
                pixels[i * FEATURES + j] = (byte) Math.clamp((long) pixel, 0, 255);
            }
        }
        return new DataSet(pixels, labels);
    }
}
