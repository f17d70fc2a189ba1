package io.github.lars4j.bench.largebatch;

import io.github.lars4j.bench.files.InputFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Fashion-MNIST: 60,000 images to train on and 10,000 to test on, of 28 by 28 pixels, in 10 classes.
 *
 * @param training the training set
 * @param test the test set
 */
record FashionMnist(DataSet training, DataSet test) {

    /** The folder of the Debian package. */
    static final Path DEBIAN = Path.of("/usr/share/datasets/fashion-mnist");

    static final int CLASSES = 10;

    private static final int SIDE = 28;

    /** One of the four files. */
    private enum Part {
        TRAINING_IMAGES(
                "train-images-idx3-ubyte",
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "60000 images of 28 x 28"),
        TRAINING_LABELS(
                "train-labels-idx1-ubyte",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "60000 labels"),
        TEST_IMAGES(
                "t10k-images-idx3-ubyte",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "10000 images of 28 x 28"),
        TEST_LABELS(
                "t10k-labels-idx1-ubyte",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                "10000 labels");

        final String file;
        /** Of the decompressed file. */
        final String sha256;

        /** As {@link FashionMnist#holds} says it. */
        final String holds;

        Part(String file, String sha256, String holds) {
            this.file = file;
            this.sha256 = sha256;
            this.holds = holds;
        }
    }

    /**
     * Reads the four files, each with or without {@code .gz} behind its name, compressed or not.
     *
     * @param folder the folder of the files
     * @throws NoSuchFileException if a file is missing; the reason says how to get it
     * @throws IOException if a file cannot be read, is damaged, or is not of Fashion-MNIST
     */
    static FashionMnist read(Path folder) throws IOException {
        if (Files.exists(folder) && !Files.isDirectory(folder)) {
            throw new IOException(folder + " is " + InputFile.kind(folder)
                    + "; it must be the folder in which the four files of Fashion-MNIST lie");
        }
        return new FashionMnist(
                new DataSet(elements(folder, Part.TRAINING_IMAGES), elements(folder, Part.TRAINING_LABELS)),
                new DataSet(elements(folder, Part.TEST_IMAGES), elements(folder, Part.TEST_LABELS)));
    }

    private static String holds(int[] dimensions) {
        return switch (dimensions.length) {
            case 1 -> dimensions[0] + " labels";
            case 3 -> dimensions[0] + " images of " + dimensions[1] + " x " + dimensions[2];
            default -> "bytes of dimensions " + Arrays.toString(dimensions);
        };
    }

    private static byte[] elements(Path folder, Part part) throws IOException {
        Path plain = folder.resolve(part.file);
        Path compressed = folder.resolve(part.file + ".gz");
        Path file = Files.exists(plain) ? plain : compressed;
        if (!Files.exists(file)) {
            throw new NoSuchFileException(plain.toString(), null, """
                    not there, nor with .gz behind its name. To get Fashion-MNIST (31 MB, MIT licence):
                      Debian, Ubuntu:  apt-get install dataset-fashion-mnist   (puts it into %s)
                      elsewhere:       the four files of github.com/zalandoresearch/fashion-mnist, folder data/fashion
                    and name their folder by --data DIR.""".formatted(DEBIAN));
        }
        IdxFile idx = IdxFile.read(file);
        String holds = holds(idx.dimensions());
        if (!holds.equals(part.holds)) {
            throw new IOException(file + " holds " + holds + "; it must hold " + part.holds);
        }
        if (!idx.sha256().equals(part.sha256)) {
            throw new IOException(file + " is not the file of Fashion-MNIST: the SHA-256 of its content is "
                    + idx.sha256() + "; it must be " + part.sha256);
        }
        return idx.elements();
    }

    /** Inputs of a network. */
    static int features() {
        return SIDE * SIDE;
    }
}
