package io.github.lars4j.safetensors;

import static io.github.lars4j.safetensors.RawFiles.bytes;
import static io.github.lars4j.safetensors.RawFiles.entry;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Files from the tests of the reference implementation (safetensors 0.8.0, {@code tensor.rs}), and other files whose
 * result there is known. The differences between the two readers are exactly those that the package documents.
 */
class ReferenceTest {

    private static final String A = "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}";

    private static final String TEST = "{" + entry("test", "I32", "[2,2]", "[0,16]") + "}";

    private static Map<String, byte[]> accepted() {
        Map<String, byte[]> files = new LinkedHashMap<>();
        files.put("test_deserialization", bytes(TEST, new int[16]));
        files.put("test_empty_shapes_allowed", bytes("{" + entry("test", "I32", "[]", "[0,4]") + "}", 0, 0, 0, 0));
        files.put("test_zero_sized_tensor", bytes("{" + entry("test", "I32", "[2,0]", "[0, 0]") + "}"));
        files.put("test_whitespace_padded_header", bytes("{}\r \t\n"));
        files.put("test_whitespace_leading_padded_header", bytes("\t\n{}\r "));
        files.put("test_empty", bytes("{}      "));
        files.put("test_empty, with metadata", bytes("{\"__metadata__\":{\"framework\":\"pt\"}}     "));
        files.put("test_serialization_fp4", bytes("{" + entry("attn.0", "F4", "[1,2]", "[0,1]") + "}    ", 0));
        files.put("no metadata, as MLX says it", bytes("{\"__metadata__\":null," + A + "}", 1));
        files.put("U+007F", bytes("{\"__metadata__\":{\"k\":\"\u007f\"}}"));
        files.put("escapes in a key", bytes("{\"\\u005f_metadata__\":{\"k\":\"v\"}}"));
        files.put("an empty name", bytes("{" + entry("", "U8", "[1]", "[0,1]") + "}", 1));
        files.put("U+0000 in a name", bytes("{" + entry("\\u0000", "U8", "[1]", "[0,1]") + "}", 1));
        files.put(
                "tensors without elements beside one",
                bytes(
                        "{" + A + "," + entry("b", "U8", "[0]", "[0,0]") + "," + entry("c", "F32", "[0]", "[1,1]")
                                + "}",
                        1));
        files.put("a product of 0", bytes("{" + entry("a", "U8", "[0,9223372036854775807]", "[0,0]") + "}"));
        for (String dtype : List.of(
                "BOOL",
                "F4",
                "F6_E2M3",
                "F6_E3M2",
                "U8",
                "I8",
                "F8_E5M2",
                "F8_E4M3",
                "F8_E8M0",
                "F8_E4M3FNUZ",
                "F8_E5M2FNUZ",
                "I16",
                "U16",
                "F16",
                "BF16",
                "I32",
                "U32",
                "F32",
                "C64",
                "F64",
                "I64",
                "U64")) {
            int bits = dtype.equals("BOOL") ? 8 : Integer.parseInt(dtype.replaceAll("^[A-Z]+([0-9]+).*", "$1"));
            files.put(dtype, bytes("{" + entry("a", dtype, "[8]", "[0," + bits + "]") + "}", new int[bits]));
        }
        return files;
    }

