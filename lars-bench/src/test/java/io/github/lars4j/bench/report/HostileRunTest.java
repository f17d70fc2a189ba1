package io.github.lars4j.bench.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.Gson;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;
import org.w3c.dom.NamedNodeMap;
import org.w3c.dom.Node;
import org.xml.sax.InputSource;

/** A run whose names are markup: the page and the pictures show it as text. */
class HostileRunTest {

    private static final Gson GSON = new Gson();

    /** The made-up run, with a text before everything that a report shows as it is. */
    private static Map<String, String> report(String text) {
        List<String> runs = new ArrayList<>(MadeUp.runs());
        // So that the layouts differ, and the sentences name them.
        runs.add(MadeUp.run("lars", "<mine>.txt", "vector", 1, 130));
        String run = MadeUp.file(runs.toString())
                .replace("--out a&b", "TEXT command")
                .replace("Made-up <1> & co, 2 cores", "TEXT processor")
                .replace("\"JDK\":", "\"TEXT JDK\":")
                .replace("resnet50", "TEXT network")
                .replace("<mine>.txt", "TEXT mine")
                .replace("4096x10", "TEXT of the first steps")
                .replace("\"kernels\":\"auto\",\"steps\"", "\"kernels\":\"TEXT kernels\",\"steps\"");
        return files(run, text);
    }

    /** The same as JMH writes it, which says nothing of a layout but its name. */
    private static Map<String, String> reportOfJmh(String text) {
        return files(MadeUp.jmh().replace("<mine>.txt", "TEXT mine"), text);
    }

    private static Map<String, String> files(String run, String text) {
        String quoted = GSON.toJson(text);
        String hostile = run.replace("TEXT", quoted.substring(1, quoted.length() - 1));
        return new BenchmarkReport(RunFile.parse(hostile)).files();
    }

    private static Document parse(String file) throws Exception {
        String body = file.replaceFirst("<!DOCTYPE html>\n", "");
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new InputSource(new StringReader(body)));
    }

    /** The names of all elements and attributes, in their order. */
    private static List<String> structure(Node node) {
        List<String> names = new ArrayList<>();
        if (node.getNodeType() != Node.TEXT_NODE) {
            names.add(node.getNodeName());
        }
        NamedNodeMap attributes = node.getAttributes();
        for (int i = 0; attributes != null && i < attributes.getLength(); i++) {
            names.add("@" + attributes.item(i).getNodeName());
        }
        for (Node child = node.getFirstChild(); child != null; child = child.getNextSibling()) {
            names.addAll(structure(child));
        }
        return names;
    }

    private static void assertSameStructure(Map<String, String> harmless, Map<String, String> hostile, String text)
            throws Exception {
        assertEquals(harmless.keySet(), hostile.keySet());
        for (Map.Entry<String, String> file : hostile.entrySet()) {
            if (!file.getKey().endsWith(".md")) {
                assertEquals(
                        structure(parse(harmless.get(file.getKey()))),
                        structure(parse(file.getValue())),
                        file.getKey());
                // What is no markup needs no escaping.
                assertTrue(!text.matches(".*[<>&\"].*") || !file.getValue().contains(text), file.getKey());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "</script><img src=x onerror=alert(1)>",
                "</title></style></svg></text><script>alert(1)</script>",
                "\"><svg onload=alert(1)>",
                "\" onload=\"alert(1)",
                "' onload='alert(1)",
                "<a href=javascript:alert(1)>x</a>",
                "--><!--",
                "]]><![CDATA[",
                "&lt;script&gt;alert(1)&lt;/script&gt;&#60;img&#62;",
                "%s%n%1$s$1\\",
            })
    void namesAreText(String text) throws Exception {
        Map<String, String> hostile = report(text);
        assertSameStructure(report("harmless"), hostile, text);
        assertSameStructure(reportOfJmh("harmless"), reportOfJmh(text), text);
        String shown = parse(hostile.get("report.html")).getDocumentElement().getTextContent();
        for (String what :
                List.of("command", "processor", "JDK", "network", "mine) to ", "of the first steps", "kernels")) {
            assertTrue(shown.contains(text + " " + what), what);
        }
    }

    @Test
    void whatXmlCannotWriteIsReplaced() throws Exception {
        Map<String, String> files = report("a\0\u001b[2J\u0085\ud800\ufffe\ud83d\ude00");
        String page = files.get("report.html");
        assertTrue(parse(page).getDocumentElement().getTextContent().contains("\ud83d\ude00 network"));
        for (String file : List.of(page, files.get("speedups.svg"), files.get("coldstart.svg"))) {
            parse(file);
            assertFalse(file.contains("\u001b"));
        }
    }
}
