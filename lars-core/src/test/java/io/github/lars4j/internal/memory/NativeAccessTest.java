package io.github.lars4j.internal.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.ChildJvm;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Memory outside the heap, in JVMs that allow native access and that deny it. */
class NativeAccessTest {

    private static final String ALLOW = "--enable-native-access=ALL-UNNAMED";
    private static final String DENY = "--illegal-native-access=deny";

    @TempDir
    Path temp;

    @Test
    void allMemoryIsOneSegment() {
        assertTrue(NativeMemory.isAllowed());
        assertEquals(0, NativeMemory.Access.ALL.address());
        assertEquals(Long.MAX_VALUE, NativeMemory.Access.ALL.byteSize());
        assertEquals(4, NativeMemory.FLOAT.byteSize());
        assertEquals(ByteOrder.nativeOrder(), NativeMemory.FLOAT.order());
        assertEquals(ByteOrder.nativeOrder(), NativeMemory.ORDER);
    }

    @Test
    @Tag("no-mutants")
    void whereItIsDeniedNothingIsHeldAndOneLineSaysSo() throws Exception {
        Run run = run(NativeAccess.class, List.of(), DENY);
        assertEquals("""
                allowed false, all null
                own bases true, positions 12 0, arenas 1
                own base true, position 12
                runs, and holds nothing open
                thrown of the code
                """, run.out);
        List<String> logged = run.err
                .lines()
                .filter(line -> line.contains("outside the heap"))
                .toList();
        assertEquals(1, logged.size(), run.err);
        String line = logged.getFirst();
        assertTrue(
                line.startsWith("INFO: tensors outside the heap are copied block by block, which is slower: "), line);
        assertTrue(
                line.endsWith(
                        "; add --enable-native-access=ALL-UNNAMED, or =io.github.lars4j on the module path, to the"
                                + " java command"),
                line);
    }

    /** Neither a log line nor a warning of the JVM: nothing is outside the heap. */
    @Test
    @Tag("no-mutants")
    void arraysNeedNoNativeAccess() throws Exception {
        for (String mode : new String[] {DENY, "--illegal-native-access=warn"}) {
            Run run = run(NativeAccess.class, List.of("arrays"), mode);
            assertTrue(run.out.startsWith("arrays, layout "), run.out);
            assertEquals("", run.err);
        }
    }

    /**
     * A stack that overflows in the call back from the native function would end the JVM. The danger is greatest while
     * Java calls are compiled and calls of native functions are not.
     */
    @Test
    @Tag("no-mutants")
    void theEndOfTheStackDoesNotEndTheJvm() throws Exception {
        List<Callable<Run>> jvms = new ArrayList<>();
        for (String mode : new String[] {"-Xmixed", "-Xint", "-XX:-TieredCompilation", "-XX:TieredStopAtLevel=1"}) {
            jvms.add(() -> run(
                    DeepStack.class,
                    List.of(),
                    ALLOW,
                    mode,
                    "-XX:-CreateCoredumpOnCrash",
                    "-XX:ErrorFile=" + temp + "/hs_err"));
        }
        for (Run run : ChildJvm.together(jvms)) {
            assertEquals("200 overflows, many runs\n", run.out, run.err);
        }
    }

    private record Run(String out, String err) {}

    private Run run(Class<?> main, List<String> arguments, String... flags)
            throws IOException, InterruptedException, URISyntaxException {
        Path out = Files.createTempFile(temp, "out", ".txt");
        Path err = Files.createTempFile(temp, "err", ".txt");
        ProcessBuilder builder = new ProcessBuilder(
                        ChildJvm.command(List.of(flags), main, arguments.toArray(new String[0])))
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        // Options from the environment would change what is tested.
        builder.environment().remove("JDK_JAVA_OPTIONS");
        builder.environment().remove("JAVA_TOOL_OPTIONS");
        builder.start().waitFor();
        return new Run(Files.readString(out).replace("\r", ""), Files.readString(err));
    }
}
