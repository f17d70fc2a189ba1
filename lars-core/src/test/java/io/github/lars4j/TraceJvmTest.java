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

    /** The JVM denies native access, so that tensors outside the heap are copied block by block. */
    private static final List<String> DENIED = List.of("--illegal-native-access=deny");

    private static final List<List<String>> JVMS = List.of(
            DENIED,
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
            agreed += agree("scalar", options, options.contains("-Xint") ? 2 : 6, 2, 3);
            agreed += agree("vector", options, slowVectors(options) ? 1 : 6, 2, 3);
        }
        System.out.println(agreed + " runs of traces agreed, in " + 2 * JVMS.size() + " other JVMs");
    }

    @Test
    @Tag("slow")
    void sameBitsOfAll() throws Exception {
        int agreed = 0;
        for (List<String> options : JVMS) {
            agreed += agree("scalar", options, options.contains("-Xint") ? 50 : Trace.TRACES, 4, Trace.TRACES);
            agreed += agree("vector", options, slowVectors(options) ? 10 : Trace.TRACES, 4, Trace.TRACES);
        }
        System.out.println(agreed + " runs of traces agreed, in " + 2 * JVMS.size() + " other JVMs");
    }

    /**
     * Runs traces in another JVM.
     *
     * @param ways the number of ways to run each with its tensors in one array each; half as many with them elsewhere
     * @param mostElsewhere the greatest number of traces to run with their tensors elsewhere
     */
    private int agree(String kernels, List<String> options, int traces, int ways, int mostElsewhere)
            throws IOException, InterruptedException, URISyntaxException {
        List<String> flags = new ArrayList<>(options);
        // Other hardware has no AVX to disable.
        flags.addAll(List.of("-XX:+IgnoreUnrecognizedVMOptions", "--add-modules=jdk.incubator.vector"));
        if (!options.equals(DENIED)) {
            flags.add("--enable-native-access=ALL-UNNAMED");
        }
        int elsewhere = Math.min(traces, mostElsewhere);
        Path out = temp.resolve("out");
        ProcessBuilder builder = new ProcessBuilder(ChildJvm.command(
                        flags,
                        Trace.class,
                        kernels,
                        Integer.toString(traces),
                        Integer.toString(ways),
                        Integer.toString(elsewhere)))
                .redirectErrorStream(true)
                .redirectOutput(out.toFile());
        builder.environment().remove("JDK_JAVA_OPTIONS");
        builder.environment().remove("JAVA_TOOL_OPTIONS");
        int status = builder.start().waitFor();
        String printed = Files.readString(out);
        int runs = traces * ways + elsewhere * (ways / 2);
        assertEquals(
                "agreed " + runs + " of " + runs,
                printed.strip().lines().reduce("", (before, line) -> line),
                () -> kernels + " " + options + ": " + printed);
        assertEquals(options.equals(DENIED), printed.contains("copied block by block"), printed);
        assertEquals(0, status);
        return runs;
    }
}
