package io.github.lars4j;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

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

    /** Returns tensors of zeros; those outside the heap live as long as the arena. */
    Tensors zeros(Layers layers, Arena arena) {
        long bytes = layers.end() * Float.BYTES;
        return switch (this) {
            case FLAT -> Tensors.flat(new float[(int) layers.end()]);
            case BY_LAYER -> {
                float[][] arrays = new float[layers.size()][];
                for (int i = 0; i < arrays.length; i++) {
                    arrays[i] = new float[(int) layers.get(i).length()];
                }
                yield Tensors.byLayer(arrays);
            }
            case NATIVE -> Tensors.flat(arena.allocate(bytes, LINE));
            case NATIVE_BY_LAYER -> {
                MemorySegment[] segments = new MemorySegment[layers.size()];
                for (int i = 0; i < segments.length; i++) {
                    Layer layer = layers.get(i);
                    long from = layer.offset() * Float.BYTES % LINE;
                    long length = layer.length() * Float.BYTES;
                    segments[i] = arena.allocate(from + length + LINE, LINE).asSlice(from, length);
                }
                yield Tensors.byLayer(segments);
            }
            case MAPPED -> Tensors.flat(mapped(bytes, arena));
        };
    }

    /** Returns a mapped segment of zeros of a file that has no name any more. */
    static MemorySegment mapped(long bytes, Arena arena) {
        try {
            Path file = Files.createTempFile("lars4j", ".mapped");
            try (FileChannel channel = FileChannel.open(
                    file, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.SPARSE)) {
                return channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
            } finally {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
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
