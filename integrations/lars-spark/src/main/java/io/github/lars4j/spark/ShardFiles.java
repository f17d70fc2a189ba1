package io.github.lars4j.spark;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The checkpoints of {@link ShardedLars} in a folder. Each has a name of its own that begins with its number: a folder of
 * files, and then a manifest beside it, with the SHA-256 and the length of each file and a last line that says it is
 * whole. No file is renamed, because object stores cannot, and none is written twice: attempts of a task write files of
 * their own, of which the manifest names one.
 */
final class ShardFiles {

    private static final Logger LOG = LoggerFactory.getLogger(ShardFiles.class);

    private static final String DRIVER = "driver.safetensors";
    private static final String MANIFEST = ".manifest";
    private static final String END = "end";

    /** A checkpoint that is whole: a line for each file, in the order of the shards, and then the driver's. */
    record Manifest(String name, List<Entry> entries) {

        int shards() {
            return entries.size() - 1;
        }
    }

    /** A file of a checkpoint. No record, because Kryo cannot read records. */
    static final class Entry implements Serializable {

        private static final long serialVersionUID = 1;

        final String file;
        final long length;
        final String sha256;

        private Entry(String file, long length, String sha256) {
            this.file = file;
            this.length = length;
            this.sha256 = sha256;
        }

        static Entry of(String file, byte[] bytes) {
            try {
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes);
                return new Entry(file, bytes.length, HexFormat.of().formatHex(digest));
            } catch (NoSuchAlgorithmException e) {
                throw new AssertionError("every JDK has SHA-256", e);
            }
        }

        boolean isOf(byte[] bytes) {
            return bytes.length == length && of(file, bytes).sha256.equals(sha256);
        }

        String line() {
            return sha256 + " " + length + " " + file + "\n";
        }

