package io.github.lars4j.bench.measure;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.machine.Forks;
import io.github.lars4j.bench.report.RunFile;
import io.github.lars4j.bench.report.StepTimes;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The default run in a JVM of its own, in a hurry. */
class DefaultRunTest {

    @TempDir
    Path folder;

    /** Starts it on one small layer. */
    private Process start(List<String> flags, String... arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(Forks.FLAGS);
        command.addAll(List.of("-Djmh.ignoreLock=true", "-Djava.io.tmpdir=" + folder));
        command.addAll(flags);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), QuickRun.class.getName()));
        Collections.addAll(command, arguments);
        return new ProcessBuilder(command).redirectErrorStream(true).start();
    }

    @Test
    void whoStopsItGetsWhatWasMeasured() throws Exception {
        Path out = folder.resolve("out");
        Process run = start(List.of("-Dforks=2"), "--layout", "16x1", "--out", out.toString());
        if (!run.supportsNormalTermination()) {
            run.destroy();
            run.waitFor();
            Assumptions.abort("this system can only kill a process, which then presents nothing");
        }
        StringBuilder said = new StringBuilder();
        List<ProcessHandle> forks = new ArrayList<>();
        try (BufferedReader lines = run.inputReader()) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                said.append(line).append('\n');
                // The first arm in its second JVM.
                if (line.startsWith("[ 11/")) {
                    forks.addAll(run.descendants().toList());
                    run.toHandle().destroy();
                }
            }
        } finally {
            run.destroy();
        }
        assertNotEquals(0, run.waitFor());
        assertTrue(said.toString().contains("stopped after "), said::toString);
        assertTrue(said.toString().contains("Written to " + out), said::toString);
        StepTimes results =
                RunFile.parse(Files.readString(out.resolve("results.json"))).results();
        assertEquals(List.of(2), forks(results, "scan", "scalar"), "one result of both JVMs");
        assertEquals(List.of(1), forks(results, "sgd", "vector"), "it did not go on to the end");
        assertTrue(Files.readString(out.resolve("report.html")).contains("scan vector"));
        for (ProcessHandle fork : forks) {
            fork.onExit().get(10, TimeUnit.SECONDS);
        }
    }

    /** Returns the number of JVMs of each result of a method. */
    private static List<Integer> forks(StepTimes results, String method, String kernels) {
        return results.all().stream()
                .filter(result -> result.method().equals(method)
                        && kernels.equals(result.params().get("kernels")))
                .map(result -> result.forks().size())
                .toList();
    }

    @Test
    void theRestGoesOnAfterAForkThatFails() throws Exception {
        // No optimizer of the library can be built with this; the hand-written ones do not ask.
        Process run = start(List.of("-Dlars4j.vectorBits=77"), "--layout", "16x1");
        String said = new String(run.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(1, run.waitFor(), said);
        assertTrue(said.lines().anyMatch(line -> line.matches("lars vector +- +- +- +-")), said);
        assertTrue(said.lines().anyMatch(line -> line.matches("scalarLars +[0-9].*")), said);
        assertTrue(said.lines().anyMatch(line -> line.matches("naive +[0-9].*")), said);
        String failed = said.lines()
                .filter(line -> line.contains("8 of 10 failed; what JMH printed is in "))
                .findFirst()
                .orElseThrow();
        Path logs = Path.of(failed.replaceFirst(".* is in ", ""));
        assertTrue(
                Files.readString(logs.resolve("16x1 lars vector 1.log")).contains("it must be 128, 256 or 512"),
                "the log has the reason");
        assertFalse(said.contains("Exception"), said);
    }
}
