package io.github.lars4j.release;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.w3c.dom.Element;

/**
 * Checks a bundle against the rules of Maven Central
 * (<a href="https://central.sonatype.org/publish/requirements/">requirements</a>), and against our own: the components of
 * each jar are listed as CycloneDX 1.6, jars contain the licences of what is in them, and the BOM manages our artifacts
 * and no others.
 */
public final class BundleCheck {

    private static final String GROUP = "io.github.lars4j";

    /** All artifacts, with the endings of their files beside {@code .pom}; those without a jar are poms. */
    private static final Map<String, List<String>> ARTIFACTS = Map.of(
            "lars4j", List.of(),
            "lars-bom", List.of(),
            "lars-core", List.of(".jar", "-sources.jar", "-javadoc.jar"),
            "lars-bench", List.of(".jar", "-sources.jar", "-javadoc.jar", "-runnable.jar"),
            "lars4j-integrations", List.of(),
            "lars-djl", List.of(".jar", "-sources.jar", "-javadoc.jar"),
            "lars-spark", List.of(".jar", "-sources.jar", "-javadoc.jar"));

    /** The lists of components. */
    private static final List<String> LISTS = List.of("-cyclonedx.json", "-cyclonedx.xml");

    /** What the jars of each ending contain, by the ending of an entry. */
    private static final Map<String, String> CONTENTS =
            Map.of(".jar", ".class", "-sources.jar", ".java", "-javadoc.jar", "index.html", "-runnable.jar", ".class");

    /** The elements that a pom must have, from its parents if need be. */
    private static final List<String> REQUIRED = List.of(
            "url",
            "licenses/license/name",
            "licenses/license/url",
            "developers/developer/name",
            "scm/connection",
            "scm/developerConnection",
            "scm/url");

    /** The endings of files with a checksum, and the names of the algorithms. */
    private static final Map<String, String> CHECKSUMS =
            Map.of(".md5", "MD5", ".sha1", "SHA-1", ".sha256", "SHA-256", ".sha512", "SHA-512");

    private final Bundle bundle;
    private final Signatures signatures;
    private final List<String> problems = new ArrayList<>();

    private BundleCheck(Bundle bundle, Signatures signatures) {
        this.bundle = bundle;
        this.signatures = signatures;
    }

    /** Checks a bundle: {@code BUNDLE PUBLIC_KEYS}. Prints what is in it, and what is wrong; exits 1 if anything is. */
    public static void main(String[] args) throws IOException {
        Bundle bundle = Bundle.read(Path.of(args[0]));
        List<String> problems = problems(bundle, new Signatures(Path.of(args[1])));
        for (Bundle.Component component : bundle.components()) {
            System.out.println(component + ": " + component.files().size() + " files");
        }
        problems.forEach(System.out::println);
        System.out.println(problems.isEmpty() ? "The bundle is as it should be." : problems.size() + " problems");
        System.exit(problems.isEmpty() ? 0 : 1);
    }

    /** Returns what is wrong with a bundle. */
    static List<String> problems(Bundle bundle, Signatures signatures) {
        return new BundleCheck(bundle, signatures).run();
    }

    private List<String> run() {
        Map<Bundle.Component, Pom> poms = new LinkedHashMap<>();
        Set<String> artifacts = new TreeSet<>();
        Set<String> versions = new TreeSet<>();
        for (Bundle.Component component : bundle.components()) {
            artifacts.add(component.artifact());
            versions.add(component.version());
            component.files().forEach((name, content) -> checkFile(component, name, content));
            try {
                poms.put(component, Pom.read(bundle, component));
            } catch (IOException e) {
                problems.add(e.getMessage());
            }
        }
        if (!artifacts.equals(ARTIFACTS.keySet())) {
            problems.add("the artifacts are " + artifacts + ", and not " + ARTIFACTS.keySet());
        }
        if (versions.size() > 1) {
            problems.add("the artifacts have several versions: " + versions);
        }
        poms.forEach(this::checkPom);
        poms.forEach((component, pom) -> {
            if (component.artifact().equals("lars-bom")) {
                checkBom(component, pom);
            }
        });
        return problems;
    }

