package io.github.lars4j.bench.arms;

import io.github.lars4j.Layers;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The layouts that are measured: the tensors of real networks by name, and uniform ones such as {@code 4096x100}. */
public final class Layouts {

    /** Networks whose tensors are listed in the resources, from torchvision's models. */
    public static final List<String> NETWORKS = List.of("resnet50", "alexnet", "vgg16", "vit_b_16", "mobilenet_v2");

    private static final Pattern UNIFORM = Pattern.compile("([1-9][0-9]{0,8})x([1-9][0-9]{0,8})");

    private Layouts() {}

    /**
     * The layers of a layout. One-dimensional tensors of a network are plain, as trainers treat them; the layers of a uniform
     * layout are all adapted.
     *
     * @param name one of {@link #NETWORKS}, or ELEMENTSxLAYERS
     * @throws IllegalArgumentException if it is neither
     */
    public static Layers named(String name) {
        Matcher uniform = UNIFORM.matcher(name);
        if (uniform.matches()) {
            return uniform(Long.parseLong(uniform.group(1)), Integer.parseInt(uniform.group(2)));
        }
        if (NETWORKS.contains(name)) {
            return parse(name, resource(name + ".txt"));
        }
        throw new IllegalArgumentException("layout is \"" + name + "\"; it must be one of "
                + String.join(", ", NETWORKS) + ", or ELEMENTSxLAYERS such as 4096x100");
    }

    private static Layers uniform(long elements, int layers) {
        Layers.Builder builder = Layers.builder();
        for (int i = 0; i < layers; i++) {
            builder.add("layer" + i, elements);
        }
        return builder.build();
    }

    /**
     * Reads a list of tensors, one a line: name, shape such as {@code 64x3x7x7}, element count.
     *
     * @param source where the list is from, for messages
     * @throws IllegalArgumentException if a line is none of these, naming it by number
     */
    static Layers parse(String source, List<String> lines) {
        Layers.Builder builder = Layers.builder();
        for (int i = 0; i < lines.size(); i++) {
            String[] fields = lines.get(i).trim().split("\\s+", -1);
            try {
                if (fields.length != 3) {
                    throw new IllegalArgumentException("it must be a name, a shape and a count");
                }
                long[] shape = Arrays.stream(fields[1].split("x", -1))
                        .mapToLong(Long::parseLong)
                        .toArray();
                long count = Arrays.stream(shape).reduce(1, Math::multiplyExact);
                if (count != Long.parseLong(fields[2])) {
                    throw new IllegalArgumentException("the shape has " + count + " elements");
                }
                builder.addTensor(fields[0], shape);
            } catch (IllegalArgumentException | ArithmeticException e) {
                throw new IllegalArgumentException(
                        source + " has \"" + lines.get(i) + "\" in line " + (i + 1) + ": " + e.getMessage(), e);
            }
        }
        return builder.treatOneDimensional(Treatment.PLAIN).build();
    }

    private static List<String> resource(String name) {
        try (InputStream in = Layouts.class.getResourceAsStream("layouts/" + name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
