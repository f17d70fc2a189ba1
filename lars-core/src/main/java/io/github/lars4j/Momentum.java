package io.github.lars4j;

import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.lang.reflect.Array;
import java.util.Arrays;

/**
 * The momentum buffer of an optimizer or a snapshot. Memory of its own outside the heap is freed by {@link #close}, or if
 * that is forgotten, some time after the buffer has become unreachable.
 */
final class Momentum implements AutoCloseable {

    /** The alignment of each layer in bytes: a cache line, so that no vector crosses two of them. */
    private static final int ALIGNMENT = 64;

    /** The length of the longest array that every JVM can allocate. */
    private static final int MOST_ELEMENTS = Integer.MAX_VALUE - 8;

    /** The number of elements that are read from a file at once. */
    private static final int CHUNK = 1 << 14;

    final Tensors tensors;
    private final boolean own;
    /** Frees the memory; {@code null} if it is on the heap or the caller's. */
    private final Cleaner.Cleanable memory;

    /** Creates a buffer of the optimizer's own, so that the first step finds all that it needs. */
    private Momentum(Tensors tensors, Layers layers, Arena arena) {
        this(tensors, true, arena);
        tensors.operand(layers);
    }

    private Momentum(Tensors tensors, boolean own, Arena arena) {
        this.tensors = tensors;
        this.own = own;
        this.memory = arena == null ? null : Cleaners.CLEANER.register(this, arena::close);
    }

    /** Starts the cleaner's thread only if there is memory outside the heap. */
    private static final class Cleaners {
        static final Cleaner CLEANER = Cleaner.create();
    }

    /** Returns a buffer that is the caller's. */
    static Momentum of(Tensors tensors) {
        return new Momentum(tensors, false, null);
    }

    /** Returns a buffer of zeros. */
    static Momentum zeros(MomentumStorage storage, Layers layers) {
        return storage.outsideHeap() ? outsideHeap(storage.format(), layers) : onHeap(storage.format(), layers);
    }

    /** Returns a buffer of zeros on the heap: in one array or, if that would be too long, an array for each layer. */
    private static Momentum onHeap(Format format, Layers layers) {
        if (layers.end() > MOST_ELEMENTS) {
            return byLayer(format, layers);
        }
        int length = (int) layers.end();
        return new Momentum(
                format == Format.FLOAT32 ? Tensors.flat(new float[length]) : Tensors.flat(format, new short[length]),
                layers,
                null);
    }

    /**
     * Returns a buffer of zeros with an array for each layer.
     *
     * @throws IllegalArgumentException if a layer has more elements than an array
     */
    private static Momentum byLayer(Format format, Layers layers) {
        boolean float32 = format == Format.FLOAT32;
        float[][] floats = new float[float32 ? layers.size() : 0][];
        short[][] shorts = new short[float32 ? 0 : layers.size()][];
        for (int i = 0; i < layers.size(); i++) {
            Layer layer = layers.get(i);
            if (layer.length() > MOST_ELEMENTS) {
                throw new IllegalArgumentException("length of layer \"" + layer.name() + "\" is " + layer.length()
                        + "; its momentum on the heap needs at most " + MOST_ELEMENTS
                        + ": use nativeMomentum(true), or give a momentumBuffer");
            }
            if (float32) {
                floats[i] = new float[(int) layer.length()];
            } else {
                shorts[i] = new short[(int) layer.length()];
            }
        }
        return new Momentum(float32 ? Tensors.byLayer(floats) : Tensors.byLayer(format, shorts), layers, null);
    }

    /** Returns a buffer of zeros outside the heap. */
    @SuppressWarnings("MustBeClosedChecker") // close() closes the arena, or the cleaner
    private static Momentum outsideHeap(Format format, Layers layers) {
        long bytes = 0;
        long[] starts = new long[layers.size()];
        for (int i = 0; i < starts.length; i++) {
            starts[i] = bytes;
            bytes += Math.ceilDiv(layers.get(i).length() * format.bytes(), (long) ALIGNMENT) * ALIGNMENT;
        }
        Arena arena = Arena.ofShared();
        MemorySegment all = arena.allocate(bytes, ALIGNMENT);
        MemorySegment[] segments = new MemorySegment[starts.length];
        Arrays.setAll(segments, i -> all.asSlice(starts[i], layers.get(i).length() * format.bytes()));
        return new Momentum(Tensors.byLayer(format, segments), layers, arena);
    }