        static Entry ofLine(String line) {
            String[] parts = line.split(" ", -1);
            return new Entry(parts[2], Long.parseLong(parts[1]), parts[0]);
        }
    }

    private final String folder;
    private final SerializableConfiguration configuration;

    ShardFiles(String folder, Configuration configuration) throws IOException {
        this.configuration = new SerializableConfiguration(configuration);
        // A relative path would be another one on each executor.
        this.folder = system(this.configuration, folder)
                .makeQualified(new Path(folder))
                .toString();
    }

    /** Saves a state, then the manifest, and then deletes all checkpoints but this one and the one before. */
    void save(JavaRDD<ShardState> state, ShardedOptimizer description, long step, byte[] driver) throws IOException {
        List<String> before = names();
        long number = before.isEmpty() ? 1 : number(before.getLast()) + 1;
        String name = String.format(Locale.ROOT, "%09d-step-%d-%s", number, step, UUID.randomUUID());
        String files = folder + "/" + name;
        SerializableConfiguration conf = configuration;
        List<Entry> entries = new ArrayList<>(state.map(shard -> {
                    byte[] bytes = shard.toFile(description);
                    String file = String.format(
                            Locale.ROOT,
                            "%06d-%d.safetensors",
                            shard.shard,
                            TaskContext.get().taskAttemptId());
                    write(conf, files + "/" + file, bytes);
                    return Entry.of(file, bytes);
                })
                .collect());
        entries.sort(Comparator.comparing(entry -> entry.file));
        write(conf, files + "/" + DRIVER, driver);
        entries.add(Entry.of(DRIVER, driver));
        requireSeen(files, entries);
        String lines = entries.stream().map(Entry::line).collect(Collectors.joining());
        write(conf, folder + "/" + name + MANIFEST, (lines + END + "\n").getBytes(StandardCharsets.UTF_8));
        requireAlone(name);
        deleteBefore(before.isEmpty() ? name : before.getLast());
    }

    /** Refuses a folder that is not the same one for the driver and all executors, such as one on each machine's own disk. */
    private void requireSeen(String files, List<Entry> entries) throws IOException {
        for (Entry entry : entries) {
            Path file = new Path(files, entry.file);
            FileSystem system = system(configuration, folder);
            if (!system.exists(file) || system.getFileStatus(file).getLen() != entry.length) {
                throw new IOException(
                        file + " was written by an executor, and the driver does not see it; the folder must"
                                + " be one that all machines share");
            }
        }
    }

    /** Refuses a folder into which another run saves, as a driver does that was taken for dead. */
    private void requireAlone(String name) throws IOException {
        String last = names().getLast();
        if (!last.equals(name) && number(last) >= number(name)) {
            throw new IOException(
                    folder + " has " + last + ", which another run has saved; each run needs a folder of its own");
        }
    }

    private static long number(String name) {
        return Long.parseLong(name.substring(0, name.indexOf('-')));
    }

    /** Deletes what is older than a checkpoint. The new one is there, whatever becomes of this. */
    private void deleteBefore(String kept) {
        try {
            FileSystem system = system(configuration, folder);
            // The manifests first: without them the rest is no checkpoint.
            for (boolean manifests : new boolean[] {true, false}) {
                for (FileStatus file : system.listStatus(new Path(folder))) {
                    String name = file.getPath().getName();
                    boolean manifest = name.endsWith(MANIFEST);
                    String checkpoint = manifest ? name.substring(0, name.length() - MANIFEST.length()) : name;
                    if (manifest == manifests
                            && checkpoint.matches("[0-9]{9}-step-[0-9]+-[0-9a-f-]{36}")
                            && number(checkpoint) < number(kept)) {
                        system.delete(file.getPath(), true);
                    }
                }
            }
        } catch (IOException e) {
            LOG.warn("old checkpoints of {} could not be deleted", folder, e);
        }
    }

    /** The names of all checkpoints that are whole, oldest first. */
    private List<String> names() throws IOException {
        Set<String> names = new TreeSet<>();
        FileSystem system = system(configuration, folder);
        if (!system.exists(new Path(folder))) {
            return List.of();
        }
        for (FileStatus file : system.listStatus(new Path(folder))) {
            String name = file.getPath().getName();
            if (name.endsWith(MANIFEST) && whole(lines(name))) {
                names.add(name.substring(0, name.length() - MANIFEST.length()));
            }
        }
        return List.copyOf(names);
    }

    private List<String> lines(String manifest) throws IOException {
        return new String(read(configuration, folder + "/" + manifest), StandardCharsets.UTF_8)
                .lines()
                .toList();
    }

    private static boolean whole(List<String> lines) {
        return lines.size() >= 3
                && lines.getLast().equals(END)
                && lines.subList(0, lines.size() - 1).stream()
                        .allMatch(line -> line.matches("[0-9a-f]{64} [0-9]+ \\S+"));
    }

    /** The last checkpoint. */
    Manifest last(int shards) throws IOException {
        List<String> names = names();
        if (names.isEmpty()) {
            throw new FileNotFoundException(folder + " has no checkpoint");
        }
        List<String> lines = lines(names.getLast() + MANIFEST);
        Manifest manifest = new Manifest(
                names.getLast(),
                lines.subList(0, lines.size() - 1).stream().map(Entry::ofLine).toList());
        if (manifest.shards() != shards) {
            throw new IOException(
                    folder + "/" + manifest.name() + " has " + manifest.shards() + " shards; there must be " + shards);
        }
        return manifest;
    }

    /** The states of a checkpoint's shards, read by the executors. */
    JavaRDD<ShardState> load(JavaSparkContext spark, Manifest manifest, ShardedOptimizer description) {
        int shards = manifest.shards();
        String files = folder + "/" + manifest.name();
        List<Entry> entries = manifest.entries();
        SerializableConfiguration conf = configuration;
        return spark.parallelize(IntStream.range(0, shards).boxed().toList(), shards)
                .map(shard -> ShardState.ofFile(description, shard, shards, checked(conf, files, entries.get(shard))));
    }

    /** The checkpoint of the driver's optimizer. */
    byte[] driver(Manifest manifest) throws IOException {
        return checked(
                configuration,
                folder + "/" + manifest.name(),
                manifest.entries().getLast());
    }

    private static byte[] checked(SerializableConfiguration conf, String folder, Entry entry) throws IOException {
        byte[] bytes = read(conf, folder + "/" + entry.file);
        if (!entry.isOf(bytes)) {
            throw new IOException(folder + "/" + entry.file + " is damaged: its bytes are not those of the manifest");
        }
        return bytes;
    }

    private static byte[] read(SerializableConfiguration conf, String file) throws IOException {
        try (FSDataInputStream in = system(conf, file).open(new Path(file))) {
            return in.readAllBytes();
        } catch (FileNotFoundException e) {
            // Not that there is no checkpoint, for which callers begin a new one.
            throw new IOException(file + " is missing", e);
        }
    }

    private static void write(SerializableConfiguration conf, String file, byte[] bytes) throws IOException {
        try (OutputStream out = system(conf, file).create(new Path(file), false)) {
            out.write(bytes);
        }
    }

    private static FileSystem system(SerializableConfiguration conf, String file) throws IOException {
        return new Path(file).getFileSystem(conf.value());
    }
}
