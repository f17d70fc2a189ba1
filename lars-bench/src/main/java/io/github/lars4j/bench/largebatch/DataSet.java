package io.github.lars4j.bench.largebatch;

import java.util.Arrays;
import java.util.Random;

/** Images of unsigned bytes and their labels. Immutable, and safe for use by several threads. */
final class DataSet {

    /** Mean and standard deviation of Fashion-MNIST's training pixels in [0, 1], used to normalise the inputs. */
    private static final double MEAN = 0.2860;

    private static final double DEVIATION = 0.3530;

    private static final float[] INPUTS = new float[256];

    static {
        for (int i = 0; i < INPUTS.length; i++) {
            INPUTS[i] = (float) ((i / 255.0 - MEAN) / DEVIATION);
        }
    }

    private final byte[] pixels;
    private final byte[] labels;
    private final int features;
    /** Indices of this set's images in the array. */
    private final int[] images;

    /**
     * A data set of all images of an array.
     *
     * @param pixels image after image
     * @param labels one for each image
     * @throws IllegalArgumentException if the number of pixels is not a multiple of the number of labels, or is 0
     */
    DataSet(byte[] pixels, byte[] labels) {
        this(pixels, labels, identity(labels.length));
        if (labels.length == 0 || pixels.length == 0 || pixels.length % labels.length != 0) {
            throw new IllegalArgumentException(
                    pixels.length + " pixels cannot be shared out among " + labels.length + " labels");
        }
    }

    private DataSet(byte[] pixels, byte[] labels, int[] images) {
        this.pixels = pixels;
        this.labels = labels;
        this.features = labels.length == 0 ? 0 : pixels.length / labels.length;
        this.images = images;
    }

    /** Number of images. */
    int size() {
        return images.length;
    }

    /** Number of pixels of an image. */
    int features() {
        return features;
    }

    /** The label of an image. */
    int label(int index) {
        return labels[images[index]];
    }

    /** Writes an image as a network's inputs, normalised to about mean 0 and standard deviation 1. */
    void copy(int index, float[] into, int offset) {
        int from = images[index] * features;
        for (int i = 0; i < features; i++) {
            into[offset + i] = INPUTS[pixels[from + i] & 0xff];
        }
    }

    /**
     * Splits off {@code heldOut} images that a seed selects.
     */
    Split split(int heldOut, long seed) {
        int[] shuffled = images.clone();
        shuffle(shuffled, new Random(seed));
        int rest = shuffled.length - heldOut;
        return new Split(
                new DataSet(pixels, labels, Arrays.copyOf(shuffled, rest)),
                new DataSet(pixels, labels, Arrays.copyOfRange(shuffled, rest, shuffled.length)));
    }

    /** Two disjoint parts of a data set. */
    record Split(DataSet training, DataSet heldOut) {}

    /** The numbers from 0 to {@code length - 1}. */
    static int[] identity(int length) {
        int[] numbers = new int[length];
        Arrays.setAll(numbers, i -> i);
        return numbers;
    }

    /** Shuffles numbers (Fisher and Yates). */
    static void shuffle(int[] numbers, Random random) {
        for (int i = numbers.length - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int number = numbers[i];
            numbers[i] = numbers[j];
            numbers[j] = number;
        }
    }
}
