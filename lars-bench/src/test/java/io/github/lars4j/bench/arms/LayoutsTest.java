package io.github.lars4j.bench.arms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LayoutsTest {

    @TempDir
    Path folder;

    private final List<String> notes = new ArrayList<>();

    /** As torchvision counts the parameters of its models. */
    @Test
    void networksHaveAsManyParametersAsTheModels() {
        Map<String, Long> expected = Map.of(
                "resnet50", 25_557_032L,
                "alexnet", 61_100_840L,
                "vgg16", 138_357_544L,
                "vit_b_16", 86_567_656L,
                "mobilenet_v2", 3_504_872L);
        for (String name : Layouts.NETWORKS) {
            assertEquals(expected.get(name), Layouts.named(name).end(), name);
        }
        assertEquals(161, Layouts.named("resnet50").size());
    }

    @Test
    void oneDimensionalTensorsArePlain() {
        Layers layers = Layouts.parse("list", List.of("w 3x2 6", "b 3 3"), notes::add);
        assertEquals(Treatment.FULL, layers.get(0).treatment());
        assertEquals(Treatment.PLAIN, layers.get(1).treatment());
        assertEquals(6, layers.get(1).offset());
    }

    @Test
    void uniformLayoutsAreElementsByLayers() {
        Layers layers = Layouts.named("4096x100");
        assertEquals(100, layers.size());
        assertEquals(4096, layers.get(99).length());
        assertEquals(Treatment.FULL, layers.get(99).treatment());
    }

    @Test
    void listsHaveShapesInAnyWritingAndComments() throws Exception {
        Path list = Files.writeString(folder.resolve("net.txt"), """
                # my network

                conv.weight   64x3x7x7     # the first
                fc.weight 10,64\t640
                \tout.weight [2, 5 , 1]
                one.weight [ 7 ] 7
                scale []
                fc.bias 10
                odd#name 1x1
                tuple.weight (3, 4)
                tuple.bias (5,)
                """.replace("\n", "\r\n"));
        Layers layers = Layouts.named("@" + list, notes::add);
        assertEquals(
                List.of(
                        "conv.weight [64, 3, 7, 7] 0",
                        "fc.weight [10, 64] 9408",
                        "out.weight [2, 5, 1] 10048",
                        "one.weight [7] 10058",
                        "scale [] 10065",
                        "fc.bias [10] 10066",
                        "odd#name [1, 1] 10076",
                        "tuple.weight [3, 4] 10077",
                        "tuple.bias [5] 10089"),
                described(layers));
        assertEquals(10094, layers.end());
        for (Layer layer : layers) {
            assertEquals(layer.shape().size() > 1 ? Treatment.FULL : Treatment.PLAIN, layer.treatment(), layer.name());
        }
        assertEquals(List.of(), notes);
        assertEquals(layers, Layouts.named("@" + list));
    }

    @Test
    void listsOfCountsAloneAreAdapted() throws Exception {
        Path list = Files.writeString(folder.resolve("counts.txt"), "w 9408\nb 64\n");
        Layers layers = Layouts.named("@" + list, notes::add);
        assertEquals(List.of("w [9408] 0", "b [64] 9408"), described(layers));
        layers.forEach(layer -> assertEquals(Treatment.FULL, layer.treatment(), layer.name()));
        assertEquals(1, notes.size());
        assertTrue(notes.getFirst().contains("counts alone"), notes.getFirst());

        Files.writeString(list, "w 9408\nb 64 64\n");
        Layouts.named("@" + list).forEach(layer -> assertEquals(Treatment.PLAIN, layer.treatment(), layer.name()));
    }

    @Test
    void badLinesAreNamedByNumber() {
        Map<String, String> reasons = Map.ofEntries(
                Map.entry("w", "it must be a name and a shape"),
                Map.entry("w 3x2 7", "the shape has 6 elements"),
                Map.entry("w [3, 2] 7", "the shape has 6 elements"),
                Map.entry("w 3xa 6", "it must be a name and a shape"),
                Map.entry("w 3x2 6 6", "it must be a name and a shape"),
                Map.entry("w 3, 2", "it must be a name and a shape"),
                Map.entry("w -3", "it must be a name and a shape"),
                Map.entry("w 3x", "it must be a name and a shape"),
                Map.entry("w [3 2]", "it must be a name and a shape"),
                Map.entry("w [3, 2", "it must be a name and a shape"),
                Map.entry("w 1" + "x1".repeat(40), "it must be a name and a shape"),
                Map.entry("v 3", "line 1 has that name too"),
                Map.entry("w 99999999999999999999", "99999999999999999999 is more"),
                Map.entry("w 4294967296x4294967296 0", "at most 9223372036854775807"),
                Map.entry("w 9223372036854775807", "at most 9223372036854775806"));
        reasons.forEach((line, reason) -> {
            IllegalArgumentException e = assertThrows(
                    IllegalArgumentException.class,
                    () -> Layouts.parse("list", List.of("v 1 1", "", line), notes::add),
                    line);
            String start = "list has \"" + line.substring(0, Math.min(80, line.length())) + "\"";
            assertTrue(
                    e.getMessage().startsWith(start)
                            && e.getMessage().contains(" in line 3: ")
                            && e.getMessage().contains(reason),
                    e.getMessage());
        });
        String nasty = "w \u001b[2J" + "x".repeat(100_000);
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> Layouts.parse("list", List.of(nasty), notes::add));
        assertTrue(e.getMessage().length() < 300 && e.getMessage().contains("\\u001b"), e.getMessage());
    }

    /** The parts of a line that a message repeats are quoted as the line is. */
    @Test
    void badLinesAreRepeatedWithoutControlCharactersAndOnlyInPart() {
        String nines = "9".repeat(100_000);
        String zeros = "0".repeat(100_000);
        Map<String, String> reasons = Map.of(
                "w\u001b[2J 4294967296x4294967296",
                "shape of layer \"w\\u001b[2J\" is [4294967296, 4294967296]",
                "w" + "x".repeat(100_000) + " 4294967296x4294967296",
                "xxx\"... (100001 chars) is [4294967296, 4294967296]",
                "w " + nines,
                "9".repeat(40) + "... is more than a tensor may have",
                "w 3x" + nines,
                "9".repeat(40) + "... is more than a tensor may have",
                "w 3x2 " + nines,
                "9".repeat(40) + "... is more than a tensor may have",
                "w 3x2 " + zeros + "7",
                "the shape has 6 elements, and not 7; write");
        reasons.forEach((line, reason) -> {
            IllegalArgumentException e = assertThrows(
                    IllegalArgumentException.class, () -> Layouts.parse("list", List.of(line), notes::add), reason);
            for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                String message = cause.getMessage();
                assertTrue(message.length() < 500, () -> message.length() + " characters");
                assertTrue(message.chars().noneMatch(Character::isISOControl), message);
            }
            assertTrue(e.getMessage().contains(reason), e.getMessage());
        });
    }

    /** With a time by the square of a line's length, the longest list would take days. */
    @Test
    void longLinesAreRefusedInNoTime() {
        String blanks = " ".repeat(1_000_000);
        String digits = "1".repeat(1_000_000);
        for (String line : List.of(
                "a [" + blanks + "z",
                "a [1" + blanks + "," + blanks + "z",
                "a [" + digits + blanks + "z",
                "a" + blanks + "z",
                "a " + digits + "z",
                "a 1" + blanks + digits + "z",
                "a " + "1,".repeat(1_000_000),
                digits)) {
            assertTimeoutPreemptively(
                    Duration.ofMinutes(1),
                    () -> assertThrows(
                            IllegalArgumentException.class, () -> Layouts.parse("list", List.of(line), notes::add)));
        }
    }

    @Test
    void filesThatAreNoLayoutAreRefusedInOneLine() throws Exception {
        assertRefused("missing.txt", "there is no such file");
        Files.createDirectory(folder.resolve("folder"));
        assertRefused("folder", "cannot be opened: it is a folder; it must be a file");
        Files.writeString(folder.resolve("empty.txt"), "");
        assertRefused("empty.txt", "lists no tensor");
        Files.writeString(folder.resolve("comments.txt"), "\n# w 3\n\n");
        assertRefused("comments.txt", "lists no tensor");
        Files.writeString(folder.resolve("zero.txt"), "w 0x3\nb 0\n");
        assertRefused("zero.txt", "without elements");
        Files.write(folder.resolve("latin.txt"), new byte[] {'w', (byte) 0xe4, ' ', '3', '\n', 'a', 'b', 'c', 'd'});
        assertRefused("latin.txt", "a list of tensors in UTF-8");
        Files.write(folder.resolve("short.bin"), new byte[] {1, 0});
        assertRefused("short.bin", "a layout's file is a safetensors file, or a list of tensors");
        try (FileChannel channel =
                FileChannel.open(folder.resolve("long.txt"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap("w 3 weigh".getBytes(StandardCharsets.UTF_8)));
            channel.write(ByteBuffer.allocate(1), 1L << 24);
        }
        assertRefused("long.txt", "at most 16777216 bytes");
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> Layouts.named("@a\0b"));
        assertTrue(e.getMessage().contains("that is no path"), e.getMessage());
    }

    @Test
    void otherFormatsAreNamedWithThePythonThatConvertsThem() throws Exception {
        Map<String, String> beginnings = Map.of(
                "zip.pt",
                "PK\3\4\0\0\b\b\0\0",
                "old.pth",
                "\u0080\2\u008a\nl\u00fc\u009cF\u00f9 j\u00a8P\u0019.",
                "list.npy",
                "\u0093NUMPY\1\0v\0{'descr'",
                "model.h5",
                "\u0089HDF\r\n\u001a\n\0\0");
        for (Map.Entry<String, String> beginning : beginnings.entrySet()) {
            Path file = folder.resolve(beginning.getKey());
            Files.write(file, beginning.getValue().getBytes(StandardCharsets.ISO_8859_1));
            String said = assertThrows(SafeTensorsException.class, () -> SafeTensorsFile.open(file))
                    .getMessage();
            String message = assertThrows(IllegalArgumentException.class, () -> Layouts.named("@" + file))
                    .getMessage();
            assertTrue(message.startsWith("a layout's file is a safetensors file, or a list"), message);
            assertTrue(message.endsWith("; " + said), message);
            assertTrue(message.contains("In Python, this converts"), message);
        }
    }

    private void assertRefused(String file, String reason) {
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class, () -> Layouts.named("@" + folder.resolve(file), notes::add), file);
        assertEquals(1, e.getMessage().lines().count(), e.getMessage());
        assertTrue(e.getMessage().contains(file) && e.getMessage().contains(reason), e.getMessage());
        assertEquals(List.of(), notes);
    }

    @Test
    void safetensorsGiveTheirFloatingPointTensorsInOrderOfTheData() throws Exception {
        Path file = safetensors("net.safetensors", """
                {"__metadata__": {"format": "pt"},
                 "b.bias": {"dtype": "F32", "shape": [2], "data_offsets": [20, 28]},
                 "a.weight": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
                 "bn.num_batches_tracked": {"dtype": "I64", "shape": [], "data_offsets": [8, 16]},
                 "h.weight": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [16, 20]},
                 "mask": {"dtype": "BOOL", "shape": [1], "data_offsets": [28, 29]}}""", 29);
        Layers layers = Layouts.named("@" + file, notes::add);
        assertEquals(List.of("a.weight [2, 1] 0", "h.weight [1, 2] 2", "b.bias [2] 4"), described(layers));
        assertEquals(Treatment.FULL, layers.get(1).treatment());
        assertEquals(Treatment.PLAIN, layers.get(2).treatment());
        assertEquals(
                List.of(file + ": left out as not floating point: \"bn.num_batches_tracked\" (I64) and 1 more"), notes);
    }

    @Test
    void safetensorsWithoutSuchTensorsAreRefused() throws Exception {
        Path file = safetensors("integers.safetensors", """
                {"n": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]}}""", 8);
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> Layouts.named("@" + file, notes::add));
        assertTrue(e.getMessage().contains("has no tensor of floating point"), e.getMessage());
        safetensors("cut.safetensors", """
                {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}""", 15);
        notes.clear();
        assertRefused("cut.safetensors", "15");
    }

    private Path safetensors(String name, String header, int data) throws Exception {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(8 + json.length + data).order(ByteOrder.LITTLE_ENDIAN);
        return Files.write(
                folder.resolve(name), bytes.putLong(json.length).put(json).array());
    }

    private static List<String> described(Layers layers) {
        List<String> lines = new ArrayList<>();
        layers.forEach(layer -> lines.add(layer.name() + " " + layer.shape() + " " + layer.offset()));
        return lines;
    }

    @Test
    void otherNamesAreRefusedWithTheNamesThatThereAre() {
        for (String name : List.of("resnet51", "", "0x1", "1x0", "4096x", "../alexnet", "99999999999x1")) {
            IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> Layouts.named(name), name);
            assertTrue(
                    e.getMessage().contains("\"" + name + "\"")
                            && e.getMessage().contains("resnet50"),
                    e.getMessage());
        }
    }
}
