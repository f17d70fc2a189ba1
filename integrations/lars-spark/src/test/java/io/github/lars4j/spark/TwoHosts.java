package io.github.lars4j.spark;

import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.launcher.JavaModuleOptions;

/**
 * A standalone cluster of two workers that Spark takes for two machines, because their addresses differ: it speculates on
 * another machine only. Master and workers are processes.
 */
final class TwoHosts implements AutoCloseable {

    private final Path folder;
    private final String master;
    private final List<Process> processes = new ArrayList<>();

    TwoHosts(Path folder) throws IOException {
        this.folder = folder;
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        this.master = "spark://127.0.0.1:" + port;
        start("org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", "" + port, "--webui-port", "0");
        for (String host : List.of("127.0.0.1", "127.0.0.2")) {
            String work = folder.resolve(host).toString();
            start(
                    "org.apache.spark.deploy.worker.Worker",
                    "--host",
                    host,
                    "--webui-port",
                    "0",
                    "--cores",
                    "1",
                    "--memory",
                    "1g",
                    "--work-dir",
                    work,
                    master);
        }
    }

    private void start(String main, String... args) throws IOException {
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        command.addAll(List.of(JavaModuleOptions.defaultModuleOptionArray()));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main));
        command.addAll(List.of(args));
        processes.add(new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve(processes.size() + ".log").toFile())
                .start());
    }

    /** Starts a driver here that speculates soon. */
    JavaSparkContext driver() {
        return LocalCluster.start(
                master,
                new SparkConf()
                        .set("spark.driver.host", "127.0.0.1")
                        .set("spark.speculation", "true")
                        .set("spark.speculation.quantile", "0.5")
                        .set("spark.speculation.multiplier", "1.1"));
    }

    @Override
    public void close() {
        processes.forEach(process -> {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        });
    }
}
