package io.github.lars4j.bench.machine;

import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.Simd;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import jdk.incubator.vector.FloatVector;

/** Describes this machine. */
public final class Machine {

    private Machine() {}

    /** The head of a report by names: processor, cores, caches, JVM, kernels and vector width. */
    public static Map<String, String> environment() {
        Map<String, String> environment = new LinkedHashMap<>();
        environment.put(
                "CPU", cpu(Path.of("/proc/cpuinfo")) + ", " + Processors.here().describe());
        environment.put("caches", caches(Path.of("/sys/devices/system/cpu/cpu0/cache")));
        environment.put("memory", (Forks.physicalBytes() >> 20) + " MiB");
        environment.put(
                "OS",
                String.join(
                        " ",
                        System.getProperty("os.name"),
                        System.getProperty("os.version"),
                        System.getProperty("os.arch")));
        environment.put(
                "JDK",
                System.getProperty("java.vm.vendor") + " " + System.getProperty("java.vm.version") + ", "
                        + System.getProperty("java.vm.name"));
        environment.put("kernels", kernels());
        return environment;
    }

    /** The {@link #environment} as lines. */
    public static String describe() {
        return lines(environment());
    }

    /** One line for each entry. */
    public static String lines(Map<String, String> environment) {
        StringBuilder lines = new StringBuilder();
        environment.forEach((name, value) ->
                lines.append(String.format("%-8s %s", name, value)).append(System.lineSeparator()));
        return lines.toString();
    }

    /** What measured times depend on, for a file of results. */
    public static Map<String, Object> json() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("cpu", cpu(Path.of("/proc/cpuinfo")));
        json.put("processors", cores());
        json.put("vectorBits", FloatVector.SPECIES_PREFERRED.vectorBitSize());
        json.put("java", System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version"));
        json.put("os", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        return json;
    }

    /** Number of processors that this JVM may use. */
    public static int cores() {
        return Runtime.getRuntime().availableProcessors();
    }

    /** The kernels of the vector arms; forks request them and skip the trial. */
    private static String kernels() {
        Layers layers = Layers.builder().add("layer", 1).build();
        try (Lars lars =
                Lars.builder(layers).learningRate(0).simd(Simd.REQUIRED).build()) {
            return lars.kernels();
        } catch (IllegalArgumentException | IllegalStateException e) {
            return e.getMessage();
        }
    }

    /** The processor's name from {@code /proc/cpuinfo}, or else its architecture. */
    static String cpu(Path cpuinfo) {
        try {
            return Files.readString(cpuinfo)
                    .lines()
                    .filter(line -> line.startsWith("model name"))
                    .findFirst()
                    .map(line -> line.substring(line.indexOf(':') + 1).trim())
                    .orElse(System.getProperty("os.arch"));
        } catch (IOException e) {
            return System.getProperty("os.arch");
        }
    }

    /** The caches of one core from the files of Linux, or else {@code not known}. */
    static String caches(Path folder) {
        TreeMap<String, String> caches = new TreeMap<>();
        try (DirectoryStream<Path> indices = Files.newDirectoryStream(folder, "index*")) {
            for (Path index : indices) {
                String type = read(index, "type");
                String suffix = switch (type) {
                    case "Data" -> "d";
                    case "Instruction" -> "i";
                    default -> "";
                };
                caches.put("L" + read(index, "level") + suffix, read(index, "size"));
            }
        } catch (IOException e) {
            return "not known";
        }
        return caches.isEmpty()
                ? "not known"
                : String.join(
                        ", ",
                        caches.entrySet().stream()
                                .map(c -> c.getKey() + " " + c.getValue())
                                .toList());
    }

    private static String read(Path index, String name) throws IOException {
        return Files.readString(index.resolve(name)).trim();
    }
}
