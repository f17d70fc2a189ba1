package io.github.lars4j.site;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URLDecoder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a reader of the site meets, with the javadoc: links that lead somewhere, and nothing from other servers. */
class SiteTest {

    private static final Path REPOSITORY = Path.of("..");
    private static final Path SITE = Path.of(System.getProperty("site.folder"));
    private static final String JAVADOC = "api/";

    /** What a browser loads by itself. */
    private static final String LOADED = "link[href], script[src], img[src], source[src], iframe[src], object[data]";

    private static final Pattern ABSOLUTE = Pattern.compile("^(?:[a-z][a-z0-9+.-]*:|//).*");
    private static final Pattern LOADED_BY_STYLE = Pattern.compile("(?:url\\(|@import|href=)\\s*[\"']?(?:https?:)?//");

    @Test
    void everyLinkLeadsSomewhereAndNothingIsLoadedFromOtherServers() throws IOException {
        assertEquals(List.of(), faults(SITE));
    }

    @Test
    void faultsAreFound(@TempDir Path folder) throws IOException {
        Files.createDirectories(folder.resolve("docs"));
        Files.writeString(folder.resolve("index.html"), """
                <link rel="stylesheet" href="style.css"><script src="https://example.org/x.js"></script>
                <a href="docs/a.html#there">fine</a> <a href="https://example.org">fine</a>
                <a href="#top" id="top">fine</a>
                <a href="docs/b.html">no file</a> <a href="docs">a folder</a> <a href="docs/a.html#gone">no id</a>
                <a href="#nowhere">no id</a> <a href="/docs/a.html">fails below a folder of the server</a>
                <img src="gone.svg"><img src="//example.org/x.svg">
                """);
        Files.writeString(folder.resolve("docs/a.html"), "<h1 id='there'>A</h1><script>run()</script>");
        Files.writeString(folder.resolve("style.css"), "@import url(https://example.org/x.css)");
        assertEquals(
                List.of(
                        "docs/a.html: has a script",
                        "index.html: docs/b.html",
                        "index.html: docs",
                        "index.html: docs/a.html#gone",
                        "index.html: #nowhere",
                        "index.html: /docs/a.html",
                        "index.html: https://example.org/x.js",
                        "index.html: gone.svg",
                        "index.html: //example.org/x.svg",
                        "index.html: has a script",
                        "style.css: loads from another server"),
                faults(folder));
    }

    @Test
    void everyPageIsReachedFromTheHomePage() throws IOException {
        Map<String, Document> pages = pages(SITE);
        Set<String> reached = new HashSet<>(Set.of("index.html"));
        Deque<String> queue = new ArrayDeque<>(reached);
        while (!queue.isEmpty()) {
            String page = queue.remove();
            for (Element link : pages.get(page).select("a[href]")) {
                String target = file(page, link.attr("href"));
                if (pages.containsKey(target) && reached.add(target)) {
                    queue.add(target);
                }
            }
        }
        // The javadoc has pages that only its scripts lead to.
        assertEquals(
                List.of(),
                pages.keySet().stream()
                        .filter(page -> !page.startsWith(JAVADOC) && !reached.contains(page))
                        .toList());
        List<String> expected =
                new ArrayList<>(List.of("README.html", "CHANGELOG.html", "SECURITY.html", JAVADOC + "index.html"));
        try (Stream<Path> documents = Files.list(REPOSITORY.resolve("docs"))) {
            documents
                    .map(document -> "docs/" + document.getFileName())
                    .filter(document -> document.endsWith(".md"))
                    .forEach(document -> expected.add(document.replace(".md", ".html")));
        }
        assertEquals(
                List.of(),
                expected.stream().filter(page -> !reached.contains(page)).toList());
    }

    /** The example is the README's first one, which ReadmeTest of lars-core compiles and runs in the same build. */
    @Test
    void theExampleOfTheHomePageIsTheOneThatTrainsInATest() throws IOException {
        List<String> examples = pages(SITE).get("index.html").select("code.language-java").stream()
                .map(Element::wholeText)
                .toList();
        assertEquals(1, examples.size());
        String readme = Files.readString(REPOSITORY.resolve("README.md"));
        int begin = readme.indexOf("```java\n") + "```java\n".length();
        assertEquals(readme.substring(begin, readme.indexOf("```\n", begin)), examples.getFirst());
        String trainer =
                Files.readString(REPOSITORY.resolve("lars-core/src/test/java/io/github/lars4j/ReadmeTest.java"));
        String frame = "TRAINER = new Frame(\""
                + examples.getFirst().lines().findFirst().orElseThrow() + "\"";
        assertTrue(trainer.contains(frame), "ReadmeTest trains with this example");
    }

    private static List<String> faults(Path folder) throws IOException {
        Map<String, Document> pages = pages(folder);
        List<String> faults = new ArrayList<>();
        pages.forEach((page, html) -> {
            for (Element link : html.select("a[href]")) {
                String target = link.attr("href");
                if (!ABSOLUTE.matcher(target).matches() && !leadsSomewhere(folder, pages, page, target)) {
                    faults.add(page + ": " + target);
                }
            }
            for (Element loaded : html.select(LOADED)) {
                String target = loaded.hasAttr("href")
                        ? loaded.attr("href")
                        : loaded.hasAttr("src") ? loaded.attr("src") : loaded.attr("data");
                if (ABSOLUTE.matcher(target).matches() || !leadsSomewhere(folder, pages, page, target)) {
                    faults.add(page + ": " + target);
                }
            }
            if (!page.startsWith(JAVADOC) && html.selectFirst("script") != null) {
                faults.add(page + ": has a script");
            }
        });
        for (String file : files(folder, ".css", ".svg")) {
            if (LOADED_BY_STYLE.matcher(Files.readString(folder.resolve(file))).find()) {
                faults.add(file + ": loads from another server");
            }
        }
        return faults;
    }

    private static boolean leadsSomewhere(Path folder, Map<String, Document> pages, String page, String target) {
        String file = file(page, target);
        int hash = target.indexOf('#');
        if (hash < 0 || hash == target.length() - 1) {
            return Files.isRegularFile(folder.resolve(file));
        }
        return pages.containsKey(file) && pages.get(file).getElementById(decode(target.substring(hash + 1))) != null;
    }

    /** Returns the file that a relative link leads to, with slashes, relative to the site. */
    private static String file(String page, String target) {
        String path = decode(target.replaceFirst("[?#].*", ""));
        return path.isEmpty()
                ? page
                : Path.of(page).resolveSibling(path).normalize().toString().replace('\\', '/');
    }

    private static String decode(String text) {
        return URLDecoder.decode(text.replace("+", "%2B"), UTF_8);
    }

    private static Map<String, Document> pages(Path folder) throws IOException {
        Map<String, Document> pages = new LinkedHashMap<>();
        for (String file : files(folder, ".html")) {
            pages.put(file, Jsoup.parse(Files.readString(folder.resolve(file))));
        }
        return pages;
    }

    private static List<String> files(Path folder, String... endings) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.map(file -> folder.relativize(file).toString().replace('\\', '/'))
                    .filter(file -> Stream.of(endings).anyMatch(file::endsWith))
                    .sorted()
                    .toList();
        }
    }
}
