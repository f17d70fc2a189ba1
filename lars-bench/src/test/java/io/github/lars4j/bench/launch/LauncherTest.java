package io.github.lars4j.bench.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LauncherTest {

    private static final String WITH_MODULE = "java.base jdk.incubator.vector java.logging";

    @TempDir
    Path folder;

    private File jdk(String name, String version, String modules) throws IOException {
        Path home = folder.resolve(name);
        Files.createDirectories(home.resolve("bin"));
        Files.createFile(home.resolve("bin/java"));
        Files.writeString(
                home.resolve("release"), "JAVA_VERSION=\"" + version + "\"\nMODULES=\"" + modules + "\"\nLIBC=\"x\"\n");
        return home.toFile();
    }

    private static File chosen(List<File> named, List<File> found) {
        Jdks.Jdk jdk = Jdks.choose(named, found);
        assertNotNull(jdk);
        return jdk.home;
    }

    @Test
    void takesTheLowestReleaseThatIsNewEnough() throws IOException {
        File old = jdk("a", "17.0.15", WITH_MODULE);
        File ancient = jdk("b", "1.8.0_402", WITH_MODULE);
        File next = jdk("c", "26", WITH_MODULE);
        File right = jdk("d", "25.0.3", WITH_MODULE);
        assertEquals(right, chosen(List.of(), List.of(old, ancient, next, right)));
        assertEquals(next, chosen(List.of(), List.of(old, ancient, next)));
        assertNull(Jdks.choose(List.of(ancient), List.of(old)));
    }

    @Test
    void takesTheNewestUpdateOfARelease() throws IOException {
        File first = jdk("a", "25", WITH_MODULE);
        File third = jdk("b", "25.0.10", WITH_MODULE);
        File second = jdk("c", "25.0.9", WITH_MODULE);
        assertEquals(third, chosen(List.of(), List.of(first, third, second)));
    }

    @Test
    void aNamedFolderGoesBeforeAFoundOne() throws IOException {
        File old = jdk("a", "21.0.1", WITH_MODULE);
        File named = jdk("b", "26.0.1", WITH_MODULE);
        File alsoNamed = jdk("c", "25.0.1", WITH_MODULE);
        File found = jdk("d", "25.0.3", WITH_MODULE);
        assertEquals(named, chosen(List.of(old, named, alsoNamed), List.of(found)));
        assertEquals(found, chosen(List.of(old), List.of(found)));
    }

    @Test
    void theVectorModuleMustBeThere() throws IOException {
        File without = jdk("a", "25.0.3", "java.base java.logging jdk.incubator.vectors");
        File with = jdk("b", "26.0.1", WITH_MODULE);
        assertEquals(with, chosen(List.of(without), List.of(without, with)));
        Files.createDirectories(without.toPath().resolve("jmods"));
        Files.createFile(without.toPath().resolve("jmods/jdk.incubator.vector.jmod"));
        assertEquals(without, chosen(List.of(), List.of(without, with)));
    }

    @Test
    void whatIsNoInstallationIsPassedOver() throws IOException {
        File good = jdk("good", "25.0.3", WITH_MODULE);
        File noJava = jdk("noJava", "25.0.3", WITH_MODULE);
        Files.delete(noJava.toPath().resolve("bin/java"));
        File garbled = jdk("garbled", "25.0.3", WITH_MODULE);
        Files.writeString(garbled.toPath().resolve("release"), "JAVA_VERSION=\\uXYZ");
        File noVersion = jdk("noVersion", "x25", WITH_MODULE);
        File absent = folder.resolve("absent").toFile();
        assertEquals(good, chosen(List.of(absent, noJava, garbled), List.of(noVersion, noJava, garbled, absent, good)));
        assertNull(Jdks.choose(List.of(absent, noJava, garbled), List.of(noVersion)));
    }

    @Test
    void environmentVariablesNameFolders() {
        Map<String, String> environment = Map.of(
                "JAVA_HOME", "/java",
                "JAVA_HOME_26_X64", "/jdk26",
                "JDK25_HOME", "/jdk25",
                "JAVA_HOME_17_X64", "/jdk17",
                "JDK_HOME_POLICY", "/policy",
                "JDK27_HOME", " ");
        assertEquals(List.of(new File("/java"), new File("/jdk25"), new File("/jdk26")), Jdks.named(environment));
        assertEquals(List.of(), Jdks.named(Map.of()));
    }

    @Test
    void onWindowsFoldersAreFoundHoweverTheShellSpellsItsVariables() {
        for (String variable : List.of("ProgramFiles", "PROGRAMFILES")) {
            List<File> parents = Jdks.usualParents("home", Map.of(variable, "C:\\Program Files"), true);
            assertTrue(parents.contains(new File("C:\\Program Files", "Eclipse Adoptium")), parents::toString);
            assertTrue(parents.contains(new File("home", ".jdks")), parents::toString);
        }
    }

    @Test
    void foldersAreListedByNameAndBundlesOpened() throws IOException {
        Files.createDirectories(folder.resolve("b"));
        Files.createDirectories(folder.resolve("a/Contents/Home"));
        File absent = folder.resolve("absent").toFile();
        assertEquals(
                List.of(
                        folder.resolve("a/Contents/Home").toFile(),
                        folder.resolve("b").toFile()),
                Jdks.children(List.of(absent, folder.toFile())));
    }

    @Test
    void agentsAndPathsAreNotForwarded() {
        assertEquals(
                List.of("-Xmx2g", "-Dlars4j.kernels=scalar", "-XX:+UseParallelGC", "-ea"),
                Launcher.forwarded(List.of(
                        "-Xmx2g",
                        "-javaagent:a.jar",
                        "-agentlib:jdwp=transport=dt_socket",
                        "-Dlars4j.kernels=scalar",
                        "-Xbootclasspath/a:b.jar",
                        "-Dcom.sun.management.jmxremote.port=9010",
                        "-XX:+UseParallelGC",
                        "-XX:SharedArchiveFile=c.jsa",
                        "-ea")));
    }
}
