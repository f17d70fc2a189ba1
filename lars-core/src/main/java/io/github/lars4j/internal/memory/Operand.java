package io.github.lars4j.internal.memory;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Where the elements of every layer of weights, gradients or momentum lie: a base and a position, as {@link
 * io.github.lars4j.internal.kernel.PlacedKernels} takes them. Immutable, except for {@link #setArray} and
 * {@link #setSegment}.
 */
public final class Operand {

    private static final MemorySegment[] NONE = {};

    private final ElementType type;
    /** The array of all layers on the heap, of the type's elements; unused if each has its own. */
    private Object array;

    private final Object[] arrays;
    /** The base of all layers outside the heap; unused if each has its own. */
    private Object base;

    private final MemorySegment[] bases;
    private final long[] starts;
    /** The binary logarithm of the distance between the positions of two elements. */
    private final int shift;

    private final MemorySegment[] ofEachArena;

    private Operand(ElementType type, Object array, Object[] arrays, long[] starts) {
        this.type = type;
        this.array = array;
        this.arrays = arrays;
        this.base = null;
        this.bases = null;
        this.starts = starts;
        this.shift = 0;
        this.ofEachArena = NONE;
    }

    private Operand(ElementType type, Object base, MemorySegment[] bases, long[] starts, MemorySegment[] ofEachArena) {
        this.type = type;
        this.array = null;
        this.arrays = null;
        this.base = base;
        this.bases = bases;
        this.starts = starts;
        this.shift = type.shift();
        this.ofEachArena = ofEachArena;
    }

    /**
     * Returns the place of layers in one array.
     *
     * @param array the array, a {@code float[]}, or {@code short[]} of a narrow type
     * @param offsets the index of each layer's first element; not copied
     */
    public static Operand flat(ElementType type, Object array, long[] offsets) {
        return new Operand(type, array, null, offsets);
    }

    /** Returns the place of layers that have an array each. */
    public static Operand byLayer(ElementType type, Object[] arrays) {
        return new Operand(type, null, arrays, new long[arrays.length]);
    }

    /**
     * Returns the place of layers that have a segment outside the heap each.
     *
     * @param segments the segment of each layer
     */
    public static Operand byLayer(ElementType type, MemorySegment[] segments) {
        long[] starts = new long[segments.length];
        MemorySegment[] arenas = ofEachArena(segments);
        if (!NativeMemory.isAllowed()) {
            return new Operand(type, null, segments, starts, arenas);
        }
        Arrays.setAll(starts, i -> segments[i].address());
        return new Operand(type, NativeMemory.Access.ALL, null, starts, arenas);
    }

    private static MemorySegment[] ofEachArena(MemorySegment[] segments) {
        Map<MemorySegment.Scope, MemorySegment> arenas = new LinkedHashMap<>();
        for (MemorySegment segment : segments) {
            arenas.putIfAbsent(segment.scope(), segment);
        }
        return arenas.values().toArray(NONE);
    }

    /** Returns the place of one layer at a time, which {@link #setArray} and {@link #setSegment} set. */
    public static Operand ofOneLayer(ElementType type, int layers, boolean onHeap) {
        return onHeap
                ? new Operand(type, null, null, new long[layers])
                : new Operand(type, NativeMemory.Access.ALL, null, new long[layers], new MemorySegment[1]);
    }

    /** Sets where one layer lies, in a place of one layer at a time. */
    public void setSegment(int layer, MemorySegment segment) {
        ofEachArena[0] = segment;
        if (NativeMemory.isAllowed()) {
            starts[layer] = segment.address();
        } else {
            base = segment;
        }
    }

    /** Returns the type of the elements. */
    public ElementType type() {
        return type;
    }

    /** Returns whether all layers lie in arrays on the heap. */
    public boolean onHeap() {
        return shift == 0;
    }

    /** Replaces the one array of all layers. */
    public void setArray(Object array) {
        this.array = array;
    }

    /** Returns a segment of each arena whose memory this is; none on the heap. */
    public MemorySegment[] ofEachArena() {
        return ofEachArena;
    }

    /** Returns whether the elements of each layer have the same indices in arrays here and there. */
    @SuppressWarnings("ReferenceEquality") // the offsets of one layout
    public boolean isAlongside(Operand other) {
        return onHeap() && other.onHeap() && (starts == other.starts || (arrays != null && other.arrays != null));
    }

    /** Returns the array of a layer on the heap, if its elements are float32. */
    public float[] array(int layer) {
        return (float[]) (arrays == null ? array : arrays[layer]);
    }

    /** Returns the base of a layer. */
    public Object base(int layer) {
        if (onHeap()) {
            return arrays == null ? array : arrays[layer];
        }
        return bases == null ? base : bases[layer];
    }

    /** Returns the position of a layer's first element. */
    public long start(int layer) {
        return starts[layer];
    }

    /** Returns the position of an element of a layer. */
    public long at(int layer, long element) {
        return starts[layer] + (element << shift);
    }
}
