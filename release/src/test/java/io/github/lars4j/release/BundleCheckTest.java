package io.github.lars4j.release;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.bouncycastle.bcpg.ArmoredOutputStream;
import org.bouncycastle.bcpg.HashAlgorithmTags;
import org.bouncycastle.openpgp.PGPException;
import org.bouncycastle.openpgp.PGPSecretKey;
import org.bouncycastle.openpgp.PGPSecretKeyRing;
import org.bouncycastle.openpgp.PGPSignature;
import org.bouncycastle.openpgp.PGPSignatureGenerator;
import org.bouncycastle.openpgp.PGPUtil;
import org.bouncycastle.openpgp.operator.bc.BcKeyFingerprintCalculator;
import org.bouncycastle.openpgp.operator.bc.BcPBESecretKeyDecryptorBuilder;
import org.bouncycastle.openpgp.operator.bc.BcPGPContentSignerBuilder;
import org.bouncycastle.openpgp.operator.bc.BcPGPDigestCalculatorProvider;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Makes up a bundle as it should be, and others with one fault each, which the check must find. */
class BundleCheckTest {

    private static final String PASSPHRASE = "made up";
    private static final String POM = "<packaging>pom</packaging>";
    private static final String FOLDER = "io/github/lars4j/";

    private static final String METADATA = """
            <url>https://example.org</url>
            <licenses><license><name>Apache-2.0</name><url>https://example.org/license</url></license></licenses>
            <developers><developer><name>Somebody</name></developer></developers>
            <scm><connection>scm:git:a</connection><developerConnection>scm:git:b</developerConnection>\
            <url>https://example.org</url></scm>
            """;

    private static final String PARENT =
            "<parent><groupId>io.github.lars4j</groupId><artifactId>lars4j</artifactId><version>1.2.0</version></parent>";

    @TempDir
    static Path keys;

    private static PGPSecretKey key;
    private static Signatures signatures;

    @BeforeAll
    static void makeKey() throws IOException, PGPException, NoSuchAlgorithmException {
        ThrowAwayKey.write(keys, PASSPHRASE);
        try (var in = PGPUtil.getDecoderStream(Files.newInputStream(keys.resolve(ThrowAwayKey.SECRET)))) {
            key = new PGPSecretKeyRing(in, new BcKeyFingerprintCalculator()).getSecretKey();
        }
        signatures = new Signatures(keys.resolve(ThrowAwayKey.PUBLIC));
    }

    /** The files that are signed, by their paths. */
    private static SortedMap<String, byte[]> files() throws IOException {
        SortedMap<String, byte[]> files = new TreeMap<>();
        put(files, "lars4j", ".pom", pom("", "lars4j", POM + METADATA));
        put(files, "lars4j-integrations", ".pom", pom(PARENT, "lars4j-integrations", POM));
        StringBuilder managed = new StringBuilder();
        for (String artifact : List.of("lars-core", "lars-bench", "lars-djl", "lars-spark")) {
            managed.append("<dependency><groupId>io.github.lars4j</groupId><artifactId>")
                    .append(artifact)
                    .append("</artifactId><version>${project.version}</version></dependency>");
            put(files, artifact, ".pom", pom(PARENT, artifact, ""));
            put(files, artifact, ".jar", jar("META-INF/LICENSE", "A.class"));
            put(files, artifact, "-sources.jar", jar("META-INF/LICENSE", "A.java"));
            put(files, artifact, "-javadoc.jar", jar("index.html"));
        }
        put(
                files,
                "lars-bench",
                "-runnable.jar",
                jar("META-INF/LICENSE", "A.class", "META-INF/licenses/gson-LICENSE.txt"));
        String bom = POM + "<dependencyManagement><dependencies>" + managed + "</dependencies></dependencyManagement>";
        put(files, "lars-bom", ".pom", pom(PARENT, "lars-bom", bom));
        for (String path : List.copyOf(files.keySet())) {
            if (path.endsWith(".pom")) {
                String artifact = path.split("/", -1)[3];
                put(files, artifact, "-cyclonedx.json", components("1.6", artifact, "gson"));
                put(files, artifact, "-cyclonedx.xml", bytes("<bom/>"));
            }
        }
        return files;
    }

    private static String path(String artifact, String ending) {
        return FOLDER + artifact + "/1.2.0/" + artifact + "-1.2.0" + ending;
    }

    private static void put(Map<String, byte[]> files, String artifact, String ending, byte[] content) {
        files.put(path(artifact, ending), content);
    }

    private static byte[] pom(String parent, String artifact, String more) {
        String own = parent.isEmpty() ? "<groupId>io.github.lars4j</groupId><version>1.2.0</version>" : parent;
        return bytes("<project>" + own + "<artifactId>" + artifact + "</artifactId><name>a</name>"
                + "<description>b</description>" + more + "</project>");
    }

