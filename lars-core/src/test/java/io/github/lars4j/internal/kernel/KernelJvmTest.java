package io.github.lars4j.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Lars;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.ClassElement;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.MethodModel;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@link ShortRun} in JVMs with other options: it uses the expected kernels, logs once, and gives the same bits. */
@Tag("no-mutants")
class KernelJvmTest {

    private static final String WITH_MODULE = "--add-modules=jdk.incubator.vector";
    private static final String NATIVE = "--enable-native-access=ALL-UNNAMED";
    private static final String DENIED = "--illegal-native-access=deny";

    private static int same;
    private static int refused;

    @TempDir
    Path temp;

    @AfterAll
    static void count() {
        System.out.printf("%d JVMs gave the same bits, %d refused kernels that cannot run%n", same, refused);
    }

    @Test
    void withoutTheModule() throws Exception {
        Started alone = start();
        Started toldSo = start("-Dlars4j.kernels=auto");
        Run run = alone.end();
        run.same("scalar kernels: module jdk.incubator.vector is missing;"
                + " add --add-modules jdk.incubator.vector to the java command");
        run.logged(1);
        Run auto = toldSo.end();
        auto.same(run.kernels());
        assertEquals(run.logged(), auto.logged(), "auto is the default");
    }

    @Test
    void withTheModule() throws Exception {
        // The result of the trial and its time depend on the machine.
        Run run = run(WITH_MODULE);
        assertTrue(run.kernels().contains(" tried"), run::toString);
        run.same(run.kernels());
        run.logged(run.kernels().endsWith("were not faster") ? 1 : 0);
    }

    /** The kernels of other places and formats are not even loaded. */
    @Test
    void withTheModuleAndNoStepAfterTheTrial() throws Exception {
        Run run = run(
                List.of(ShortRun.TO_THE_END), WITH_MODULE, NATIVE, "-Dlars4j.kernels=auto", "-Xlog:class+load:stderr");
        assertFalse(run.kernels().contains("still"), run::toString);
        run.same(run.kernels());
        run.logged(run.kernels().endsWith("were not faster") ? 1 : 0);
        assertEquals(Set.of("ScalarKernels", "VectorKernels"), run.loadedKernels());
    }

    @Test
    void askedFor() throws Exception {
        Started withScalar = start(WITH_MODULE, "-Dlars4j.kernels=scalar");
        Started withVector = start(WITH_MODULE, "-Dlars4j.kernels=vector", "-Dlars4j.vectorBits=128");
        Run scalar = withScalar.end();
        scalar.same("scalar kernels: asked for by -Dlars4j.kernels=scalar");
        scalar.logged(0);
        Run vector = withVector.end();
        vector.same("vector kernels, 128 bits: asked for by -Dlars4j.kernels=vector");
        vector.logged(0);
    }

    /** The kernels of a kind are tried, and even loaded, only if there are tensors of that kind. */
    @Test
    void kernelsOutsideTheHeapAreTriedOnceTheyAreUsed() throws Exception {
        Run outside =
                run(List.of(ShortRun.TO_THE_END, ShortRun.OUTSIDE), WITH_MODULE, NATIVE, "-Xlog:class+load:stderr");
        assertEquals(ShortRun.EXPECTED, outside.hash());
        assertTrue(outside.kernelsOutside().matches(".*(faster|not faster).*"), outside::toString);
        Set<String> loaded = outside.loadedKernels();
        assertTrue(loaded.containsAll(Set.of("NativeScalarKernels", "NativeVectorKernels")), () -> "loaded " + loaded);
        assertTrue(
                loaded.stream().allMatch(name -> name.matches("(Native)?(Scalar|Vector)Kernels")),
                () -> "loaded " + loaded);
        same++;
    }

    @Test
    void withoutTheModuleAndOutsideTheHeap() throws Exception {
        Run run = run(List.of(ShortRun.OUTSIDE), NATIVE);
        assertEquals(ShortRun.EXPECTED, run.hash());
        assertEquals("outside the heap: " + run.kernels(), run.kernelsOutside());
        assertTrue(run.kernels().startsWith("scalar kernels: module jdk.incubator.vector is missing;"), run::toString);
        run.logged(1);
        same++;
    }

    /** Steps then copy blocks and use the kernels for arrays. */
    @Test
    void outsideTheHeapAndNativeAccessIsDenied() throws Exception {
        Started withModule = start(
                List.of(ShortRun.OUTSIDE),
                WITH_MODULE,
                DENIED,
                "-Dlars4j.kernels=vector",
                "-Dlars4j.vectorBits=256",
                "-Xlog:class+load:stderr");
        Started withoutModule = start(List.of(ShortRun.OUTSIDE), DENIED);
        Run run = withModule.end();
        run.same("vector kernels, 256 bits: asked for by -Dlars4j.kernels=vector");
        run.logged(0);
        run.saysOnceThatBlocksAreCopied();
        assertTrue(run.loadedKernels().containsAll(Set.of("CopyKernels", "VectorKernels")), run::toString);
        assertFalse(run.loadedKernels().contains("NativeScalarKernels"), run::toString);
        assertFalse(run.loadedKernels().contains("NativeVectorKernels"), run::toString);

        Run without = withoutModule.end();
        without.same("scalar kernels: module jdk.incubator.vector is missing;"
                + " add --add-modules jdk.incubator.vector to the java command");
        without.logged(1);
        without.saysOnceThatBlocksAreCopied();
    }

