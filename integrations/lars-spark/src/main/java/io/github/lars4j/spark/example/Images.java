package io.github.lars4j.spark.example;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;

/**
 * Images and their labels, of MNIST's kind.
 *
 * @param pixels the pixels of each image, unsigned
 * @param labels one for each image
 */
@SuppressWarnings("ArrayRecordComponent") // read once, and only read
record Images(byte[][] pixels, byte[] labels) {

    /** The first numbers of an IDX file: unsigned bytes in one or three dimensions. */
    private static final int LABELS = 0x0801;

    private static final int PIXELS = 0x0803;

    /**
     * Reads a set.
     *
     * @param folder with its files, as Debian's package dataset-fashion-mnist has them
     * @param set {@code train} or {@code t10k}
     * @throws IOException if a file is not there or is not of this kind
     */
    static Images read(Path folder, String set) throws IOException {
        try (DataInputStream images = open(folder.resolve(set + "-images-idx3-ubyte.gz"), PIXELS);
                DataInputStream labels = open(folder.resolve(set + "-labels-idx1-ubyte.gz"), LABELS)) {
            int count = images.readInt();
            if (labels.readInt() != count) {
                throw new IOException(folder + " has not as many labels as images in " + set);
            }
            byte[][] pixels = new byte[count][images.readInt() * images.readInt()];
            for (byte[] image : pixels) {
                images.readFully(image);
            }
            byte[] all = new byte[count];
            labels.readFully(all);
            return new Images(pixels, all);
        }
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
