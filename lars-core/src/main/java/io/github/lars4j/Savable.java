package io.github.lars4j;

import io.github.lars4j.internal.saving.Checksum;
import io.github.lars4j.safetensors.SafeTensorsException;

/**
 * Whether every checkpoint of an optimizer could be written, with its weights and without: a run should not find out at
 * its first save.
 */
final class Savable {

    /** What the file format allows, and {@link io.github.lars4j.safetensors.SafeTensorsWriter} writes. */
    private static final int MOST_HEADER_BYTES = 100_000_000;

    /** More than the metadata without the layers, and the checksum's tensor. */
    private static final int REST_BYTES = 2000;

    private static final String METADATA = "__metadata__";

    /** Of a layer in the metadata, without its index, offset, shape, rate factor, rate, ratio and name. */
    private static final int LINE_BYTES = "\"layer.\":\"  false false  false   \",".length();

    /** Of a tensor, without its name, shape and offsets. */
    private static final int TENSOR_BYTES = "\"\":{\"dtype\":\"F32\",\"shape\":,\"data_offsets\":[,]},".length();

    private static final int MOST_DOUBLE_BYTES = "2.2250738585072014E-308".length();

    private Savable() {}

    /**
     * Checks the names of layers, and their number.
     *
     * @param momentum whether there is momentum to be saved
     * @throws IllegalArgumentException if two tensors of a checkpoint would have one name, a name cannot be written, or
     *     the header may become longer than the file format allows
     */
    static void require(Layers layers, boolean momentum) {
        for (Layer layer : layers) {
            requireName(layer.name(), layers, momentum);
        }
        long bytes = mostHeaderBytes(layers, momentum);
        if (bytes > MOST_HEADER_BYTES) {
            throw new IllegalArgumentException("layers has " + layers.size()
                    + " layers, of which a checkpoint may need a header of " + bytes
                    + " bytes; it must need at most " + MOST_HEADER_BYTES + ": fewer layers or shorter names");
        }
    }

    private static void requireName(String name, Layers layers, boolean momentum) {
        if (name.equals(Checksum.TENSOR) || name.equals(METADATA)) {
            throw refused(name, "a checkpoint has other content of that name");
        }
        String buffer = name + Checkpoint.MOMENTUM_SUFFIX;
        if (momentum && layers.has(buffer)) {
            throw refused(
                    buffer,
                    "so is the momentum of layer " + SafeTensorsException.quote(name) + " called in a checkpoint");
        }
        if (jsonBytes(name) < 0) {
            throw refused(name, "a checkpoint's names have no lone surrogates");
        }
    }

    private static IllegalArgumentException refused(String name, String why) {
        return new IllegalArgumentException(
                "layers has a layer " + SafeTensorsException.quote(name) + "; it must have another name: " + why);
    }

    /** The length of a header that holds the longest of numbers. */
    static long mostHeaderBytes(Layers layers, boolean momentum) {
        int place = digits(2 * Float.BYTES * layers.end());
        long bytes = REST_BYTES;
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
                    + 2 * MOST_DOUBLE_BYTES
                    + name
                    + tensor
                    + (momentum ? tensor + Checkpoint.MOMENTUM_SUFFIX.length() : 0);
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

    /** Bytes of a text as JSON in UTF-8, without the quotes; -1 if it has a surrogate without its pair. */
    private static int jsonBytes(String text) {
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
