package io.github.lars4j.bench.machine;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** How many processors this JVM may use, and why not all that the machine has. */
final class Processors {

    private final Path root;
    private final int available;
    private final int flag;

    /**
     * Processors of a JVM.
     *
     * @param root folder under which the system's files lie
     * @param available what {@link Runtime#availableProcessors} says
     * @param flag value of {@code -XX:ActiveProcessorCount}; 0 or less where it is not given
     */
    Processors(Path root, int available, int flag) {
        this.root = root;
        this.available = available;
        this.flag = flag;
    }

    /** This JVM's. */
    static Processors here() {
        HotSpotDiagnosticMXBean flags = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
        return new Processors(
                Path.of("/"),
                Runtime.getRuntime().availableProcessors(),
                Integer.parseInt(flags.getVMOption("ActiveProcessorCount").getValue()));
    }

    /** How many this JVM may use; where that is not the machine's number, also this, and what limits it. */
    String describe() {
        String cores = available + (available == 1 ? " core" : " cores");
        int machine = count("sys/devices/system/cpu/online", "");
        if (flag > 0) {
            return cores + machine(machine) + ", as -XX:ActiveProcessorCount says";
        }
        if (machine <= available) {
            return cores;
        }
        double quota = quota();
        int allowed = count("proc/self/status", "Cpus_allowed_list:");
        String reason = quota > 0 && Math.ceil(quota) <= available
                ? "as the quota of its control group, such as a container's, is "
                        + String.format(Locale.ROOT, "%.2f", quota)
                : allowed == available ? "as its process is bound to these" : "by a limit that is not known here";
        return cores + machine(machine) + ", " + reason;
    }

    private static String machine(int processors) {
        return processors == 0 ? "" : " of the machine's " + processors;
    }

    /** Processors in a list such as {@code 0-3,8}, in the line that begins so; 0 where there is none. */
    private int count(String file, String beginning) {
        int count = 0;
        for (String line : lines(file)) {
            String list =
                    line.substring(Math.min(line.length(), beginning.length())).trim();
            if (line.startsWith(beginning) && list.matches("[0-9]{1,6}(-[0-9]{1,6})?(,[0-9]{1,6}(-[0-9]{1,6})?)*")) {
                for (String range : list.split(",", -1)) {
                    String[] ends = range.split("-", -1);
                    count += Integer.parseInt(ends[ends.length - 1]) - Integer.parseInt(ends[0]) + 1;
                }
            }
        }
        return count;
    }

    /** The least quota of the control groups that this process is in, in processors; 0 where there is none. */
    private double quota() {
        double least = 0;
        for (String line : lines("proc/self/cgroup")) {
            String[] fields = line.split(":", 3);
            if (fields.length == 3) {
                boolean first = List.of(fields[1].split(",", -1)).contains("cpu");
                // Relative, as in "a/b", then "a", then "": on Windows, where tests run, "//a" is another machine.
                String group = fields[2].replaceFirst("^/+", "");
                for (boolean more = true; more; group = group.replaceFirst("(^|/)[^/]*$", "")) {
                    more = !group.isEmpty();
                    double quota = first
                            ? quota(
                                    "sys/fs/cgroup/" + fields[1] + "/" + group + "/cpu.cfs_quota_us",
                                    "sys/fs/cgroup/" + fields[1] + "/" + group + "/cpu.cfs_period_us")
                            : quota("sys/fs/cgroup/" + group + "/cpu.max");
                    least = quota > 0 && (least == 0 || quota < least) ? quota : least;
                }
            }
        }
        return least;
    }

    /** The quotient of the first two numbers in files; 0 where there are none, or it is not positive. */
    private double quota(String... files) {
        String numbers = "";
        for (String file : files) {
            numbers += String.join(" ", lines(file)) + " ";
        }
        if (!numbers.matches("[0-9]{1,15} [1-9][0-9]{0,15} ")) {
            return 0;
        }
        String[] both = numbers.split(" ", -1);
        return Double.parseDouble(both[0]) / Double.parseDouble(both[1]);
    }

    private List<String> lines(String file) {
        try {
            return Files.readAllLines(root.resolve(file));
        } catch (IOException e) {
            return List.of();
        }
    }
}
