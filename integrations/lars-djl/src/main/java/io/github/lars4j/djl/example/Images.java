package io.github.lars4j.djl.example;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.dataset.ArrayDataset;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;

/** Reads images and labels of MNIST's kind from local files. */
final class Images {

    static final int PIXELS = 28 * 28;

    /** The first numbers of an IDX file: unsigned bytes in three dimensions or one. */
    private static final int KIND_OF_IMAGES = 0x0803;

    private static final int KIND_OF_LABELS = 0x0801;

    private Images() {}

    /**
     * Reads a set.
     *
     * @param folder with its files, as Debian's package dataset-fashion-mnist has them
     * @param set {@code train} or {@code t10k}
     * @param batch number of images of a batch; the last one may have fewer
     */
    static ArrayDataset read(NDManager manager, Path folder, String set, int batch) throws IOException {
        byte[] pixels;
        byte[] labels;
        try (DataInputStream images = open(folder.resolve(set + "-images-idx3-ubyte.gz"), KIND_OF_IMAGES)) {
            pixels = new byte[images.readInt() * images.readInt() * images.readInt()];
            images.readFully(pixels);
        }
        try (DataInputStream numbers = open(folder.resolve(set + "-labels-idx1-ubyte.gz"), KIND_OF_LABELS)) {
            labels = new byte[numbers.readInt()];
            numbers.readFully(labels);
        }
        float[] inputs = new float[pixels.length];
        for (int i = 0; i < inputs.length; i++) {
            inputs[i] = (pixels[i] & 0xff) / 255f - 0.286f;
        }
        float[] classes = new float[labels.length];
        for (int i = 0; i < classes.length; i++) {
            classes[i] = labels[i];
        }
        return new ArrayDataset.Builder()
                .setData(manager.create(inputs, new Shape(labels.length, PIXELS)))
                .optLabels(manager.create(classes))
                .setSampling(batch, set.equals("train"), false)
                .build();
    }

    private static DataInputStream open(Path file, int kind) throws IOException {
        DataInputStream in =
                new DataInputStream(new BufferedInputStream(new GZIPInputStream(Files.newInputStream(file))));
        int found = in.readInt();
        if (found != kind) {
            in.close();
            throw new IOException(file + " begins with " + Integer.toHexString(found) + "; it must begin with "
                    + Integer.toHexString(kind));
        }
        return in;
    }
}
