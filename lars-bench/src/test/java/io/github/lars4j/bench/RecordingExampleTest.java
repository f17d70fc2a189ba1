package io.github.lars4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.replay.Recording;
import io.github.lars4j.bench.replay.Replay;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The test that docs/recording.md shows, as a trainer would write it, in no room of lars-bench. */
class RecordingExampleTest {

    private static final Path RECORDINGS = Path.of("..", "lars-core", "src", "test", "resources", "recordings");

    private static void assertHolds(Path file) throws IOException {
        try (Recording recording = Recording.open(file)) {
            Replay replay = Replay.of(recording);
            assertTrue(replay.holds(), replay::toString);
        }
    }

    @Test
    void aRecordingHolds() throws IOException {
        assertHolds(RECORDINGS.resolve("timm-8.safetensors"));
    }

    @Test
    void whatIsNoRecordingFails() {
        assertThrows(IOException.class, () -> assertHolds(Path.of("pom.xml")));
    }

    @Test
    void theDocumentShowsThisCode() throws IOException {
        String document = Files.readString(Path.of("../docs/recording.md"));
        String code = document.substring(document.indexOf("```java\n") + 8);
        code = code.substring(0, code.indexOf("```"));
        String source = withoutSpace(
                Files.readString(Path.of("src/test/java/io/github/lars4j/bench/RecordingExampleTest.java")));
        List<String> pieces = Stream.of(code.split("\n\n"))
                .map(RecordingExampleTest::withoutSpace)
                .toList();
        assertEquals(2, pieces.size(), "imports and a method");
        for (String piece : pieces) {
            assertTrue(source.contains(piece), piece);
        }
    }

    private static String withoutSpace(String text) {
        return text.replaceAll("\\s+", "");
    }
}
