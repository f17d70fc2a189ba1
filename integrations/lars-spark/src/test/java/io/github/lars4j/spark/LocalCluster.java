package io.github.lars4j.spark;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/** Spark with executors in processes of their own, on this machine. */
public final class LocalCluster {

    /** Where executors have their blocks and what they shuffle. */
    private static final Path LOCAL = newFolder();

    private LocalCluster() {}

    private static Path newFolder() {
        try {
            Path folder = Files.createTempDirectory("lars-spark");
            folder.toFile().deleteOnExit();
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** How many files of shuffles there are. */
    static long shuffleFiles() throws IOException {
        while (true) {
            try (Stream<Path> files = Files.walk(LOCAL)) {
                return files.filter(file -> file.getFileName().toString().matches("shuffle_.*\\.data"))
                        .count();
            } catch (UncheckedIOException e) {
                // A folder was deleted meanwhile.
            }
        }
    }

    /** Starts a cluster; it needs an environment as the build gives it to the tests. */
    public static JavaSparkContext start(int executors, int cores) {
        return start("local-cluster[" + executors + "," + cores + ",1024]", new SparkConf());
    }

    static JavaSparkContext start(String master, SparkConf more) {
        SparkConf conf = more.setMaster(master)
                .setAppName("lars-spark tests")
                .set("spark.ui.enabled", "false")
                .set("spark.executorEnv.JAVA_HOME", System.getProperty("java.home"))
                .set("spark.executor.memory", "1g")
                .set("spark.executor.extraClassPath", System.getProperty("java.class.path"))
                .set("spark.executor.extraJavaOptions", "--add-modules jdk.incubator.vector -XX:TieredStopAtLevel=1")
                .set("spark.plugins", TaskFaults.class.getName())
                // An executor that is killed on purpose is no reason to give up.
                .set("spark.task.maxFailures", "8")
                // Spark asks for an executor to replicate to once a minute by default: too late for one that has just
                // come.
                .set("spark.storage.cachedPeersTtl", "1000")
                .set("spark.deploy.maxExecutorRetries", "-1")
                // Two copies of a state need two executors from the begin.
                .set("spark.scheduler.minRegisteredResourcesRatio", "1")
                .set("spark.scheduler.maxRegisteredResourcesWaitingTime", "120s")
                .set("spark.local.dir", LOCAL.toString());
        JavaSparkContext spark = new JavaSparkContext(conf);
        spark.setLogLevel("OFF");
        return spark;
    }

    /** The executors' processes, which the workers in this process have started. */
    static List<ProcessHandle> executors() {
        // Only these: the class path cuts the end of the command line off, where the class would be.
        return ProcessHandle.current()
                .children()
                .filter(child -> child.info().command().orElse("").endsWith("java"))
                .toList();
    }
}
