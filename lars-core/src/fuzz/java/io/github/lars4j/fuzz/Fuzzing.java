package io.github.lars4j.fuzz;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;

/**
 * The inputs of each fuzz target, and the search for more of them. A target is a class with a method
 * {@code fuzzerTestOneInput(byte[])}, which throws if an input is not handled as it must be. Its inputs are kept in a
 * zip archive of the class's name, beside it in the test resources.
 */
public final class Fuzzing {

    /** Zip archives have no time before this. */
    private static final LocalDateTime NO_TIME = LocalDateTime.of(1980, 1, 1, 0, 0);

    /** Receives an input. */
    @FunctionalInterface
    public interface Target {
        /** Throws if the input is not handled as it must be. */
        void fuzzerTestOneInput(byte[] input) throws IOException;
    }

    private Fuzzing() {}

    /**
     * Runs a target on every input that is kept for it.
     *
     * @param of the class of the target
     * @return the number of inputs
     * @throws AssertionError if one is not handled as it must be
     */
    public static int replay(Class<?> of, Target target) throws IOException {
        int inputs = 0;
        try (ZipInputStream zip = new ZipInputStream(kept(of))) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                byte[] input = zip.readAllBytes();
                try {
                    target.fuzzerTestOneInput(input);
                } catch (IOException | RuntimeException | Error e) {
                    throw new AssertionError(of.getSimpleName() + ", input " + entry.getName() + ": " + e, e);
                }
                inputs++;
            }
        }
        return inputs;
    }

    private static InputStream kept(Class<?> of) throws IOException {
        String name = of.getSimpleName() + ".zip";
        InputStream zip = of.getResourceAsStream(name);
        if (zip == null) {
            throw new IOException("there is no " + name + " beside " + of.getName());
        }
        return zip;
    }

    /**
     * Searches with Jazzer, which must be on the class path, and fails on the first input that is not handled as it
     * must be. The inputs that were kept, and the fewest of those found that reach all that they do beyond these, go to
     * {@code CLASS.zip}.
     *
     * @param args the folder to work in, the seconds for each target, and the classes of the targets
     */
    public static void main(String[] args) throws IOException, InterruptedException, ClassNotFoundException {
        for (String target : List.of(args).subList(2, args.length)) {
            Class<?> of = Class.forName(target);
            Path folder = Path.of(args[0], of.getSimpleName());
            Path kept = Files.createDirectories(folder.resolve("kept"));
            Path found = Files.createDirectories(folder.resolve("found"));
            unzip(kept(of), kept);
            // A file of 4 KiB says all that a parser may get wrong, and no parser takes seconds for it.
            jazzer(
                    target,
                    folder,
                    List.of("-max_total_time=" + args[1], "-max_len=4096", "-timeout=5", "-rss_limit_mb=1024"),
                    found,
                    kept);
            // Jazzer starts its second process only for the first of these options.
            jazzer(target, folder, List.of("-merge=1", "-set_cover_merge=1"), kept, found);
            Path zip = Path.of(args[0], of.getSimpleName() + ".zip");
            zip(kept, zip);
            System.out.println(files(kept).size() + " inputs in " + zip);
        }
    }

    private static void jazzer(String target, Path folder, List<String> options, Path... corpora)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                // Little, so that a small file that allocates much fails.
                "-Xmx256m",
                "-XX:+UseSerialGC",
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-Dlars4j.kernels=scalar",
                "-cp",
                System.getProperty("java.class.path"),
                "com.code_intelligence.jazzer.Jazzer",
                "--target_class=" + target,
                "--instrumentation_includes=io.github.lars4j.**",
                "--custom_hook_includes=io.github.lars4j.**",
                "--reproducer_path=" + folder,
                "-artifact_prefix=" + folder + "/"));
        command.addAll(options);
        for (Path corpus : corpora) {
            command.add(corpus.toString());
        }
        int status = new ProcessBuilder(command).inheritIO().start().waitFor();
        if (status != 0) {
            throw new IOException(target + ": Jazzer ended with " + status + "; the input is in " + folder);
        }
    }

    private static void unzip(InputStream from, Path folder) throws IOException {
        try (ZipInputStream zip = new ZipInputStream(from)) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                Files.write(folder.resolve(Path.of(entry.getName()).getFileName()), zip.readAllBytes());
            }
        }
    }

    private static void zip(Path folder, Path to) throws IOException {
        try (OutputStream out = Files.newOutputStream(to);
                ZipOutputStream zip = new ZipOutputStream(out)) {
            zip.setLevel(9);
            for (Path file : files(folder)) {
                ZipEntry entry = new ZipEntry(file.getFileName().toString());
                entry.setTimeLocal(NO_TIME);
                zip.putNextEntry(entry);
                zip.write(Files.readAllBytes(file));
                zip.closeEntry();
            }
        }
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }
}
