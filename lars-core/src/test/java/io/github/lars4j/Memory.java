package io.github.lars4j;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;

/** The kinds of memory in which tests put tensors. */
enum Memory {
    /** One array. */
    FLAT,
    /** An array a layer. */
    BY_LAYER,
    /** One segment outside the heap. */
    NATIVE,
    /** A segment a layer outside the heap, each with the alignment that its offset has in {@link #NATIVE}. */
    NATIVE_BY_LAYER,
    /** One segment of a file that is mapped read-write. */
    MAPPED;

    private static final long LINE = 64;

    boolean onHeap() {
        return this == FLAT || this == BY_LAYER;
    }

    /** Returns float32 tensors of zeros; those outside the heap live as long as the arena. */
    Tensors zeros(Layers layers, Arena arena) {
        return zeros(Format.FLOAT32, layers, arena);
    }

    /** Returns tensors of zeros; those outside the heap live as long as the arena. */
    Tensors zeros(Format format, Layers layers, Arena arena) {
        long bytes = layers.end() * format.bytes();
        boolean float32 = format == Format.FLOAT32;
        return switch (this) {
            case FLAT ->
                float32
                        ? Tensors.flat(new float[(int) layers.end()])
                        : Tensors.flat(format, new short[(int) layers.end()]);
            case BY_LAYER -> {
                float[][] floats = new float[float32 ? layers.size() : 0][];
                short[][] shorts = new short[float32 ? 0 : layers.size()][];
                Arrays.setAll(floats, i -> new float[(int) layers.get(i).length()]);
                Arrays.setAll(shorts, i -> new short[(int) layers.get(i).length()]);
                yield float32 ? Tensors.byLayer(floats) : Tensors.byLayer(format, shorts);
            }
            case NATIVE -> flat(format, arena.allocate(bytes, LINE));
            case NATIVE_BY_LAYER -> {
                MemorySegment[] segments = new MemorySegment[layers.size()];
                for (int i = 0; i < segments.length; i++) {
                    Layer layer = layers.get(i);
                    long from = layer.offset() * format.bytes() % LINE;
                    long length = layer.length() * format.bytes();
                    segments[i] = arena.allocate(from + length + LINE, LINE).asSlice(from, length);
                }
                yield float32 ? Tensors.byLayer(segments) : Tensors.byLayer(format, segments);
            }
            case MAPPED -> flat(format, mapped(bytes, arena));
        };
    }

    private static Tensors flat(Format format, MemorySegment segment) {
        return format == Format.FLOAT32 ? Tensors.flat(segment) : Tensors.flat(format, segment);
    }

    /** Returns a mapped segment of zeros of a file that has no name any more. */
    static MemorySegment mapped(long bytes, Arena arena) {
        try {
            Path file = Files.createTempFile("lars4j", ".mapped");
            try (FileChannel channel = FileChannel.open(
                    file, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.SPARSE)) {
                return channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
            } finally {
                delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Deletes a file that may be mapped; Windows refuses that until it is no longer mapped. */
    private static void delete(Path file) throws IOException {
        try {
            Files.delete(file);
        } catch (AccessDeniedException e) {
            file.toFile().deleteOnExit();
        }
    }

    /** Returns tensors with the values of an array. */
    Tensors copyOf(float[] array, Layers layers, Arena arena) {
        Tensors tensors = zeros(layers, arena);
        copy(array, tensors, layers);
        return tensors;
    }

    /** Copies the layers from one array. */
    static void copy(float[] from, Tensors to, Layers layers) {
        copy(from, layers, to, layers);
    }

    /** Copies layers from one array to where layers of the same lengths lie. */
    static void copy(float[] from, Layers fromLayers, Tensors to, Layers toLayers) {
        copy(Tensors.flat(from), fromLayers, to, toLayers);
    }

    /** Copies the layers to one array. */
    static void copy(Tensors from, float[] to, Layers layers) {
        copy(from, layers, Tensors.flat(to), layers);
    }

    private static void copy(Tensors from, Layers fromLayers, Tensors to, Layers toLayers) {
        for (int i = 0; i < fromLayers.size(); i++) {
            to.segment(toLayers, i).copyFrom(from.segment(fromLayers, i));
        }
    }

    /** Returns a copy in one array, with zeros between the layers. */
    static float[] toFlat(Tensors tensors, Layers layers) {
        return toFlat(tensors, layers, layers);
    }

    /** Returns a copy in one array, where other layers of the same lengths lie. */
    static float[] toFlat(Tensors tensors, Layers layers, Layers flatLayers) {
        float[] flat = new float[(int) flatLayers.end()];
        copy(tensors, layers, Tensors.flat(flat), flatLayers);
        return flat;
    }
}
