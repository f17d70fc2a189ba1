package io.github.lars4j.site;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.commonmark.Extension;
import org.commonmark.ext.gfm.tables.TablesExtension;
import org.commonmark.ext.heading.anchor.HeadingAnchorExtension;
import org.commonmark.node.Node;
import org.commonmark.node.SourceSpan;
import org.commonmark.parser.IncludeSourceSpans;
import org.commonmark.parser.Parser;
import org.commonmark.renderer.html.HtmlRenderer;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;
import org.jsoup.select.Elements;

/**
 * Makes the documents of the repository a folder of HTML files, with {@code site/src/site/home.md} as its home page. A
 * document has the same place in both, so links between documents need only another ending.
 */
public final class Site {

    private static final String REPOSITORY = "https://github.com/lars4j/lars4j/";
    private static final Path SOURCES = Path.of("site/src/site");
    private static final Path HOME = Path.of("index.md");

    /** Stands in the home page for the one block of the README that contains the text. */
    private static final Pattern README_BLOCK = Pattern.compile("^<!-- README\\.md: (.+) -->$", Pattern.MULTILINE);

    private static final Pattern ABSOLUTE = Pattern.compile("^(?:[a-z][a-z0-9+.-]*:|//).*");
    private static final int HEADINGS_WITHOUT_CONTENTS = 4;

    private final Path repository;
    private final Path folder;
    private final Parser parser;
    private final HtmlRenderer renderer;

    /** The documents that are not written yet, and all that were ever in it. */
    private final Deque<Path> queue = new ArrayDeque<>();

    private final Set<Path> queued = new HashSet<>();

    private Site(Path repository, Path folder) {
        this.repository = repository;
        this.folder = folder;
        List<Extension> extensions = List.of(TablesExtension.create(), HeadingAnchorExtension.create());
        parser = Parser.builder()
                .extensions(extensions)
                .includeSourceSpans(IncludeSourceSpans.BLOCKS)
                .build();
        renderer = HtmlRenderer.builder().extensions(extensions).build();
    }

    /**
     * Makes the site.
     *
     * @param args the root of the repository, and the folder of the site
     */
    public static void main(String[] args) throws IOException {
        new Site(Path.of(args[0]).toRealPath(), Path.of(args[1])).write();
    }

    private void write() throws IOException {
        List<Path> documents = documents();
        StringBuilder pages = new StringBuilder();
        for (Path document : documents) {
            String title = render(Files.readString(repository.resolve(document)))
                    .expectFirst("h1")
                    .html();
            pages.append("<a href=\"{root}%s\">%s</a>\n".formatted(page(document), title));
        }
        String template = Files.readString(repository.resolve(SOURCES).resolve("page.html"))
                .replace("{pages}", pages.toString().strip());
        enqueue(HOME);
        documents.forEach(this::enqueue);
        while (!queue.isEmpty()) {
            write(queue.remove(), template);
        }
        copy(SOURCES.resolve("style.css"), Path.of("style.css"));
        // Without it, GitHub Pages would leave out files with some names.
        Files.createFile(folder.resolve(".nojekyll"));
    }

    /** Returns the documents to which every page has a link, beside those in page.html. */
    private List<Path> documents() throws IOException {
        List<Path> documents = new ArrayList<>();
        try (Stream<Path> files = Files.list(repository.resolve("docs"))) {
            files.filter(file -> file.toString().endsWith(".md")).sorted().forEach(documents::add);
        }
        try (Stream<Path> modules = Files.list(repository.resolve("integrations"))) {
            modules.map(module -> module.resolve("README.md"))
                    .filter(Files::exists)
                    .sorted()
                    .forEach(documents::add);
        }
        documents.add(repository.resolve("CHANGELOG.md"));
        documents.add(repository.resolve("SECURITY.md"));
        documents.replaceAll(repository::relativize);
        return documents;
    }

