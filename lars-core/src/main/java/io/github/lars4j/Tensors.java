package io.github.lars4j;

import io.github.lars4j.internal.memory.Operand;
import java.lang.foreign.MemorySegment;
import java.lang.ref.WeakReference;
import java.lang.reflect.Array;
import java.util.Arrays;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * Where the weights, the gradients or the momentum of all layers lie: in one array or one array a layer, on the heap or
 * outside it. The elements are float32, or of another {@link Format}, in the machine's own byte order.
 *
 * <pre>{@code
 * Tensors weights = Tensors.byLayer(fc1Weight, fc1Bias, fc2Weight, fc2Bias); // in the order of the layers
 * Tensors gradients = Tensors.flat(segment);
 * lars.step(weights, gradients);
 * }</pre>
 *
 * <p>Nothing is copied. Create tensors once and use them in every step of one optimizer; a step then allocates no memory
 * for them. A flat {@code float[]} needs no {@code Tensors}: {@link Lars} takes it as it is.
 *
 * <p>Weights, gradients, momentum and bfloat16 copies of the weights may lie in different kinds of memory, with the same
 * bits as the result. A step is fast if all of them lie in arrays or all outside the heap; otherwise it copies every block
 * of 4096 elements to arrays and back. See {@link Lars.Builder#nativeMomentum}.
 *
 * <p><b>Memory outside the heap.</b> A step reaches it by address, which needs {@code --enable-native-access}. Without
 * it, the JVM prints a warning or, if it denies access, steps copy blocks as above, and a log line says so once.
 * During a step, the arenas of all segments are held open: a {@code close} by another thread is refused. (If native
 * access is denied, nothing is held open: closing an arena then breaks the step off.) Saving and restoring do not hold
 * them open: they fail if an arena is closed meanwhile. Holding thousands of arenas open takes more stack than a
 * thread usually has; the call then throws a {@link StackOverflowError} and changes nothing. Tensors keep the memory
 * of an {@linkplain java.lang.foreign.Arena#ofAuto automatic arena} alive. A segment on the heap is refused; pass its
 * array instead.
 *
 * <p>Tensors are immutable and safe for use by several threads; the memory that they describe is not.
 */
public final class Tensors {

    /** A thread that never runs; only confined segments are not accessible by it. */
    private static final Thread NOBODY = Thread.ofPlatform()
            .name("nobody")
            .inheritInheritableThreadLocals(false) // nor the class loader of the thread that comes here first
            .unstarted(() -> {});

    private final Format format;

    /** An array or a segment: the only one, or that of each layer. */
    private final Object[] parts;

    private final boolean byLayer;

    /** The place of the layers for which this was last used; {@code null} before that. */
    private volatile Placed placed;

    /**
     * The last tensors that were seen to lie apart from these: of copies of the weights, those of the weights, of the
     * momentum, and of two gradients in turn. Threads may lose each other's, which are then compared again.
     */
    private final Apart[] apart = new Apart[4];

    private Tensors(Format format, Object[] parts, boolean byLayer) {
        this.format = format;
        this.parts = parts;
        this.byLayer = byLayer;
    }

    /**
     * Returns tensors in one array, each layer at its {@linkplain Layer#offset offset}.
     *
     * @param array at least {@link Layers#end} elements, which every call checks; not copied
     */
    public static Tensors flat(float[] array) {
        return new Tensors(Format.FLOAT32, new Object[] {Objects.requireNonNull(array, "array")}, false);
    }

    /**
     * Returns tensors of a narrow format in one array, each layer at its {@linkplain Layer#offset offset}.
     *
     * @param format {@link Format#BFLOAT16} or {@link Format#FLOAT16}
     * @param array the bits of at least {@link Layers#end} elements, which every call checks; not copied
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if {@code format} is {@link Format#FLOAT32}
     */
    public static Tensors flat(Format format, short[] array) {
        requireNarrow(format);
        return new Tensors(format, new Object[] {Objects.requireNonNull(array, "array")}, false);
    }

    /**
     * Returns tensors with an array for each layer. The offsets of the layers have no meaning then.
     *
     * @param arrays the array of each layer, in the order of the layers; its length is that of the layer, which every
     *     call checks. The list is copied, the arrays are not
     * @throws NullPointerException if {@code arrays} or an array is {@code null}
     * @throws IllegalArgumentException if one array with elements is given twice
     */
    public static Tensors byLayer(float[]... arrays) {
        return ofArrays(Format.FLOAT32, copyOf("arrays", arrays));
    }

    /**
     * Returns tensors of a narrow format with an array for each layer; otherwise as {@link #byLayer(float[]...)}.
     *
     * @param format {@link Format#BFLOAT16} or {@link Format#FLOAT16}
     * @throws NullPointerException if {@code format}, {@code arrays} or an array is {@code null}
     * @throws IllegalArgumentException if {@code format} is {@link Format#FLOAT32}, or if one array with elements is given
     *     twice
     */
    public static Tensors byLayer(Format format, short[]... arrays) {
        requireNarrow(format);
        return ofArrays(format, copyOf("arrays", arrays));
    }

    static void requireNarrow(Format format) {
        if (Objects.requireNonNull(format, "format") == Format.FLOAT32) {
            throw new IllegalArgumentException(
                    "format is FLOAT32; it must be BFLOAT16 or FLOAT16, because the elements are short");
        }
    }

    private static Tensors ofArrays(Format format, Object[] parts) {
        IdentityHashMap<Object, Integer> first = new IdentityHashMap<>();
        for (int i = 0; i < parts.length; i++) {
            Integer before = Array.getLength(parts[i]) == 0 ? null : first.putIfAbsent(parts[i], i);
            if (before != null) {
                throw new IllegalArgumentException(
                        "arrays[" + i + "] is the same array as arrays[" + before + "]; each layer must have its own");
            }
        }
        return new Tensors(format, parts, true);
    }

    /**
     * Returns tensors in one segment outside the heap, each layer at its {@linkplain Layer#offset offset}, which counts
     * elements.
     *
     * @param segment at least 4 times {@link Layers#end} bytes, which every call checks
     * @throws NullPointerException if {@code segment} is {@code null}
     * @throws IllegalArgumentException if {@code segment} is on the heap or not aligned to 4 bytes
     */
    public static Tensors flat(MemorySegment segment) {
        return flat(Format.FLOAT32, segment);
    }

    /**
     * Returns tensors of any format in one segment outside the heap; otherwise as {@link #flat(MemorySegment)}.
     *
     * @param segment at least {@link Layers#end} elements of the format's size
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if {@code segment} is on the heap or not aligned to the size of an element
     */
    public static Tensors flat(Format format, MemorySegment segment) {
        Objects.requireNonNull(format, "format");
        Objects.requireNonNull(segment, "segment");
        requireNative("segment", segment, format);
        return new Tensors(format, new Object[] {segment}, false);
    }

    /**
     * Returns tensors with a segment outside the heap for each layer. The offsets of the layers have no meaning then. The
     * segments may belong to different arenas.
     *
     * @param segments the segment of each layer, in the order of the layers; its size is 4 bytes times the length of the
     *     layer, which every call checks. The list is copied
     * @throws NullPointerException if {@code segments} or a segment is {@code null}
     * @throws IllegalArgumentException if a segment is on the heap or not aligned to 4 bytes, or if two of them overlap
     */
    public static Tensors byLayer(MemorySegment... segments) {
        return byLayer(Format.FLOAT32, segments);
    }

    /**
     * Returns tensors of any format with a segment outside the heap for each layer; otherwise as {@link
     * #byLayer(MemorySegment...)}.
     *
     * @param segments the segment of each layer; its size is that of the format's element times the length of the layer
     * @throws NullPointerException if {@code format}, {@code segments} or a segment is {@code null}
     * @throws IllegalArgumentException if a segment is on the heap or not aligned to the size of an element, or if two of
     *     them overlap
     */
    public static Tensors byLayer(Format format, MemorySegment... segments) {
        Objects.requireNonNull(format, "format");
        MemorySegment[] parts = copyOf("segments", segments);
        for (int i = 0; i < parts.length; i++) {
            requireNative("segments[" + i + "]", parts[i], format);
        }
        Integer[] order = Extents.byAddress(parts);
        for (int i = 1; i < order.length; i++) {
            MemorySegment before = parts[order[i - 1]];
            if (parts[order[i]].address() - before.address() < before.byteSize()) { // their sum may overflow
                throw new IllegalArgumentException("segments[" + order[i] + "] overlaps segments[" + order[i - 1]
                        + "]; each layer must have its own memory");
            }
        }
        return new Tensors(format, parts, true);
    }

    private static <T> T[] copyOf(String name, T[] parts) {
        Objects.requireNonNull(parts, name);
        T[] copy = parts.clone();
        for (int i = 0; i < copy.length; i++) {
            Objects.requireNonNull(copy[i], name + "[" + i + "]");
        }
        return copy;
    }

    static void requireNative(String name, MemorySegment segment, Format format) {
        if (!segment.isNative()) {
            throw new IllegalArgumentException(
                    name + " is on the heap; pass its array, or use a segment outside the heap");
        }
        if (segment.address() % format.bytes() != 0) {
            throw new IllegalArgumentException(name + " is at address " + segment.address() + "; it must be aligned to "
                    + format.bytes() + " bytes");
        }
    }

    Format format() {
        return format;
    }

    /** Returns whether the elements lie in arrays. */
    boolean onHeap() {
        return !(parts[0] instanceof MemorySegment); // sizes are checked first, and there is at least one layer
    }

    /** Returns the one array of all layers; {@code null} if they lie elsewhere. */
    Object array() {
        return !byLayer && onHeap() ? parts[0] : null;
    }

    /** Replaces the one array of all layers, in tensors that only the optimizer knows. */
    Tensors setArray(float[] array) {
        parts[0] = array;
        if (placed != null) {
            placed.operand.setArray(array);
        }
        return this;
    }

    /** Returns where each layer lies. The tensors fit the layers; see {@link #require}. */
    Operand operand(Layers layers) {
        return placed(layers).operand;
    }

    private Placed placed(Layers layers) {
        Placed now = placed;
        if (now == null || !same(now.layers, layers)) {
            now = new Placed(layers, this);
            placed = now;
        }
        return now;
    }

    /**
     * Checks that the elements have a format.
     *
     * @throws IllegalArgumentException if they have another
     */
    void requireFormat(String name, Format expected) {
        if (format != expected) {
            throw new IllegalArgumentException(name + " is " + format + "; it must be " + expected);
        }
    }

    /** Returns the memory of a layer. The tensors fit the layers; see {@link #require}. */
    MemorySegment segment(Layers layers, int index) {
        return onHeap() ? newSegment(layers, index) : placed(layers).segments[index];
    }

    private MemorySegment newSegment(Layers layers, int index) {
        Layer layer = layers.get(index);
        Object part = parts[byLayer ? index : 0];
        MemorySegment whole = switch (part) {
            case float[] array -> MemorySegment.ofArray(array);
            case short[] array -> MemorySegment.ofArray(array);
            default -> (MemorySegment) part;
        };
        return byLayer ? whole : whole.asSlice(layer.offset() * format.bytes(), layer.length() * format.bytes());
    }

    /** Sets all elements of a layer to 0. The tensors fit the layers; see {@link #require}. */
    void clear(Layers layers, int index) {
        if (!onHeap()) {
            segment(layers, index).fill((byte) 0);
            return;
        }
        Object array = parts[byLayer ? index : 0];
        Layer layer = layers.get(index);
        int from = byLayer ? 0 : (int) layer.offset();
        int to = from + (int) layer.length();
        if (array instanceof float[] floats) {
            Arrays.fill(floats, from, to, 0);
        } else {
            Arrays.fill((short[]) array, from, to, (short) 0);
        }
    }

    /**
     * Checks that these tensors can be used in a call that begins now.
     *
     * @param name the name of these tensors in messages
     * @param written whether the call writes them
     * @param threads the number of threads that use them
     * @throws IllegalArgumentException if they do not fit the layers, cannot be written, or are confined to a thread
     * @throws IllegalStateException if an arena is closed
     */
    void require(String name, Layers layers, boolean written, int threads) {
        requireSizes(name, layers);
        requireOpen(name, layers, threads);
        if (written && !onHeap()) {
            for (Object part : parts) {
                if (((MemorySegment) part).isReadOnly()) {
                    throw new IllegalArgumentException(
                            name + part(layers, (MemorySegment) part) + " is read-only; it must be writable");
                }
            }
        }
    }

    /**
     * Checks that tensors which {@link #require} has accepted can still be used: no arena has been closed, and none is
     * confined to another thread.
     */
    void requireOpen(String name, Layers layers, int threads) {
        if (onHeap()) {
            return;
        }
        for (MemorySegment segment : placed(layers).operand.ofEachArena()) {
            if (!isUsable(segment, threads)) {
                requireUsable(name + part(layers, segment), segment, threads);
            }
        }
    }

    private static boolean isUsable(MemorySegment segment, int threads) {
        return segment.scope().isAlive()
                && segment.isAccessibleBy(Thread.currentThread())
                && (threads == 1 || segment.isAccessibleBy(NOBODY));
    }

    /** Checks that so many threads, with the current one among them, can use a segment. */
    static void requireUsable(String name, MemorySegment segment, int threads) {
        if (!segment.scope().isAlive()) {
            throw new IllegalStateException(name + " lies in an arena that is closed");
        }
        if (!segment.isAccessibleBy(Thread.currentThread())) {
            throw new IllegalArgumentException(name + " lies in an arena that is confined to another thread");
        }
        if (threads > 1 && !segment.isAccessibleBy(NOBODY)) {
            throw new IllegalArgumentException(
                    name + " lies in an arena that is confined to one thread, and parallelism is " + threads
                            + "; use a shared or automatic arena");
        }
    }

    private void requireSizes(String name, Layers layers) {
        Placed now = placed;
        if (now != null && same(now.layers, layers) && array() == null) {
            return;
        }
        if (!byLayer) {
            if (elements(0) < layers.end()) {
                throw new IllegalArgumentException(name + " has length " + elements(0) + "; it must be at least "
                        + layers.end() + ", the end of the layers");
            }
            return;
        }
        if (parts.length != layers.size()) {
            throw new IllegalArgumentException(
                    name + " has " + parts.length + " tensors; it must have " + layers.size() + ", one for each layer");
        }
        for (int i = 0; i < parts.length; i++) {
            Layer layer = layers.get(i);
            long extra = parts[i] instanceof MemorySegment segment ? segment.byteSize() % format.bytes() : 0;
            if (elements(i) != layer.length() || extra != 0) {
                throw new IllegalArgumentException(name + " has " + elements(i) + " elements"
                        + (extra == 0 ? "" : " and " + extra + " bytes") + " for layer \"" + layer.name()
                        + "\"; it must have " + layer.length());
            }
        }
    }

    private long elements(int part) {
        return parts[part] instanceof MemorySegment segment
                ? segment.byteSize() / format.bytes()
                : Array.getLength(parts[part]);
    }

    /** Names the layer that lies in a segment, for a message; empty if all do. */
    private String part(Layers layers, MemorySegment segment) {
        if (!byLayer) {
            return "";
        }
        int layer = 0;
        while (!same(parts[layer], segment)) {
            layer++;
        }
        return " of layer \"" + layers.get(layer).name() + "\"";
    }

    /**
     * Checks that these tensors share no memory with others. Both fit the layers.
     *
     * @throws IllegalArgumentException if they share memory
     */
    void requireApart(String name, Tensors other, String otherName, Layers layers) {
        if (array() != null && other.array() != null) {
            if (same(array(), other.array())) {
                throw new IllegalArgumentException(
                        name + " is the same array as " + otherName + "; they must be different arrays");
            }
        } else if (onHeap() == other.onHeap() && !isApart(other, layers)) {
            for (int i = 0; i < layers.size(); i++) {
                Object part = onHeap() ? parts[byLayer ? i : 0] : segment(layers, i);
                int shared = other.sharing(layers, part, layers.get(i).length() * format.bytes());
                if (shared >= 0 && layers.get(i).length() > 0) {
                    throw new IllegalArgumentException(part(name, layers, i) + " shares memory with "
                            + other.part(otherName, layers, shared) + "; they must lie apart");
                }
            }
            if (array() == null && other.array() == null) {
                System.arraycopy(apart, 0, apart, 1, apart.length - 1);
                apart[0] = new Apart(new WeakReference<>(other), layers);
            }
        }
    }

    /** Names the memory of a layer, for a message. */
    private String part(String name, Layers layers, int layer) {
        return array() != null
                ? name
                : name + " of layer \"" + layers.get(layer).name() + "\"";
    }

    private boolean isApart(Tensors other, Layers layers) {
        for (Apart known : apart) {
            if (known != null && known.is(other, layers)) {
                return true;
            }
        }
        return false;
    }

    /**
     * Returns a layer that shares memory with the first bytes of a segment, or with an array; -1 if there is none. The
     * tensors fit the layers; see {@link #require}. Allocates no memory, except the first time.
     */
    int sharing(Layers layers, Object part, long bytes) {
        if (part instanceof MemorySegment segment) {
            return onHeap() ? -1 : placed(layers).extents().sharing(segment.address(), bytes);
        }
        if (array() != null) {
            return same(array(), part) ? 0 : -1;
        }
        return onHeap() ? placed(layers).arrays().getOrDefault(part, -1) : -1;
    }

    @SuppressWarnings("ReferenceEquality")
    private static boolean same(Object array, Object other) {
        return array == other;
    }

    /** Where the layers lie. */
    private static final class Placed {

        private final Layers layers;
        private final Tensors tensors;
        /** The memory of each layer outside the heap; {@code null} on the heap. */
        private final MemorySegment[] segments;

        private final Operand operand;
        private volatile Extents extents;
        private volatile IdentityHashMap<Object, Integer> arrays;

        Placed(Layers layers, Tensors tensors) {
            this.layers = layers;
            this.tensors = tensors;
            if (!tensors.onHeap()) {
                segments = new MemorySegment[layers.size()];
                Arrays.setAll(segments, i -> tensors.newSegment(layers, i));
                operand = Operand.byLayer(tensors.format.type(), segments);
            } else {
                segments = null;
                operand = tensors.byLayer
                        ? Operand.byLayer(tensors.format.type(), tensors.parts)
                        : Operand.flat(tensors.format.type(), tensors.parts[0], layers.offsets());
            }
        }

        Extents extents() {
            if (extents == null) {
                extents = new Extents(segments);
            }
            return extents;
        }

        /** Returns the layer of each array that has elements. */
        IdentityHashMap<Object, Integer> arrays() {
            if (arrays == null) {
                IdentityHashMap<Object, Integer> index = new IdentityHashMap<>();
                for (int i = 0; i < layers.size(); i++) {
                    if (layers.get(i).length() > 0) {
                        index.put(tensors.parts[i], i);
                    }
                }
                arrays = index;
            }
            return arrays;
        }
    }

    /** Tensors that share no memory with these, which do not keep them alive. */
    private record Apart(WeakReference<Tensors> other, Layers layers) {
        boolean is(Tensors tensors, Layers ofLayers) {
            return other.refersTo(tensors) && same(layers, ofLayers);
        }
    }

    /** The addresses of the layers, in ascending order, to find out what overlaps them. */
    private static final class Extents {

        private final long[] from;
        private final long[] to;
        private final int[] layer;

        Extents(MemorySegment[] segments) {
            Integer[] order = byAddress(segments);
            from = new long[order.length];
            to = new long[order.length];
            layer = new int[order.length];
            for (int i = 0; i < order.length; i++) {
                MemorySegment segment = segments[order[i]];
                from[i] = segment.address();
                to[i] = segment.address() + segment.byteSize();
                layer[i] = order[i];
            }
        }

        /** Returns the indices of the segments that are not empty, in the order of their addresses. */
        static Integer[] byAddress(MemorySegment[] segments) {
            return IntStream.range(0, segments.length)
                    .filter(i -> segments[i].byteSize() > 0)
                    .boxed()
                    .sorted(Comparator.comparingLong(i -> segments[i].address()))
                    .toArray(Integer[]::new);
        }

        /** Returns a layer that overlaps so many bytes from an address on; -1 if there is none. */
        int sharing(long address, long bytes) {
            int found = Arrays.binarySearch(from, address + bytes);
            // The layer before the end is the only one that can overlap them, unless several do.
            int before = (found < 0 ? -found - 1 : found) - 1;
            return bytes > 0 && before >= 0 && to[before] > address ? layer[before] : -1;
        }
    }
}
