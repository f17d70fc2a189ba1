package io.github.lars4j.safetensors;

import static io.github.lars4j.safetensors.RawFiles.entry;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class HeaderJsonTest {
    private static final String U8 = "{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}";

    private static Header parse(String json) throws SafeTensorsException {
        return HeaderJson.parse(json.getBytes(StandardCharsets.UTF_8));
    }

    private static String metadata(String body) {
        return "{\"__metadata__\":{" + body + "}}";
    }

    @Test
    void readsTensorsAndMetadataInTheHeadersOrder() throws Exception {
        Header header = parse("{" + entry("z", "F32", "[2,3]", "[8,32]")
                + ",\"__metadata__\":{\"y\":\"1\",\"x\":\"2\"}," + entry("a", "I64", "[]", "[0,8]") + "}");
        assertEquals(
                List.of(
                        new TensorInfo("z", Dtype.F32, List.of(2L, 3L), 8, 32),
                        new TensorInfo("a", Dtype.I64, List.of(), 0, 8)),
                List.copyOf(header.tensors().values()));
        assertEquals(List.of("z", "a"), List.copyOf(header.tensors().keySet()));
        assertEquals(
                List.of(Map.entry("y", "1"), Map.entry("x", "2")),
                List.copyOf(header.metadata().entrySet()));
    }

    @Test
    void takesWhiteSpaceBetweenTokensAndSpacesAtTheEnd() throws Exception {
        Header header = parse("{ \"a\"\t:\n{\r\"data_offsets\" : [ 0 , 1 ] , \"shape\" : [ 1 ] , \"dtype\" : \"U8\" } ,"
                + " \"__metadata__\" : { \"k\" : \"v\" , \"l\" : \"w\" } , \"e\" : {\"dtype\":\"U8\",\"shape\":[ 0 ],"
                + "\"data_offsets\":[1,1]} }   ");
        assertEquals(List.of("a", "e"), List.copyOf(header.tensors().keySet()));
        assertEquals(Map.of("k", "v", "l", "w"), header.metadata());
    }

    /**
     * Some writers pad the header; the reference tests this in {@code test_whitespace_padded_header} and its
     * counterpart.
     */
    @Test
    void takesWhiteSpaceOnEitherSide() throws Exception {
        assertEquals(new Header(Map.of(), Map.of()), parse("{}\r \t\n"));
        assertEquals(new Header(Map.of(), Map.of()), parse("\t\n{}\r "));
    }

    /** MLX writes this. */
    @Test
    void takesNullForNoMetadata() throws Exception {
        assertEquals(new Header(Map.of(), Map.of()), parse("{\"__metadata__\":null}"));
        Header header = parse("{\"__metadata__\" : null , " + entry("a", "U8", "[1]", "[0,1]") + "}");
        assertEquals(Map.of(), header.metadata());
        assertEquals(List.of("a"), List.copyOf(header.tensors().keySet()));
    }

    @Test
    void takesEmptyObjects() throws Exception {
        assertEquals(new Header(Map.of(), Map.of()), parse("{}"));
        assertEquals(new Header(Map.of(), Map.of()), parse("{ }"));
        assertEquals(new Header(Map.of(), Map.of()), parse("{\"__metadata__\":{}}"));
    }

    @Test
    void unescapesStrings() throws Exception {
        Map<String, String> expected = new LinkedHashMap<>();
        expected.put("\"\\/\b\f\n\r\t", "");
        expected.put("", "\u0000\u001f\u007f\u00e9\u20ac\uffff");
        expected.put("raw", "\u00e9\u20ac\ud83d\ude00\uffff\u2028");
        expected.put("pair", "\ud83d\ude00\ud800\udc00\udbff\udfff");
        assertEquals(
                expected,
                parse(metadata(
                                "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\":\"\"," // every short escape
                                        + "\"\":\"\\u0000\\u001f\\u007F\\u00e9\\u20AC\\uffff\","
                                        + "\"raw\":\"\u00e9\u20ac\ud83d\ude00\uffff\u2028\","
                                        + "\"pair\":\"\\ud83d\\ude00\\uD800\\uDC00\\udbff\\udfff\""))
                        .metadata());
    }

    @Test
    void decodesStringsLongerThanItsBuffer() throws Exception {
        for (int length = 1020; length < 1030; length++) {
            String text = "a".repeat(length) + "\ud83d\ude00".repeat(length);
            assertEquals(
                    Map.of("k", text), parse(metadata("\"k\":\"" + text + "\"")).metadata());
        }
    }

    @Test
    void readsEveryDtypeThatItKnows() throws Exception {
        for (Dtype dtype : Dtype.values()) {
            // 8 elements take as many bytes as one element takes bits.
            String offsets = "[0," + dtype.bitSize() + "]";
            TensorInfo tensor = parse("{" + entry("t", dtype.name(), "[8]", offsets) + "}")
                    .tensors()
                    .get("t");
            assertEquals(dtype, tensor.dtype());
            assertEquals(8, tensor.elementCount());
            assertEquals(dtype.bitSize(), tensor.byteLength());
        }
    }

    @Test
    void readsTheLargestNumbers() throws Exception {
        TensorInfo tensor = parse("{"
                        + entry("t", "U8", "[0,9223372036854775807]", "[9223372036854775807," + "9223372036854775807]")
                        + "}")
                .tensors()
                .get("t");
        assertEquals(List.of(0L, Long.MAX_VALUE), tensor.shape());
        assertEquals(Long.MAX_VALUE, tensor.begin());
    }

    @TestFactory
    Stream<DynamicTest> refuses() {
        Map<String, String> hostile = new LinkedHashMap<>();
        hostile.put("", "byte 8 ");
        hostile.put(" ", "expected '{', found the header's end");
        hostile.put("\u00a0{}", "byte 8 of the file: expected '{', found byte 0xc2");
        hostile.put("\f{}", "byte 8 of the file: expected '{', found byte 0x0c");
        hostile.put("[]", "byte 8 ");
        hostile.put("null", "expected '{', found 'n'");
        hostile.put("\ufeff{}", "found byte 0xef");
        hostile.put("{", "the header's end");
        hostile.put("{}{}", "only white space");
        hostile.put("{}\f", "only white space");
        hostile.put("{}\u0000", "byte 0x00");
        hostile.put("{}\u007f", "byte 0x7f");
        hostile.put("{}!", "found '!'");
        hostile.put("{}~", "found '~'");
        hostile.put("{}\u007f", "found byte 0x7f");
        hostile.put("{\"\\ \":1}", "found byte 0x20");
        hostile.put("{\"__metadata__\":{} \"a\":1}", "found '\"'");
        hostile.put("{,}", "a tensor name");
        hostile.put("{1:" + U8 + "}", "a tensor name");
        hostile.put("{\"a\"" + U8 + "}", "expected ':'");
        hostile.put("{\"a\":" + U8 + ",}", "a tensor name");
        hostile.put("{\"a\":" + U8 + " \"b\":" + U8 + "}", "expected ',' or '}'");
        hostile.put("{\"a\":" + U8, "',' or '}', found the header's end");
        hostile.put("{\"a\":null}", "expected '{'");
        hostile.put("{\"a\":{}}", "no \"dtype\"");
        hostile.put("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", "no \"shape\"");
        hostile.put("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", "no \"data_offsets\"");
        hostile.put("{\"a\":{\"dtype\":8,\"shape\":[1],\"data_offsets\":[0,1]}}", "a dtype, which is a string");
        hostile.put("{\"a\":[\"U8\",[1],[0,1]]}", "expected '{'");
        // duplicates at every level, with and without escapes
        hostile.put("{\"a\":" + U8 + ",\"a\":" + U8 + "}", "key \"a\" occurs twice");
        hostile.put("{\"a\":" + U8 + ",\"\\u0061\":" + U8 + "}", "key \"a\" occurs twice");
        hostile.put("{\"__metadata__\":{},\"__metadata__\":{}}", "key \"__metadata__\" occurs twice");
        hostile.put(metadata("\"k\":\"1\",\"k\":\"2\""), "key \"k\" occurs twice");
        hostile.put("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", "key \"dtype\" occurs twice");
        hostile.put("{\"a\":{\"shape\":[],\"shape\":[]}}", "key \"shape\" occurs twice");
        hostile.put("{\"a\":{\"data_offsets\":[],\"data_offsets\":[]}}", "key \"data_offsets\" occurs twice");
        // fields
        hostile.put("{\"a\":{\"strides\":[1]}}", "field is \"strides\"");
        hostile.put("{" + entry("a", "F128", "[1]", "[0,16]") + "}", "dtype is \"F128\"");
        hostile.put("{" + entry("a", "f32", "[1]", "[0,4]") + "}", "dtype is \"f32\"");
        hostile.put("{" + entry("a", "U8", "[1]", "[0]") + "}", "data_offsets has 1 numbers");
        hostile.put("{" + entry("a", "U8", "[1]", "[0,1,1]") + "}", "data_offsets has 3 numbers");
        hostile.put("{" + entry("a", "U8", "1", "[0,1]") + "}", "expected '['");
        hostile.put("{" + entry("a", "U8", "{}", "[0,1]") + "}", "expected '['");
        hostile.put("{" + entry("a", "U8", "[1:", "[0,1]") + "}", "',' or ']'");
        hostile.put("{" + entry("a", "U8", "[1,]", "[0,1]") + "}", "a dimension");
        // numbers
        hostile.put("{" + entry("a", "U8", "[-1]", "[0,1]") + "}", "a dimension, a plain integer in 0 to");
        hostile.put("{" + entry("a", "U8", "[-0]", "[0,0]") + "}", "a dimension, a plain integer in 0 to");
        hostile.put("{" + entry("a", "U8", "[+1]", "[0,1]") + "}", "a dimension, a plain integer in 0 to");
        hostile.put("{" + entry("a", "U8", "[01]", "[0,1]") + "}", "begins with a 0");
        hostile.put("{" + entry("a", "U8", "[00]", "[0,0]") + "}", "begins with a 0");
        hostile.put("{" + entry("a", "U8", "[1.0]", "[0,1]") + "}", "without fraction and exponent");
        hostile.put("{" + entry("a", "U8", "[1e0]", "[0,1]") + "}", "without fraction and exponent");
        hostile.put("{" + entry("a", "U8", "[1E0]", "[0,1]") + "}", "without fraction and exponent");
        hostile.put("{" + entry("a", "U8", "[0x1]", "[0,1]") + "}", "',' or ']', found 'x'");
        hostile.put("{" + entry("a", "U8", "[\"1\"]", "[0,1]") + "}", "a dimension, a plain integer in 0 to");
        hostile.put("{" + entry("a", "U8", "[NaN]", "[0,1]") + "}", "a dimension, a plain integer in 0 to");
        hostile.put("{" + entry("a", "U8", "[9223372036854775808]", "[0,1]") + "}", "a dimension is too large");
        hostile.put("{" + entry("a", "U8", "[1]", "[0,18446744073709551617]") + "}", "a data offset is too large");
        // parts of a tensor that contradict each other
        hostile.put("{" + entry("a", "U8", "[1]", "[1,0]") + "}", "data_offsets is [1, 0]");
        hostile.put("{" + entry("a", "F32", "[2]", "[0,4]") + "}", "takes exactly 8");
        hostile.put("{" + entry("a", "F32", "[]", "[0,0]") + "}", "takes exactly 4");
        hostile.put("{" + entry("a", "F32", "[0]", "[0,4]") + "}", "takes exactly 0");
        hostile.put("{" + entry("a", "F4", "[3]", "[0,2]") + "}", "takes 12 bits; it must take a multiple of 8");
        hostile.put("{" + entry("a", "U8", "[4294967296,4294967296]", "[0,0]") + "}", "overflows");
        hostile.put("{" + entry("a", "F64", "[2305843009213693952]", "[0,0]") + "}", "overflows");
        hostile.put("{" + entry("a", "U8", "[4294967296,4294967296,0]", "[0,0]") + "}", "overflows");
        // nesting
        hostile.put("{\"__metadata__\":{\"k\":{}}}", "a metadata value, which is a string");
        hostile.put("{\"__metadata__\":nul}", "expected 'l', found '}'");
        hostile.put("{\"__metadata__\":nulll}", "expected ',' or '}', found 'l'");
        hostile.put("{\"__metadata__\":NULL}", "expected '{', found 'N'");
        hostile.put("{\"__metadata__\":[]}", "expected '{', found '['");
        hostile.put("{\"__metadata__\":\"\"}", "expected '{', found '\"'");
        hostile.put("{\"__metadata__\":null,\"__metadata__\":{}}", "key \"__metadata__\" occurs twice");
        hostile.put("{\"__metadata__\":null,\"__metadata__\":null}", "key \"__metadata__\" occurs twice");
        hostile.put(metadata("\"k\":null"), "a metadata value, which is a string");
        hostile.put(metadata("\"k\":1"), "a metadata value, which is a string");
        hostile.put("{" + entry("a", "U8", "[[1]]", "[0,1]") + "}", "a dimension, a plain integer in 0 to");
        hostile.put("{\"a\":".repeat(100_000), "field is \"a\"");
        hostile.put("[".repeat(100_000), "expected '{'");
        hostile.put("{\"a\":{\"shape\":" + "[".repeat(100_000), "a dimension, a plain integer in 0 to");
        // strings
        hostile.put(metadata("\"k\":\"\n\""), "found byte 0x0a");
        hostile.put(metadata("\"k\":\"\u0000\""), "found byte 0x00");
        hostile.put(metadata("\"k\":\"\\x\""), "after '\\'");
        hostile.put(metadata("\"k\":\"\\U0041\""), "after '\\'");
        hostile.put(metadata("\"k\":\"\\u004\""), "4 hexadecimal digits");
        hostile.put(metadata("\"k\":\"\\u00g0\""), "4 hexadecimal digits");
        hostile.put(metadata("\"k\":\"\\u\uff11\""), "4 hexadecimal digits");
        hostile.put("{\"\\u00", "4 hexadecimal digits, found the header's end");
        hostile.put("{\"\\", "after '\\', found the header's end");
        hostile.put("{\"a", "found the header's end");
        for (String lone : List.of(
                "\\ud800", "\\udc00", "\\ud800\\ud800", "\\ud800\\u0041", "\\ud800A", "\\ud800\\n", "\\udc00\\ud800")) {
            hostile.put(metadata("\"k\":\"" + lone + "\""), "a surrogate is unpaired");
        }
        List<DynamicTest> tests = new ArrayList<>();
        hostile.forEach((json, message) -> tests.add(DynamicTest.dynamicTest(SafeTensorsException.quote(json), () -> {
            SafeTensorsException e = assertThrows(SafeTensorsException.class, () -> parse(json));
            assertTrue(e.getMessage().contains(message), e.getMessage());
            assertTrue(e.getMessage().contains("at byte "), e.getMessage());
            assertTrue(e.getMessage().length() < 500, e.getMessage());
        })));
        return tests.stream();
    }

    @Test
    void namesTheByteAndTheTensor() {
        String json = "{" + entry("a", "U8", "[1]", "[0,1]") + "," + entry("conv.weight", "F9", "[1]", "[0,1]") + "}";
        SafeTensorsException e = assertThrows(SafeTensorsException.class, () -> parse(json));
        assertTrue(
                e.getMessage()
                        .startsWith(
                                "header, at byte " + (8 + json.indexOf("\"F9\""))
                                        + " of the file: tensor \"conv.weight\": dtype is \"F9\"; it must be one of [BOOL, U8,"),
                e.getMessage());
    }

    @Test
    void refusesWhatIsNotUtf8() {
        int[][] malformed = {
            {0x80}, // a continuation byte without a start byte
            {0xc3}, // a start byte without its continuation
            {0xc0, 0x80}, // U+0000 in two bytes
            {0xe0, 0x80, 0x80}, // U+0000 in three bytes
            {0xed, 0xa0, 0x80}, // a surrogate
            {0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80}, // a pair of surrogates
            {0xf4, 0x90, 0x80, 0x80}, // past U+10FFFF
            {0xf8, 0x88, 0x80, 0x80, 0x80},
            {0xff}
        };
        byte[] before = "{\"__metadata__\":{\"k\":\"ok".getBytes(StandardCharsets.UTF_8);
        for (int[] bytes : malformed) {
            for (String after : List.of("\"}}", "\\n\"}}", "")) {
                ByteArrayOutputStream json = new ByteArrayOutputStream();
                json.writeBytes(before);
                for (int b : bytes) {
                    json.write(b);
                }
                json.writeBytes(after.getBytes(StandardCharsets.UTF_8));
                SafeTensorsException e =
                        assertThrows(SafeTensorsException.class, () -> HeaderJson.parse(json.toByteArray()));
                if (!after.isEmpty()) {
                    assertTrue(e.getMessage().contains("at byte " + (8 + before.length)), e.getMessage());
                }
            }
        }
    }

    @Test
    void takesLinearTimeForManyCollidingNames() {
        // "Aa" and "BB" have the same hash code, and so have all of these names.
        StringBuilder json = new StringBuilder("{\"__metadata__\":{");
        int bits = 17;
        for (int i = 0; i < 1 << bits; i++) {
            json.append(i == 0 ? "\"" : ",\"");
            for (int bit = 0; bit < bits; bit++) {
                json.append((i >> bit & 1) == 0 ? "Aa" : "BB");
            }
            json.append("\":\"\"");
        }
        Header header = Assertions.assertTimeoutPreemptively(
                Duration.ofSeconds(60), () -> parse(json.append("}}").toString()));
        assertEquals(1 << bits, header.metadata().size());
    }

    @Test
    @Tag("no-mutants")
    void randomChangesGiveAHeaderOrTheOneException() {
        String valid = "{\"__metadata__\":{\"k\\u00e9\":\"v\\ud83d\\ude00\"},"
                + entry("w\u00e9", "F32", "[2,3]", "[0,24]") + "," + entry("b", "U8", "[]", "[24,25]") + "}  ";
        byte[] original = valid.getBytes(StandardCharsets.UTF_8);
        byte[] likely = "{}[]\",:\\u0123456789dDeE.-+ \n\u00e9\ud83d\ude00".getBytes(StandardCharsets.UTF_8);
        Random random = new Random(20240607);
        int accepted = 0;
        for (int i = 0; i < 200_000; i++) {
            byte[] json = original.clone();
            for (int changes = 1 + random.nextInt(3); changes > 0; changes--) {
                json[random.nextInt(json.length)] = likely[random.nextInt(likely.length)];
            }
            try {
                for (TensorInfo tensor : HeaderJson.parse(json).tensors().values()) {
                    long elements = 1;
                    for (long dimension : tensor.shape()) {
                        elements = Math.multiplyExact(elements, dimension);
                    }
                    assertEquals(
                            tensor.end() - tensor.begin(),
                            elements * tensor.dtype().bitSize() / 8);
                }
                accepted++;
            } catch (SafeTensorsException e) {
                assertTrue(e.getMessage().contains("at byte "), e.getMessage());
            }
        }
        assertTrue(accepted > 1000, accepted + " of the changed headers were valid");
    }
}