    /** Narrow formats, with the instructions of a processor without AVX-512. */
    @Test
    void narrowFormatsWithAvx2() throws Exception {
        Run run = start(
                        NarrowRun.class,
                        List.of(ShortRun.OUTSIDE),
                        WITH_MODULE,
                        NATIVE,
                        "-XX:+IgnoreUnrecognizedVMOptions",
                        "-XX:UseAVX=2",
                        "-Dlars4j.kernels=vector",
                        "-Xlog:class+load:stderr")
                .end();
        assertEquals(NarrowRun.EXPECTED, run.hash());
        assertEquals(
                Set.of(
                        "NativeVectorKernelsBfloat16Float32",
                        "NativeVectorKernelsBfloat16Bfloat16",
                        "NativeVectorKernelsBfloat16Stochastic",
                        "NativeVectorKernels",
                        "NativeVectorKernelsFloat32Bfloat16",
                        "NativeVectorKernelsFloat32Stochastic"),
                run.loadedKernels().stream()
                        .filter(name -> name.startsWith("NativeVector"))
                        .collect(Collectors.toSet()));
        same++;
    }

    /** Steps copy blocks and use the kernels for arrays, with vectors here. */
    @Test
    void narrowFormatsOutsideTheHeapAndNativeAccessIsDenied() throws Exception {
        Run run = start(
                        NarrowRun.class,
                        List.of(ShortRun.OUTSIDE),
                        WITH_MODULE,
                        DENIED,
                        "-Dlars4j.kernels=vector",
                        "-Xlog:class+load:stderr")
                .end();
        assertEquals(NarrowRun.EXPECTED, run.hash());
        run.saysOnceThatBlocksAreCopied();
        assertEquals(Set.of("CopyKernels", "ScalarKernels", "VectorKernels"), run.loadedKernels());
        same++;
    }

    /** Neither a log line nor a warning of the JVM. */
    @Test
    void arraysNeedNoNativeAccess() throws Exception {
        Started denied = start(DENIED, "-Dlars4j.kernels=scalar");
        Started warned = start("--illegal-native-access=warn", "-Dlars4j.kernels=scalar");
        for (Run run : List.of(denied.end(), warned.end())) {
            run.same("scalar kernels: asked for by -Dlars4j.kernels=scalar");
            assertEquals("", run.err);
        }
    }

    @Test
    void interpreted() throws Exception {
        Run run = run(WITH_MODULE, "-Xint");
        assertTrue(run.kernels().startsWith("scalar kernels: the JVM runs in interpreted mode"), run::toString);
        run.same(run.kernels());
        run.logged(1);
    }

    @Test
    void withoutC2() throws Exception {
        Run run = run(WITH_MODULE, "-XX:TieredStopAtLevel=1");
        assertTrue(run.kernels().matches("scalar kernels: the JVM runs in .*emulated-client.*"), run::toString);
        run.same(run.kernels());
        run.logged(1);
    }

    @Test
    void anotherIncubatorThatLacksAClassOfOurs() throws Exception {
        scalarWith("java.lang.NoSuch", patch("VectorShape", (code, element) -> {}));
    }

    /** The JVM links a call in a kernel when it is first executed, long after the class has been initialized. */
    @Test
    void anotherIncubatorThatLacksWhatOneKernelCalls() throws Exception {
        scalarWith("java.lang.NoSuch", patch("FloatVector", ClassTransform.dropping(KernelJvmTest::isMulByScalar)));
    }

    @Test
    void anotherJvmThatThrowsInOneKernel() throws Exception {
        ClassDesc thrown = ClassDesc.of("java.lang.UnsupportedOperationException");
        scalarWith("java.lang.UnsupportedOperationException", patch("FloatVector", (builder, element) -> {
            if (isMulByScalar(element) && element instanceof MethodModel method) {
                builder.withMethodBody(
                        method.methodName(),
                        method.methodType(),
                        method.flags().flagsMask(),
                        code -> code.new_(thrown)
                                .dup()
                                .invokespecial(thrown, ConstantDescs.INIT_NAME, ConstantDescs.MTD_void)
                                .athrow());
            } else {
                builder.with(element);
            }
        }));
    }

    private static boolean isMulByScalar(ClassElement element) {
        return element instanceof MethodModel method
                && method.methodName().equalsString("mul")
                && method.methodTypeSymbol().parameterList().equals(List.of(ConstantDescs.CD_float));
    }

