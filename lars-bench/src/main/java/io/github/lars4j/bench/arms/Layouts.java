package io.github.lars4j.bench.arms;

import io.github.lars4j.Layers;
import io.github.lars4j.bench.files.InputFile;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.safetensors.Dtype;
import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.TensorInfo;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The layouts to measure: the tensors of real networks by name, uniform layouts such as {@code 4096x100}, and layouts
 * from files.
 */
public final class Layouts {

    /** Networks whose tensors are listed in the resources, from torchvision's models. */
    public static final List<String> NETWORKS = List.of("resnet50", "alexnet", "vgg16", "vit_b_16", "mobilenet_v2");

    private static final Pattern UNIFORM = Pattern.compile("([1-9][0-9]{0,8})x([1-9][0-9]{0,8})");

    /**
     * A name, a shape bare or in brackets as Python prints lists and tuples, and perhaps a count. The blanks after the
     * bracket are possessive: with two ways to match them, a line of many blanks would take time by their square.
     */
    private static final Pattern TENSOR = Pattern.compile("(\\S+)\\s+(?:([0-9]+(?:[x,][0-9]+){0,31})"
            + "|[\\[(]\\s*+((?:[0-9]+(?:\\s*[x,]\\s*[0-9]+){0,31})?),?\\s*[\\])])(?:\\s+([0-9]+))?");

    private static final Pattern COMMENT = Pattern.compile("(^|\\s)#.*");

    /** Maximum size of a list of tensors, in bytes. */
    private static final int LONGEST_LIST = 1 << 24;

    /** A longer number is cut in a message. */
    private static final int SHOWN_DIGITS = 40;

    private Layouts() {}

    /** As {@link #named(String, Consumer)}, without the notes. */
    public static Layers named(String name) {
        return named(name, note -> {});
    }

    /**
     * The layers of a layout. One-dimensional tensors of a network are plain, as trainers treat them; the layers of a
     * uniform layout are all adapted.
     *
     * <p>A file is a safetensors file, whose header alone is read, or a list of tensors, one a line: the name, and the
     * shape ({@code 64x3x7x7}, {@code 64,3,7,7}, {@code [64, 3, 7, 7]} or {@code (64, 3, 7, 7)}) or the element count, or both. Blank lines,
     * and what follows a {@code #}, are skipped. A number alone is the one dimension of a tensor, unless the list has
     * nothing else: then the shapes are not known, and all layers are adapted.
     *
     * @param name one of {@link #NETWORKS}, or ELEMENTSxLAYERS, or @FILE
     * @param notes receives a line about tensors that are left out or whose shape is not known
     * @throws IllegalArgumentException if the name is none of these, or the file cannot be read or is damaged; the
     *     message says what is wrong and where
     */
    public static Layers named(String name, Consumer<String> notes) {
        if (name.startsWith("@")) {
            return file(name.substring(1), notes);
        }
        Matcher uniform = UNIFORM.matcher(name);
        if (uniform.matches()) {
            return uniform(Long.parseLong(uniform.group(1)), Integer.parseInt(uniform.group(2)));
        }
        if (NETWORKS.contains(name)) {
            return parse(name, resource(name + ".txt"), notes);
        }
        throw new IllegalArgumentException("layout is \"" + name + "\"; it must be one of "
                + String.join(", ", NETWORKS) + ", or ELEMENTSxLAYERS such as 4096x100, or @FILE");
    }

    private static Layers uniform(long elements, int layers) {
        Layers.Builder builder = Layers.builder();
        for (int i = 0; i < layers; i++) {
            builder.add("layer" + i, elements);
        }
        return builder.build();
    }