    private static Map<String, byte[]> refused() {
        Map<String, byte[]> files = new LinkedHashMap<>();
        byte[] test = TEST.getBytes(StandardCharsets.UTF_8);
        StringBuilder attack = new StringBuilder("{");
        for (int i = 0; i < 10; i++) {
            attack.append(i == 0 ? "" : ",").append(entry("weight_" + i, "F32", "[2,2]", "[0,16]"));
        }
        files.put("test_json_attack", bytes(attack.append('}').toString(), new int[16]));
        files.put("test_metadata_incomplete_buffer, more", bytes(TEST, new int[16 + 34]));
        files.put("test_metadata_incomplete_buffer, less", bytes(TEST, new int[14]));
        files.put("test_header_too_large", bytes(0xffffff000000003cL, test, new int[16]));
        files.put("test_header_too_small", new byte[0]);
        files.put("test_invalid_header_length", bytes(60, new byte[0]));
        files.put("test_invalid_header_non_utf8", bytes(new byte[] {(byte) 0xff}));
        files.put("test_invalid_header_not_json", bytes("{"));
        files.put("test_invalid_info", bytes("{" + entry("test", "I32", "[2,2]", "[0, 4]") + "}"));
        files.put(
                "test_validation_overflow",
                bytes("{" + entry("test", "I32", "[2,18446744073709551614]", "[0,16]") + "}", new int[16]));
        files.put(
                "test_validation_overflow, in bits",
                bytes("{" + entry("test", "I32", "[2,9223372036854775807]", "[0,16]") + "}", new int[16]));
        files.put("F4 of 3", bytes("{" + entry("a", "F4", "[3]", "[0,2]") + "}", 1, 1));
        files.put("white space alone", bytes("        "));
        files.put("U+0000 behind it", bytes("{}\u0000"));
        files.put("a byte order mark", bytes("\ufeff{}"));
        files.put("two objects", bytes("{}{}"));
        files.put("a list", bytes("[]"));
        files.put("a comma too many", bytes("{" + A + ",}", 1));
        files.put("metadata twice", bytes("{\"__metadata__\":{},\"__metadata__\":{}}"));
        files.put("no metadata and some", bytes("{\"__metadata__\":null,\"__metadata__\":{}}"));
        files.put("no metadata twice", bytes("{\"__metadata__\":null,\"__metadata__\":null}"));
        files.put("metadata that is a list", bytes("{\"__metadata__\":[]}"));
        files.put("metadata that is text", bytes("{\"__metadata__\":\"\"}"));
        files.put("a value that is null", bytes("{\"__metadata__\":{\"k\":null}}"));
        files.put("a value that is a number", bytes("{\"__metadata__\":{\"k\":1}}"));
        files.put("half a character", bytes("{\"__metadata__\":{\"k\":\"\\ud800\"}}"));
        files.put("a control character", bytes("{\"__metadata__\":{\"k\":\"\n\"}}"));
        files.put("a tensor that is null", bytes("{\"a\":null}"));
        files.put("a shape that is null", bytes("{" + entry("a", "U8", "null", "[0,1]") + "}", 1));
        files.put(
                "a field twice",
                bytes("{" + A.replace("\"dtype\":\"U8\",", "\"dtype\":\"U8\",\"dtype\":\"U8\",") + "}", 1));
        for (String number : List.of("1.0", "1e0", "-0", "01", "+1", "\"1\"", "null")) {
            files.put("the dimension " + number, bytes("{" + entry("a", "U8", "[" + number + "]", "[0,1]") + "}", 1));
        }
        for (String offsets : List.of("[0]", "[0,1,1]", "{\"0\":0,\"1\":1}", "[1,2]", "[1,0]")) {
            files.put("the offsets " + offsets, bytes("{" + entry("a", "U8", "[1]", offsets) + "}", 1));
        }
        files.put("a dtype in small letters", bytes("{" + entry("a", "u8", "[1]", "[0,1]") + "}", 1));
        return files;
    }

    /** Returns files that the reference accepts and this reader refuses on purpose. */
    private static Map<String, byte[]> refusedHereAlone() {
        Map<String, byte[]> files = new LinkedHashMap<>();
        files.put("a name twice", bytes("{" + A + "," + A + "}", 1));
        files.put("a key of the metadata twice", bytes("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}"));
        files.put("another field", bytes("{" + A.replace("}", ",\"strides\":[1]}") + "}", 1));
        files.put("a tensor that is a list", bytes("{\"a\":[\"U8\",[1],[0,1]]}", 1));
        files.put("a dtype that is an object", bytes("{" + A.replace("\"U8\"", "{\"U8\":null}") + "}", 1));
        files.put("2^63 and none", bytes("{" + entry("a", "U8", "[9223372036854775808,0]", "[0,0]") + "}"));
        files.put("2^62, twice, and none", bytes("{" + entry("a", "U8", "[4611686018427387904,2,0]", "[0,0]") + "}"));
        return files;
    }

    private static SafeTensorsFile open(byte[] content) throws Exception {
        return SafeTensorsFile.open("f", new TricklingChannel(content, 1 << 20));
    }

    @TestFactory
    Stream<DynamicTest> whatTheReferenceReads() {
        assertEquals(37, accepted().size());
        return accepted().entrySet().stream()
                .map(file -> DynamicTest.dynamicTest(
                        file.getKey(), () -> open(file.getValue()).close()));
    }

    @TestFactory
    Stream<DynamicTest> whatTheReferenceRefuses() {
        return Stream.concat(refused().entrySet().stream(), refusedHereAlone().entrySet().stream())
                .map(file -> DynamicTest.dynamicTest(
                        file.getKey(), () -> assertThrows(SafeTensorsException.class, () -> open(file.getValue()))));
    }
}
