package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
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

    /** Some vectors are objects without AVX, so that a build runs few traces. */
    private static final List<String> WITHOUT_AVX = List.of("-XX:UseAVX=0");

    private static final List<List<String>> JVMS = List.of(
            DENIED,
            List.of("-Xint"),
            List.of("-XX:TieredStopAtLevel=1"),
            List.of("-XX:-TieredCompilation"),
            WITHOUT_AVX,
            List.of("-XX:UseAVX=1"),
            List.of("-XX:UseAVX=2"),
            WIDER);

    /** What the JVM of {@link TraceTest} has anyway, or one of those that the build starts for the vector widths. */
    private static final List<List<String>> USUAL_JVMS = List.of(
            List.of("-XX:UseAVX=3"),
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
        List<Callable<Integer>> jvms = new ArrayList<>();
        for (List<String> options : JVMS) {
            boolean interpreted = options.contains("-Xint");
            boolean few = slowVectors(options) || options.equals(WITHOUT_AVX);
            List<Traces> traces = List.of(
                    new Traces("scalar", interpreted ? 2 : 6, 2, interpreted ? 2 : 3, 0),
                    new Traces("vector", few ? 1 : 6, 2, few ? 1 : 3, 0));
            jvms.add(() -> agree(options, traces));
        }
        assertAgreed(jvms);
    }

    /** Kernels of one kind in each JVM, so that the calls of kernels have one target, as those of most trainers. */
    @Test
    @Tag("slow")
    void sameBitsOfAll() throws Exception {
        List<Callable<Integer>> jvms = new ArrayList<>();
        for (List<String> options :
                Stream.concat(JVMS.stream(), USUAL_JVMS.stream()).toList()) {
            int scalar = options.contains("-Xint") ? 50 : Trace.TRACES;
            int vector = slowVectors(options) ? 10 : Trace.TRACES;
            jvms.add(() -> agree(options, List.of(new Traces("scalar", scalar, 4, scalar, scalar))));
            jvms.add(() -> agree(options, List.of(new Traces("vector", vector, 4, vector, vector))));
        }
        assertAgreed(jvms);
    }

    private static void assertAgreed(List<Callable<Integer>> jvms) throws Exception {
        int agreed =
                ChildJvm.together(jvms).stream().mapToInt(Integer::intValue).sum();
        System.out.println(agreed + " runs of traces agreed, in " + jvms.size() + " other JVMs");
    }

    /**
     * What a JVM runs.
     *
     * @param count the number of traces
     * @param ways the number of ways to run each with its tensors in one array each
     * @param elsewhere the number of traces to run in half as many ways with their tensors elsewhere
     * @param inOtherFormats the number of traces to run in one way in each of the other formats
     */
    private record Traces(String kernels, int count, int ways, int elsewhere, int inOtherFormats) {

        List<String> arguments() {
            return List.of(
                    kernels,
                    Integer.toString(count),
                    Integer.toString(ways),
                    Integer.toString(elsewhere),
                    Integer.toString(inOtherFormats));
        }

        int runs() {
            return count * ways
                    + elsewhere * (ways / 2)
                    + inOtherFormats * Trace.Formats.others().size();
        }
    }

    /** Runs traces in another JVM; returns how many runs that were. */
    private int agree(List<String> options, List<Traces> traces)
            throws IOException, InterruptedException, URISyntaxException {
        List<String> flags = new ArrayList<>(options);
        // Other hardware has no AVX to disable.
        flags.addAll(List.of("-XX:+IgnoreUnrecognizedVMOptions", "--add-modules=jdk.incubator.vector"));
        if (!options.equals(DENIED)) {
            flags.add("--enable-native-access=ALL-UNNAMED");
        }
        Path out = Files.createTempFile(temp, "out", ".txt");
        ProcessBuilder builder = new ProcessBuilder(ChildJvm.command(
                        flags,
                        Trace.class,
                        traces.stream()
                                .flatMap(kind -> kind.arguments().stream())
                                .toArray(String[]::new)))
                .redirectErrorStream(true)
                .redirectOutput(out.toFile());
        builder.environment().remove("JDK_JAVA_OPTIONS");
        builder.environment().remove("JAVA_TOOL_OPTIONS");
        int status = builder.start().waitFor();
        String printed = Files.readString(out);
        int runs = traces.stream().mapToInt(Traces::runs).sum();
        assertEquals(
                "agreed " + runs + " of " + runs,
                printed.strip().lines().reduce("", (before, line) -> line),
                () -> traces + " " + options + ": " + printed);
        assertEquals(options.equals(DENIED), printed.contains("copied block by block"), printed);
        assertEquals(0, status);
        return runs;
    }
}
