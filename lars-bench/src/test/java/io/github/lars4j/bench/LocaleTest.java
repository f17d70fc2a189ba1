package io.github.lars4j.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.bench.machine.Forks;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What JMH prints, in a JVM whose locale has digits of its own. */
class LocaleTest {

    @TempDir
    Path folder;

    @Test
    void jmhsTablesDoNotDependOnTheLocale() throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(Forks.FLAGS);
        command.addAll(List.of("-Duser.language=ar", "-Duser.country=EG", "-Duser.extensions=u-nu-arab"));
        command.addAll(List.of("-Djmh.ignoreLock=true", "-Djava.io.tmpdir=" + folder));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), BenchMain.class.getName()));
        command.addAll(List.of("naive$", "-p", "layout=16x1", "-f", "1", "-wi", "0", "-i", "2", "-r", "20ms"));
        Process run = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(run.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, run.waitFor(), said);
        assertTrue(said.codePoints().noneMatch(c -> c > 0x7f && Character.isDigit(c)), said);
        assertTrue(said.lines().anyMatch(line -> line.matches("StepBenchmark.naive .* [0-9]+\\.[0-9]{3} .*")), said);
    }
}
