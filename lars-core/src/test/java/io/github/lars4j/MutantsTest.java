package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/**
 * Checks that PIT's reports show at least 95 % of the mutants killed, and that {@code docs/mutants.md} lists every
 * survivor with a reason, by method and mutator and with their number. A mutant that is in several reports is killed if
 * one of them says so. Fewer may survive than are listed, because the result of some depends on the machine and its
 * load.
 */
@Tag("mutants")
class MutantsTest {

    private static final Path LIST = Path.of("..", "docs", "mutants.md");

    /** Matches a row of the list: {@code | `Plan.share` | MATH 3, NEGATE 1 | reason |}. */
    private static final Pattern ROW =
            Pattern.compile("\\| `([^`]+)` \\| ([A-Z_]+ \\d+(?:, [A-Z_]+ \\d+)*) \\| [^|]+ \\|");

    private static final Pattern KIND = Pattern.compile("([A-Z_]+) (\\d+)");

    private static final Set<String> KILLED = Set.of("KILLED", "TIMED_OUT", "MEMORY_ERROR", "RUN_ERROR");

    @Test
    void mostAreKilledAndEverySurvivorIsListed() throws Exception {
        Map<String, Element> mutants = mutants();
        assertFalse(mutants.isEmpty(), "there is no report");
        Map<String, int[]> killed = new TreeMap<>();
        Map<String, Integer> survivors = new TreeMap<>();
        for (Element mutant : mutants.values()) {
            String type = text(mutant, "mutatedClass");
            int[] counts = killed.computeIfAbsent(type.substring(0, type.lastIndexOf('.')), key -> new int[2]);
            counts[1]++;
            if (isKilled(mutant)) {
                counts[0]++;
            } else {
                survivors.merge(name(mutant), 1, Integer::sum);
            }
        }
        killed.forEach(
                (name, counts) -> System.out.println(name + ": " + counts[0] + " of " + counts[1] + " mutants killed"));
        int all = killed.values().stream().mapToInt(counts -> counts[0]).sum();
        System.out.println("all: " + all + " of " + mutants.size() + " mutants killed");
        Map<String, Integer> listed = listed();
        List<String> missing = new ArrayList<>();
        survivors.forEach((name, number) -> {
            if (number > listed.getOrDefault(name, 0)) {
                missing.add(name + " " + number);
            }
        });
        List<String> gone = new ArrayList<>();
        listed.forEach((name, number) -> {
            if (survivors.getOrDefault(name, 0) < number) {
                gone.add(name);
            }
        });
        System.out.println("listed, and killed this time, some or all: " + gone);
        assertEquals(List.of(), missing, "survivors that " + LIST + " does not list");
        assertTrue(all >= 0.95 * mutants.size(), all + " of " + mutants.size() + " mutants were killed");
    }

    /** Returns each mutant of the reports once, as a report that says that it was killed describes it if there is one. */
    private static Map<String, Element> mutants() throws Exception {
        Map<String, Element> mutants = new TreeMap<>();
        for (Path report : reports()) {
            NodeList all = DocumentBuilderFactory.newInstance()
                    .newDocumentBuilder()
                    .parse(report.toFile())
                    .getElementsByTagName("mutation");
            for (int i = 0; i < all.getLength(); i++) {
                Element mutant = (Element) all.item(i);
                String identity = String.join(
                        " ",
                        text(mutant, "mutatedClass"),
                        text(mutant, "mutatedMethod"),
                        text(mutant, "methodDescription"),
                        text(mutant, "mutator"),
                        text(mutant, "indexes"));
                mutants.merge(identity, mutant, (one, other) -> isKilled(one) ? one : other);
            }
        }
        return mutants;
    }

    private static List<Path> reports() throws IOException {
        try (Stream<Path> files = Files.walk(Path.of(System.getProperty("mutants.reports")))) {
            return files.filter(file -> file.endsWith("mutations.xml")).toList();
        }
    }

    private static boolean isKilled(Element mutant) {
        return KILLED.contains(mutant.getAttribute("status"));
    }

    /** Returns the listed name, {@code Plan.share MATH}; a lambda counts as the method that contains it. */
    private static String name(Element mutant) {
        String type = text(mutant, "mutatedClass");
        String method = text(mutant, "mutatedMethod").replaceFirst("^lambda\\$(.*)\\$\\d+$", "$1");
        String mutator = text(mutant, "mutator");
        return type.substring(type.lastIndexOf('.') + 1).replace('$', '.')
                + "." + method + " "
                + mutator.substring(mutator.lastIndexOf('.') + 1)
                        .replaceFirst("Mutator$", "")
                        .replaceAll("(?<=[a-z])(?=[A-Z])", "_")
                        .toUpperCase(Locale.ROOT);
    }

    private static String text(Element mutant, String tag) {
        return mutant.getElementsByTagName(tag).item(0).getTextContent();
    }

    private static Map<String, Integer> listed() throws Exception {
        Map<String, Integer> listed = new TreeMap<>();
        for (String line : Files.readAllLines(LIST)) {
            Matcher row = ROW.matcher(line);
            if (row.matches()) {
                Matcher kind = KIND.matcher(row.group(2));
                while (kind.find()) {
                    listed.merge(row.group(1) + " " + kind.group(1), Integer.parseInt(kind.group(2)), Integer::sum);
                }
            }
        }
        return listed;
    }
}
