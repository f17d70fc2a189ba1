package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The trainer's code that the README shows is the trainer's code. */
class ReadmeExampleTest {

    private static final String SECTION = "\n## Using it in your trainer\n";

    @Test
    void everyStatementOfTheReadmeIsInTheTrainer() throws IOException {
        String readme = Files.readString(Path.of("../README.md"));
        String section = readme.substring(readme.indexOf(SECTION) + SECTION.length());
        String code = section.substring(section.indexOf("```java\n") + 8, section.indexOf("\n```\n"));
        String sources = sources();
        // Between two comments the code is of one piece.
        List<String> pieces = Stream.of(code.split("(?m)^//.*$"))
                .flatMap(piece -> Stream.of(piece.split("\n\n")))
                .map(ReadmeExampleTest::withoutSpace)
                .filter(piece -> !piece.isEmpty())
                .toList();
        assertTrue(pieces.size() > 5, "the section has code");
        assertEquals(
                List.of(),
                pieces.stream().filter(piece -> !sources.contains(piece)).toList(),
                "code that is not the trainer's");
    }

    private static String sources() throws IOException {
        try (Stream<Path> files = Files.list(Path.of("src/main/java/io/github/lars4j/bench/largebatch"))) {
            return files.sorted()
                    .map(file -> {
                        try {
                            return withoutSpace(Files.readString(file));
                        } catch (IOException e) {
                            throw new AssertionError(e);
                        }
                    })
                    .collect(Collectors.joining());
        }
    }

    private static String withoutSpace(String text) {
        return text.replaceAll("\\s+", "");
    }
}
