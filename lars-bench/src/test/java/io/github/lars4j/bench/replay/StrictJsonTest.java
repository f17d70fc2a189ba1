package io.github.lars4j.bench.replay;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.lars4j.safetensors.SafeTensorsException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StrictJsonTest {

    @Test
    void jsonIsReadAsItIs() throws Exception {
        assertEquals(
                Map.of("a\"\\/\b\f\n\r\té", List.of(0.0, -1.5e3, true, false, Map.of(), List.of(), "")),
                StrictJson.parse(
                        "", " {\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\" : [ 0 , -1.5e+3,true,false,{ },[\n],\"\"]}\t\r"));
        assertEquals(List.of(1.0, 2.0), StrictJson.parse("", "[1,2]"));
        assertEquals("a b", StrictJson.parse("", "\"a b\""));
        StrictJson.parse("", "[".repeat(8) + "1" + "]".repeat(8));
        StrictJson.parse("", "{\"a\":".repeat(8) + "1" + "}".repeat(8));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "{",
                "[1",
                "[1,]",
                "[1;2]",
                "[1]]",
                "{\"a\"}",
                "{\"a\":1,}",
                "{\"a\"=1}",
                "{'a':1}",
                "\"a",
                "'a'",
                "\"\\x\"",
                "\"\\u00g0\"",
                "\"\n\"",
                "tru",
                "fals",
                "TRUE",
                "01",
                "1.",
                "-",
                "+1",
                ".5",
                "1 2",
                "NaN",
                "Infinity",
                "nul",
                "{1:2}",
                "# no comments\n1",
                "/* none */ 1",
                ")]}'\n1"
            })
    void whatIsNoJsonIsRefused(String malformed) {
        assertThrows(SafeTensorsException.class, () -> StrictJson.parse("here", malformed));
    }

    @Test
    void whatIsRefusedIsSaidWithWhereAndWhy() {
        says("here: it is malformed at $[1]: End of input", "[1");
        says("here: it is malformed at $[1]: Unterminated array", "[1 2]");
        says("here: it is malformed at $.a[1]: null is not allowed", "{\"a\":[1,null]}");
        says("here: it is malformed at $.a: an object has key \"a\" twice", "{\"a\":1,\"a\":1}");
        says("here: it is malformed at $.a: no JSON value or token that may stand there", "{\"a\":NaN}");
        says("here: it is malformed at $[0]: JSON forbids NaN and infinities: Infinity", "[1e999]");
        says("here: it is malformed at $[0][0][0][0][0][0][0][0]: Nesting limit 8 reached", "[".repeat(9));
        says("here: it is malformed at $.a.a.a.a.a.a.a.a: Nesting limit 8 reached", "{\"a\":".repeat(9));
    }

    /** Deeper than a stack. */
    @Test
    void hugeNestingIsRefusedAsAnyOther() {
        says("here: it is malformed at $[0][0][0][0][0][0][0][0]: Nesting limit 8 reached", "[".repeat(1_000_000));
    }

    private static void says(String message, String malformed) {
        assertEquals(
                message,
                assertThrows(SafeTensorsException.class, () -> StrictJson.parse("here", malformed))
                        .getMessage());
    }
}