    private static byte[] components(String version, String artifact, String component) {
        return bytes("""
                {"bomFormat": "CycloneDX", "specVersion": "%s", "metadata": {"component":
                {"name": "%s", "version": "1.2.0"}}, "components": [{"name": "%s"}, {"name": "lars-core"}]}
                """.formatted(version, artifact, component));
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] jar(String... entries) throws IOException {
        SortedMap<String, byte[]> files = new TreeMap<>();
        for (String entry : entries) {
            files.put(entry, bytes("text"));
        }
        return zip(files);
    }

    private static byte[] zip(Map<String, byte[]> files) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream out = new ZipOutputStream(bytes)) {
            for (Map.Entry<String, byte[]> file : files.entrySet()) {
                out.putNextEntry(new ZipEntry(file.getKey()));
                out.write(file.getValue());
            }
        }
        return bytes.toByteArray();
    }

    private static byte[] sign(byte[] content) throws PGPException, IOException {
        PGPSignatureGenerator generator = new PGPSignatureGenerator(
                new BcPGPContentSignerBuilder(key.getPublicKey().getAlgorithm(), HashAlgorithmTags.SHA512),
                key.getPublicKey());
        generator.init(
                PGPSignature.BINARY_DOCUMENT,
                key.extractPrivateKey(new BcPBESecretKeyDecryptorBuilder(new BcPGPDigestCalculatorProvider())
                        .build(PASSPHRASE.toCharArray())));
        generator.update(content);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ArmoredOutputStream out = ArmoredOutputStream.builder().build(bytes)) {
            generator.generate().encode(out);
        }
        return bytes.toByteArray();
    }

    /** Adds the signatures and checksums. */
    private static void complete(Map<String, byte[]> files) throws Exception {
        for (Map.Entry<String, byte[]> file : List.copyOf(files.entrySet())) {
            files.put(file.getKey() + ".asc", sign(file.getValue()));
        }
        for (Map.Entry<String, byte[]> file : List.copyOf(files.entrySet())) {
            for (String algorithm : List.of("MD5", "SHA-1")) {
                byte[] sum = MessageDigest.getInstance(algorithm).digest(file.getValue());
                files.put(
                        file.getKey() + (algorithm.equals("MD5") ? ".md5" : ".sha1"),
                        bytes(HexFormat.of().formatHex(sum)));
            }
        }
    }

    private static List<String> problems(Map<String, byte[]> files, Path folder) throws IOException {
        Path zip = Files.write(folder.resolve("bundle.zip"), zip(files));
        return BundleCheck.problems(Bundle.read(zip), signatures);
    }

    @Test
    void aBundleAsItShouldBe(@TempDir Path folder) throws Exception {
        Map<String, byte[]> files = files();
        complete(files);
        assertEquals(List.of(), problems(files, folder));
    }

    /** Changes files. */
    interface Change {
        void apply(Map<String, byte[]> files) throws Exception;
    }

    /** A change of the files before, or after, they are signed, and a part of the only report that it should give. */
    record Fault(String report, boolean signed, Change change) {
        @Override
        public String toString() {
            return report;
        }
    }

    private static Fault before(String report, Change change) {
        return new Fault(report, false, change);
    }

    private static Fault after(String report, Change change) {
        return new Fault(report, true, change);
    }

    private static Change without(String artifact, String ending) {
        return files -> {
            assertTrue(files.remove(path(artifact, ending)) != null);
        };
    }

    private static Change with(String artifact, String ending, byte[] content) {
        return files -> put(files, artifact, ending, content);
    }

    private static Change replace(String artifact, String ending, String text, String by) {
        return files -> {
            String old = new String(files.get(path(artifact, ending)), StandardCharsets.UTF_8);
            assertTrue(old.contains(text));
            put(files, artifact, ending, bytes(old.replace(text, by)));
        };
    }

    /** Adds to the pom of an artifact. */
    private static Change pomWith(String artifact, String element) {
        return replace(artifact, ".pom", "</project>", element + "</project>");
    }

    /** Adds a dependency to the pom of lars-core. */
    private static Change depends(String version) {
        return pomWith(
                "lars-core",
                "<properties><two>2-SNAPSHOT</two></properties><dependencies><dependency><artifactId>a</artifactId>"
                        + version + "</dependency></dependencies>");
    }

    static List<Fault> faults() throws IOException {
        return List.of(
                after("lars-core-1.2.0.jar has no signature", files -> {
                    for (String ending : List.of(".jar.asc", ".jar.asc.md5", ".jar.asc.sha1")) {
                        without("lars-core", ending).apply(files);
                    }
                }),
                after("lars-core-1.2.0.jar.asc is a signature of no file", files -> {
                    for (String ending : List.of(".jar", ".jar.md5", ".jar.sha1")) {
                        without("lars-core", ending).apply(files);
                    }
                }),
                after("lars-core-1.2.0.jar has no .md5", without("lars-core", ".jar.md5")),
                after("lars-core-1.2.0.jar has no .sha1", without("lars-core", ".jar.sha1")),
                after("lars-core-1.2.0.jar.sha1 is not the checksum", with("lars-core", ".jar.sha1", bytes("00"))),
                after("lars-core-1.2.0.jar.sha256 is not the checksum", with("lars-core", ".jar.sha256", bytes("00"))),
                after("lars-core-1.2.0.zip.md5 is a checksum of no file", with("lars-core", ".zip.md5", bytes("00"))),
                after("the file has other bytes than those that were signed", files -> {
                    files.put(path("lars-core", ".jar.asc"), files.get(path("lars-core", ".pom.asc")));
                }),
                // Files
                before("has no lars-core-1.2.0.jar", without("lars-core", ".jar")),
                before("has no lars-core-1.2.0-sources.jar", without("lars-core", "-sources.jar")),
                before("has no lars-core-1.2.0-javadoc.jar", without("lars-core", "-javadoc.jar")),
                before("has no lars-core-1.2.0-cyclonedx.json", without("lars-core", "-cyclonedx.json")),
                before("has no lars-core-1.2.0-cyclonedx.xml", without("lars-core", "-cyclonedx.xml")),
                before("has no lars-bench-1.2.0-runnable.jar", without("lars-bench", "-runnable.jar")),
                before(
                        "lars-core-1.2.0-runnable.jar is no file of a release",
                        with("lars-core", "-runnable.jar", jar())),
                before("lars4j-1.2.0.jar is no file of a release", with("lars4j", ".jar", jar())),
                before("other is no file of a release", files -> {
                    files.put(FOLDER + "lars-core/1.2.0/other", bytes("text"));
                }),
                before("lars-core-1.2.01.jar is no file of a release", files -> {
                    files.put(FOLDER + "lars-core/1.2.0/lars-core-1.2.01.jar", jar());
                }),
                before("the artifacts are", files -> files.keySet().removeIf(path -> path.contains("lars-djl"))),
                before("the artifacts are", with("other", ".pom", pom(PARENT, "other", POM))),
                // What jars contain
                before("lars-core-1.2.0.jar cannot be read", with("lars-core", ".jar", bytes("PK"))),
                before("lars-core-1.2.0.jar contains no .class", with("lars-core", ".jar", jar("META-INF/LICENSE"))),
                before("contains no .java", with("lars-core", "-sources.jar", jar("META-INF/LICENSE", "A.class"))),
                before("contains no index.html", with("lars-core", "-javadoc.jar", jar("A.class"))),
                before("does not contain META-INF/LICENSE", with("lars-core", ".jar", jar("A.class"))),
                before("has the licences of [], and", with("lars-bench", "-runnable.jar", jar("META-INF/LICENSE"))),
                before(
                        "has the licences of [gson], and",
                        with("lars-bench", "-cyclonedx.json", components("1.6", "lars-bench", "other"))),
                // Lists of components
                before(
                        "CycloneDX 1.5, not CycloneDX 1.6",
                        with("lars-core", "-cyclonedx.json", components("1.5", "lars-core", "gson"))),
                before(
                        "its list of components is that of other 1.2.0",
                        with("lars-core", "-cyclonedx.json", components("1.6", "other", "gson"))),
                before("list of components cannot be read", with("lars-core", "-cyclonedx.json", bytes("[]"))),
                // Poms
                before("pom's artifactId is \"other\"", replace("lars-core", ".pom", ">lars-core<", ">other<")),
                before("pom has no name", replace("lars-core", ".pom", "<name>a</name>", "")),
                before("pom has no description", replace("lars-core", ".pom", "<description>b</description>", "")),
                before("its packaging is \"\"", replace("lars4j-integrations", ".pom", POM, "")),
                before("its packaging is \"pom\"", pomWith("lars-core", POM)),
                before(
                        "its pom names repositories",
                        pomWith("lars-core", "<repositories><repository><id>a</id></repository></repositories>")),
                before("cannot be read", replace("lars-core", ".pom", "</project>", "")),
                before("which is not in the bundle", replace("lars-core", ".pom", ">lars4j<", ">other<")),
                before("the version of a is \"\"", depends("")),
                before("the version of a is \"1-SNAPSHOT\"", depends("<version>1-SNAPSHOT</version>")),
                before("the version of a is \"2-SNAPSHOT\"", depends("<version>${two}</version>")),
                before("the version of a is \"${three}\"", depends("<version>${three}</version>")),
                before("the version of a is \"[1,)\"", depends("<version>[1,)</version>")),
                // The BOM
                before("lars-bom:1.2.0 manages", replace("lars-bom", ".pom", ">lars-bench<", ">other<")),
                before("lars-bom:1.2.0 manages", replace("lars-bom", ".pom", "${project.version}", "1.1.0")),
                before(
                        "lars-bom:1.2.0 manages",
                        replace(
                                "lars-bom",
                                ".pom",
                                "</version></dependency>",
                                "</version><type>pom</type></dependency>")),
                before(
                        "lars-bom:1.2.0 manages",
                        pomWith(
                                "lars4j",
                                "<dependencyManagement><dependencies><dependency><groupId>a</groupId></dependency>"
                                        + "</dependencies></dependencyManagement>")),
                before(
                        "lars-bom:1.2.0 has dependencies of its own",
                        pomWith(
                                "lars-bom",
                                "<dependencies><dependency><version>1</version></dependency></dependencies>")));
    }

    @ParameterizedTest
    @MethodSource("faults")
    void oneFault(Fault fault, @TempDir Path folder) throws Exception {
        Map<String, byte[]> files = files();
        if (!fault.signed()) {
            fault.change().apply(files);
        }
        complete(files);
        if (fault.signed()) {
            fault.change().apply(files);
        }
        List<String> problems = problems(files, folder);
        assertTrue(problems.stream().anyMatch(problem -> problem.contains(fault.report())), problems.toString());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "url",
                "licenses/license/name",
                "licenses/license/url",
                "developers/developer/name",
                "scm/connection",
                "scm/developerConnection",
                "scm/url"
            })
    void aPomWithoutAnElement(String element, @TempDir Path folder) throws Exception {
        Map<String, byte[]> files = files();
        String[] names = element.split("/", -1);
        String name = names[names.length - 1];
        replace("lars4j", ".pom", "<" + name + ">", "<other>").apply(files);
        replace("lars4j", ".pom", "</" + name + ">", "</other>").apply(files);
        complete(files);
        List<String> problems = problems(files, folder);
        assertTrue(
                problems.stream()
                        .anyMatch(problem -> problem.contains("lars-core:1.2.0: its pom has no " + element + ",")),
                problems.toString());
    }

    @ParameterizedTest
    @CsvSource({
        "1.2.0, 1.2.0-SNAPSHOT, Central takes no snapshots",
        "github, elsewhere, its group is not io.github.lars4j"
    })
    void everywhere(String text, String by, String report, @TempDir Path folder) throws Exception {
        Map<String, byte[]> files = new TreeMap<>();
        for (Map.Entry<String, byte[]> file : files().entrySet()) {
            byte[] content = file.getKey().endsWith(".pom")
                    ? bytes(new String(file.getValue(), StandardCharsets.UTF_8).replace(text, by))
                    : file.getValue();
            files.put(file.getKey().replace(text, by), content);
        }
        complete(files);
        List<String> problems = problems(files, folder);
        assertEquals(
                7, problems.stream().filter(problem -> problem.contains(report)).count(), problems.toString());
    }

    @Test
    void severalVersions(@TempDir Path folder) throws Exception {
        Map<String, byte[]> files = new TreeMap<>();
        files().forEach((path, content) ->
                files.put(path.contains("lars-djl") ? path.replace("1.2.0", "1.2.1") : path, content));
        complete(files);
        List<String> problems = problems(files, folder);
        assertTrue(problems.contains("the artifacts have several versions: [1.2.0, 1.2.1]"), problems.toString());
    }

    @Test
    void aSignatureByAnotherKey(@TempDir Path folder) throws Exception {
        Map<String, byte[]> files = files();
        complete(files);
        ThrowAwayKey.write(folder, PASSPHRASE);
        Path zip = Files.write(folder.resolve("bundle.zip"), zip(files));
        List<String> problems =
                BundleCheck.problems(Bundle.read(zip), new Signatures(folder.resolve(ThrowAwayKey.PUBLIC)));
        assertEquals(files().size(), problems.size(), problems.toString());
        assertTrue(problems.getFirst().contains("it was made by another key"), problems.toString());
    }

    @Test
    void aFileOutsideOfTheLayout(@TempDir Path folder) throws Exception {
        Path zip = Files.write(folder.resolve("bundle.zip"), jar("read.me"));
        assertThrows(IOException.class, () -> Bundle.read(zip));
    }
}
