package io.github.lars4j.bench.machine;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** The JVMs that benchmarks are forked into: their flags, and the layouts that fit into them. */
public final class Forks {

    /** The flags of every fork: the first provides SIMD, the second silences a warning about JMH. */
    public static final List<String> FLAGS = List.of(
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow");

    /** Arrays for a step, or for the naive one, which keeps as many and needs two temporaries of its largest tensor. */
    private static final long BYTES_PER_PARAMETER = 24;

    private static final long BASE_BYTES = 512L << 20;

    /** The part of the machine's memory that a fork may take. */
    private static final double SHARE = 0.7;

    private Forks() {}

    /** Memory of this machine, or of the container that this JVM runs in, in bytes. */
    public static long physicalBytes() {
        return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getTotalMemorySize();
    }

    /** Heap in bytes for a layout of a number of parameters. */
    static long heapBytes(long parameters) {
        return BASE_BYTES + BYTES_PER_PARAMETER * parameters;
    }

    /**
     * Returns why a layout cannot be measured on this machine.
     *
     * @param parameters number of the layout's parameters
     * @param physicalBytes the machine's memory
     *
     * @return the reason; {@code null} if it fits
     */
    public static String obstacle(long parameters, long physicalBytes) {
        if (parameters > Integer.MAX_VALUE - 8) {
            return "it has " + parameters + " parameters, more than an array holds";
        }
        long heap = heapBytes(parameters);
        return heap <= SHARE * physicalBytes
                ? null
                : String.format(
                        Locale.ROOT,
                        "it needs a heap of %,d MiB, and of this machine's %,d MiB a fork may take %,d",
                        heap >> 20,
                        physicalBytes >> 20,
                        (long) (SHARE * physicalBytes) >> 20);
    }

    /**
     * Flags for forks. The heap has its full size from the start, and a collector that allocates arrays one after the
     * other.
     *
     * @param parameters number of parameters of the largest layout to measure
     * @param chosen flags that the user chose, which take precedence
     */
    public static List<String> flags(long parameters, List<String> chosen) {
        List<String> flags = new ArrayList<>(FLAGS);
        if (!choosesHeap(chosen)) {
            String heap = (heapBytes(parameters) >> 20) + "m";
            flags.add("-Xms" + heap);
            flags.add("-Xmx" + heap);
        }
        if (chosen.stream().noneMatch(flag -> flag.matches("-XX:\\+Use\\w*GC"))) {
            flags.add("-XX:+UseParallelGC");
        }
        return flags;
    }

    /** Describes the flags of forks, starting with those that the user chose. */
    public static String describe(List<String> chosen) {
        Set<String> flags = new LinkedHashSet<>(chosen);
        flags.addAll(flags(0, chosen));
        flags.removeIf(flag -> flag.equals("-Xms" + (BASE_BYTES >> 20) + "m") && !chosen.contains(flag));
        if (!choosesHeap(chosen)) {
            flags.remove("-Xmx" + (BASE_BYTES >> 20) + "m");
            flags.add(String.format(
                    Locale.ROOT,
                    "-Xms and -Xmx of %d MiB and %d bytes a parameter",
                    BASE_BYTES >> 20,
                    BYTES_PER_PARAMETER));
        }
        return String.join(" ", flags);
    }

    /** Returns whether flags set the size of the heap. */
    public static boolean choosesHeap(List<String> flags) {
        return flags.stream()
                .anyMatch(flag -> flag.startsWith("-Xmx")
                        || flag.startsWith("-XX:MaxHeapSize=")
                        || flag.startsWith("-XX:MaxRAMPercentage="));
    }
}