    /** Returns a buffer of zeros in the same kind of memory and the same format. */
    Momentum zeros(Layers layers) {
        return zeros(new MomentumStorage(tensors.format(), !tensors.onHeap(), null), layers);
    }

    /**
     * Checks that no element becomes infinite when the momentum of all layers is copied to a format.
     *
     * @throws IllegalArgumentException if one does
     */
    void requireRoundable(Layers layers, Format format) {
        for (int i = 0; format != tensors.format() && format != Format.FLOAT32 && i < layers.size(); i++) {
            MemorySegment values = tensors.segment(layers, i);
            for (long e = 0; e < layers.get(i).length(); e++) {
                requireRoundable(layers.get(i).name(), e, tensors.format().get(values, e), format);
            }
        }
    }

    /**
     * Copies the momentum of a layer. From float32 to bfloat16, elements are rounded to nearest even.
     *
     * @param ofLayers the layers of this buffer
     * @param otherLayers the layers of the other one
     */
    void copyLayer(int layer, Layers ofLayers, Momentum other, Layers otherLayers) {
        MemorySegment to = tensors.segment(ofLayers, layer);
        MemorySegment from = other.tensors.segment(otherLayers, layer);
        if (tensors.format() == other.tensors.format()) {
            to.copyFrom(from);
            return;
        }
        for (long e = 0; e < ofLayers.get(layer).length(); e++) {
            tensors.format().set(to, e, other.tensors.format().get(from, e));
        }
    }

    /** Reads the momentum of a layer from a tensor of F32, F16 or BF16. For bfloat16, elements are rounded to nearest even. */
    void readLayer(SafeTensorsFile file, String tensor, Layers layers, int layer) throws IOException {
        MemorySegment to = tensors.segment(layers, layer);
        if (tensors.format() == Format.FLOAT32) {
            file.readFloats(tensor, 0, to);
            return;
        }
        long length = layers.get(layer).length();
        float[] chunk = new float[(int) Math.min(CHUNK, length)];
        for (long first = 0; first < length; first += chunk.length) {
            int count = (int) Math.min(chunk.length, length - first);
            file.readFloats(tensor, first, chunk, 0, count);
            for (int i = 0; i < count; i++) {
                tensors.format().set(to, first + i, chunk[i]);
            }
        }
    }

    /**
     * Checks that no element of a tensor becomes infinite when it is rounded to a format.
     *
     * @throws IllegalArgumentException if one does
     */
    static void requireRoundable(SafeTensorsFile file, String tensor, Format format) throws IOException {
        long length = file.tensors().get(tensor).elementCount();
        float[] chunk = new float[(int) Math.min(CHUNK, length)];
        for (long first = 0; format != Format.FLOAT32 && first < length; first += chunk.length) {
            int count = (int) Math.min(chunk.length, length - first);
            file.readFloats(tensor, first, chunk, 0, count);
            for (int i = 0; i < count; i++) {
                requireRoundable(tensor, first + i, chunk[i], format);
            }
        }
    }

    private static void requireRoundable(String name, long index, float value, Format format) {
        if (Float.isFinite(value) && !Float.isFinite(format.toFloat(format.toShort(value)))) {
            throw new IllegalArgumentException(SafeTensorsException.quote(name) + " is " + value + " at " + index
                    + "; it must not become infinite when it is rounded to " + format);
        }
    }

    /** Returns whether this buffer can hold more layers, whose first ones are the present ones. */
    boolean fits(Layers layers) {
        return !own || (tensors.array() != null && Array.getLength(tensors.array()) >= layers.end());
    }

    /** Frees memory of its own outside the heap. */
    @Override
    public void close() {
        if (memory != null) {
            memory.clean();
        }
    }
}