    private void write(Path document, String template) throws IOException {
        Element body = render(document.equals(HOME) ? home() : Files.readString(repository.resolve(document)));
        for (Element link : body.select("a[href]")) {
            link.attr("href", target(document, link.attr("href")));
        }
        for (Element image : body.select("img[src]")) {
            Path source = resolve(document, image.attr("src"));
            if (Files.exists(repository.resolve(source))) {
                copy(source, source);
            }
        }
        Element heading = body.selectFirst("h1");
        Elements sections = body.select("h2[id]");
        if (heading != null && sections.size() > HEADINGS_WITHOUT_CONTENTS) {
            heading.after(contents(sections));
        }
        String title = heading == null ? document.toString() : heading.text();
        Path file = folder.resolve(page(document));
        Files.createDirectories(file.getParent());
        Files.writeString(
                file,
                template.replace("{title}", title.equals("lars4j") ? title : title + " - lars4j")
                        .replace("{root}", "../".repeat(document.getNameCount() - 1))
                        .replace("{body}", body.html()));
    }

    /** Returns the text of the home page, with blocks of the README in it, so that nothing is there twice. */
    private String home() throws IOException {
        String readme = Files.readString(repository.resolve("README.md"));
        List<String> blocks = new ArrayList<>();
        for (Node node = parser.parse(readme).getFirstChild(); node != null; node = node.getNext()) {
            SourceSpan first = node.getSourceSpans().getFirst(),
                    last = node.getSourceSpans().getLast();
            blocks.add(readme.substring(first.getInputIndex(), last.getInputIndex() + last.getLength()));
        }
        String home = Files.readString(repository.resolve(SOURCES).resolve("home.md"));
        return README_BLOCK.matcher(home).replaceAll(place -> {
            List<String> found = blocks.stream()
                    .filter(block -> block.contains(place.group(1)))
                    .toList();
            if (found.size() != 1) {
                throw new IllegalStateException(
                        "home.md: " + found.size() + " blocks of README.md contain: " + place.group(1));
            }
            return Matcher.quoteReplacement(found.getFirst().replace("](#", "](README.md#"));
        });
    }

    private Element render(String markdown) {
        Document html = Jsoup.parse(renderer.render(parser.parse(markdown)));
        html.outputSettings().prettyPrint(false);
        return html.body();
    }

    /** Returns where a link leads: to GitHub if its target is not in the site, and as before if there is none. */
    private String target(Path document, String link) {
        if (ABSOLUTE.matcher(link).matches() || link.startsWith("#")) {
            return link;
        }
        Path path = resolve(document, link.replaceFirst("#.*", ""));
        Path file = repository.resolve(path);
        if (path.startsWith("..") || !Files.exists(file)) {
            return link;
        }
        if (path.toString().endsWith(".md")) {
            enqueue(path);
            return link.replaceFirst("\\.md(?=#|$)", ".html");
        }
        return REPOSITORY + (Files.isDirectory(file) ? "tree" : "blob") + "/main/" + slashes(path);
    }

    private void enqueue(Path document) {
        if (queued.add(document)) {
            queue.add(document);
        }
    }

    private void copy(Path source, Path target) throws IOException {
        Path file = folder.resolve(target);
        Files.createDirectories(file.getParent());
        Files.copy(repository.resolve(source), file, StandardCopyOption.REPLACE_EXISTING);
    }

    private static Element contents(Elements sections) {
        Element contents = new Element("details");
        contents.appendElement("summary").text("Contents");
        Element list = contents.appendElement("ul");
        for (Element section : sections) {
            list.appendElement("li")
                    .appendElement("a")
                    .attr("href", "#" + section.id())
                    .html(section.html());
        }
        return contents;
    }

    private static Path resolve(Path document, String link) {
        return document.resolveSibling(link).normalize();
    }

    private static String page(Path document) {
        return slashes(document).replaceFirst("\\.md$", ".html");
    }

    private static String slashes(Path path) {
        return path.toString().replace('\\', '/');
    }
}
