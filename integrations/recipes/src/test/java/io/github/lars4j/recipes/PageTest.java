package io.github.lars4j.recipes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The code that docs/integrations.md shows is the code of these tests, apart from white space. */
class PageTest {

    private static final Pattern BLOCK = Pattern.compile("(?ms)^```(java|kotlin|scala)\\n(.*?)^```$");
    private static final Pattern VERSION = Pattern.compile("<(\\w+)\\.version>([^<$]+)</");

    private final String page;

    PageTest() throws IOException {
        page = Files.readString(Path.of("../../docs/integrations.md"));
    }

    @Test
    void everyBlockIsRun() throws IOException {
        String sources;
        try (Stream<Path> files = Files.walk(Path.of("src/test"))) {
            sources = files.filter(Files::isRegularFile)
                    .map(file -> withoutSpace(read(file)))
                    .collect(Collectors.joining());
        }
        List<String> blocks =
                BLOCK.matcher(page).results().map(block -> block.group(2)).toList();
        assertTrue(blocks.size() >= 11, () -> "the page has " + blocks.size() + " blocks of code");
        assertEquals(
                List.of(),
                blocks.stream()
                        .filter(block -> !sources.contains(withoutSpace(block)))
                        .toList(),
                "code that no test runs");
    }

    @Test
    void versionsAreThoseOfTheBuild() throws IOException {
        List<MatchResult> versions =
                VERSION.matcher(Files.readString(Path.of("pom.xml"))).results().toList();
        assertTrue(versions.size() > 5);
        for (MatchResult version : versions) {
            assertTrue(page.contains(version.group(2)), version::group);
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String withoutSpace(String text) {
        return text.replaceAll("\\s+", "");
    }
}
