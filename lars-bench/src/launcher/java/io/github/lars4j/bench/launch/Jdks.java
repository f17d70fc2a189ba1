package io.github.lars4j.bench.launch;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Finds the Java installation that can run the benchmarks: new enough and with the vector module in it. */
final class Jdks {

    static final int MINIMUM = 25;
    static final String MODULE = "jdk.incubator.vector";

    /** JDK25_HOME, JAVA25_HOME, JDK_25_HOME, JAVA_HOME_25, JAVA_HOME_25_X64, ... */
    private static final Pattern VARIABLE =
            Pattern.compile("(?:JAVA|JDK)_?(?:(\\d{1,4})_?HOME|HOME_?(\\d{1,4}))(?:_\\w+)?");

    private Jdks() {}

    /** One usable installation. */
    static final class Jdk {
        final File home;
        final String version;

        Jdk(File home, String version) {
            this.home = home;
            this.version = version;
        }

        File java() {
            File windows = new File(home, "bin/java.exe");
            return windows.isFile() ? windows : new File(home, "bin/java");
        }
    }

    /**
     * Chooses the installation to use. Of the folders somebody named, the first usable one wins. Of the folders merely
     * found, it is the one with the lowest usable feature release, as the closest to what the benchmarks were written
     * for, and of that release the newest update.
     *
     * @return the choice, or null where no folder holds a usable installation
     */
    static Jdk choose(List<File> named, List<File> found) {
        for (File home : named) {
            Jdk jdk = read(home);
            if (jdk != null) {
                return jdk;
            }
        }
        Jdk best = null;
        for (File home : found) {
            Jdk jdk = read(home);
            if (jdk != null && (best == null || isBetter(jdk.version, best.version))) {
                best = jdk;
            }
        }
        return best;
    }

    /** Reads the installation's "release" file; null where it is not a usable one. */
    static Jdk read(File home) {
        File release = new File(home, "release");
        Properties properties = new Properties();
        try (InputStream in = Files.newInputStream(release.toPath())) {
            properties.load(in);
        } catch (IOException | IllegalArgumentException e) {
            return null; // no installation, or one that cannot be read: not a candidate
        }
        String version = unquoted(properties, "JAVA_VERSION");
        if (feature(version) < MINIMUM) {
            return null;
        }
        List<String> modules = Arrays.asList(unquoted(properties, "MODULES").split("\\s+"));
        if (!modules.contains(MODULE) && !new File(home, "jmods/" + MODULE + ".jmod").isFile()) {
            return null;
        }
        Jdk jdk = new Jdk(home, version);
        return jdk.java().isFile() ? jdk : null;
    }

    private static String unquoted(Properties properties, String key) {
        return properties.getProperty(key, "").replace("\"", "").trim();
    }

    /** The feature release of a version such as "25.0.3", "26-ea" or "1.8.0_402" (which is 1 here, and old enough). */
    static int feature(String version) {
        int[] numbers = numbers(version);
        return numbers.length == 0 ? 0 : numbers[0];
    }

    private static boolean isBetter(String version, String than) {
        int[] a = numbers(version);
        int[] b = numbers(than);
        if (a[0] != b[0]) {
            return a[0] < b[0];
        }
        for (int i = 1; i < Math.max(a.length, b.length); i++) {
            int x = i < a.length ? a[i] : 0;
            int y = i < b.length ? b[i] : 0;
            if (x != y) {
                return x > y;
            }
        }
        return false;
    }

    private static int[] numbers(String version) {
        Matcher digits = Pattern.compile("^\\d{1,9}(\\.\\d{1,9})*").matcher(version);
        if (!digits.find()) {
            return new int[0];
        }
        String[] parts = digits.group().split("\\.");
        int[] numbers = new int[parts.length];
        for (int i = 0; i < parts.length; i++) {
            numbers[i] = Integer.parseInt(parts[i]);
        }
        return numbers;
    }

    /** The folders that the environment names: JAVA_HOME, then variables such as JDK25_HOME by rising version. */
    static List<File> named(Map<String, String> environment) {
        List<File> homes = new ArrayList<>();
        add(homes, environment.get("JAVA_HOME"));
        TreeMap<Integer, List<String>> byVersion = new TreeMap<>();
        for (Map.Entry<String, String> variable : new TreeMap<>(environment).entrySet()) {
            Matcher m = VARIABLE.matcher(variable.getKey());
            if (m.matches()) {
                int version = Integer.parseInt(m.group(1) != null ? m.group(1) : m.group(2));
                if (version >= MINIMUM) {
                    byVersion.computeIfAbsent(version, v -> new ArrayList<>()).add(variable.getValue());
                }
            }
        }
        for (List<String> values : byVersion.values()) {
            for (String value : values) {
                add(homes, value);
            }
        }
        return homes;
    }

    private static void add(List<File> homes, String value) {
        if (value != null && !value.trim().isEmpty()) {
            homes.add(new File(value.trim()));
        }
    }

    /**
     * The folders in which installations usually lie, whether or not they exist here.
     *
     * @param windows whether this is Windows, where shells differ in the case of the names of variables
     */
    static List<File> usualParents(String userHome, Map<String, String> variables, boolean windows) {
        List<File> parents = new ArrayList<>();
        if (windows) {
            Map<String, String> environment = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
            environment.putAll(variables);
            for (String variable : new String[] {"ProgramFiles", "ProgramW6432", "LOCALAPPDATA"}) {
                String base = environment.get(variable);
                if (base != null) {
                    String root = variable.equals("LOCALAPPDATA") ? base + "\\Programs" : base;
                    for (String vendor : new String[] {
                        "Java", "Eclipse Adoptium", "Microsoft", "Zulu", "Amazon Corretto", "BellSoft", "OpenJDK"
                    }) {
                        File parent = new File(root, vendor);
                        if (!parents.contains(parent)) {
                            parents.add(parent);
                        }
                    }
                }
            }
        } else {
            parents.add(new File("/usr/lib/jvm"));
            parents.add(new File("/usr/lib64/jvm"));
            parents.add(new File("/usr/java"));
            parents.add(new File("/opt/java"));
            parents.add(new File("/Library/Java/JavaVirtualMachines"));
            parents.add(new File(userHome, "Library/Java/JavaVirtualMachines"));
        }
        parents.add(new File(userHome, ".sdkman/candidates/java"));
        parents.add(new File(userHome, ".jdks"));
        return parents;
    }

    /** The installations' folders inside the parents, by name; a bundle's home is Contents/Home inside it. */
    static List<File> children(List<File> parents) {
        List<File> homes = new ArrayList<>();
        for (File parent : parents) {
            File[] children = parent.listFiles();
            if (children != null) {
                Arrays.sort(children);
                for (File child : children) {
                    File bundled = new File(child, "Contents/Home");
                    homes.add(bundled.isDirectory() ? bundled : child);
                }
            }
        }
        return homes;
    }
}
