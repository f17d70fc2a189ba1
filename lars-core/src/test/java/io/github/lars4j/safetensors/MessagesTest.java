package io.github.lars4j.safetensors;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Messages about hostile files are short, have one line, and contain no control characters. */
class MessagesTest {

    private static String quote(String text) {
        return SafeTensorsException.quote(text);
    }

    @Test
    void quotesWhatIsPlainAndEscapesTheRest() {
        assertEquals("\"\"", quote(""));
        assertEquals("\" a~\u00e9\u4e00\"", quote(" a~\u00e9\u4e00"));
        assertEquals(
                "\"\\u001f\\u007f\\u001b\\u000a\\u0000\\u202e\\u00a0\"",
                quote("\u001f\u007f\u001b\n\u0000\u202e\u00a0"));
    }

    @Test
    void quotesEightyCharacters() {
        assertEquals("\"" + "x".repeat(80) + "\"", quote("x".repeat(80)));
        assertEquals("\"" + "x".repeat(80) + "\"... (81 chars)", quote("x".repeat(81)));
    }

    @Test
    void quotesEightDimensions() {
        assertEquals("[]", SafeTensorsException.quote(List.of()));
        assertEquals("[1, 1, 1, 1, 1, 1, 1, 1]", SafeTensorsException.quote(Collections.nCopies(8, 1L)));
        assertEquals(
                "[1, 1, 1, 1, 1, 1, 1, 1]... (9 dimensions)", SafeTensorsException.quote(Collections.nCopies(9, 1L)));
    }

    @Test
    void namesTheBytesThatATensorSpansAndTakes() {
        IllegalArgumentException thrown =
                assertThrows(IllegalArgumentException.class, () -> new TensorInfo("t", Dtype.F32, List.of(2L), 3, 10));
        assertEquals(
                "tensor \"t\": data_offsets [3, 10] span 7 bytes; shape [2] of F32 takes exactly 8",
                thrown.getMessage());
    }
}
