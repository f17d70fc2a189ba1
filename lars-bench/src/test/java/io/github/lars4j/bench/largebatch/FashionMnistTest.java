package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FashionMnistTest {

    private static final byte[] OTHER = {0, 0, 8, 1, 0, 0, 0, 1, 5};

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
        Path compressed = Files.write(folder.resolve("train-images-idx3-ubyte.gz"), IdxFileTest.gzip(OTHER));
        IOException refusal = assertThrows(IOException.class, () -> FashionMnist.read(folder));
        assertTrue(
                refusal.getMessage().startsWith(compressed + " is not the file of Fashion-MNIST"),
                refusal.getMessage());
        Path plain = Files.write(folder.resolve("train-images-idx3-ubyte"), OTHER);
        refusal = assertThrows(IOException.class, () -> FashionMnist.read(folder));
        assertTrue(refusal.getMessage().startsWith(plain + " is not the file of Fashion-MNIST"), refusal.getMessage());
    }
}
