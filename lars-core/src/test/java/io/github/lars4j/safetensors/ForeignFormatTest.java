package io.github.lars4j.safetensors;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The messages for files of other formats. The bytes are from torch 2.13, NumPy 2.4 and h5py 3.16. */
class ForeignFormatTest {

    @TempDir
    Path folder;

    private void says(byte[] content, String what, String... python) {
        SafeTensorsException e = assertThrows(SafeTensorsException.class, () -> RawFiles.open(folder, content));
        List<String> lines = e.getMessage().lines().toList();
        assertEquals(
                folder.resolve("f.safetensors") + ": it is " + what
                        + ", not a safetensors file. In Python, this converts one that holds tensors by name:",
                lines.get(0));
        for (String line : lines.subList(1, lines.size())) {
            assertTrue(line.startsWith("  "), line);
        }
        for (String part : python) {
            assertTrue(e.getMessage().contains(part), e.getMessage());
        }
        assertEquals(3, lines.size());
    }

    private void isNotTaken(byte[] content) {
        SafeTensorsException e = assertThrows(SafeTensorsException.class, () -> RawFiles.open(folder, content));
        assertFalse(e.getMessage().contains("Python"), e.getMessage());
        assertTrue(e.getMessage().contains("header length at byte 0"), e.getMessage());
    }

    /** Returns the bytes, padded with zeros to {@code length}. */
    private static byte[] bytes(String hex, int length) {
        byte[] bytes = HexFormat.of().parseHex(hex);
        return Arrays.copyOf(bytes, Math.max(bytes.length, length));
    }

    private static byte[] zip(String hex, String firstEntry) {
        byte[] header = bytes(hex, 30);
        byte[] name = firstEntry.getBytes(StandardCharsets.ISO_8859_1);
        header[26] = (byte) name.length;
        header[27] = (byte) (name.length >> 8);
        byte[] archive = Arrays.copyOf(header, 30 + name.length + 100);
        System.arraycopy(name, 0, archive, 30, name.length);
        return archive;
    }

    @Test
    void torch() {
        String zip = "504b0304000008080000000000000000000000000000000000000000";
        for (String entry : List.of("archive/data.pkl", "", "x.npy.bak", "x".repeat(300) + ".npy")) {
            says(
                    zip(zip, entry),
                    "a zip archive, as torch.save writes (.pt, .pth, .bin)",
                    "import torch",
                    "torch.load(",
                    "from safetensors.torch import save_file");
        }
        // The older format starts with a pickle of a magic number. Later pickle protocols follow.
        for (String pickle : List.of("80028a0a6cfc9c46f920", "80049528000000000000007d", "80059528000000000000007d")) {
            for (int length : new int[] {10, 300}) {
                says(
                        bytes(pickle, length),
                        "a Python pickle, as older versions of torch.save write (.pt, .pth, .bin)",
                        "torch.load(");
            }
        }
        // This archive is too short for the name of its first entry.
        says(bytes("504b0304140000000800", 10), "a zip archive, as torch.save writes (.pt, .pth, .bin)");
    }

    @Test
    void numpy() {
        for (String entry : List.of("w.npy", ".npy", "x".repeat(222) + ".npy")) {
            says(
                    zip("504b03042d000000000000002100", entry),
                    "an archive of numpy.savez (.npz)",
                    "import numpy",
                    "dict(numpy.load(");
        }
        says(bytes("934e554d5059010076007b27", 128), "an array of numpy.save (.npy)", "numpy.load(\"in.npy\")");
    }

    @Test
    void hdf5() {
        says(bytes("894844460d0a1a0a0000", 10), "an HDF5 file (.h5, .hdf5)", "import h5py");
    }

    /** A truncated safetensors file, or one with a wrong length, is not mistaken for another format. */
    @Test
    void otherHeaderLengths() throws IOException {
        isNotTaken(bytes("8002000000000000", 20));
        isNotTaken(bytes("80048a0000000000", 20));
        isNotTaken(bytes("8001ffffffffffff", 20));
        isNotTaken(bytes("8006ffffffffffff", 20));
        isNotTaken(bytes("934e554d505a0100", 20));
        isNotTaken(bytes("894844460d0a1a0b", 20));
        isNotTaken(bytes("504b0506ffffffff", 20));
        isNotTaken("this is text and nothing else".getBytes(StandardCharsets.UTF_8));
        // The length of a header of 640 bytes has the same first bytes as a pickle.
        byte[] header = "{}".getBytes(StandardCharsets.UTF_8);
        byte[] padded = Arrays.copyOf(header, 640);
        Arrays.fill(padded, 2, 640, (byte) ' ');
        RawFiles.open(folder, RawFiles.bytes(padded)).close();
        assertEquals(0x04034b50, ZipEntry.LOCSIG, "the first four bytes of a zip archive");
    }
}