    /** Checks the name of a file, and its signature and checksums, if it is neither of these itself. */
    private void checkFile(Bundle.Component component, String name, byte[] content) {
        String what = component + ": " + name;
        int dot = Math.max(0, name.lastIndexOf('.'));
        String ending = name.substring(dot);
        if (CHECKSUMS.containsKey(ending)) {
            byte[] of = component.files().get(name.substring(0, dot));
            if (of == null) {
                problems.add(what + " is a checksum of no file");
            } else if (!new String(content, StandardCharsets.US_ASCII).equals(sum(CHECKSUMS.get(ending), of))) {
                problems.add(what + " is not the checksum of its file");
            }
            return;
        }
        for (String required : List.of(".md5", ".sha1")) {
            if (!name.endsWith(".asc") && !component.files().containsKey(name + required)) {
                problems.add(what + " has no " + required);
            }
        }
        if (ending.equals(".asc")) {
            if (!component.files().containsKey(name.substring(0, dot))) {
                problems.add(what + " is a signature of no file");
            }
            return;
        }
        if (!isExpected(component, name)) {
            problems.add(what + " is no file of a release");
        }
        byte[] signature = component.files().get(name + ".asc");
        if (signature == null) {
            problems.add(what + " has no signature");
            return;
        }
        String problem = signatures.problem(content, signature);
        if (problem != null) {
            problems.add(what + ": its signature is wrong: " + problem);
        }
    }

    private static boolean isExpected(Bundle.Component component, String name) {
        List<String> endings = new ArrayList<>(ARTIFACTS.getOrDefault(component.artifact(), List.of()));
        endings.addAll(LISTS);
        endings.add(".pom");
        return endings.stream().anyMatch(ending -> name.equals(component.name(ending)));
    }