    private static Layers file(String path, Consumer<String> notes) {
        try {
            Path file = Path.of(path);
            Optional<String> list = list(file);
            Layers layers =
                    list.isPresent() ? parse(path, list.get().lines().toList(), notes) : safetensors(file, notes);
            if (layers.end() == 0) {
                throw new IllegalArgumentException(path + " has tensors without elements only");
            }
            return layers;
        } catch (InvalidPathException e) {
            throw new IllegalArgumentException(
                    "layout is @" + SafeTensorsException.quote(path) + "; that is no path", e);
        } catch (SafeTensorsException e) {
            throw new IllegalArgumentException(
                    "a layout's file is a safetensors file, or a list of tensors in UTF-8 of at most " + LONGEST_LIST
                            + " bytes; " + e.getMessage(),
                    e);
        } catch (IOException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
    }

    private static Layers safetensors(Path file, Consumer<String> notes) throws IOException {
        Layers.Builder builder = Layers.builder();
        int tensors = 0;
        List<String> others = new ArrayList<>();
        try (SafeTensorsFile open = SafeTensorsFile.open(file)) {
            for (TensorInfo tensor : open.tensors().values()) {
                if (isFloat(tensor.dtype())) {
                    builder.addTensor(
                            tensor.name(),
                            tensor.shape().stream().mapToLong(Long::longValue).toArray());
                    tensors++;
                } else {
                    others.add(SafeTensorsException.quote(tensor.name()) + " (" + tensor.dtype() + ")");
                }
            }
        }
        if (!others.isEmpty()) {
            notes.accept(file + ": left out as not floating point: " + others.getFirst()
                    + (others.size() > 1 ? " and " + (others.size() - 1) + " more" : ""));
        }
        if (tensors == 0) {
            throw new IllegalArgumentException(file + " has no tensor of floating point");
        }
        return builder.treatOneDimensional(Treatment.PLAIN).build();
    }

    private static boolean isFloat(Dtype dtype) {
        return switch (dtype) {
            case F16, BF16, F32, F64, F8_E5M2, F8_E4M3, F8_E8M0, F8_E5M2FNUZ, F8_E4M3FNUZ, F6_E2M3, F6_E3M2, F4 -> true;
            case BOOL, U8, I8, I16, U16, I32, U32, I64, U64, C64 -> false;
        };
    }

    /** The text of a file that may be a list. A safetensors file has a byte of 0 in its length, and no text has. */
    private static Optional<String> list(Path file) throws IOException {
        try (InputStream in = InputFile.open(file)) {
            byte[] bytes = in.readNBytes(LONGEST_LIST + 1);
            return bytes.length > LONGEST_LIST ? Optional.empty() : InputFile.decoded(bytes);
        }
    }

    /**
     * Reads a list of tensors.
     *
     * @param source name of the list, for messages
     * @throws IllegalArgumentException if a line is no tensor, with the line's number, or if there is no tensor
     */
    static Layers parse(String source, List<String> lines, Consumer<String> notes) {
        Layers.Builder builder = Layers.builder();
        Map<String, Integer> numbers = new HashMap<>();
        boolean shapes = false;
        for (int i = 0; i < lines.size(); i++) {
            String line = COMMENT.matcher(lines.get(i)).replaceFirst("").trim();
            if (line.isEmpty()) {
                continue;
            }
            try {
                Matcher fields = TENSOR.matcher(line);
                if (!fields.matches()) {
                    throw new IllegalArgumentException(
                            "it must be a name and a shape such as 64x3x7x7 or a count, or both");
                }
                Integer before = numbers.putIfAbsent(fields.group(1), i + 1);
                if (before != null) {
                    throw new IllegalArgumentException("line " + before + " has that name too");
                }
                boolean bare = fields.group(2) != null;
                long[] shape = shape(bare ? fields.group(2) : fields.group(3));
                builder.addTensor(fields.group(1), shape);
                if (fields.group(4) != null) {
                    long count = Arrays.stream(shape).reduce(1, Math::multiplyExact);
                    long given = number(fields.group(4));
                    if (count != given) {
                        throw new IllegalArgumentException("the shape has " + count + " elements, and not " + given
                                + "; write a shape as 64x3x7x7");
                    }
                }
                shapes |= !bare || shape.length > 1 || fields.group(4) != null;
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(
                        source + " has " + SafeTensorsException.quote(lines.get(i)) + " in line " + (i + 1) + ": "
                                + e.getMessage(),
                        e);
            }
        }
        if (numbers.isEmpty()) {
            throw new IllegalArgumentException(source + " lists no tensor");
        }
        if (!shapes) {
            notes.accept(source + ": it has counts alone, so which tensors are one-dimensional is not known and all are"
                    + " adapted");
            return builder.build();
        }
        return builder.treatOneDimensional(Treatment.PLAIN).build();
    }

    private static long[] shape(String dimensions) {
        return dimensions.isEmpty()
                ? new long[0]
                : Arrays.stream(dimensions.split("[x,\\s]+", -1))
                        .mapToLong(Layouts::number)
                        .toArray();
    }

    private static long number(String digits) {
        try {
            return Long.parseLong(digits);
        } catch (NumberFormatException e) {
            String shown = digits.length() > SHOWN_DIGITS ? digits.substring(0, SHOWN_DIGITS) + "..." : digits;
            // Not with the cause, whose message has all digits.
            throw new IllegalArgumentException(shown + " is more than a tensor may have");
        }
    }

    private static List<String> resource(String name) {
        try (InputStream in = Layouts.class.getResourceAsStream("layouts/" + name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
