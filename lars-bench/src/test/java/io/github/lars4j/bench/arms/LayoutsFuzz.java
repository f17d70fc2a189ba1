package io.github.lars4j.bench.arms;

import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * What holds of every sequence of bytes that is read as a layout. The profile {@code fuzz} searches for one of which it
 * does not; a test tries those that it kept.
 */
public final class LayoutsFuzz {

    /** A list has no more dimensions a tensor. */
    private static final int MOST_DIMENSIONS = 32;

    private static final Path FILE = file();

    private LayoutsFuzz() {}

    /** Reads the bytes as a file, and if that is accepted writes it as a list, which must be read as the same. */
    public static void fuzzerTestOneInput(byte[] input) throws IOException {
        Files.write(FILE, input);
        List<String> notes = new ArrayList<>();
        Layers layers;
        try {
            layers = Layouts.named("@" + FILE, notes::add);
        } catch (IllegalArgumentException e) {
            String message = e.getMessage();
            check(message != null && message.contains(FILE.toString()), "message: " + message);
            // Two quotes of 80 characters, of which each may be escaped.
            check(message.length() < 1500, "message: " + message);
            check(
                    message.lines().allMatch(line -> line.chars().noneMatch(Character::isISOControl)),
                    "message: " + message);
            return;
        }
        check(layers.end() > 0, "nothing to measure");
        boolean listable = true;
        for (Layer layer : layers) {
            listable &= layer.name().matches("[^\\s#]\\S*") && layer.shape().size() <= MOST_DIMENSIONS;
        }
        if (listable) {
            boolean counts = notes.stream().anyMatch(note -> note.contains("counts alone"));
            Layers again = Layouts.parse("list", list(layers, counts), note -> {});
            check(again.equals(layers), "written as a list, another layout");
        }
    }

    private static List<String> list(Layers layers, boolean counts) {
        List<String> lines = new ArrayList<>();
        for (Layer layer : layers) {
            String shape = layer.shape().stream().map(String::valueOf).collect(Collectors.joining(", ", "[", "]"));
            lines.add(layer.name() + " " + (counts ? layer.length() : shape));
        }
        return lines;
    }

    /** A file in memory where there is a folder for such, because a fuzzer writes it thousands of times a second. */
    private static Path file() {
        try {
            Path memory = Path.of("/dev/shm");
            Path file = Files.isWritable(memory)
                    ? Files.createTempFile(memory, "layout", ".txt")
                    : Files.createTempFile("layout", ".txt");
            file.toFile().deleteOnExit();
            return file;
        } catch (IOException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }
}