    private static String sum(String algorithm, byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    private void checkPom(Bundle.Component component, Pom pom) {
        require(component, "groupId", component.group(), pom.inherited("groupId"));
        require(component, "artifactId", component.artifact(), pom.own("artifactId"));
        require(component, "version", component.version(), pom.inherited("version"));
        if (!component.group().equals(GROUP)) {
            problems.add(component + ": its group is not " + GROUP);
        }
        if (component.version().endsWith("-SNAPSHOT")) {
            problems.add(component + ": Central takes no snapshots here");
        }
        for (String element : List.of("name", "description")) {
            if (pom.own(element).isEmpty()) {
                problems.add(component + ": its pom has no " + element);
            }
        }
        for (String element : REQUIRED) {
            if (pom.inherited(element).isEmpty()) {
                problems.add(component + ": its pom has no " + element + ", nor have its parents");
            }
        }
        for (String repositories : List.of("repositories/repository", "pluginRepositories/pluginRepository")) {
            if (!pom.list(repositories).isEmpty()) {
                problems.add(component + ": its pom names repositories");
            }
        }
        for (Element dependency : pom.list("dependencies/dependency")) {
            String version = pom.resolve(Pom.text(dependency, "version"));
            if (!version.matches("[0-9][0-9A-Za-z._-]*") || version.endsWith("-SNAPSHOT")) {
                problems.add(component + ": the version of " + Pom.text(dependency, "artifactId") + " is \"" + version
                        + "\"");
            }
        }
        List<String> jars = ARTIFACTS.getOrDefault(component.artifact(), List.of());
        if (pom.own("packaging").equals("pom") != jars.isEmpty()) {
            problems.add(component + ": its packaging is \"" + pom.own("packaging") + "\"");
        }
        for (String jar : jars) {
            checkJar(component, jar);
        }
        checkComponents(component);
    }

    private void require(Bundle.Component component, String element, String expected, String actual) {
        if (!expected.equals(actual)) {
            problems.add(component + ": its pom's " + element + " is \"" + actual + "\"");
        }
    }

    private void checkJar(Bundle.Component component, String ending) {
        String what = component + ": " + component.name(ending);
        Set<String> entries = entries(component, ending);
        if (entries.stream().noneMatch(entry -> entry.endsWith(CONTENTS.get(ending)))) {
            problems.add(what + " contains no " + CONTENTS.get(ending));
        }
        if (!ending.equals("-javadoc.jar") && !entries.contains("META-INF/LICENSE")) {
            problems.add(what + " does not contain META-INF/LICENSE");
        }
    }

    /** Checks the list of components, and that a jar that contains them also contains their licences. */
    private void checkComponents(Bundle.Component component) {
        for (String ending : LISTS) {
            if (component.file(ending) == null) {
                problems.add(component + " has no " + component.name(ending));
                return;
            }
        }
        Set<String> names = new HashSet<>();
        try {
            JsonObject list = new Gson()
                    .fromJson(new String(component.file("-cyclonedx.json"), StandardCharsets.UTF_8), JsonObject.class);
            String format = list.get("bomFormat").getAsString() + " "
                    + list.get("specVersion").getAsString();
            if (!format.equals("CycloneDX 1.6")) {
                problems.add(component + ": its list of components is " + format + ", not CycloneDX 1.6");
            }
            JsonObject of = list.getAsJsonObject("metadata").getAsJsonObject("component");
            String name = of.get("name").getAsString() + " " + of.get("version").getAsString();
            if (!name.equals(component.artifact() + " " + component.version())) {
                problems.add(component + ": its list of components is that of " + name);
            }
            // A jar without dependencies has no components.
            for (JsonElement each : list.has("components") ? list.getAsJsonArray("components") : new JsonArray()) {
                names.add(each.getAsJsonObject().get("name").getAsString());
            }
        } catch (JsonParseException | IllegalStateException | UnsupportedOperationException | NullPointerException e) {
            problems.add(component + ": its list of components cannot be read: " + e);
            return;
        }
        if (ARTIFACTS.getOrDefault(component.artifact(), List.of()).contains("-runnable.jar")) {
            checkLicences(component, names);
        }
    }

    /** Checks that a jar with everything in it has the licences of all its components, and of no others. */
    private void checkLicences(Bundle.Component component, Set<String> names) {
        Set<String> licences = new HashSet<>();
        for (String entry : entries(component, "-runnable.jar")) {
            if (entry.matches("META-INF/licenses/.+-LICENSE\\.txt")) {
                licences.add(entry.substring("META-INF/licenses/".length(), entry.length() - "-LICENSE.txt".length()));
            }
        }
        names.removeAll(ARTIFACTS.keySet());
        if (!licences.equals(names)) {
            problems.add(component + ": its runnable jar has the licences of " + licences + ", and its components are "
                    + names);
        }
    }

    /** Returns the names of a jar's entries; reports a jar that is missing or cannot be read. */
    private Set<String> entries(Bundle.Component component, String ending) {
        Set<String> entries = new HashSet<>();
        byte[] jar = component.file(ending);
        if (jar == null) {
            problems.add(component + " has no " + component.name(ending));
            return entries;
        }
        try {
            Path file = Files.createTempFile("bundle", ".jar");
            try {
                try (ZipFile zip = new ZipFile(Files.write(file, jar).toFile())) {
                    for (ZipEntry entry : Collections.list(zip.entries())) {
                        if (zip.getInputStream(entry).readAllBytes().length > 0) {
                            entries.add(entry.getName());
                        }
                    }
                }
            } finally {
                Files.delete(file);
            }
        } catch (IOException e) {
            problems.add(component + ": " + component.name(ending) + " cannot be read: " + e.getMessage());
        }
        return entries;
    }

    /** Checks that the BOM has all our jars in this version, and manages nothing else. */
    private void checkBom(Bundle.Component component, Pom bom) {
        Set<String> expected = new HashSet<>();
        ARTIFACTS.forEach((artifact, jars) -> {
            if (!jars.isEmpty()) {
                expected.add("groupId=" + GROUP + " artifactId=" + artifact + " version=" + component.version());
            }
        });
        Set<String> managed = new HashSet<>();
        for (Pom pom = bom; pom != null; pom = pom.parent()) {
            for (Element each : pom.list("dependencyManagement/dependencies/dependency")) {
                StringBuilder text = new StringBuilder();
                for (Element element : Pom.children(each)) {
                    text.append(' ').append(element.getTagName()).append('=');
                    text.append(bom.resolve(element.getTextContent().strip()));
                }
                managed.add(text.toString().strip());
            }
            if (!pom.list("dependencies/dependency").isEmpty()) {
                problems.add(component + " has dependencies of its own");
            }
        }
        if (!managed.equals(expected)) {
            problems.add(component + " manages " + managed + ", and should manage " + expected);
        }
    }
}
