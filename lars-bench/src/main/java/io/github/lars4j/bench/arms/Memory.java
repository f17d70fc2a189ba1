package io.github.lars4j.bench.arms;

import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.Tensors;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;

/**
 * The memory in which tensors are benchmarked: {@code array}, one {@code float[]}; {@code arrays}, one for each layer;
 * {@code native}, outside the heap; or {@code mapped}, a file.
 */
final class Memory implements AutoCloseable {

    /** The alignment of memory outside the heap: a cache line. */
    private static final int ALIGNMENT = 64;

    private final String kind;
    private final Arena arena = Arena.ofShared();

    Memory(String kind) {
        this.kind = kind;
    }

    /** Returns tensors with the same values; the array itself, if {@code array} is benchmarked. */
    Tensors copyOf(float[] array, Layers layers) {
        return switch (kind) {
            case "array" -> Tensors.flat(array);
            case "arrays" -> {
                float[][] arrays = new float[layers.size()][];
                for (int i = 0; i < arrays.length; i++) {
                    Layer layer = layers.get(i);
                    arrays[i] = Arrays.copyOfRange(array, (int) layer.offset(), (int) layer.end());
                }
                yield Tensors.byLayer(arrays);
            }
            case "native" -> Tensors.flat(filled(arena.allocate((long) array.length * Float.BYTES, ALIGNMENT), array));
            case "mapped" -> Tensors.flat(filled(mapped((long) array.length * Float.BYTES), array));
            default ->
                throw new IllegalArgumentException(
                        "memory is \"" + kind + "\"; it must be one of array, arrays, native, mapped");
        };
    }

    private static MemorySegment filled(MemorySegment segment, float[] array) {
        MemorySegment.copy(array, 0, segment, ValueLayout.JAVA_FLOAT, 0, array.length);
        return segment;
    }

    private MemorySegment mapped(long bytes) {
        try {
            Path file = Files.createTempFile("lars4j", ".bin");
            try (FileChannel channel = FileChannel.open(
                    file, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.DELETE_ON_CLOSE)) {
                return channel.map(MapMode.READ_WRITE, 0, bytes, arena);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
