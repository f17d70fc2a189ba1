package io.github.lars4j.spark;

import java.util.List;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/** Spark with executors in processes of their own, on this machine. */
public final class LocalCluster {

    private LocalCluster() {}

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
                .set("spark.deploy.maxExecutorRetries", "-1");
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
