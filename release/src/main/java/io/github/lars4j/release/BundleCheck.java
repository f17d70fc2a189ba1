package io.github.lars4j.release;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import org.w3c.dom.Element;

/**
 * Checks a bundle against the rules of Maven Central
 * (<a href="https://central.sonatype.org/publish/requirements/">requirements</a>), and against our own: the components of
 * each jar are listed as CycloneDX 1.6, jars contain the licences of what is in them, and the BOM manages our artifacts
 * and no others.
 */
public final class BundleCheck {

    private static final String GROUP = "io.github.lars4j";

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
        for (Bundle.Component component : bundle.components()) {
            for (Map.Entry<String, byte[]> file : component.files().entrySet()) {
                checkFile(component, file.getKey(), file.getValue());
            }
            try {
                poms.put(component, Pom.read(bundle, component));
            } catch (IOException e) {
                problems.add(e.getMessage());
            }
        }
        poms.forEach(this::checkPom);
        checkBom(poms);
        return problems;
    }

    /** Checks the name of a file, and its signature and checksums, if it is neither of these itself. */
    private void checkFile(Bundle.Component component, String name, byte[] content) {
        String what = component + ": " + name;
        if (!name.startsWith(component.name(""))
                || !name.substring(component.name("").length()).matches("[-.].+")) {
            problems.add(what + " does not begin with " + component.name(""));
        }
        int dot = name.lastIndexOf('.');
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
            String version = Pom.text(dependency, "version");
            if (version.isEmpty() || version.endsWith("-SNAPSHOT")) {
                problems.add(component + ": the version of " + Pom.text(dependency, "artifactId") + " is \"" + version
                        + "\"");
            }
        }
        if (!pom.own("packaging").equals("pom")) {
            checkJars(component);
        }
    }

    private void require(Bundle.Component component, String element, String expected, String actual) {
        if (!expected.equals(actual)) {
            problems.add(component + ": its pom's " + element + " is \"" + actual + "\"");
        }
    }

    private void checkJars(Bundle.Component component) {
        for (String ending : List.of(".jar", "-sources.jar", "-javadoc.jar", "-cyclonedx.json")) {
            if (component.file(ending) == null) {
                problems.add(component + " has no " + component.name(ending));
            }
        }
        for (Map.Entry<String, byte[]> file : component.files().entrySet()) {
            if (file.getKey().endsWith(".jar") && !file.getKey().endsWith("-javadoc.jar")) {
                Set<String> entries = entries(component, file.getKey(), file.getValue());
                if (!entries.contains("META-INF/LICENSE")) {
                    problems.add(component + ": " + file.getKey() + " does not contain META-INF/LICENSE");
                }
            }
        }
        if (component.file("-cyclonedx.json") != null) {
            checkComponents(component);
        }
    }

    /** Checks the list of components, and that a jar that contains them also contains their licences. */
    private void checkComponents(Bundle.Component component) {
        List<String> names = new ArrayList<>();
        try {
            JsonObject list = new Gson()
                    .fromJson(new String(component.file("-cyclonedx.json"), StandardCharsets.UTF_8), JsonObject.class);
            String format = list.get("bomFormat").getAsString() + " "
                    + list.get("specVersion").getAsString();
            if (!format.equals("CycloneDX 1.6")) {
                problems.add(component + ": its list of components is " + format + ", not CycloneDX 1.6");
            }
            String of = list.getAsJsonObject("metadata")
                    .getAsJsonObject("component")
                    .get("name")
                    .getAsString();
            if (!of.equals(component.artifact())) {
                problems.add(component + ": its list of components is that of " + of);
            }
            // A jar without dependencies has no components.
            for (JsonElement each : list.has("components") ? list.getAsJsonArray("components") : new JsonArray()) {
                JsonObject one = each.getAsJsonObject();
                if (!one.get("group").getAsString().equals(GROUP)) {
                    names.add(one.get("name").getAsString());
                }
            }
        } catch (JsonParseException | IllegalStateException | UnsupportedOperationException | NullPointerException e) {
            problems.add(component + ": its list of components cannot be read: " + e);
            return;
        }
        byte[] runnable = component.file("-runnable.jar");
        if (runnable != null) {
            Set<String> entries = entries(component, component.name("-runnable.jar"), runnable);
            for (String name : names) {
                if (!entries.contains("META-INF/licenses/" + name + "-LICENSE.txt")) {
                    problems.add(component + ": its runnable jar does not contain the licence of " + name);
                }
            }
        }
    }

    private Set<String> entries(Bundle.Component component, String name, byte[] jar) {
        Set<String> entries = new HashSet<>();
        try (ZipInputStream in = new ZipInputStream(new ByteArrayInputStream(jar))) {
            for (ZipEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                entries.add(entry.getName());
            }
        } catch (IOException e) {
            problems.add(component + ": " + name + " cannot be read: " + e.getMessage());
        }
        return entries;
    }

    /** Checks that the BOM names all our jars that are in the bundle, and that it manages no others. */
    private void checkBom(Map<Bundle.Component, Pom> poms) {
        Set<String> jars = new HashSet<>();
        Pom bom = null;
        for (Map.Entry<Bundle.Component, Pom> each : poms.entrySet()) {
            Bundle.Component component = each.getKey();
            if (component.artifact().equals("lars-bom")) {
                bom = each.getValue();
            }
            if (!each.getValue().own("packaging").equals("pom")) {
                jars.add(component.group() + ":" + component.artifact());
            }
        }
        if (bom == null) {
            problems.add("there is no lars-bom");
            return;
        }
        Set<String> managed = new HashSet<>();
        for (Pom pom = bom; pom != null; pom = pom.parent()) {
            for (Element each : pom.list("dependencyManagement/dependencies/dependency")) {
                managed.add(Pom.text(each, "groupId") + ":" + Pom.text(each, "artifactId"));
            }
        }
        if (!managed.equals(jars)) {
            problems.add("lars-bom manages " + managed + ", and the jars are " + jars);
        }
    }
}