    private void scalarWith(String thrown, String patch) throws IOException, InterruptedException, URISyntaxException {
        Started patched = start(List.of(ShortRun.TO_THE_END), WITH_MODULE, patch);
        Started toRefuse = start(WITH_MODULE, patch, "-Dlars4j.kernels=vector");
        Run run = patched.end();
        String reason = "the vector kernels do not run on this JVM: " + thrown;
        assertTrue(run.kernels().startsWith("scalar kernels: " + reason), run::toString);
        run.same(run.kernels());
        run.logged(1);
        toRefuse.end().refused("java.lang.IllegalStateException: -Dlars4j.kernels=vector cannot be met: " + reason);
    }

    @Test
    void wrongProperty() throws Exception {
        Started kernels = start(WITH_MODULE, "-Dlars4j.kernels=simd");
        Started bits = start(WITH_MODULE, "-Dlars4j.vectorBits=64");
        kernels.end().refused("java.lang.IllegalArgumentException: -Dlars4j.kernels is \"simd");
        bits.end().refused("java.lang.IllegalArgumentException: -Dlars4j.vectorBits is \"64");
    }

    /** Replaces a class of the module by a copy with parts removed. */
    private String patch(String name, ClassTransform transform) throws IOException {
        String path = "jdk/incubator/vector/" + name + ".class";
        Path file = temp.resolve(path);
        Files.createDirectories(file.getParent());
        Module module = ModuleLayer.boot().findModule("jdk.incubator.vector").orElseThrow();
        try (InputStream in = module.getResourceAsStream(path)) {
            ClassFile classFile = ClassFile.of();
            Files.write(file, classFile.transformClass(classFile.parse(in.readAllBytes()), transform));
        }
        return "--patch-module=jdk.incubator.vector=" + temp;
    }

    private Run run(String... options) throws IOException, InterruptedException, URISyntaxException {
        return start(options).end();
    }

    private Run run(List<String> arguments, String... options)
            throws IOException, InterruptedException, URISyntaxException {
        return start(arguments, options).end();
    }

    private Started start(String... options) throws IOException, URISyntaxException {
        return start(List.of(), options);
    }

    private Started start(List<String> arguments, String... options) throws IOException, URISyntaxException {
        return start(ShortRun.class, arguments, options);
    }

    private Started start(Class<?> main, List<String> arguments, String... options)
            throws IOException, URISyntaxException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(options));
        command.addAll(List.of("-cp", place(Lars.class) + File.pathSeparator + place(main), main.getName()));
        command.addAll(arguments);
        Path out = Files.createTempFile(temp, "out", ".txt");
        Path err = Files.createTempFile(temp, "err", ".txt");
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
        // Options from the environment would change what is tested.
        builder.environment().remove("JDK_JAVA_OPTIONS");
        builder.environment().remove("JAVA_TOOL_OPTIONS");
        return new Started(builder.start(), out, err);
    }

    private record Started(Process process, Path out, Path err) {

        Run end() throws IOException, InterruptedException {
            int status = process.waitFor();
            return new Run(status, Files.readString(out), Files.readString(err));
        }
    }

    private static String place(Class<?> type) throws URISyntaxException {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI())
                .toString();
    }

    private record Run(int status, String out, String err) {

        void same(String kernels) {
            assertEquals("hash " + ShortRun.EXPECTED + "\nkernels " + kernels + "\n", out.replace("\r", ""), err);
            assertEquals(0, status, err);
            same++;
        }

        void refused(String message) {
            assertNotEquals(0, status, err);
            assertTrue(err.contains(message), err);
            refused++;
        }

        String kernels() {
            return out.lines()
                    .filter(line -> line.startsWith("kernels "))
                    .map(line -> line.substring("kernels ".length()))
                    .findFirst()
                    .orElse("");
        }

        String hash() {
            assertEquals(0, status, err);
            return out.lines().findFirst().orElse("").replace("hash ", "");
        }

        /** Returns the line about kernels outside the heap. */
        String kernelsOutside() {
            return out.lines()
                    .filter(line -> line.startsWith("outside the heap: "))
                    .findFirst()
                    .orElse("");
        }

        /** Returns the names of the implementations of kernels that were loaded, which -Xlog:class+load writes. */
        Set<String> loadedKernels() {
            Matcher loaded = Pattern.compile(
                            "lars4j\\.internal\\.kernel\\.((Native|Offset)?(Scalar|Vector|Copy)Kernels\\w*) source")
                    .matcher(err);
            return loaded.results().map(match -> match.group(1)).collect(Collectors.toSet());
        }

        void saysOnceThatBlocksAreCopied() {
            assertEquals(
                    1,
                    err.lines()
                            .filter(line -> line.contains("copied block by block"))
                            .count(),
                    err);
        }

        /** Returns the lines of the library's logger, which the JDK's default handler writes to standard error. */
        List<String> logged() {
            return err.lines().filter(line -> line.contains(" kernels: ")).toList();
        }

        void logged(int lines) {
            assertEquals(lines, logged().size(), err);
            if (lines == 1) {
                assertTrue(logged().getFirst().endsWith(kernels()), err);
            }
        }
    }
}
