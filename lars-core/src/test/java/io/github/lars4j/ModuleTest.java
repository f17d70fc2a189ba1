package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.spi.ToolProvider;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs a program that takes a step, in its own JVM, with the library on the class path, the module path and so on. */
@Tag("no-mutants")
class ModuleTest {

    private static final String NOT_THERE = "module jdk.incubator.vector is missing";

    @TempDir
    Path temp;

    private Path user;
    private Path library;

    @BeforeEach
    void compileUser() throws Exception {
        library = Path.of(
                Lars.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        user = temp.resolve("user");
        Path source = Files.createDirectories(temp.resolve("source/user")).resolve("Main.java");
        Files.writeString(source, """
                package user;

                import io.github.lars4j.Lars;
                import io.github.lars4j.Layers;

                public class Main {
                    public static void main(String[] args) {
                        float[] weights = {3, 4};
                        float[] gradients = {0, 1};
                        try (Lars lars = Lars.builder(Layers.builder().add("a", 2).build())
                                .learningRate(1).trustCoefficient(0.1).build()) {
                            lars.step(weights, gradients);
                            System.out.println(weights[0] + " " + weights[1]);
                            System.out.println(lars.kernels());
                        }
                    }
                }
                """);
        Path module = temp.resolve("source/module-info.java");
        Files.writeString(module, "module user { requires io.github.lars4j; }");
        tool("javac", "-Xlint:none", "-d", user, "--module-path", library, source, module);
    }

    /** The jar plugin reads it by the Java that runs Maven, which may be 17. */
    @Test
    void theDescriptorIsOneOfJava17() throws IOException {
        byte[] descriptor = Files.readAllBytes(library.resolve("module-info.class"));
        assertEquals(61, descriptor[6] << 8 | descriptor[7]);
    }

    @Test
    void classPath() throws Exception {
        assertTrue(run(java(), "-cp", both(), "user.Main").contains(NOT_THERE));
        assertTrue(!run(java(), "--add-modules=jdk.incubator.vector", "-cp", both(), "user.Main")
                .contains(NOT_THERE));
    }

    @Test
    void modulePath() throws Exception {
        assertTrue(!run(java(), "--module-path", both(), "-m", "user/user.Main").contains(NOT_THERE));
    }

    @Test
    void linkedWithTheIncubator() throws Exception {
        Path image = link("--module-path", both(), "--add-modules", "user");
        assertTrue(!run(image.resolve("bin/java"), "-m", "user/user.Main").contains(NOT_THERE));
    }

    @Test
    void classPathOfAnImageWithoutTheIncubator() throws Exception {
        Path image = link("--add-modules", "java.base");
        assertTrue(run(image.resolve("bin/java"), "-cp", both(), "user.Main").contains(NOT_THERE));
    }

    private static Path java() {
        return Path.of(System.getProperty("java.home"), "bin", "java");
    }

    private String both() {
        return library + File.pathSeparator + user;
    }

    private Path link(Object... arguments) {
        assumeTrue(ToolProvider.findFirst("jlink").isPresent(), "this JDK has no jlink");
        Path image = temp.resolve("image");
        List<Object> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--output", image));
        tool("jlink", all.toArray());
        return image;
    }

    private static void tool(String name, Object... arguments) {
        Optional<ToolProvider> tool = ToolProvider.findFirst(name);
        assumeTrue(tool.isPresent(), () -> "this JDK has no " + name);
        StringWriter output = new StringWriter();
        PrintWriter writer = new PrintWriter(output);
        String[] words = List.of(arguments).stream().map(Object::toString).toArray(String[]::new);
        assertEquals(0, tool.get().run(writer, writer, words), () -> name + " says:\n" + output);
    }

    /** Runs a command; returns the kernels, which it prints after the weights. */
    private String run(Object... command) throws IOException, InterruptedException {
        List<String> words = List.of(command).stream().map(Object::toString).toList();
        Path log = temp.resolve("log");
        Process process = new ProcessBuilder(words)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        int exit = process.waitFor();
        List<String> lines = Files.readAllLines(log);
        assertEquals(0, exit, () -> words + "\n" + lines);
        // r = 0.1 * 5 / 1, so that 4 becomes 4 - 0.5.
        int weights = lines.indexOf("3.0 3.5");
        assertTrue(weights >= 0, () -> words + "\n" + lines);
        return lines.get(weights + 1);
    }
}
