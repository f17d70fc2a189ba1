package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class IdxFileTest {

    /** Two rows of three. */
    private static final byte[] GOOD =
            HexFormat.ofDelimiter(" ").parseHex("00 00 08 02 00 00 00 02 00 00 00 03 01 02 03 fd fe ff");

    /** As sha256sum prints it. */
    private static final String GOOD_SHA256 = "35d01dea591316aa301384addcb01a9d084ce59ad93d2286dc6c40bf58bfcd4e";

    @TempDir
    Path folder;

    @Test
    void readsPlainAndCompressedFilesWhateverTheirNames() throws IOException {
        Path plain = Files.write(folder.resolve("set"), GOOD);
        Path compressed = Files.write(folder.resolve("set.gz"), gzip(GOOD));
        Path unpacked = Files.write(folder.resolve("unpacked.gz"), GOOD);
        Path renamed = Files.write(folder.resolve("renamed"), gzip(GOOD));
        for (Path file : new Path[] {plain, compressed, unpacked, renamed}) {
            IdxFile idx = IdxFile.read(file);
            assertArrayEquals(new int[] {2, 3}, idx.dimensions());
            assertArrayEquals(new byte[] {1, 2, 3, -3, -2, -1}, idx.elements());
            assertEquals(GOOD_SHA256, idx.sha256());
        }
    }

    @Test
    void refusesEveryShorterFile() {
        for (int length = 0; length < GOOD.length; length++) {
            byte[] bytes = Arrays.copyOf(GOOD, length);
            IOException refusal = assertThrows(IOException.class, () -> IdxFile.parse("set", bytes), length + " bytes");
            assertTrue(refusal.getMessage().startsWith("set is damaged: "), refusal.getMessage());
        }
    }

    @Test
    void refusesWithTheReason() {
        refuses("there are 7", Arrays.copyOf(GOOD, GOOD.length + 1));
        refuses("no dimensions", changed(3, 0));
        refuses("ends within its 5 dimensions", changed(3, 5));
        refuses("dimension 0 is -", changed(4, 0x80));
        refuses("dimension 0 is 0", changed(7, 0));
        refuses("more than", changed(4, 0x7f));
        refuses("there are 6", changed(7, 3));
    }

    @Test
    void refusesDamagedCompression() throws IOException {
        byte[] compressed = gzip(GOOD);
        Path cut = Files.write(folder.resolve("cut.gz"), Arrays.copyOf(compressed, compressed.length - 4));
        assertReason("compressed data ends too early", assertThrows(IOException.class, () -> IdxFile.read(cut)));
        byte[] flipped = compressed.clone();
        flipped[flipped.length - 8] ^= 1;
        Path wrong = Files.write(folder.resolve("wrong.gz"), flipped);
        assertReason("GZIP trailer", assertThrows(IOException.class, () -> IdxFile.read(wrong)));
        for (int length = 2; length < compressed.length; length++) {
            Path shorter = Files.write(folder.resolve("shorter"), Arrays.copyOf(compressed, length));
            IOException refusal = assertThrows(IOException.class, () -> IdxFile.read(shorter));
            assertReason("compressed data ends too early", refusal);
            assertTrue(refusal.getMessage().startsWith(shorter + " is"), refusal.getMessage());
        }
    }

    @Test
    void saysWhatOtherFilesAre() throws IOException {
        says("set is no IDX file: it is a file that begins with the bytes 01 00 08 02", changed(0, 1));
        says("set is no IDX file: it is a file that begins with the bytes 00 01 08 02", changed(1, 1));
        says(
                "set is an IDX file, but not of unsigned bytes: its element type is 0x0d; it must be 0x08",
                changed(2, 0x0d));
        says("set is no IDX file: it is a gzip file", gzip(GOOD));
        says(
                "set is no IDX file: it is a page of HTML or XML, such as a server sends instead of a file",
                "<!DOCTYPE html>".getBytes(StandardCharsets.UTF_8));
        Path twice = Files.write(folder.resolve("twice.gz"), gzip(gzip(GOOD)));
        assertEquals(
                twice + " is no IDX file: it is a gzip file",
                assertThrows(IOException.class, () -> IdxFile.read(twice)).getMessage());
        assertEquals(
                folder + ": cannot be opened: it is a folder; it must be a file",
                assertThrows(IOException.class, () -> IdxFile.read(folder)).getMessage());
    }

    private static void says(String message, byte[] bytes) {
        assertEquals(
                message,
                assertThrows(IOException.class, () -> IdxFile.parse("set", bytes))
                        .getMessage());
    }

    private static void refuses(String reason, byte[] bytes) {
        assertReason(reason, assertThrows(IOException.class, () -> IdxFile.parse("set", bytes)));
    }

    private static void assertReason(String reason, IOException refusal) {
        assertTrue(refusal.getMessage().contains("is damaged: "), refusal.getMessage());
        assertTrue(refusal.getMessage().contains(reason), refusal.getMessage());
    }

    private static byte[] changed(int index, int value) {
        byte[] bytes = GOOD.clone();
        bytes[index] = (byte) value;
        return bytes;
    }

    static byte[] gzip(byte[] bytes) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(bytes);
        }
        return out.toByteArray();
    }
}
