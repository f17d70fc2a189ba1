package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import io.github.lars4j.rule.Treatment;
import io.github.lars4j.safetensors.SafeTensorsException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The positions of the layers in the flat arrays, and the treatment of each layer.
 *
 * <pre>{@code
 * Layers layers = Layers.builder()
 *         .addTensor("fc1.weight", 512, 784)    // elements 0 to 401,407
 *         .addTensor("fc1.bias", 512)           // elements 401,408 to 401,919
 *         .treatOneDimensional(Treatment.PLAIN) // biases: no weight decay, no trust ratio
 *         .build();
 * }</pre>
 *
 * <p>Weights, gradients and momentum share this layout. There may be gaps between layers, which the optimizer never
 * reads or writes. {@link Lars.Builder#group} gives some of the layers hyperparameters of their own.
 *
 * <p>Immutable and safe for use by several threads.
 */
public final class Layers implements Iterable<Layer> {

    private final List<Layer> layers;
    private final Map<String, Integer> indices;
    private final long[] offsets;
    private final long end;
    /** Whether these are pieces of layers, see {@link Shard}. */
    private final boolean pieces;

    /**
     * Creates a layout from a list of layers.
     *
     * @param layers the layers in the order of their indices; their offsets may be in any order
     * @throws NullPointerException if {@code layers} or an element is {@code null}
     * @throws IllegalArgumentException if the list is empty, two layers have the same name, or two layers overlap
     */
    public Layers(List<Layer> layers) {
        this(layers, false);
    }

    /** As the public constructor, for pieces of layers if {@code pieces} is true. */
    Layers(List<Layer> layers, boolean pieces) {
        this.pieces = pieces;
        this.layers = Checks.copyOf("layers", layers);
        if (this.layers.isEmpty()) {
            throw new IllegalArgumentException("layers is empty; at least one layer is needed");
        }
        this.indices = new HashMap<>();
        for (int i = 0; i < this.layers.size(); i++) {
            String name = this.layers.get(i).name();
            if (indices.put(name, i) != null) {
                throw new IllegalArgumentException(
                        "name " + SafeTensorsException.quote(name) + " is given to two layers; names must be unique");
            }
        }
        List<Layer> placed = new ArrayList<>(this.layers);
        placed.sort(Comparator.comparingLong(Layer::offset).thenComparingLong(Layer::end));
        for (int i = 1; i < placed.size(); i++) {
            Layer before = placed.get(i - 1);
            Layer layer = placed.get(i);
            if (layer.offset() < before.end()) {
                throw new IllegalArgumentException(
                        "offset of layer " + SafeTensorsException.quote(layer.name()) + " is " + layer.offset()
                                + "; it must not overlap layer " + SafeTensorsException.quote(before.name()) + " at ["
                                + before.offset() + ", "
                                + before.end() + ")");
            }
        }
        this.offsets = this.layers.stream().mapToLong(Layer::offset).toArray();
        this.end = placed.getLast().end();
    }

    /** Returns a builder of a layout without layers. */
    public static Builder builder() {
        return new Builder();
    }

    /** Returns the number of layers. */
    public int size() {
        return layers.size();
    }

    /**
     * Returns the layer at an index.
     *
     * @throws IndexOutOfBoundsException if {@code index} is not in {@code [0, size())}
     */
    public Layer get(int index) {
        return layers.get(checked("index", index));
    }

    /**
     * Checks the index of a layer.
     *
     * @return {@code index}
     * @throws IndexOutOfBoundsException if there is no such layer; the message names the index {@code what}
     */
    int checked(String what, int index) {
        if (index < 0 || index >= layers.size()) {
            throw new IndexOutOfBoundsException(what + " is " + index + "; it must be in [0, " + layers.size() + ")");
        }
        return index;
    }

    /**
     * Returns the index of the layer with a name.
     *
     * @throws IllegalArgumentException if no layer has this name
     */
    public int index(String name) {
        Integer index = indices.get(Objects.requireNonNull(name, "name"));
        if (index == null) {
            throw new IllegalArgumentException("name is \"" + name + "\"; it must be the name of a layer");
        }
        return index;
    }

    /** Returns whether a layer has this name. */
    boolean has(String name) {
        return indices.containsKey(name);
    }

    /**
     * Returns these layers with treatments of others: layer {@code i} gets the treatment of {@code
     * others.get(from[i])}, or keeps its own if {@code from[i]} is -1.
     */
    Layers withTreatmentsOf(Layers others, int[] from) {
        List<Layer> treated = new ArrayList<>();
        for (int i = 0; i < size(); i++) {
            treated.add(
                    from[i] < 0
                            ? get(i)
                            : get(i).withTreatment(others.get(from[i]).treatment()));
        }
        return new Layers(treated, pieces);
    }

    /**
     * Checks that these layers have the same names as others, in the same order.
     *
     * @param what the name of these layers in the message
     * @throws IllegalArgumentException if the names differ
     */
    void requireSameNames(String what, Layers others) {
        if (size() != others.size()) {
            throw new IllegalArgumentException(what + " has " + size() + " layers; it must have " + others.size());
        }
        for (int i = 0; i < size(); i++) {
            if (!get(i).name().equals(others.get(i).name())) {
                throw new IllegalArgumentException(what + " has layer \"" + get(i).name() + "\" at index " + i
                        + "; it must be \"" + others.get(i).name() + "\"");
            }
        }
    }

    /** Checks names as {@link #requireSameNames} does, and lengths too. */
    void requireSameTensors(String what, Layers others) {
        requireSameNames(what, others);
        for (int i = 0; i < size(); i++) {
            if (get(i).length() != others.get(i).length()) {
                throw new IllegalArgumentException(what + " has length " + get(i).length() + " for layer \""
                        + get(i).name() + "\"; it must be " + others.get(i).length());
            }
        }
    }

    /**
     * Checks that the first of these layers are others, in the same order and at the same offsets.
     *
     * @param what the name of these layers in the message
     * @throws IllegalArgumentException if they are not
     */
    void requireBeginWith(String what, Layers others) {
        if (size() < others.size()) {
            throw new IllegalArgumentException(
                    what + " has " + size() + " layers; it must have at least " + others.size());
        }
        for (int i = 0; i < others.size(); i++) {
            Layer other = others.get(i);
            if (!get(i).withTreatment(other.treatment()).equals(other)) {
                throw new IllegalArgumentException(what + " has layer \"" + get(i).name() + "\" at index " + i
                        + ", offset " + get(i).offset() + ", with shape " + get(i).shape() + "; it must be \""
                        + other.name() + "\", offset " + other.offset() + ", with shape " + other.shape());
            }
        }
    }

    /** Returns the index after the last element of any layer, which is the minimum length of the arrays. */
    public long end() {
        return end;
    }

    /** Returns whether these are pieces of layers, see {@link Shard}. */
    boolean pieces() {
        return pieces;
    }

    /** Returns the offset of each layer; not to be changed. */
    long[] offsets() {
        return offsets;
    }

    /** Returns the number of elements of all layers, or {@link Long#MAX_VALUE} if there are more. */
    long elements() {
        long elements = 0;
        for (Layer layer : layers) {
            elements += Math.min(layer.length(), Long.MAX_VALUE - elements);
        }
        return elements;
    }

    @Override
    public Iterator<Layer> iterator() {
        return layers.iterator();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Layers that && layers.equals(that.layers);
    }

    @Override
    public int hashCode() {
        return layers.hashCode();
    }

    /** Returns a table with one line for each layer. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        for (Layer layer : layers) {
            Treatment treatment = layer.treatment();
            text.append(String.format(
                    Locale.ROOT,
                    "%-40s %12d at %-12d %-8s %-8s rate x %s%n",
                    layer.name(),
                    layer.length(),
                    layer.offset(),
                    treatment.decay() ? "decay" : "-",
                    treatment.adapt() ? "adapt" : "-",
                    treatment.rateFactor()));
        }
        return text.toString();
    }

    /**
     * Builds a layout. Each layer starts where the layer added before it ends, unless {@link #at} says otherwise.
     *
     * <p>The {@code treat} methods change the layers added so far, and not those added later. Layers that none of them
     * changes have {@link Treatment#FULL}. A treatment replaces the layer's earlier treatment completely; an operator
     * changes one thing and keeps the rest:
     *
     * <pre>{@code
     * builder.treatOneDimensional(Treatment.PLAIN)                           // no weight decay, no trust ratio
     *         .treat(Pattern.compile("bias$"), t -> t.withRateFactor(0.01))  // biases: also 1/100 of the rate
     * }</pre>
     *
     * <p>Not safe for use by several threads.
     */
    public static final class Builder {

        private final List<Layer> layers = new ArrayList<>();
        private final BitSet shaped = new BitSet();
        private long next;

        private Builder() {}

        /**
         * Adds a layer of {@code length} elements with {@link Treatment#FULL}.
         *
         * @throws IllegalArgumentException if {@code length} is negative or the layer ends beyond {@link
         *     Long#MAX_VALUE}
         */
        public Builder add(String name, long length) {
            return add(name, length, Treatment.FULL);
        }

        /**
         * Adds a layer of {@code length} elements.
         *
         * @throws IllegalArgumentException if {@code length} is negative or the layer ends beyond {@link
         *     Long#MAX_VALUE}
         */
        public Builder add(String name, long length, Treatment treatment) {
            return add(new Layer(name, next, List.of(length), length, treatment));
        }

        /**
         * Adds a layer with a shape and {@link Treatment#FULL}.
         *
         * @param shape the dimensions, outermost first, each 0 or more; none for a scalar
         * @throws IllegalArgumentException if a dimension is negative or the layer ends beyond {@link Long#MAX_VALUE}
         */
        public Builder addTensor(String name, long... shape) {
            Objects.requireNonNull(shape, "shape");
            List<Long> dimensions = new ArrayList<>();
            for (long dimension : shape) {
                dimensions.add(dimension);
            }
            Layer layer = new Layer(name, next, dimensions, Layer.elements(name, dimensions), Treatment.FULL);
            shaped.set(layers.size());
            return add(layer);
        }

        private Builder add(Layer layer) {
            layers.add(layer);
            next = layer.end();
            return this;
        }

        /**
         * Places the next layer at {@code offset} instead of after the previous layer.
         *
         * @throws IllegalArgumentException if {@code offset} is negative
         */
        public Builder at(long offset) {
            if (offset < 0) {
                throw new IllegalArgumentException("offset is " + offset + "; it must be 0 or more");
            }
            next = offset;
            return this;
        }

        /**
         * Applies the treatment to every layer added so far whose name contains a match of {@code pattern}. It replaces
         * the layer's earlier treatment completely.
         *
         * @throws IllegalArgumentException if no name matches; use {@link #treatIfPresent} if that is not an error
         */
        public Builder treat(Pattern pattern, Treatment treatment) {
            Objects.requireNonNull(treatment, "treatment");
            requireMatch(pattern);
            return treatIfPresent(pattern, treatment);
        }

        private void requireMatch(Pattern pattern) {
            Objects.requireNonNull(pattern, "pattern");
            if (layers.stream().noneMatch(layer -> pattern.matcher(layer.name()).find())) {
                throw new IllegalArgumentException("pattern is \"" + pattern
                        + "\"; it must match the name of a layer added so far: " + firstNames());
            }
        }

        /**
         * Changes the treatment of every layer added so far whose name contains a match of {@code pattern}, and keeps
         * what the change does not concern:
         *
         * <pre>{@code
         * builder.treatOneDimensional(Treatment.PLAIN)
         *         .treat(Pattern.compile("bias$"), t -> t.withRateFactor(0.01)) // still no decay, no trust ratio
         * }</pre>
         *
         * @throws IllegalArgumentException if no name matches
         */
        public Builder treat(Pattern pattern, UnaryOperator<Treatment> change) {
            Objects.requireNonNull(change, "change");
            requireMatch(pattern);
            return treat(layer -> pattern.matcher(layer.name()).find(), change);
        }

        /** Changes the layers that match; if the change fails for one of them, it changes none. */
        private Builder treat(Predicate<Layer> matching, UnaryOperator<Treatment> change) {
            List<Layer> changed = new ArrayList<>();
            for (Layer layer : layers) {
                changed.add(
                        matching.test(layer)
                                ? layer.withTreatment(
                                        Objects.requireNonNull(change.apply(layer.treatment()), "the result of change"))
                                : layer);
            }
            Collections.copy(layers, changed);
            return this;
        }

        /** Lists the names of the first three layers, for a message. */
        private String firstNames() {
            if (layers.isEmpty()) {
                return "there is none yet";
            }
            String names = layers.stream()
                    .limit(3)
                    .map(layer -> "\"" + layer.name() + "\"")
                    .collect(Collectors.joining(", "));
            return names + (layers.size() > 3 ? " and " + (layers.size() - 3) + " more" : "");
        }

        /** As {@link #treat}, but does nothing if no name matches. */
        public Builder treatIfPresent(Pattern pattern, Treatment treatment) {
            Objects.requireNonNull(pattern, "pattern");
            Objects.requireNonNull(treatment, "treatment");
            layers.replaceAll(layer -> pattern.matcher(layer.name()).find() ? layer.withTreatment(treatment) : layer);
            return this;
        }

        /**
         * Applies the treatment to every layer added so far that has at most one dimension, such as biases and the
         * parameters of normalisation layers. It replaces the layer's earlier treatment completely. If there is no such
         * layer, nothing changes.
         *
         * @throws IllegalStateException if no layer was added yet, or if one was added by its length, so that its
         *     dimensions are not known
         */
        public Builder treatOneDimensional(Treatment treatment) {
            Objects.requireNonNull(treatment, "treatment");
            return treatOneDimensional(before -> treatment);
        }

        /**
         * Changes the treatment of every layer added so far that has at most one dimension, and keeps what the change
         * does not concern; otherwise as {@link #treatOneDimensional(Treatment)}.
         */
        public Builder treatOneDimensional(UnaryOperator<Treatment> change) {
            Objects.requireNonNull(change, "change");
            if (layers.isEmpty()) {
                throw new IllegalStateException(
                        "treatOneDimensional was called before a layer was added; it treats the layers added so far");
            }
            if (shaped.cardinality() < layers.size()) {
                throw new IllegalStateException(
                        "layer \"" + layers.get(shaped.nextClearBit(0)).name()
                                + "\" was added by its length; treatOneDimensional needs every shape, so use addTensor");
            }
            return treat(layer -> layer.shape().size() <= 1, change);
        }

        /**
         * Builds the layout.
         *
         * @throws IllegalArgumentException if no layer was added, two layers have the same name, or two layers overlap
         */
        public Layers build() {
            return new Layers(layers);
        }
    }
}
