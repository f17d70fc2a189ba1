package io.github.lars4j.bench.command;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class ProgressTest {

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    private String said(boolean inPlace) {
        PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        Progress progress = new Progress(out, inPlace);
        progress.end();
        progress.show("abc");
        progress.show("d");
        progress.show("ef");
        progress.end();
        progress.end();
        out.print("c");
        return bytes.toString(StandardCharsets.UTF_8).replace(System.lineSeparator(), "\n");
    }

    @Test
    void isLinesWhereTheOutputIsAFile() {
        assertEquals("abc\nd\nef\nc", said(false));
    }

    @Test
    void isOneLineWrittenAnewOnATerminal() {
        assertEquals("\rabc\rd  \ref\nc", said(true));
    }
}
