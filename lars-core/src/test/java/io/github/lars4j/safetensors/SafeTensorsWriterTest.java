package io.github.lars4j.safetensors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class SafeTensorsWriterTest {

    private static byte[] write(SafeTensorsWriter writer) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        writer.writeTo(Channels.newChannel(out));
        assertEquals(out.size(), writer.size());
        return out.toByteArray();
    }

    private static SafeTensorsFile read(byte[] content) throws IOException {
        return SafeTensorsFile.open("written", new TricklingChannel(content, 1 << 20));
    }

    @Test
    void writesTheseBytes() throws Exception {
        SafeTensorsWriter writer = new SafeTensorsWriter()
                .bytes("m", Dtype.BOOL, List.of(3L), new byte[] {9, 1, 0, 1}, 1)
                .floats("w\u00e9", List.of(1L, 2L), new float[] {9, 1, -2, 9}, 1)
                .metadata("z", "\"\\/\u0001\n ")
                .doubles("d", List.of(), new double[] {1}, 0)
                .metadata("a", "\u20ac");
        String header = "{\"__metadata__\":{\"a\":\"\u20ac\",\"z\":\"\\\"\\\\/\\u0001\\n \"},"
                + "\"d\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},"
                + "\"w\u00e9\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[8,16]},"
                + "\"m\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[16,19]}}";
        String hex = "d800000000000000" // 216
                + HexFormat.of().formatHex(header.getBytes(StandardCharsets.UTF_8))
                + "20" // 215 bytes up to here
                + "000000000000f03f" // 1.0
                + "0000803f" + "000000c0" // 1.0f, -2.0f
                + "010001";
        assertEquals(hex, HexFormat.of().formatHex(write(writer)));
    }

    @Test
    void writesAnEmptyFile() throws Exception {
        assertEquals("0800000000000000" + "7b7d202020202020", HexFormat.of().formatHex(write(new SafeTensorsWriter())));
        assertEquals(
                "2800000000000000"
                        + HexFormat.of()
                                .formatHex("{\"__metadata__\":{\"framework\":\"pt\"}}     "
                                        .getBytes(StandardCharsets.UTF_8)),
                HexFormat.of().formatHex(write(new SafeTensorsWriter().metadata("framework", "pt"))));
    }

    @Test
    void writesTheSameBytesAgainAndInAnyOrderOfMetadata() throws Exception {
        float[] data = {1, 2};
        SafeTensorsWriter one =
                new SafeTensorsWriter().metadata("a", "old").metadata("b", "2").floats("t", List.of(2L), data, 0);
        SafeTensorsWriter two = new SafeTensorsWriter()
                .floats("t", List.of(2L), data, 0)
                .metadata("b", "2")
                .metadata("a", "1");
        one.metadata("a", "1");
        byte[] bytes = write(one);
        assertArrayEquals(bytes, write(one));
        assertArrayEquals(bytes, write(two));
    }

    @Test
    void whatIsReadIsWhatWasWritten() throws Exception {
        Random random = new Random(42);
        for (int round = 0; round < 200; round++) {
            SafeTensorsWriter writer = new SafeTensorsWriter();
            List<TensorInfo> infos = new ArrayList<>();
            List<byte[]> contents = new ArrayList<>();
            for (int t = random.nextInt(6); t > 0; t--) {
                Dtype dtype = Dtype.values()[random.nextInt(Dtype.values().length)];
                // The last dimension makes the packed types fill whole bytes.
                List<Long> shape = List.of((long) random.nextInt(4), 1L + random.nextInt(3), 4L);
                long elements = shape.get(0) * shape.get(1) * shape.get(2);
                String name = t + randomString(random);
                infos.add(new TensorInfo(name, dtype, shape, 0, elements * dtype.bitSize() / 8));
                byte[] content = new byte[(int) (elements * dtype.bitSize() / 8)];
                random.nextBytes(content);
                contents.add(content);
                writer.bytes(name, dtype, shape, content, 0);
            }
            String value = randomString(random);
            writer.metadata(value, value);
            try (SafeTensorsFile file = read(write(writer))) {
                assertEquals(value, file.metadata().get(value));
                assertEquals(infos.size(), file.tensors().size());
                assertEquals(0, file.dataStart() % 8);
                for (int t = 0; t < infos.size(); t++) {
                    TensorInfo expected = infos.get(t);
                    TensorInfo actual = file.tensors().get(expected.name());
                    assertEquals(expected.dtype(), actual.dtype());
                    assertEquals(expected.shape(), actual.shape());
                    assertEquals(
                            0, actual.begin() % Math.ceilDiv(expected.dtype().bitSize(), 8));
                    byte[] bytes = new byte[contents.get(t).length];
                    file.readBytes(expected.name(), bytes, 0);
                    assertArrayEquals(contents.get(t), bytes);
                }
            }
        }
    }

    private static String randomString(Random random) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(8); i > 0; i--) {
            int codePoint = random.nextInt(3) == 0 ? random.nextInt(0x110000) : random.nextInt(0x80);
            text.appendCodePoint(codePoint >= 0xd800 && codePoint < 0xe000 ? '\\' : codePoint);
        }
        return text.toString();
    }

    @Test
    void keepsTheBitsOfFloatsAndDoublesAcrossChunks() throws Exception {
        Random random = new Random(7);
        int count = 3 * (1 << 13) + 5;
        float[] floats = new float[count + 2];
        double[] doubles = new double[count + 2];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = Float.intBitsToFloat(random.nextInt());
            doubles[i] = Double.longBitsToDouble(random.nextLong());
        }
        floats[1] = Float.intBitsToFloat(0x7f800001);
        doubles[1] = Double.longBitsToDouble(0xfff0000000000001L);
        floats[2] = -0.0f;
        doubles[2] = Double.MIN_VALUE;
        byte[] content = write(new SafeTensorsWriter()
                .floats("f", List.of((long) count), floats, 1)
                .doubles("d", List.of((long) count), doubles, 1));
        try (SafeTensorsFile file = read(content)) {
            float[] readFloats = new float[count];
            double[] readDoubles = new double[count];
            file.readFloats("f", readFloats, 0);
            file.readDoubles("d", readDoubles, 0);
            for (int i = 0; i < count; i++) {
                assertEquals(Float.floatToRawIntBits(floats[1 + i]), Float.floatToRawIntBits(readFloats[i]));
                assertEquals(Double.doubleToRawLongBits(doubles[1 + i]), Double.doubleToRawLongBits(readDoubles[i]));
            }
        }
    }

    @Test
    void keepsBytesAcrossChunks() throws Exception {
        byte[] data = new byte[200_001];
        new Random(3).nextBytes(data);
        SafeTensorsWriter writer = new SafeTensorsWriter().bytes("b", Dtype.U8, List.of(200_000L), data, 1);
        try (SafeTensorsFile file = read(write(writer))) {
            byte[] back = new byte[200_000];
            file.readBytes("b", back, 0);
            assertArrayEquals(Arrays.copyOfRange(data, 1, data.length), back);
        }
    }

    @Test
    void writesLargerElementsFirstAndOthersAsGiven() throws Exception {
        byte[] data = new byte[16];
        byte[] content = write(new SafeTensorsWriter()
                .bytes("u8", Dtype.U8, List.of(3L), data, 0)
                .bytes("f4", Dtype.F4, List.of(2L), data, 0)
                .bytes("f32", Dtype.F32, List.of(1L), data, 0)
                .bytes("i64", Dtype.I64, List.of(1L), data, 0)
                .bytes("i32", Dtype.I32, List.of(1L), data, 0)
                .bytes("bf16", Dtype.BF16, List.of(1L), data, 0)
                .bytes("f64", Dtype.F64, List.of(1L), data, 0));
        try (SafeTensorsFile file = read(content)) {
            assertEquals(
                    List.of("i64", "f64", "f32", "i32", "bf16", "u8", "f4"),
                    List.copyOf(file.tensors().keySet()));
        }
    }

    @Test
    void goesOnAfterShortWrites() throws Exception {
        SafeTensorsWriter writer = new SafeTensorsWriter()
                .metadata("k", "v")
                .floats("t", List.of(3L), new float[] {1, 2, 3}, 0)
                .bytes("b", Dtype.U8, List.of(3L), new byte[] {4, 5, 6}, 0);
        byte[] expected = write(writer);
        for (int most = 1; most < 10; most++) {
            TricklingChannel channel = new TricklingChannel(new byte[0], most);
            writer.writeTo(channel);
            assertArrayEquals(expected, channel.content());
            assertTrue(channel.isOpen());
        }
    }

    @Test
    void givesUpOnAChannelThatTakesNothing() {
        IOException e = assertThrows(IOException.class, () -> new SafeTensorsWriter().writeTo(new FullChannel()));
        assertTrue(e.getMessage().contains("took 0 of 8 bytes"), e.getMessage());
    }

    @Test
    void refusesBadArguments() {
        SafeTensorsWriter writer = new SafeTensorsWriter().floats("t", List.of(1L), new float[1], 0);
        float[] four = new float[4];
        refuses("name is \"t\"; it must be a name that", () -> writer.floats("t", List.of(1L), four, 0));
        refuses(
                "name is \"__metadata__\"; it must be a name that",
                () -> writer.floats("__metadata__", List.of(1L), four, 0));
        refuses("name is \"\\ud800\"; it must not contain", () -> writer.floats("\ud800", List.of(1L), four, 0));
        refuses("key is \"\\udc00\"; it must not contain", () -> writer.metadata("\udc00", ""));
        refuses("value is \"\\ud800a\"; it must not contain", () -> writer.metadata("", "\ud800a"));
        refuses("data.length is 4; it must be 5", () -> writer.floats("u", List.of(5L), four, 0));
        refuses("data.length is 4; it must be 5", () -> writer.doubles("u", List.of(5L), new double[4], 0));
        refuses("data.length is 7; it must be 8", () -> writer.bytes("u", Dtype.I64, List.of(), new byte[7], 0));
        refuses("offset is 1; it must be in [0, 0]", () -> writer.floats("u", List.of(4L), four, 1));
        refuses("offset is -1; it must be in [0, 4]", () -> writer.floats("u", List.of(0L), four, -1));
        refuses("dimension -1; it must be in [0, ", () -> writer.floats("u", List.of(-1L, -1L), four, 0));
        refuses("overflows", () -> writer.floats("u", List.of(1L << 32, 1L << 32), four, 0));
        refuses("it must take a multiple of 8", () -> writer.bytes("u", Dtype.F4, List.of(1L), new byte[4], 0));
        assertThrows(NullPointerException.class, () -> writer.floats(null, List.of(1L), four, 0));
        assertThrows(NullPointerException.class, () -> writer.floats("u", null, four, 0));
        assertThrows(NullPointerException.class, () -> writer.metadata("k", null));
        assertEquals(8 + 56 + 4, writer.size(), "a refused tensor is not added");
    }

    private static void refuses(String message, Executable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call);
        assertTrue(e.getMessage().contains(message), e.getMessage());
    }

    @Test
    void refusesAHeaderThatNoReaderTakes() {
        // {"__metadata__":{"k":"..."}} has 25 bytes without the value.
        SafeTensorsWriter writer = new SafeTensorsWriter().metadata("k", "x".repeat(100_000_000 - 25 + 1));
        TricklingChannel channel = new TricklingChannel(new byte[0], 1 << 20);
        IllegalStateException e = assertThrows(IllegalStateException.class, () -> writer.writeTo(channel));
        assertTrue(e.getMessage().contains("has 100000001 bytes; it must have at most 100000000"), e.getMessage());
        assertEquals(0, channel.size());
    }
}
