package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/**
 * Checks that the lines which JaCoCo reports as not fully covered, counting branches, are exactly those that
 * {@code uncovered.txt} lists with a reason. A line is identified by its text, so that the list stays valid when lines
 * move; equal lines are listed once each.
 */
@Tag("coverage")
class CoverageTest {

    /** Marks a line that is covered only on some machines or in some runs. */
    private static final String SOMETIMES = "? ";

    private static final Path SOURCES = Path.of("src", "main", "java");

    /** The kernels that the build generates. */
    private static final Path GENERATED = Path.of("target", "generated-sources", "placed-kernels");

    @Test
    void everyLineAndBranchIsReachedOrListed() throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setFeature("http://apache.org/xml/features/nonvalidating/load-external-dtd", false);
        Document report = factory.newDocumentBuilder()
                .parse(Path.of(System.getProperty("coverage.report")).toFile());
        int lines = 0;
        List<String> missed = new ArrayList<>();
        NodeList files = report.getElementsByTagName("sourcefile");
        for (int i = 0; i < files.getLength(); i++) {
            Element file = (Element) files.item(i);
            String folder = ((Element) file.getParentNode()).getAttribute("name");
            Path source = SOURCES.resolve(folder, file.getAttribute("name"));
            List<String> text = Files.readAllLines(
                    Files.exists(source) ? source : GENERATED.resolve(folder, file.getAttribute("name")));
            NodeList reached = file.getElementsByTagName("line");
            for (int j = 0; j < reached.getLength(); j++) {
                Element line = (Element) reached.item(j);
                lines++;
                if (!line.getAttribute("mi").equals("0")
                        || !line.getAttribute("mb").equals("0")) {
                    missed.add(file.getAttribute("name") + ": "
                            + told(text, Integer.parseInt(line.getAttribute("nr")) - 1));
                }
            }
        }
        System.out.println(lines + " lines, " + missed.size() + " of them not fully covered, each with its reason");
        List<String> listed = listed();
        for (String line : List.copyOf(listed)) {
            if (line.startsWith(SOMETIMES)) {
                listed.remove(line);
                missed.remove(line.substring(SOMETIMES.length()));
            }
        }
        Collections.sort(listed);
        Collections.sort(missed);
        assertEquals(String.join("\n", listed), String.join("\n", missed));
    }

    /** Returns the text of a line; for a single brace, the line before it as well. */
    private static String told(List<String> text, int line) {
        String told = text.get(line).strip();
        return told.equals("}") ? text.get(line - 1).strip() + " }" : told;
    }

    /** Returns the listed lines. An indented line is the reason for the lines before it. */
    private static List<String> listed() throws Exception {
        try (InputStream in = CoverageTest.class.getResourceAsStream("/uncovered.txt")) {
            List<String> listed = new ArrayList<>();
            boolean reasoned = true;
            for (String line : new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .toList()) {
                boolean reason = line.startsWith(" ");
                if (!reason && !line.isEmpty() && !line.startsWith("#")) {
                    listed.add(line);
                    reasoned = false;
                } else if (reason) {
                    reasoned = true;
                } else if (!reasoned) {
                    throw new AssertionError("no reason after " + listed.getLast());
                }
            }
            return listed;
        }
    }
}
