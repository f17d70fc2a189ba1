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

    /** The array of all layers on the heap; unused if each has its own. */
    private float[] array;

    private final float[][] arrays;
    /** The base of all layers outside the heap; unused if each has its own. */
    private Object base;

    private final MemorySegment[] bases;
    private final long[] starts;
    /** The binary logarithm of the distance between the positions of two elements. */
    private final int shift;

    private final MemorySegment[] ofEachArena;

    private Operand(float[] array, float[][] arrays, long[] starts) {
        this.array = array;
        this.arrays = arrays;
        this.base = null;
        this.bases = null;
        this.starts = starts;
        this.shift = 0;
        this.ofEachArena = NONE;
    }

    private Operand(Object base, MemorySegment[] bases, long[] starts, MemorySegment[] ofEachArena) {
        this.array = null;
        this.arrays = null;
        this.base = base;
        this.bases = bases;
        this.starts = starts;
        this.shift = 2;
        this.ofEachArena = ofEachArena;
    }

    /**
     * Returns the place of layers in one array.
     *
     * @param array the array
     * @param offsets the index of each layer's first element; not copied
     */
    public static Operand flat(float[] array, long[] offsets) {
        return new Operand(array, null, offsets);
    }

    /** Returns the place of layers that have an array each. */
    public static Operand byLayer(float[][] arrays) {
        return new Operand(null, arrays, new long[arrays.length]);
    }

    /**
     * Returns the place of layers that have a segment outside the heap each.
     *
     * @param segments the segment of each layer
     */
    public static Operand byLayer(MemorySegment[] segments) {
        long[] starts = new long[segments.length];
        MemorySegment[] arenas = ofEachArena(segments);
        if (!NativeMemory.isAllowed()) {
            return new Operand(null, segments, starts, arenas);
        }
        Arrays.setAll(starts, i -> segments[i].address());
        return new Operand(NativeMemory.Access.ALL, null, starts, arenas);
    }

    private static MemorySegment[] ofEachArena(MemorySegment[] segments) {
        Map<MemorySegment.Scope, MemorySegment> arenas = new LinkedHashMap<>();
        for (MemorySegment segment : segments) {
            arenas.putIfAbsent(segment.scope(), segment);
        }
        return arenas.values().toArray(NONE);
    }

    /** Returns the place of one layer at a time, which {@link #setArray} and {@link #setSegment} set. */
    public static Operand ofOneLayer(int layers, boolean onHeap) {
        return onHeap
                ? new Operand(null, null, new long[layers])
                : new Operand(NativeMemory.Access.ALL, null, new long[layers], new MemorySegment[1]);
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

    /** Returns whether all layers lie in arrays on the heap. */
    public boolean onHeap() {
        return shift == 0;
    }

    /** Replaces the one array of all layers. */
    public void setArray(float[] array) {
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

    /** Returns the array of a layer on the heap. */
    public float[] array(int layer) {
        return arrays == null ? array : arrays[layer];
    }

    /** Returns the base of a layer. */
    public Object base(int layer) {
        if (onHeap()) {
            return array(layer);
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
