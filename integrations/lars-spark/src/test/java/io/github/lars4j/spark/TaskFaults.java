package io.github.lars4j.spark;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskFailedReason;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;

/**
 * Something that happens once to a task, at its start or when its work is done and the driver does not know yet. A
 * plugin that runs in every executor of {@link LocalCluster}.
 */
public final class TaskFaults implements SparkPlugin {

    private static final String PROPERTY = "lars4j.fault";

    enum Kind {
        /** The executor's process ends before the task begins. */
        HALT_AT_START,
        /** The executor's process ends when the task has done its work. */
        HALT_AT_END,
        /** The task waits until Spark has started a copy of it, and both finish. */
        TWO_COPIES
    }

    interface Task {
        void run() throws IOException;
    }

    /**
     * A fault.
     *
     * @param stage which of the stages that run while the fault is planned, from 0
     * @param partition number of the task
     * @param folder in which executors write what has happened
     */
    record Fault(Kind kind, int stage, int partition, Path folder) {

        /** Makes a fault that writes into a new folder within a folder. */
        static Fault create(Kind kind, int stage, int partition, Path within) throws IOException {
            return new Fault(kind, stage, partition, Files.createTempDirectory(within, "fault"));
        }

        /** Does something while the fault is planned for all jobs of this thread. */
        void during(JavaSparkContext spark, Task task) throws IOException {
            spark.setLocalProperty(PROPERTY, kind + " " + stage + " " + partition + " " + folder);
            try {
                task.run();
            } finally {
                spark.setLocalProperty(PROPERTY, null);
            }
        }

        private static Fault ofText(String text) {
            String[] parts = text.split(" ", 4);
            return new Fault(
                    Kind.valueOf(parts[0]), Integer.parseInt(parts[1]), Integer.parseInt(parts[2]), Path.of(parts[3]));
        }

        /** Whether this task of Spark is the one. Spark numbers stages for as long as it lives. */
        private boolean isHere(TaskContext task) throws IOException {
            mark("stage-" + task.stageId());
            try (Stream<Path> files = Files.list(folder)) {
                long before = files.map(file -> file.getFileName().toString())
                        .filter(name -> name.startsWith("stage-"))
                        .filter(name -> Integer.parseInt(name.substring(6)) < task.stageId())
                        .count();
                return before == stage && task.partitionId() == partition;
            }
        }

        /** Makes a file; returns whether it was not there, in any process. */
        private boolean mark(String name) {
            try {
                Files.createFile(folder.resolve(name));
                return true;
            } catch (FileAlreadyExistsException e) {
                return false;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private void await(String name) {
            while (!Files.exists(folder.resolve(name))) {
                LockSupport.parkNanos(1_000_000);
            }
        }

        void assertHappened() {
            assertTrue(Files.exists(folder.resolve("happened")), "did not happen: " + this);
        }
    }

    @Override
    public DriverPlugin driverPlugin() {
        return null;
    }

    @Override
    public ExecutorPlugin executorPlugin() {
        return new OnExecutor();
    }

    private static final class OnExecutor implements ExecutorPlugin {

        /** What is to happen at the end of the task that the thread runs. */
        private static final ThreadLocal<Runnable> AT_END = new ThreadLocal<>();

        @Override
        public void init(PluginContext context, Map<String, String> configuration) {}

        @Override
        public void onTaskStart() {
            AT_END.remove();
            String text = TaskContext.get().getLocalProperty(PROPERTY);
            if (text == null) {
                return;
            }
            Fault fault = Fault.ofText(text);
            try {
                if (fault.isHere(TaskContext.get())) {
                    begin(fault);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private void begin(Fault fault) {
            switch (fault.kind) {
                case HALT_AT_START -> halt(fault);
                case HALT_AT_END -> AT_END.set(() -> halt(fault));
                case TWO_COPIES -> {
                    boolean original = fault.mark("started");
                    if (original) {
                        fault.await("copied");
                    }
                    AT_END.set(() -> {
                        fault.mark(original ? "happened" : "copied");
                        fault.await(original ? "copied" : "happened");
                    });
                }
            }
        }

        private static void halt(Fault fault) {
            if (fault.mark("happened")) {
                Runtime.getRuntime().halt(1);
            }
        }

        @Override
        public void onTaskSucceeded() {
            if (AT_END.get() != null) {
                AT_END.get().run();
            }
        }

        @Override
        public void onTaskFailed(TaskFailedReason reason) {}
    }
}
