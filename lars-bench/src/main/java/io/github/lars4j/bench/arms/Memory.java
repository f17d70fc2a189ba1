package io.github.lars4j.bench.arms;

import io.github.lars4j.Format;
import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.Tensors;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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

    /**
     * Returns tensors with the same values; the array itself, if {@code array} is benchmarked.
     *
     * @param array a {@code float[]}, or a {@code short[]} of a narrow format
     */
    Tensors copyOf(Object array, Layers layers, Format format) {
        MemorySegment from = array instanceof short[] narrow
                ? MemorySegment.ofArray(narrow)
                : MemorySegment.ofArray((float[]) array);
        return switch (kind) {
            case "array" ->
                array instanceof short[] narrow ? Tensors.flat(format, narrow) : Tensors.flat((float[]) array);
            case "arrays" -> {
                float[][] floats = new float[layers.size()][];
                short[][] shorts = new short[layers.size()][];
                for (int i = 0; i < layers.size(); i++) {
                    Layer layer = layers.get(i);
                    int begin = (int) layer.offset();
                    int end = (int) layer.end();
                    if (array instanceof short[] narrow) {
                        shorts[i] = Arrays.copyOfRange(narrow, begin, end);
                    } else {
                        floats[i] = Arrays.copyOfRange((float[]) array, begin, end);
                    }
                }
                yield array instanceof short[] ? Tensors.byLayer(format, shorts) : Tensors.byLayer(floats);
            }
            case "native" ->
                Tensors.flat(format, arena.allocate(from.byteSize(), ALIGNMENT).copyFrom(from));
            case "mapped" -> Tensors.flat(format, mapped(from.byteSize()).copyFrom(from));
            default ->
                throw new IllegalArgumentException(
                        "memory is \"" + kind + "\"; it must be one of array, arrays, native, mapped");
        };
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
