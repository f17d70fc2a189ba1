package io.github.lars4j;

import io.github.lars4j.internal.saving.Checksum;
import io.github.lars4j.safetensors.SafeTensorsException;

/**
 * Checks, when an optimizer is built, that every checkpoint of it can be written, with weights or without. A run should
 * not find out at its first save.
 */
final class Savable {

    /** The limit of the file format, which {@link io.github.lars4j.safetensors.SafeTensorsWriter} enforces. */
    private static final int MOST_HEADER_BYTES = 100_000_000;

    /**
     * An upper bound of the bytes of the settings in the metadata, of the optimizer or of a group, with the rest of the
     * metadata and the checksum's tensor.
     */
    private static final int REST_BYTES = 2000;

    private static final String METADATA = "__metadata__";

    /**
     * Bytes of a layer's metadata entry without its index, offset, shape, rate factor, rate, ratio, coefficient, groups
     * and name.
     */
    private static final int LINE_BYTES = "\"layer.\":\"  false false  false     \",".length();

    /** Bytes of a tensor's entry without its name, shape and offsets. */
    private static final int TENSOR_BYTES = "\"\":{\"dtype\":\"F32\",\"shape\":,\"data_offsets\":[,]},".length();

    private static final int MOST_DOUBLE_BYTES = "2.2250738585072014E-308".length();

    private Savable() {}

    /**
     * Checks the names of the layers and their number.
     *
     * @param setup the layers, and which of them have momentum
     * @throws IllegalArgumentException if two tensors of a checkpoint would have the same name, if a name cannot be
     *     written, or if the header might exceed the limit of the file format
     */
    static void require(Setup setup) {
        Layers layers = setup.layers;
        for (int i = 0; i < layers.size(); i++) {
            requireName(layers.get(i).name(), layers, setup.profileOf(i).mayHaveMomentum);
        }
        for (Group group : setup.groups) {
            if (jsonBytes(group.name()) < 0) {
                throw new IllegalArgumentException("groups has a group " + SafeTensorsException.quote(group.name())
                        + "; its name must not contain an unpaired surrogate, which a checkpoint cannot store");
            }
        }
        long bytes = mostHeaderBytes(setup);
        if (bytes > MOST_HEADER_BYTES) {
            throw new IllegalArgumentException("layers has " + layers.size()
                    + " layers; the header of a checkpoint may need " + bytes
                    + " bytes for them and must need at most " + MOST_HEADER_BYTES
                    + "; use fewer layers or shorter names");
        }
    }

    private static void requireName(String name, Layers layers, boolean momentum) {
        if (name.equals(Checksum.TENSOR) || name.equals(METADATA)) {
            throw refused(name, "a checkpoint uses this name for other content");
        }
        String buffer = name + Checkpoint.MOMENTUM_SUFFIX;
        if (momentum && layers.has(buffer)) {
            throw refused(
                    buffer,
                    "a checkpoint uses this name for the momentum of layer " + SafeTensorsException.quote(name));
        }
        if (jsonBytes(name) < 0) {
            throw refused(name, "it contains an unpaired surrogate, which a checkpoint cannot store");
        }
    }

    private static IllegalArgumentException refused(String name, String why) {
        return new IllegalArgumentException(
                "layers has a layer " + SafeTensorsException.quote(name) + "; it must have another name: " + why);
    }

    /** Returns the length of the header if every number in it took as many bytes as possible. */
    static long mostHeaderBytes(Setup setup) {
        Layers layers = setup.layers;
        int groups = 1;
        int place = digits(2 * Float.BYTES * layers.end());
        long bytes = REST_BYTES;
        for (int g = 0; g < setup.groups.size(); g++) {
            bytes += REST_BYTES + jsonBytes(setup.groups.get(g).name());
            groups += digits(g) + 1;
        }
        for (int i = 0; i < layers.size(); i++) {
            Layer layer = layers.get(i);
            int name = jsonBytes(layer.name());
            int shape = shapeBytes(layer);
            int tensor = TENSOR_BYTES + name + shape + 2 * place;
            bytes += LINE_BYTES
                    + digits(i)
                    + digits(layer.offset())
                    + shape
                    + Double.toString(layer.treatment().rateFactor()).length()
                    + 3 * MOST_DOUBLE_BYTES
                    + groups
                    + name
                    + tensor
                    + (setup.profileOf(i).mayHaveMomentum ? tensor + Checkpoint.MOMENTUM_SUFFIX.length() : 0);
        }
        return bytes;
    }

    private static int shapeBytes(Layer layer) {
        int bytes = 2;
        for (long dimension : layer.shape()) {
            bytes += digits(dimension) + 1;
        }
        return bytes;
    }

    private static int digits(long number) {
        return Long.toString(number).length();
    }

    /** Returns the bytes of a text as JSON in UTF-8, without the quotes; -1 if it contains an unpaired surrogate. */
    static int jsonBytes(String text) {
        int bytes = 0;
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            i += Character.charCount(c);
            if (c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE) {
                return -1;
            }
            bytes += c < 0x20 ? 6 : c == '"' || c == '\\' ? 2 : c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        }
        return bytes;
    }
}
