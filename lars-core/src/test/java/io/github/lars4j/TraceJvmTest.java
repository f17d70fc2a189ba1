package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every {@link Trace} gives the committed bits in JVMs with other options: interpreted, C1, C2, older instruction sets.
 */
@Tag("no-mutants")
class TraceJvmTest {

    /** A vector width that the hardware, as this JVM sees it, does not have. */
    private static final List<String> WIDER = List.of("-XX:UseAVX=2", "-Dlars4j.vectorBits=512");

    private static final List<List<String>> JVMS = List.of(
            List.of("-Xint"),
            List.of("-XX:TieredStopAtLevel=1"),
            List.of("-XX:-TieredCompilation"),
            List.of("-XX:UseAVX=0"),
            List.of("-XX:UseAVX=1"),
            List.of("-XX:UseAVX=2"),
            List.of("-XX:UseAVX=3"),
            WIDER,
            List.of("-Dlars4j.vectorBits=128"),
            List.of("-Dlars4j.vectorBits=256"),
            List.of("-Dlars4j.vectorBits=512"));

    @TempDir
    Path temp;

    /**
     * Returns whether vectors are objects under these options, so that a few traces take as long as all of them
     * otherwise.
     */
    private static boolean slowVectors(List<String> options) {
        return options.contains("-Xint") || options.contains("-XX:TieredStopAtLevel=1") || options.equals(WIDER);
    }

    @Test
    void sameBits() throws Exception {
        int agreed = 0;
        for (List<String> options : JVMS) {
            agreed += agree("scalar", options, options.contains("-Xint") ? 2 : 6, 2);
            agreed += agree("vector", options, slowVectors(options) ? 1 : 6, 2);
        }
        System.out.println(agreed + " runs of traces agreed, in " + 2 * JVMS.size() + " other JVMs");
    }

    @Test
    @Tag("slow")
    void sameBitsOfAll() throws Exception {
        int agreed = 0;
        for (List<String> options : JVMS) {
            agreed += agree("scalar", options, options.contains("-Xint") ? 50 : Trace.TRACES, 4);
            agreed += agree("vector", options, slowVectors(options) ? 10 : Trace.TRACES, 4);
        }
        System.out.println(agreed + " runs of traces agreed, in " + 2 * JVMS.size() + " other JVMs");
    }

    private int agree(String kernels, List<String> options, int traces, int ways)
            throws IOException, InterruptedException, URISyntaxException {
        List<String> flags = new ArrayList<>(options);
        // Other hardware has no AVX to disable.
        flags.addAll(List.of("-XX:+IgnoreUnrecognizedVMOptions", "--add-modules=jdk.incubator.vector"));
        Path out = temp.resolve("out");
        ProcessBuilder builder = new ProcessBuilder(
                        ChildJvm.command(flags, Trace.class, kernels, Integer.toString(traces), Integer.toString(ways)))
                .redirectErrorStream(true)
                .redirectOutput(out.toFile());
        builder.environment().remove("JDK_JAVA_OPTIONS");
        builder.environment().remove("JAVA_TOOL_OPTIONS");
        int status = builder.start().waitFor();
        String printed = Files.readString(out);
        int runs = traces * ways;
        assertEquals(
                "agreed " + runs + " of " + runs,
                printed.strip().lines().reduce("", (before, line) -> line),
                () -> kernels + " " + options + ": " + printed);
        assertEquals(0, status);
        return runs;
    }
}
