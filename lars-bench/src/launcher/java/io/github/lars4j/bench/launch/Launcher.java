package io.github.lars4j.bench.launch;

import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Starts the benchmarks on a Java that can run them, whichever Java opened the jar. They need a JDK 25 and a flag
 * that nothing in a jar's manifest can give, so this class, which itself runs on Java 8, re-executes with both.
 */
public final class Launcher {

    private static final String MAIN = "io.github.lars4j.bench.BenchMain";

    private static final int NO_JDK = 2;

    private static final boolean WINDOWS = File.separatorChar == '\\';

    /** How long a child that was told to stop by Ctrl-C may take on a system that knows no polite kill. */
    private static final long GRACE_SECONDS = 5;

    private Launcher() {}

    public static void main(String[] args) throws Throwable {
        boolean newEnough = Jdks.feature(System.getProperty("java.specification.version")) >= Jdks.MINIMUM;
        if (newEnough && hasVectorModule()) {
            runHere(args);
            return;
        }
        Map<String, String> environment = System.getenv();
        File running = new File(System.getProperty("java.home"));
        List<File> named = new ArrayList<>();
        named.add(running);
        named.addAll(Jdks.named(environment));
        List<File> parents = Jdks.usualParents(System.getProperty("user.home"), environment, WINDOWS);
        Jdks.Jdk jdk = Jdks.choose(named, Jdks.children(parents));
        if (jdk == null) {
            System.err.println(missing(parents));
            System.exit(NO_JDK);
            return;
        }
        if (!jdk.home.equals(running)) {
            System.err.println("lars-bench: using Java " + jdk.version + " from " + jdk.home + " (this is Java "
                    + System.getProperty("java.version") + ")");
        }
        System.exit(run(command(jdk, args)));
    }

    private static boolean hasVectorModule() {
        try {
            Class.forName(Jdks.MODULE + ".Vector", false, Launcher.class.getClassLoader());
            return true;
        } catch (ClassNotFoundException e) {
            return false;
        }
    }

    private static void runHere(String[] args) throws Throwable {
        try {
            Class.forName(MAIN).getMethod("main", String[].class).invoke(null, (Object) args);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    private static String missing(List<File> parents) {
        StringBuilder where = new StringBuilder();
        for (File parent : parents) {
            where.append(", ").append(parent);
        }
        return "lars-bench: needs a JDK " + Jdks.MINIMUM + " or newer with the module " + Jdks.MODULE
                + ", and found none: not this Java (" + System.getProperty("java.version") + " in "
                + System.getProperty("java.home") + "), not by JAVA_HOME, JDK" + Jdks.MINIMUM + "_HOME or JAVA_HOME_"
                + Jdks.MINIMUM + ", not in the folders " + where.substring(2) + ".";
    }

    private static List<String> command(Jdks.Jdk jdk, String[] args) {
        List<String> command = new ArrayList<>();
        command.add(jdk.java().getPath());
        command.addAll(forwarded(ManagementFactory.getRuntimeMXBean().getInputArguments()));
        command.add("--add-modules=" + Jdks.MODULE);
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("--sun-misc-unsafe-memory-access=allow");
        command.add("-cp");
        command.add(System.getProperty("java.class.path"));
        command.add(MAIN);
        Collections.addAll(command, args);
        return command;
    }

    /**
     * The flags of this JVM that the child gets too: all but agents, which would load twice or fight for a port, paths
     * to classes, and archives of classes, which belong to one version of Java.
     */
    static List<String> forwarded(List<String> flags) {
        String[] withheld = {
            "-agentlib:",
            "-agentpath:",
            "-javaagent:",
            "-Xrun",
            "-Xdebug",
            "-Dcom.sun.management.",
            "-Djava.class.path=",
            "-Xbootclasspath",
            "--class-path",
            "--module-path",
            "--upgrade-module-path",
            "--patch-module",
            "-Djava.endorsed.dirs=",
            "-Djava.ext.dirs=",
            "-Xshare",
            "-XX:SharedArchiveFile=",
            "-XX:ArchiveClassesAtExit=",
            "-XX:SharedClassListFile=",
            "-XX:AOT"
        };
        List<String> forwarded = new ArrayList<>();
        for (String flag : flags) {
            boolean forward = flag.startsWith("-");
            for (String prefix : withheld) {
                forward &= !flag.startsWith(prefix);
            }
            if (forward) {
                forwarded.add(flag);
            }
        }
        return forwarded;
    }

    private static int run(List<String> command) throws IOException, InterruptedException {
        Process child = new ProcessBuilder(command).inheritIO().start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(child), "stop-child"));
        return child.waitFor();
    }

    /**
     * Takes the child along when this JVM is told to end, and waits for it. After Ctrl-C the child has been told as
     * well; a second, polite signal does not disturb its shutdown. Windows has no polite one, so the child first gets
     * a while to end by itself.
     */
    private static void stop(Process child) {
        try {
            if (WINDOWS) {
                child.waitFor(GRACE_SECONDS, TimeUnit.SECONDS);
            }
            child.destroy();
            child.waitFor();
        } catch (InterruptedException e) {
            child.destroyForcibly();
        }
    }
}
