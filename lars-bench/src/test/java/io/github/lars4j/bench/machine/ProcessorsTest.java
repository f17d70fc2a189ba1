package io.github.lars4j.bench.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is said of processors, from the files of made-up systems. */
@Tag("locale")
class ProcessorsTest {

    @TempDir
    Path root;

    private void file(String name, String content) throws IOException {
        Path file = root.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, content);
    }

    private void system(String online, String allowed, String groups) throws IOException {
        file("sys/devices/system/cpu/online", online + "\n");
        file("proc/self/status", "Name:\tjava\nCpus_allowed:\tf\nCpus_allowed_list:\t" + allowed + "\n");
        file("proc/self/cgroup", groups);
    }

    private String describe(int available) {
        return new Processors(root, available, -1).describe();
    }

    @Test
    void allOfTheMachineNeedNoReason() throws IOException {
        assertEquals("1 core", describe(1), "a system without such files");
        system("0-3,8", "0-3,8", "0::/\n");
        assertEquals("5 cores", describe(5));
        assertEquals("6 cores", describe(6), "one more than the file lists");
    }

    @Test
    void aQuotaOfTheSecondVersionIsTheLeastOfAllGroupsAround() throws IOException {
        system("0-3", "0-3", "0::/a/b\n");
        file("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
        file("sys/fs/cgroup/a/cpu.max", "150000 100000\n");
        file("sys/fs/cgroup/cpu.max", "300000 100000\n");
        assertEquals(
                "2 cores of the machine's 4, as the quota of its control group, such as a container's, is 1.50",
                describe(2));
    }

    @Test
    void aQuotaOfTheFirstVersionMayLieInTheRootOfAContainer() throws IOException {
        system("0-3", "0-3", "3:memory:/x\n2:cpu,cpuacct:/docker/x\n0::/\n");
        file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
        file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
        assertEquals(
                "1 core of the machine's 4, as the quota of its control group, such as a container's, is 0.50",
                describe(1));
        file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
        assertEquals("1 core of the machine's 4, by a limit that is not known here", describe(1));
    }

    @Test
    void aProcessMayBeBound() throws IOException {
        system("0-3", "1,3", "0::/\n");
        assertEquals("2 cores of the machine's 4, as its process is bound to these", describe(2));
    }

    @Test
    void theFlagIsNamedFirst() throws IOException {
        assertEquals("1 core, as -XX:ActiveProcessorCount says", new Processors(root, 1, 1).describe());
        system("0-3", "1,3", "0::/\n");
        assertEquals(
                "1 core of the machine's 4, as -XX:ActiveProcessorCount says", new Processors(root, 1, 1).describe());
    }

    /** Main class of a JVM that describes the machine. */
    public static final class Here {
        private Here() {}

        public static void main(String[] args) {
            System.out.print(Machine.describe());
        }
    }

    @Test
    void aReportSaysWhyAJvmHasOneCore() throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(Forks.FLAGS);
        command.addAll(List.of("-XX:ActiveProcessorCount=1", "-cp", System.getProperty("java.class.path")));
        command.add(Here.class.getName());
        Process jvm = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(jvm.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, jvm.waitFor(), said);
        assertTrue(
                said.lines()
                        .anyMatch(line -> line.matches(
                                "CPU .*, 1 core( of the machine's [0-9]+)?" + ", as -XX:ActiveProcessorCount says")),
                said);
        assertTrue(Processors.here().describe().startsWith(Machine.cores() + " core"));
    }
}
