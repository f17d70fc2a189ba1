package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FashionMnistTest {

    @TempDir
    Path folder;

    @Test
    void saysHowToGetMissingFiles() {
        NoSuchFileException missing = assertThrows(NoSuchFileException.class, () -> FashionMnist.read(folder));
        assertEquals(folder.resolve("train-images-idx3-ubyte").toString(), missing.getFile());
        assertTrue(missing.getReason().contains("apt-get install dataset-fashion-mnist"), missing.getReason());
        assertTrue(missing.getReason().contains("zalandoresearch/fashion-mnist"), missing.getReason());
        assertTrue(missing.getReason().contains("--data DIR"), missing.getReason());
    }

    @Test
    void refusesFilesOfOtherContentPlainOrCompressed() throws IOException {
        byte[] other = idx(60_000, 28, 28);
        Path compressed = folder.resolve("train-images-idx3-ubyte.gz");
        Files.write(compressed, IdxFileTest.gzip(other));
        assertRefused(compressed + " is not the file of Fashion-MNIST: the SHA-256 of its content is ");
        Path plain = folder.resolve("train-images-idx3-ubyte");
        Files.write(plain, other);
        assertRefused(plain + " is not the file of Fashion-MNIST: the SHA-256 of its content is ");
    }

    @Test
    void saysWhatFilesHoldThatAreSwapped() throws IOException {
        Path file = folder.resolve("train-images-idx3-ubyte");
        Files.write(file, idx(60_000));
        assertRefused(file + " holds 60000 labels; it must hold 60000 images of 28 x 28");
        Files.write(file, idx(10_000, 28, 28));
        assertRefused(file + " holds 10000 images of 28 x 28; it must hold 60000 images of 28 x 28");
        Files.write(file, idx(2, 3));
        assertRefused(file + " holds bytes of dimensions [2, 3]; it must hold 60000 images of 28 x 28");
    }

    @Test
    void saysWhatIsGivenInPlaceOfTheFolder() throws IOException {
        Path file = Files.write(folder.resolve("mnist.npz"), new byte[] {'P', 'K', 3, 4, 20, 0, 0, 0, 0, 0});
        IOException refusal = assertThrows(IOException.class, () -> FashionMnist.read(file));
        assertEquals(
                file + " is a zip archive, as files of PyTorch (.pt, .pth, .bin) and NumPy (.npz) are; it must be the"
                        + " folder in which the four files of Fashion-MNIST lie",
                refusal.getMessage());
    }

    private void assertRefused(String message) {
        IOException refusal = assertThrows(IOException.class, () -> FashionMnist.read(folder));
        assertTrue(refusal.getMessage().startsWith(message), refusal.getMessage());
    }

    private static byte[] idx(int... dimensions) {
        int elements = Arrays.stream(dimensions).reduce(1, Math::multiplyExact);
        ByteBuffer bytes = ByteBuffer.allocate(4 + 4 * dimensions.length + elements);
        bytes.putInt(0x0800 + dimensions.length);
        Arrays.stream(dimensions).forEach(bytes::putInt);
        return bytes.array();
    }
}
