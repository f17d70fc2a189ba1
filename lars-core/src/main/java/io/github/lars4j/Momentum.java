package io.github.lars4j;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
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

    /** Returns a buffer of zeros on the heap: in one array or, if that would be too long, an array for each layer. */
    static Momentum onHeap(Layers layers) {
        return layers.end() <= MOST_ELEMENTS
                ? new Momentum(Tensors.flat(new float[(int) layers.end()]), layers, null)
                : byLayer(layers);
    }

    /**
     * Returns a buffer of zeros with an array for each layer.
     *
     * @throws IllegalArgumentException if a layer has more elements than an array
     */
    private static Momentum byLayer(Layers layers) {
        float[][] arrays = new float[layers.size()][];
        for (int i = 0; i < arrays.length; i++) {
            Layer layer = layers.get(i);
            if (layer.length() > MOST_ELEMENTS) {
                throw new IllegalArgumentException("length of layer \"" + layer.name() + "\" is " + layer.length()
                        + "; its momentum on the heap needs at most " + MOST_ELEMENTS
                        + ": use nativeMomentum(true), or give a momentumBuffer");
            }
            arrays[i] = new float[(int) layer.length()];
        }
        return new Momentum(Tensors.byLayer(arrays), layers, null);
    }

    /** Returns a buffer of zeros outside the heap. */
    @SuppressWarnings("MustBeClosedChecker") // close() closes the arena, or the cleaner
    static Momentum outsideHeap(Layers layers) {
        long bytes = 0;
        long[] starts = new long[layers.size()];
        for (int i = 0; i < starts.length; i++) {
            starts[i] = bytes;
            bytes += Math.ceilDiv(layers.get(i).length() * Float.BYTES, (long) ALIGNMENT) * ALIGNMENT;
        }
        Arena arena = Arena.ofShared();
        MemorySegment all = arena.allocate(bytes, ALIGNMENT);
        MemorySegment[] segments = new MemorySegment[starts.length];
        Arrays.setAll(segments, i -> all.asSlice(starts[i], layers.get(i).length() * Float.BYTES));
        return new Momentum(Tensors.byLayer(segments), layers, arena);
    }

    /** Returns a buffer of zeros in the same kind of memory. */
    Momentum zeros(Layers layers) {
        return tensors.onHeap() ? onHeap(layers) : outsideHeap(layers);
    }

    /** Returns whether this buffer can hold more layers, whose first ones are the present ones. */
    boolean fits(Layers layers) {
        return !own || (tensors.array() != null && tensors.array().length >= layers.end());
    }

    /** Frees memory of its own outside the heap. */
    @Override
    public void close() {
        if (memory != null) {
            memory.clean();
        }
    }
}
